//! Once *saved* is said, the envelope is there.

use crate::fixture::{Home, envelope, open, queued, small};
use kiosk_core::wire::{ClaimState, Envelope};
use kiosk_outbox::{Limits, Outbox};
use proptest::prelude::*;
use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader, Write, stdout},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

const CHILD: &str = "KIOSK_OUTBOX_TEST_CHILD";
const KILLS: u64 = 20;
const WRITERS: u64 = 4;

/// A process that saves, settles and prints what it was promised is killed at an arbitrary moment.
#[test]
fn kill_nine() {
    if let Some(dir) = env::var_os(CHILD) {
        return save_until_killed(Path::new(&dir));
    }
    let home = Home::new();
    let (mut saved, mut settled) = (BTreeSet::new(), BTreeSet::new());
    for kill in 0..KILLS {
        let base = kill << 32;
        let dir = home.path();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "nothing_is_lost::kill_nine", "--nocapture", "--test-threads=1"])
            .env(CHILD, &dir)
            .env("KIOSK_OUTBOX_TEST_BASE", base.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        for line in lines {
            let line = line.unwrap();
            let promise = line.split_once(' ').and_then(|(word, n)| Some((word, n.parse::<u64>().ok()?)));
            match promise {
                Some(("saved", n)) => saved.insert(n),
                Some(("settled", n)) => settled.insert(n),
                _ => continue,
            };
            heard += 1;
            // A different moment each time; what was promised until the kill arrives is read too.
            if heard == 20 + 17 * kill {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        let (outbox, opened) = open(&dir, limits());
        // A record that was being written when the process died is cut, and was promised to nobody.
        assert!(opened.quarantined <= 1, "{opened:?}");
        check(&outbox, &saved, &settled);
        outbox.close();
    }
    assert!(saved.len() > 1000 && settled.len() > 100);
}

fn limits() -> Limits {
    Limits { segment_bytes: 64 << 10, settled_max: 1 << 20, ..small() }
}

fn save_until_killed(dir: &Path) {
    let base: u64 = env::var("KIOSK_OUTBOX_TEST_BASE").unwrap().parse().unwrap();
    let (outbox, _) = open(dir, limits());
    let promise = |word: &str, n: u64| stdout().lock().write_all(format!("{word} {n}\n").as_bytes()).unwrap();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (outbox, promise) = (outbox.clone(), &promise);
            scope.spawn(move || {
                for n in (base + writer..).step_by(usize::try_from(WRITERS).unwrap()) {
                    outbox.enqueue(sized(n)).unwrap();
                    promise("saved", n);
                    if n % 3 == 0 {
                        outbox.settle(sized(n).id, b"receipt".to_vec()).unwrap();
                        promise("settled", n);
                    }
                }
            });
        }
    });
}

fn sized(n: u64) -> Envelope {
    envelope(n, 100 + usize::try_from(n * 131 % 3000).unwrap())
}

fn check(outbox: &Outbox, saved: &BTreeSet<u64>, settled: &BTreeSet<u64>) {
    let waiting: BTreeSet<_> =
        queued(outbox).into_iter().map(|envelope| (envelope.id, envelope.sealed)).collect();
    for &n in saved {
        let (_, state) = outbox.find(&sized(n).claim).unwrap_or_else(|| panic!("{n} is lost"));
        match &state {
            ClaimState::Sent => assert!(n % 3 == 0, "{n} was never settled"),
            ClaimState::SavedHere => {
                assert!(!settled.contains(&n), "{n} was settled");
                assert!(waiting.contains(&(sized(n).id, sized(n).sealed)), "{n} is not what was saved");
            }
            ClaimState::Answered { .. } | ClaimState::NeedsStaff { .. } => panic!("{n} is {state:?}"),
        }
    }
}

/// A closed outbox of `count` envelopes, every third of them settled.
fn closed(count: u64) -> Home {
    let home = Home::new();
    let (outbox, _) = home.open();
    for n in 0..count {
        outbox.enqueue(envelope(n, 200)).unwrap();
    }
    for n in (0..count).step_by(3) {
        outbox.settle(envelope(n, 200).id, vec![1; 50]).unwrap();
    }
    outbox.close();
    home
}

/// What is known of each envelope, and whether the content of those that wait is right.
fn contents(outbox: &Outbox, count: u64) -> Vec<Option<ClaimState>> {
    let waiting = queued(outbox);
    let known = |n| {
        let (_, state) = outbox.find(&envelope(n, 200).claim)?;
        if state == ClaimState::SavedHere {
            assert!(waiting.contains(&envelope(n, 200)), "{n} is not what was saved");
        }
        Some(state)
    };
    (0..count).map(known).collect()
}

fn whole(count: u64) -> Vec<Option<ClaimState>> {
    let state = |n| if n % 3 == 0 { ClaimState::Sent } else { ClaimState::SavedHere };
    (0..count).map(|n| Some(state(n))).collect()
}

fn quarantine(home: &Home) -> usize {
    fs::read_dir(home.path().join("quarantine")).unwrap().count()
}

fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

const COUNT: u64 = 24;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// One flipped bit costs at most the record it hits, and that is not concealed.
    #[test]
    fn a_flipped_bit(segment: prop::sample::Index, at: prop::sample::Index, bit in 0..8_u8, with_state: bool) {
        let home = closed(COUNT);
        damage(segment.get(home.segments().as_slice()).as_path(), |bytes| *at.get_mut(bytes) ^= 1 << bit);
        if !with_state {
            fs::remove_dir_all(home.path().join("state")).unwrap();
        }
        let (outbox, opened) = home.open();
        prop_assert_eq!(opened.quarantined, 1);
        prop_assert_eq!(quarantine(&home), 1);
        let changed: Vec<_> = contents(&outbox, COUNT).into_iter().zip(whole(COUNT)).filter(|(now, then)| now != then).collect();
        prop_assert!(changed.len() <= 1, "{:?}", changed);
        for (now, then) in changed {
            match (now, then) {
                // Its ending is damaged: it is sent again under the same id.
                (Some(ClaimState::SavedHere), Some(ClaimState::Sent)) => {}
                (Some(ClaimState::NeedsStaff { code, .. }), Some(ClaimState::SavedHere)) => prop_assert_eq!(code, "damaged"),
                (None, Some(ClaimState::SavedHere)) => prop_assert!(!with_state, "sled remembered it"),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        outbox.enqueue(envelope(COUNT, 200)).unwrap();
        outbox.close();
        // The same damage is not counted twice.
        let (outbox, opened) = home.open();
        prop_assert_eq!(opened.quarantined, 0);
        prop_assert_eq!(outbox.find(&envelope(COUNT, 200).claim).map(|(_, state)| state), Some(ClaimState::SavedHere));
        outbox.close();
    }

    /// A segment that ends early keeps what is whole, and so do all others.
    #[test]
    fn a_cut_or_blanked_tail(segment: prop::sample::Index, at: prop::sample::Index, blank: bool) {
        let home = closed(COUNT);
        let segments = home.segments();
        let hit = segment.index(segments.len());
        let records = |path: &PathBuf| fs::read(path).unwrap().windows(4).filter(|window| window == b"KOB1").count();
        let all = records(&segments[hit]);
        damage(&segments[hit], |bytes| {
            let at = at.index(bytes.len());
            if blank { bytes[at..].fill(0) } else { bytes.truncate(at) }
        });
        let left = records(&segments[hit]);
        fs::remove_dir_all(home.path().join("state")).unwrap();
        let (outbox, _) = home.open();
        let now = contents(&outbox, COUNT);
        let changed = now.iter().zip(whole(COUNT)).filter(|(now, then)| *now != &Some(then.clone().unwrap())).count();
        // Of the records that begin before the cut, at most the last is not whole.
        prop_assert!(changed <= all - left + 1, "{} of {} records left, {} changed", left, all, changed);
        outbox.close();
    }

    /// Whatever happens to sled, the content is the journal's.
    #[test]
    fn a_garbled_state(at: prop::sample::Index, harm in 0..5_u8, bit in 0..8_u8) {
        let home = closed(COUNT);
        let db = home.state().join("db");
        match harm {
            0 => fs::remove_dir_all(home.state()).unwrap(),
            1 => damage(&db, |bytes| *at.get_mut(bytes) ^= 1 << bit),
            2 => damage(&db, |bytes| bytes.truncate(at.index(bytes.len()))),
            3 => damage(&db, |bytes| bytes.fill(0xa5)),
            _ => {
                fs::remove_dir_all(home.state()).unwrap();
                fs::write(home.state(), b"not a folder").unwrap();
            }
        }
        let (outbox, opened) = home.open();
        prop_assert!(opened.rebuilt || harm == 1 || harm == 2);
        prop_assert_eq!((contents(&outbox, COUNT), opened.quarantined), (whole(COUNT), 0));
        prop_assert!(outbox.stats().state_on_disk, "sled failed");
        outbox.close();
        let (_, opened) = home.open();
        prop_assert!(!opened.rebuilt, "rebuilt again");
    }
}

/// At most two databases that could not be believed are kept.
#[test]
fn bad_states_do_not_pile_up() {
    let home = closed(3);
    for _ in 0..4 {
        fs::write(home.state().join("conf"), b"nonsense").unwrap();
        damage(&home.state().join("db"), |bytes| bytes.fill(0xa5));
        let (outbox, opened) = home.open();
        assert!(opened.rebuilt);
        outbox.close();
    }
    let kept = fs::read_dir(home.path().join("state")).unwrap().count();
    assert_eq!(kept, 3);
}

/// A segment that somebody deleted is missed, as long as sled remembers what was in it.
#[test]
fn a_missing_segment() {
    let home = closed(COUNT);
    fs::remove_file(&home.segments()[1]).unwrap();
    let (outbox, _) = home.open();
    let now = contents(&outbox, COUNT);
    assert_ne!(now, whole(COUNT));
    for (n, (now, then)) in now.into_iter().zip(whole(COUNT)).enumerate() {
        let damaged = matches!(&now, Some(ClaimState::NeedsStaff { code, .. }) if code == "damaged");
        assert!(now == then || (damaged && then == Some(ClaimState::SavedHere)), "{n} is {now:?}");
    }
}

/// A record that rots while the outbox is open does not block the line, and its citizen is told.
#[test]
fn rot_while_open() {
    let home = Home::new();
    let (outbox, _) = home.open();
    for n in 0..3 {
        outbox.enqueue(envelope(n, 200)).unwrap();
    }
    damage(&home.segments()[0], |bytes| bytes[100] ^= 1);
    assert_eq!(queued(&outbox), [envelope(1, 200), envelope(2, 200)]);
    let (_, state) = outbox.find(&envelope(0, 200).claim).unwrap();
    assert!(matches!(state, ClaimState::NeedsStaff { code, .. } if code == "damaged"));
    assert_eq!((outbox.stats().dead, outbox.stats().quarantined), (1, 1));
    outbox.close();
    let (outbox, opened) = home.open();
    assert_eq!((opened.queued, outbox.stats().dead), (2, 1));
}
