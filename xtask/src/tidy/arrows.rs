//! The arrows between our crates, and what every manifest of ours must say.
//!
//! Read from `cargo metadata`: dependencies, build dependencies and development dependencies
//! alike, because a test that reaches across the map pulls the code after it.
//!
//! Never: looks at crates that are not ours.

use super::{Finding, Source};
use crate::workspace::{Package, Workspace};
use anyhow::{Context as _, Result};
use std::{fs, path::Path};

/// Which of our crates each of our crates may name. The map in ARCHITECTURE.md draws the same.
const ALLOWED: &[(&str, &[&str])] = &[
    ("hal", &[]),
    ("kiosk-core", &[]),
    ("kiosk-outbox", &["kiosk-core"]),
    ("kiosk-uplink", &["kiosk-core"]),
    ("kiosk-gateway", &["kiosk-core"]),
    ("kiosk-app", &["hal", "kiosk-core", "kiosk-outbox", "kiosk-uplink"]),
    ("kiosk-tests", &["hal", "kiosk-core", "kiosk-outbox", "kiosk-uplink", "kiosk-gateway"]),
    ("kiosk-powercut", &["kiosk-core", "kiosk-outbox"]),
    ("kiosk-bench-outbox", &["kiosk-core", "kiosk-outbox"]),
    ("kiosk-vm", &["hal"]),
    ("xtask", &[]),
];

/// One of our crates, as far as its manifest tells.
#[derive(Debug)]
pub(super) struct Crate {
    name: String,
    manifest: Source,
    /// Our crates that it names, in any of the three tables.
    names: Vec<String>,
}

/// Our crates and their manifests.
pub(super) fn crates(workspace: &Workspace) -> Result<Vec<Crate>> {
    workspace.packages.iter().map(|package| read_crate(&workspace.root, package)).collect()
}

fn read_crate(root: &Path, package: &Package) -> Result<Crate> {
    let text = fs::read_to_string(&package.manifest_path)
        .with_context(|| format!("cannot read {}", package.manifest_path.display()))?;
    let path = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
    let ours = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
    Ok(Crate {
        name: package.name.clone(),
        manifest: Source { path: path.display().to_string(), text },
        names: ours.map(|dependency| dependency.name.clone()).collect(),
    })
}

/// A crate may name what [`ALLOWED`] lists for it, and itself (to switch features on for its tests).
pub(super) fn check(crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ours in crates {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == ours.name) else {
            let remedy =
                format!("give {} its arrows in xtask/src/tidy/arrows.rs and ARCHITECTURE.md", ours.name);
            findings.push(ours.manifest.finding(1, "arrow", remedy));
            continue;
        };
        for name in ours.names.iter().filter(|name| **name != ours.name) {
            if !allowed.contains(&name.as_str()) {
                let remedy = format!("{} must not depend on {name}; move what it needs", ours.name);
                findings.push(ours.manifest.finding(ours.manifest.line_of(name), "arrow", remedy));
            }
        }
    }
    findings
}

/// Every manifest says `[lints] workspace = true`.
pub(super) fn check_lints(crates: &[Crate]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for ours in crates {
        let manifest: toml::Table =
            ours.manifest.text.parse().with_context(|| format!("cannot read {}", ours.manifest.path))?;
        let taken = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if taken.and_then(toml::Value::as_bool) != Some(true) {
            findings.push(ours.manifest.finding(1, "lints", "add [lints] with workspace = true"));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(name: &str, text: &str, names: &[&str]) -> Crate {
        let manifest = Source { path: format!("{name}/Cargo.toml"), text: text.into() };
        Crate { name: name.into(), manifest, names: names.iter().map(|n| (*n).to_owned()).collect() }
    }

    #[test]
    fn an_arrow_off_the_map_is_found_where_it_is_written() {
        let text = "[package]\n[dev-dependencies]\nkiosk-core = { workspace = true }\n";
        let findings = check(&[ours("hal", text, &["kiosk-core"])]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().starts_with("hal/Cargo.toml:3: arrow: hal must not"));
    }

    #[test]
    fn nothing_depends_on_the_app_or_the_tests() {
        for (name, allowed) in ALLOWED {
            assert!(!allowed.contains(&"kiosk-app") && !allowed.contains(&"kiosk-tests"));
            assert_eq!(
                check(&[ours(name, "", &["kiosk-app", "kiosk-tests"])]).len(),
                if *name == "kiosk-app" || *name == "kiosk-tests" { 1 } else { 2 }
            );
        }
    }

    #[test]
    fn the_map_itself_is_clean_and_a_stranger_is_not() {
        let crates: Vec<Crate> = ALLOWED.iter().map(|(name, allowed)| ours(name, "", allowed)).collect();
        assert_eq!(check(&crates), []);
        assert_eq!(check(&[ours("kiosk-new", "", &[])]).len(), 1);
        assert_eq!(check(&[ours("hal", "", &["hal"])]), []);
    }

    #[test]
    fn a_crate_without_the_lints_is_found() {
        let with = ours("hal", "[lints]\nworkspace = true\n", &[]);
        let without = ours("hal", "[package]\n", &[]);
        let off = ours("hal", "[lints]\nworkspace = false\n", &[]);
        assert_eq!(check_lints(&[with]).unwrap(), []);
        assert_eq!(check_lints(&[without, off]).unwrap().len(), 2);
        assert!(check_lints(&[ours("hal", "not toml", &[])]).is_err());
    }
}
