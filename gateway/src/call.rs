//! Calling a service once, and saying honestly what that brought.
//!
//! | what happened | is |
//! |---|---|
//! | no connection | `NotTaken`: nothing was sent |
//! | 429, 503 | `NotTaken`: the service says so itself; `Retry-After` seconds are kept |
//! | 409 to a repeated key (draft-ietf-httpapi-idempotency-key-header) | `Unknown`: the first call still runs |
//! | 408, other 5xx, no whole reply in time | `Unknown`: it may have acted |
//! | 2xx, 3xx, other 4xx, whole | `Answer` |
//!
//! Promises: every call ends within the service's deadline. Never: retries by itself, follows a
//! redirect, logs what was sent or received.

use crate::{
    config::{Config, ConfigError, Service},
    sealed::{Answer, Opened},
    tls,
};
use kiosk_core::ids::{EnvelopeId, ServiceId};
use reqwest::{Certificate, Client, RequestBuilder, header::RETRY_AFTER, redirect};
use rustls::crypto::aws_lc_rs;
use std::{collections::BTreeMap, error::Error, time::Duration};
use zeroize::Zeroizing;

/// The largest answer taken from a service.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The longest a connection to a service takes, within its deadline.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The longest a service may ask to be left alone.
const RETRY_AFTER_MS_MAX: u64 = 3_600_000;

/// What one call brought.
pub(crate) enum Called {
    /// A whole reply that says what became of the request.
    Answer(Answer),
    /// The service did not take it; calling again doubles nothing.
    NotTaken { why: String, retry_after_ms: u64 },
    /// It may or may not have acted.
    Unknown { why: String },
}

/// A service and the client that may call it.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) service: Service,
    client: Client,
}

/// All services by id.
#[derive(Debug)]
pub(crate) struct Callers(BTreeMap<ServiceId, Caller>);

impl Callers {
    /// Makes one client per service.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        // The library takes its TLS from the process; somebody else may have set the same already.
        let _ = aws_lc_rs::default_provider().install_default();
        let callers = config.services.values().map(|service| {
            let place = format!("service '{}'", service.id);
            let mut builder = Client::builder()
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .referer(false)
                .connect_timeout(CONNECT_WAIT.min(service.deadline))
                .timeout(service.deadline);
            if let Some(path) = &service.ca {
                let roots = tls::certificates(config, &format!("{place}.ca"), path)?;
                let roots: Result<Vec<_>, _> = roots.iter().map(|der| Certificate::from_der(der)).collect();
                builder = builder.tls_certs_only(roots.map_err(|e| config.error(&place, e))?);
            }
            let client = builder.build().map_err(|e| config.error(&place, e))?;
            Ok((service.id.clone(), Caller { service: service.clone(), client }))
        });
        Ok(Self(callers.collect::<Result<_, ConfigError>>()?))
    }

    /// The service with this id.
    pub(crate) fn get(&self, id: &ServiceId) -> Option<&Caller> {
        self.0.get(id)
    }
}

impl Caller {
    /// Calls the service once. `repeated` says that an earlier call with this id was begun.
    pub(crate) async fn call(&self, request: &Opened, id: EnvelopeId, repeated: bool) -> Called {
        let builder = self
            .client
            .request(self.service.method.clone(), self.service.target.clone())
            .headers(request.headers.clone())
            .header("idempotency-key", format!("\"{id}\""))
            .body(request.body.to_vec());
        match exchange(builder, ANSWER_BYTES_MAX).await {
            Exchange::NotSent { why } => Called::NotTaken { why, retry_after_ms: 0 },
            Exchange::Lost { why } => Called::Unknown { why },
            Exchange::Whole(answer) => judge(answer, repeated),
        }
    }

    /// A GET to the service's own server; `path_and_query` replaces the target's.
    pub(crate) fn get(&self, query: &[(&str, String)]) -> RequestBuilder {
        let mut url = self.service.target.clone();
        url.query_pairs_mut().clear().extend_pairs(query);
        self.client.get(url)
    }
}

fn judge(answer: Answer, repeated: bool) -> Called {
    let why = format!("the service answered {}", answer.status);
    match answer.status {
        429 | 503 => {
            let retry_after_ms = retry_after_ms(&answer);
            Called::NotTaken { why, retry_after_ms }
        }
        409 if repeated => Called::Unknown { why },
        200..=407 | 409..=499 => Called::Answer(answer),
        _ => Called::Unknown { why },
    }
}

/// How long the service asks to be left alone (RFC 9110 section 10.2.3, seconds); 0 when it does not.
pub(crate) fn retry_after_ms(answer: &Answer) -> u64 {
    let after = answer.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    after.unwrap_or(0).saturating_mul(1_000).min(RETRY_AFTER_MS_MAX)
}

/// One request, one whole reply or the reason there is none.
pub(crate) enum Exchange {
    Whole(Answer),
    NotSent { why: String },
    Lost { why: String },
}

/// Sends `request` and reads at most `limit` bytes.
pub(crate) async fn exchange(request: RequestBuilder, limit: usize) -> Exchange {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(e) if e.is_connect() || e.is_builder() => return Exchange::NotSent { why: cause(&e) },
        Err(e) => return Exchange::Lost { why: cause(&e) },
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Zeroizing::new(Vec::new());
    loop {
        match response.chunk().await {
            Ok(None) => return Exchange::Whole(Answer { status, headers, body }),
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Exchange::Lost { why: format!("a reply of more than {limit} bytes") },
            Err(e) => return Exchange::Lost { why: cause(&e) },
        }
    }
}

/// The innermost cause on one line, without the address.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let kind = if error.is_timeout() { "time-out" } else { "network" };
    if std::ptr::addr_eq(innermost, error) { kind.to_owned() } else { format!("{kind}: {innermost}") }
}
