//! Where sled lives, and what happens when it cannot be believed.
//!
//! `state/v1` is the database; `state/bad-<n>` are earlier ones that did not open or did not agree with the
//! journal, at most [`BAD_MAX`].
//!
//! Promises: what [`settle_in`] leaves behind agrees with the journal row by row, whatever was found.
//! Never: lets sled's word stand against the journal's.

use super::{
    State,
    kv::{self, Kv, KvError, Tree},
    rows::{Dead, Waits, from_row},
    sled_kv::SledKv,
};
use crate::{
    failpoint::{Step, reach},
    journal::{
        Journal,
        record::{Ending, Outcome},
    },
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How many databases that could not be believed are kept for a person to look at.
pub(crate) const BAD_MAX: usize = 2;

/// The code of an envelope whose journal record is damaged.
pub(crate) const DAMAGED: &str = "damaged";
const DAMAGED_DETAIL: &str = "The stored request is damaged and cannot be sent.";

/// What sled said at opening.
pub(crate) enum Verdict {
    /// Row by row what the journal says.
    Agrees(Box<dyn Kv>),
    /// There was none.
    Missing,
    /// Not to be believed; what it says of envelopes that the journal has lost.
    Differs(Vec<Lost>),
}

/// An envelope that only sled remembers.
#[derive(Clone, Debug)]
pub(crate) struct Lost(Ending);

impl Lost {
    /// The ending that tells the citizen the truth.
    pub(crate) fn ending(mut self, number: u64, at_ms: u64) -> Ending {
        (self.0.number, self.0.at_ms) = (number, at_ms);
        self.0
    }
}

/// The ending of an envelope that cannot be read any longer.
pub(crate) fn damaged() -> Outcome {
    Outcome::Dead { code: DAMAGED.into(), detail: DAMAGED_DETAIL.into() }
}

/// Opens sled and compares it with `truth`, the state that the whole journal gives.
pub(crate) fn compare(root: &Path, journal: &mut Journal, truth: &mut State) -> Verdict {
    let path = current(root);
    if !path.exists() {
        return Verdict::Missing;
    }
    let mut lost = Vec::new();
    match believe(&path, journal, truth, &mut lost) {
        Ok(Some(kv)) => return Verdict::Agrees(kv),
        Ok(None) => tracing::warn!("the queue's state does not agree with the journal"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the queue's state cannot be read")
        }
    }
    Verdict::Differs(lost)
}

/// The engine, when it agrees.
fn believe(
    path: &Path,
    journal: &mut Journal,
    truth: &mut State,
    lost: &mut Vec<Lost>,
) -> Result<Option<Box<dyn Kv>>, KvError> {
    let mut state = State::over(Box::new(SledKv::open(path)?));
    let applied = state.applied()?;
    // sled opens a garbled file as an empty database, and without a word.
    let emptied = applied == 0 && journal.next_number() > 1;
    let ahead = applied >= journal.next_number();
    journal.number_above(applied);
    let mut result = Ok(());
    journal.replay(applied.saturating_add(1), |place, number, record| {
        if result.is_ok() {
            result = state.apply(&record, place).and_then(|()| state.set_applied(number));
        }
    })?;
    result?;
    truth.forget_below(state.floor()?)?;
    find_lost(state.kv(), truth, lost)?;
    Ok((!emptied && !ahead && same(state.kv(), truth.kv())?).then(|| state.into_kv()))
}

/// Every envelope that sled has waiting, for the gateway or for a person, and the journal does not know.
fn find_lost(sled: &dyn Kv, truth: &State, lost: &mut Vec<Lost>) -> Result<(), KvError> {
    kv::for_each(sled, Tree::Queue, |_, row| {
        let Waits { facts, .. } = from_row(Tree::Queue, row)?;
        if truth.known(&facts.id)?.is_none() {
            lost.push(Lost(Ending { facts, number: 0, at_ms: 0, outcome: damaged() }));
        }
        Ok(())
    })?;
    kv::for_each(sled, Tree::Dead, |_, row| {
        let Dead { facts, code, detail, .. } = from_row(Tree::Dead, row)?;
        if truth.known(&facts.id)?.is_none() {
            lost.push(Lost(Ending { facts, number: 0, at_ms: 0, outcome: Outcome::Dead { code, detail } }));
        }
        Ok(())
    })
}

fn same(left: &dyn Kv, right: &dyn Kv) -> Result<bool, KvError> {
    for tree in Tree::FROM_JOURNAL {
        let mut at: Option<Vec<u8>> = None;
        loop {
            let (a, b) = (left.after(tree, at.as_deref())?, right.after(tree, at.as_deref())?);
            if a != b {
                return Ok(false);
            }
            let Some((key, _)) = a else { break };
            at = Some(key);
        }
    }
    Ok(true)
}

/// Moves what is there aside and fills a new database from `truth`.
pub(crate) fn rebuild(root: &Path, truth: &State) -> Result<Box<dyn Kv>, KvError> {
    set_aside(root)?;
    reach(Step::SetAside);
    let mut sled = SledKv::open(&current(root))?;
    for tree in Tree::ALL {
        kv::for_each(truth.kv(), tree, |key, value| sled.put(tree, key, value))?;
    }
    reach(Step::Refilled);
    sled.flush()?;
    reach(Step::Rebuilt);
    Ok(Box::new(sled))
}

/// Renames the database to the next `bad-<n>` and removes the oldest above [`BAD_MAX`].
fn set_aside(root: &Path) -> io::Result<()> {
    let dir = root.join("state");
    fs::create_dir_all(&dir)?;
    let mut bad = Vec::new();
    for entry in fs::read_dir(&dir)? {
        let name = entry?.file_name();
        bad.extend(name.to_str().and_then(|name| name.strip_prefix("bad-")?.parse::<u64>().ok()));
    }
    bad.sort_unstable();
    if current(root).exists() {
        let next = bad.last().map_or(1, |last| last.saturating_add(1));
        fs::rename(current(root), dir.join(format!("bad-{next}")))?;
        bad.push(next);
    }
    for old in bad.iter().rev().skip(BAD_MAX) {
        remove_any(&dir.join(format!("bad-{old}")))?;
    }
    Ok(())
}

fn remove_any(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn current(root: &Path) -> PathBuf {
    root.join("state/v1")
}
