//! What a keyboard-like device types: raw events, keys, characters, texts.
//!
//! Input: a byte that says how the events are cut, a byte for the terminator, then four bytes an event:
//! what happens, to which key, how often, after how many milliseconds.

use super::Feed;
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    input::raw,
    keys::{
        Action, Fed, KeySource, Raw, Tracker,
        code::{EV_KEY, EV_SYN, KEY_MAX, SYN_DROPPED, SYN_REPORT},
    },
    wedge::{Aim, Framed, Framer, KeyText, Layout, Terminator, TextSource as _, Typist},
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::LazyLock,
    time::Duration,
};
use zeroize::Zeroizing;

const TEXT_BYTES_MAX: usize = 40;

/// Read once: a fuzzer asks for it thousands of times a second.
static US: LazyLock<Layout> = LazyLock::new(|| match Layout::named("us") {
    Ok(layout) => layout,
    Err(why) => panic!("{why}"),
});

pub(super) fn entry(data: &[u8]) {
    assert_eq!(raw::parse(data, None).len(), data.len() / raw::RAW_BYTES);
    let (aim, rest) = Aim::split(data);
    assert_eq!(rest.len() + if aim.is_some() { 3 } else { 0 }, data.len(), "a scan loses bytes");
    let mut feed = Feed(data);
    let size = usize::from(feed.byte()).max(1);
    let terminator = match feed.byte() % 4 {
        0 => Terminator::Any,
        1 => Terminator::Enter,
        2 => Terminator::Tab,
        _ => Terminator::Gap,
    };
    line(terminator, feed.0);
    let raws = events(feed.0);
    well_formed(&raws);
    let told = texts(terminator, &raws, raws.len().max(1));
    assert!(told == texts(terminator, &raws, size), "a text is another in pieces of {size}");
}

fn events(bytes: &[u8]) -> Vec<Raw> {
    let (mut at_us, mut raws) = (1, Vec::new());
    for event in bytes.chunks_exact(4) {
        let &[what, key, value, wait] = event else { continue };
        at_us += u64::from(wait) * 1000;
        let (kind, code, value) = match what % 8 {
            0 => (EV_SYN, SYN_DROPPED, 0),
            1 => (EV_SYN, SYN_REPORT, 0),
            2 => (u16::from(key), u16::from(value), i32::from(what)),
            3 => (EV_KEY, u16::from_le_bytes([key, value]), 1),
            _ => (EV_KEY, u16::from(key & 0x7F), i32::from(value % 4)),
        };
        raws.push(Raw { at_us, kind, code, value });
    }
    raws
}

/// Press, then repeats, then one release or cancel, for each key.
fn well_formed(raws: &[Raw]) {
    let (mut tracker, mut down) = (Tracker::default(), BTreeSet::new());
    let held = BTreeSet::from([30, 42]);
    for raw in raws {
        let keys = match tracker.feed(*raw) {
            Fed::More => continue,
            Fed::Key(key) => vec![key],
            Fed::Lost => tracker.sync(raw.at_us, &held),
        };
        for key in keys {
            let fits = match key.action {
                Action::Press => down.insert(key.code),
                Action::Repeat => down.contains(&key.code),
                Action::Release | Action::Cancel => down.remove(&key.code),
            };
            assert!(fits && key.code <= KEY_MAX, "a key is told out of order");
        }
    }
}

/// A keyboard that is read in pieces and then gone.
struct Pieces(VecDeque<Vec<Raw>>);

impl KeySource for Pieces {
    fn read(&mut self, _deadline: Deadline) -> Result<Zeroizing<Vec<Raw>>, DeviceError> {
        let gone = || DeviceError::Gone("the end".to_owned());
        self.0.pop_front().map(Zeroizing::new).ok_or_else(gone)
    }

    fn held(&mut self) -> Result<BTreeSet<u16>, DeviceError> {
        Ok(BTreeSet::from([30, 42]))
    }

    fn canceller(&self) -> Option<Canceller> {
        None
    }
}

fn texts(terminator: Terminator, raws: &[Raw], size: usize) -> Vec<Framed> {
    let source = Pieces(raws.chunks(size).map(<[Raw]>::to_vec).collect());
    let framer = Framer::new(terminator, TEXT_BYTES_MAX);
    let mut text = KeyText::new(Box::new(source), Typist::new(US.clone()), framer);
    let mut told = Vec::new();
    let deadline = Deadline::after(Duration::from_secs(1));
    while let Ok(framed) = text.next(deadline) {
        told.extend(framed);
    }
    told.iter().for_each(bounded);
    told
}

fn bounded(framed: &Framed) {
    if let Framed::Text(text) = framed {
        assert!((1..=TEXT_BYTES_MAX).contains(&text.bytes.len()), "a text of the wrong length");
    }
}

/// The same bytes on a serial line: what is told is what came, in order.
fn line(terminator: Terminator, bytes: &[u8]) {
    let mut framer = Framer::new(terminator, TEXT_BYTES_MAX);
    let mut kept: Zeroizing<Vec<u8>> = Zeroizing::default();
    for (at_us, byte) in (1_u64..).zip(bytes) {
        framer.byte(at_us * u64::from(*byte), *byte);
        while let Some(framed) = framer.next_framed() {
            bounded(&framed);
            if let Framed::Text(text) = framed {
                kept.extend_from_slice(&text.bytes);
            }
        }
    }
    let mut came = bytes.iter();
    assert!(kept.iter().all(|byte| came.any(|other| other == byte)), "a line says what nobody sent");
    framer.handle_timeout(u64::MAX);
    assert_eq!(framer.poll_timeout(), None, "a text outlives the silence");
}
