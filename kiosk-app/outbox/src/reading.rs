//! Reading an outbox that belongs to somebody else: what a technician asks, also while the agent runs.
//!
//! The journal is read as it is now, without the lock; asking the agent instead would need it to run, and
//! would open its door to somebody besides the shell. Only the attempts are not in the journal: they are
//! read from a copy of sled's files, and are unknown where that copy is of two moments or is too large.
//!
//! Promises: nothing in the folder is changed, made or locked. A record is seen whole or not at all; one
//! whose saving fails this very moment may be seen too.
//! Never: opens an envelope.

use crate::{
    error::OpenError,
    files::Files,
    journal::{
        look::{Look, look},
        quarantine::NEW,
        record::Record,
        storage::{Disk, is_unreadable, read_at},
    },
    open::refuse_newer,
    refusals::{self, Refused},
    state::{
        Known, State,
        home::DAMAGED,
        kv::{Kv, KvError, Tree},
        rows::{Dead, Row, Tries, Waits, from_row, to_number},
        sled_kv::SledKv,
    },
};
use kiosk_core::{
    ids::{EnvelopeId, ServiceId},
    wire::Envelope,
};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::UNIX_EPOCH,
};

/// How often the journal is read from the start because its owner unlinked a segment meanwhile.
const LOOKS_MAX: usize = 16;
/// The largest state folder that is copied for its attempts.
const STATE_BYTES_MAX: u64 = 64 << 20;

/// Copies made so far: each has a folder of its own.
static COPIES: AtomicU64 = AtomicU64::new(0);

/// An outbox as it was at one moment.
pub struct Reading {
    dir: PathBuf,
    state: State,
    look: Look,
    tries: Option<BTreeMap<u64, u32>>,
}

/// One envelope that waits, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EnvelopeId,
    /// Its place in the queue.
    pub order: u64,
    /// Where it goes.
    pub service: ServiceId,
    /// When it was submitted, milliseconds since 1970 by the unit's clock.
    pub made_ms: u64,
    /// Bytes it takes in the journal and in its attachment.
    pub bytes: u64,
    /// Failed attempts; `None` when they cannot be read now.
    pub attempts: Option<u32>,
    /// What it waits for.
    pub waits_for: WaitsFor,
}

/// What an envelope waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// The gateway.
    Gateway,
    /// A person.
    Staff {
        /// A short code.
        code: String,
        /// One plain sentence.
        detail: String,
    },
}

/// Something that does not prove itself any longer, and where what is left of it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// A file in `quarantine/`, a place in the journal by the name it will have there, or an envelope's id.
    pub what: String,
    /// `header`, `cut`, `body`, `undecodable`, `missing`, `mismatch`, `orphan`, `segment`: see the quarantine's
    /// documentation; `damaged`: an envelope that cannot be sent and needs staff.
    pub reason: String,
    /// How many bytes are left of it.
    pub bytes: u64,
    /// When it was noticed, milliseconds since 1970 by the unit's clock, where that is known.
    pub at_ms: Option<u64>,
}

/// What became of an envelope since the journal was read.
enum Fetched {
    Whole(Box<Envelope>),
    Damaged,
    /// Settled, or left to a person: its segment or its attachment is gone rightly.
    Gone,
}

/// The outbox in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Envelopes that wait for the gateway.
    pub queued: u64,
    /// Envelopes that wait for a person.
    pub dead: u64,
    /// Settled envelopes that the journal still has.
    pub settled: u64,
    /// When the oldest queued one was submitted, milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// Bytes of the queued and the dead, in the journal and in attachments.
    pub bytes: u64,
    /// Bytes of the journal's files and of attachments.
    pub disk_bytes: u64,
    /// Files in `quarantine/`.
    pub quarantined: u64,
    /// Damaged places in the journal that are not in `quarantine/`: the agent has not met them yet.
    pub unmet: u64,
}

/// What a check of every byte found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Good records.
    pub records: u64,
    /// Records that do not continue from the one before them.
    pub gaps: u64,
    /// Envelopes that wait and are whole.
    pub whole: u64,
    /// What is not: places in the journal, and envelopes.
    pub damaged: Vec<String>,
}

impl Reading {
    /// Reads the outbox in `dir`.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        if dir.exists() && !dir.is_dir() {
            return Err(OpenError::NotAFolder { path: dir.to_owned() });
        }
        refuse_newer(dir)?;
        let path = dir.join("journal/v1");
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => {}
            // What may not be seen is not what is not there.
            Err(reason) if reason.kind() == ErrorKind::PermissionDenied => {
                return Err(OpenError::Unreadable { path, reason });
            }
            Ok(_) | Err(_) => return Err(OpenError::NoOutbox { path: dir.to_owned() }),
        }
        let (state, look) = read(dir)?;
        Ok(Self { tries: tries(dir), dir: dir.to_owned(), state, look })
    }

    /// The hash of the journal's last record.
    #[must_use]
    pub fn chain_head(&self) -> [u8; 32] {
        self.look.chain
    }

    /// The numbers.
    #[must_use]
    pub fn overview(&self) -> Overview {
        let tally = self.state.tally();
        let unmet = u64::try_from(self.unmet().count()).unwrap_or(u64::MAX);
        let quarantine = quarantined(&self.dir.join("quarantine")).map_or(0, |kept| kept.len());
        Overview {
            queued: tally.queued,
            dead: tally.dead,
            settled: tally.settled,
            oldest_ms: self.state.oldest().ok().flatten().map(|row| row.facts.made_ms),
            bytes: tally.held_bytes,
            disk_bytes: self.look.bytes.saturating_add(tally.file_bytes),
            quarantined: u64::try_from(quarantine).unwrap_or(u64::MAX),
            unmet,
        }
    }

    /// Everything that waits, for the gateway first, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for row in self.waiting() {
            let attempts = self.tries.as_ref().map(|tries| tries.get(&row.facts.order).copied().unwrap_or(0));
            entries.push(entry(Known::Waits(row), attempts, WaitsFor::Gateway));
        }
        for row in self.rows::<Dead>(Tree::Dead) {
            let (code, detail) = (row.code.clone(), row.detail.clone());
            entries.push(entry(Known::Dead(row), None, WaitsFor::Staff { code, detail }));
        }
        entries
    }

    /// Everything that was set aside, damage that the agent has not met yet, and every envelope that is damaged.
    /// These are on the disk and stay until a person removes them.
    ///
    /// # Errors
    /// When `quarantine/` cannot be read.
    pub fn losses(&self) -> Result<Vec<Loss>, OpenError> {
        let path = self.dir.join("quarantine");
        let mut losses = quarantined(&path).map_err(|reason| OpenError::Unreadable { path, reason })?;
        losses.sort_by(|a, b| (a.at_ms, &a.what).cmp(&(b.at_ms, &b.what)));
        losses.extend(self.unmet().map(|(what, bytes)| loss(what.clone(), *bytes, None)));
        for row in self.rows::<Dead>(Tree::Dead).into_iter().filter(|row| row.code == DAMAGED) {
            let bytes = row.facts.file.map_or(0, |file| file.len);
            losses.push(Loss { what: row.facts.id.to_string(), reason: row.code, bytes, at_ms: None });
        }
        Ok(losses)
    }

    /// Damage in the journal that has no copy in quarantine.
    fn unmet(&self) -> impl Iterator<Item = &(String, u64)> {
        let kept = self.dir.join("quarantine");
        self.look.damage.iter().filter(move |(name, _)| !kept.join(name).exists())
    }

    /// Submissions that were refused, by reason; what the owner could not write down yet is not here.
    ///
    /// # Errors
    /// When the file of them cannot be read, or is damaged.
    pub fn refused(&self) -> Result<Vec<Refused>, OpenError> {
        let path = self.dir.join("refused");
        refusals::read(&self.dir).map_err(|reason| OpenError::Unreadable { path, reason })
    }

    /// Checks every record, the chain between them, and every attachment.
    ///
    /// # Errors
    /// When a file cannot be read now.
    pub fn verify(&self) -> Result<Verified, OpenError> {
        let mut found = Verified {
            records: self.look.records,
            gaps: self.look.gaps,
            whole: 0,
            damaged: self.look.damage.iter().map(|(name, _)| name.clone()).collect(),
        };
        for row in self.waiting() {
            match self.follow(&row)? {
                Fetched::Whole(_) => found.whole += 1,
                Fetched::Damaged => found.damaged.push(row.facts.id.to_string()),
                Fetched::Gone => {}
            }
        }
        Ok(found)
    }

    /// Calls `each` with everything that waits for the gateway, oldest first, whole, until it fails. Gives
    /// the ids of those that are damaged.
    ///
    /// # Errors
    /// What `each` says, or [`OpenError`] when a file cannot be read now.
    pub fn envelopes<E: From<OpenError>>(
        &self,
        mut each: impl FnMut(u64, Envelope) -> Result<(), E>,
    ) -> Result<Vec<EnvelopeId>, E> {
        let mut damaged = Vec::new();
        for row in self.waiting() {
            match self.follow(&row)? {
                Fetched::Whole(envelope) => each(row.facts.order, *envelope)?,
                Fetched::Damaged => damaged.push(row.facts.id),
                Fetched::Gone => {}
            }
        }
        Ok(damaged)
    }

    fn fetch(&self, row: &Waits) -> Result<Option<Envelope>, OpenError> {
        let segment = crate::journal::segment_path(&self.dir, row.put.segment);
        let bytes = match read_at(&segment, row.put.offset, row.put.len) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound || is_unreadable(&error) => return Ok(None),
            Err(reason) => return Err(OpenError::Unreadable { path: segment, reason }),
        };
        let record = crate::journal::frame::parse(&bytes).ok().and_then(|f| Record::decode(f.kind, f.body));
        let Some(Record::Put { facts, mut envelope }) = record else { return Ok(None) };
        if let Some(file) = facts.file {
            let files = Files::new(&self.dir, Arc::new(Disk));
            let unreadable = |reason| OpenError::Unreadable { path: self.dir.join("files"), reason };
            envelope.sealed = match files.whole(&file) {
                Ok(Some(sealed)) => sealed,
                Ok(None) => return Ok(None),
                Err(error) if is_unreadable(&error) => return Ok(None),
                Err(error) => return Err(unreadable(error)),
            };
        }
        Ok((facts.id == row.facts.id).then_some(envelope))
    }

    /// Reads an envelope where it is, or where its owner has carried it meanwhile.
    fn follow(&self, row: &Waits) -> Result<Fetched, OpenError> {
        let mut row = row.clone();
        for _ in 0..LOOKS_MAX {
            if let Some(envelope) = self.fetch(&row)? {
                return Ok(Fetched::Whole(Box::new(envelope)));
            }
            let (now, _) = read(&self.dir)?;
            match now.known(&row.facts.id).ok().flatten() {
                Some(Known::Waits(moved)) if moved.put != row.put => row = moved,
                Some(Known::Waits(_)) => return Ok(Fetched::Damaged),
                Some(Known::Dead(_) | Known::Kept(_)) | None => return Ok(Fetched::Gone),
            }
        }
        Ok(Fetched::Damaged)
    }

    fn waiting(&self) -> Vec<Waits> {
        self.rows(Tree::Queue)
    }

    /// Rows in memory: neither reading nor decoding them fails.
    fn rows<T: Row>(&self, tree: Tree) -> Vec<T> {
        let mut rows = Vec::new();
        let read = self.state.kv().for_each(tree, &mut |_, row| {
            rows.push(from_row(tree, row)?);
            Ok(())
        });
        debug_assert!(read.is_ok());
        rows
    }
}

fn entry(known: Known, attempts: Option<u32>, waits_for: WaitsFor) -> Entry {
    let put = match &known {
        Known::Waits(row) => Some(row.put),
        Known::Dead(row) => row.put,
        Known::Kept(_) => None,
    };
    let facts = known.facts();
    let attached = facts.file.map_or(0, |file| file.len);
    Entry {
        id: facts.id,
        order: facts.order,
        service: facts.service.clone(),
        made_ms: facts.made_ms,
        bytes: put.map_or(0, |place| place.len).saturating_add(attached),
        attempts,
        waits_for,
    }
}

fn quarantined(dir: &Path) -> io::Result<Vec<Loss>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut losses = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name() == NEW {
            continue;
        }
        let (what, found) = (entry.file_name().to_string_lossy().into_owned(), entry.metadata()?);
        let since = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        losses.push(loss(what, found.len(), u64::try_from(since.as_millis()).ok()));
    }
    Ok(losses)
}

/// A loss whose name ends in its reason.
fn loss(what: String, bytes: u64, at_ms: Option<u64>) -> Loss {
    let reason = what.rsplit_once('.').map_or("unknown", |(_, reason)| reason).to_owned();
    Loss { what, reason, bytes, at_ms }
}

/// Reads the journal, from the start again when its owner unlinks a segment meanwhile.
fn read(dir: &Path) -> Result<(State, Look), OpenError> {
    let mut last = io::Error::from(ErrorKind::NotFound);
    for _ in 0..LOOKS_MAX {
        match read_once(dir) {
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == ErrorKind::NotFound => last = error,
            Err(reason) => return Err(OpenError::Unreadable { path: dir.join("journal/v1"), reason }),
        }
    }
    Err(OpenError::Unreadable { path: dir.join("journal/v1"), reason: last })
}

fn read_once(dir: &Path) -> io::Result<(State, Look)> {
    let mut state = State::in_memory();
    let mut applied: Result<(), KvError> = Ok(());
    let look = look(dir, |place, record| {
        if applied.is_ok() {
            applied = state.apply(&record, place);
        }
    })?;
    applied.map_err(io::Error::other)?;
    Ok((state, look))
}

/// Attempts by order, from a copy of sled's files.
fn tries(dir: &Path) -> Option<BTreeMap<u64, u32>> {
    let from = dir.join("state/v1");
    let nth = COPIES.fetch_add(1, Ordering::Relaxed);
    let copy = std::env::temp_dir().join(format!("kiosk-outbox-{}-{nth}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&copy).ok()?;
    let read = copy_flat(&from, &copy).and_then(|()| {
        let sled = SledKv::open(&copy).ok()?;
        let mut tries = BTreeMap::new();
        let read = sled.for_each(Tree::Tries, &mut |key, row| {
            tries.insert(to_number(Tree::Tries, key)?, Tries::from_bytes(row)?.attempts);
            Ok(())
        });
        // sled opens a garbled file as an empty database: a state that applied nothing is none.
        let applied = sled.get(Tree::Meta, b"applied").ok()?.is_some();
        (read.is_ok() && applied).then_some(tries)
    });
    if let Err(error) = fs::remove_dir_all(&copy) {
        tracing::warn!(path = %copy.display(), %error, "a copy stays");
    }
    read
}

/// Copies a folder's files; `None` when they are too many bytes or cannot be read.
fn copy_flat(from: &Path, to: &Path) -> Option<()> {
    let mut bytes = 0_u64;
    for entry in fs::read_dir(from).ok()? {
        let entry = entry.ok()?;
        let found = entry.metadata().ok()?;
        if found.is_file() {
            bytes = bytes.saturating_add(found.len());
            if bytes > STATE_BYTES_MAX {
                return None;
            }
            fs::copy(entry.path(), to.join(entry.file_name())).ok()?;
        }
    }
    Some(())
}
