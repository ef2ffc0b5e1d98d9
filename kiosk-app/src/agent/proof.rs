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
    use super::{super::sample::envelope, *};
    use crate::service::watched::{PART, PATIENCE, Watched, is_watched, mark};
    use kiosk_outbox::Options;
    use std::sync::mpsc::channel;

    /// Started by the test below as a process of its own, since systemd's variables are a process's.
    #[tokio::test]
    async fn a_committer_that_is_stuck_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let (outbox, _) = Outbox::open(&folder.path().join("state"), Options::default()).unwrap();
        if !is_watched() {
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
        let watched = Watched::start("agent::proof::tests::a_committer_that_is_stuck_for_a_while");
        let said = |words| watched.fed_until(words);
        assert_eq!(said("READY=1\nSTATUS=queued 0, needs staff 0"), 0, "fed before the first answer");
        let working = said("STATUS=stuck");
        let stuck = said("STATUS=free");
        let again = said("STATUS=end");
        assert!(watched.ended_well());
        assert!(working >= 2, "{working} while it worked");
        // An answer given just before it got stuck may still be on its way.
        assert!(stuck <= 1, "{stuck} without an answer");
        assert!(again >= 2, "{again} after it was free again");
    }
}
