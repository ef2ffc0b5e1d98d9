//! A fresh process that opens the store after a cut and says what it finds.
//!
//! Numbers of envelopes come on standard input, one a line; the answer is
//!
//! ```text
//! opened R Q         R 1 when the state was rebuilt, else 0; Q damaged places
//! word n             one [`Found`] for each number, and for every other envelope that waits
//! done
//! ```
//!
//! Promises: without `done` it did not get to the end. Never: judges.

use crate::{
    process::follow_parent,
    promise::Found,
    store::{Kind, Store, open},
    workload::{Workload, receipt},
    writer::REFUSED,
};
use anyhow::{Context as _, Result};
use kiosk_core::wire::ClaimState;
use kiosk_outbox::Outbox;
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::Path,
};

/// The last line.
pub(crate) const DONE: &str = "done";
/// The first word of the first line.
pub(crate) const OPENED: &str = "opened";

/// Envelopes that are saved a second time.
const SAVED_AGAIN: usize = 8;

/// Opens, looks, says.
pub(crate) fn run(dir: &Path, workload: &Workload, kind: Kind) -> Result<()> {
    follow_parent()?;
    let asked = io::stdin().lines().map(|line| Ok(line?.parse()?)).collect::<Result<Vec<u64>>>()?;
    // The broken journal's process is gone; what it left is read by a sound one.
    let kind = if kind == Kind::Journal { Kind::Outbox } else { kind };
    let (store, opened) = open(kind, dir, workload)?;
    let mut found = look(&store, workload, &asked)?;
    if let Store::Outbox(outbox) = &store {
        save_again(outbox, workload, &mut found);
    }
    store.close();
    let mut out = io::stdout().lock();
    writeln!(out, "{OPENED} {} {}", u8::from(opened.rebuilt), opened.quarantined)?;
    for (n, found) in found {
        writeln!(out, "{found} {n}")?;
    }
    writeln!(out, "{DONE}")?;
    out.flush().context("nobody listens")
}

fn look(store: &Store, workload: &Workload, asked: &[u64]) -> Result<BTreeMap<u64, Found>> {
    let waiting = store.waiting(workload)?;
    let waits = |(&n, &(times, whole)): (&u64, &(u32, bool))| {
        let found = match (times, whole) {
            (1, true) => Found::Waits,
            (1, false) => Found::Torn,
            _ => Found::Twice,
        };
        (n, found)
    };
    let mut found: BTreeMap<u64, Found> = waiting.iter().map(waits).collect();
    for &n in asked {
        found.entry(n).or_insert_with(|| match store {
            Store::Outbox(outbox) => not_waiting(outbox, workload, n),
            Store::Sled(_) => Found::Unknown,
        });
    }
    Ok(found)
}

/// Where an envelope is that was not handed out.
fn not_waiting(outbox: &Outbox, workload: &Workload, n: u64) -> Found {
    let envelope = workload.envelope(n);
    match outbox.find(&envelope.claim) {
        Some((_, ClaimState::Sent)) if outbox.receipt(envelope.id) == Some(receipt(n)) => Found::Sent,
        Some((_, ClaimState::Sent)) => Found::Unproven,
        Some((_, ClaimState::NeedsStaff { code, .. })) if code == REFUSED => Found::Staff,
        Some((_, ClaimState::NeedsStaff { .. })) => Found::Damaged,
        // Known, and handed out to nobody: as good as lost.
        Some((_, ClaimState::SavedHere | ClaimState::Answered { .. })) | None => Found::Unknown,
    }
}

/// Whoever did not hear *saved* sends again: what waits must not wait twice then.
fn save_again(outbox: &Outbox, workload: &Workload, found: &mut BTreeMap<u64, Found>) {
    let known = |found: &Found| matches!(found, Found::Waits | Found::Sent | Found::Staff);
    let some = found.iter_mut().rev().filter(|(_, found)| known(found)).take(SAVED_AGAIN);
    for (&n, found) in some {
        let before = outbox.stats().queued;
        let again = outbox.enqueue(workload.envelope(n));
        if again.is_err() || outbox.stats().queued != before {
            *found = Found::Twice;
        }
    }
}
