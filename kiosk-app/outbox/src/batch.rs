//! The writes that share one `fdatasync`.
//!
//! Promises: one entry for an id in a batch, however many callers sent it; what makes room
//! is written before what takes it.
//! Never: writes.

use crate::{
    answer::Answer,
    error::OutcomeError,
    journal::{
        frame::OVERHEAD_BYTES,
        record::{Draft, Ending, Facts, FileRef, Parcel, withdrawn},
    },
    options::Ticket,
    request::SaveReply,
};
use kiosk_core::ids::EnvelopeId;
use std::collections::BTreeMap;

/// Writes that wait for the disk.
#[derive(Default)]
pub(crate) struct Batch {
    ends: Vec<Write>,
    saves: Vec<Write>,
    by_id: BTreeMap<EnvelopeId, usize>,
    save_bytes: u64,
}

/// One record and who waits for it.
pub(crate) enum Write {
    /// An envelope.
    Save { parcel: Parcel, replies: Vec<SaveReply> },
    /// How one left the queue.
    End { ending: Ending, reply: Option<Answer<Result<(), OutcomeError>>> },
    /// These were refused after all.
    Withdraw(Vec<EnvelopeId>),
}

/// A write that has its number, and what the state learns from it.
pub(crate) enum Numbered {
    /// An envelope.
    Save { facts: Facts, replies: Vec<SaveReply> },
    /// How one left the queue.
    End { ending: Ending, reply: Option<Answer<Result<(), OutcomeError>>> },
    /// These were refused after all.
    Withdraw(Vec<EnvelopeId>),
}

/// A write that is on stable storage and whose caller knows.
pub(crate) enum Durable {
    /// An envelope.
    Save {
        /// What is remembered of it.
        facts: Facts,
        /// Whether anybody still waited for it.
        heard: bool,
    },
    /// How one left the queue.
    End(Ending),
    /// These were refused after all.
    Withdraw(Vec<EnvelopeId>),
}

impl Numbered {
    /// Tells everybody who waits that it is durable.
    pub(crate) fn answer(self) -> Durable {
        match self {
            Self::Save { facts, replies } => {
                let ticket = Ticket { id: facts.id, order: facts.order };
                let heard = replies.into_iter().map(|reply| reply.give(Ok(ticket)));
                let heard = heard.fold(false, |any, one| any | one);
                Durable::Save { facts, heard }
            }
            Self::End { ending, reply } => {
                if let Some(reply) = reply {
                    reply.give(Ok(()));
                }
                Durable::End(ending)
            }
            Self::Withdraw(ids) => Durable::Withdraw(ids),
        }
    }
}

impl Batch {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.saves.is_empty()
    }

    /// Envelopes to save, and their bytes in the journal and in attachments.
    pub(crate) fn saves(&self) -> (u64, u64) {
        (u64::try_from(self.saves.len()).unwrap_or(u64::MAX), self.save_bytes)
    }

    /// The hash of an envelope that is already in this batch, and who waits for it.
    pub(crate) fn waiting(&mut self, id: &EnvelopeId) -> Option<([u8; 32], &mut Vec<SaveReply>)> {
        let at = *self.by_id.get(id)?;
        match self.saves.get_mut(at)? {
            Write::Save { parcel, replies } => Some((parcel.facts().hash, replies)),
            Write::End { .. } | Write::Withdraw(_) => None,
        }
    }

    /// The attachments to write before the records.
    pub(crate) fn attached(&self) -> impl Iterator<Item = (FileRef, &[u8])> {
        self.saves.iter().filter_map(|write| match write {
            Write::Save { parcel, .. } => parcel.attached(),
            Write::End { .. } | Write::Withdraw(_) => None,
        })
    }

    /// Takes the envelopes with this attachment out, and gives those who wait for them.
    pub(crate) fn drop_attached(&mut self, file: &FileRef) -> Vec<SaveReply> {
        let mut dropped = Vec::new();
        for write in std::mem::take(&mut self.saves) {
            match write {
                Write::Save { parcel, replies } if parcel.facts().file == Some(*file) => {
                    self.save_bytes = self.save_bytes.saturating_sub(journal_bytes(&parcel));
                    dropped.extend(replies);
                }
                Write::Save { .. } | Write::End { .. } | Write::Withdraw(_) => self.saves.push(write),
            }
        }
        self.by_id.clear();
        dropped
    }

    /// Adds an envelope that is not here yet.
    pub(crate) fn save(&mut self, parcel: Parcel, reply: SaveReply) {
        self.by_id.insert(parcel.facts().id, self.saves.len());
        self.save_bytes = self.save_bytes.saturating_add(journal_bytes(&parcel));
        self.saves.push(Write::Save { parcel, replies: vec![reply] });
    }

    /// Adds an ending.
    pub(crate) fn end(&mut self, ending: Ending, reply: Option<Answer<Result<(), OutcomeError>>>) {
        self.ends.push(Write::End { ending, reply });
    }

    /// Adds the withdrawal of refused envelopes.
    pub(crate) fn withdraw(&mut self, ids: Vec<EnvelopeId>) {
        self.ends.push(Write::Withdraw(ids));
    }

    /// Everything but the envelopes; these come first in the journal, because they make room.
    pub(crate) fn ends(&self) -> usize {
        self.ends.len()
    }

    /// Gives each write its number, from `next` on, and lays the records out.
    pub(crate) fn number(self, next: u64) -> (Vec<Numbered>, Vec<Draft>) {
        let (mut numbered, mut drafts) = (Vec::new(), Vec::new());
        let mut number = next;
        for write in self.ends.into_iter().chain(self.saves) {
            let laid_out = match write {
                Write::Save { parcel, replies } => {
                    let (facts, draft) = parcel.number(number);
                    Some((Numbered::Save { facts, replies }, draft))
                }
                Write::End { mut ending, reply } => {
                    ending.number = number;
                    ending.draft().map(|draft| (Numbered::End { ending, reply }, draft))
                }
                Write::Withdraw(ids) => withdrawn(&ids).map(|draft| (Numbered::Withdraw(ids), draft)),
            };
            // What cannot be laid out drops its reply, and the caller hears that nothing was kept.
            let Some((write, draft)) = laid_out else { continue };
            numbered.push(write);
            drafts.push(draft);
            number += 1;
        }
        (numbered, drafts)
    }
}

/// Bytes an envelope takes in the journal and in its attachment.
pub(crate) fn journal_bytes(parcel: &Parcel) -> u64 {
    let attached = parcel.attached().map_or(0, |(file, _)| file.len);
    u64::try_from(parcel.len() + OVERHEAD_BYTES).unwrap_or(u64::MAX).saturating_add(attached)
}
