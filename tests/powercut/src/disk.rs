//! A drive with a volatile cache, and what is left of its content when the power goes.
//!
//! ```text
//! write  -->  now, and a list of pieces     a piece never crosses a 4 KiB page
//! flush  -->  the list is emptied           everything so far is on stable storage
//! cut    -->  last flush (+ all pieces, or a random choice of them)
//! ```
//!
//! `before` keeps each page's content at the last flush, from its first change on: one copy of the disk is enough.
//!
//! Promises: what was flushed is in every image that [`Disk::survivors`] makes, unless a later write over it
//! survived. Never: reads a clock, touches a file.

use fastrand::Rng;
use std::collections::BTreeMap;

/// What a drive writes whole or not at all, in bytes.
pub(crate) const PAGE: usize = 4096;

/// Which unflushed writes reached stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// None: the cache is lost.
    Dropped,
    /// All.
    Kept,
    /// Each page of each write by chance, so writes are torn and out of order.
    Mixed,
}

impl Cut {
    /// The three ways take turns.
    pub(crate) fn turn(cut: u64) -> Self {
        match cut % 3 {
            0 => Self::Dropped,
            1 => Self::Kept,
            _ => Self::Mixed,
        }
    }

    /// The word in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Kept => "kept",
            Self::Mixed => "mixed",
        }
    }
}

/// Part of a write, within one page.
#[derive(Debug)]
struct Piece {
    at: usize,
    bytes: Vec<u8>,
}

/// A write outside of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// One drive.
#[derive(Debug)]
pub(crate) struct Disk {
    now: Vec<u8>,
    before: BTreeMap<usize, Vec<u8>>,
    unflushed: Vec<Piece>,
    powered: bool,
}

impl Disk {
    /// A drive with this content, all of it on stable storage.
    pub(crate) fn new(content: Vec<u8>) -> Self {
        Self { now: content, before: BTreeMap::new(), unflushed: Vec::new(), powered: true }
    }

    /// How long it is, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.now.len()
    }

    /// What a read gives; shorter at the end.
    pub(crate) fn read(&self, at: usize, len: usize) -> &[u8] {
        let end = at.saturating_add(len).min(self.now.len());
        self.now.get(at.min(end)..end).unwrap_or_default()
    }

    /// Takes a write into the cache.
    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), OutOfRange> {
        let end = at.checked_add(bytes.len()).filter(|&end| end <= self.now.len()).ok_or(OutOfRange)?;
        if self.powered {
            self.remember(at, bytes);
        }
        self.now.get_mut(at..end).ok_or(OutOfRange)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Notes what a write changes, page by page, before it does.
    fn remember(&mut self, at: usize, bytes: &[u8]) {
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let page = at / PAGE * PAGE;
            let (piece, after) = rest.split_at(rest.len().min(page + PAGE - at));
            if !self.before.contains_key(&page) {
                let content = self.read(page, PAGE).to_vec();
                self.before.insert(page, content);
            }
            self.unflushed.push(Piece { at, bytes: piece.to_vec() });
            (at, rest) = (at + piece.len(), after);
        }
    }

    /// Everything so far is on stable storage.
    pub(crate) fn flush(&mut self) {
        if self.powered {
            self.before.clear();
            self.unflushed.clear();
        }
    }

    /// The power is off: later writes are for whoever still has the old file system mounted.
    pub(crate) fn power_off(&mut self) {
        self.powered = false;
    }

    /// What the drive holds when the power comes back.
    pub(crate) fn survivors(&self, cut: Cut, random: &mut Rng) -> Vec<u8> {
        let mut image = self.now.clone();
        if cut == Cut::Kept {
            return image;
        }
        for (&page, content) in &self.before {
            put(&mut image, page, content);
        }
        if cut == Cut::Mixed {
            let chance = 0.1 + 0.8 * random.f64();
            for piece in &self.unflushed {
                if random.f64() < chance {
                    put(&mut image, piece.at, &piece.bytes);
                }
            }
        }
        image
    }
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = image.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{Cut, Disk, OutOfRange, PAGE, Rng};
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

    const LEN: usize = 5 * PAGE + 512;

    fn image(disk: &Disk, cut: Cut) -> Vec<u8> {
        disk.survivors(cut, &mut Rng::with_seed(7))
    }

    /// Where, how many of which byte, and whether a flush follows.
    fn write() -> impl Strategy<Value = (usize, Vec<u8>, bool)> {
        let parts = (0..LEN, 0..2 * PAGE, any::<u8>(), any::<bool>());
        parts.prop_map(|(at, len, byte, flush)| (at, vec![byte; len.min(LEN - at)], flush))
    }

    proptest! {
        #[test]
        fn a_cut_drops_or_keeps_what_was_not_flushed(writes in proptest::collection::vec(write(), 1..20)) {
            let mut disk = Disk::new(vec![0; LEN]);
            let (mut all, mut flushed) = (vec![0; LEN], vec![0; LEN]);
            for (at, bytes, flush) in writes {
                disk.write(at, &bytes).unwrap();
                all[at..at + bytes.len()].copy_from_slice(&bytes);
                if flush {
                    disk.flush();
                    flushed.clone_from(&all);
                }
            }
            prop_assert_eq!(&image(&disk, Cut::Kept), &all);
            prop_assert_eq!(&image(&disk, Cut::Dropped), &flushed);
            prop_assert_eq!(disk.read(0, LEN), all);
        }
    }

    #[test]
    fn a_mixed_cut_tears_between_pages_and_nowhere_else() {
        let mut disk = Disk::new(vec![0; 64 * PAGE]);
        disk.write(PAGE / 2, &[1; 60 * PAGE]).unwrap();
        let torn = image(&disk, Cut::Mixed);
        let whole = image(&disk, Cut::Kept);
        let blank = vec![0; 64 * PAGE];
        let pages = || torn.chunks(PAGE).zip(whole.chunks(PAGE)).zip(blank.chunks(PAGE));
        assert!(pages().all(|((torn, whole), blank)| torn == whole || torn == blank));
        assert!(torn != whole && torn != blank);
    }

    #[test]
    fn an_older_write_survives_where_a_newer_one_does_not() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut disk = Disk::new(vec![0; PAGE]);
            disk.write(0, &[1; PAGE]).unwrap();
            disk.write(0, &[2; PAGE]).unwrap();
            seen.insert(disk.survivors(Cut::Mixed, &mut Rng::with_seed(seed))[0]);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn the_same_seed_gives_the_same_image() {
        let mut disk = Disk::new(vec![0; 64 * PAGE]);
        disk.write(0, &[1; 64 * PAGE]).unwrap();
        assert_eq!(image(&disk, Cut::Mixed), image(&disk, Cut::Mixed));
    }

    #[test]
    fn nothing_reaches_a_drive_without_power() {
        let mut disk = Disk::new(vec![0; PAGE]);
        disk.write(0, &[1]).unwrap();
        disk.power_off();
        disk.flush();
        assert_eq!(image(&disk, Cut::Dropped), [0; PAGE]);
        assert_eq!(disk.write(PAGE - 1, &[1, 1]), Err(OutOfRange));
    }
}
