//! The one thread that owns journal and state.
//!
//! ```text
//!   wait for a request -> drain what else waits -> answer reads, gather writes
//!      ^                                               |
//!      |                                               v
//!   clean, flush sled <- state <- answer writers <- one write, one fdatasync
//! ```
//!
//! Promises:
//! * a writer hears *saved* only after `fdatasync` returned for its record;
//! * a writer that stopped waiting, or heard *not saved*, has nothing in the queue;
//! * a failing sled is replaced by a state in memory; the queue goes on.
//!
//! Never: polls. It blocks on its channel, with a limit only while sled has something to flush.

use crate::{
    answer::Answer,
    batch::{Batch, Durable, Numbered, journal_bytes},
    error::OutcomeError,
    failpoint::{Step, reach},
    files::Files,
    journal::{
        Failed, Journal, Place,
        record::{Ending, Outcome, Parcel, Record},
    },
    options::{Clock, Limits, Stats, Ticket, Waiting},
    refusals::Refusals,
    request::{Request, SaveReply},
    schedule::Schedule,
    space::Ballast,
    state::{
        Known, State, home,
        kv::{KvError, Tree},
        rows::{Tries, Waits, to_number},
    },
};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, ServiceId},
    wire::{ClaimState, NotSaved},
};
use std::{error::Error, path::PathBuf, time::Duration};

/// The most requests that share one `fdatasync`.
const BATCH_MAX: usize = 256;
/// The most bytes of envelopes that share one `fdatasync`.
const BATCH_BYTES_MAX: u64 = 16 << 20;
/// How far sled may be behind the journal on the disk; a crash in between costs a short replay.
const STATE_LAG_MS_MAX: u64 = 500;

/// A journal segment that cannot be opened now, for want of descriptors for example, is tried again then.
const UNREADABLE_MS: u64 = 10_000;

/// Journal, state and everything that decides.
pub(crate) struct Committer {
    pub(crate) dir: PathBuf,
    pub(crate) journal: Journal,
    pub(crate) state: State,
    pub(crate) schedule: Schedule,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) ballast: Ballast,
    pub(crate) files: Files,
    /// Refused envelopes whose bytes may be found again: the next batch withdraws them.
    pub(crate) refused: Vec<EnvelopeId>,
    /// Counts of what callers heard is not saved.
    pub(crate) refusals: Refusals,
    /// Envelopes that only sled remembers as it was at opening: noted with the next batch.
    pub(crate) untold: Vec<Ending>,
    /// sled holds something that is not flushed.
    pub(crate) unflushed: bool,
}

impl Committer {
    /// Works until told to close, or until nobody can ask any longer.
    pub(crate) fn run(mut self, inbox: &Receiver<Request>) {
        let mut open = true;
        while open {
            let first = if self.unflushed || self.refusals.is_due() {
                inbox.recv_timeout(Duration::from_millis(STATE_LAG_MS_MAX))
            } else {
                inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match first {
                Ok(first) => open = self.turn(first, inbox),
                Err(RecvTimeoutError::Timeout) => self.rest(),
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
        }
        self.refusals.gather(&self.clock);
        self.rest();
    }

    /// What there is time for while nobody asks.
    fn rest(&mut self) {
        self.flush();
        self.refusals.write();
        self.shrink_state();
    }

    fn turn(&mut self, first: Request, inbox: &Receiver<Request>) -> bool {
        let mut batch = Batch::default();
        let mut open = self.take(first, &mut batch);
        for request in inbox.try_iter().take(BATCH_MAX - 1) {
            open &= self.take(request, &mut batch);
            if !open || batch.saves().1 >= BATCH_BYTES_MAX {
                break;
            }
        }
        if !batch.is_empty() {
            self.commit(batch);
            while self.clean_one() && inbox.is_empty() {}
        }
        self.refusals.gather(&self.clock);
        open
    }

    /// Answers a read, or adds a write to the batch; false when it is time to end.
    pub(crate) fn take(&mut self, request: Request, batch: &mut Batch) -> bool {
        match request {
            Request::Save { parcel, reply } => self.admit(parcel, reply, batch),
            Request::End { id, outcome, reply } => match self.ending(&id, outcome) {
                Ok(Some(ending)) => batch.end(ending, Some(reply)),
                Ok(None) => _ = reply.give(Ok(())),
                Err(error) => _ = reply.give(Err(error)),
            },
            Request::Again { id, not_before_ms, reply } => {
                reply.give(self.again(&id, not_before_ms));
            }
            Request::Claim { limit, now_ms, reply } => self.claim(limit, now_ms, reply),
            Request::Find { claim, reply } => {
                reply.give(self.find(&claim));
            }
            Request::Receipt { id, reply } => {
                reply.give(self.receipt(&id));
            }
            Request::Stats { reply } => {
                reply.give(self.stats());
            }
            Request::NextDue { now_ms, reply } => {
                reply.give(self.schedule.next_due(now_ms));
            }
            Request::Refused => self.refusals.gather(&self.clock),
            Request::Close => return false,
        }
        true
    }

    fn admit(&mut self, parcel: Parcel, reply: SaveReply, batch: &mut Batch) {
        let facts = parcel.facts().clone();
        // One that was refused is not there, though the state has it until the next batch withdraws it.
        let refused = self.refused.contains(&facts.id);
        let known = self.with_state(|state| state.known(&facts.id)).map(|known| known.filter(|_| !refused));
        let earlier = match &known {
            Ok(Some(known)) => Some(known.facts().hash),
            Ok(None) => batch.waiting(&facts.id).map(|(hash, _)| hash),
            Err(_) => None,
        };
        if earlier.is_some_and(|hash| hash != facts.hash) {
            tracing::error!(id = %facts.id, "an envelope id was used for another envelope");
            reply.give(Err(NotSaved::Storage));
            return;
        }
        match known {
            Err(_) => _ = reply.give(Err(NotSaved::Storage)),
            Ok(Some(known)) => _ = reply.give(Ok(Ticket { id: facts.id, order: known.facts().order })),
            Ok(None) => {
                if let Some((_, replies)) = batch.waiting(&facts.id) {
                    replies.push(reply);
                } else if self.is_full(&parcel, batch) {
                    reply.give(Err(NotSaved::Full));
                } else {
                    batch.save(parcel, reply);
                    reach(Step::Admitted);
                }
            }
        }
    }

    fn is_full(&self, parcel: &Parcel, batch: &Batch) -> bool {
        let (count, bytes) = batch.saves();
        let tally = self.state.tally();
        let bytes = bytes.saturating_add(journal_bytes(parcel));
        let needed = self.limits.free_bytes_min.saturating_add(bytes);
        tally.queued + tally.dead + count >= self.limits.envelopes_max
            || tally.held_bytes.saturating_add(bytes) > self.limits.bytes_max
            || self.journal.free_bytes().is_ok_and(|free| free < needed)
    }

    /// The ending to write; `None` when there is nothing to do: it ended already.
    fn ending(&mut self, id: &EnvelopeId, outcome: Outcome) -> Result<Option<Ending>, OutcomeError> {
        let known = self.with_state(|state| state.known(id)).map_err(|_| OutcomeError::Storage)?;
        let stale = match known.as_ref().ok_or(OutcomeError::Unknown)? {
            Known::Waits(_) => false,
            Known::Dead(_) => matches!(outcome, Outcome::Dead { .. }),
            Known::Kept(_) => true,
        };
        let ending =
            |known: Known| Ending { facts: known.facts().clone(), number: 0, at_ms: (self.clock)(), outcome };
        Ok(known.filter(|_| !stale).map(ending))
    }

    fn again(&mut self, id: &EnvelopeId, not_before_ms: u64) -> Result<(), OutcomeError> {
        let order = self.with_state(|state| {
            let Some(Known::Waits(row)) = state.known(id)? else { return Ok(None) };
            let order = row.facts.order;
            let attempts = state.tries(order)?.attempts.saturating_add(1);
            state.set_tries(order, Tries { attempts, not_before_ms })?;
            Ok(Some(order))
        });
        let order = order.map_err(|_| OutcomeError::Storage)?.ok_or(OutcomeError::Unknown)?;
        self.unflushed |= self.state.kv().is_on_disk();
        self.schedule.later(order, not_before_ms);
        Ok(())
    }

    fn claim(&mut self, limit: usize, now_ms: u64, reply: Answer<Vec<Waiting>>) {
        let (mut claimed, mut damaged) = (Vec::new(), Batch::default());
        let orders = self.schedule.take(limit, now_ms);
        for &order in &orders {
            let row = self.with_state(|state| Ok(state.waits(order)?.zip(Some(state.tries(order)?))));
            let Ok(Some((row, tries))) = row else { continue };
            match self.fetch(&row) {
                Ok(Some(envelope)) => claimed.push(Waiting { envelope, attempts: tries.attempts }),
                Ok(None) => damaged.end(self.damaged(row), None),
                Err(error) => {
                    tracing::error!(%error, "a saved envelope cannot be read now");
                    self.schedule.later(order, now_ms.saturating_add(UNREADABLE_MS));
                }
            }
        }
        if !damaged.is_empty() {
            self.commit(damaged);
        }
        if !reply.give(claimed) {
            orders.into_iter().for_each(|order| self.schedule.give_back(order));
        }
    }

    /// The ending of an envelope whose record cannot be read any longer.
    pub(crate) fn damaged(&self, row: Waits) -> Ending {
        tracing::error!(id = %row.facts.id, "a saved envelope is damaged and needs staff");
        Ending { facts: row.facts, number: 0, at_ms: (self.clock)(), outcome: home::damaged() }
    }

    fn find(&mut self, claim: &ClaimDigest) -> Option<(ServiceId, ClaimState)> {
        let known = self.with_state(|state| state.claimed(claim)).ok().flatten()?;
        if self.refused.contains(&known.facts().id) {
            return None;
        }
        let service = known.facts().service.clone();
        let state = match known {
            Known::Waits(_) => ClaimState::SavedHere,
            Known::Dead(row) => ClaimState::NeedsStaff { code: row.code, detail: row.detail },
            Known::Kept(_) => ClaimState::Sent,
        };
        Some((service, state))
    }

    fn receipt(&mut self, id: &EnvelopeId) -> Option<Vec<u8>> {
        let Known::Kept(row) = self.with_state(|state| state.known(id)).ok().flatten()? else { return None };
        match self.journal.read(row.ended).ok().flatten()? {
            Record::Ended(Ending { outcome: Outcome::Settled { receipt }, .. }) => Some(receipt),
            Record::Ended(_) | Record::Put { .. } | Record::Withdrawn(_) => None,
        }
    }

    fn stats(&mut self) -> Stats {
        let oldest = self.with_state(|state| state.oldest()).ok().flatten();
        let (tally, counts) = (self.state.tally(), self.journal.counts());
        Stats {
            queued: tally.queued,
            dead: tally.dead,
            settled: tally.settled,
            oldest_ms: oldest.map(|row| row.facts.made_ms),
            bytes: tally.held_bytes,
            disk_bytes: self.journal.disk_bytes().saturating_add(tally.file_bytes),
            records: counts.records,
            syncs: counts.syncs,
            quarantined: u64::try_from(self.journal.quarantined()).unwrap_or(u64::MAX),
            state_on_disk: self.state.kv().is_on_disk(),
        }
    }

    /// Makes a batch durable and tells everybody.
    pub(crate) fn commit(&mut self, mut batch: Batch) {
        if !self.refused.is_empty() {
            batch.withdraw(std::mem::take(&mut self.refused));
        }
        for ending in std::mem::take(&mut self.untold) {
            batch.end(ending, None);
        }
        self.write_attached(&mut batch);
        if batch.is_empty() {
            return;
        }
        let ends = batch.ends();
        let (writes, drafts) = batch.number(self.journal.next_number());
        let appended = self.ballast.append(&mut self.journal, &drafts, ends);
        drop(drafts);
        // Callers first: the journal has their records, and whatever they ask next comes after the state knows.
        let (mut places, mut durable) = (appended.places.into_iter(), Vec::new());
        for write in writes {
            match places.next() {
                Some(place) => durable.push((write.answer(), place)),
                None => self.refuse(write, appended.failed.as_ref()),
            }
        }
        reach(Step::Answered);
        let mut abandoned = Vec::new();
        for (write, place) in durable {
            self.take_in(write, place, &mut abandoned);
        }
        self.note_applied();
        self.drop_freed();
        reach(Step::Applied);
        if !abandoned.is_empty() {
            tracing::warn!(count = abandoned.len(), "nobody waits for these envelopes: withdrawn");
            let mut batch = Batch::default();
            batch.withdraw(abandoned);
            self.commit(batch);
        }
    }

    /// Takes a durable record into the state.
    fn take_in(&mut self, write: Durable, place: Place, abandoned: &mut Vec<EnvelopeId>) {
        match write {
            Durable::Save { facts, heard } => {
                self.absorb(|state| state.apply_put(&facts, place));
                reach(Step::SaveApplied);
                if heard {
                    self.schedule.add(facts.order);
                } else {
                    abandoned.push(facts.id);
                }
            }
            Durable::End(ending) => {
                self.absorb(|state| state.apply_ending(&ending, place));
                self.schedule.leave(ending.facts.order);
                reach(Step::EndApplied);
            }
            Durable::Withdraw(ids) => {
                self.absorb(|state| state.apply(&Record::Withdrawn(ids.clone()), place))
            }
        }
    }

    fn refuse(&mut self, write: Numbered, failed: Option<&Failed>) {
        let full = failed.is_some_and(Failed::is_full);
        match write {
            Numbered::Save { facts, replies } => {
                if failed.is_some_and(|failed| failed.may_resurface) {
                    self.refused.push(facts.id);
                } else if let Some(file) = &facts.file {
                    self.drop_file(file);
                }
                let reason = if full { NotSaved::Full } else { NotSaved::Storage };
                replies.into_iter().for_each(|reply| _ = reply.give(Err(reason)));
            }
            Numbered::End { reply: Some(reply), .. } => _ = reply.give(Err(OutcomeError::Storage)),
            Numbered::End { ending, reply: None } => {
                // Of one that still waits its damage is met again.
                if !self.state.has(&ending.facts.id).unwrap_or(true) {
                    self.untold.push(ending);
                }
            }
            Numbered::Withdraw(ids) => self.refused.extend(ids),
        }
    }

    /// Changes the state; when the engine fails even in memory there is nothing left to change.
    pub(crate) fn absorb(&mut self, change: impl Fn(&mut State) -> Result<(), KvError>) {
        if let Err(error) = self.with_state(change) {
            tracing::error!(error = &error as &dyn Error, "the queue's state could not be changed");
        }
    }

    /// Notes how far the state is, and forgets settled envelopes beyond the limits.
    pub(crate) fn note_applied(&mut self) {
        let number = self.journal.next_number().saturating_sub(1);
        let before_ms = (self.clock)().saturating_sub(self.limits.settled_ms_max);
        let settled_max = self.limits.settled_max;
        self.absorb(|state| {
            state.forget_settled(settled_max, before_ms)?;
            state.set_applied(number)
        });
        self.unflushed |= self.state.kv().is_on_disk();
    }

    /// Works on the state; when sled fails, on one read from the journal again.
    pub(crate) fn with_state<T>(
        &mut self,
        work: impl Fn(&mut State) -> Result<T, KvError>,
    ) -> Result<T, KvError> {
        let error = match work(&mut self.state) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if !self.state.kv().is_on_disk() {
            return Err(error);
        }
        tracing::error!(error = &error as &dyn Error, "sled failed: the queue goes on from the journal");
        self.state = State::from_journal(&self.journal)?;
        self.unflushed = false;
        work(&mut self.state)
    }

    /// Makes sled durable and takes the ballast aboard again.
    pub(crate) fn flush(&mut self) {
        self.ballast.restore();
        self.unflushed = false;
        reach(Step::StateFlushing);
        if let Err(error) = self.with_state(|state| state.kv_mut().flush()) {
            tracing::error!(error = &error as &dyn Error, "the queue's state could not be flushed");
        }
        reach(Step::StateFlushed);
    }
}

/// The turns of everything that waits.
pub(crate) fn schedule(state: &State) -> Result<Schedule, KvError> {
    let mut schedule = Schedule::default();
    state.kv().for_each(Tree::Queue, &mut |key, _| {
        schedule.add(to_number(Tree::Queue, key)?);
        Ok(())
    })?;
    state.kv().for_each(Tree::Tries, &mut |key, row| {
        let order = to_number(Tree::Tries, key)?;
        let tries = Tries::from_bytes(row)?;
        if state.waits(order)?.is_some() {
            schedule.later(order, tries.not_before_ms);
        }
        Ok(())
    })?;
    Ok(schedule)
}
