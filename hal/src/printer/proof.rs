//! What is known about a job, and no more.
//!
//! | outcome | on paper | evidence |
//! |---|---|---|
//! | `Ok(Completed)` | all of it | the process id came back, `GS ( H` function 48 |
//! | `Ok(Accepted)` | very likely all | `GS r` answered in order after the last byte |
//! | `Ok(Sent)` | not known | the line is write-only and took all bytes |
//! | `Ok(Unknown)` | some, all or none | bytes went out, then the line or the answer was lost |
//! | `Err(Interrupted)` | a part | the printer said what stopped it, and never went on |
//! | any other `Err` | nothing | not one byte of the job was sent |
//!
//! Promises: `Err` other than [`PrintError::Interrupted`] means that printing again cannot make a second copy.
//! Never: rounds up.

use super::LayoutError;
use crate::device::{DeviceError, Trouble};
use std::collections::BTreeSet;

/// How well a receipt is proven to be on paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrintProof {
    /// The line took all bytes and cannot answer.
    Sent,
    /// The printer worked through all bytes.
    Accepted,
    /// The printer says that all is on paper.
    Completed,
    /// Bytes went out, then the line or the answer was lost.
    Unknown,
}

/// Why a receipt was not printed, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// The printer could not print before the job began. Nothing was sent.
    #[error("the printer is not ready: {0:?}")]
    NotReady(BTreeSet<Trouble>),
    /// The job cannot be laid out for this printer. Nothing was sent.
    #[error("the job does not fit this printer")]
    Layout(#[from] LayoutError),
    /// The line failed before the first byte. Nothing was sent.
    #[error("the printer cannot be reached")]
    Device(#[from] DeviceError),
    /// A job of this id was begun before, and this one does not say that it is a copy. Nothing was sent.
    #[error("this receipt may be on paper already and the job is not marked as a copy")]
    NotMarked,
    /// Called off before the first byte. Nothing was sent.
    #[error("called off before it began")]
    Cancelled,
    /// A part is on paper; the printer stopped and did not go on before the deadline.
    #[error("printing stopped: {troubles:?}")]
    Interrupted {
        /// What stopped it.
        troubles: BTreeSet<Trouble>,
        /// Where the remainder is.
        rest: Rest,
    },
}

/// Where the remainder of an interrupted job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The printer confirmed that it forgot it.
    Discarded,
    /// Perhaps still in the printer: it may come out once somebody refills.
    Held,
}
