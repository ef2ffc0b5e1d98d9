//! `cargo xtask units`: systemd's, udev's and nftables' own word on what is installed on a unit.
//!
//! | check | program | fails on |
//! |---|---|---|
//! | `verify` | `systemd-analyze verify` | a line it does not know, a unit it does not find |
//! | `security` | `systemd-analyze security --offline=true` | exposure above [`EXPOSURE_MAX`] |
//! | `udev` | `udevadm verify` | a rule it does not take, a style it does not like |
//! | `nft` | `nft -c` | a rule set that the kernel would refuse |
//! | `street` | `ip netns`, as root | a packet that passes and should not, or should and does not |
//! | `blind` | each of them, on a file with a mistake | a mistake that is not found |
//!
//! The programs are those of Debian 13, which is what is flashed, fetched below `target/units` and run in a chroot: another
//! machine's systemd knows other lines.
//!
//! Promises: one line per finding; the last line is `units: files N, findings M, shell X.X, agent Y.Y`.
//! Never: starts a unit, or touches this machine's systemd, udev or packet filter.

mod street;
mod tools;

pub(crate) use street::knock;

use crate::{
    packages::{self, Purpose},
    workspace,
};
use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};
use tools::Tools;

/// The highest exposure that a role's sandbox may have.
const EXPOSURE_MAX: f64 = 1.5;
/// The units whose exposure is measured; the first two are in the last line.
const SANDBOXED: [&str; 3] = ["kiosk-shell.service", "kiosk-agent.service", "kiosk-fault.service"];

/// What is loaded on the unit's side of the street.
const FILTER: &str = "kiosk.nft";

/// Files with a mistake each, and the program that must see it.
const BROKEN: [(&str, &str, Check); 4] = [
    ("broken-key.service", "[Service]\nExecStart=/usr/bin/kiosk\nWatchdogSeconds=9\n", Check::Verify),
    ("broken-open.service", "[Service]\nExecStart=/usr/bin/kiosk\n", Check::Security),
    ("broken.rules", "SUBSYSTEM==\"usb\", GRUOP=\"kiosk-shell\"\n", Check::Udev),
    ("broken.nft", "table inet kiosk { chain input { tcp dport nowhere accept } }\n", Check::Nft),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Verify,
    Security,
    Udev,
    Nft,
}

/// `cargo xtask units`.
pub(crate) fn run() -> Result<ExitCode> {
    Ok(if report()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks every file and prints the findings. Whether there were none.
pub(crate) fn report() -> Result<bool> {
    if !packages::ensure(&[Purpose::Network], false)? {
        return Ok(false);
    }
    let workspace = workspace::load()?;
    let tools = Tools::find_or_fetch(&workspace.target.join("units"))?;
    let files = files(&workspace.root)?;
    let mut findings = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let place = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let staged =
            if place.ends_with(".service.d") { format!("{place}/{name}") } else { name.into_owned() };
        tools.stage(&staged, &text)?;
    }
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let place = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let subject = place.strip_suffix(".d").filter(|_| place.contains(".service")).unwrap_or(&name);
        findings.extend(check_of(subject).and_then(|check| finding(&tools, check, subject)));
    }
    let exposures: Vec<f64> = SANDBOXED.iter().map(|unit| exposure(&tools, unit)).collect::<Result<_>>()?;
    for (unit, exposure) in SANDBOXED.iter().zip(&exposures) {
        if *exposure > EXPOSURE_MAX {
            findings
                .push(format!("{unit}: security: exposure {exposure}; at most {EXPOSURE_MAX} is allowed"));
        }
    }
    findings.extend(street::findings(&tools, FILTER)?);
    findings.extend(blind(&tools)?);
    for finding in &findings {
        println!("{finding}");
    }
    println!("{}", last_line(files.len(), findings.len(), &exposures));
    Ok(findings.is_empty())
}

fn last_line(files: usize, findings: usize, exposures: &[f64]) -> String {
    let of = |n: usize| exposures.get(n).copied().unwrap_or(f64::NAN);
    format!("units: files {files}, findings {findings}, shell {:.1}, agent {:.1}", of(0), of(1))
}

/// Every file that one of the programs can judge, in a stable order.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in
        ["systemd", "systemd/nftables", "systemd/emergency.service.d", "systemd/rescue.service.d", "udev"]
    {
        let folder = root.join(folder);
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            let in_drop_in = folder.extension().is_some_and(|e| e == "d");
            if path.is_file() && (in_drop_in || check_of(&path.to_string_lossy()).is_some()) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Who judges a file of this name; `.example` is judged as what it is an example of.
fn check_of(name: &str) -> Option<Check> {
    let name = name.strip_suffix(".example").unwrap_or(name);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "service" | "socket" | "target" => Some(Check::Verify),
        "rules" => Some(Check::Udev),
        "nft" => Some(Check::Nft),
        _other => None,
    }
}

/// What the program says against a staged file; `None` when it says nothing.
fn finding(tools: &Tools, check: Check, name: &str) -> Option<String> {
    let (words, who) = match check {
        Check::Verify => {
            let words = ["/usr/bin/systemd-analyze", "verify", "--man=no", "--recursive-errors=no"];
            (words.to_vec(), "verify")
        }
        Check::Udev => (vec!["/usr/bin/udevadm", "verify", "--no-summary"], "udev"),
        Check::Nft => (vec!["/usr/sbin/nft", "-c", "-f"], "nft"),
        Check::Security => {
            let exposure = exposure(tools, name).map_or(f64::INFINITY, |exposure| exposure);
            return (exposure > EXPOSURE_MAX).then(|| format!("{name}: security: exposure {exposure}"));
        }
    };
    match tools.run(&words, &tools::staged(name)) {
        Ok((true, said)) if said.trim().is_empty() => None,
        Ok((_, said)) => {
            Some(format!("{name}: {who}: {}", said.split_whitespace().collect::<Vec<_>>().join(" ")))
        }
        Err(error) => Some(format!("{name}: {who}: {error:#}")),
    }
}

/// What `systemd-analyze security` makes of a staged unit: 0 is closed, 10 is open.
fn exposure(tools: &Tools, unit: &str) -> Result<f64> {
    let words = ["/usr/bin/systemd-analyze", "security", "--offline=true", "--no-pager"];
    let (_, said) = tools.run(&words, &tools::staged(unit))?;
    read_exposure(&said).with_context(|| format!("{unit}: systemd-analyze security said: {said}"))
}

fn read_exposure(said: &str) -> Option<f64> {
    let (_, after) = said.rsplit_once("Overall exposure level for ")?;
    after.split_once(": ")?.1.split_whitespace().next()?.parse().ok()
}

/// Stages a mistake for each program; the mistakes that were not found.
fn blind(tools: &Tools) -> Result<Vec<String>> {
    let mut unseen = Vec::new();
    for (name, text, check) in BROKEN {
        tools.stage(name, text)?;
        if finding(tools, check, name).is_none() {
            unseen.push(format!("{name}: blind: a mistake that must be found was not"));
        }
        tools.unstage(name)?;
    }
    Ok(unseen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposure_is_read_from_what_systemd_says() {
        let said = "✓ x=\n\n→ Overall exposure level for kiosk-shell.service: 0.4 SAFE\n";
        assert_eq!(read_exposure(said), Some(0.4));
        assert_eq!(read_exposure("→ Overall exposure level for a.service:"), None);
        assert_eq!(read_exposure(""), None);
    }

    #[test]
    fn every_file_of_ours_has_a_judge() {
        assert_eq!(check_of("kiosk-agent.socket"), Some(Check::Verify));
        assert_eq!(check_of("61-kiosk-site.rules.example"), Some(Check::Udev));
        assert_eq!(check_of("kiosk.nft"), Some(Check::Nft));
        assert_eq!(check_of("README.md"), None);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let found = files(&root).unwrap();
        for unit in SANDBOXED {
            assert!(found.iter().any(|path| path.ends_with(unit)), "{unit}");
        }
    }

    #[test]
    fn the_last_line_says_what_was_found() {
        assert_eq!(last_line(9, 0, &[0.4, 1.1, 0.4]), "units: files 9, findings 0, shell 0.4, agent 1.1");
    }
}
