//! `cargo xtask tidy`: the house rules a program can check.
//!
//! | rule | fails on |
//! |---|---|
//! | `arrow` | a dependency between our crates that the map does not have |
//! | `pure` | a crate with IO or randomness in what kiosk-core links |
//! | `lints` | a crate that does not take the workspace's lints |
//! | `licence` | a linked crate whose licence `deny.toml` does not allow |
//! | `ban` | a linked crate that `deny.toml` bans |
//! | `long` | a source file over 500 lines that gives no reason |
//! | `module doc` | a Rust file over 25 lines that does not start with `//!` |
//! | `unfinished` | code left to do, switched-off tests, debug prints |
//! | `own path` | an absolute path of somebody's machine |
//! | `readme` | a document that names a command or flag that does not exist |
//!
//! Promises: one line per finding, `file:line: rule: what to do`; the last line is
//! `tidy: checks N, findings M`, where N counts the rules above.
//!
//! Never: changes a file; needs the network.

mod arrows;
mod dependencies;
mod files;
mod licences;
mod readme;
mod spdx;

use crate::workspace::{self, Workspace};
use anyhow::{Context as _, Result};
use std::{fmt, fs, path::Path, process::ExitCode};

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Relative to the workspace.
    file: String,
    /// From 1.
    line: usize,
    rule: &'static str,
    /// What to do about it.
    remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.rule, self.remedy)
    }
}

/// A text file of ours.
#[derive(Debug)]
struct Source {
    /// Relative to the workspace.
    path: String,
    text: String,
}

impl Source {
    fn finding(&self, line: usize, rule: &'static str, remedy: impl Into<String>) -> Finding {
        Finding { file: self.path.clone(), line, rule, remedy: remedy.into() }
    }

    /// The line, from 1, that holds `needle`; 1 when none does.
    fn line_of(&self, needle: &str) -> usize {
        self.text.lines().position(|line| line.contains(needle)).map_or(1, |n| n + 1)
    }

    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == extension)
    }
}

/// One rule and what it found.
type Checked = (&'static str, Vec<Finding>);

/// `cargo xtask tidy`.
pub(crate) fn run() -> Result<ExitCode> {
    Ok(if report()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks every rule and prints the findings. Whether there were none.
pub(crate) fn report() -> Result<bool> {
    let workspace = workspace::load()?;
    let sources = files::read_all(&workspace.root)?;
    let manifests = arrows::crates(&workspace)?;
    let mut checked = vec![
        ("arrow", arrows::check(&manifests)),
        ("lints", arrows::check_lints(&manifests)?),
        ("pure", dependencies::check_core(&dependencies::linked_by_core()?)),
        ("long", files::check_length(&sources)),
        ("module doc", files::check_module_doc(&sources)),
        ("unfinished", files::check_unfinished(&sources)),
        ("own path", files::check_own_paths(&sources)),
        ("readme", readme::check(&sources, &readme::commands())),
    ];
    checked.extend(check_linked(&workspace)?);
    Ok(print_all("tidy", &checked))
}

/// Checks what we link against `deny.toml` and prints the findings. Whether there were none.
pub(crate) fn report_dependencies() -> Result<bool> {
    Ok(print_all("audit: deny.toml", &check_linked(&workspace::load()?)?))
}

fn check_linked(workspace: &Workspace) -> Result<Vec<Checked>> {
    let deny = read(&workspace.root, "deny.toml")?;
    let policy = dependencies::Policy::parse(&deny.text)?;
    let linked = dependencies::linked_by_all(&policy)?;
    Ok(vec![
        ("licence", licences::check(&deny, &policy, &linked)),
        ("ban", dependencies::check_bans(&deny, &policy, &linked)),
    ])
}

fn read(root: &Path, path: &str) -> Result<Source> {
    let text = fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
    Ok(Source { path: path.to_owned(), text })
}

fn print_all(who: &str, checked: &[Checked]) -> bool {
    let findings: Vec<&Finding> = checked.iter().flat_map(|(_, findings)| findings).collect();
    for finding in &findings {
        println!("{finding}");
    }
    println!("{who}: checks {}, findings {}", checked.len(), findings.len());
    findings.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_file_line_rule_remedy() {
        let source = Source { path: "a/b.rs".into(), text: "one\ntwo\n".into() };
        let finding = source.finding(source.line_of("two"), "long", "split it");
        assert_eq!(finding.to_string(), "a/b.rs:2: long: split it");
        assert!(!print_all("tidy", &[("long", vec![finding])]));
        assert!(print_all("tidy", &[("long", vec![])]));
    }
}
