//! Opening: the folder, the lock, the journal, then the state.
//!
//! ```text
//! <dir>/lock            flock(2) of the process that has it open
//! <dir>/journal/v1/     the journal's segments
//! <dir>/state/v1/       sled
//! <dir>/state/bad-<n>/  sled as it was when it could not be believed
//! <dir>/files/          attachments, see [`crate::files`]
//! <dir>/quarantine/     damaged bytes
//! <dir>/ballast         see [`crate::space`]
//! <dir>/refused         see [`crate::refusals`]
//! ```
//!
//! Promises: an outbox opens whatever happened to its bytes; what cannot be read is in quarantine. A folder
//! with a higher version number is left alone.
//! Never: changes anything before the lock is held, but for making the folder and its lock.

use crate::{
    committer::{Committer, schedule},
    error::OpenError,
    failpoint::{Step, reach},
    files::Files,
    journal::{
        Journal, Place,
        record::{Ending, Record},
        storage::Storage,
    },
    options::{Opened, Options},
    refusals::Refusals,
    space::Ballast,
    state::{
        State,
        home::{self, Lost, Verdict},
        kv::KvError,
    },
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
};

/// The version of both formats.
const VERSION: u32 = 1;

/// Opens or makes an outbox; the file is its lock, held while it lives.
pub(crate) fn open(
    dir: &Path,
    options: Options,
    storage: Arc<dyn Storage>,
) -> Result<(Committer, File, Opened), OpenError> {
    let Options { limits, clock } = options;
    refuse_newer(dir)?;
    prepare(dir)?;
    let lock = lock(dir)?;
    reach(Step::Locked);
    // Once more: until now a newer version may have been at work here.
    refuse_newer(dir)?;
    let readable = |reason: io::Error| unreadable(dir, reason);
    make_durable(dir, &*storage).map_err(readable)?;
    // Before sled is opened, which writes.
    Journal::check(dir, &*storage).map_err(readable)?;
    let sled = home::begin(dir);
    let mut truth = State::in_memory();
    let mut applied = Ok(());
    let mut records = 0_u64;
    let take = |place: Place, _, record: Record| {
        records += 1;
        if applied.is_ok() {
            applied = truth.apply(&record, place);
        }
    };
    let (mut journal, quarantined) =
        Journal::open(dir, Arc::clone(&storage), limits.segment_bytes, take).map_err(readable)?;
    applied.map_err(|error| unreadable(dir, io::Error::other(error)))?;
    reach(Step::JournalRead);
    let verdict = home::compare(sled, &mut journal, &mut truth);
    let verdict = verdict.map_err(|error| unreadable(dir, io::Error::other(error)))?;
    reach(Step::Compared);
    let rebuilt = match &verdict {
        Verdict::Agrees(_) => false,
        Verdict::Missing => records > 0,
        Verdict::Differs(_) => true,
    };
    let mut ballast = Ballast::new(dir, &limits, Arc::clone(&storage));
    let settled_in = settle_in(dir, &mut journal, &mut ballast, truth, verdict, clock());
    let (mut state, untold) = settled_in.map_err(|error| unreadable(dir, io::Error::other(error)))?;
    reach(Step::SettledIn);
    let files = Files::new(dir, Arc::clone(&storage));
    // Who is not noted yet may own one.
    if untold.is_empty()
        && let Err(error) = files.sweep(&state, &mut journal)
    {
        tracing::warn!(%error, "attachments without an owner stay");
    }
    state.take_freed();
    let schedule = schedule(&state).map_err(|error| unreadable(dir, io::Error::other(error)))?;
    let opened = Opened { queued: state.tally().queued, rebuilt, quarantined };
    let refusals = Refusals::open(dir, storage, &mut journal);
    ballast.restore();
    let refused = Vec::new();
    let (dir, unflushed) = (dir.to_owned(), false);
    let committer = Committer {
        dir,
        journal,
        state,
        schedule,
        limits,
        clock,
        ballast,
        files,
        refused,
        refusals,
        untold,
        unflushed,
    };
    Ok((committer, lock, opened))
}

/// Puts the state over an engine that holds the same. Gives what could not be noted: then sled stays as it is,
/// for the next opening, and the state is in memory.
fn settle_in(
    dir: &Path,
    journal: &mut Journal,
    ballast: &mut Ballast,
    mut truth: State,
    verdict: Verdict,
    now_ms: u64,
) -> Result<(State, Vec<Ending>), KvError> {
    let mut untold = Vec::new();
    match verdict {
        Verdict::Agrees(kv) => drop(truth.replace_kv(kv)),
        Verdict::Missing => rebuild(dir, journal, &mut truth)?,
        Verdict::Differs(lost) => {
            untold = tell_of_lost(journal, ballast, &mut truth, lost, now_ms)?;
            if untold.is_empty() {
                rebuild(dir, journal, &mut truth)?;
            } else {
                truth.set_applied(journal.next_number().saturating_sub(1))?;
            }
        }
    }
    Ok((truth, untold))
}

/// Fills a new sled; without one the state stays in memory and the next opening tries again.
fn rebuild(dir: &Path, journal: &Journal, truth: &mut State) -> Result<(), KvError> {
    truth.set_applied(journal.next_number().saturating_sub(1))?;
    match home::rebuild(dir, truth) {
        Ok(kv) => drop(truth.replace_kv(kv)),
        Err(error) => tracing::error!(%error, "sled cannot be used: the state is in memory"),
    }
    Ok(())
}

/// Writes down what only sled remembered of envelopes that the journal has lost, so that a claim lookup
/// finds *needs staff* and not nothing. Gives what could not be written.
fn tell_of_lost(
    journal: &mut Journal,
    ballast: &mut Ballast,
    truth: &mut State,
    lost: Vec<Lost>,
    now_ms: u64,
) -> Result<Vec<Ending>, KvError> {
    let endings = (journal.next_number()..).zip(lost).map(|(number, lost)| lost.ending(number, now_ms));
    let (mut endings, drafts): (Vec<_>, Vec<_>) =
        endings.filter_map(|ending| ending.draft().map(|draft| (ending, draft))).unzip();
    let appended = ballast.append(journal, &drafts, drafts.len());
    if let Some(failed) = &appended.failed {
        tracing::error!(error = %failed.error, "damaged envelopes could not be noted: sled stays as it is");
    }
    let untold = endings.split_off(appended.places.len().min(endings.len()));
    for (ending, place) in endings.iter().zip(appended.places) {
        tracing::error!(id = %ending.facts.id, "a saved envelope is damaged and needs staff");
        truth.apply_ending(ending, place)?;
    }
    Ok(untold)
}

fn prepare(dir: &Path) -> Result<(), OpenError> {
    let path = dir.to_owned();
    if !parent(dir).is_dir() {
        return Err(OpenError::NoParent { path });
    }
    match fs::create_dir(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(reason) => return Err(OpenError::NotWritable { path, reason }),
    }
    for folder in ["journal", "journal/v1", "state", "files", "quarantine"]
        .map(|name| dir.join(name))
        .iter()
        .chain([&path])
    {
        if folder.exists() && !folder.is_dir() {
            return Err(OpenError::NotAFolder { path: folder.clone() });
        }
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = match file {
        Ok(file) => file,
        Err(reason) => return Err(OpenError::NotWritable { path, reason }),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse { path }),
        Err(error) => Err(OpenError::NotWritable { path, reason: error.into() }),
    }
}

pub(crate) fn refuse_newer(dir: &Path) -> Result<(), OpenError> {
    for folder in ["journal", "state"].map(|name| dir.join(name)) {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix('v')?.parse::<u32>().ok());
            if version.is_some_and(|version| version > VERSION) {
                return Err(OpenError::Newer { path: entry.path() });
            }
        }
    }
    Ok(())
}

/// Makes the folders and syncs their entries: a segment in a folder that vanishes is lost too.
fn make_durable(dir: &Path, storage: &dyn Storage) -> io::Result<()> {
    let journal = dir.join("journal");
    fs::create_dir_all(journal.join("v1"))?;
    [parent(dir), dir, &journal].into_iter().try_for_each(|folder| storage.sync_dir(folder))
}

fn parent(dir: &Path) -> &Path {
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => dir,
    }
}

fn unreadable(dir: &Path, reason: io::Error) -> OpenError {
    let path = dir.join("journal");
    let refused = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem, ErrorKind::StorageFull];
    if refused.contains(&reason.kind()) {
        OpenError::NotWritable { path, reason }
    } else {
        OpenError::Unreadable { path, reason }
    }
}
