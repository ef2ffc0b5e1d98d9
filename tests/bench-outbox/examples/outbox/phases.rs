//! The measurements, each on one directory, engines in turn where time counts: the machine's other work
//! then hits all of them.

use crate::{
    disk::{Loop, occupied},
    engines::Peer,
    figures::{Figures, OURS, at},
    store::Store,
};
use anyhow::{Context as _, Result, anyhow, ensure};
use std::{
    env, fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dose {
    /// How often every engine has its turn.
    pub rounds: u64,
    /// Records of one caller, each turn.
    pub one: u64,
    /// Records of [`CALLERS`] callers, each turn.
    pub many: u64,
    /// Records whose device bytes are counted.
    pub bytes: u64,
    /// Records of a full store.
    pub full: u64,
    /// Records that go through a nearly empty one.
    pub steady: u64,
}

/// What the goals are about.
pub(crate) const WHOLE: Dose =
    Dose { rounds: 8, one: 250, many: 5_000, bytes: 2_000, full: 100_000, steady: 200_000 };
/// Whether everything runs; the figures mean little.
pub(crate) const QUICK: Dose = Dose { rounds: 2, one: 20, many: 200, bytes: 100, full: 2_000, steady: 2_000 };

/// Callers at once.
const CALLERS: u64 = 32;
/// How often the steady state's disk is looked at, in records.
const LOOK_EVERY: u64 = 500;

/// The outbox, then its peers.
fn everyone() -> impl Iterator<Item = Option<Peer>> {
    std::iter::once(None).chain(Peer::ALL.into_iter().map(Some))
}

fn stores() -> impl Iterator<Item = Option<Peer>> {
    std::iter::once(None).chain(Peer::STORES.into_iter().map(Some))
}

pub(crate) fn name(peer: Option<Peer>) -> &'static str {
    peer.map_or(OURS, Peer::name)
}

/// Latency and rate of one caller and of many.
pub(crate) fn latency(dir: &Path, dose: Dose, figures: &mut Figures) -> Result<()> {
    let mut all = Vec::new();
    for peer in everyone() {
        all.push((peer, Store::open(peer, &dir.join(name(peer)))?, Times::default(), Times::default(), 0));
    }
    for _ in 0..dose.rounds {
        for (_, store, one, _, next) in &mut all {
            let begun = one.took.len();
            for _ in 0..dose.one {
                store.one(*next, &mut |put| one.time(put))?;
                *next += 1;
            }
            one.rates.push(rate(one.took.get(begun..).unwrap_or_default()));
        }
        for (_, store, _, many, next) in &mut all {
            let started = Instant::now();
            many.took.extend(many_callers(store, *next..*next + dose.many)?);
            many.rates.push(per_second(dose.many, started.elapsed()));
            *next += dose.many;
        }
    }
    for (peer, store, mut one, mut many, _) in all {
        one.note(name(peer), ["one_p50", "one_p99", "one_rate"], figures);
        many.note(name(peer), ["many_p50", "many_p99", "many_rate"], figures);
        store.close();
        fs::remove_dir_all(dir.join(name(peer)))?;
    }
    Ok(())
}

#[derive(Default)]
struct Times {
    /// Each call, in microseconds.
    took: Vec<f64>,
    /// Each turn, in records a second.
    rates: Vec<f64>,
}

impl Times {
    fn time(&mut self, call: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let started = Instant::now();
        call()?;
        self.took.push(micros(started.elapsed()));
        Ok(())
    }

    /// The percentiles of all calls, and the median turn's rate.
    fn note(&mut self, engine: &str, [p50, p99, rate]: [&'static str; 3], figures: &mut Figures) {
        self.took.sort_by(f64::total_cmp);
        self.rates.sort_by(f64::total_cmp);
        figures.note(engine, p50, at(&self.took, 50), "us");
        figures.note(engine, p99, at(&self.took, 99), "us");
        figures.note(engine, rate, at(&self.rates, 50), "records/s");
    }
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}

fn rate(took_us: &[f64]) -> f64 {
    let us: f64 = took_us.iter().sum();
    took_us.iter().map(|_| 1e6).sum::<f64>() / us
}

fn per_second(records: u64, took: Duration) -> f64 {
    Duration::from_secs(records).as_secs_f64() / took.as_secs_f64()
}

/// Saves these from [`CALLERS`] threads; how long each took, in microseconds.
fn many_callers(store: &mut Store, numbers: std::ops::Range<u64>) -> Result<Vec<f64>> {
    let next = AtomicU64::new(numbers.start);
    store.shared(|shared| {
        let caller = || -> Result<Vec<f64>> {
            let (shared, mut took) = (shared.clone(), Vec::new());
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= numbers.end {
                    return Ok(took);
                }
                let ready = shared.prepare(n)?;
                let started = Instant::now();
                shared.save(ready)?;
                took.push(micros(started.elapsed()));
            }
        };
        thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
            let mut took = Vec::new();
            for caller in callers {
                took.extend(caller.join().map_err(|_| anyhow!("a caller panicked"))??);
            }
            Ok(took)
        })
    })
}

/// Does something with each number from [`CALLERS`] threads.
fn each_settled(store: &mut Store, numbers: std::ops::Range<u64>) -> Result<()> {
    let next = AtomicU64::new(numbers.start);
    store.shared(|shared| {
        let caller = || -> Result<()> {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= numbers.end {
                    return Ok(());
                }
                shared.settle(n)?;
            }
        };
        thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
            callers
                .into_iter()
                .try_for_each(|caller| caller.join().map_err(|_| anyhow!("a caller panicked"))?)
        })
    })
}

/// Bytes a device writes for each record of one caller, closing included.
pub(crate) fn device_bytes(dir: &Path, dose: Dose, figures: &mut Figures) -> Result<()> {
    let disk = Loop::make(dir)?;
    for peer in everyone() {
        let before = disk.written()?;
        let mut store = Store::open(peer, &disk.path().join("store"))?;
        for n in 0..dose.bytes {
            store.one(n, &mut |put| put())?;
        }
        store.close();
        let bytes = Duration::from_secs(disk.written()? - before).as_secs_f64();
        figures.note(
            name(peer),
            "device_bytes",
            bytes / Duration::from_secs(dose.bytes).as_secs_f64(),
            "bytes/record",
        );
        fs::remove_dir_all(disk.path().join("store"))?;
    }
    Ok(())
}

/// Disk when full and when drained; opening, memory and rebuilding when full.
pub(crate) fn full(dir: &Path, dose: Dose, figures: &mut Figures) -> Result<()> {
    for peer in stores() {
        let home = dir.join("full");
        let mut store = Store::open(peer, &home)?;
        many_callers(&mut store, 0..dose.full)?;
        store.close();
        figures.note(name(peer), "disk_full", mib(occupied(&home)?), "MiB");
        let opened = child(peer, &home)?;
        figures.note(name(peer), "open_first", opened.ms, "ms");
        figures.note(name(peer), "open_memory", opened.mib, "MiB");
        if peer.is_none() {
            fs::remove_dir_all(home.join("state"))?;
            let rebuilt = child(peer, &home)?;
            figures.note(OURS, "rebuild", rebuilt.ms, "ms");
            figures.note(OURS, "rebuild_memory", rebuilt.mib, "MiB");
        }
        let mut store = Store::open(peer, &home)?;
        each_settled(&mut store, 0..dose.full)?;
        if let Store::Peer(engine) = &mut store {
            engine.compact()?;
        }
        store.close();
        figures.note(name(peer), "disk_drained", mib(occupied(&home)?), "MiB");
        fs::remove_dir_all(&home)?;
    }
    Ok(())
}

/// The most disk while records come and go, about [`CALLERS`] of them there at a time.
pub(crate) fn steady(dir: &Path, dose: Dose, figures: &mut Figures) -> Result<()> {
    for peer in stores() {
        let home = dir.join("steady");
        let mut store = Store::open(peer, &home)?;
        let (next, most) = (AtomicU64::new(0), AtomicU64::new(0));
        store.shared(|shared| {
            let caller = || -> Result<()> {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= dose.steady {
                        return Ok(());
                    }
                    shared.save(shared.prepare(n)?)?;
                    shared.settle(n)?;
                    if n % LOOK_EVERY == 0 {
                        most.fetch_max(occupied(&home)?, Ordering::Relaxed);
                    }
                }
            };
            thread::scope(|scope| {
                let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
                callers.into_iter().try_for_each(|c| c.join().map_err(|_| anyhow!("a caller panicked"))?)
            })
        })?;
        store.close();
        figures.note(name(peer), "steady_disk", mib(most.into_inner()), "MiB");
        fs::remove_dir_all(&home)?;
    }
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    Duration::from_secs(bytes).as_secs_f64() / 1_048_576.0
}

/// What a process of its own said about opening.
struct Opening {
    ms: f64,
    mib: f64,
}

/// Opens in a process of its own, so that its memory is counted alone.
fn child(peer: Option<Peer>, home: &Path) -> Result<Opening> {
    let output = Command::new(env::current_exe()?).args(["open", name(peer)]).arg(home).output()?;
    ensure!(output.status.success(), "opening failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (us, bytes) = text.trim().split_once(' ').context("the process said nothing")?;
    Ok(Opening { ms: us.parse::<f64>()? / 1e3, mib: mib(bytes.parse()?) })
}

/// The process that opens: microseconds to the first record in hand, and its memory in bytes.
pub(crate) fn open_and_tell(engine: &str, home: &Path) -> Result<()> {
    let peer = if engine == OURS { None } else { Some(Peer::named(engine).context("no such engine")?) };
    let started = Instant::now();
    let mut store = Store::open(peer, home)?;
    let there = match &mut store {
        Store::Outbox(outbox) => outbox.claim(1, u64::MAX / 2).len() == 1,
        Store::Peer(engine) => engine.first()?.is_some(),
    };
    let took = started.elapsed();
    ensure!(there, "nothing is there");
    println!("{} {}", took.as_micros(), crate::disk::peak_memory()?);
    store.close();
    Ok(())
}
