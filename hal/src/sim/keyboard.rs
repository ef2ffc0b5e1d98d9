//! Simulated keyboards: a barcode scanner, a stripe reader and a keypad that pretend to be one.
//!
//! A hand gives what a hand does (a symbol, a swipe, a key); what leaves is the kernel's: raw events, two for
//! each press or release (`EV_KEY`, `SYN_REPORT`), in a buffer of [`BUFFER_EVENTS`] that runs over as the
//! kernel's does, with `SYN_DROPPED` and the latest event in place of all that was waiting.
//!
//! Promises: what types waits for the buffer as a slow device would, up to [`TYPE_WAIT`], except in a
//! storm; an unplugged keyboard loses what was waiting. Never: a ready text.

use super::world::World;
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    input::{Raw, code, now_us},
    keys::KeySource,
    wedge::Layout,
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use zeroize::Zeroizing;

/// How many events the kernel keeps for a reader of a keyboard, `drivers/input/evdev.c`.
pub const BUFFER_EVENTS: usize = 64;

/// A device that types gives up after so long without a reader.
pub const TYPE_WAIT: Duration = Duration::from_secs(5);

const TAB: u16 = 15;
const ENTER: u16 = 28;
const LEFT_CTRL: u16 = 29;
const LEFT_SHIFT: u16 = 42;
/// A key that types nothing in any layout.
const NO_CHARACTER: u16 = 0x2f0;

/// Which keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The barcode scanner.
    Scanner,
    /// The stripe reader.
    Stripe,
    /// The keypad.
    Keypad,
}

/// What a hand holds under the scanner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// A symbol that says this, and Enter after it.
    Text(String),
    /// The same from a scanner that was not told to send Enter.
    NoEnd(String),
    /// A symbol whose scanner loses its cable half-way.
    CutOff(String),
    /// Something the scanner makes keys of that type nothing.
    Garbage,
}

/// One keyboard, as the kernel sees it.
#[derive(Default)]
pub(super) struct KeyboardSim {
    /// What waits for the reader; none without a reader, because the kernel keeps nothing then.
    waiting: Option<VecDeque<Raw>>,
    held: BTreeSet<u16>,
    cancelled: bool,
    /// While a text is typed, since when: the device pauses nowhere within it, whatever the hand's thread does.
    typing_us: Option<u64>,
    pub(super) pulled: bool,
    /// Whether somebody else has it, so that it cannot be grabbed.
    pub(super) taken: bool,
}

impl KeyboardSim {
    pub(super) fn cable(&mut self, pulled: bool) {
        self.pulled = pulled;
        self.waiting = None;
        self.typing_us = None;
        self.held.clear();
    }

    /// Whether somebody reads it and has room for so many events.
    fn has_room(&self, events: usize) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.len() + events <= BUFFER_EVENTS)
    }

    /// One event and its `SYN_REPORT`; false without a reader.
    fn key(&mut self, code: u16, down: bool) -> bool {
        let changed = if down { self.held.insert(code) } else { self.held.remove(&code) };
        let Some(waiting) = self.waiting.as_mut().filter(|_| !self.pulled) else { return false };
        if changed {
            let at_us = self.typing_us.unwrap_or_else(now_us);
            push(waiting, Raw { at_us, kind: code::EV_KEY, code, value: i32::from(down) });
            push(waiting, Raw { at_us, kind: code::EV_SYN, code: code::SYN_REPORT, value: 0 });
        }
        true
    }

    /// What a reader gets now; none while it has to wait.
    fn read(&mut self) -> Option<Result<Zeroizing<Vec<Raw>>, DeviceError>> {
        if std::mem::take(&mut self.cancelled) {
            return Some(Ok(Zeroizing::default()));
        }
        // Plugged in again or not: the reader that was open has lost it.
        let Some(waiting) = &mut self.waiting else { return Some(Err(unplugged())) };
        (!waiting.is_empty()).then(|| Ok(Zeroizing::new(waiting.drain(..).collect())))
    }
}

fn push(waiting: &mut VecDeque<Raw>, raw: Raw) {
    if waiting.len() >= BUFFER_EVENTS {
        waiting.clear();
        waiting.push_back(Raw { kind: code::EV_SYN, code: code::SYN_DROPPED, value: 0, ..raw });
    }
    waiting.push_back(raw);
}

/// Opens the keyboard at `place`.
///
/// # Errors
/// [`DeviceError::Gone`] while its cable is pulled, [`DeviceError::NotExclusive`] while somebody else has it.
pub fn open(world: &World, place: Place) -> Result<SimKeyboard, DeviceError> {
    world.change(|things| {
        let keyboard = things.keyboard(place);
        if keyboard.pulled {
            return Err(unplugged());
        }
        if keyboard.taken {
            return Err(DeviceError::NotExclusive("the simulated keyboard is somebody else's".to_owned()));
        }
        keyboard.waiting = Some(VecDeque::new());
        Ok(SimKeyboard { world: world.clone(), place })
    })
}

fn unplugged() -> DeviceError {
    DeviceError::Gone("the simulated keyboard is unplugged".to_owned())
}

/// The reader's end.
pub struct SimKeyboard {
    world: World,
    place: Place,
}

impl KeySource for SimKeyboard {
    fn read(&mut self, deadline: Deadline) -> Result<Zeroizing<Vec<Raw>>, DeviceError> {
        let place = self.place;
        let read = self.world.wait(deadline.left(), |things| things.keyboard(place).read());
        let read = read.or_else(|| {
            self.world.wait(TYPE_WAIT, |things| {
                let keyboard = things.keyboard(place);
                let idle = keyboard.typing_us.is_none();
                keyboard.read().or_else(|| idle.then(|| Ok(Zeroizing::default())))
            })
        });
        self.world.notify();
        read.unwrap_or_else(|| Ok(Zeroizing::default()))
    }

    fn held(&mut self) -> Result<BTreeSet<u16>, DeviceError> {
        let place = self.place;
        self.world.change(|things| {
            let keyboard = things.keyboard(place);
            if keyboard.waiting.is_none() { Err(unplugged()) } else { Ok(keyboard.held.clone()) }
        })
    }

    fn canceller(&self) -> Option<Canceller> {
        let (world, place) = (self.world.clone(), self.place);
        Some(Arc::new(move || world.change(|things| things.keyboard(place).cancelled = true)))
    }
}

/// Types `text` in the US layout, control characters with ctrl; false when nobody reads it, or it cannot be
/// typed.
pub(super) fn type_text(world: &World, place: Place, text: &str) -> bool {
    let Ok(layout) = Layout::named("us") else { return false };
    let strokes: Option<Vec<_>> = text.chars().map(|character| strike(&layout, character)).collect();
    strokes.is_some_and(|strokes| type_strokes(world, place, strokes))
}

/// The keys that type `character`, in the order they go down.
fn strike(layout: &Layout, character: char) -> Option<Vec<u16>> {
    let (ctrl, plain) = match character {
        '\r' => return Some(vec![ENTER]),
        '\t' => return Some(vec![TAB]),
        '\u{1}'..='\u{1f}' => (true, char::from_u32(u32::from(character) | 0x40)?),
        other => (false, other),
    };
    let (key, shift) = layout.key(plain)?;
    // Ctrl and a letter need no shift.
    let shift = shift && !(ctrl && plain.is_ascii_alphabetic());
    let modifiers = [ctrl.then_some(LEFT_CTRL), shift.then_some(LEFT_SHIFT)];
    Some(modifiers.into_iter().flatten().chain([key]).collect())
}

/// Digits, a key that types nothing, digits, and Enter.
pub(super) fn type_garbage(world: &World, place: Place) -> bool {
    type_strokes(world, place, [2, 3, NO_CHARACTER, 4, 5, ENTER].map(|key| vec![key]))
}

/// Strokes one after the other, as many at once as there is room for. In each the keys go down in order and
/// come up in reverse.
pub(super) fn type_strokes(world: &World, place: Place, strokes: impl IntoIterator<Item = Vec<u16>>) -> bool {
    let mut strokes = strokes.into_iter().peekable();
    world.change(|things| things.keyboard(place).typing_us = Some(now_us()));
    let mut typed = true;
    while typed && strokes.peek().is_some() {
        let some = world.wait(TYPE_WAIT, |things| {
            let keyboard = things.keyboard(place);
            if keyboard.pulled {
                return Some(false);
            }
            let mut typed = None;
            while let Some(keys) = strokes.next_if(|keys| keyboard.has_room(4 * keys.len())) {
                let down = keys.iter().all(|key| keyboard.key(*key, true));
                typed = Some(keys.iter().rev().all(|key| keyboard.key(*key, false)) && down);
            }
            typed
        });
        world.notify();
        typed = some == Some(true);
    }
    world.change(|things| things.keyboard(place).typing_us = None);
    typed
}

/// One key, down or up, whatever room there is; false without a reader.
pub(super) fn press(world: &World, place: Place, code: u16, down: bool) -> bool {
    world.change(|things| things.keyboard(place).key(code, down))
}

/// Lets one key go and fills the buffer with another, all at once.
pub(super) fn lose(world: &World, place: Place, code: u16, other: u16) -> bool {
    world.change(|things| {
        let keyboard = things.keyboard(place);
        keyboard.key(code, false)
            && (0..BUFFER_EVENTS).all(|_| keyboard.key(other, true) && keyboard.key(other, false))
    })
}

/// `presses` of one key at once, without waiting for the reader.
pub(super) fn storm(world: &World, place: Place, code: u16, presses: usize) -> bool {
    world.change(|things| {
        let keyboard = things.keyboard(place);
        (0..presses).all(|_| keyboard.key(code, true) && keyboard.key(code, false))
    })
}
