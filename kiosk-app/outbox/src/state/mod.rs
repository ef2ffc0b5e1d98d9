//! The queue's state: what waits, what is settled, what needs staff. A fold over the journal.
//!
//! Promises:
//! * [`State::apply`] gives the same trees whatever engine is below and however often a record is seen, so
//!   a lost engine is rebuilt by reading the journal again;
//! * an id has one entry for ever, or until its settled entry is forgotten.
//!
//! Never: reads a clock, touches the journal, holds content.

pub(crate) mod home;
pub(crate) mod kv;
pub(crate) mod rows;
pub(crate) mod sled_kv;

use crate::journal::{
    Journal, Place,
    record::{Ending, Facts, FileRef, Outcome, Record},
};
use kiosk_core::{claim::ClaimDigest, ids::EnvelopeId};
use kv::{Kv, KvError, Memory, Tree};
use rows::{Dead, Kept, Spot, Tries, Waits, from_row, to_number, to_row};
use std::collections::BTreeMap;

const APPLIED: &[u8] = b"applied";
const FLOOR: &[u8] = b"floor";

/// Trees, and sums over them.
pub(crate) struct State {
    kv: Box<dyn Kv>,
    tally: Tally,
}

/// Sums over the trees, kept in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Envelopes that wait for the gateway.
    pub(crate) queued: u64,
    /// Envelopes that wait for a person.
    pub(crate) dead: u64,
    /// Settled ones still remembered.
    pub(crate) settled: u64,
    /// Bytes of the queued and the dead, in the journal and in attachments.
    pub(crate) held_bytes: u64,
    /// Of these, the ones in attachments.
    pub(crate) file_bytes: u64,
    /// Journal bytes still needed, by segment.
    live: BTreeMap<u64, u64>,
    /// How many of the queued and the dead have this attachment.
    files: BTreeMap<[u8; 32], u64>,
    /// Attachments that lost an owner since [`Self::take_freed`].
    freed: Vec<FileRef>,
}

/// Where an envelope is, and its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Waits for the gateway.
    Waits(Waits),
    /// Waits for a person.
    Dead(Dead),
    /// The gateway has it.
    Kept(Kept),
}

impl Known {
    /// What is remembered of it.
    pub(crate) fn facts(&self) -> &Facts {
        match self {
            Self::Waits(row) => &row.facts,
            Self::Dead(row) => &row.facts,
            Self::Kept(row) => &row.facts,
        }
    }
}

impl Tally {
    fn add(&mut self, place: Place) {
        *self.live.entry(place.segment).or_default() += place.len;
    }

    fn sub(&mut self, place: Place) {
        if let Some(bytes) = self.live.get_mut(&place.segment) {
            *bytes = bytes.saturating_sub(place.len);
        }
        self.live.retain(|_, bytes| *bytes > 0);
    }

    fn hold(&mut self, facts: &Facts) {
        if let Some(file) = facts.file {
            self.held_bytes = self.held_bytes.saturating_add(file.len);
            self.file_bytes = self.file_bytes.saturating_add(file.len);
            *self.files.entry(file.sha256).or_default() += 1;
        }
    }

    fn release(&mut self, facts: &Facts) {
        let Some(file) = facts.file else { return };
        self.held_bytes = self.held_bytes.saturating_sub(file.len);
        self.file_bytes = self.file_bytes.saturating_sub(file.len);
        if let Some(owners) = self.files.get_mut(&file.sha256) {
            *owners = owners.saturating_sub(1);
            if *owners == 0 {
                self.files.remove(&file.sha256);
            }
        }
        self.freed.push(file);
    }

    /// Whether anything that waits, for the gateway or for a person, has this attachment.
    pub(crate) fn has_file(&self, sha256: &[u8; 32]) -> bool {
        self.files.contains_key(sha256)
    }

    /// Journal bytes still needed.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live.values().sum()
    }

    /// Of these, the ones in a segment.
    pub(crate) fn live_in(&self, segment: u64) -> u64 {
        self.live.get(&segment).copied().unwrap_or(0)
    }
}

impl State {
    /// An empty state in memory.
    pub(crate) fn in_memory() -> Self {
        Self::over(Box::new(Memory::default()))
    }

    /// The state that the whole journal gives, in memory.
    pub(crate) fn from_journal(journal: &Journal) -> Result<Self, KvError> {
        let mut state = Self::in_memory();
        let mut result = Ok(());
        journal.replay(0, |place, _, record| {
            if result.is_ok() {
                result = state.apply(&record, place);
            }
        })?;
        result.map(|()| state)
    }

    /// A state over what an engine holds; its sums start from nothing.
    pub(crate) fn over(kv: Box<dyn Kv>) -> Self {
        Self { kv, tally: Tally::default() }
    }

    /// The engine.
    pub(crate) fn kv(&self) -> &dyn Kv {
        self.kv.as_ref()
    }

    /// The engine, to write to.
    pub(crate) fn kv_mut(&mut self) -> &mut dyn Kv {
        self.kv.as_mut()
    }

    /// Gives the engine back.
    pub(crate) fn into_kv(self) -> Box<dyn Kv> {
        self.kv
    }

    /// Goes on over another engine that holds the same; gives the old one back.
    pub(crate) fn replace_kv(&mut self, kv: Box<dyn Kv>) -> Box<dyn Kv> {
        std::mem::replace(&mut self.kv, kv)
    }

    /// The sums.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Attachments that nothing has any longer.
    pub(crate) fn take_freed(&mut self) -> Vec<FileRef> {
        let freed = std::mem::take(&mut self.tally.freed);
        freed.into_iter().filter(|file| !self.tally.has_file(&file.sha256)).collect()
    }

    /// Takes one record in.
    pub(crate) fn apply(&mut self, record: &Record, place: Place) -> Result<(), KvError> {
        match record {
            Record::Put { facts, .. } => self.apply_put(facts, place),
            Record::Ended(ending) => self.apply_ending(ending, place),
            Record::Withdrawn(ids) => ids.iter().try_for_each(|id| self.withdraw(id)),
        }
    }

    /// A put: new, or carried to another place.
    pub(crate) fn apply_put(&mut self, facts: &Facts, place: Place) -> Result<(), KvError> {
        match self.known(&facts.id)? {
            None => {
                self.name(facts, Spot::Queue(facts.order))?;
                self.put_waits(&Waits { facts: facts.clone(), put: place })
            }
            Some(Known::Waits(row)) => {
                self.drop_waits(&row)?;
                self.put_waits(&Waits { put: place, ..row })
            }
            Some(Known::Dead(row)) => {
                self.drop_dead(&row)?;
                self.put_dead(&Dead { put: Some(place), ..row })
            }
            Some(Known::Kept(_)) => Ok(()),
        }
    }

    /// An ending: new, or carried to another place. A signed receipt outranks a refusal.
    pub(crate) fn apply_ending(&mut self, ending: &Ending, ended: Place) -> Result<(), KvError> {
        let known = self.known(&ending.facts.id)?;
        let (facts, put) = match known {
            None => (ending.facts.clone(), None),
            Some(Known::Waits(row)) => {
                self.drop_waits(&row)?;
                self.kv.remove(Tree::Tries, &row.facts.order.to_be_bytes())?;
                (row.facts, Some(row.put))
            }
            Some(Known::Dead(row)) => {
                let carried = row.number == ending.number;
                if !carried && matches!(ending.outcome, Outcome::Dead { .. }) {
                    return Ok(());
                }
                self.drop_dead(&row)?;
                (row.facts, row.put)
            }
            Some(Known::Kept(row)) => {
                let Spot::Receipts(number) = self.spot(&row.facts.id)? else { return Ok(()) };
                if number != ending.number {
                    return Ok(());
                }
                self.drop_kept(number, &row)?;
                (row.facts, None)
            }
        };
        let Ending { number, at_ms, .. } = *ending;
        match &ending.outcome {
            Outcome::Settled { .. } => {
                self.name(&facts, Spot::Receipts(number))?;
                self.put_kept(number, &Kept { facts, ended, at_ms })
            }
            Outcome::Dead { code, detail } => {
                self.name(&facts, Spot::Dead(facts.order))?;
                let (code, detail) = (code.clone(), detail.clone());
                self.put_dead(&Dead { facts, put, ended, number, code, detail })
            }
        }
    }

    fn withdraw(&mut self, id: &EnvelopeId) -> Result<(), KvError> {
        let Some(Known::Waits(row)) = self.known(id)? else { return Ok(()) };
        self.kv.remove(Tree::Tries, &row.facts.order.to_be_bytes())?;
        self.drop_waits(&row)?;
        self.unname(&row.facts)
    }

    /// Forgets the oldest settled ones: all but `settled_max`, and those that ended before `before_ms`.
    pub(crate) fn forget_settled(&mut self, settled_max: u64, before_ms: u64) -> Result<(), KvError> {
        while let Some((key, value)) = self.kv.after(Tree::Receipts, None)? {
            let row: Kept = from_row(Tree::Receipts, &value)?;
            if self.tally.settled <= settled_max && row.at_ms >= before_ms {
                break;
            }
            let number = to_number(Tree::Receipts, &key)?;
            self.forget(number, &row)?;
            self.kv.put(Tree::Meta, FLOOR, &number.saturating_add(1).to_be_bytes())?;
        }
        Ok(())
    }

    /// Forgets settled ones numbered below `floor`, as another engine already did.
    pub(crate) fn forget_below(&mut self, floor: u64) -> Result<(), KvError> {
        while let Some((key, value)) = self.kv.after(Tree::Receipts, None)? {
            let number = to_number(Tree::Receipts, &key)?;
            if number >= floor {
                break;
            }
            self.forget(number, &from_row(Tree::Receipts, &value)?)?;
        }
        self.kv.put(Tree::Meta, FLOOR, &floor.to_be_bytes())
    }

    fn forget(&mut self, number: u64, row: &Kept) -> Result<(), KvError> {
        self.drop_kept(number, row)?;
        self.unname(&row.facts)
    }

    /// Whether an envelope is anywhere.
    pub(crate) fn has(&self, id: &EnvelopeId) -> Result<bool, KvError> {
        Ok(self.kv.get(Tree::Ids, id.as_bytes())?.is_some())
    }

    /// Where an envelope is.
    pub(crate) fn known(&self, id: &EnvelopeId) -> Result<Option<Known>, KvError> {
        let Some(spot) = self.kv.get(Tree::Ids, id.as_bytes())? else { return Ok(None) };
        let (tree, key) = match Spot::from_bytes(&spot)? {
            Spot::Queue(key) => (Tree::Queue, key),
            Spot::Dead(key) => (Tree::Dead, key),
            Spot::Receipts(key) => (Tree::Receipts, key),
        };
        let row = self.kv.get(tree, &key.to_be_bytes())?.ok_or(KvError::Row(Tree::Ids.name()))?;
        Ok(Some(match tree {
            Tree::Dead => Known::Dead(from_row(tree, &row)?),
            Tree::Receipts => Known::Kept(from_row(tree, &row)?),
            Tree::Queue | Tree::Tries | Tree::Ids | Tree::Claims | Tree::Meta => {
                Known::Waits(from_row(tree, &row)?)
            }
        }))
    }

    fn spot(&self, id: &EnvelopeId) -> Result<Spot, KvError> {
        let bytes = self.kv.get(Tree::Ids, id.as_bytes())?.ok_or(KvError::Row(Tree::Ids.name()))?;
        Spot::from_bytes(&bytes)
    }

    /// The newest envelope with this claim.
    pub(crate) fn claimed(&self, claim: &ClaimDigest) -> Result<Option<Known>, KvError> {
        let Some((_, id)) = self.kv.last_with(Tree::Claims, &claim.0)? else { return Ok(None) };
        let id = id.as_slice().try_into().map_err(|_| KvError::Row(Tree::Claims.name()))?;
        self.known(&EnvelopeId::from_bytes(id))
    }

    /// The row of a queued envelope.
    pub(crate) fn waits(&self, order: u64) -> Result<Option<Waits>, KvError> {
        let row = self.kv.get(Tree::Queue, &order.to_be_bytes())?;
        row.map(|row| from_row(Tree::Queue, &row)).transpose()
    }

    /// The oldest queued envelope.
    pub(crate) fn oldest(&self) -> Result<Option<Waits>, KvError> {
        let first = self.kv.after(Tree::Queue, None)?;
        first.map(|(_, row)| from_row(Tree::Queue, &row)).transpose()
    }

    /// The attempts of a queued envelope.
    pub(crate) fn tries(&self, order: u64) -> Result<Tries, KvError> {
        let row = self.kv.get(Tree::Tries, &order.to_be_bytes())?;
        row.map_or(Ok(Tries::default()), |row| Tries::from_bytes(&row))
    }

    /// Notes an attempt. The journal does not know of it.
    pub(crate) fn set_tries(&mut self, order: u64, tries: Tries) -> Result<(), KvError> {
        self.kv.put(Tree::Tries, &order.to_be_bytes(), &tries.to_bytes())
    }

    /// The last record number that was applied.
    pub(crate) fn applied(&self) -> Result<u64, KvError> {
        self.meta(APPLIED)
    }

    /// Notes the last record number that was applied.
    pub(crate) fn set_applied(&mut self, number: u64) -> Result<(), KvError> {
        self.kv.put(Tree::Meta, APPLIED, &number.to_be_bytes())
    }

    /// Settled ones below this number are forgotten.
    pub(crate) fn floor(&self) -> Result<u64, KvError> {
        self.meta(FLOOR)
    }

    fn meta(&self, key: &[u8]) -> Result<u64, KvError> {
        let value = self.kv.get(Tree::Meta, key)?;
        value.map_or(Ok(0), |value| to_number(Tree::Meta, &value))
    }

    fn name(&mut self, facts: &Facts, spot: Spot) -> Result<(), KvError> {
        self.kv.put(Tree::Ids, facts.id.as_bytes(), &spot.to_bytes())?;
        self.kv.put(Tree::Claims, &claim_key(facts), facts.id.as_bytes())
    }

    fn unname(&mut self, facts: &Facts) -> Result<(), KvError> {
        self.kv.remove(Tree::Ids, facts.id.as_bytes())?;
        self.kv.remove(Tree::Claims, &claim_key(facts))
    }

    fn put_waits(&mut self, row: &Waits) -> Result<(), KvError> {
        self.tally.queued += 1;
        self.tally.held_bytes = self.tally.held_bytes.saturating_add(row.put.len);
        self.tally.hold(&row.facts);
        self.tally.add(row.put);
        self.kv.put(Tree::Queue, &row.facts.order.to_be_bytes(), &to_row(Tree::Queue, row)?)
    }

    fn drop_waits(&mut self, row: &Waits) -> Result<(), KvError> {
        self.tally.queued = self.tally.queued.saturating_sub(1);
        self.tally.held_bytes = self.tally.held_bytes.saturating_sub(row.put.len);
        self.tally.release(&row.facts);
        self.tally.sub(row.put);
        self.kv.remove(Tree::Queue, &row.facts.order.to_be_bytes())
    }

    fn put_dead(&mut self, row: &Dead) -> Result<(), KvError> {
        self.tally.dead += 1;
        self.tally.held_bytes = self.tally.held_bytes.saturating_add(row.put.map_or(0, |place| place.len));
        self.tally.hold(&row.facts);
        row.put.into_iter().chain([row.ended]).for_each(|place| self.tally.add(place));
        self.kv.put(Tree::Dead, &row.facts.order.to_be_bytes(), &to_row(Tree::Dead, row)?)
    }

    fn drop_dead(&mut self, row: &Dead) -> Result<(), KvError> {
        self.tally.dead = self.tally.dead.saturating_sub(1);
        self.tally.held_bytes = self.tally.held_bytes.saturating_sub(row.put.map_or(0, |place| place.len));
        self.tally.release(&row.facts);
        row.put.into_iter().chain([row.ended]).for_each(|place| self.tally.sub(place));
        self.kv.remove(Tree::Dead, &row.facts.order.to_be_bytes())
    }

    fn put_kept(&mut self, number: u64, row: &Kept) -> Result<(), KvError> {
        self.tally.settled += 1;
        self.tally.add(row.ended);
        self.kv.put(Tree::Receipts, &number.to_be_bytes(), &to_row(Tree::Receipts, row)?)
    }

    fn drop_kept(&mut self, number: u64, row: &Kept) -> Result<(), KvError> {
        self.tally.settled = self.tally.settled.saturating_sub(1);
        self.tally.sub(row.ended);
        self.kv.remove(Tree::Receipts, &number.to_be_bytes())
    }

    /// Stops counting on a segment whose last records could not be read.
    pub(crate) fn let_go(&mut self, segment: u64) {
        self.tally.live.remove(&segment);
    }

    /// Whether a record at this place is still needed: no newer copy of it, nothing that ended it.
    pub(crate) fn needs(&self, record: &Record, place: Place) -> Result<bool, KvError> {
        let id = match record {
            Record::Put { facts, .. } => facts.id,
            Record::Ended(ending) => ending.facts.id,
            Record::Withdrawn(_) => return Ok(false),
        };
        Ok(match self.known(&id)? {
            None => false,
            Some(Known::Waits(row)) => row.put == place,
            Some(Known::Dead(row)) => row.put == Some(place) || row.ended == place,
            Some(Known::Kept(row)) => row.ended == place,
        })
    }
}

fn claim_key(facts: &Facts) -> Vec<u8> {
    [&facts.claim.0[..], &facts.order.to_be_bytes()].concat()
}
