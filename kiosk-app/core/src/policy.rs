//! The delivery policy: one pure table from what came back to what happens next.
//!
//! | reply | action |
//! |---|---|
//! | answered or stored, with a receipt that verifies | settled: leave the queue |
//! | refused by our gateway | needs staff: leave the queue, keep the reason |
//! | busy, failed, unreachable | the same envelope again, later |
//! | lost (sent, no reply) | unknown: ask with the same id, later |
//! | not ours (a captive portal's 200, a receipt that does not verify) | later; nothing is believed |
//!
//! Promises: only a verified receipt or a refusal of our own gateway ends delivery.
//! Never: invents an outcome, gives up after a number of attempts.

/// What one delivery attempt brought back, after the uplink checked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The gateway has it and signed for it.
    Stored {
        /// The signed receipt, verified.
        receipt: Vec<u8>,
    },
    /// The gateway has it, signed for it, and the service's answer is here.
    Answered {
        /// The signed receipt, verified.
        receipt: Vec<u8>,
        /// The Encapsulated Response for the shell that sealed the request.
        sealed: Vec<u8>,
        /// The service refused it; the gateway's staff will look.
        needs_staff: bool,
    },
    /// Our gateway refused it and did not store it.
    Refused {
        /// A short code, such as `key-unknown`.
        code: String,
        /// One plain sentence.
        detail: String,
    },
    /// 429 or 503.
    Busy {
        /// From `Retry-After`.
        retry_after_ms: Option<u64>,
    },
    /// Another 5xx.
    Failed {
        /// The status.
        status: u16,
    },
    /// A reply that is not our gateway's.
    NotOurs {
        /// What gave it away, for the log.
        why: String,
    },
    /// No connection: nothing was sent.
    Unreachable {
        /// What failed, for the log.
        why: String,
    },
    /// Sent, and no whole reply in time: unknown.
    Lost {
        /// What failed, for the log.
        why: String,
    },
}

/// What to do with the envelope now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Remove it from the queue; keep the receipt.
    Settle {
        /// The signed receipt.
        receipt: Vec<u8>,
    },
    /// Move it to *needs staff*.
    NeedsStaff {
        /// A short code.
        code: String,
        /// One plain sentence.
        detail: String,
    },
    /// Post the same envelope again after this long.
    Again {
        /// Milliseconds from now.
        wait_ms: u64,
    },
}

/// Exponential back-off with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first ceiling.
    pub base_ms: u64,
    /// The last ceiling.
    pub cap_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base_ms: 2_000, cap_ms: 15 * 60_000 }
    }
}

impl Backoff {
    /// A wait drawn evenly from zero to `min(cap, base * 2^attempts)`; `random` is the draw.
    #[must_use]
    pub fn wait_ms(&self, attempts: u32, random: u32) -> u64 {
        let doubled = 1_u64.checked_shl(attempts.min(32)).unwrap_or(u64::MAX);
        let ceiling = self.base_ms.saturating_mul(doubled).min(self.cap_ms);
        let drawn = u128::from(ceiling) * u128::from(random) / u128::from(u32::MAX);
        u64::try_from(drawn).unwrap_or(ceiling)
    }
}

/// The table above. `attempts` counts failures before this one; `random` is an even draw.
#[must_use]
pub fn decide(reply: &Reply, backoff: Backoff, attempts: u32, random: u32) -> Action {
    let later = backoff.wait_ms(attempts, random);
    match reply {
        Reply::Stored { receipt } | Reply::Answered { receipt, .. } => {
            Action::Settle { receipt: receipt.clone() }
        }
        Reply::Refused { code, detail } => Action::NeedsStaff { code: code.clone(), detail: detail.clone() },
        Reply::Busy { retry_after_ms } => Action::Again { wait_ms: later.max(retry_after_ms.unwrap_or(0)) },
        Reply::Failed { .. } | Reply::NotOurs { .. } | Reply::Unreachable { .. } | Reply::Lost { .. } => {
            Action::Again { wait_ms: later }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECEIPT: &[u8] = b"signed";

    fn act(reply: &Reply) -> Action {
        decide(reply, Backoff::default(), 3, u32::MAX)
    }

    #[test]
    fn only_a_receipt_or_a_refusal_ends_delivery() {
        let settle = Action::Settle { receipt: RECEIPT.to_vec() };
        assert_eq!(act(&Reply::Stored { receipt: RECEIPT.to_vec() }), settle);
        let answered = Reply::Answered { receipt: RECEIPT.to_vec(), sealed: vec![1], needs_staff: true };
        assert_eq!(act(&answered), settle);
        let refused = Reply::Refused { code: "key-unknown".into(), detail: "No such key.".into() };
        assert_eq!(
            act(&refused),
            Action::NeedsStaff { code: "key-unknown".into(), detail: "No such key.".into() }
        );
        let why = String::new();
        for reply in [
            Reply::Failed { status: 500 },
            Reply::NotOurs { why: why.clone() },
            Reply::Unreachable { why: why.clone() },
            Reply::Lost { why },
        ] {
            assert_eq!(act(&reply), Action::Again { wait_ms: 16_000 });
        }
    }

    #[test]
    fn retry_after_is_a_floor() {
        let wait = |retry_after_ms| act(&Reply::Busy { retry_after_ms });
        assert_eq!(wait(Some(60_000)), Action::Again { wait_ms: 60_000 });
        assert_eq!(wait(Some(1)), Action::Again { wait_ms: 16_000 });
    }

    proptest! {
        #[test]
        fn waits_stay_below_the_ceiling(attempts: u32, random: u32, base_ms in 1_u64..10_000, cap_ms: u64) {
            let wait = Backoff { base_ms, cap_ms }.wait_ms(attempts, random);
            prop_assert!(wait <= cap_ms);
        }
    }
}
