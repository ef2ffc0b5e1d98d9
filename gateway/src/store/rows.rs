//! Between columns and types. `SQLite` integers are signed; times beyond the year 292 million are clamped.

use super::StoreError;
use kiosk_core::ids::ServiceId;
use sqlx::{
    Row,
    sqlite::{Sqlite, SqliteArguments, SqliteRow},
};

/// A statement with its values bound.
pub(super) type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments<'q>>;

/// A time to bind, milliseconds since 1970.
pub(super) fn time(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms).unwrap_or(i64::MAX)
}

/// A column that is never negative.
pub(super) fn number(row: &SqliteRow, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Row(column))
}

/// A column of exactly `N` bytes.
pub(super) fn blob<const N: usize>(row: &SqliteRow, column: &'static str) -> Result<[u8; N], StoreError> {
    row.try_get::<&[u8], _>(column)?.try_into().map_err(|_| StoreError::Row(column))
}

/// The service column.
pub(super) fn service(row: &SqliteRow) -> Result<ServiceId, StoreError> {
    let text: String = row.try_get("service")?;
    ServiceId::try_from(text).map_err(|_| StoreError::Row("service"))
}
