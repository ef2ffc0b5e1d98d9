//! What crosses the two lines: shell to agent (unix socket, CBOR) and agent to gateway (HTTP).
//!
//! Shell to agent: each frame is a big-endian `u32` length, at most [`FRAME_BYTES_MAX`], then one
//! CBOR value ([`ToAgent`] or [`ToShell`]). Both sides open with `Hello`; a protocol number that
//! differs ends the connection.
//!
//! Agent to gateway (mutual TLS); an envelope that was carried by hand comes with its unit's signature in
//! [`header::ORIGIN`], and is that unit's whoever brings it:
//!
//! | request | reply | means |
//! |---|---|---|
//! | `POST /v1/envelopes`, `Content-Type: message/ohttp-req`, [`header`]s | 200 `message/ohttp-res` + receipt | stored and settled; the body is the sealed answer |
//! | | 202 + receipt | stored; the answer is asked for later by the same POST |
//! | | 4xx `application/problem+json` | refused; never stored; a person must look |
//! | | 429, 5xx | later, same id |
//! | `GET /v1/claims/{digest}` | 200 [`ClaimReply`] as JSON, 404 | what may be told about a claim |
//!
//! Never here: a citizen's answer in clear. The only content is what [`Envelope::sealed`] hides.

use crate::{
    claim::ClaimDigest,
    ids::{EnvelopeId, KeyId, ServiceId},
};
use serde::{Deserialize, Serialize};

pub mod mark;
pub mod origin;
pub mod reference;

/// The version both ends of the unix socket must speak.
pub const PROTOCOL: u16 = 1;

/// The largest frame on the unix socket: one envelope with a scanned page, and room around it.
pub const FRAME_BYTES_MAX: usize = 5 << 20;

/// The largest sealed request an outbox or a gateway takes.
pub const SEALED_BYTES_MAX: usize = 4 << 20;

/// Header names between agent and gateway.
pub mod header {
    /// The envelope id as an RFC 8941 string, quotes included.
    pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
    /// The service id.
    pub const SERVICE: &str = "kiosk-service";
    /// The claim digest, 64 hexadecimal digits.
    pub const CLAIM: &str = "kiosk-claim";
    /// When the citizen submitted, milliseconds since 1970 by the unit's clock.
    pub const MADE_AT: &str = "kiosk-made-at";
    /// The signature of the unit that the envelope is from, when another may bring it: see [`super::origin`].
    pub const ORIGIN: &str = "kiosk-origin";
    /// The gateway's `COSE_Sign1` receipt, base64 (standard alphabet, padded).
    pub const RECEIPT: &str = "kiosk-receipt";
    /// `answered` or `needs-staff`, on a 200.
    pub const OUTCOME: &str = "kiosk-outcome";
}

/// A finished transaction: what is written to the journal and posted to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The same for ever, on every hop.
    pub id: EnvelopeId,
    /// Where it goes.
    pub service: ServiceId,
    /// How the citizen finds it again.
    pub claim: ClaimDigest,
    /// The key it is sealed to.
    pub key: KeyId,
    /// When it was submitted.
    pub made_at: Stamp,
    /// An Encapsulated Request, RFC 9458 section 4.1.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
}

/// A moment by the unit's clock, and how far to trust it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// Where the time came from.
    pub clock: ClockQuality,
}

/// How a unit without a clock battery knows the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockQuality {
    /// Never set since start; only a floor is known.
    Unsynced,
    /// Disciplined by the network's time service.
    Synced,
}

/// What is proven about one transaction. A citizen is told this and nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ClaimState {
    /// On this unit's stable storage; the gateway has not confirmed it.
    SavedHere,
    /// The gateway signed for it.
    Sent,
    /// The service answered.
    Answered {
        /// The service's own number for it, where it gives one.
        reference: Option<String>,
    },
    /// A person has to look at it.
    NeedsStaff {
        /// A short code, such as `key-unknown`.
        code: String,
        /// One plain sentence from whoever refused it.
        detail: String,
    },
}

/// The JSON body of `GET /v1/claims/{digest}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimReply {
    /// Which service it went to.
    pub service: ServiceId,
    /// When the gateway stored it, milliseconds since 1970.
    pub stored_at: u64,
    /// What is proven.
    #[serde(flatten)]
    pub state: ClaimState,
}

/// The body of a refusal, RFC 9457.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:kiosk:problem:` and a short code.
    #[serde(rename = "type")]
    pub kind: String,
    /// One plain sentence.
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What exactly was wrong.
    #[serde(default)]
    pub detail: String,
}

impl Problem {
    /// The prefix of every [`Problem::kind`].
    pub const PREFIX: &'static str = "urn:kiosk:problem:";

    /// The short code at the end of [`Self::kind`], or `refused` for a foreign one.
    #[must_use]
    pub fn code(&self) -> &str {
        self.kind.strip_prefix(Self::PREFIX).unwrap_or("refused")
    }
}

/// Shell to agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToAgent {
    /// First frame.
    Hello {
        /// [`PROTOCOL`].
        protocol: u16,
    },
    /// Keep this, then deliver it.
    Submit(Envelope),
    /// What is proven about this claim?
    Lookup {
        /// From the code the citizen typed.
        claim: ClaimDigest,
    },
}

/// Agent to shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToShell {
    /// First frame.
    Hello {
        /// [`PROTOCOL`].
        protocol: u16,
    },
    /// The envelope is on stable storage.
    Saved {
        /// Which one.
        id: EnvelopeId,
    },
    /// The envelope is not stored anywhere; the citizen must be told so.
    NotSaved {
        /// Which one.
        id: EnvelopeId,
        /// Why.
        reason: NotSaved,
    },
    /// The gateway has it, and perhaps answered.
    Settled {
        /// Which one.
        id: EnvelopeId,
        /// How far it came.
        outcome: Settled,
    },
    /// The answer to a lookup.
    Found {
        /// What was asked.
        claim: ClaimDigest,
        /// What is known.
        found: Lookup,
    },
    /// The way to the gateway changed.
    Link {
        /// Whether the last exchange with the gateway worked.
        up: bool,
    },
}

/// Why an envelope was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotSaved {
    /// The outbox is at its limit.
    Full,
    /// The disk does not take writes.
    Storage,
    /// The envelope is larger than [`SEALED_BYTES_MAX`].
    TooLarge,
}

/// How far a saved envelope came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settled {
    /// The gateway signed for it; the answer is still out.
    Sent,
    /// The service answered; only the shell that sealed the request can open this.
    Answered {
        /// An Encapsulated Response, RFC 9458 section 4.2.
        #[serde(with = "serde_bytes")]
        sealed: Vec<u8>,
    },
    /// A person has to look at it.
    NeedsStaff {
        /// A short code.
        code: String,
        /// One plain sentence.
        detail: String,
    },
}

/// What a lookup found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lookup {
    /// This is proven.
    Known {
        /// Which service it went to.
        service: ServiceId,
        /// What is proven.
        state: ClaimState,
    },
    /// Neither this unit nor the gateway knows it.
    Unknown,
    /// This unit does not know it and the gateway cannot be asked now.
    Unreachable,
}
