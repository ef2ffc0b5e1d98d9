//! The watchdog's food: an outbox that answers.
//!
//! ```text
//!  every WATCHDOG_USEC / 3    a question through the queue that every save goes through
//!  its answer                 WATCHDOG=1, and what waits, as the agent's status
//!  no answer                  silence: after WATCHDOG_USEC systemd starts the agent anew
//! ```
//!
//! The question waits behind whatever the committer does: a write to a card that hangs is noticed, and so is an
//! async runtime that no longer turns, since the question is asked from there.
//!
//! Promises: READY=1 once the outbox answered; WATCHDOG=1 only after an answer.
//! Never: writes: a proof every few seconds would wear the flash out.

use crate::service;
use kiosk_outbox::{Outbox, Stats};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Says READY=1, then proves the outbox to systemd's watchdog as often as it wants; ends only with the outbox.
pub(super) async fn feed(outbox: Outbox, every: Option<Duration>) {
    let Some(stats) = ask(&outbox).await else { return };
    service::ready(&status(&stats));
    let Some(every) = every else { return std::future::pending().await };
    let mut beats = tokio::time::interval(every);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !outbox.has_ended() {
        beats.tick().await;
        match ask(&outbox).await {
            Some(stats) => service::alive(Some(&status(&stats))),
            None => tracing::warn!("the outbox does not answer: the watchdog is not fed"),
        }
    }
}

async fn ask(outbox: &Outbox) -> Option<Stats> {
    let outbox = outbox.clone();
    tokio::task::spawn_blocking(move || outbox.proof()).await.ok().flatten()
}

/// What `systemctl status` shows: numbers, nothing of an envelope.
fn status(stats: &Stats) -> String {
    format!("queued {}, needs staff {}", stats.queued, stats.dead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiosk_core::{
        claim::ClaimCode,
        ids::{EnvelopeId, KeyId},
        wire::{ClockQuality, Envelope, Stamp},
    };
    use kiosk_outbox::Options;
    use std::{os::unix::net::UnixDatagram, process::Command, sync::mpsc::channel};

    /// Set in the process whose committer is stuck.
    const CHILD: &str = "NOTIFY_SOCKET";
    /// Beats come three times as often.
    const WATCHDOG: Duration = Duration::from_millis(150);
    /// How long each part of the child's life takes.
    const PART: Duration = Duration::from_millis(900);
    /// Nobody waits longer for anything.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn envelope() -> Envelope {
        Envelope {
            id: EnvelopeId::new(1, [7; 10]),
            service: "report".parse().unwrap(),
            claim: ClaimCode::draw([1; 8]).unwrap().digest(),
            key: KeyId(1),
            made_at: Stamp { unix_ms: 1, clock: ClockQuality::Unsynced },
            sealed: vec![1, 2, 3],
        }
    }

    fn mark(word: &str) {
        sd_notify::notify(&[sd_notify::NotifyState::Status(word)]).unwrap();
    }

    /// Started by the test below as a process of its own, since systemd's variables are a process's.
    #[tokio::test]
    async fn a_committer_that_is_stuck_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let (outbox, _) = Outbox::open(&folder.path().join("state"), Options::default()).unwrap();
        if std::env::var_os(CHILD).is_none() {
            // Alone it shows that nobody is fed who does not watch.
            assert_eq!(service::beat_every(), None);
            assert!(tokio::time::timeout(PART, feed(outbox, None)).await.is_err());
            return;
        }
        let fed = tokio::spawn(feed(outbox.clone(), service::beat_every()));
        tokio::time::sleep(PART).await;
        // Callbacks run on the outbox's own thread: one that waits is a write that does not return.
        let (release, held) = channel::<()>();
        let (reached, stuck) = channel();
        outbox.enqueue_with(envelope(), move |_| {
            reached.send(()).unwrap();
            held.recv_timeout(PATIENCE).unwrap();
        });
        tokio::task::spawn_blocking(move || stuck.recv_timeout(PATIENCE)).await.unwrap().unwrap();
        mark("stuck");
        tokio::time::sleep(PART).await;
        mark("free");
        release.send(()).unwrap();
        tokio::time::sleep(PART).await;
        mark("end");
        fed.abort();
        outbox.close();
    }

    #[test]
    fn a_stuck_outbox_leaves_the_watchdog_hungry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "agent::proof::tests::a_committer_that_is_stuck_for_a_while"])
            .env(CHILD, &path)
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .spawn()
            .unwrap();
        let said = |until: &str| {
            let mut fed = 0;
            loop {
                let mut bytes = [0; 256];
                let length = socket.recv(&mut bytes).unwrap();
                let text = std::str::from_utf8(&bytes[..length]).unwrap();
                fed += text.matches("WATCHDOG=1").count();
                if text.contains(until) {
                    return fed;
                }
            }
        };
        assert_eq!(said("READY=1\nSTATUS=queued 0, needs staff 0"), 0, "fed before the first answer");
        let working = said("STATUS=stuck");
        let stuck = said("STATUS=free");
        let again = said("STATUS=end");
        assert!(child.wait().unwrap().success());
        assert!(working >= 2, "{working} while it worked");
        // An answer given just before it got stuck may still be on its way.
        assert!(stuck <= 1, "{stuck} without an answer");
        assert!(again >= 2, "{again} after it was free again");
    }
}
