//! How long a printer's thread waits for what, and where its process ids begin.

use super::ledger::Ledger;
use std::time::Duration;

/// How long the thread waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Opening the line and the first status.
    pub open: Duration,
    /// A job from its first byte to its proof, refilling paper included.
    pub job: Duration,
    /// The first wait before opening again; doubles.
    pub retry_first: Duration,
    /// The longest wait before opening again.
    pub retry_most: Duration,
    /// Attempts that fail with an answer other than *gone* before the printer is faulted.
    pub attempts: u32,
    /// The wait once it is faulted.
    pub retry_faulted: Duration,
    /// Between two questions while idle.
    pub idle_ask: Duration,
    /// Between two tries to tell a sink that is full.
    pub room: Duration,
    /// Where process ids begin.
    pub ids: Ids,
}

/// Where process ids begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ids {
    /// Anywhere: a printer may still answer an earlier program.
    #[default]
    Random,
    /// At 0001, as they did in a recording.
    Recorded,
}

impl Ids {
    pub(super) fn ledger(self) -> Ledger {
        match self {
            Self::Random => Ledger::anew(),
            Self::Recorded => Ledger::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open: Duration::from_secs(6),
            job: Duration::from_secs(120),
            retry_first: Duration::from_millis(250),
            retry_most: Duration::from_secs(2),
            attempts: 5,
            retry_faulted: Duration::from_secs(15),
            idle_ask: Duration::from_secs(30),
            room: Duration::from_millis(100),
            ids: Ids::Random,
        }
    }
}
