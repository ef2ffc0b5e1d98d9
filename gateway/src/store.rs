//! The store: one row per envelope in `SQLite` (`migrations/`), WAL, `synchronous = FULL`.
//!
//! One connection with an exclusive lock: a second gateway on the same file does not start, so one
//! envelope is never worked on twice. Every change is one statement, committed and synced when it returns.
//!
//! Promises: a state only moves along the arrows drawn in the crate's documentation.
//! Never: holds an answer in clear; deletes a row.

mod rows;

use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, ServiceId},
    wire::{ClaimReply, ClaimState},
};
use rows::{blob, number, time};
use sqlx::{
    Row, SqlitePool,
    migrate::MigrateError,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions, SqliteSynchronous,
    },
};
use std::{path::Path, time::Duration};

/// The longest a statement waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(5);
/// The longest the start waits for another gateway to let go of the file.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// Why the store did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no: locked by another gateway, full, damaged.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    /// The schema is newer than this program, or an earlier update broke off.
    #[error("{0}")]
    Schema(#[from] MigrateError),
    /// A row that this program did not write.
    #[error("a row with a {0} that cannot be")]
    Row(&'static str),
}

/// Which envelope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordKey {
    pub(crate) unit: String,
    pub(crate) id: EnvelopeId,
}

/// How far an envelope came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not called yet, or the service did not take it.
    Stored,
    /// A call was begun and its outcome is unknown.
    Calling,
    /// The service took it.
    Answered,
    /// A person has to look.
    NeedsStaff,
}

impl State {
    fn text(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Calling => "calling",
            Self::Answered => "answered",
            Self::NeedsStaff => "needs-staff",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        [Self::Stored, Self::Calling, Self::Answered, Self::NeedsStaff]
            .into_iter()
            .find(|state| state.text() == text)
            .ok_or(StoreError::Row("state"))
    }
}

/// An envelope to be stored.
pub(crate) struct NewRecord<'a> {
    pub(crate) key: &'a RecordKey,
    pub(crate) service: &'a ServiceId,
    pub(crate) claim: ClaimDigest,
    pub(crate) sha256: [u8; 32],
    pub(crate) made_at: u64,
    pub(crate) stored_at: u64,
    pub(crate) receipt: &'a [u8],
    pub(crate) sealed: &'a [u8],
}

/// What a repeated POST is compared with and answered from.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) service: ServiceId,
    pub(crate) claim: ClaimDigest,
    pub(crate) sha256: [u8; 32],
    pub(crate) receipt: Vec<u8>,
    pub(crate) state: State,
    pub(crate) reply: Option<Vec<u8>>,
}

/// An envelope that is not settled.
#[derive(Debug)]
pub(crate) struct OpenRecord {
    pub(crate) key: RecordKey,
    pub(crate) service: ServiceId,
    pub(crate) sealed: Vec<u8>,
    pub(crate) stored_at: u64,
    pub(crate) state: State,
    pub(crate) attempts: u32,
}

/// What ends an envelope's way.
#[derive(Debug)]
pub(crate) enum Settlement {
    Answered { reply: Vec<u8>, reference: Option<String> },
    NeedsStaff { reply: Option<Vec<u8>>, code: &'static str, detail: String },
}

/// How many envelopes wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counts {
    pub(crate) open: i64,
    pub(crate) needs_staff: i64,
}

/// The database.
#[derive(Clone, Debug)]
pub(crate) struct Store(SqlitePool);

impl Store {
    /// Opens or makes the file and brings its schema up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .locking_mode(SqliteLockingMode::Exclusive)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(LOCK_WAIT);
        let pool = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(TURN_WAIT)
            .connect_with(options)
            .await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        Ok(Self(pool))
    }

    /// Lets go of the file.
    pub(crate) async fn close(&self) {
        self.0.close().await;
    }

    /// Stores an envelope; false when its key is taken.
    pub(crate) async fn insert(&self, new: &NewRecord<'_>) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO envelope (unit, id, service, claim, sha256, made_at, stored_at, receipt, sealed)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&new.key.unit)
        .bind(new.key.id.as_bytes().as_slice())
        .bind(new.service.as_str())
        .bind(new.claim.0.as_slice())
        .bind(new.sha256.as_slice())
        .bind(time(new.made_at))
        .bind(time(new.stored_at))
        .bind(new.receipt)
        .bind(new.sealed)
        .execute(&self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Finds an envelope.
    pub(crate) async fn find(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        let row = sqlx::query(
            "SELECT service, claim, sha256, receipt, state, reply FROM envelope WHERE unit = ? AND id = ?",
        )
        .bind(&key.unit)
        .bind(key.id.as_bytes().as_slice())
        .fetch_optional(&self.0)
        .await?;
        row.map(|row| {
            Ok(Record {
                service: rows::service(&row)?,
                claim: ClaimDigest(blob(&row, "claim")?),
                sha256: blob(&row, "sha256")?,
                receipt: row.try_get("receipt")?,
                state: State::read(row.try_get("state")?)?,
                reply: row.try_get("reply")?,
            })
        })
        .transpose()
    }

    /// Up to `limit` envelopes that may be worked on now, the longest waiting first.
    pub(crate) async fn due(&self, now: u64, limit: usize) -> Result<Vec<OpenRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT unit, id, service, sealed, stored_at, state, attempts FROM envelope
             WHERE state IN ('stored', 'calling') AND not_before <= ? ORDER BY not_before LIMIT ?",
        )
        .bind(time(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.0)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(OpenRecord {
                    key: RecordKey {
                        unit: row.try_get("unit")?,
                        id: EnvelopeId::from_bytes(blob(row, "id")?),
                    },
                    service: rows::service(row)?,
                    sealed: row.try_get("sealed")?,
                    stored_at: number(row, "stored_at")?,
                    state: State::read(row.try_get("state")?)?,
                    attempts: row.try_get("attempts")?,
                })
            })
            .collect()
    }

    /// When the next envelope becomes due that is not due at `now`.
    pub(crate) async fn next_due(&self, now: u64) -> Result<Option<u64>, StoreError> {
        let row = sqlx::query(
            "SELECT MIN(not_before) AS due FROM envelope
             WHERE state IN ('stored', 'calling') AND not_before > ?",
        )
        .bind(time(now))
        .fetch_one(&self.0)
        .await?;
        let due: Option<i64> = row.try_get("due")?;
        Ok(due.and_then(|due| u64::try_from(due).ok()))
    }

    /// Writes the marker that a call begins; after a crash nobody asks or repeats before `not_before`.
    pub(crate) async fn begin_call(&self, key: &RecordKey, not_before: u64) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE envelope SET state = 'calling', attempts = attempts + 1, not_before = ?
             WHERE unit = ? AND id = ? AND state IN ('stored', 'calling')",
        );
        one(query.bind(time(not_before)).bind(&key.unit).bind(key.id.as_bytes().as_slice()), &self.0).await
    }

    /// Puts an envelope off: as `Stored` when the service did not take it, as `Calling` when nobody knows.
    /// `attempts` is how often it was tried by now, questions about it included: a service that never says
    /// is asked less and less.
    pub(crate) async fn put_off(
        &self,
        key: &RecordKey,
        state: State,
        attempts: u32,
        not_before: u64,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE envelope SET state = ?, attempts = ?, not_before = ?
             WHERE unit = ? AND id = ? AND state IN ('stored', 'calling')",
        );
        let query = query.bind(state.text()).bind(attempts).bind(time(not_before));
        one(query.bind(&key.unit).bind(key.id.as_bytes().as_slice()), &self.0).await
    }

    /// Ends an envelope's way. The sealed request is let go once answered, kept while staff need it.
    pub(crate) async fn settle(&self, key: &RecordKey, end: Settlement) -> Result<(), StoreError> {
        let query = match end {
            Settlement::Answered { reply, reference } => sqlx::query(
                "UPDATE envelope SET state = 'answered', sealed = NULL, reply = ?, reference = ?
                 WHERE unit = ? AND id = ? AND state IN ('stored', 'calling')",
            )
            .bind(reply)
            .bind(reference),
            Settlement::NeedsStaff { reply, code, detail } => sqlx::query(
                "UPDATE envelope SET state = 'needs-staff', reply = ?, code = ?, detail = ?
                 WHERE unit = ? AND id = ? AND state IN ('stored', 'calling')",
            )
            .bind(reply)
            .bind(code)
            .bind(detail),
        };
        one(query.bind(&key.unit).bind(key.id.as_bytes().as_slice()), &self.0).await
    }

    /// What may be told about a claim.
    pub(crate) async fn claim(&self, claim: &ClaimDigest) -> Result<Option<ClaimReply>, StoreError> {
        let row = sqlx::query(
            "SELECT service, stored_at, state, reference, code, detail FROM envelope
             WHERE claim = ? ORDER BY stored_at DESC LIMIT 1",
        )
        .bind(claim.0.as_slice())
        .fetch_optional(&self.0)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let text = |column: &str| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
        let state = match State::read(row.try_get("state")?)? {
            State::Stored | State::Calling => ClaimState::Sent,
            State::Answered => ClaimState::Answered { reference: row.try_get("reference")? },
            State::NeedsStaff => ClaimState::NeedsStaff { code: text("code")?, detail: text("detail")? },
        };
        Ok(Some(ClaimReply { service: rows::service(&row)?, stored_at: number(&row, "stored_at")?, state }))
    }

    /// How many envelopes wait for what.
    pub(crate) async fn counts(&self) -> Result<Counts, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) FILTER (WHERE state IN ('stored', 'calling')) AS open,
                    COUNT(*) FILTER (WHERE state = 'needs-staff') AS needs_staff FROM envelope",
        )
        .fetch_one(&self.0)
        .await?;
        Ok(Counts { open: row.try_get("open")?, needs_staff: row.try_get("needs_staff")? })
    }
}

/// Runs a change that must hit one open row.
async fn one(query: rows::Query<'_>, pool: &SqlitePool) -> Result<(), StoreError> {
    let done = query.execute(pool).await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Row("state")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_without_an_answer_counts_as_an_attempt() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("gateway.db")).await.unwrap();
        let key = RecordKey { unit: "unit-1".to_owned(), id: EnvelopeId::new(1, [1; 10]) };
        let new = NewRecord {
            key: &key,
            service: &"street".parse().unwrap(),
            claim: ClaimDigest([1; 32]),
            sha256: [1; 32],
            made_at: 1,
            stored_at: 1,
            receipt: b"receipt",
            sealed: b"sealed",
        };
        assert!(store.insert(&new).await.unwrap());
        let attempts = async || store.due(1, 9).await.unwrap().first().map(|record| record.attempts);
        assert_eq!(attempts().await, Some(0));
        store.begin_call(&key, 1).await.unwrap();
        assert_eq!(attempts().await, Some(1));
        store.put_off(&key, State::Calling, 2, 1).await.unwrap();
        assert_eq!(attempts().await, Some(2));
    }
}
