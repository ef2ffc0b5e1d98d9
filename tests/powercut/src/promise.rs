//! What was promised before a cut, what is found after it, and the verdict.
//!
//! A process under test writes lines to a pipe; a line counts from the moment the parent read it, and the parent
//! stops reading before it cuts.
//!
//! ```text
//! trying n     about to save            settling n  about to settle      dying n  about to dead-letter
//! saved n      its ticket is here       settled n   that is kept         dead n   that is kept
//! refused n    it heard *not saved*     ready       the work begins
//! ```
//!
//! The process that looks afterwards answers with one [`Found`] a line.
//!
//! Promises: pure; each envelope is counted once, under the worst that happened to it.
//! Never: believes that something is kept because it was tried.

use std::{collections::BTreeMap, fmt, str::FromStr};

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$doc])* $variant,)* }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word,)* })
            }
        }

        impl FromStr for $name {
            type Err = ();

            fn from_str(word: &str) -> Result<Self, ()> {
                match word { $($word => Ok(Self::$variant),)* _ => Err(()) }
            }
        }
    };
}

words! {
    /// How far an envelope has come, as its process said, or as it was found after a cut.
    Told {
        /// Perhaps saved.
        Trying = "trying",
        /// Saved.
        Saved = "saved",
        /// Not saved: it must not be there.
        Refused = "refused",
        /// Saved, perhaps settled.
        Settling = "settling",
        /// Settled.
        Settled = "settled",
        /// Saved, perhaps a dead letter.
        Dying = "dying",
        /// A dead letter.
        Dead = "dead",
    }
}

words! {
    /// Where an envelope is after a cut.
    Found {
        /// In the queue, byte for byte.
        Waits = "waits",
        /// In the queue, with other bytes.
        Torn = "torn",
        /// In the queue more than once.
        Twice = "twice",
        /// Settled, with its receipt.
        Sent = "sent",
        /// Settled, with another receipt or none.
        Unproven = "unproven",
        /// Waits for a person, with the reason it was given.
        Staff = "staff",
        /// Waits for a person because its bytes are damaged.
        Damaged = "damaged",
        /// Not known.
        Unknown = "unknown",
    }
}

/// Reads `word n`.
pub(crate) fn parse<T: FromStr>(line: &str) -> Option<(T, u64)> {
    let (word, n) = line.split_once(' ')?;
    Some((word.parse().ok()?, n.parse().ok()?))
}

/// What is wrong with one envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It was promised and is not there, or a person is told that its bytes are gone.
    Lost,
    /// It is there with other bytes, or half of it though nothing was promised.
    Torn,
    /// It is there again, or though nobody heard *saved*.
    Doubled,
}

/// Endings may be heard in another order than they were kept by this many: there are two threads that end.
const IN_FLIGHT: usize = 8;

/// Everything promised on one drive, since it was new.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    told: BTreeMap<u64, Told>,
    /// When the settling of each began, counted up.
    turns: BTreeMap<u64, u64>,
    heard: u64,
}

impl Ledger {
    /// Takes a line in; false when it is none of these. An ending may be heard before *saved*: another thread
    /// claimed the envelope before the one that saved it came to say so.
    pub(crate) fn hear(&mut self, line: &str) -> bool {
        let Some((told, n)) = parse(line) else { return false };
        let before = self.told.get(&n).copied();
        let late = told == Told::Saved && before.is_some_and(|before| before != Told::Trying);
        if !late {
            self.told.insert(n, told);
        }
        if matches!(told, Told::Settling | Told::Settled) {
            self.heard += 1;
            self.turns.entry(n).or_insert(self.heard);
        }
        true
    }

    /// Every envelope that was ever tried.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.told.keys().copied()
    }

    /// How many promises there are: saved or ended.
    pub(crate) fn promised(&self) -> u64 {
        let promised = self.told.values().filter(|told| !matches!(told, Told::Trying | Told::Refused));
        u64::try_from(promised.count()).unwrap_or(u64::MAX)
    }

    /// Judges what was found, and takes it as what is promised from now on: an outbox that has opened must not
    /// change its mind at the next cut. The `settled_max` newest settled ones must be known; older ones may be
    /// forgotten.
    pub(crate) fn settle_with(
        &mut self,
        found: &BTreeMap<u64, Found>,
        settled_max: usize,
    ) -> Vec<(u64, Fault)> {
        self.turns.retain(|n, _| !matches!(found.get(n), Some(Found::Waits)));
        let oldest_kept = self.oldest_kept(settled_max);
        let mut faults = Vec::new();
        for (&n, told) in &mut self.told {
            let found = found.get(&n).copied().unwrap_or(Found::Unknown);
            let forgets = self.turns.get(&n).is_some_and(|&turn| turn < oldest_kept);
            match judge(*told, found, forgets) {
                Ok(now) => *told = now,
                Err(fault) => faults.push((n, fault)),
            }
        }
        faults.extend(found.keys().filter(|n| !self.told.contains_key(n)).map(|&n| (n, Fault::Torn)));
        for (n, _) in &faults {
            self.told.remove(n);
            self.turns.remove(n);
        }
        faults
    }

    /// The turn of the oldest settled one that must be known; 0 when all must.
    fn oldest_kept(&self, settled_max: usize) -> u64 {
        let mut turns: Vec<u64> = self.turns.values().copied().collect();
        turns.sort_unstable_by(|a, b| b.cmp(a));
        let kept = settled_max.saturating_sub(IN_FLIGHT);
        turns.get(kept.saturating_sub(1)).copied().unwrap_or(0)
    }
}

/// What is known of an envelope from now on, or what is wrong with it.
fn judge(told: Told, found: Found, forgets: bool) -> Result<Told, Fault> {
    let ended = matches!(told, Told::Settled | Told::Dead);
    match found {
        Found::Twice => Err(Fault::Doubled),
        Found::Waits | Found::Torn if ended || told == Told::Refused => Err(Fault::Doubled),
        Found::Torn => Err(Fault::Torn),
        Found::Damaged => Err(if told == Told::Trying { Fault::Torn } else { Fault::Lost }),
        Found::Waits => Ok(Told::Saved),
        Found::Sent | Found::Unproven if !matches!(told, Told::Settling | Told::Settled) => Err(Fault::Lost),
        Found::Unproven => Err(Fault::Torn),
        Found::Sent => Ok(Told::Settled),
        Found::Staff if matches!(told, Told::Dying | Told::Dead) => Ok(Told::Dead),
        Found::Staff => Err(Fault::Lost),
        Found::Unknown => match told {
            Told::Trying | Told::Refused => Ok(Told::Refused),
            Told::Settling | Told::Settled if forgets => Ok(Told::Settled),
            Told::Saved | Told::Settling | Told::Settled | Told::Dying | Told::Dead => Err(Fault::Lost),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(told: &str, found: &str) -> Vec<(u64, Fault)> {
        let mut ledger = Ledger::default();
        assert!(told.lines().all(|line| ledger.hear(line)));
        ledger
            .settle_with(&found.lines().filter_map(parse).map(|(found, n)| (n, found)).collect(), usize::MAX)
    }

    #[test]
    fn what_was_promised_and_is_there_is_no_fault() {
        assert_eq!(faults("saved 1\nsettled 2\ndead 3\nrefused 4", "waits 1\nsent 2\nstaff 3"), []);
        assert_eq!(faults("trying 1\nsettling 2\ndying 3", "waits 1\nwaits 2\nwaits 3"), []);
        assert_eq!(faults("trying 1\nsettling 2\ndying 3", "unknown 1\nsent 2\nstaff 3"), []);
    }

    #[test]
    fn each_fault_is_seen() {
        assert_eq!(faults("saved 1\nsettled 2\ndead 3", ""), [1, 2, 3].map(|n| (n, Fault::Lost)));
        assert_eq!(faults("saved 1", "sent 1"), [(1, Fault::Lost)]);
        assert_eq!(faults("saved 1", "staff 1"), [(1, Fault::Lost)]);
        assert_eq!(faults("saved 1", "torn 1"), [(1, Fault::Torn)]);
        assert_eq!(faults("saved 1", "damaged 1"), [(1, Fault::Lost)]);
        assert_eq!(faults("trying 1", "damaged 1"), [(1, Fault::Torn)]);
        assert_eq!(faults("settled 1", "unproven 1"), [(1, Fault::Torn)]);
        assert_eq!(faults("", "waits 9"), [(9, Fault::Torn)]);
        assert_eq!(faults("settled 1", "waits 1"), [(1, Fault::Doubled)]);
        assert_eq!(faults("dead 1", "waits 1"), [(1, Fault::Doubled)]);
        assert_eq!(faults("saved 1", "twice 1"), [(1, Fault::Doubled)]);
        assert_eq!(faults("refused 1", "waits 1"), [(1, Fault::Doubled)]);
    }

    #[test]
    fn an_ending_outruns_its_saving() {
        assert_eq!(faults("trying 1\nsettling 1\nsettled 1\nsaved 1", "sent 1"), []);
        assert_eq!(faults("trying 1\nsettling 1\nsettled 1\nsaved 1", "waits 1"), [(1, Fault::Doubled)]);
    }

    #[test]
    fn what_was_found_is_promised_from_then_on() {
        let mut ledger = Ledger::default();
        assert!(ledger.hear("trying 1") && ledger.hear("trying 2"));
        let found = BTreeMap::from([(1, Found::Waits)]);
        assert_eq!(ledger.settle_with(&found, usize::MAX), []);
        assert_eq!(ledger.promised(), 1);
        let changed = BTreeMap::from([(2, Found::Waits)]);
        assert_eq!(ledger.settle_with(&changed, usize::MAX), [(1, Fault::Lost), (2, Fault::Doubled)]);
        assert_eq!(ledger.settle_with(&BTreeMap::from([]), usize::MAX), []);
    }

    #[test]
    fn only_what_was_settled_long_ago_may_be_forgotten() {
        let mut ledger = Ledger::default();
        assert!(ledger.hear("dead 0") && !ledger.hear("ready"));
        let settled_max = IN_FLIGHT + 3;
        for n in 1..=10 {
            assert!(ledger.hear(&format!("settling {n}")) && ledger.hear(&format!("settled {n}")));
        }
        let lost = ledger.settle_with(&BTreeMap::new(), settled_max);
        assert_eq!(lost, [0, 8, 9, 10].map(|n| (n, Fault::Lost)));
    }
}
