//! A process that saves and delivers is killed, at a named step or at random; then the outbox is opened and
//! held against every line the process wrote.
//!
//! Lost: what was *saved* is not there, or an ending that was *settled* or *buried* is not. Doubled: what was
//! *settled*, *buried* or *refused* is handed out again; an envelope is there twice, or was never saved.
//!
//! One kill in four is at random until every named step was reached, then one in two. A step that is never
//! reached is counted.

use super::{
    stock::{Chance, NOW_MS, envelope, number_of, open, save},
    worker::limits,
};
use anyhow::{Context as _, Result, bail, ensure};
use kiosk_core::wire::ClaimState;
use kiosk_outbox::STEPS;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// How long a process may stay silent.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// After so many kills a new outbox is begun.
const KILLS_PER_OUTBOX: u64 = 40;
/// So many processes for each kill that is asked for, at most: some steps come only once an outbox has grown old.
const RUNS_PER_KILL: u64 = 10;
/// Endings may be heard in another order than they were kept by this many.
const IN_FLIGHT: usize = 8;
/// A random kill comes at one of so many lines; a whole run writes about 600.
const LINES: u64 = 400;

/// What the kills cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    kills: u64,
    lost: u64,
    doubled: u64,
    promises: u64,
    unreached: BTreeSet<&'static str>,
}

impl Found {
    /// The last line.
    pub(crate) fn line(&self) -> String {
        let Self { kills, lost, doubled, unreached, promises } = self;
        let (steps, unreached) = (STEPS.len(), unreached.len());
        format!(
            "kills: kills {kills}, steps {steps}, unreached {unreached}, promises {promises}, lost {lost}, doubled {doubled}"
        )
    }

    /// Whether the promise held, and was asked for at every step.
    pub(crate) fn is_good(&self) -> bool {
        (self.lost, self.doubled) == (0, 0) && self.promises > 0 && self.unreached.is_empty()
    }
}

/// What is known of one envelope.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    saving: bool,
    saved: bool,
    refused: bool,
    settling: bool,
    settled: bool,
    burying: bool,
    buried: bool,
    /// When it was settled: counts up with each.
    turn: u64,
}

/// One outbox and what was promised about it.
struct Store {
    home: TempDir,
    fates: BTreeMap<u64, Fate>,
    promises: u64,
    turns: u64,
}

/// Kills `kills` times; `work` gives the command of a process that works in a folder from a number on.
pub(crate) fn run(kills: u64, seed: u64, work: &dyn Fn(&Path, u64) -> Command) -> Result<Found> {
    let mut chance = Chance(seed);
    let mut found = Found { unreached: STEPS.iter().copied().collect(), ..Found::default() };
    let mut store = Store::new()?;
    let mut runs = 0_u64;
    while found.kills < kills || !found.unreached.is_empty() {
        if runs >= kills.saturating_mul(RUNS_PER_KILL) {
            break;
        }
        if runs % KILLS_PER_OUTBOX == KILLS_PER_OUTBOX - 1 {
            store = Store::new()?;
        }
        let mut child = work(&store.dir(), runs << 32);
        let step = step(runs, &found.unreached);
        if let Some(step) = step {
            let nth = store.arm(step, !found.unreached.contains(step), &mut chance, &mut child)?;
            child.env("KIOSK_OUTBOX_KILL_AT", format!("{step}:{nth}"));
        }
        let at = step.is_none().then(|| chance.below(LINES));
        let before = (found.lost, found.doubled);
        if store.let_work(&mut child, at)? {
            found.kills += 1;
            _ = step.is_some_and(|step| found.unreached.remove(step));
        }
        store.look(&mut found, chance.below(2) == 0).with_context(|| format!("after {step:?}"))?;
        if before != (found.lost, found.doubled) {
            println!("kills: run {runs} at {}: {}", step.unwrap_or("random"), found.line());
        }
        runs += 1;
    }
    for step in &found.unreached {
        println!("kills: {step} was never reached");
    }
    ensure!(found.kills >= kills, "{runs} runs and only {} kills", found.kills);
    Ok(found)
}

/// Where the next process dies: a step nobody died at yet, or any.
fn step(run: u64, unreached: &BTreeSet<&'static str>) -> Option<&'static str> {
    let one_in = if unreached.is_empty() { 2 } else { 4 };
    if run % one_in == 1 {
        return None;
    }
    let turn = usize::try_from(run / 2).unwrap_or(0);
    let open = STEPS.get(turn % STEPS.len()).copied();
    unreached.iter().copied().nth(turn.checked_rem(unreached.len()).unwrap_or(0)).or(open)
}

impl Store {
    fn new() -> Result<Self> {
        Ok(Self { home: TempDir::new()?, fates: BTreeMap::new(), promises: 0, turns: 0 })
    }

    fn dir(&self) -> std::path::PathBuf {
        self.home.path().join("outbox")
    }

    /// Prepares the disk for a step; says at which time it is reached the process dies.
    fn arm(&self, step: &str, again: bool, chance: &mut Chance, child: &mut Command) -> Result<u64> {
        let dir = self.dir();
        let often = match step {
            "locked" | "journal-read" | "compared" | "settled-in" => 1,
            "set-aside" | "refilled" | "rebuilt" => {
                harm_state(&dir)?;
                1
            }
            "quarantining" | "quarantined" => {
                spoil_tail(&dir)?;
                1
            }
            "ballast-aboard" => {
                _ = fs::remove_file(dir.join("ballast"));
                1
            }
            "ballast-gone" => {
                let full = dir.join("journal/v1").read_dir().map_or(0, Iterator::count) + 1;
                child.env("KIOSK_OUTBOX_FULL_AT", full.to_string());
                1
            }
            "carried" | "carry-applied" => 2,
            "segment-made" | "segment-synced" | "segment-cut" | "unlinking" | "unlinked"
            | "unlink-synced" | "state-flushing" | "state-flushed" => 8,
            _ => 100,
        };
        Ok(if again { 1 + chance.below(often) } else { 1 })
    }

    /// Lets the process work until it dies or line `at` comes; true when it was killed.
    fn let_work(&mut self, command: &mut Command, at: Option<u64>) -> Result<bool> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let lines = lines(&mut child)?;
        let mut heard = 0;
        loop {
            if at == Some(heard) {
                child.kill()?;
            }
            match lines.recv_timeout(SILENCE_MAX) {
                Ok(line) => self.hear(&line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    bail!("the process was silent for {} s", SILENCE_MAX.as_secs());
                }
            }
            heard += 1;
        }
        let status = child.wait()?;
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        if !killed && !status.success() {
            bail!("the process ended with {status}");
        }
        Ok(killed)
    }

    fn hear(&mut self, line: &str) {
        // Other lines are of a test harness that may surround the worker.
        let Some((word, n)) = line.split_once(' ') else { return };
        let Ok(n) = n.parse::<u64>() else { return };
        let promise: fn(&mut Fate) -> &mut bool = match word {
            "saving" => |fate| &mut fate.saving,
            "saved" => |fate| &mut fate.saved,
            "refused" => |fate| &mut fate.refused,
            "settling" => |fate| &mut fate.settling,
            "settled" => |fate| &mut fate.settled,
            "burying" => |fate| &mut fate.burying,
            "buried" => |fate| &mut fate.buried,
            _ => return,
        };
        let fate = self.fates.entry(n).or_default();
        *promise(fate) = true;
        if word == "settling" {
            self.turns += 1;
            fate.turn = self.turns;
        }
        self.promises += u64::from(["saved", "refused", "settled", "buried"].contains(&word));
    }

    /// Holds the outbox against what was promised; `drain` settles what waits.
    fn look(&mut self, found: &mut Found, drain: bool) -> Result<()> {
        let (outbox, _) = open(&self.dir(), limits())?;
        let mut waiting = BTreeSet::new();
        for handed in outbox.claim(usize::MAX, u64::MAX / 2) {
            let n = number_of(&handed.envelope).filter(|n| self.fates.contains_key(n));
            found.doubled += u64::from(!n.is_some_and(|n| waiting.insert(n)));
        }
        let oldest_kept = self.oldest_kept(&waiting);
        for (&n, fate) in &mut self.fates {
            let known = outbox.find(&envelope(n)?.claim).map(|(_, state)| state);
            fate.judge(waiting.contains(&n), known.as_ref(), oldest_kept, found);
        }
        self.fates.retain(|_, fate| fate.saved);
        found.promises += std::mem::take(&mut self.promises);
        // Once more: the same tickets, and nothing new.
        for &n in &waiting {
            save(&outbox, n)?;
        }
        found.doubled += outbox.stats().queued.abs_diff(u64::try_from(waiting.len())?);
        if drain {
            for n in waiting {
                outbox.settle(envelope(n)?.id, vec![2; 100])?;
                self.turns += 1;
                let fate = self.fates.entry(n).or_default();
                (fate.settled, fate.turn) = (true, self.turns);
            }
            found.doubled += u64::try_from(outbox.claim(usize::MAX, NOW_MS).len())?;
        }
        outbox.close();
        Ok(())
    }
}

impl Store {
    /// The turn of the oldest settled one that must still be known.
    fn oldest_kept(&self, waiting: &BTreeSet<u64>) -> u64 {
        let settled = self.fates.iter().filter(|(n, fate)| fate.turn > 0 && !waiting.contains(n));
        let mut turns: Vec<u64> = settled.map(|(_, fate)| fate.turn).collect();
        turns.sort_unstable_by(|a, b| b.cmp(a));
        let kept = usize::try_from(limits().settled_max).unwrap_or(usize::MAX).saturating_sub(IN_FLIGHT);
        turns.get(kept.saturating_sub(1)).copied().unwrap_or(0)
    }
}

impl Fate {
    /// Counts what is not as it was promised, and takes what is now certain for promised.
    fn judge(&mut self, waits: bool, known: Option<&ClaimState>, oldest_kept: u64, found: &mut Found) {
        let (sent, dead) = match known {
            Some(ClaimState::Sent) => (true, false),
            Some(ClaimState::NeedsStaff { code, .. }) => (false, code == "code"),
            Some(ClaimState::SavedHere | ClaimState::Answered { .. }) | None => (false, false),
        };
        if self.settled {
            // A settled one is forgotten once there are enough newer ones.
            let forgotten = known.is_none() && self.turn < oldest_kept;
            found.doubled += u64::from(waits);
            found.lost += u64::from(!waits && !sent && !forgotten);
        } else if self.buried {
            found.doubled += u64::from(waits);
            found.lost += u64::from(!waits && !dead);
        } else if self.refused {
            found.doubled += u64::from(waits || known.is_some());
        } else if self.saved {
            let ended = (self.settling && sent) || (self.burying && dead);
            found.lost += u64::from(!waits && !ended);
        }
        self.saved |= waits;
        self.turn = if waits { 0 } else { self.turn };
        self.settled |= sent;
        self.buried |= dead;
    }
}

/// What the process writes, line by line, until it is gone.
fn lines(child: &mut Child) -> Result<Receiver<String>> {
    let out = child.stdout.take().context("no pipe from the process")?;
    let (tell, told) = channel();
    thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            let Ok(line) = line else { return };
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    Ok(told)
}

/// Makes sled unreadable, if there is one.
fn harm_state(dir: &Path) -> Result<()> {
    let db = dir.join("state/v1/db");
    if let Ok(bytes) = fs::read(&db) {
        fs::write(&db, vec![0xa5; bytes.len()])?;
    } else {
        fs::create_dir_all(dir.join("state/v1"))?;
        fs::write(&db, [0xa5; 4096])?;
    }
    Ok(())
}

/// Writes nonsense where no record is: into the newest segment's last bytes, or a segment of its own.
fn spoil_tail(dir: &Path) -> Result<()> {
    let folder = dir.join("journal/v1");
    fs::create_dir_all(&folder)?;
    let newest =
        fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<BTreeSet<_>>>()?.pop_last();
    let path = newest.unwrap_or_else(|| folder.join("0000000000000001.seg"));
    let mut bytes = fs::read(&path).unwrap_or_default();
    match bytes.last_chunk_mut::<8>() {
        Some(tail) if *tail == [0; 8] => tail.fill(0xa5),
        Some(_) | None => bytes.extend([0xa5; 8]),
    }
    fs::write(&path, bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::stock::save;

    /// What was promised of an outbox with one settled, one buried and two waiting envelopes.
    fn store() -> Store {
        let mut store = Store::new().unwrap();
        let (outbox, _) = open(&store.dir(), limits()).unwrap();
        (0..4).for_each(|n| save(&outbox, n).unwrap());
        outbox.settle(envelope(0).unwrap().id, vec![]).unwrap();
        outbox.dead_letter(envelope(1).unwrap().id, "code", "detail").unwrap();
        outbox.close();
        for line in
            ["saved 0", "settling 0", "settled 0", "saved 1", "buried 1", "saved 2", "saving 3", "saved 3"]
        {
            store.hear(line);
        }
        store
    }

    fn cost(store: &mut Store) -> (u64, u64) {
        let mut found = Found::default();
        store.look(&mut found, true).unwrap();
        (found.lost, found.doubled)
    }

    #[test]
    fn promises_that_were_kept_cost_nothing() {
        assert_eq!(cost(&mut store()), (0, 0));
    }

    #[test]
    fn only_what_is_old_enough_is_forgotten() {
        let mut store = store();
        let newer = limits().settled_max;
        (10..10 + newer).for_each(|n| {
            ["saved", "settling", "settled"].iter().for_each(|word| store.hear(&format!("{word} {n}")));
        });
        // All of these are unknown: those beyond the memory are not counted, and neither are as many as may be
        // in flight.
        let kept = newer - u64::try_from(IN_FLIGHT).unwrap();
        assert_eq!(store.oldest_kept(&BTreeSet::new()), store.turns + 1 - kept);
        fs::remove_dir_all(store.dir()).unwrap();
        assert_eq!(cost(&mut store), (3 + kept, 0));
    }

    #[test]
    fn promises_that_were_broken_are_counted() {
        let mut lost = store();
        fs::remove_dir_all(lost.dir()).unwrap();
        // Nor the settled one: nothing newer pushed it out.
        assert_eq!(cost(&mut lost), (4, 0));
        let mut doubled = store();
        doubled.hear("settled 2");
        doubled.hear("buried 3");
        assert_eq!(cost(&mut doubled), (0, 2));
        let mut unknown = store();
        unknown.fates.remove(&3);
        assert!(cost(&mut unknown).1 > 0);
    }
}
