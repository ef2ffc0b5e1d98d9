//! Opening sealed requests, sealing replies (RFC 9458 over RFC 9292), signing receipts (RFC 9052).
//!
//! ```text
//! receipt: COSE_Sign1, tag 18, no external data
//!   protected   { 1 (alg): -8 (EdDSA), 4 (kid): the receipt key's name }
//!   payload     { 1: envelope id, bstr 16; 2: SHA-256 of the sealed request, bstr 32; 3: unix ms, uint }
//! ```
//!
//! Promises: the same sealed request opens again after a restart, and its reply can be sealed then.
//! Plaintext made here is zeroed when dropped; the copies inside the libraries are left to the zeroing
//! allocator.
//!
//! Never: stores anything, prints a request or a reply.

use crate::{config::Service, keys::Keys};
use bhttp::{Message, Mode, StatusCode};
use ciborium::Value;
use coset::{CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use kiosk_core::ids::{EnvelopeId, KeyId};
use ohttp::ServerResponse;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::io::Cursor;
use zeroize::Zeroizing;

/// Headers that belong to one connection (RFC 9110 section 7.6.1), or that the gateway writes itself.
const NOT_PASSED_ON: [&str; 14] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why a sealed request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// Sealed to a key this gateway does not have.
    KeyUnknown,
    /// Altered, cut, or not an HTTP request inside.
    CannotOpen,
    /// It names another method or address than the service's.
    TargetNotAllowed,
}

/// A request in clear, and what seals its reply.
pub(crate) struct Opened {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
    sealer: ServerResponse,
}

/// A reply in clear.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Keys {
    /// Opens `sealed` and checks that it is a request to `service` and nothing else.
    pub(crate) fn open_for(&self, service: &Service, sealed: &[u8]) -> Result<Opened, Unopened> {
        let id = sealed.first().copied().map(KeyId).ok_or(Unopened::CannotOpen)?;
        let server = self.servers.get(&id).ok_or(Unopened::KeyUnknown)?;
        let (plain, sealer) = server.decapsulate(sealed).map_err(|_| Unopened::CannotOpen)?;
        let plain = Zeroizing::new(plain);
        let message =
            Message::read_bhttp(&mut Cursor::new(plain.as_slice())).map_err(|_| Unopened::CannotOpen)?;
        let control = message.control();
        if !control.is_request() {
            return Err(Unopened::CannotOpen);
        }
        let allowed = control.method() == Some(service.method.as_str().as_bytes())
            && control.scheme() == Some(service.target.scheme().as_bytes())
            && control.authority() == Some(service.authority().as_bytes())
            && control.path() == Some(service.path().as_bytes());
        if !allowed {
            return Err(Unopened::TargetNotAllowed);
        }
        let mut headers = HeaderMap::new();
        for field in message.header().fields() {
            let name = HeaderName::from_bytes(field.name()).map_err(|_| Unopened::CannotOpen)?;
            let value = HeaderValue::from_bytes(field.value()).map_err(|_| Unopened::CannotOpen)?;
            if !NOT_PASSED_ON.contains(&name.as_str()) {
                headers.append(name, value);
            }
        }
        Ok(Opened { headers, body: Zeroizing::new(message.content().to_vec()), sealer })
    }

    /// Signs that `sealed_sha256` is stored for `id`.
    pub(crate) fn sign_receipt(&self, id: EnvelopeId, sealed_sha256: &[u8; 32], stored_at: u64) -> Vec<u8> {
        let map = Value::Map(vec![
            (1.into(), Value::Bytes(id.as_bytes().to_vec())),
            (2.into(), Value::Bytes(sealed_sha256.to_vec())),
            (3.into(), stored_at.into()),
        ]);
        let mut payload = Vec::new();
        let protected = HeaderBuilder::new()
            .algorithm(iana::Algorithm::EdDSA)
            .key_id(self.kid.as_bytes().to_vec())
            .build();
        // Writing integers and byte strings to memory cannot fail; an empty receipt would verify nowhere.
        if ciborium::into_writer(&map, &mut payload).is_err() {
            return Vec::new();
        }
        CoseSign1Builder::new()
            .protected(protected)
            .payload(payload)
            .create_signature(&[], |data| self.receipt.sign(data).as_ref().to_vec())
            .build()
            .to_tagged_vec()
            .unwrap_or_default()
    }
}

impl Opened {
    /// Seals `answer` for the shell that sealed the request; `None` when it cannot be written as HTTP.
    pub(crate) fn seal(self, answer: &Answer) -> Option<Vec<u8>> {
        let mut message = Message::response(StatusCode::try_from(answer.status).ok()?);
        for (name, value) in &answer.headers {
            if !NOT_PASSED_ON.contains(&name.as_str()) {
                message.put_header(name.as_str(), value.as_bytes());
            }
        }
        message.write_content(answer.body.as_slice());
        let mut plain = Zeroizing::new(Vec::with_capacity(answer.body.len() + 16_384));
        message.write_bhttp(Mode::KnownLength, &mut *plain).ok()?;
        self.sealer.encapsulate(&plain).ok()
    }
}
