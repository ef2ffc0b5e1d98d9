//! The engines beside the outbox: each makes a batch durable before it returns.
//!
//! | name | how |
//! |---|---|
//! | `append` | one file that grows, `fdatasync` |
//! | `preallocated` | the same in 1 MiB of zeroes at a time, as the outbox's segments |
//! | `sqlite` | SQLite, WAL, `synchronous=FULL`, `auto_vacuum=INCREMENTAL` |
//! | `redb` | one table, `Durability::Immediate` (its default) |
//! | `fjall` | one keyspace, `PersistMode::SyncData` |
//!
//! Every cache is 8 MiB; sled's in the outbox is 1 MiB.
//! Never: helps or hinders one of them.

use anyhow::{Context as _, Result, bail};
use redb::{ReadableDatabase as _, ReadableTable as _};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
};

/// A cache's size, in bytes.
const CACHE_BYTES: usize = 8 << 20;
/// What is written as zeroes at once, in bytes: a segment of the outbox.
const CHUNK_BYTES: usize = 1 << 20;

/// A key and a record.
pub(crate) type Item = (u64, Vec<u8>);

/// What can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Append,
    Preallocated,
    Sqlite,
    Redb,
    Fjall,
}

impl Peer {
    pub(crate) const ALL: [Self; 5] =
        [Self::Append, Self::Preallocated, Self::Sqlite, Self::Redb, Self::Fjall];
    /// Those that can take a record out again.
    pub(crate) const STORES: [Self; 3] = [Self::Sqlite, Self::Redb, Self::Fjall];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Preallocated => "preallocated",
            Self::Sqlite => "sqlite",
            Self::Redb => "redb",
            Self::Fjall => "fjall",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// Opens or makes one in `dir`.
    pub(crate) fn open(self, dir: &Path) -> Result<Box<dyn Engine>> {
        fs::create_dir_all(dir)?;
        Ok(match self {
            Self::Append => Box::new(Append::open(dir, 0)?),
            Self::Preallocated => Box::new(Append::open(dir, CHUNK_BYTES)?),
            Self::Sqlite => Box::new(Sqlite::open(dir)?),
            Self::Redb => Box::new(Redb::open(dir)?),
            Self::Fjall => Box::new(Fjall::open(dir)?),
        })
    }
}

/// One engine.
pub(crate) trait Engine: Send {
    /// Durable on return.
    fn put(&mut self, items: &[Item]) -> Result<()>;
    /// Durable on return.
    fn remove(&mut self, keys: &[u64]) -> Result<()>;
    /// The first key, with its record read.
    fn first(&mut self) -> Result<Option<u64>>;
    /// Gives back what space it can.
    fn compact(&mut self) -> Result<()>;
}

struct Append {
    file: File,
    end: u64,
    len: u64,
    chunk: Vec<u8>,
}

impl Append {
    fn open(dir: &Path, chunk: usize) -> Result<Self> {
        let file = File::create(dir.join("log"))?;
        File::open(dir)?.sync_all()?;
        Ok(Self { file, end: 0, len: 0, chunk: vec![0; chunk] })
    }
}

impl Engine for Append {
    fn put(&mut self, items: &[Item]) -> Result<()> {
        let bytes: Vec<u8> = items.iter().flat_map(|(_, record)| record.iter().copied()).collect();
        let after = self.end + u64::try_from(bytes.len())?;
        if !self.chunk.is_empty() && after > self.len {
            self.file.write_all_at(&self.chunk, self.len)?;
            self.file.sync_all()?;
            self.len += u64::try_from(self.chunk.len())?;
        }
        self.file.write_all_at(&bytes, self.end)?;
        self.file.sync_data()?;
        self.end = after;
        Ok(())
    }

    fn remove(&mut self, _: &[u64]) -> Result<()> {
        bail!("a bare append takes nothing out")
    }

    fn first(&mut self) -> Result<Option<u64>> {
        bail!("a bare append is not read")
    }

    fn compact(&mut self) -> Result<()> {
        bail!("a bare append takes nothing out")
    }
}

struct Sqlite(rusqlite::Connection);

impl Sqlite {
    fn open(dir: &Path) -> Result<Self> {
        let connection = rusqlite::Connection::open(dir.join("q.db"))?;
        let kib = CACHE_BYTES >> 10;
        connection.execute_batch(&format!(
            "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
             PRAGMA cache_size=-{kib}; CREATE TABLE IF NOT EXISTS q(n INTEGER PRIMARY KEY, record BLOB NOT NULL);"
        ))?;
        Ok(Self(connection))
    }
}

impl Engine for Sqlite {
    fn put(&mut self, items: &[Item]) -> Result<()> {
        let all = self.0.transaction()?;
        {
            let mut insert = all.prepare_cached("INSERT INTO q VALUES (?1, ?2)")?;
            for (key, record) in items {
                insert.execute(rusqlite::params![i64::try_from(*key)?, record])?;
            }
        }
        Ok(all.commit()?)
    }

    fn remove(&mut self, keys: &[u64]) -> Result<()> {
        let all = self.0.transaction()?;
        {
            let mut delete = all.prepare_cached("DELETE FROM q WHERE n = ?1")?;
            for key in keys {
                delete.execute([i64::try_from(*key)?])?;
            }
        }
        Ok(all.commit()?)
    }

    fn first(&mut self) -> Result<Option<u64>> {
        let mut first = self.0.prepare("SELECT n, record FROM q ORDER BY n LIMIT 1")?;
        let mut rows = first.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let _: Vec<u8> = row.get(1)?;
        Ok(Some(u64::try_from(row.get::<_, i64>(0)?)?))
    }

    fn compact(&mut self) -> Result<()> {
        {
            // A row for each page: one step gives one page back.
            let mut vacuum = self.0.prepare("PRAGMA incremental_vacuum")?;
            let mut pages = vacuum.query([])?;
            while pages.next()?.is_some() {}
        }
        Ok(self.0.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?)
    }
}

const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("q");

struct Redb(redb::Database);

impl Redb {
    fn open(dir: &Path) -> Result<Self> {
        let database = redb::Database::builder().set_cache_size(CACHE_BYTES).create(dir.join("q.redb"))?;
        let write = database.begin_write()?;
        write.open_table(TABLE)?;
        write.commit()?;
        Ok(Self(database))
    }
}

impl Engine for Redb {
    fn put(&mut self, items: &[Item]) -> Result<()> {
        let write = self.0.begin_write()?;
        {
            let mut table = write.open_table(TABLE)?;
            for (key, record) in items {
                table.insert(key, record.as_slice())?;
            }
        }
        Ok(write.commit()?)
    }

    fn remove(&mut self, keys: &[u64]) -> Result<()> {
        let write = self.0.begin_write()?;
        {
            let mut table = write.open_table(TABLE)?;
            for key in keys {
                table.remove(key)?;
            }
        }
        Ok(write.commit()?)
    }

    fn first(&mut self) -> Result<Option<u64>> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let first = table.first()?;
        Ok(first.map(|(key, record)| (key.value(), record.value().to_vec()).0))
    }

    fn compact(&mut self) -> Result<()> {
        self.0.compact()?;
        Ok(())
    }
}

struct Fjall {
    database: fjall::Database,
    keyspace: fjall::Keyspace,
}

impl Fjall {
    fn open(dir: &Path) -> Result<Self> {
        let database = fjall::Database::builder(dir).cache_size(u64::try_from(CACHE_BYTES)?).open()?;
        let keyspace = database.keyspace("q", fjall::KeyspaceCreateOptions::default)?;
        Ok(Self { database, keyspace })
    }
}

impl Engine for Fjall {
    fn put(&mut self, items: &[Item]) -> Result<()> {
        let mut batch = self.database.batch();
        for (key, record) in items {
            batch.insert(&self.keyspace, key.to_be_bytes(), record.as_slice());
        }
        batch.commit()?;
        Ok(self.database.persist(fjall::PersistMode::SyncData)?)
    }

    fn remove(&mut self, keys: &[u64]) -> Result<()> {
        let mut batch = self.database.batch();
        for key in keys {
            batch.remove(&self.keyspace, key.to_be_bytes());
        }
        batch.commit()?;
        Ok(self.database.persist(fjall::PersistMode::SyncData)?)
    }

    fn first(&mut self) -> Result<Option<u64>> {
        let Some(pair) = self.keyspace.iter().next() else { return Ok(None) };
        let (key, _) = pair.into_inner()?;
        Ok(Some(u64::from_be_bytes(key.first_chunk().copied().context("a key of eight bytes")?)))
    }

    fn compact(&mut self) -> Result<()> {
        Ok(self.keyspace.major_compact()?)
    }
}
