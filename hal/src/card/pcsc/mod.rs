//! Chip card readers through the system's PC/SC service, pcscd: for readers whose makers' quirks its drivers
//! know. Only with feature `pcsc`.
//!
//! ```text
//! reader   CardReader: what calls return, by when
//!   |  one question, one answer, a bell
//! line     to a thread of its own
//!   |
//! service  in that thread: pcscd's calls, which know no deadline     state   its flags, as a slot
//! ```
//!
//! | in a config | means |
//! |---|---|
//! | `pcsc:NAME` | the first reader whose name begins so; pcscd adds numbers that change with the plug |
//!
//! The service's state is made anew by each opening: once pcscd was restarted, a context from before answers
//! nothing but *no service*, and the keeper of the device opens again.
//!
//! A system with polkit refuses pcscd to service users unless a rule says otherwise: health then is
//! `E-CRD-DENIED`.
//!
//! Source: pcsc-lite 1.9.9, `winscard_clnt.c`; PC/SC part 5.
//!
//! Promises: every call ends by its deadline, also when pcscd hangs; a command APDU is sent to a card once;
//! the card is ours alone while it is read, and has no power afterwards.
//! Never: polls: a change is told by pcscd, and waiting for one can be cancelled.

mod line;
mod reader;
mod service;
mod state;

pub use reader::PcscReader;

use crate::device::Deadline;
use std::time::Duration;

/// Asking which readers there are takes no longer.
const LIST_WAIT: Duration = Duration::from_secs(2);

/// The readers that pcscd has, by name; none where it does not run.
#[must_use]
pub fn list() -> Vec<String> {
    line::Line::to_service()
        .and_then(|line| line.call(service::Ask::Names, Deadline::after(LIST_WAIT)))
        .map_or_else(|_| Vec::new(), service::Said::into_names)
}
