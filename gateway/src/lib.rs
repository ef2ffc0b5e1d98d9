//! The receiving end a government runs: takes sealed envelopes from kiosks, calls the service each is
//! for, seals the service's answer back.
//!
//! ```text
//! unit --mutual TLS--> api --insert--> store --due--> work --HTTPS--> service
//!                       ^                ^             |
//!                       +---- reply -----+-- settle ---+
//!
//! stored --marker--> calling --2xx--------------------------------> answered
//!    ^                 |  +---- 4xx, 3xx, nothing left to try ----> needs-staff
//!    +-- not taken ----+        (unknown outcome: as the service's `repeat` says)
//! ```
//!
//! Promises:
//! * a receipt is given only after the envelope is on stable storage;
//! * the service sees one effect per `(unit, envelope id)`, whatever is killed when, as far as the
//!   service's [`config::Repeat`] lets anybody know;
//! * the same envelope gets the same receipt and the same sealed answer, for ever.
//!
//! Never: stores or logs an answer in clear, calls an address that is not configured, follows a redirect.

mod api;
mod call;
pub mod config;
mod failpoint;
pub mod keys;
mod open311;
mod origin;
mod refusal;
mod sealed;
mod server;
mod store;
mod tls;
mod work;

use api::Api;
use config::{Config, ConfigError};
use keys::{Keys, PublicKeys};
use origin::Origins;
use std::{io, sync::Arc};
use store::{Store, StoreError};
use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::TlsAcceptor;
use work::Work;

/// Why a gateway does not start or ends.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The configuration or a file it names.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database.
    #[error("database {path}")]
    Store {
        /// As configured.
        path: String,
        /// What it said.
        source: StoreError,
    },
    /// The listening socket.
    #[error("listening on {address}")]
    Listen {
        /// As configured.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A gateway that is ready to serve.
pub struct Gateway {
    config: Config,
    keys: Arc<Keys>,
    acceptor: TlsAcceptor,
    origins: Origins,
    work: Arc<Work>,
}

impl Gateway {
    /// Reads certificates and keys (making the key file when it is missing), opens the database and
    /// brings it up to date. Calls nothing yet.
    ///
    /// # Errors
    /// [`GatewayError::Config`] for a file, [`GatewayError::Store`] for the database.
    pub async fn open(config: Config) -> Result<Self, GatewayError> {
        let keys = Arc::new(Keys::open(&config.keys).map_err(|e| config.error("keys", e))?);
        let units = tls::units(&config)?;
        let acceptor = tls::acceptor(&config, units.clone())?;
        let origins = Origins::new(units);
        let callers = call::Callers::new(&config)?;
        let store = Store::open(&config.database)
            .await
            .map_err(|source| GatewayError::Store { path: config.database.to_string(), source })?;
        let work = Arc::new(Work::new(store, keys.clone(), callers, config.backoff));
        Ok(Self { config, keys, acceptor, origins, work })
    }

    /// What kiosks need to know of this gateway's keys.
    #[must_use]
    pub fn public_keys(&self) -> PublicKeys {
        self.keys.public()
    }

    /// Binds [`Config::listen`].
    ///
    /// # Errors
    /// [`GatewayError::Listen`].
    pub async fn bind(&self) -> Result<TcpListener, GatewayError> {
        let address = self.config.listen;
        TcpListener::bind(address)
            .await
            .map_err(|source| GatewayError::Listen { address: address.to_string(), source })
    }

    /// Serves until `stop` becomes true or its sender is gone; then lets running requests and calls end,
    /// each within its own limit.
    pub async fn serve(self, listener: TcpListener, stop: watch::Receiver<bool>) {
        let worker = tokio::spawn(self.work.clone().run(stop.clone()));
        let (work, wait) = (self.work.clone(), self.config.answer_wait);
        let api = Arc::new(Api::new(work, self.keys, self.origins, wait, stop.clone()));
        server::serve(listener, self.acceptor, &api::router(api), stop).await;
        if let Err(error) = worker.await {
            tracing::error!(%error, "the worker ended");
        }
        self.work.store().close().await;
    }
}
