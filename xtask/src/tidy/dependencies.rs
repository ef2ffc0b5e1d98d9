//! What we link, against `deny.toml` and against the promise that kiosk-core does no IO.
//!
//! `deny.toml` is cargo-deny's file; this reads the same tables so that the two cannot disagree:
//! `graph.targets`, `licenses.allow`, `licenses.exceptions` and `bans.deny`.
//!
//! Never: looks at development dependencies; they are in no binary.

use super::{Finding, Source};
use crate::workspace::{Linked, linked};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeSet;

/// The tables of `deny.toml` that this program reads.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Policy {
    graph: Graph,
    /// What may be linked, by licence.
    pub licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Default, Deserialize)]
struct Graph {
    targets: Vec<String>,
}

/// `[licenses]`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Licenses {
    /// SPDX identifiers allowed for every crate.
    pub allow: Vec<String>,
    /// More, for single crates.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// `[[licenses.exceptions]]`.
#[derive(Debug, Deserialize)]
pub(super) struct Exception {
    /// The crate's name.
    #[serde(rename = "crate")]
    pub name: String,
    /// SPDX identifiers allowed for it.
    pub allow: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Bans {
    #[serde(default)]
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    #[serde(default)]
    reason: String,
}

impl Policy {
    /// Reads `deny.toml`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("cannot read deny.toml")
    }
}

/// Crates that would bring IO or randomness of their own into kiosk-core. Calendars are welcome there;
/// the clocks in them are banned call by call in its `clippy.toml`.
const IMPURE: &str = "\
    async-std aws-lc-rs aws-lc-sys axum curl evdev fs2 getrandom h2 hal hyper i-slint-core \
    isahc kiosk-outbox kiosk-uplink mio nix notify parking_lot rand reqwest ring rusb rusqlite \
    rustix rustls serialport sled slint smol socket2 sqlx tempfile tokio tracing ureq walkdir";

/// What a build of kiosk-core alone links.
pub(super) fn linked_by_core() -> Result<BTreeSet<Linked>> {
    linked(&["--package", "kiosk-core", "--edges", "normal"])
}

/// What our crates link and run while building, every feature on, on the targets of `deny.toml`.
pub(super) fn linked_by_all(policy: &Policy) -> Result<BTreeSet<Linked>> {
    let mut args = vec!["--workspace", "--all-features", "--edges", "normal,build"];
    for target in &policy.graph.targets {
        args.extend(["--target", target]);
    }
    linked(&args)
}

/// kiosk-core links nothing of [`IMPURE`].
pub(super) fn check_core(linked: &BTreeSet<Linked>) -> Vec<Finding> {
    let manifest = Source { path: "kiosk-app/core/Cargo.toml".into(), text: String::new() };
    let impure = linked.iter().filter(|linked| IMPURE.split_whitespace().any(|name| name == linked.name));
    impure
        .map(|linked| {
            let remedy = format!(
                "kiosk-core links {}; pass its result in (cargo tree -p kiosk-core -i {})",
                linked.name, linked.name
            );
            manifest.finding(1, "pure", remedy)
        })
        .collect()
}

/// Nothing of `bans.deny` is linked.
pub(super) fn check_bans(deny: &Source, policy: &Policy, linked: &BTreeSet<Linked>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ban in &policy.bans.deny {
        for linked in linked.iter().filter(|linked| linked.name == ban.name) {
            let line = deny.line_of(&format!("\"{}\"", ban.name));
            let remedy = format!(
                "{} {} is banned ({}); cargo tree -i {} shows who brings it",
                linked.name, linked.version, ban.reason, linked.name
            );
            findings.push(deny.finding(line, "ban", remedy));
        }
    }
    findings
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::tidy) fn crates(list: &[(&str, &str)]) -> BTreeSet<Linked> {
        let linked = |&(name, licence): &(&str, &str)| Linked {
            name: name.into(),
            version: "1.0.0".into(),
            licence: licence.into(),
        };
        list.iter().map(linked).collect()
    }

    #[test]
    fn io_in_core_is_found() {
        assert_eq!(check_core(&crates(&[("serde", "MIT"), ("kiosk-core", "MIT")])), []);
        for name in ["tokio", "slint", "hal", "reqwest", "sled", "evdev", "rusb", "getrandom"] {
            assert_eq!(check_core(&crates(&[(name, "MIT")])).len(), 1, "{name}");
        }
    }

    #[test]
    fn a_banned_crate_is_found_at_its_line() {
        let text = "[graph]\ntargets = []\n[licenses]\nallow = []\n[bans]\ndeny = [\n\
                    { crate = \"openssl-sys\", reason = \"rustls\" },\n{ crate = \"openssl\" }]\n";
        let policy = Policy::parse(text).unwrap();
        let deny = Source { path: "deny.toml".into(), text: text.into() };
        let findings = check_bans(&deny, &policy, &crates(&[("openssl", "Apache-2.0")]));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 8);
        assert_eq!(check_bans(&deny, &policy, &crates(&[("rustls", "MIT")])), []);
    }

    #[test]
    fn a_broken_policy_is_an_error_not_a_pass() {
        assert!(Policy::parse("[licenses]\nallow = 3\n").is_err());
        assert!(Policy::parse("").is_err());
    }
}
