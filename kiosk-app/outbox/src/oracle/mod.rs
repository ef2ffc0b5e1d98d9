//! Random calls, crashes and full disks against a model that is a map, with sled beside a second engine.
//!
//! `KIOSK_OUTBOX_MODEL_CASES` and `KIOSK_OUTBOX_MODEL_SEED` set how many and which: see `cargo xtask campaign`.
//!
//! What the model knows of an envelope: it is not here, it waits, it is sent, it is dead. A call that was
//! interrupted by a crash may have happened or not; the next opening says which, and that is then certain.

mod disk;
mod engines;

use crate::{
    Limits, Options, Outbox,
    seam::envelope,
    state::{
        State,
        kv::{Kv, KvError, Memory, Tree},
        sled_kv::SledKv,
    },
};
use disk::PoweredDisk;
use engines::{Flushed, Second, Side};
use kiosk_core::wire::{ClaimState, Envelope, NotSaved};
use proptest::{prelude::*, test_runner::RngSeed};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

const ENVELOPES: u8 = 10;
const CASES: u32 = 24;

#[derive(Clone, Debug)]
enum Op {
    Save(u8),
    Settle(u8),
    Bury(u8),
    Claim(usize),
    Again(u8),
    Reopen,
    LoseState,
    /// The power goes after so many steps of the disk, in whatever call that is.
    PowerGoes(u32),
    Full,
    Room,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waits,
    Sent,
    Dead,
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0..ENVELOPES;
    prop_oneof![
        8 => n.clone().prop_map(Op::Save),
        5 => n.clone().prop_map(Op::Settle),
        1 => n.clone().prop_map(Op::Bury),
        2 => (0..4_usize).prop_map(Op::Claim),
        1 => n.prop_map(Op::Again),
        1 => Just(Op::Reopen),
        1 => Just(Op::LoseState),
        2 => (0..24_u32).prop_map(Op::PowerGoes),
        1 => Just(Op::Full),
        1 => Just(Op::Room),
    ]
}

/// Segments of two or three records, a short memory of nothing, and a ballast.
fn options() -> Options {
    let limits = Limits { segment_bytes: 1500, ballast_bytes: 4096, free_bytes_min: 0, ..Limits::default() };
    Options { limits, clock: Box::new(|| 1_800_000_000_000) }
}

struct World {
    home: TempDir,
    disk: PoweredDisk,
    second: Second,
    outbox: Option<Outbox>,
    known: BTreeMap<u8, Place>,
    chance: u64,
    /// Whether the last opening made the state again.
    rebuilt: bool,
}

impl World {
    fn new(chance: u64) -> Self {
        let (home, disk, second) = (TempDir::new().unwrap(), PoweredDisk::default(), Second::new());
        let mut world =
            Self { home, disk, second, outbox: None, known: BTreeMap::new(), chance, rebuilt: false };
        world.open();
        world
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("outbox")
    }

    fn copy(&self) -> PathBuf {
        self.home.path().join("flushed")
    }

    fn flushed(&self) -> Flushed {
        Flushed::new(self.dir().join("state/v1"), self.copy(), self.disk.clone())
    }

    fn open(&mut self) {
        let open = |world: &Self| crate::open::open(&world.dir(), options(), Arc::new(world.disk.clone()));
        let mut opened = open(self);
        while opened.is_err() && self.disk.is_dead() {
            self.restore();
            opened = open(self);
        }
        let (mut committer, lock, told) = opened.unwrap();
        let sled = committer.state.replace_kv(Box::new(Memory::default()));
        assert!(sled.is_on_disk());
        self.rebuilt = told.rebuilt;
        // A new or rebuilt one was flushed when it was full.
        if told.rebuilt || !self.copy().exists() {
            self.flushed().take();
        }
        let side = Side::new(sled, self.second.clone(), Some(self.flushed()));
        committer.state.replace_kv(Box::new(side));
        self.outbox = Some(Outbox::start(committer, lock).unwrap());
    }

    fn outbox(&self) -> &Outbox {
        self.outbox.as_ref().unwrap()
    }

    fn step(&mut self, op: &Op) {
        let before = self.known.clone();
        let (n, certain) = match *op {
            Op::Save(n) => (n, self.save(n)),
            Op::Settle(n) => (n, self.end(n, Place::Sent)),
            Op::Bury(n) => (n, self.end(n, Place::Dead)),
            Op::Claim(limit) => {
                let claimed = self.outbox().claim(limit, 0);
                let wrong = |n: u8| {
                    claimed.iter().any(|w| w.envelope.id == envelope(n).id && w.envelope != envelope(n))
                };
                assert!(!(0..ENVELOPES).any(wrong));
                (0, true)
            }
            Op::Again(n) => {
                let again = self.outbox().again(envelope(n).id, 5);
                assert_eq!(again.is_ok(), self.known.get(&n) == Some(&Place::Waits));
                (n, true)
            }
            Op::Reopen => return self.reopen(false),
            Op::LoseState => return self.reopen(true),
            Op::PowerGoes(steps) => {
                self.disk.dies_in(steps);
                (0, true)
            }
            Op::Full => {
                self.disk.fill(true);
                (0, true)
            }
            Op::Room => {
                self.disk.fill(false);
                (0, true)
            }
        };
        if self.disk.is_dead() {
            self.crash(n, if certain { None } else { before.get(&n).copied() }, certain);
        }
    }

    /// Whether the answer is certain; what it says is taken into the model.
    fn save(&mut self, n: u8) -> bool {
        match self.outbox().enqueue(envelope(n)) {
            Ok(ticket) => {
                assert_eq!(ticket.id, envelope(n).id);
                self.known.entry(n).or_insert(Place::Waits);
                true
            }
            Err(NotSaved::Full) => {
                assert!(!self.known.contains_key(&n));
                true
            }
            Err(reason) => {
                assert!(self.disk.is_dead(), "{reason:?} with power");
                self.known.entry(n).or_insert(Place::Waits);
                false
            }
        }
    }

    fn end(&mut self, n: u8, place: Place) -> bool {
        let id = envelope(n).id;
        let ended = match place {
            Place::Sent => self.outbox().settle(id, vec![9; 40]),
            Place::Dead | Place::Waits => self.outbox().dead_letter(id, "code", "detail"),
        };
        let known = self.known.get_mut(&n);
        let changes = known.as_deref().is_some_and(|old| *old == Place::Waits || place == Place::Sent);
        match ended {
            Ok(()) => {
                let known = known.unwrap();
                *known = if changes { place } else { *known };
                true
            }
            Err(_) if known.is_none() => true,
            // Without power, or on a full disk whose ballast is gone.
            Err(_) => {
                let unsure = self.disk.is_dead() && changes;
                if let Some(known) = known.filter(|_| unsure) {
                    *known = place;
                }
                !unsure
            }
        }
    }

    /// The power went; the call about `n` may have happened or not, unless that is certain.
    fn crash(&mut self, n: u8, before: Option<Place>, certain: bool) {
        self.disk.die();
        self.outbox.take().unwrap().close();
        self.restore();
        self.flushed().put_back();
        self.open();
        if !certain {
            let found = self.place(n);
            assert!(found == before || found == self.known.get(&n).copied(), "{n} is {found:?}");
            match found {
                Some(place) => _ = self.known.insert(n, place),
                None => _ = self.known.remove(&n),
            }
        }
    }

    fn restore(&mut self) {
        let mut chance = self.chance;
        self.disk.restore(|| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            chance >> 63 == 0
        });
        self.chance = chance;
    }

    /// What the state is before and after is the same, made again from the journal or not.
    fn reopen(&mut self, lose_state: bool) {
        self.outbox.take().unwrap().close();
        if self.disk.is_dead() {
            self.restore();
            self.flushed().put_back();
            return self.open();
        }
        if lose_state {
            fs::remove_dir_all(self.dir().join("state")).unwrap();
        }
        let old = rows(&self.second);
        self.open();
        assert_eq!(rows(&self.second), old);
    }

    fn place(&self, n: u8) -> Option<Place> {
        self.outbox().find(&envelope(n).claim).map(|(_, state)| match state {
            ClaimState::SavedHere => Place::Waits,
            ClaimState::Sent => Place::Sent,
            ClaimState::NeedsStaff { code, .. } if code == "code" => Place::Dead,
            other @ (ClaimState::NeedsStaff { .. } | ClaimState::Answered { .. }) => {
                panic!("{n} is {other:?}")
            }
        })
    }

    fn verify_invariants(&self) {
        for n in 0..ENVELOPES {
            assert_eq!(self.place(n), self.known.get(&n).copied(), "{n}");
        }
        let stats = self.outbox().stats();
        let count = |place| u64::try_from(self.known.values().filter(|p| **p == place).count()).unwrap();
        assert_eq!(stats.queued, count(Place::Waits));
        assert_eq!((stats.dead, stats.settled), (count(Place::Dead), count(Place::Sent)));
        assert!(stats.state_on_disk);
    }

    /// Everything that waits is there, once and as it was saved.
    fn verify_content(mut self) {
        self.disk.fill(false);
        self.reopen(false);
        let mut waiting: Vec<Envelope> =
            self.outbox().claim(usize::MAX, u64::MAX / 2).into_iter().map(|w| w.envelope).collect();
        waiting.sort_by_key(|envelope| envelope.id);
        let known = self.known.iter().filter(|(_, place)| **place == Place::Waits);
        assert_eq!(waiting, known.map(|(n, _)| envelope(*n)).collect::<Vec<_>>());
        self.outbox.take().unwrap().close();
    }
}

/// Every row that the journal decides.
fn rows(kv: &dyn Kv) -> Vec<(Tree, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for tree in Tree::FROM_JOURNAL {
        let take = &mut |key: &[u8], value: &[u8]| -> Result<(), KvError> {
            rows.push((tree, key.to_vec(), value.to_vec()));
            Ok(())
        };
        kv.for_each(tree, take).unwrap();
    }
    rows
}

fn config() -> ProptestConfig {
    let number = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let cases = number("KIOSK_OUTBOX_MODEL_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap());
    let seed = number("KIOSK_OUTBOX_MODEL_SEED").map_or(RngSeed::Random, RngSeed::Fixed);
    ProptestConfig { cases, rng_seed: seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_calls_crashes_and_full_disks(ops in proptest::collection::vec(op(), 1..60), chance: u64) {
        let mut world = World::new(chance);
        for op in &ops {
            world.step(op);
            if !world.disk.is_dead() {
                world.verify_invariants();
            }
        }
        world.verify_content();
    }
}

/// What sled had not flushed when the power went is read from the journal; nothing is made again for that.
#[test]
fn what_sled_lost_with_the_power_is_replayed() {
    let mut world = World::new(7);
    (0..3).for_each(|n| world.step(&Op::Save(n)));
    world.reopen(false);
    let flushed = applied(&world.copy());
    // At once: nothing is flushed in between.
    [Op::Save(3), Op::Settle(0), Op::Save(4)].iter().for_each(|op| world.step(op));
    world.disk.die();
    world.outbox.take().unwrap().close();
    assert!(applied(&world.dir().join("state/v1")) > flushed, "it flushes when it closes");
    world.restore();
    world.flushed().put_back();
    assert_eq!(applied(&world.dir().join("state/v1")), flushed);
    world.open();
    assert!(!world.rebuilt);
    world.verify_invariants();
    world.verify_content();
}

/// How far the sled in a folder is.
fn applied(path: &Path) -> u64 {
    let sled = SledKv::open(path).unwrap();
    let applied = State::over(Box::new(sled)).applied().unwrap();
    crate::state::sled_kv::wait_closed(path).unwrap();
    applied
}

/// The engines are held against each other, so a difference is seen.
#[test]
#[should_panic(expected = "sled and redb differ")]
fn a_difference_between_engines_is_seen() {
    let second = Second::new();
    let mut side = Side::new(Box::new(Memory::default()), second.clone(), None);
    side.put(Tree::Meta, b"key", b"value").unwrap();
    second.clone().put(Tree::Meta, b"key", b"other").unwrap();
    _ = side.get(Tree::Meta, b"key");
}
