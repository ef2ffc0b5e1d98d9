//! Steps at which a test kills the process, as `kill -9` would.
//!
//! | variable | means |
//! |---|---|
//! | `KIOSK_OUTBOX_KILL_AT=synced:3` | die where `synced` is reached for the third time |
//! | `KIOSK_OUTBOX_FULL_AT=4` | no fifth segment, as on a full disk, while the ballast is aboard |
//!
//! Never: does anything in a build without feature `failpoints`.

#[cfg(feature = "failpoints")]
pub(crate) use armed::{disk_is_full, reach};

macro_rules! steps {
    ($($step:ident $name:literal: $about:literal;)*) => {
        /// A step of an envelope's way through the outbox.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Step {
            $(#[doc = $about] $step,)*
        }

        /// The name of every step.
        #[cfg(feature = "failpoints")]
        pub const STEPS: &[&str] = &[$($name),*];

        #[cfg(feature = "failpoints")]
        impl Step {
            fn name(self) -> &'static str {
                match self {
                    $(Self::$step => $name,)*
                }
            }
        }
    };
}

steps! {
    Locked "locked": "Opening: the lock is held, nothing was read.";
    JournalRead "journal-read": "Opening: the journal is read, sled is not open.";
    Compared "compared": "Opening: sled was compared with the journal.";
    SettledIn "settled-in": "Opening: the state has its engine.";
    Quarantining "quarantining": "Damaged bytes are copied, the copy has no name in quarantine.";
    Quarantined "quarantined": "Damaged bytes are in quarantine.";
    SetAside "set-aside": "Rebuild: the old sled is out of the way, there is no new one.";
    Refilled "refilled": "Rebuild: the new sled is filled and not flushed.";
    Rebuilt "rebuilt": "Rebuild: the new sled is flushed.";
    Admitted "admitted": "An envelope is in the batch, nothing is written.";
    Writing "writing": "The batch has its place, nothing is written.";
    Written "written": "The batch is written and not synced.";
    Synced "synced": "The batch is on stable storage, nobody knows.";
    Answered "answered": "Every caller of the batch knows, the state does not.";
    SaveApplied "save-applied": "The state has an envelope.";
    EndApplied "end-applied": "The state has an ending.";
    Applied "applied": "The state knows of the whole batch.";
    SegmentMade "segment-made": "A new segment exists, its folder is not synced.";
    SegmentSynced "segment-synced": "The folder is synced, the old segment is not cut.";
    SegmentCut "segment-cut": "The old segment is cut to what it holds.";
    Carried "carried": "What an old segment still held is durable in a new one, the state does not know.";
    CarryApplied "carry-applied": "The state knows.";
    StateFlushing "state-flushing": "sled is behind the journal.";
    StateFlushed "state-flushed": "sled is on stable storage.";
    Unlinking "unlinking": "Nothing of the oldest segment is needed.";
    Unlinked "unlinked": "It is unlinked, its folder is not synced.";
    UnlinkSynced "unlink-synced": "The folder is synced.";
    BallastAboard "ballast-aboard": "The ballast was taken aboard.";
    BallastGone "ballast-gone": "The ballast is unlinked, its folder is not synced.";
}

#[cfg(feature = "failpoints")]
mod armed {
    use super::Step;
    use rustix::process::{Signal, getpid, kill_process};
    use std::{
        env,
        path::Path,
        sync::{
            OnceLock,
            atomic::{AtomicU64, Ordering},
        },
    };

    static KILL_AT: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static FULL_AT: OnceLock<Option<usize>> = OnceLock::new();
    static REACHED: AtomicU64 = AtomicU64::new(0);

    /// Ends the process here when the environment says so.
    pub(crate) fn reach(step: Step) {
        let kill_at = KILL_AT.get_or_init(|| {
            let value = env::var("KIOSK_OUTBOX_KILL_AT").ok()?;
            let (name, nth) = value.split_once(':')?;
            Some((name.to_owned(), nth.parse().ok()?))
        });
        let Some((name, nth)) = kill_at else { return };
        if step.name() == name && REACHED.fetch_add(1, Ordering::Relaxed) + 1 == *nth {
            if let Err(error) = kill_process(getpid(), Signal::KILL) {
                tracing::error!(%error, "a process that cannot kill itself");
            }
            loop {
                std::thread::park();
            }
        }
    }

    /// Whether a new segment finds no room: the environment says so, and the ballast is still aboard.
    pub(crate) fn disk_is_full(path: &Path) -> bool {
        let limit = FULL_AT.get_or_init(|| env::var("KIOSK_OUTBOX_FULL_AT").ok()?.parse().ok());
        let (Some(limit), Some(folder)) = (limit, path.parent()) else { return false };
        let segments = folder.read_dir().map_or(0, Iterator::count);
        let ballast = folder.ancestors().nth(2).map(|root| root.join("ballast"));
        path.extension().is_some() && segments >= *limit && ballast.is_some_and(|path| path.exists())
    }
}

/// Nothing: this build has no fail points.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn reach(_: Step) {}

/// Never: this build has no fail points.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn disk_is_full(_: &std::path::Path) -> bool {
    false
}
