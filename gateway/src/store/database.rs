//! Which database, and how a statement reaches it.
//!
//! | | `SQLite` | PostgreSQL |
//! |---|---|---|
//! | for | one gateway | several of them, one database |
//! | durable by | WAL, `synchronous = FULL` | `synchronous_commit`, never below `on` |
//! | a second gateway | does not start: the file is locked | shares the work; see [`super`] |
//! | what the time is | this machine's clock | the database's, the same for every gateway |
//!
//! Statements are the same text for both; parameters are numbered, `$1`.
//!
//! Promises: a statement waits at most [`TURN_WAIT`] for a connection.
//! Never: writes down a password; reads one from the configuration.

use super::StoreError;
use sqlx::{
    PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions, SqliteSynchronous,
    },
};
use std::{fmt, path::Path, path::PathBuf, time::Duration};

/// The longest a statement waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(5);
/// The longest the start waits for another gateway to let go of the file.
const LOCK_WAIT: Duration = Duration::from_millis(500);
/// Connections to PostgreSQL at once, from one gateway.
const CONNECTIONS_MAX: u32 = 16;

/// Where the rows are, as configured.
#[derive(Clone)]
pub enum Place {
    /// A file of this gateway alone.
    Sqlite(PathBuf),
    /// A server that several gateways share.
    Postgres(Box<PgConnectOptions>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(options) => {
                let host = options.get_socket().map_or(options.get_host().into(), |p| p.to_string_lossy());
                write!(f, "postgres:{host}/{}", options.get_database().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Connections to one of them.
#[derive(Clone, Debug)]
pub(super) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs the same statement on whichever database it is: what to call, the text, the values of `$1`, `$2`, ...
macro_rules! run {
    ($database:expr, $query:expr, [$($value:expr),* $(,)?], $method:ident) => {
        match $database {
            Database::Sqlite(pool) => $query$(.bind($value))*.$method(pool).await,
            Database::Postgres(pool) => $query$(.bind($value))*.$method(pool).await,
        }
    };
}

/// A statement that changes rows; how many it changed.
macro_rules! change {
    ($database:expr, $sql:expr, [$($value:expr),* $(,)?]) => {
        match $database {
            Database::Sqlite(pool) => {
                sqlx::query($sql)$(.bind($value))*.execute(pool).await.map(|done| done.rows_affected())
            }
            Database::Postgres(pool) => {
                sqlx::query($sql)$(.bind($value))*.execute(pool).await.map(|done| done.rows_affected())
            }
        }
    };
}

pub(super) use {change, run};

impl Database {
    /// Connects and brings the schema up to date.
    pub(super) async fn open(place: &Place) -> Result<Self, StoreError> {
        match place {
            Place::Sqlite(path) => Self::sqlite(path).await,
            Place::Postgres(options) => Self::postgres(options).await,
        }
    }

    async fn sqlite(path: &Path) -> Result<Self, StoreError> {
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
        sqlx::migrate!("./migrations/sqlite").run(&pool).await?;
        Ok(Self::Sqlite(pool))
    }

    async fn postgres(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(TURN_WAIT)
            .after_connect(|connection, _| {
                // A server may be set to answer before it is on the disk; a receipt must not believe it.
                let durable = "SELECT set_config('synchronous_commit', 'on', false)
                               WHERE current_setting('synchronous_commit') IN ('off', 'local')";
                Box::pin(async move { sqlx::query(durable).execute(connection).await.map(drop) })
            })
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("./migrations/postgres").run(&pool).await?;
        Ok(Self::Postgres(pool))
    }

    /// Whether other gateways may be at the same rows.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Milliseconds since 1970 by the clock that all who work on these rows share.
    pub(super) async fn now(&self) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(crate::work::unix_ms()),
            Self::Postgres(pool) => {
                let sql = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT";
                let now: i64 = sqlx::query_scalar(sql).fetch_one(pool).await?;
                u64::try_from(now).map_err(|_| StoreError::Row("clock"))
            }
        }
    }

    /// Lets go of it.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}
