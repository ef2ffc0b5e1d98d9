//! What can go wrong, by what the caller does about it.

use std::{io, path::PathBuf};

/// Why an outbox does not open. Each is one line that names the path and the reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder that should hold the outbox's folder is not there.
    #[error("{}: the folder it should be in does not exist", path.display())]
    NoParent {
        /// The outbox's folder.
        path: PathBuf,
    },
    /// There is nothing to read.
    #[error("{}: holds no outbox", path.display())]
    NoOutbox {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something else has the name of a folder.
    #[error("{}: is not a folder", path.display())]
    NotAFolder {
        /// What is in the way.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("{}: cannot be written: {reason}", path.display())]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        reason: io::Error,
    },
    /// A newer version of this program wrote here.
    #[error("{}: was written by a newer version", path.display())]
    Newer {
        /// The folder whose version is too high.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("{}: is in use by another process", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The journal cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The journal's folder.
        path: PathBuf,
        /// What the file system said.
        reason: io::Error,
    },
}

/// Why an envelope's outcome was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeError {
    /// No such envelope is here: drop it.
    #[error("no such envelope is in the outbox")]
    Unknown,
    /// The receipt is larger than [`crate::RECEIPT_BYTES_MAX`]: it cannot be a receipt.
    #[error("the receipt is too large")]
    TooLarge,
    /// The disk does not take writes: the envelope stays queued, try again later.
    #[error("the disk does not take writes")]
    Storage,
    /// The outbox is closed, or did not answer in time: unknown; the same call again is harmless.
    #[error("the outbox did not answer")]
    NoAnswer,
}
