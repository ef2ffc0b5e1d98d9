//! For tests: an envelope that nobody can open.

use kiosk_core::{
    claim::ClaimCode,
    ids::{EnvelopeId, KeyId},
    wire::{ClockQuality, Envelope, Stamp},
};

pub(super) fn envelope() -> Envelope {
    Envelope {
        id: EnvelopeId::new(1, [7; 10]),
        service: "report".parse().unwrap(),
        claim: ClaimCode::draw([1; 8]).unwrap().digest(),
        key: KeyId(1),
        made_at: Stamp { unix_ms: 1, clock: ClockQuality::Unsynced },
        sealed: vec![1, 2, 3],
    }
}
