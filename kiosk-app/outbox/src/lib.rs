//! The queue that loses nothing: a journal and sled.
//!
//! ```text
//!  enqueue, settle,      one thread        journal/  the point of durability: append, fdatasync, answer
//!  dead_letter, claim -> [`committer`] --> state/    what waits, in sled; rebuilt from the journal
//!  find, again, stats    owns all          files/    sealed requests above 8 KiB, by their hash
//!                                          quarantine/ damaged bytes, out of the way
//! ```
//!
//! Promises:
//! * **Nothing is lost.** [`Outbox::enqueue`] returns a [`Ticket`] only after `fdatasync` returned. From then
//!   on the envelope is in the outbox, through kill, power cut and full disk, until the gateway signed for
//!   it. A damaged place costs the record it hits; its bytes are kept and the line moves on.
//! * **Nothing is doubled.** One entry for an id, however often it is sent, also after delivery.
//! * **Nothing is claimed that is not proven.** A caller that hears *not saved* has nothing in the queue.
//!
//! Never: opens an envelope, logs more of one than its id, decides what a reply of the gateway means.
//!
//! At-least-once: an envelope may be handed out again after a crash, and after damage to its ending.
//! Whoever sends uses its id as idempotency key.

mod answer;
mod batch;
mod cleaner;
mod committer;
mod error;
mod export;
mod failpoint;
mod files;
mod journal;
mod open;
mod options;
#[cfg(test)]
mod oracle;
mod outbox;
mod reading;
mod refusals;
mod request;
mod schedule;
#[cfg(test)]
mod seam;
mod space;
mod state;

pub use error::{OpenError, OutcomeError};
pub use export::{ExportError, ExportReader, ExportWriter};
#[cfg(feature = "failpoints")]
pub use failpoint::STEPS;
pub use options::{Clock, Limits, Opened, Options, Stats, Ticket, Waiting};
pub use outbox::{
    ANSWER_MS_MAX, CLOSE_MS_MAX, CODE_BYTES_MAX, DETAIL_BYTES_MAX, INBOX_MAX, Outbox, RECEIPT_BYTES_MAX,
};
pub use reading::{Entry, Loss, Overview, Reading, Verified, WaitsFor};
pub use refusals::Refused;
