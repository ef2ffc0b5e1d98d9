//! The database of one test: a file, or a fresh database of the server that `KIOSK_TEST_POSTGRES` names.

use sqlx::{Connection as _, Executor as _, PgConnection};
use std::{
    env, fs,
    path::Path,
    process,
    sync::atomic::{AtomicU32, Ordering},
};
use url::Url;

/// Tells the databases of one process apart.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Where a test's gateway keeps its rows.
pub(crate) enum Place {
    File,
    Server(Url),
}

impl Place {
    /// A fresh one.
    pub(crate) async fn new() -> Self {
        let Ok(server) = env::var("KIOSK_TEST_POSTGRES") else { return Self::File };
        let mut url = Url::parse(&server).expect("KIOSK_TEST_POSTGRES is an address");
        let name = format!("gateway_{}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&server).await.expect("the server is up");
        connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
        url.set_path(&name);
        Self::Server(url)
    }

    /// The value of `database` in a configuration.
    pub(crate) fn as_configured(&self) -> String {
        match self {
            Self::File => "gateway.db".to_owned(),
            Self::Server(url) => url.to_string(),
        }
    }

    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// Every file in which the rows may stand; `folder` is the configuration's.
    pub(crate) async fn files(&self, folder: &Path) -> Vec<(String, Vec<u8>)> {
        let folder = match self {
            Self::File => folder.to_owned(),
            Self::Server(url) => {
                let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
                connection.execute("CHECKPOINT").await.unwrap();
                let ask = "SELECT current_setting('data_directory') || '/base/' || oid
                           FROM pg_database WHERE datname = current_database()";
                let path: String = sqlx::query_scalar(ask).fetch_one(&mut connection).await.unwrap();
                path.into()
            }
        };
        let is_rows = |name: &str| self.is_shared() || name.starts_with("gateway.db");
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
            .filter(|(name, _)| is_rows(name))
            .map(|(name, path)| (name, fs::read(path).unwrap()))
            .collect()
    }
}
