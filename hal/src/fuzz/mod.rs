//! Entry points for a fuzzer: each takes bytes from a stranger and asserts what the parser promises.
//!
//! ```text
//! hal/fuzz/fuzz_targets/NAME.rs -- libFuzzer's bytes --+
//! hal/fuzz/corpus/NAME/*        -- the same bytes -----+--> the function of TARGETS with this name
//! proptest                      -- arbitrary bytes ----+
//! ```
//!
//! A fuzzer needs a nightly compiler; the corpus it left behind is replayed by the ordinary tests, so that
//! what it once reached is reached again on every change.
//!
//! Promises: a target without a corpus, or a corpus without a target, fails a test. Never: part of a unit's
//! build (feature `fuzzing`); reads a clock, a device or a file.

mod apdu;
mod ccid;
mod hid;
mod keys;
pub(crate) mod printer;
mod stripe;

/// Takes bytes and panics where a promise is broken.
pub type Entry = fn(&[u8]);

/// Every target by its name, which is also its corpus's folder.
pub const TARGETS: [(&str, Entry); 6] = [
    ("apdu", apdu::entry),
    ("ccid", ccid::entry),
    ("hid", hid::entry),
    ("keys", keys::entry),
    ("printer", printer::entry),
    ("stripe", stripe::entry),
];

/// Runs the target of this name.
///
/// # Panics
/// When there is none, and where a promise is broken.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let Some((_, entry)) = target else { panic!("there is no fuzz target {name}") };
    entry(data);
}

/// Numbers and pieces out of a fuzzer's bytes; zeros and nothing once they are used up.
struct Feed<'a>(&'a [u8]);

impl<'a> Feed<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A length and so many bytes, or as many as there are.
    fn piece(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first()?;
        let (piece, rest) = rest.split_at_checked(usize::from(*length)).unwrap_or((rest, &[]));
        self.0 = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{collections::BTreeSet, fs, path::PathBuf};

    /// A corpus file is no longer, and a corpus has no more of them.
    const BYTES_MAX: u64 = 512;
    const FILES_MAX: usize = 40;

    fn corpus() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
    }

    fn names_in(folder: &str) -> BTreeSet<String> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
        let entries = fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
        let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        entries.map(|entry| stem(entry.unwrap().path())).collect()
    }

    #[test]
    fn every_target_has_a_program_and_a_corpus_and_nothing_else_has() {
        let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names_in("fuzz_targets"), known);
        assert_eq!(names_in("corpus"), known);
    }

    #[test]
    fn the_corpus_of_every_target_is_replayed() {
        for (name, entry) in TARGETS {
            let folder = corpus().join(name);
            let files = fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
            let mut replayed = 0;
            for file in files {
                let path = file.unwrap().path();
                let data = fs::read(&path).unwrap();
                assert!(fs::metadata(&path).unwrap().len() <= BYTES_MAX, "{}", path.display());
                let outcome = std::panic::catch_unwind(|| entry(&data));
                assert!(outcome.is_ok(), "{} breaks {name}", path.display());
                replayed += 1;
            }
            assert!((1..=FILES_MAX).contains(&replayed), "{}: {replayed} files", folder.display());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_break_no_promise(data in prop::collection::vec(any::<u8>(), 0..300)) {
            for (_, entry) in TARGETS {
                entry(&data);
            }
        }
    }

    #[test]
    #[should_panic(expected = "there is no fuzz target nothing")]
    fn an_unknown_target_is_an_error() {
        run("nothing", &[]);
    }
}
