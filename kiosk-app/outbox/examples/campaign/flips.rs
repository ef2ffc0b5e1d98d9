//! One bit of a closed outbox is flipped; then it is opened, emptied and looked at again.
//!
//! A third of the flips hit the journal, a third sled's files by their bytes, a third any of sled's files.
//! Of the records four of five wait and one of five is settled.
//!
//! What one flip may cost: one place in quarantine, and one record that then says so: a saved envelope is
//! found as *needs staff*, a settled one is handed out again under its id. Anything else is counted.

use super::stock::{Chance, NOW_MS, envelope, number_of, open, save};
use anyhow::{Context as _, Result, ensure};
use kiosk_core::wire::ClaimState;
use kiosk_outbox::{Limits, Opened, Outbox};
use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
};
use tempfile::TempDir;

/// Callers that save or settle at once, so that they share syncs.
const CALLERS: u64 = 32;

/// What the flips cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    flips: u64,
    panics: u64,
    lost: u64,
    quarantined: u64,
    doubled: u64,
}

impl Found {
    /// The last line.
    pub(crate) fn line(&self) -> String {
        let Self { flips, panics, lost, quarantined, doubled } = self;
        format!(
            "flips: flips {flips}, panics {panics}, lost {lost}, quarantined {quarantined}, doubled {doubled}"
        )
    }

    /// Whether the promise held.
    pub(crate) fn is_good(&self) -> bool {
        (self.panics, self.lost, self.doubled) == (0, 0, 0) && self.quarantined <= self.flips
    }

    /// One flip may cost one place; what it took to quarantine beyond that is lost.
    fn charge(&mut self, before: &Self) {
        self.lost += self.quarantined.saturating_sub(before.quarantined + 1);
    }
}

/// Flips `flips` bits, one at a time, in an outbox of `records`.
pub(crate) fn run(flips: u64, records: u64, seed: u64) -> Result<Found> {
    let scratch = TempDir::new()?;
    let (whole, hit) = (scratch.path().join("whole"), scratch.path().join("hit"));
    fill(&whole, records)?;
    let mut chance = Chance(seed);
    let mut found = Found::default();
    for _ in 0..flips {
        found.flips += 1;
        copy(&whole, &hit)?;
        let place = flip(&hit, &mut chance)?;
        let before = found;
        match catch_unwind(AssertUnwindSafe(|| look(&hit, records, &mut found))) {
            Ok(outcome) => outcome.with_context(|| place.clone())?,
            Err(_) => found.panics += 1,
        }
        found.charge(&before);
        let harm = |found: &Found| (found.panics, found.lost, found.doubled);
        if harm(&found) != harm(&before) {
            println!("flips: {place} cost more than it may: {}", found.line());
        }
        fs::remove_dir_all(&hit)?;
    }
    Ok(found)
}

fn limits() -> Limits {
    Limits { segment_bytes: 128 << 10, ballast_bytes: 0, free_bytes_min: 0, ..Limits::default() }
}

fn is_settled(n: u64) -> bool {
    n.is_multiple_of(5)
}

fn fill(dir: &Path, records: u64) -> Result<()> {
    let (outbox, _) = open(dir, limits())?;
    together(0..records, |n| save(&outbox, n))?;
    together((0..records).filter(|&n| is_settled(n)), |n| Ok(outbox.settle(envelope(n)?.id, vec![1; 200])?))?;
    outbox.close();
    Ok(())
}

/// Does the same with each number, in [`CALLERS`] threads.
fn together(numbers: impl Iterator<Item = u64>, work: impl Fn(u64) -> Result<()> + Sync) -> Result<()> {
    let numbers: Vec<u64> = numbers.collect();
    let share = numbers.len().div_ceil(usize::try_from(CALLERS)?).max(1);
    thread::scope(|scope| {
        let callers: Vec<_> = numbers
            .chunks(share)
            .map(|share| scope.spawn(|| share.iter().try_for_each(|&n| work(n))))
            .collect();
        callers
            .into_iter()
            .try_for_each(|caller| caller.join().unwrap_or_else(|_| anyhow::bail!("a caller panicked")))
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Flips one bit, and says where.
fn flip(dir: &Path, chance: &mut Chance) -> Result<String> {
    let by = chance.below(3);
    let folder = dir.join(if by == 0 { "journal" } else { "state" });
    let mut files = Vec::new();
    list(&folder, &mut files)?;
    let total: u64 = files.iter().map(|(_, len)| len).sum();
    let mut at = if by == 2 {
        let file = usize::try_from(chance.below(u64::try_from(files.len())?))?;
        let before: u64 = files.iter().take(file).map(|(_, len)| len).sum();
        before + chance.below(files.get(file).map_or(0, |(_, len)| *len))
    } else {
        chance.below(total)
    };
    for (path, len) in files {
        if at < len {
            let mut bytes = fs::read(&path)?;
            let bit = chance.below(8);
            *bytes.get_mut(usize::try_from(at)?).context("a place in the file")? ^= 1 << bit;
            fs::write(&path, bytes)?;
            return Ok(format!("{} byte {at} bit {bit}", path.strip_prefix(dir)?.display()));
        }
        at -= len;
    }
    anyhow::bail!("nothing to flip in {}", folder.display())
}

/// Every file that has bytes, in a stable order.
fn list(dir: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<()> {
    let mut entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let len = entry.metadata()?.len();
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else if len > 0 {
            files.push((entry.path(), len));
        }
    }
    Ok(())
}

fn look(dir: &Path, records: u64, found: &mut Found) -> Result<()> {
    let (outbox, opened) = open(dir, limits())?;
    found.quarantined += opened.quarantined;
    let mut waiting = BTreeSet::new();
    for handed in outbox.claim(usize::MAX, NOW_MS) {
        match number_of(&handed.envelope) {
            Some(n) => found.doubled += u64::from(!waiting.insert(n)),
            None => found.lost += 1,
        }
    }
    count(&outbox, opened, records, &waiting, found)?;
    together(waiting.iter().copied(), |n| Ok(outbox.settle(envelope(n)?.id, vec![2; 200])?))?;
    for &n in &waiting {
        found.lost += u64::from(!is_sent(&outbox, n)?);
    }
    ensure!(!outbox.has_ended(), "the outbox's thread is gone");
    // Far enough for what lies in somebody's hand to be handed out again.
    found.doubled += u64::try_from(outbox.claim(usize::MAX, u64::MAX / 2).len())?;
    outbox.close();
    let (outbox, opened) = open(dir, limits())?;
    found.quarantined += opened.quarantined;
    found.doubled += opened.queued;
    outbox.close();
    Ok(())
}

fn is_sent(outbox: &Outbox, n: u64) -> Result<bool> {
    Ok(matches!(outbox.find(&envelope(n)?.claim), Some((_, ClaimState::Sent))))
}

/// Compares what is there with what was saved.
fn count(
    outbox: &Outbox,
    opened: Opened,
    records: u64,
    waiting: &BTreeSet<u64>,
    found: &mut Found,
) -> Result<()> {
    let mut hit = 0;
    for n in 0..records {
        match (is_settled(n), waiting.contains(&n)) {
            (false, true) => {}
            (true, false) => found.lost += u64::from(!is_sent(outbox, n)?),
            (true, true) => hit += 1,
            (false, false) => match outbox.find(&envelope(n)?.claim) {
                Some((_, ClaimState::NeedsStaff { code, .. })) if code == "damaged" => hit += 1,
                Some(_) | None => found.lost += 1,
            },
        }
    }
    // One record may be hit, and then its bytes are in quarantine.
    found.lost += if opened.quarantined == 1 { u64::from(hit > 1) } else { hit };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_that_costs_two_places_is_not_paid_for_by_others() {
        let before = Found { flips: 9, ..Found::default() };
        for (quarantined, good) in [(0, true), (1, true), (2, false)] {
            let mut found = Found { flips: 10, quarantined, ..before };
            found.charge(&before);
            assert_eq!(found.is_good(), good);
        }
    }
}
