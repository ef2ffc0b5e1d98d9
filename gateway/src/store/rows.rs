//! Between columns and types. Integers of a database are signed; times beyond the year 292 million are clamped.

use super::{Counts, OpenRecord, Record, RecordKey, State, StoreError};
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, ServiceId},
    wire::{ClaimReply, ClaimState},
};

/// A time to bind, milliseconds since 1970.
pub(super) fn time(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms).unwrap_or(i64::MAX)
}

/// A number that is never negative.
fn number<N: TryFrom<i64>>(value: i64, column: &'static str) -> Result<N, StoreError> {
    N::try_from(value).map_err(|_| StoreError::Row(column))
}

/// Exactly `N` bytes.
fn blob<const N: usize>(value: Vec<u8>, column: &'static str) -> Result<[u8; N], StoreError> {
    value.try_into().map_err(|_| StoreError::Row(column))
}

fn service(text: String) -> Result<ServiceId, StoreError> {
    ServiceId::try_from(text).map_err(|_| StoreError::Row("service"))
}

/// What [`Record`] is read from.
#[derive(sqlx::FromRow)]
pub(super) struct RecordRow {
    service: String,
    claim: Vec<u8>,
    sha256: Vec<u8>,
    receipt: Vec<u8>,
    state: String,
    reply: Option<Vec<u8>>,
}

impl TryFrom<RecordRow> for Record {
    type Error = StoreError;

    fn try_from(row: RecordRow) -> Result<Self, StoreError> {
        Ok(Self {
            service: service(row.service)?,
            claim: ClaimDigest(blob(row.claim, "claim")?),
            sha256: blob(row.sha256, "sha256")?,
            receipt: row.receipt,
            state: State::read(&row.state)?,
            reply: row.reply,
        })
    }
}

/// What [`OpenRecord`] is read from.
#[derive(sqlx::FromRow)]
pub(super) struct OpenRow {
    unit: String,
    id: Vec<u8>,
    service: String,
    sealed: Vec<u8>,
    stored_at: i64,
    state: String,
    attempts: i64,
}

impl TryFrom<OpenRow> for OpenRecord {
    type Error = StoreError;

    fn try_from(row: OpenRow) -> Result<Self, StoreError> {
        Ok(Self {
            key: RecordKey { unit: row.unit, id: EnvelopeId::from_bytes(blob(row.id, "id")?) },
            service: service(row.service)?,
            sealed: row.sealed,
            stored_at: number(row.stored_at, "stored_at")?,
            state: State::read(&row.state)?,
            attempts: number(row.attempts, "attempts")?,
        })
    }
}

/// What a [`ClaimReply`] is read from.
#[derive(sqlx::FromRow)]
pub(super) struct ClaimRow {
    service: String,
    stored_at: i64,
    state: String,
    reference: Option<String>,
    code: Option<String>,
    detail: Option<String>,
}

impl TryFrom<ClaimRow> for ClaimReply {
    type Error = StoreError;

    fn try_from(row: ClaimRow) -> Result<Self, StoreError> {
        let state = match State::read(&row.state)? {
            State::Stored | State::Calling => ClaimState::Sent,
            State::Answered => ClaimState::Answered { reference: row.reference },
            State::NeedsStaff => ClaimState::NeedsStaff {
                code: row.code.unwrap_or_default(),
                detail: row.detail.unwrap_or_default(),
            },
        };
        Ok(Self { service: service(row.service)?, stored_at: number(row.stored_at, "stored_at")?, state })
    }
}

/// What [`Counts`] is read from.
#[derive(sqlx::FromRow)]
pub(super) struct CountsRow {
    open: i64,
    needs_staff: i64,
}

impl From<CountsRow> for Counts {
    fn from(row: CountsRow) -> Self {
        Self { open: row.open, needs_staff: row.needs_staff }
    }
}
