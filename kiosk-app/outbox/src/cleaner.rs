//! Space comes back: what the oldest segment still holds is carried into the newest, then it is unlinked.
//!
//! Still needed are puts that wait for the gateway or a person, and endings that a claim lookup may
//! ask for. A segment without any goes at once; others only while the journal is longer than twice what is
//! needed and four segments.
//!
//! Promises: a segment is unlinked only after all that was needed of it is durable elsewhere; segments go
//! oldest first, so an ending never goes before its put.
//! Never: cleans more than one segment while somebody waits.

use crate::{
    batch::Batch,
    committer::Committer,
    failpoint::{Step, reach},
    journal::{
        Place,
        frame::Kind,
        record::{Draft, Outcome, Record},
    },
    state::{
        home,
        kv::{Kv, Memory, Tree},
        rows::{Waits, from_row},
    },
};
use std::{error::Error, io};

/// Segments the journal may have beside twice what is needed.
const SPARE_SEGMENTS: u64 = 4;

/// sled keeps the length it once had; it is filled anew when it is longer than this for each row, and
/// [`STATE_SPARE_BYTES`].
const STATE_BYTES_PER_ROW: u64 = 1024;
const STATE_SPARE_BYTES: u64 = 2 << 20;

impl Committer {
    /// Fills sled anew when it is far longer than what it holds. Between the old one and the new one there is
    /// none: a crash there costs a rebuild, and the attempts that only sled counts.
    pub(crate) fn shrink_state(&mut self) {
        let tally = self.state.tally();
        let rows = tally.queued + tally.dead + tally.settled;
        let allowed = rows.saturating_mul(STATE_BYTES_PER_ROW).saturating_add(STATE_SPARE_BYTES);
        if self.state.kv().disk_bytes() <= allowed {
            return;
        }
        let shrunk = self.with_state(|state| {
            let mut memory = Memory::default();
            for tree in Tree::ALL {
                state.kv().for_each(tree, &mut |key, value| memory.put(tree, key, value))?;
            }
            state.replace_kv(Box::new(memory));
            Ok(())
        });
        let refilled = shrunk.and_then(|()| home::refill(&self.dir, &self.state));
        match refilled {
            Ok(kv) => drop(self.state.replace_kv(kv)),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn Error,
                    "sled cannot be filled: the state is in memory"
                );
            }
        }
    }

    /// Cleans the oldest segment when it is worth it; true when one went.
    pub(crate) fn clean_one(&mut self) -> bool {
        let Some(segment) = self.journal.oldest_closed() else { return false };
        let tally = self.state.tally();
        let allowed =
            tally.live_bytes().saturating_mul(2).saturating_add(SPARE_SEGMENTS * self.limits.segment_bytes);
        if tally.live_in(segment) > 0 && self.journal.disk_bytes() <= allowed {
            return false;
        }
        match self.clean(segment) {
            Ok(gone) => gone,
            Err(error) => {
                tracing::warn!(%error, "an old journal segment stays");
                false
            }
        }
    }

    fn clean(&mut self, segment: u64) -> io::Result<bool> {
        if self.state.tally().live_in(segment) > 0 {
            self.carry(segment)?;
        }
        if self.state.tally().live_in(segment) > 0 {
            self.give_up_on_damaged(segment)?;
        }
        if self.state.tally().live_in(segment) > 0 {
            return Ok(false);
        }
        // What only sled remembers, and is not noted, is told by sled as it was at opening.
        if !self.untold.is_empty() {
            return Ok(false);
        }
        // sled never remembers what the journal has dropped: what it then alone knows is damage.
        self.flush();
        if !self.state.kv().is_on_disk() {
            home::retire(&self.dir)?;
        }
        self.journal.remove(segment)?;
        Ok(true)
    }

    /// Writes what is needed of a segment again, at the journal's end.
    fn carry(&mut self, segment: u64) -> io::Result<()> {
        let mut found: Vec<(Place, Record, Draft)> = Vec::new();
        self.journal.read_segment(segment, |place, record, body| {
            let draft = Draft { kind: kind(&record), body: body.to_vec() };
            found.push((place, record, draft));
        })?;
        let (mut records, mut drafts) = (Vec::new(), Vec::new());
        for (place, record, draft) in found {
            if self.with_state(|state| state.needs(&record, place)).map_err(io::Error::other)? {
                records.push(record);
                drafts.push(draft);
            }
        }
        let appended = self.journal.append(&drafts);
        reach(Step::Carried);
        for (record, place) in records.iter().zip(appended.places) {
            self.absorb(|state| state.apply(record, place));
        }
        self.note_applied();
        reach(Step::CarryApplied);
        appended.failed.map_or(Ok(()), |failed| Err(failed.error))
    }

    /// What is needed of a segment and could not be read there: a person has to look at it.
    fn give_up_on_damaged(&mut self, segment: u64) -> io::Result<()> {
        let rows = self.with_state(|state| {
            let mut rows = Vec::new();
            state.kv().for_each(Tree::Queue, &mut |_, row| {
                let row: Waits = from_row(Tree::Queue, row)?;
                rows.extend((row.put.segment == segment).then_some(row));
                Ok(())
            })?;
            Ok(rows)
        });
        let mut batch = Batch::default();
        for row in rows.map_err(io::Error::other)? {
            batch.end(self.damaged(row), None);
        }
        if !batch.is_empty() {
            self.commit(batch);
        }
        self.state.let_go(segment);
        Ok(())
    }
}

fn kind(record: &Record) -> Kind {
    match record {
        Record::Put { facts, .. } if facts.file.is_some() => Kind::Filed,
        Record::Put { .. } => Kind::Put,
        Record::Ended(ending) => match ending.outcome {
            Outcome::Settled { .. } => Kind::Settled,
            Outcome::Dead { .. } => Kind::Dead,
        },
        Record::Withdrawn(_) => Kind::Withdrawn,
    }
}
