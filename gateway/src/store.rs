//! The store: one row per envelope (`migrations/`), in `SQLite` or in PostgreSQL.
//!
//! ```text
//! several gateways, one database:      who works on a row holds it by its number of attempts
//!   due -> begin_call(attempts n) -> n + 1, not before <deadline> ---> put_off or settle (attempts n + 1)
//!            another did: nothing changes, `TakenOver`                   another did since: `TakenOver`
//! ```
//! Every change is one statement, durable when it returns. A gateway that dies leaves a row that becomes due again
//! for the others; one that only was slow finds that the row is no longer its own, and leaves it.
//!
//! Promises: a state only moves along the arrows drawn in the crate's documentation; of several gateways at most
//! one begins a call from the same state.
//! Never: holds an answer in clear; deletes a row.

mod database;
mod rows;
#[cfg(test)]
mod tests;

use database::{Database, change, run};
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, ServiceId},
    wire::ClaimReply,
};
use rows::{ClaimRow, CountsRow, OpenRow, RecordRow, time};
use sqlx::{migrate::MigrateError, query_as, query_scalar};

pub use database::Place;

/// Why the store did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no: locked by another gateway, full, damaged.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    /// The schema is newer than this program, or an earlier update broke off.
    #[error("{0}")]
    Schema(#[from] MigrateError),
    /// Another gateway works on the row now.
    #[error("another gateway took it over")]
    TakenOver,
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
    /// How often a call was begun, or was asked about. The row is this gateway's while it says the same.
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
pub(crate) struct Store(Database);

impl Store {
    /// Opens or makes it and brings its schema up to date.
    pub(crate) async fn open(place: &Place) -> Result<Self, StoreError> {
        Database::open(place).await.map(Self)
    }

    /// Lets go of it.
    pub(crate) async fn close(&self) {
        self.0.close().await;
    }

    /// Whether other gateways may settle what this one stored.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    /// The time by which envelopes are due, milliseconds since 1970.
    pub(crate) async fn now(&self) -> Result<u64, StoreError> {
        self.0.now().await
    }

    /// Stores an envelope; false when its key is taken.
    pub(crate) async fn insert(&self, new: &NewRecord<'_>) -> Result<bool, StoreError> {
        let sql =
            "INSERT INTO envelope (unit, id, service, claim, sha256, made_at, stored_at, receipt, sealed)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
        let id = new.key.id.as_bytes().as_slice();
        let (claim, sha256) = (new.claim.0.as_slice(), new.sha256.as_slice());
        let (made_at, stored_at) = (time(new.made_at), time(new.stored_at));
        let (unit, service) = (&new.key.unit, new.service.as_str());
        let rows = change!(
            &self.0,
            sql,
            [unit, id, service, claim, sha256, made_at, stored_at, new.receipt, new.sealed]
        )?;
        Ok(rows == 1)
    }

    /// Finds an envelope.
    pub(crate) async fn find(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        let sql =
            "SELECT service, claim, sha256, receipt, state, reply FROM envelope WHERE unit = $1 AND id = $2";
        let id = key.id.as_bytes().as_slice();
        let row: Option<RecordRow> = run!(&self.0, query_as(sql), [&key.unit, id], fetch_optional)?;
        row.map(Record::try_from).transpose()
    }

    /// Up to `limit` envelopes that may be worked on now, the longest waiting first.
    pub(crate) async fn due(&self, now: u64, limit: usize) -> Result<Vec<OpenRecord>, StoreError> {
        let sql = "SELECT unit, id, service, sealed, stored_at, state, attempts FROM envelope
                   WHERE state IN ('stored', 'calling') AND not_before <= $1 ORDER BY not_before LIMIT $2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<OpenRow> = run!(&self.0, query_as(sql), [time(now), limit], fetch_all)?;
        rows.into_iter().map(OpenRecord::try_from).collect()
    }

    /// When the next envelope becomes due that is not due at `now`.
    pub(crate) async fn next_due(&self, now: u64) -> Result<Option<u64>, StoreError> {
        let sql =
            "SELECT MIN(not_before) FROM envelope WHERE state IN ('stored', 'calling') AND not_before > $1";
        let due: Option<i64> = run!(&self.0, query_scalar(sql), [time(now)], fetch_one)?;
        Ok(due.and_then(|due| u64::try_from(due).ok()))
    }

    /// Writes the marker that a call begins; after a crash nobody asks or repeats before `not_before`.
    /// From here on the row is `record`'s holder's; [`StoreError::TakenOver`] when another was first.
    pub(crate) async fn begin_call(
        &self,
        record: &mut OpenRecord,
        not_before: u64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE envelope SET state = 'calling', attempts = attempts + 1, not_before = $1
                   WHERE unit = $2 AND id = $3 AND attempts = $4 AND state IN ('stored', 'calling')";
        let id = record.key.id.as_bytes().as_slice();
        let attempts = i64::from(record.attempts);
        held(change!(&self.0, sql, [time(not_before), &record.key.unit, id, attempts])?)?;
        record.attempts = record.attempts.saturating_add(1);
        Ok(())
    }

    /// Puts an envelope off: as `Stored` when the service did not take it, as `Calling` when nobody knows.
    /// `attempts` is how often it was tried by now, questions about it included: a service that never says
    /// is asked less and less.
    pub(crate) async fn put_off(
        &self,
        record: &OpenRecord,
        state: State,
        attempts: u32,
        not_before: u64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE envelope SET state = $1, attempts = $2, not_before = $3
                   WHERE unit = $4 AND id = $5 AND attempts = $6 AND state IN ('stored', 'calling')";
        let id = record.key.id.as_bytes().as_slice();
        let (tried, known) = (i64::from(attempts), i64::from(record.attempts));
        held(change!(&self.0, sql, [state.text(), tried, time(not_before), &record.key.unit, id, known])?)
    }

    /// Ends an envelope's way. The sealed request is let go once answered, kept while staff need it.
    pub(crate) async fn settle(&self, record: &OpenRecord, end: Settlement) -> Result<(), StoreError> {
        let id = record.key.id.as_bytes().as_slice();
        let (unit, known) = (&record.key.unit, i64::from(record.attempts));
        let rows = match &end {
            Settlement::Answered { reply, reference } => {
                let sql = "UPDATE envelope SET state = 'answered', sealed = NULL, reply = $1, reference = $2
                           WHERE unit = $3 AND id = $4 AND attempts = $5 AND state IN ('stored', 'calling')";
                change!(&self.0, sql, [reply, reference, unit, id, known])?
            }
            Settlement::NeedsStaff { reply, code, detail } => {
                let sql = "UPDATE envelope SET state = 'needs-staff', reply = $1, code = $2, detail = $3
                           WHERE unit = $4 AND id = $5 AND attempts = $6 AND state IN ('stored', 'calling')";
                change!(&self.0, sql, [reply, *code, detail, unit, id, known])?
            }
        };
        held(rows)
    }

    /// What may be told about a claim.
    pub(crate) async fn claim(&self, claim: &ClaimDigest) -> Result<Option<ClaimReply>, StoreError> {
        let sql = "SELECT service, stored_at, state, reference, code, detail FROM envelope
                   WHERE claim = $1 ORDER BY stored_at DESC LIMIT 1";
        let row: Option<ClaimRow> = run!(&self.0, query_as(sql), [claim.0.as_slice()], fetch_optional)?;
        row.map(ClaimReply::try_from).transpose()
    }

    /// How many envelopes wait for what.
    pub(crate) async fn counts(&self) -> Result<Counts, StoreError> {
        let sql = "SELECT COUNT(*) FILTER (WHERE state IN ('stored', 'calling')) AS open,
                          COUNT(*) FILTER (WHERE state = 'needs-staff') AS needs_staff FROM envelope";
        let row: CountsRow = run!(&self.0, query_as(sql), [], fetch_one)?;
        Ok(row.into())
    }
}

/// Whether a change hit its one row, or found that the row is somebody else's by now.
fn held(rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::TakenOver) }
}
