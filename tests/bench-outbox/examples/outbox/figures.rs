//! Figures by name, their lines, and the goals they are held against.
//!
//! | goal | of |
//! |---|---|
//! | `p50_append` | one caller's p50 at most 0.8 of a growing append's |
//! | `p50_peers` | and at most the best engine's |
//! | `rate_peers` | 32 callers at least as fast as with the best engine |
//! | `device_bytes` | at most 1.5 of a preallocated append's |
//! | `drained` | at most 15 % of the full store's disk |
//! | `open`, `open_memory` | 100,000 records: at most 1 s and 64 MB to the first one |
//! | `rebuild` | 100,000 records: at most 2 s |
//! | `steady` | at most 8 MiB of disk over 200,000 records |
//!
//! Never: leaves a goal out: one without its figures is missed.

use std::collections::BTreeMap;

/// The outbox's name among the engines.
pub(crate) const OURS: &str = "outbox";
const ENGINES: [&str; 3] = ["sqlite", "redb", "fjall"];

/// Every figure, by engine and name.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<(String, &'static str), f64>);

/// One goal: its name, and whether it was met.
type Goal = (&'static str, bool);

impl Figures {
    /// Notes and prints one.
    pub(crate) fn note(&mut self, engine: &str, figure: &'static str, value: f64, unit: &str) {
        println!("{engine}: {figure} {value:.1} {unit}");
        self.0.insert((engine.to_owned(), figure), value);
    }

    fn get(&self, engine: &str, figure: &'static str) -> Option<f64> {
        self.0.get(&(engine.to_owned(), figure)).copied()
    }

    fn of_engines(&self, figure: &'static str) -> Option<Vec<f64>> {
        ENGINES.iter().map(|engine| self.get(engine, figure)).collect()
    }

    /// The goals.
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let ours = |figure| self.get(OURS, figure);
        let most = |value: Option<f64>, limit: Option<f64>| value.zip(limit).is_some_and(|(v, l)| v <= l);
        let times = |factor: f64, value: Option<f64>| value.map(|value| factor * value);
        let lowest = self.of_engines("one_p50").map(|all| all.into_iter().fold(f64::INFINITY, f64::min));
        let fastest = self.of_engines("many_rate").map(|all| all.into_iter().fold(0.0, f64::max));
        vec![
            ("p50_append", most(ours("one_p50"), times(0.8, self.get("append", "one_p50")))),
            ("p50_peers", most(ours("one_p50"), lowest)),
            ("rate_peers", most(fastest, ours("many_rate"))),
            (
                "device_bytes",
                most(ours("device_bytes"), times(1.5, self.get("preallocated", "device_bytes"))),
            ),
            ("drained", most(ours("disk_drained"), times(0.15, ours("disk_full")))),
            ("open", most(ours("open_first"), Some(1_000.0))),
            ("open_memory", most(ours("open_memory"), Some(64.0))),
            ("rebuild", most(ours("rebuild"), Some(2_000.0))),
            ("steady", most(ours("steady_disk"), Some(8.0))),
        ]
    }
}

/// The last line.
pub(crate) fn line(goals: &[Goal]) -> String {
    let missed: Vec<&str> = goals.iter().filter(|(_, met)| !met).map(|(name, _)| *name).collect();
    let named = if missed.is_empty() { String::new() } else { format!(" ({})", missed.join(" ")) };
    format!(
        "bench: outbox measured, goals met {}, missed {}{named}",
        goals.len() - missed.len(),
        missed.len()
    )
}

/// The value that `per_cent` of all are not above, in the unit they came in.
pub(crate) fn at(sorted: &[f64], per_cent: usize) -> f64 {
    let index = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_without_figures_is_missed() {
        let goals = Figures::default().goals();
        assert_eq!(goals.iter().filter(|(_, met)| *met).count(), 0);
        assert!(line(&goals).ends_with("goals met 0, missed 9 (p50_append p50_peers rate_peers device_bytes drained open open_memory rebuild steady)"));
    }

    #[test]
    fn percentiles() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!((at(&values, 50), at(&values, 99)), (100.0, 198.0));
    }
}
