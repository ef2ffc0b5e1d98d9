//! What callers ask of the committer.

use crate::{
    answer::Answer,
    error::OutcomeError,
    journal::record::{Outcome, Parcel},
    options::{Stats, Ticket, Waiting},
};
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, ServiceId},
    wire::{ClaimState, NotSaved},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One call.
pub(crate) enum Request {
    /// Keep this.
    Save { parcel: Parcel, reply: SaveReply },
    /// It left the queue this way.
    End { id: EnvelopeId, outcome: Outcome, reply: Answer<Result<(), OutcomeError>> },
    /// An attempt failed.
    Again { id: EnvelopeId, not_before_ms: u64, reply: Answer<Result<(), OutcomeError>> },
    /// Whose turn is it?
    Claim { limit: usize, now_ms: u64, reply: Answer<Vec<Waiting>> },
    /// What is proven about this claim?
    Find { claim: ClaimDigest, reply: Answer<Option<(ServiceId, ClaimState)>> },
    /// What did the gateway sign?
    Receipt { id: EnvelopeId, reply: Answer<Option<Vec<u8>>> },
    /// The numbers.
    Stats { reply: Answer<Stats> },
    /// When is something due?
    NextDue { now_ms: u64, reply: Answer<Option<u64>> },
    /// A refusal was counted.
    Refused,
    /// Finish what waits, then end.
    Close,
}

/// Where the outcome of a save goes.
pub(crate) enum SaveReply {
    /// To a blocked caller.
    Blocked(Answer<Result<Ticket, NotSaved>>),
    /// To a function, called once whatever happens.
    Called(Callback),
}

type Saved = Box<dyn FnOnce(Result<Ticket, NotSaved>) + Send>;

/// A function that is called once; dropped uncalled, it hears that nothing was saved.
pub(crate) struct Callback(Option<Saved>);

impl Callback {
    /// Wraps a caller's function.
    pub(crate) fn new(call: impl FnOnce(Result<Ticket, NotSaved>) + Send + 'static) -> Self {
        Self(Some(Box::new(call)))
    }

    fn call(&mut self, result: Result<Ticket, NotSaved>) {
        let Some(call) = self.0.take() else { return };
        if catch_unwind(AssertUnwindSafe(|| call(result))).is_err() {
            tracing::error!("a caller's function panicked while it heard about its envelope");
        }
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        self.call(Err(NotSaved::Storage));
    }
}

impl SaveReply {
    /// Tells the caller; false when nobody waits any longer.
    pub(crate) fn give(self, result: Result<Ticket, NotSaved>) -> bool {
        match self {
            Self::Blocked(answer) => answer.give(result),
            Self::Called(mut callback) => {
                callback.call(result);
                true
            }
        }
    }
}
