//! The process that is at work when the power goes.
//!
//! Promises: a line of [`crate::promise`] is written after what it tells is true, or, for *trying*, *settling* and
//! *dying*, before it can be; it works until it is killed, and ends with whoever started it.
//! Never: decides that something is lost.

use crate::{
    process::follow_parent,
    promise::Told,
    store::{Kind, Store, open},
    workload::{Workload, number, receipt},
};
use anyhow::{Context as _, Result};
use fastrand::Rng;
use kiosk_core::ids::EnvelopeId;
use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

/// The word before the cut is armed.
pub(crate) const READY: &str = "ready";
/// The code of a dead letter.
pub(crate) const REFUSED: &str = "refused";

/// Where the numbers of envelopes begin that wait before the work.
const BEFORE: u64 = 1 << 23;
/// Endings in a row once the disk was full.
const ENDINGS_WHEN_FULL: u32 = 30;
/// Envelopes claimed at once.
const CLAIM: usize = 8;
/// A thread with nothing to do looks again then.
const IDLE: Duration = Duration::from_millis(5);
/// An envelope that is tried again is due then, in milliseconds.
const AGAIN_MS: u64 = 50;

/// One process's work.
struct Work<'a> {
    workload: &'a Workload,
    store: Store,
    base: u64,
    full: AtomicBool,
}

/// Works in `dir` until killed; numbers of envelopes begin at `base`.
pub(crate) fn run(dir: &Path, workload: &Workload, kind: Kind, base: u64) -> Result<()> {
    follow_parent()?;
    if workload.rebuild {
        if !dir.join("journal").exists() {
            let work = Work::begin(dir, workload, kind, base)?;
            work.fill()?;
            work.store.close();
        }
        say(READY)?;
        damage_state(&dir.join("state"), &mut Rng::with_seed(base))?;
    }
    let work = Work::begin(dir, workload, kind, base)?;
    if !workload.rebuild {
        work.fill()?;
        say(READY)?;
    }
    thread::scope(|scope| {
        let savers = (0..workload.savers).map(|saver| {
            scope.spawn({
                let work = &work;
                move || work.save_on(saver)
            })
        });
        let enders = (0..workload.enders).map(|_| scope.spawn(|| work.end_on()));
        let threads: Vec<_> = savers.chain(enders).collect();
        threads.into_iter().try_for_each(ended)
    })?;
    loop {
        thread::park();
    }
}

/// What a technician, a bad drive or an old cut may have done to the state.
fn damage_state(state: &Path, random: &mut Rng) -> Result<()> {
    let (folder, db) = (state.join("v1"), state.join("v1/db"));
    if !db.exists() {
        return Ok(());
    }
    let len = fs::metadata(&db)?.len();
    let what = || format!("{}: cannot be damaged", db.display());
    match random.u8(0..5) {
        0 => fs::remove_dir_all(state),
        1 => fs::remove_dir_all(&folder),
        2 => fs::remove_file(&db),
        3 => OpenOptions::new().write(true).open(&db).and_then(|file| file.set_len(len / 2)),
        _ => {
            let file = OpenOptions::new().write(true).open(&db).with_context(what)?;
            (0..64).try_for_each(|_| file.write_all_at(&[random.u8(..)], random.u64(0..len.max(1))))
        }
    }
    .with_context(what)
}

impl<'a> Work<'a> {
    fn begin(dir: &Path, workload: &'a Workload, kind: Kind, base: u64) -> Result<Self> {
        let (store, _) = open(kind, dir, workload)?;
        Ok(Self { workload, store, base, full: AtomicBool::new(false) })
    }

    /// Saves until as many wait as should before the work begins, or until saving is refused.
    fn fill(&self) -> Result<()> {
        if self.workload.fill {
            let mut n = self.base + BEFORE;
            while self.save(n)? {
                n += 1;
            }
            return Ok(());
        }
        if self.workload.before == 0 {
            return Ok(());
        }
        let queued = self.store.outbox()?.stats().queued;
        let first = self.base + BEFORE;
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u64)
                .map(|at| {
                    scope.spawn(move || {
                        (first + queued + at..first + self.workload.before)
                            .step_by(4)
                            .try_for_each(|n| self.save(n).map(drop))
                    })
                })
                .collect();
            threads.into_iter().try_for_each(ended)
        })?;
        Ok(())
    }

    /// Saves one; true when that was promised.
    fn save(&self, n: u64) -> io::Result<bool> {
        tell(Told::Trying, n)?;
        let saved = self.store.save(self.workload.envelope(n));
        tell(if saved { Told::Saved } else { Told::Refused }, n)?;
        Ok(saved)
    }

    fn save_on(&self, saver: u64) -> Result<()> {
        let share = self.workload.bytes_max / usize::try_from(self.workload.savers)?;
        let mut bytes = 0;
        let mut n = self.base + saver;
        while bytes < share {
            bytes += self.workload.envelope(n).sealed.len();
            if !self.save(n)? {
                self.full.store(true, Ordering::Relaxed);
                thread::sleep(IDLE);
            }
            thread::sleep(self.workload.pace);
            n += self.workload.savers;
        }
        Ok(())
    }

    fn end_on(&self) -> Result<()> {
        let outbox = self.store.outbox()?;
        let mut left = 0;
        loop {
            if self.workload.fill && left == 0 {
                if self.full.swap(false, Ordering::Relaxed) {
                    left = ENDINGS_WHEN_FULL;
                } else {
                    thread::sleep(IDLE);
                    continue;
                }
            }
            let claimed = outbox.claim(CLAIM, now_ms());
            if claimed.is_empty() {
                thread::sleep(IDLE);
            }
            for waiting in claimed {
                self.end(waiting.envelope.id)?;
                left = left.saturating_sub(1);
            }
        }
    }

    /// One of eleven is refused for good, one is tried again, the others are delivered.
    fn end(&self, id: EnvelopeId) -> Result<()> {
        let (outbox, n) = (self.store.outbox()?, number(&id));
        match n % 11 {
            0 => {
                tell(Told::Dying, n)?;
                if outbox.dead_letter(id, REFUSED, "The gateway refused it.").is_ok() {
                    tell(Told::Dead, n)?;
                }
            }
            3 => drop(outbox.again(id, now_ms() + AGAIN_MS)),
            _ => {
                tell(Told::Settling, n)?;
                if outbox.settle(id, receipt(n)).is_ok() {
                    tell(Told::Settled, n)?;
                }
            }
        }
        Ok(())
    }
}

/// How a thread ended; one that panicked ends the work.
fn ended<T, E: From<io::Error>>(thread: thread::ScopedJoinHandle<'_, Result<T, E>>) -> Result<T, E> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked").into()))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn tell(told: Told, n: u64) -> io::Result<()> {
    say(format_args!("{told} {n}"))
}

/// One line in one write, so that a killed process leaves no half of one before another.
fn say(line: impl fmt::Display) -> io::Result<()> {
    let line = format!("{line}\n");
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}
