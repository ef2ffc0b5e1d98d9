//! Lives of a drive: work, cut, look, again; and the figures.
//!
//! ```text
//! new drive -> ext4 -> writer at work -> stall -> hear what is still in the pipe -> image -> kill
//!                ^                                                                   |
//!                +---- the image is the drive now, a fresh process looks at it <-----+
//! ```
//!
//! A drive lives through [`CUTS_A_LIFE`] cuts, or until a fault is found. After some cuts nobody looks: the store
//! opens what is left, and the power goes again while it does.
//!
//! Promises: only what was heard before the cut is a promise; the same seed gives the same work, kinds of cut and
//! choice of what survives. The moments are counted in commands to the drive, as far as threads repeat themselves.
//! Never: counts a cut that did not happen.

use crate::{
    checker::{DONE, OPENED},
    disk::Cut,
    machine::Machine,
    process::Process,
    promise::{Fault, Found, Ledger, parse},
    store::Kind,
    tally::Tally,
    workload::Workload,
    writer::READY,
};
use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

/// Cuts before a drive is replaced by a new one.
pub(crate) const CUTS_A_LIFE: u64 = 5;
/// How long opening and everything before the work may take.
const READY_MAX: Duration = Duration::from_secs(90);
/// How long the look after a cut may take.
const LOOK_MAX: Duration = Duration::from_secs(90);
/// Nothing more is in the pipe when it is silent for so long.
const QUIET: Duration = Duration::from_millis(30);
/// What still comes then is not believed; a store that waits for its drive is silent before.
const QUIET_MAX: Duration = Duration::from_millis(500);
/// After one of so many cuts nobody looks, and the next cut comes while the store opens.
const UNSEEN_ONE_IN: u32 = 4;
/// The most commands to the drive until that next cut.
const OPENING_COMMANDS_MAX: u64 = 60;
/// The longest time until that next cut, in milliseconds.
const OPENING_MS_MAX: u64 = 400;
/// Images of faults that are kept.
const IMAGES_MAX: u64 = 4;

/// A run's fixed parts.
pub(crate) struct Run<'a> {
    /// Where images of faults and the log go.
    pub(crate) folder: &'a Path,
    /// What is under test.
    pub(crate) kind: Kind,
    /// What repeats it.
    pub(crate) seed: u64,
    /// What the children log.
    pub(crate) log: File,
}

/// What is on the drive, and what was promised about it.
#[derive(Default)]
struct Life {
    ledger: Ledger,
    cuts: u64,
    /// Nobody has looked since the last cut: the next one comes while the store opens.
    unseen: bool,
}

/// One cut.
struct Round {
    number: u64,
    way: Cut,
    place: String,
    random: Rng,
}

impl Run<'_> {
    /// Cuts `cuts` times while a workload is at work.
    pub(crate) fn workload(&self, machine: &mut Machine, workload: &Workload, cuts: u64) -> Result<Tally> {
        let empty = machine.format(workload.disk_bytes)?;
        let mut tally = Tally::default();
        let mut life = Life::default();
        for number in 0..cuts {
            if life.cuts == 0 {
                machine.power_on(empty.clone())?;
            }
            let last = life.cuts + 1 == CUTS_A_LIFE || number + 1 == cuts;
            let mut round = self.round(workload, number);
            let clean = self.cut(machine, workload, &mut round, last, &mut life, &mut tally)?;
            if !clean || last {
                tally.promised += life.ledger.promised();
                life = Life::default();
            }
        }
        machine.power_off()?;
        Ok(tally)
    }

    /// The same for the same seed, workload and number.
    fn round(&self, workload: &Workload, number: u64) -> Round {
        let way = Cut::turn(workload.turn().wrapping_add(number).wrapping_add(self.seed));
        let place = format!("{}, cut {number} ({}), seed {}", workload.name, way.name(), self.seed);
        let seed = self.seed ^ workload.turn().rotate_left(48) ^ number.rotate_left(32);
        Round { number, way, place, random: Rng::with_seed(seed).fork() }
    }

    /// One cut and the look after it; false when a fault was found.
    fn cut(
        &self,
        machine: &mut Machine,
        workload: &Workload,
        round: &mut Round,
        last: bool,
        life: &mut Life,
        tally: &mut Tally,
    ) -> Result<bool> {
        let again = life.unseen;
        let (image, worked) = self.interrupt(machine, workload, round, life)?;
        life.cuts += 1;
        tally.cuts += 1;
        if let Err(error) = worked {
            self.unopenable(&round.place, &error.context("the process at work"), &image, tally)?;
            return Ok(false);
        }
        if !last && !again && round.random.u32(..UNSEEN_ONE_IN) == 0 {
            tally.again += 1;
            life.unseen = true;
            return match machine.power_on(image.clone()) {
                Ok(()) => Ok(true),
                Err(error) => self.unopenable(&round.place, &error, &image, tally).map(|()| false),
            };
        }
        match self.look(machine, workload, image.clone(), life, tally) {
            Ok(faults) if faults.is_empty() => Ok(true),
            Ok(faults) => {
                self.faults(&round.place, &faults, tally);
                self.keep(&round.place, &image, tally).map(|()| false)
            }
            Err(error) => self.unopenable(&round.place, &error, &image, tally).map(|()| false),
        }
    }

    /// Lets a process work and cuts the power. What survives, and whether the process worked until then.
    fn interrupt(
        &self,
        machine: &mut Machine,
        workload: &Workload,
        round: &mut Round,
        life: &mut Life,
    ) -> Result<(Vec<u8>, Result<()>)> {
        let opening = std::mem::take(&mut life.unseen);
        let (commands, within) =
            if opening { moment_of_opening(&mut round.random) } else { workload.moment(&mut round.random) };
        if opening {
            machine.slot().arm(commands);
        }
        let dir = machine.disk().join("outbox");
        // Numbers are never used twice on a drive.
        let extra = ["--base".to_owned(), ((round.number + 1) << 24).to_string()];
        let on = (workload, self.kind);
        let mut writer = Process::start("write", &dir, on, &extra, String::new(), &self.log)?;
        let mut hear = |line: &str| _ = life.ledger.hear(line);
        let ready = if opening { Ok(()) } else { writer.hear_until(READY, READY_MAX, &mut hear) };
        if ready.is_ok() {
            if !opening {
                machine.slot().arm(commands);
            }
            machine.slot().stall_within(within);
        }
        let alive = writer.hear_out(QUIET, QUIET_MAX, &mut hear);
        let image = machine.cut(round.way, &mut round.random);
        writer.kill()?;
        machine.slot().power_off();
        writer.wait()?;
        let worked = ready.and_then(|()| if alive { Ok(()) } else { bail!("it ended by itself") });
        Ok((image, worked))
    }

    /// Switches on again and lets a fresh process look.
    fn look(
        &self,
        machine: &mut Machine,
        workload: &Workload,
        image: Vec<u8>,
        life: &mut Life,
        tally: &mut Tally,
    ) -> Result<Vec<(u64, Fault)>> {
        machine.power_on(image)?;
        let dir = machine.disk().join("outbox");
        let asked: String = life.ledger.numbers().map(|n| format!("{n}\n")).collect();
        let mut checker = Process::start("check", &dir, (workload, self.kind), &[], asked, &self.log)?;
        let mut found: BTreeMap<u64, Found> = BTreeMap::new();
        let mut opened = None;
        let heard = checker.hear_until(DONE, LOOK_MAX, |line| {
            if let Some(numbers) = line.strip_prefix(OPENED) {
                opened = Some(numbers.trim().to_owned());
            }
            found.extend(parse(line).map(|(found, n)| (n, found)));
        });
        if heard.is_err() {
            checker.kill()?;
        }
        checker.wait()?;
        heard.context("the process that looks")?;
        tally.opened(&opened.context("it did not say what opening found")?);
        Ok(life.ledger.settle_with(&found, workload.settled_max()))
    }

    fn faults(&self, place: &str, faults: &[(u64, Fault)], tally: &mut Tally) {
        for &(n, fault) in faults {
            tally.fault(fault);
            if self.kind == Kind::Outbox && tally.told() {
                println!("powercut: {place}: envelope {n} is {}", format!("{fault:?}").to_lowercase());
            }
        }
    }

    fn unopenable(&self, place: &str, error: &anyhow::Error, image: &[u8], tally: &mut Tally) -> Result<()> {
        tally.unopenable += 1;
        println!("powercut: {place}: {error:#}");
        self.keep(place, image, tally)
    }

    /// Keeps an image for a person to look at.
    fn keep(&self, place: &str, image: &[u8], tally: &mut Tally) -> Result<()> {
        tally.images += 1;
        if self.kind != Kind::Outbox || tally.images > IMAGES_MAX {
            return Ok(());
        }
        let name = place.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let path: PathBuf = self.folder.join(format!("{name}.img"));
        fs::write(&path, image).with_context(|| format!("{}: cannot be written", path.display()))?;
        println!("powercut: {place}: the drive as it was is in {}", path.display());
        Ok(())
    }
}

/// The moment of a cut while a store opens, counted from the start of its process.
fn moment_of_opening(random: &mut Rng) -> (u64, Duration) {
    (random.u64(1..=OPENING_COMMANDS_MAX), Duration::from_millis(random.u64(1..=OPENING_MS_MAX)))
}
