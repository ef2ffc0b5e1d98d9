//! Calling a service once, and saying honestly what that brought.
//!
//! | what happened | is |
//! |---|---|
//! | no connection | `NotTaken`: nothing was sent |
//! | 429, 503 | `Unknown`: whoever stands before the service says so too after it has acted |
//! | 409 to a repeated key (draft-ietf-httpapi-idempotency-key-header) | `Unknown`: the first call still runs |
//! | 408, other 5xx, no whole reply in time | `Unknown`: it may have acted |
//! | 2xx, 3xx, other 4xx, whole | `Answer` |
//!
//! A status is the word of whoever wrote it. RFC 9110 (section 15.6.4) and RFC 6585 (section 4) do not say
//! that a request answered 503 or 429 had no effect, and a proxy writes 503 when the connection behind it
//! breaks. `Retry-After` seconds of an unknown outcome are kept.
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
    NotTaken { why: String },
    /// It may or may not have acted, and wants to be left alone for so long.
    Unknown { why: String, retry_after_ms: u64 },
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
            Exchange::NotSent { why } => Called::NotTaken { why },
            Exchange::Lost { why } => Called::Unknown { why, retry_after_ms: 0 },
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
    let is_word = match answer.status {
        409 => !repeated,
        200..=407 | 410..=428 | 430..=499 => true,
        _ => false,
    };
    if is_word {
        return Called::Answer(answer);
    }
    let why = format!("the service answered {}", answer.status);
    Called::Unknown { why, retry_after_ms: retry_after_ms(&answer) }
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

#[cfg(test)]
mod nothing_is_doubled {
    use super::*;
    use reqwest::header::{HeaderMap, HeaderValue};

    fn judged(status: u16, repeated: bool, retry_after: Option<&'static str>) -> Called {
        let after = retry_after.map(|text| (RETRY_AFTER, HeaderValue::from_static(text)));
        let headers: HeaderMap = after.into_iter().collect();
        judge(Answer { status, headers, body: Zeroizing::default() }, repeated)
    }

    #[test]
    fn no_status_proves_that_nothing_was_done() {
        for status in 100..=599 {
            for repeated in [false, true] {
                let unknown = match status {
                    100..=199 | 408 | 429 | 500..=599 => true,
                    409 => repeated,
                    _ => false,
                };
                match judged(status, repeated, None) {
                    Called::NotTaken { .. } => panic!("{status}"),
                    Called::Unknown { .. } => assert!(unknown, "{status}"),
                    Called::Answer(answer) => assert!(!unknown && answer.status == status, "{status}"),
                }
            }
        }
    }

    #[test]
    fn retry_after_is_kept_within_its_limit() {
        let wait = |status, text| match judged(status, false, text) {
            Called::Unknown { retry_after_ms, .. } => retry_after_ms,
            Called::NotTaken { .. } | Called::Answer(_) => panic!("{status}"),
        };
        assert_eq!(wait(503, Some("7")), 7_000);
        assert_eq!(wait(429, Some("99999999999")), RETRY_AFTER_MS_MAX);
        assert_eq!(wait(503, Some("Sun, 06 Nov 1994 08:49:37 GMT")), 0);
        assert_eq!(wait(503, None), 0);
    }
}
