//! Lives of a drive: work, cut, look, again; and the figures.
//!
//! ```text
//! new drive -> ext4 -> writer at work -> stall -> hear what is still in the pipe -> image -> kill
//!                ^                                                                   |
//!                +---- the image is the drive now, a fresh process looks at it <-----+
//! ```
//!
//! A drive lives through [`CUTS_A_LIFE`] cuts, or until a fault is found.
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
use anyhow::{Context as _, Result};
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
}

impl Run<'_> {
    /// Cuts `cuts` times while a workload is at work.
    pub(crate) fn workload(&self, machine: &mut Machine, workload: &Workload, cuts: u64) -> Result<Tally> {
        let empty = machine.format(workload.disk_bytes)?;
        let mut tally = Tally::default();
        let mut life = Life::default();
        for cut in 0..cuts {
            if life.cuts == 0 {
                machine.power_on(empty.clone())?;
            }
            let clean = self.cut(machine, workload, cut, &mut life, &mut tally)?;
            if !clean || life.cuts == CUTS_A_LIFE {
                tally.promised += life.ledger.promised();
                life = Life::default();
            }
        }
        tally.promised += life.ledger.promised();
        machine.power_off()?;
        Ok(tally)
    }

    /// One cut and the look after it; false when a fault was found.
    fn cut(
        &self,
        machine: &mut Machine,
        workload: &Workload,
        cut: u64,
        life: &mut Life,
        tally: &mut Tally,
    ) -> Result<bool> {
        let mut random = self.random(workload, cut);
        let way = Cut::turn(workload.turn().wrapping_add(cut).wrapping_add(self.seed));
        let dir = machine.disk().join("outbox");
        let base = (cut + 1) << 24;
        let extra = ["--base".to_owned(), base.to_string()];
        let mut writer =
            Process::start("write", &dir, (workload, self.kind), &extra, String::new(), &self.log)?;
        let mut hear = |line: &str| _ = life.ledger.hear(line);
        let started = writer.hear_until(READY, READY_MAX, &mut hear);
        let (commands, within) = workload.moment(&mut random);
        if started.is_ok() {
            machine.slot().arm(commands);
            machine.slot().stall_within(within);
        }
        let alive = writer.hear_out(QUIET, QUIET_MAX, &mut hear);
        let image = machine.cut(way, &mut random);
        writer.kill()?;
        machine.slot().power_off();
        writer.wait()?;
        life.cuts += 1;
        tally.cuts += 1;
        let place = self.place(workload, cut, way);
        if let Err(error) =
            started.and_then(|()| if alive { Ok(()) } else { Err(anyhow::anyhow!("it ended by itself")) })
        {
            self.unopenable(&place, &error.context("the process at work"), &image, tally)?;
            return Ok(false);
        }
        match self.look(machine, workload, image.clone(), life, tally) {
            Ok(faults) if faults.is_empty() => Ok(true),
            Ok(faults) => {
                self.faults(&place, &faults, tally);
                self.keep(&place, &image, tally)?;
                Ok(false)
            }
            Err(error) => {
                self.unopenable(&place, &error, &image, tally)?;
                Ok(false)
            }
        }
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
        Ok(life.ledger.settle_with(&found, workload.forgets()))
    }

    /// The same for the same seed, workload and cut.
    fn random(&self, workload: &Workload, cut: u64) -> Rng {
        let mut random = Rng::with_seed(self.seed ^ workload.turn().rotate_left(48) ^ cut.rotate_left(32));
        random.fork()
    }

    fn place(&self, workload: &Workload, cut: u64, way: Cut) -> String {
        format!("{}, cut {cut} ({}), seed {}", workload.name, way.name(), self.seed)
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
