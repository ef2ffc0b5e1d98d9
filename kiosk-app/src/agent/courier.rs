//! Delivery: takes ready envelopes, posts them, and does what the policy's table says.
//!
//! Promises: an envelope leaves the queue only by a receipt that verified or a refusal of our own
//! gateway; an answer that is still out is asked for while the citizen may be waiting.
//! Never: decides what a reply means (that is [`kiosk_core::policy`]) or checks it (that is the uplink).

use super::{Shared, unix_ms};
use kiosk_core::{
    ids::EnvelopeId,
    policy::{Action, Backoff, Reply, decide},
    wire::{Envelope, Settled, ToShell},
};
use kiosk_outbox::Waiting;
use std::{collections::VecDeque, time::Duration};

/// Envelopes taken from the queue at a time.
const BATCH: usize = 16;
/// Answers that are asked for at the same time; older ones are found by claim code.
const ASKING_MAX: usize = 16;
/// How often an answer is asked for before only the claim code finds it.
const ASK_TIMES: u8 = 20;
const ASK_EVERY: Duration = Duration::from_secs(3);
/// The longest sleep: the queue is looked at again even when nobody rings.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// An answer that is still out.
struct Asking {
    envelope: Envelope,
    left: u8,
}

pub(super) struct Courier {
    shared: Shared,
    backoff: Backoff,
    asking: VecDeque<Asking>,
}

impl Courier {
    pub(super) fn new(shared: Shared, backoff: Backoff) -> Self {
        Self { shared, backoff, asking: VecDeque::new() }
    }

    /// Delivers until the outbox has ended; why.
    pub(super) async fn run(mut self) -> anyhow::Error {
        while !self.shared.outbox.has_ended() {
            let limit = if self.is_link_down() { 1 } else { BATCH };
            let ready =
                self.on_outbox(move |outbox| outbox.claim(limit, unix_ms())).await.unwrap_or_default();
            let idle = ready.is_empty();
            for waiting in ready {
                self.deliver(waiting).await;
            }
            if idle {
                self.ask().await;
                self.sleep().await;
            }
        }
        anyhow::anyhow!("the outbox has ended: nothing can be saved")
    }

    async fn deliver(&mut self, waiting: Waiting) {
        let Waiting { envelope, attempts } = waiting;
        let id = envelope.id;
        let reply = self.shared.uplink.deliver(&envelope).await;
        self.note_link(&reply);
        match decide(&reply, self.backoff, attempts, random()) {
            Action::Settle { receipt } => {
                self.write_down(id, move |outbox| outbox.settle(id, receipt)).await;
                tracing::info!(%id, attempts, "delivered");
                self.tell_settled(envelope, reply);
            }
            Action::NeedsStaff { code, detail } => {
                tracing::warn!(%id, code, "refused by the gateway");
                let (kept, reason) = (code.clone(), detail.clone());
                self.write_down(id, move |outbox| outbox.dead_letter(id, &kept, &reason)).await;
                self.tell(id, Settled::NeedsStaff { code, detail });
            }
            Action::Again { wait_ms } => {
                tracing::info!(%id, attempts, wait_ms, ?reply, "not delivered yet");
                let not_before = unix_ms().saturating_add(wait_ms);
                self.write_down(id, move |outbox| outbox.again(id, not_before)).await;
            }
        }
    }

    fn tell_settled(&mut self, envelope: Envelope, reply: Reply) {
        let id = envelope.id;
        if let Reply::Answered { sealed, .. } = reply {
            self.tell(id, Settled::Answered { sealed });
        } else {
            self.tell(id, Settled::Sent);
            if self.shared.news.receiver_count() > 0 && self.asking.len() < ASKING_MAX {
                self.asking.push_back(Asking { envelope, left: ASK_TIMES });
            }
        }
    }

    /// Asks once for the answer that was asked for longest ago: the same POST, the same id.
    async fn ask(&mut self) {
        let Some(mut asking) = self.asking.pop_front() else { return };
        let reply = self.shared.uplink.deliver(&asking.envelope).await;
        self.note_link(&reply);
        asking.left = asking.left.saturating_sub(1);
        match reply {
            Reply::Answered { sealed, .. } => self.tell(asking.envelope.id, Settled::Answered { sealed }),
            Reply::Stored { .. }
            | Reply::Refused { .. }
            | Reply::Busy { .. }
            | Reply::Failed { .. }
            | Reply::NotOurs { .. }
            | Reply::Unreachable { .. }
            | Reply::Lost { .. } => {
                if asking.left > 0 {
                    self.asking.push_back(asking);
                }
            }
        }
    }

    async fn sleep(&self) {
        let due = self.on_outbox(|outbox| outbox.next_due(unix_ms())).await.flatten();
        let due = due.map_or(SLEEP_MAX, |ms| Duration::from_millis(ms.saturating_sub(unix_ms())));
        let limit = if self.asking.is_empty() { SLEEP_MAX } else { ASK_EVERY };
        // Either it is time, or somebody rang: both mean looking at the queue again.
        let _ = tokio::time::timeout(due.min(limit), self.shared.bell.notified()).await;
    }

    /// While nothing gets through, one envelope at a time tries.
    fn is_link_down(&self) -> bool {
        *self.shared.link.borrow() == Some(false)
    }

    fn note_link(&self, reply: &Reply) {
        let up = match reply {
            Reply::Stored { .. } | Reply::Answered { .. } | Reply::Refused { .. } | Reply::Busy { .. } => {
                true
            }
            Reply::Failed { .. } | Reply::NotOurs { .. } | Reply::Unreachable { .. } | Reply::Lost { .. } => {
                false
            }
        };
        if self.shared.link.send_replace(Some(up)) != Some(up) {
            tracing::info!(up, "link");
            // Nobody listening is fine: a new shell hears of the link when it comes.
            let _ = self.shared.news.send(ToShell::Link { up });
        }
    }

    fn tell(&self, id: EnvelopeId, outcome: Settled) {
        // The citizen may be gone; the claim code finds the outcome.
        let _ = self.shared.news.send(ToShell::Settled { id, outcome });
    }

    /// Writes an outcome down. One that cannot be written is no harm: the envelope is posted again, and
    /// the gateway answers the same id with the same outcome.
    async fn write_down(
        &self,
        id: EnvelopeId,
        call: impl FnOnce(kiosk_outbox::Outbox) -> Result<(), kiosk_outbox::OutcomeError> + Send + 'static,
    ) {
        if let Some(Err(why)) = self.on_outbox(call).await {
            tracing::warn!(%id, "the outcome is not written down: {why}");
        }
    }

    /// Runs a blocking call on the outbox beside the async tasks.
    async fn on_outbox<T: Send + 'static>(
        &self,
        call: impl FnOnce(kiosk_outbox::Outbox) -> T + Send + 'static,
    ) -> Option<T> {
        let outbox = self.shared.outbox.clone();
        tokio::task::spawn_blocking(move || call(outbox)).await.ok()
    }
}

/// An even draw for the jitter.
fn random() -> u32 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u32::from_ne_bytes(bytes),
        Err(_) => u32::MAX,
    }
}
