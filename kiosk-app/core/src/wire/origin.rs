//! What a unit signs about an envelope that somebody else may carry.
//!
//! ```text
//! kiosk-origin: base64 of a COSE_Sign1 (RFC 9052 section 4.2), tag 18, payload detached, external data `kiosk origin`
//!   protected   { 1 (alg): -7 (ES256) }
//!   unprotected { 33 (x5chain, RFC 9360): the signing unit's certificate, or an array, leaf first }
//!   payload     the lines below, each ended by one line feed
//!   signature   64 bytes
//!
//! kiosk origin 1
//! 01920c5e-7a30-7000-8000-0123456789ab     envelope id
//! report-street-problem                    service
//! <64 hexadecimal digits>                  claim digest
//! 1764002905000                            when it was submitted, milliseconds since 1970
//! <64 hexadecimal digits>                  SHA-256 of the sealed request
//! ```
//!
//! A gateway that gets it with an envelope files the envelope under the unit that signed, whoever brought
//! it; so the same envelope brought twice, by its own unit and by another, is one row.
//!
//! Promises: two different envelopes never give the same payload; no part can hold a line feed.
//! Never: signs or checks; the keys are at both ends.

use crate::{
    claim::ClaimDigest,
    ids::{EnvelopeId, ServiceId},
};
use std::fmt::Write;

/// The external data of the signature.
pub const EXTERNAL_DATA: &[u8] = b"kiosk origin";

/// The longest header, in base64: a signature and a chain of a few certificates.
pub const HEADER_BYTES_MAX: usize = 8 << 10;

/// What is signed about an envelope.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The envelope's id.
    pub id: EnvelopeId,
    /// Where it goes.
    pub service: &'a ServiceId,
    /// How the citizen finds it.
    pub claim: ClaimDigest,
    /// When it was submitted, milliseconds since 1970.
    pub made_ms: u64,
    /// SHA-256 of the sealed request.
    pub sha256: [u8; 32],
}

impl Origin<'_> {
    /// The bytes to sign.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let Self { id, service, claim, made_ms, sha256 } = self;
        let mut text = format!("kiosk origin 1\n{id}\n{service}\n{claim}\n{made_ms}\n");
        for byte in sha256 {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_payload_is_the_one_that_is_documented() {
        let origin = Origin {
            id: "01920c5e-7a30-7000-8000-0123456789ab".parse().unwrap(),
            service: &"report-street-problem".parse().unwrap(),
            claim: ClaimDigest([0xab; 32]),
            made_ms: 1_764_002_905_000,
            sha256: [1; 32],
        };
        let expected = format!(
            "kiosk origin 1\n01920c5e-7a30-7000-8000-0123456789ab\nreport-street-problem\n{}\n1764002905000\n{}\n",
            "ab".repeat(32),
            "01".repeat(32)
        );
        assert_eq!(String::from_utf8(origin.payload()).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn every_part_is_in_it(random: [u8; 10], claim: [u8; 32], made_ms: u64, sha256: [u8; 32]) {
            let service = "a".parse().unwrap();
            let id = EnvelopeId::new(1, random);
            let this = Origin { id, service: &service, claim: ClaimDigest(claim), made_ms, sha256 };
            let mut flipped = sha256;
            flipped[31] ^= 1;
            let other = "b".parse().unwrap();
            for that in [
                Origin { sha256: flipped, ..this },
                Origin { made_ms: made_ms ^ 1, ..this },
                Origin { service: &other, ..this },
                Origin { claim: ClaimDigest(flipped), ..this },
            ] {
                prop_assert!(that.payload() != this.payload() || flipped == claim);
            }
            prop_assert_eq!(this.payload().split(|byte| *byte == b'\n').count(), 7);
        }
    }
}
