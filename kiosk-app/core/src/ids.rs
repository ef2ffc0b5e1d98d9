//! Names that travel: envelope ids, service ids, key ids.
//!
//! Promises: an id that parses prints back as it was given; two envelopes never share one.
//! Never: derives an id from a citizen's data.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// One transaction, for ever: a UUIDv7 (RFC 9562 section 5.7) made on the unit before the first
/// write. It is the `Idempotency-Key` on every hop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvelopeId(Uuid);

impl EnvelopeId {
    /// Makes an id from wall-clock milliseconds since 1970 and ten random bytes.
    #[must_use]
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
    }

    /// The sixteen bytes, most significant first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Reads back what [`Self::as_bytes`] gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EnvelopeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| IdError::Envelope)
    }
}

/// A service's folder name in the catalogue: 1 to 64 of `a-z`, `0-9`, `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceId(String);

impl ServiceId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServiceId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text)) } else { Err(IdError::Service) }
    }
}

impl FromStr for ServiceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::try_from(text.to_owned())
    }
}

impl From<ServiceId> for String {
    fn from(id: ServiceId) -> Self {
        id.0
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which of a service's public keys sealed an envelope: the key identifier of RFC 9458 section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub u8);

/// An id that does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a UUID.
    #[error("an envelope id is a UUID such as 01920c5e-7a30-7000-8000-0123456789ab")]
    Envelope,
    /// Not a service id.
    #[error("a service id is 1 to 64 of a-z, 0-9 and -")]
    Service,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelope_ids_are_uuid_v7_and_sort_by_time() {
        let early = EnvelopeId::new(1_700_000_000_000, [0xff; 10]);
        let late = EnvelopeId::new(1_700_000_000_001, [0; 10]);
        assert!(early < late);
        assert_eq!(early.to_string().as_bytes().get(14), Some(&b'7'));
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(EnvelopeId::from_bytes(*late.as_bytes()), late);
    }

    #[test]
    fn service_ids_are_folder_names() {
        assert!("report-street-problem".parse::<ServiceId>().is_ok());
        for bad in ["", "../etc", "Upper", "a b", &"x".repeat(65)] {
            assert_eq!(bad.parse::<ServiceId>(), Err(IdError::Service), "{bad}");
        }
    }
}
