//! Delivery: one envelope to the gateway, and what came back, judged.
//!
//! TLS 1.3 with the unit's certificate; the only root is the pinned CA. No redirects, no proxy, no
//! retries: one call is at most one request.
//!
//! | what happened | reply |
//! |---|---|
//! | no connection, no name, no TLS, or the gateway turned the certificate away | `Unreachable` |
//! | sent, and no whole reply in time | `Lost` |
//! | a whole reply | as [`judge`](reply) says |
//!
//! Promises: every exchange ends within [`UplinkConfig::reply_timeout`].
//! Never: believes a status alone, reads more than the limit, logs.

mod reply;
mod tls;

pub(crate) use tls::{certificates, file, pem_file};

use crate::receipt::{ReceiptError, ReceiptVerifier};
use kiosk_core::{
    claim::ClaimDigest,
    policy::Reply,
    wire::{ClaimReply, Envelope, SEALED_BYTES_MAX, header},
};
use reply::Whole;
use reqwest::{RequestBuilder, header::CONTENT_TYPE, redirect};
use std::{error::Error, io, path::PathBuf, time::Duration};
use url::Url;

/// The largest reply body read: a sealed answer and room for its frame.
const REPLY_BYTES_MAX: usize = SEALED_BYTES_MAX;

/// Where the gateway is and how the two know each other.
#[derive(Clone, Debug)]
pub struct UplinkConfig {
    /// `https://gateway.example.org/`: scheme, host and port, nothing else.
    pub gateway: Url,
    /// The CA that signed the gateway's certificate, PEM.
    pub ca_pem: PathBuf,
    /// The unit's certificate chain, leaf first, PEM.
    pub cert_pem: PathBuf,
    /// The unit's private key, PEM.
    pub key_pem: PathBuf,
    /// Verifies the gateway's receipts.
    pub receipts: ReceiptVerifier,
    /// The longest a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// The longest an exchange may take, connecting included.
    pub reply_timeout: Duration,
}

/// Why an uplink cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// A certificate or key file.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The gateway's address.
    #[error("gateway {address}: {reason}")]
    Address {
        /// As configured.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The receipt key.
    #[error("receipt key")]
    Receipt(#[from] ReceiptError),
    /// The library did not sign.
    #[error("the unit's key does not sign")]
    Sign,
    /// The TLS library refused the settings.
    #[error("TLS does not start")]
    Tls(#[source] rustls::Error),
    /// The HTTP library refused the settings.
    #[error("HTTP does not start")]
    Http(#[source] reqwest::Error),
}

/// A connection pool to one gateway. Cheap to clone. A renewed certificate takes a new uplink.
#[derive(Clone, Debug)]
pub struct Uplink {
    http: reqwest::Client,
    envelopes: Url,
    claims: Url,
    receipts: ReceiptVerifier,
}

impl Uplink {
    /// Reads certificates and key. Connects to nothing yet.
    ///
    /// # Errors
    /// One line that names the file or the setting, and the reason.
    pub fn new(config: UplinkConfig) -> Result<Self, UplinkError> {
        let join = |path| endpoint(&config.gateway, path);
        let (envelopes, claims) = (join("v1/envelopes")?, join("v1/claims/")?);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config(&config)?)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(config.connect_timeout)
            .timeout(config.reply_timeout)
            .build()
            .map_err(UplinkError::Http)?;
        Ok(Self { http, envelopes, claims, receipts: config.receipts })
    }

    /// Posts `envelope` once and judges what came back.
    pub async fn deliver(&self, envelope: &Envelope) -> Reply {
        self.exchange(self.post(envelope), envelope).await
    }

    /// Posts an envelope of the unit whose signature `origin` is, made by [`crate::origin_header`].
    pub async fn deliver_carried(&self, envelope: &Envelope, origin: &str) -> Reply {
        self.exchange(self.post(envelope).header(header::ORIGIN, origin), envelope).await
    }

    async fn exchange(&self, request: RequestBuilder, envelope: &Envelope) -> Reply {
        match exchange(request).await {
            Ok(whole) => whole.judge_delivery(envelope, &self.receipts),
            Err(reply) => reply,
        }
    }

    /// Verifies the gateway's receipts.
    #[must_use]
    pub fn receipts(&self) -> &ReceiptVerifier {
        &self.receipts
    }

    fn post(&self, envelope: &Envelope) -> RequestBuilder {
        self.http
            .post(self.envelopes.clone())
            .header(CONTENT_TYPE, "message/ohttp-req")
            .header(header::IDEMPOTENCY_KEY, format!("\"{}\"", envelope.id))
            .header(header::SERVICE, envelope.service.as_str())
            .header(header::CLAIM, envelope.claim.to_string())
            .header(header::MADE_AT, envelope.made_at.unix_ms.to_string())
            .body(envelope.sealed.clone())
    }

    /// Asks what the gateway knows about a claim; `None` when it knows nothing.
    ///
    /// # Errors
    /// The reply that is no answer: `Unreachable`, `Lost`, `Busy`, `Failed`, `Refused` or `NotOurs`.
    pub async fn claim(&self, claim: &ClaimDigest) -> Result<Option<ClaimReply>, Reply> {
        let mut url = self.claims.clone();
        url.set_path(&format!("{}{claim}", self.claims.path()));
        exchange(self.http.get(url)).await?.judge_claim()
    }
}

fn endpoint(gateway: &Url, path: &str) -> Result<Url, UplinkError> {
    let bad = |reason| UplinkError::Address { address: gateway.to_string(), reason };
    if gateway.scheme() != "https" {
        return Err(bad("must begin with https://"));
    }
    let bare = gateway.path() == "/"
        && gateway.query().is_none()
        && gateway.fragment().is_none()
        && gateway.username().is_empty()
        && gateway.password().is_none();
    if !bare {
        return Err(bad("must be scheme, host and port only"));
    }
    gateway.join(path).map_err(|_| bad("is not a web address"))
}

/// Sends, and reads the whole reply; everything short of that is already a [`Reply`].
async fn exchange(request: RequestBuilder) -> Result<Whole, Reply> {
    let mut response = request.send().await.map_err(|e| not_sent_or_lost(&e))?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| Reply::Lost { why: chain(&e) })? {
        if body.len() + chunk.len() > REPLY_BYTES_MAX {
            return Err(Reply::NotOurs { why: format!("a reply of more than {REPLY_BYTES_MAX} bytes") });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Whole { status, headers, body })
}

fn not_sent_or_lost(error: &reqwest::Error) -> Reply {
    let why = chain(error);
    let not_sent = error.is_connect() || error.is_builder() || turned_away(error);
    if not_sent { Reply::Unreachable { why } } else { Reply::Lost { why } }
}

/// Whether the gateway ended the handshake: in TLS 1.3 its verdict on the unit's certificate arrives
/// after the client believes itself connected. No request is read before that verdict.
fn turned_away(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = inner.and_then(|e| e.downcast_ref::<rustls::Error>());
        if matches!(tls, Some(rustls::Error::AlertReceived(_))) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The error and its causes on one line; the URL, which may hold a claim's digest, left out.
fn chain(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() { "time-out" } else { "network" };
    let mut text = kind.to_owned();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}
