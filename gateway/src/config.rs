//! The configuration: one TOML file, read once.
//!
//! ```toml
//! listen = "0.0.0.0:8443"
//! database = "gateway.db"          # paths are relative to this file's folder; or, for several gateways,
//!                                  # "postgres://gateway@db.example.org/kiosk?sslmode=verify-full&sslrootcert=/etc/ssl/db-ca.pem"
//! keys = "keys.toml"               # made when missing
//! answer_wait_ms = 8000            # how long a kiosk's POST is held for the answer
//!
//! [tls]
//! certificate = "gateway.pem"      # chain, leaf first
//! key = "gateway.key"
//! client_ca = "units-ca.pem"       # signs the units' certificates; their CN is the unit's name
//!
//! [retry]                          # optional
//! base_ms = 1000
//! cap_ms = 900000
//!
//! [[service]]
//! id = "report-street-problem"
//! method = "POST"
//! target = "https://open311.example.org/requests.json"   # the only address a request may name
//! ca = "department-ca.pem"         # optional: the only root for this target
//! deadline_ms = 10000
//! repeat = "ask-open311"           # or "idempotency-key", "never"
//! reference = "/0/service_request_id"                    # RFC 6901, into a JSON answer
//! ```
//!
//! Promises: an error is one line with file, place and reason; an unknown field is an error.
//! Never: reads the environment itself; PostgreSQL's own variables (`PGPASSFILE`) are heard.

pub use crate::store::Place;
use kiosk_core::{ids::ServiceId, policy::Backoff};
use reqwest::Method;
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{
    collections::BTreeMap,
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};
use url::{Host, Position, Url};

/// A wrong configuration: one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {place}: {reason}", file.display())]
pub struct ConfigError {
    /// The configuration file.
    pub file: PathBuf,
    /// Line and column, or the field's name.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

/// What a call without a clear reply means, per service: nobody knows whether the service acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// The service honours `Idempotency-Key`: call again with the same key.
    IdempotencyKey,
    /// Open311 has no such key: ask for a request whose description ends with `[kiosk <envelope id>]`,
    /// and call again only when there is none. For service codes of type `realtime`: `batch` and
    /// `blackbox` (GeoReport v2, GET Service List) may show a request much later, so they are `never`.
    AskOpen311,
    /// Neither: a person has to look, also when the reply was 429 or 503, which is no proof that nothing
    /// was done. Only where no connection came about is it called again.
    Never,
}

/// One service and the one address it may be called at.
#[derive(Clone, Debug)]
pub struct Service {
    /// As in the `Kiosk-Service` header.
    pub id: ServiceId,
    /// `POST`, `PUT`.
    pub method: Method,
    /// Scheme, authority, path and query must be those of the sealed request.
    pub target: Url,
    /// The only root for `target`, when it is not the system's.
    pub ca: Option<PathBuf>,
    /// The longest one call takes.
    pub deadline: Duration,
    /// What an interrupted call means.
    pub repeat: Repeat,
    /// Where the service's own number is in a JSON answer (RFC 6901).
    pub reference: Option<String>,
}

impl Service {
    /// Host, and port when it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.target[Position::BeforeHost..Position::AfterPort]
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.target[Position::BeforePath..Position::AfterQuery]
    }
}

/// A configuration whose every field was checked; the files it names were not opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it was read from.
    pub file: PathBuf,
    /// Where kiosks connect.
    pub listen: SocketAddr,
    /// Where the rows are.
    pub database: Place,
    /// The private keys' file.
    pub keys: PathBuf,
    /// The gateway's certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub certificate_key: PathBuf,
    /// The CA of the units.
    pub client_ca: PathBuf,
    /// How long a POST is held for the answer.
    pub answer_wait: Duration,
    /// Between calls to a service that is down.
    pub backoff: Backoff,
    /// By id.
    pub services: BTreeMap<ServiceId, Service>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: SocketAddr,
    database: String,
    keys: PathBuf,
    #[serde(default = "answer_wait_ms")]
    answer_wait_ms: u64,
    tls: Tls,
    #[serde(default)]
    retry: Retry,
    #[serde(default)]
    service: Vec<ServiceFields>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Retry {
    base_ms: u64,
    cap_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { base_ms: 1_000, cap_ms: 15 * 60_000 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceFields {
    id: ServiceId,
    method: String,
    target: String,
    ca: Option<PathBuf>,
    #[serde(default = "deadline_ms")]
    deadline_ms: u64,
    repeat: Repeat,
    reference: Option<String>,
}

fn answer_wait_ms() -> u64 {
    8_000
}

fn deadline_ms() -> u64 {
    10_000
}

impl Config {
    /// Reads and checks `file`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(file).map_err(|e| error(file, "file", e))?;
        let fields: File = toml::from_str(&text).map_err(|e| {
            let place = e.span().map_or_else(|| "file".to_owned(), |s| line_and_column(&text, s.start));
            error(file, place, e.message().replace('\n', ", "))
        })?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut services = BTreeMap::new();
        for (n, service) in fields.service.into_iter().enumerate() {
            let place = |field: &str| format!("service[{n}].{field}");
            let service = check(service, folder).map_err(|(field, e)| error(file, place(field), e))?;
            if let Some(twin) = services.insert(service.id.clone(), service) {
                return Err(error(file, place("id"), format!("'{}' is there twice", twin.id)));
            }
        }
        if fields.retry.base_ms == 0 || fields.retry.cap_ms < fields.retry.base_ms {
            return Err(error(file, "retry", "base_ms must be at least 1 and at most cap_ms"));
        }
        let database = place(&fields.database, folder).map_err(|e| error(file, "database", e))?;
        Ok(Self {
            file: file.to_owned(),
            listen: fields.listen,
            database,
            keys: folder.join(fields.keys),
            certificate: folder.join(fields.tls.certificate),
            certificate_key: folder.join(fields.tls.key),
            client_ca: folder.join(fields.tls.client_ca),
            answer_wait: Duration::from_millis(fields.answer_wait_ms),
            backoff: Backoff { base_ms: fields.retry.base_ms, cap_ms: fields.retry.cap_ms },
            services,
        })
    }

    /// An error at `place` of this configuration.
    #[must_use]
    pub fn error(&self, place: impl Into<String>, reason: impl fmt::Display) -> ConfigError {
        error(&self.file, place, reason)
    }
}

fn error(file: &Path, place: impl Into<String>, reason: impl fmt::Display) -> ConfigError {
    ConfigError { file: file.to_owned(), place: place.into(), reason: reason.to_string() }
}

fn line_and_column(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}")
}

/// A file, or a server that proves itself by TLS unless it is on this machine.
fn place(text: &str, folder: &Path) -> Result<Place, String> {
    if !text.contains("://") {
        return Ok(Place::Sqlite(folder.join(text)));
    }
    let url = Url::parse(text).map_err(|e| format!("neither a file nor an address: {e}"))?;
    if !["postgres", "postgresql"].contains(&url.scheme()) {
        return Err(format!("'{}://' is not a database we know; postgres:// is", url.scheme()));
    }
    if url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password") {
        return Err(
            "no password here: it belongs into ~/.pgpass, or the server asks for a certificate".into()
        );
    }
    let options = PgConnectOptions::from_str(text).map_err(|e| e.to_string())?;
    let near =
        options.get_socket().is_some() || ["localhost", "127.0.0.1", "::1"].contains(&options.get_host());
    let rooted = url.query_pairs().any(|(name, _)| name == "sslrootcert");
    let proven = near || (rooted && matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
    if !proven {
        return Err(
            "a server elsewhere must prove its name: add ?sslmode=verify-full&sslrootcert=FILE".into()
        );
    }
    Ok(Place::Postgres(Box::new(options.application_name("kiosk-gateway"))))
}

type Wrong = (&'static str, String);

fn check(fields: ServiceFields, folder: &Path) -> Result<Service, Wrong> {
    let target = Url::parse(&fields.target).map_err(|e| ("target", format!("'{}': {e}", fields.target)))?;
    let loopback = match target.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(("target", format!("'{target}' names no host"))),
    };
    let safe = target.scheme() == "https" || (target.scheme() == "http" && loopback);
    if !safe {
        return Err((
            "target",
            format!("'{target}' must begin with https:// (http:// only on this machine)"),
        ));
    }
    if target.fragment().is_some() || !target.username().is_empty() || target.password().is_some() {
        return Err(("target", format!("'{target}' must not have a user, a password or a fragment")));
    }
    let method = match fields.method.as_str() {
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        other => return Err(("method", format!("'{other}' is neither POST nor PUT"))),
    };
    if fields.deadline_ms == 0 {
        return Err(("deadline_ms", "must be at least 1".to_owned()));
    }
    if fields.reference.as_deref().is_some_and(|p| !p.starts_with('/')) {
        return Err(("reference", "is a JSON pointer and begins with /".to_owned()));
    }
    Ok(Service {
        id: fields.id,
        method,
        target,
        ca: fields.ca.map(|path| folder.join(path)),
        deadline: Duration::from_millis(fields.deadline_ms),
        repeat: fields.repeat,
        reference: fields.reference,
    })
}
