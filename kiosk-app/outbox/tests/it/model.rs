//! Arbitrary calls against a model that is a map.

use crate::fixture::{Home, NOW_MS, envelope, small};
use kiosk_core::wire::{ClaimState, Envelope};
use kiosk_outbox::{Limits, Outbox, OutcomeError, Ticket};
use proptest::prelude::*;
use std::{collections::BTreeMap, fs};

const ENVELOPES: u64 = 8;

#[derive(Clone, Debug)]
enum Op {
    Save(u64),
    SaveOther(u64),
    Claim(usize),
    Settle(u64),
    Dead(u64),
    Again(u64, u64),
    Pass(u64),
    Reopen,
    LoseState,
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0..ENVELOPES;
    prop_oneof![
        6 => n.clone().prop_map(Op::Save),
        1 => n.clone().prop_map(Op::SaveOther),
        4 => (0..4_usize).prop_map(Op::Claim),
        3 => n.clone().prop_map(Op::Settle),
        1 => n.clone().prop_map(Op::Dead),
        3 => (n, 0..100_u64).prop_map(|(n, wait)| Op::Again(n, wait)),
        2 => (0..100_u64).prop_map(Op::Pass),
        1 => Just(Op::Reopen),
        1 => Just(Op::LoseState),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Where {
    Waits { attempts: u32, not_before_ms: u64, in_hand: bool },
    Sent,
    Dead,
}

#[derive(Default)]
struct Model {
    known: BTreeMap<u64, (u64, Where)>,
    now_ms: u64,
}

struct World {
    home: Home,
    outbox: Option<Outbox>,
    model: Model,
}

/// Segments of two or three records: nearly every call rolls or cleans.
fn limits() -> Limits {
    Limits { segment_bytes: 1500, ..small() }
}

fn sized(n: u64) -> Envelope {
    envelope(n, 300)
}

impl World {
    fn new() -> Self {
        let home = Home::new();
        let outbox = Some(home.open_with(limits()).0);
        Self { home, outbox, model: Model { now_ms: NOW_MS, ..Model::default() } }
    }

    fn outbox(&self) -> &Outbox {
        self.outbox.as_ref().unwrap()
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Save(n) => self.save(n),
            Op::SaveOther(n) => {
                if self.model.known.contains_key(&n) {
                    let mut other = sized(n);
                    other.sealed.push(0);
                    assert!(self.outbox().enqueue(other).is_err());
                }
            }
            Op::Claim(limit) => self.claim(limit),
            Op::Settle(n) => {
                let expected = self.model.known.get_mut(&n).map(|(_, place)| *place = Where::Sent);
                let settled = self.outbox().settle(sized(n).id, vec![9; 40]);
                assert_eq!(settled, expected.ok_or(OutcomeError::Unknown));
            }
            Op::Dead(n) => {
                let expected = self.model.known.get_mut(&n).map(|(_, place)| {
                    if matches!(place, Where::Waits { .. }) {
                        *place = Where::Dead;
                    }
                });
                let dead = self.outbox().dead_letter(sized(n).id, "code", "detail");
                assert_eq!(dead, expected.ok_or(OutcomeError::Unknown));
            }
            Op::Again(n, wait) => {
                let later = self.model.now_ms + wait;
                let expected = match self.model.known.get_mut(&n) {
                    Some((_, Where::Waits { attempts, not_before_ms, in_hand })) => {
                        (*attempts, *not_before_ms, *in_hand) = (*attempts + 1, later, false);
                        Ok(())
                    }
                    Some((_, Where::Sent | Where::Dead)) | None => Err(OutcomeError::Unknown),
                };
                assert_eq!(self.outbox().again(sized(n).id, later), expected);
            }
            Op::Pass(ms) => self.model.now_ms += ms,
            Op::Reopen => self.reopen(false),
            Op::LoseState => self.reopen(true),
        }
    }

    fn save(&mut self, n: u64) {
        let ticket = self.outbox().enqueue(sized(n)).unwrap();
        assert_eq!(ticket, Ticket { id: sized(n).id, order: ticket.order });
        let newest = self.model.known.values().map(|(order, _)| *order).max().unwrap_or(0);
        let waits = Where::Waits { attempts: 0, not_before_ms: 0, in_hand: false };
        let fresh = !self.model.known.contains_key(&n);
        let (order, _) = self.model.known.entry(n).or_insert((ticket.order, waits));
        assert_eq!(*order, ticket.order);
        assert!(!fresh || ticket.order > newest, "an order was given twice");
    }

    fn claim(&mut self, limit: usize) {
        let now = self.model.now_ms;
        let mut due: Vec<(u64, u64)> = Vec::new();
        for (&n, (order, place)) in &self.model.known {
            if matches!(place, Where::Waits { not_before_ms, in_hand: false, .. } if *not_before_ms <= now) {
                due.push((*order, n));
            }
        }
        due.sort_unstable();
        let claimed = self.outbox().claim(limit, now);
        assert_eq!(claimed.len(), due.len().min(limit));
        for (waiting, (_, n)) in claimed.into_iter().zip(due) {
            assert_eq!(waiting.envelope, sized(n));
            let Some((_, Where::Waits { attempts, in_hand, .. })) = self.model.known.get_mut(&n) else {
                panic!()
            };
            assert_eq!(waiting.attempts, *attempts);
            *in_hand = true;
        }
    }

    fn reopen(&mut self, lose_state: bool) {
        self.outbox.take().unwrap().close();
        if lose_state {
            fs::remove_dir_all(self.home.path().join("state")).unwrap();
        }
        let (outbox, opened) = self.home.open_with(limits());
        self.outbox = Some(outbox);
        assert_eq!(opened.rebuilt, lose_state && !self.model.known.is_empty());
        assert_eq!(opened.quarantined, 0);
        for (_, place) in self.model.known.values_mut() {
            if let Where::Waits { attempts, not_before_ms, in_hand } = place {
                *in_hand = false;
                if lose_state {
                    (*attempts, *not_before_ms) = (0, 0);
                }
            }
        }
    }

    fn verify_invariants(&self) {
        let now = self.model.now_ms;
        let (mut queued, mut dead, mut settled, mut due) = (0, 0, 0, None::<u64>);
        for n in 0..ENVELOPES {
            let place = self.model.known.get(&n).map(|(_, place)| place);
            let expected = place.map(|place| match place {
                Where::Waits { not_before_ms, in_hand, .. } => {
                    queued += 1;
                    if !in_hand {
                        let at = now.max(*not_before_ms);
                        due = Some(due.map_or(at, |due| due.min(at)));
                    }
                    ClaimState::SavedHere
                }
                Where::Sent => {
                    settled += 1;
                    ClaimState::Sent
                }
                Where::Dead => {
                    dead += 1;
                    ClaimState::NeedsStaff { code: "code".into(), detail: "detail".into() }
                }
            });
            let found = self.outbox().find(&sized(n).claim);
            assert_eq!(found.map(|(_, state)| state), expected, "{n}");
        }
        let stats = self.outbox().stats();
        assert_eq!((stats.queued, stats.dead, stats.settled), (queued, dead, settled));
        assert_eq!(self.outbox().next_due(now), due);
        assert!(stats.state_on_disk);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_calls_in_any_order(ops in proptest::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        for op in &ops {
            world.step(op);
            world.verify_invariants();
        }
        world.outbox.take().unwrap().close();
    }
}
