//! What cargo knows of this workspace: where it is, its crates, what they link.
//!
//! Two sources. `cargo metadata --no-deps` lists our crates and the dependencies they name, without
//! a download. `cargo tree` lists what a build of them would really compile, features resolved.
//!
//! Never: guesses. A question cargo cannot answer is an error.

use crate::process::{cargo, output_of};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::{collections::BTreeSet, path::PathBuf};

/// Our crates and directories, from `cargo metadata --no-deps`.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    /// Where the root `Cargo.toml` is.
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// Where cargo builds, `CARGO_TARGET_DIR` respected.
    #[serde(rename = "target_directory")]
    pub target: PathBuf,
    /// Our crates.
    pub packages: Vec<Package>,
}

/// One of our crates.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub name: String,
    /// Its version; ours are all the same.
    pub version: String,
    /// Its `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// What it names in the three dependency tables.
    pub dependencies: Vec<Dependency>,
}

/// A line in a dependency table.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The crate's name, not its alias.
    pub name: String,
    /// Set for a crate in this workspace.
    pub path: Option<PathBuf>,
}

/// A crate that a build compiles.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Linked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The licence expression it states; empty when it states none.
    pub licence: String,
}

impl Workspace {
    /// The version of what is built here.
    pub(crate) fn version(&self) -> Result<String> {
        let package = self.packages.first().context("the workspace has no crate")?;
        Ok(package.version.clone())
    }
}

/// Reads the workspace around the current directory.
pub(crate) fn load() -> Result<Workspace> {
    let text = output_of(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text).context("cargo metadata wrote something unexpected")
}

/// What `cargo tree` with `args` lists, each crate once.
pub(crate) fn linked(args: &[&str]) -> Result<BTreeSet<Linked>> {
    let mut command = cargo(&["tree", "--quiet", "--prefix", "none", "--format", "{p}|{l}|"]);
    let text = output_of(command.args(args))?;
    parse_tree(&text)
}

/// Reads lines such as `serde v1.0.1|MIT OR Apache-2.0|`, a path and `(*)` optional.
fn parse_tree(text: &str) -> Result<BTreeSet<Linked>> {
    let crates = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('['));
    crates
        .map(|line| {
            let linked = line.split_once('|').and_then(|(package, rest)| {
                let (licence, _) = rest.split_once('|')?;
                let (name, after) = package.split_once(" v")?;
                let version = after.split_whitespace().next()?;
                Some(Linked { name: name.into(), version: version.into(), licence: licence.trim().into() })
            });
            linked.with_context(|| format!("cargo tree wrote an unexpected line: {line}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_each_crate_once() {
        let text = "hal v0.1.0 (/x/hal)|MIT OR Apache-2.0|\nserde v1.0.1|MIT|\n\nserde v1.0.1|MIT| (*)\n\
                    [build-dependencies]\nd v2.0.0 (proc-macro)||\n";
        let names: Vec<(String, String)> =
            parse_tree(text).unwrap().into_iter().map(|l| (l.name, l.licence)).collect();
        let expected = [("d", ""), ("hal", "MIT OR Apache-2.0"), ("serde", "MIT")];
        assert_eq!(names, expected.map(|(n, l)| (n.to_owned(), l.to_owned())));
    }

    #[test]
    fn a_line_that_is_no_crate_is_an_error() {
        assert!(parse_tree("what is this\n").is_err());
    }
}
