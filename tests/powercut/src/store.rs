//! What is under test: the outbox, the outbox with its `fdatasync` switched off, or sled alone.
//!
//! The two broken ones show that a loss is seen. sled alone is what its own manual offers: `insert`, then `flush()`,
//! which is `sync_file_range(2)` and no barrier.
//!
//! Never: a broken one in a kiosk; the feature `broken` exists only here.

use crate::workload::{Workload, number};
use anyhow::{Result, bail};
use clap::ValueEnum;
use kiosk_core::wire::Envelope;
use kiosk_outbox::{Opened, Outbox};
use std::{collections::BTreeMap, path::Path};

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// As on a unit.
    Outbox,
    /// The outbox, its journal without `fdatasync`.
    Journal,
    /// sled and its `flush()`, nothing else.
    Sled,
}

impl Kind {
    /// The word on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Journal => "journal",
            Self::Sled => "sled",
        }
    }
}

/// An open store.
pub(crate) enum Store {
    /// Sound or not, it is the same type.
    Outbox(Outbox),
    /// sled alone: the envelope's number to its sealed bytes.
    Sled(sled::Db),
}

/// Opens it for work.
pub(crate) fn open(kind: Kind, dir: &Path, workload: &Workload) -> Result<(Store, Opened)> {
    match kind {
        Kind::Outbox => {
            let (outbox, opened) = Outbox::open(dir, workload.options())?;
            Ok((Store::Outbox(outbox), opened))
        }
        Kind::Journal => open_unsynced(dir, workload),
        Kind::Sled => {
            let db = sled::Config::new().path(dir).flush_every_ms(None).open()?;
            let queued = u64::try_from(db.len())?;
            Ok((Store::Sled(db), Opened { queued, rebuilt: false, quarantined: 0 }))
        }
    }
}

#[cfg(feature = "broken")]
fn open_unsynced(dir: &Path, workload: &Workload) -> Result<(Store, Opened)> {
    let (outbox, opened) = Outbox::open_unsynced(dir, workload.options())?;
    Ok((Store::Outbox(outbox), opened))
}

#[cfg(not(feature = "broken"))]
fn open_unsynced(_: &Path, _: &Workload) -> Result<(Store, Opened)> {
    bail!("built without the feature `broken`; start it with: cargo xtask powercut --break journal")
}

impl Store {
    /// Saves; true when that was promised.
    pub(crate) fn save(&self, envelope: Envelope) -> bool {
        match self {
            Self::Outbox(outbox) => outbox.enqueue(envelope).is_ok(),
            Self::Sled(db) => {
                let key = number(&envelope.id).to_be_bytes();
                db.insert(key, envelope.sealed).is_ok() && db.flush().is_ok()
            }
        }
    }

    /// The outbox, for what sled alone does not have.
    pub(crate) fn outbox(&self) -> Result<&Outbox> {
        match self {
            Self::Outbox(outbox) => Ok(outbox),
            Self::Sled(_) => bail!("sled alone ends nothing; take a workload that only saves"),
        }
    }

    /// Everything that waits: how often, and whether each copy is byte for byte what was saved.
    pub(crate) fn waiting(&self, workload: &Workload) -> Result<BTreeMap<u64, (u32, bool)>> {
        let mut waiting: BTreeMap<u64, (u32, bool)> = BTreeMap::new();
        let mut note = |n: u64, whole: bool| {
            let (times, all_whole) = waiting.entry(n).or_insert((0, true));
            (*times, *all_whole) = (*times + 1, *all_whole && whole);
        };
        match self {
            Self::Outbox(outbox) => loop {
                let claimed = outbox.claim(CLAIM, FAR_MS);
                if claimed.is_empty() {
                    break;
                }
                for waiting in claimed {
                    let n = number(&waiting.envelope.id);
                    note(n, waiting.envelope == workload.envelope(n));
                }
            },
            Self::Sled(db) => {
                for pair in db.iter() {
                    let (key, value) = pair?;
                    let n = u64::from_be_bytes(key.as_ref().try_into()?);
                    note(n, value.as_ref() == workload.envelope(n).sealed);
                }
            }
        }
        Ok(waiting)
    }

    /// Ends it in good order.
    pub(crate) fn close(self) {
        match self {
            Self::Outbox(outbox) => outbox.close(),
            Self::Sled(db) => drop(db),
        }
    }
}

/// How many envelopes are asked for at once.
const CLAIM: usize = 16;
/// A time at which everything is due, milliseconds since 1970.
const FAR_MS: u64 = u64::MAX / 2;
