//! Sealing a request to a service's key and opening the reply: Oblivious HTTP (RFC 9458) over
//! known-length Binary HTTP (RFC 9292).
//!
//! ```text
//! sealed request (RFC 9458 section 4.1)        sealed reply (section 4.2)
//! +--------+--------+--------+--------+        +---------------+--------------------+
//! | key id | kem id | kdf id | aead id|        | nonce (Nk)    | AEAD(Binary HTTP)  |
//! |  1 B   |  2 B   |  2 B   |  2 B   |        +---------------+--------------------+
//! +--------+--------+--------+--------+
//! | enc (Nenc, 32 B for X25519)       |
//! +-----------------------------------+
//! | AEAD(Binary HTTP)                 |
//! +-----------------------------------+
//! ```
//!
//! Promises: each request is sealed under a fresh key of its own; only the [`ReplyOpener`] made with it
//! opens its reply, once. The Binary HTTP buffers made here are zeroed when dropped. The copies that
//! `bhttp` and `ohttp` keep inside are not; a process that seals runs with a zeroing allocator.
//!
//! Never: touches the network, a clock or a file; prints a request or a reply.

use bhttp::{Message, Mode, StatusCode};
use kiosk_core::{ids::KeyId, secret::SecretBytes};
use ohttp::{
    ClientRequest, ClientResponse, KeyConfig, SymmetricSuite,
    hpke::{Aead, Kdf},
};
use std::{fmt, io::Cursor};
use zeroize::Zeroizing;

/// Every symmetric suite of RFC 9458 that the library knows; a key must offer one of them.
const SUITES: [SymmetricSuite; 3] = [
    SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm),
    SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes256Gcm),
    SymmetricSuite::new(Kdf::HkdfSha256, Aead::ChaCha20Poly1305),
];

/// A service's public key: a `KeyConfig` of RFC 9458 section 3.1.
#[derive(Clone)]
pub struct ServiceKey {
    id: KeyId,
    config: KeyConfig,
}

impl ServiceKey {
    /// Reads one `KeyConfig`, or an `application/ohttp-keys` list (RFC 9458 section 3.2), of which the
    /// first usable key is taken. The two cannot be mistaken for each other: a list read as one key
    /// names a KEM that does not exist.
    ///
    /// # Errors
    /// [`SealError::Key`] when no usable key is in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let single = KeyConfig::decode(bytes).ok();
        let list = || KeyConfig::decode_list(bytes).unwrap_or_default();
        let mut configs = single.map_or_else(list, |config| vec![config]).into_iter();
        let config = configs.find(|c| SUITES.iter().any(|s| c.select(*s).is_ok())).ok_or(SealError::Key)?;
        let id = config.encode().ok().and_then(|b| b.first().copied()).ok_or(SealError::Key)?;
        Ok(Self { id: KeyId(id), config })
    }

    /// The key identifier, the first byte of everything sealed to it.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceKey({})", self.id.0)
    }
}

/// The request as the service sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `POST`.
    pub method: String,
    /// `https`.
    pub scheme: String,
    /// Host, and port when it is not the scheme's own.
    pub authority: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The citizen's answers as the service wants them.
    pub body: SecretBytes,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpRequest({} {}, {:?})", self.method, self.authority, self.body)
    }
}

/// What the service answered.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// 200 to 599.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The answer's body.
    pub body: SecretBytes,
}

impl fmt::Debug for HttpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpReply({}, {:?})", self.status, self.body)
    }
}

/// Why something could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not an RFC 9458 key, or one with no algorithm known here.
    #[error("not a usable application/ohttp-keys key")]
    Key,
    /// The request cannot be written as Binary HTTP, or the key does not take it.
    #[error("the request cannot be sealed")]
    Seal,
    /// Not the reply to this request, or altered on the way.
    #[error("the reply does not open")]
    Open,
    /// It opened, and what is inside is no HTTP response.
    #[error("the reply is not Binary HTTP")]
    NotHttp,
}

/// Opens the one reply that belongs to a sealed request. Dropping it makes the reply unreadable.
pub struct ReplyOpener(ClientResponse);

impl fmt::Debug for ReplyOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyOpener(..)")
    }
}

/// Seals `request` to `key`.
///
/// # Errors
/// [`SealError::Seal`] when the key turns out to be no point on its curve.
pub fn seal(key: &ServiceKey, request: &HttpRequest) -> Result<(Vec<u8>, ReplyOpener), SealError> {
    let mut message = Message::request(
        request.method.clone().into_bytes(),
        request.scheme.clone().into_bytes(),
        request.authority.clone().into_bytes(),
        request.path.clone().into_bytes(),
    );
    for (name, value) in &request.headers {
        message.put_header(name.to_ascii_lowercase(), value.as_str());
    }
    message.write_content(request.body.expose());
    let room: usize = request.headers.iter().map(|(n, v)| n.len() + v.len() + 16).sum();
    let start = request.method.len() + request.authority.len() + request.path.len();
    // Large enough from the start: a buffer that grows leaves its old bytes behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(start + room + request.body.expose().len() + 128));
    message.write_bhttp(Mode::KnownLength, &mut *plain).map_err(|_| SealError::Seal)?;
    let client = ClientRequest::from_config(&mut key.config.clone()).map_err(|_| SealError::Seal)?;
    let (sealed, opener) = client.encapsulate(&plain).map_err(|_| SealError::Seal)?;
    Ok((sealed, ReplyOpener(opener)))
}

impl ReplyOpener {
    /// Opens the reply.
    ///
    /// # Errors
    /// [`SealError::Open`] or [`SealError::NotHttp`].
    pub fn open(self, sealed: &[u8]) -> Result<HttpReply, SealError> {
        let plain = Zeroizing::new(self.0.decapsulate(sealed).map_err(|_| SealError::Open)?);
        let message =
            Message::read_bhttp(&mut Cursor::new(plain.as_slice())).map_err(|_| SealError::NotHttp)?;
        let status = message.control().status().map(StatusCode::code).ok_or(SealError::NotHttp)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = message.header().fields().iter();
        let headers = fields.map(|f| (text(f.name()).to_ascii_lowercase(), text(f.value()))).collect();
        Ok(HttpReply { status, headers, body: SecretBytes::new(message.content().to_vec()) })
    }
}

#[cfg(test)]
mod tests;
