//! Where sled lives, and what happens when it cannot be believed.
//!
//! `state/v1` is the database; `state/bad-<n>` are earlier ones that did not open or did not agree with the
//! journal, at most [`BAD_MAX`].
//!
//! Promises: what [`settle_in`] leaves behind agrees with the journal row by row, whatever was found.
//! Never: lets sled's word stand against the journal's.

use super::{
    State,
    kv::{Kv, KvError, Tree},
    rows::{Dead, Waits, from_row},
    sled_kv::{self, Opening, SledKv},
};
use crate::{
    failpoint::{Step, reach},
    journal::{
        Journal, NUMBER_MAX,
        record::{Ending, Outcome},
    },
};
use std::{
    fs::{self, File},
    io,
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

/// Begins to open sled while the journal is read; `None` when there is none.
pub(crate) fn begin(root: &Path) -> Option<Result<Opening, KvError>> {
    let path = current(root);
    path.exists().then(|| Opening::begin(&path))
}

/// Compares sled with `truth`, the state that the whole journal gives. Afterwards `truth` has its sums, and
/// where sled does not agree its rows; where sled agrees they are there.
pub(crate) fn compare(
    sled: Option<Result<Opening, KvError>>,
    journal: &mut Journal,
    truth: &mut State,
) -> Result<Verdict, KvError> {
    let Some(sled) = sled else { return Ok(Verdict::Missing) };
    let mut lost = Vec::new();
    match sled.and_then(|sled| believe(sled, journal, truth, &mut lost)) {
        Ok(Some(kv)) => return Ok(Verdict::Agrees(kv)),
        Ok(None) => tracing::warn!("the queue's state does not agree with the journal"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the queue's state cannot be read");
            read_again(journal, truth)?;
        }
    }
    Ok(Verdict::Differs(lost))
}

/// The engine, when it agrees.
fn believe(
    sled: Opening,
    journal: &mut Journal,
    truth: &mut State,
    lost: &mut Vec<Lost>,
) -> Result<Option<Box<dyn Kv>>, KvError> {
    let mut state = State::over(Box::new(sled.wait()?));
    let (applied, floor) = (state.applied()?, state.floor()?);
    if applied.max(floor) > NUMBER_MAX {
        return Err(KvError::Row(Tree::Meta.name()));
    }
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
    if !emptied && !ahead && same(state.kv(), truth.kv_mut())? {
        return Ok(Some(state.into_kv()));
    }
    read_again(journal, truth)?;
    find_lost(state.kv(), truth, lost)?;
    Ok(None)
}

/// The rows of `truth` once more, without those that are forgotten.
fn read_again(journal: &Journal, truth: &mut State) -> Result<(), KvError> {
    let floor = truth.floor()?;
    *truth = State::from_journal(journal)?;
    truth.forget_below(floor)
}

/// Every envelope that sled has waiting, for the gateway or for a person, and the journal does not know.
fn find_lost(sled: &dyn Kv, truth: &State, lost: &mut Vec<Lost>) -> Result<(), KvError> {
    sled.for_each(Tree::Queue, &mut |_, row| {
        let Waits { facts, .. } = from_row(Tree::Queue, row)?;
        if !truth.has(&facts.id)? {
            lost.push(Lost(Ending { facts, number: 0, at_ms: 0, outcome: damaged() }));
        }
        Ok(())
    })?;
    sled.for_each(Tree::Dead, &mut |_, row| {
        let Dead { facts, code, detail, .. } = from_row(Tree::Dead, row)?;
        if !truth.has(&facts.id)? {
            lost.push(Lost(Ending { facts, number: 0, at_ms: 0, outcome: Outcome::Dead { code, detail } }));
        }
        Ok(())
    })
}

/// Whether sled holds exactly the rows of `truth`. These go as they are compared: a hundred thousand rows are
/// then in memory once, not twice.
fn same(sled: &dyn Kv, truth: &mut dyn Kv) -> Result<bool, KvError> {
    for tree in Tree::FROM_JOURNAL {
        let mut equal = true;
        sled.for_each(tree, &mut |key, value| {
            equal &= truth.get(tree, key).is_ok_and(|there| there.as_deref() == Some(value));
            truth.remove(tree, key)
        })?;
        if !equal || truth.after(tree, None)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Moves what is there aside and fills a new database from `truth`.
pub(crate) fn rebuild(root: &Path, truth: &State) -> Result<Box<dyn Kv>, KvError> {
    set_aside(root)?;
    reach(Step::SetAside);
    fill(root, truth)
}

/// Fills a new database from `truth`, in the place of one that holds the same and is closed.
pub(crate) fn refill(root: &Path, truth: &State) -> Result<Box<dyn Kv>, KvError> {
    wait_closed(root)?;
    remove_any(&current(root))?;
    reach(Step::SetAside);
    fill(root, truth)
}

/// Returns when nothing of a closed database is at work any longer.
pub(crate) fn wait_closed(root: &Path) -> Result<(), KvError> {
    sled_kv::wait_closed(&current(root))
}

fn fill(root: &Path, truth: &State) -> Result<Box<dyn Kv>, KvError> {
    let mut sled = SledKv::open(&current(root))?;
    for tree in Tree::ALL {
        truth.kv().for_each(tree, &mut |key, value| sled.put(tree, key, value))?;
    }
    reach(Step::Refilled);
    sled.flush()?;
    reach(Step::Rebuilt);
    Ok(Box::new(sled))
}

/// Before the journal drops anything that the database does not know of: later it would call that lost.
pub(crate) fn retire(root: &Path) -> io::Result<()> {
    if current(root).exists() { set_aside(root) } else { Ok(()) }
}

/// Renames the database, durably, to the next `bad-<n>` and removes the oldest above [`BAD_MAX`].
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
        File::open(&dir)?.sync_all()?;
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
