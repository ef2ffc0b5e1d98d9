//! `cargo xtask audit`: known vulnerabilities, licences, banned crates, sources.
//!
//! Three checks: our own reading of `deny.toml` (licences and bans, always possible), then
//! `cargo deny` and `cargo audit` where they are installed and the advisory database answers.
//!
//! Promises: the last line says what ran, what was found and what did not run and why; the exit
//! status is 1 only when a check that ran found something.
//!
//! Never: calls a check that could not run a pass.

use crate::{
    process::{Silent, cargo, succeeds, within},
    tidy,
};
use anyhow::Result;
use std::{
    process::{Command, ExitCode},
    time::Duration,
};

/// Where both tools fetch advisories from.
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";

/// How long the advisory database may take to answer.
const ADVISORIES_LIMIT: Duration = Duration::from_secs(20);

/// How long a cargo subcommand may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// How one check ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Clean,
    Found,
    NotRun(String),
}

/// What can be used here.
#[derive(Clone, Copy)]
struct Means {
    deny: bool,
    audit: bool,
    advisories: bool,
}

impl Means {
    fn of_this_machine() -> Result<Self> {
        let installed = |name: &str| -> Result<bool> {
            Ok(within(VERSION_LIMIT, &mut cargo(&[name, "--version"]))? == Silent::Succeeded)
        };
        let mut ask = Command::new("git");
        ask.args(["ls-remote", "--exit-code", ADVISORIES, "HEAD"]).env("GIT_TERMINAL_PROMPT", "0");
        let (deny, audit) = (installed("deny")?, installed("audit")?);
        let advisories = (deny || audit) && within(ADVISORIES_LIMIT, &mut ask)? == Silent::Succeeded;
        Ok(Self { deny, audit, advisories })
    }

    /// Each check: its name, and the cargo command or why it cannot run.
    fn plan(self) -> [(&'static str, Result<&'static [&'static str], String>); 3] {
        let unreachable = || format!("{ADVISORIES} did not answer");
        let missing = |tool: &str| format!("not installed: cargo install --locked {tool}");
        let deny = |args| if self.deny { Ok(args) } else { Err(missing("cargo-deny")) };
        let deny_advisories = match (self.deny, self.advisories) {
            (true, false) => Err(unreachable()),
            (_, _) => deny(&["deny", "check", "advisories"] as &[&str]),
        };
        let audit = match (self.audit, self.advisories) {
            (false, _) => Err(missing("cargo-audit")),
            (true, false) => Err(unreachable()),
            (true, true) => Ok(&["audit"] as &[&str]),
        };
        [
            ("cargo deny bans licenses sources", deny(&["deny", "check", "bans", "licenses", "sources"])),
            ("cargo deny advisories", deny_advisories),
            ("cargo audit", audit),
        ]
    }
}

/// Runs what can be run.
pub(crate) fn run() -> Result<ExitCode> {
    let own = if tidy::report_dependencies()? { Outcome::Clean } else { Outcome::Found };
    let mut outcomes = vec![("licences and bans", own)];
    for (name, planned) in Means::of_this_machine()?.plan() {
        let outcome = match planned {
            Ok(args) if succeeds(&mut cargo(args))? => Outcome::Clean,
            Ok(_) => Outcome::Found,
            Err(why) => Outcome::NotRun(why),
        };
        outcomes.push((name, outcome));
    }
    for (name, outcome) in &outcomes {
        println!("{}", line(name, outcome));
    }
    println!("{}", closing_line(&outcomes));
    let found = outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Found);
    Ok(if found { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn line(name: &str, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Clean => format!("audit: {name}: clean"),
        Outcome::Found => format!("audit: {name}: FOUND SOMETHING, see above"),
        Outcome::NotRun(why) => format!("audit: {name}: DID NOT RUN: {why}"),
    }
}

/// `audit: clean N, found N, not run N`, and the names of what did not run.
fn closing_line(outcomes: &[(&str, Outcome)]) -> String {
    let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|(_, outcome)| wanted(outcome)).count();
    let clean = count(|outcome| *outcome == Outcome::Clean);
    let found = count(|outcome| *outcome == Outcome::Found);
    let not_run: Vec<&str> =
        outcomes.iter().filter(|(_, o)| matches!(o, Outcome::NotRun(_))).map(|(name, _)| *name).collect();
    let names = if not_run.is_empty() { String::new() } else { format!(" ({})", not_run.join("; ")) };
    format!("audit: clean {clean}, found {found}, not run {}{names}", not_run.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_cannot_run_says_why() {
        let plan = Means { deny: false, audit: true, advisories: false }.plan();
        let whys: Vec<String> = plan.into_iter().filter_map(|(_, planned)| planned.err()).collect();
        assert_eq!(whys.len(), 3);
        assert!(whys[0].contains("cargo-deny") && whys[1].contains("cargo-deny"));
        assert!(whys[2].contains(ADVISORIES));
    }

    #[test]
    fn without_the_database_the_rest_of_deny_still_runs() {
        let plan = Means { deny: true, audit: true, advisories: false }.plan();
        let can: Vec<bool> = plan.iter().map(|(_, planned)| planned.is_ok()).collect();
        assert_eq!(can, [true, false, false]);
        let all = Means { deny: true, audit: true, advisories: true }.plan();
        assert!(all.iter().all(|(_, planned)| planned.is_ok()));
    }

    #[test]
    fn the_last_line_tells_the_three_endings_apart() {
        let outcomes = [("a", Outcome::Clean), ("b", Outcome::Found), ("c", Outcome::NotRun("why".into()))];
        assert_eq!(closing_line(&outcomes), "audit: clean 1, found 1, not run 1 (c)");
        assert_eq!(closing_line(&outcomes[..1]), "audit: clean 1, found 0, not run 0");
        assert_eq!(line("c", &outcomes[2].1), "audit: c: DID NOT RUN: why");
    }
}
