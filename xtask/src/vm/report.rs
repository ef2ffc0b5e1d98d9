//! What the machine says about its scenarios, line by line, and what that comes to.
//!
//! ```text
//! PLAN name
//! PASS name seconds
//! FAIL name reason
//! ```
//!
//! Promises: a scenario that was planned and has no result has failed; so has a machine without a plan.
//! Never: counts a result twice, or one nobody planned.

use std::fmt;

/// One line of the machine.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Plan(&'a str),
    Pass(&'a str),
    Fail(&'a str),
}

/// The results so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Planned, without a result yet.
    waiting: Vec<String>,
    passed: usize,
    failed: usize,
}

impl Report {
    /// Takes a line; says whether a person should see it.
    pub(super) fn hear(&mut self, line: &str) -> bool {
        match said(line) {
            Some(Said::Plan(name)) => {
                self.waiting.push(name.to_owned());
                false
            }
            Some(Said::Pass(name)) => {
                self.passed += self.settle(name);
                true
            }
            Some(Said::Fail(name)) => {
                self.failed += self.settle(name);
                true
            }
            None => !line.trim().is_empty(),
        }
    }

    /// The machine is off: a line for each scenario it owes.
    pub(super) fn end(&mut self, why: &str) -> Vec<String> {
        if self.passed + self.failed + self.waiting.len() == 0 {
            self.waiting.push("boot".to_owned());
        }
        self.failed += self.waiting.len();
        self.waiting.drain(..).map(|name| format!("FAIL {name} {why}")).collect()
    }

    /// Whether there was something to pass, and all of it did.
    pub(super) fn all_passed(&self) -> bool {
        self.passed > 0 && self.failed == 0 && self.waiting.is_empty()
    }

    fn settle(&mut self, name: &str) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting != name);
        before - self.waiting.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

fn said(line: &str) -> Option<Said<'_>> {
    let (word, rest) = line.trim().split_once(' ')?;
    let name = rest.split(' ').next()?;
    match word {
        "PLAN" => Some(Said::Plan(name)),
        "PASS" => Some(Said::Pass(name)),
        "FAIL" => Some(Said::Fail(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(lines: &[&str]) -> Report {
        let mut report = Report::default();
        for line in lines {
            report.hear(line);
        }
        report
    }

    #[test]
    fn all_planned_and_passed_is_a_pass() {
        let mut report = hear(&["PLAN a::b", "PLAN c", "PASS a::b 1.2\r", "PASS c 0.1"]);
        assert!(report.end("off").is_empty() && report.all_passed());
        assert_eq!(report.to_string(), "2 passed, 0 failed");
    }

    #[test]
    fn a_machine_that_stops_fails_what_it_owes() {
        let mut report = hear(&["PLAN a", "PLAN b", "PASS a 1.0"]);
        assert!(!report.all_passed());
        assert_eq!(report.end("the machine stopped"), ["FAIL b the machine stopped"]);
        assert_eq!(report.to_string(), "1 passed, 1 failed");
        assert!(!report.all_passed());
    }

    #[test]
    fn a_machine_that_says_nothing_fails() {
        let mut report = hear(&["", "noise"]);
        assert_eq!(report.end("silent"), ["FAIL boot silent"]);
        assert_eq!(report.to_string(), "0 passed, 1 failed");
        assert!(!Report::default().all_passed());
    }

    #[test]
    fn a_result_counts_once_and_only_when_planned() {
        let report = hear(&["PLAN a", "FAIL a why not", "PASS a 1.0", "PASS b 1.0"]);
        assert_eq!(report.to_string(), "0 passed, 1 failed");
    }
}
