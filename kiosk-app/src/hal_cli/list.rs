//! `kiosk hal list`: what is configured, what is plugged in, and what may not be opened.
//!
//! Promises: a device that may not be opened is listed with the reason; no device is opened for more than its
//! name, so that a shell that runs is not disturbed. Never: says that a device works; `test` does.

use super::{console::Console, which::Which};
use anyhow::Result;
use hal::{
    Class, Selector,
    counters::{self, Counts, DeviceKey},
    factory::{self, Found},
    selftest::targets,
};
use rustix::fs::{Access, access};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// What --selector names.
    #[arg(value_enum)]
    class: Option<super::which::ClassName>,
    /// The folder with the counters, when the config does not name it.
    #[arg(long)]
    counters: Option<PathBuf>,
}

/// One line of the list.
struct Listed {
    class: Class,
    selector: Selector,
    configured: bool,
    health: &'static str,
    name: Option<String>,
    why: Option<String>,
}

pub(super) fn run(args: &Args, console: &mut Console<'_>) -> Result<bool> {
    let class = args.class.map(Class::from);
    let chosen = if args.which.is_empty() { Default::default() } else { args.which.choose(class)? };
    let mut found = factory::list();
    let targets = targets(&chosen.config).into_iter();
    let mut all: Vec<_> =
        targets.map(|target| configured(target.class, target.selector, &mut found)).collect();
    let missing = all.iter().filter(|listed| matches!(listed.health, "not-found" | "denied")).count();
    let configured = all.len();
    all.extend(found.into_iter().map(plugged));
    let denied = all.iter().filter(|listed| listed.health == "denied").count();
    let folder = args.counters.as_ref().or(chosen.counters.as_ref());
    let (mut counts, damaged) = match folder.map(|folder| counters::read(folder)) {
        Some(Ok(counts)) => (counts, None),
        Some(Err(error)) => (Counts::new(), Some(error.to_string())),
        None => (Counts::new(), None),
    };
    for listed in &all {
        tell(listed, &mut counts, console)?;
    }
    for (key, counters) in &counts {
        let key = key.to_string();
        let text = format!("{key}: not configured here\n  {}", figures(counters.iter()));
        console.say("counters", &text, json!({ "key": key, "counters": counters }))?;
    }
    if let Some(why) = &damaged {
        console.say("counters", &format!("counters: {why}"), json!({ "why": why }))?;
    }
    let well = missing == 0 && damaged.is_none();
    let figures = [
        ("devices", all.len()),
        ("configured", configured),
        ("configured but missing or denied", missing),
        ("denied", denied),
        ("counter files damaged", usize::from(damaged.is_some())),
    ];
    console.summary("list", well, &figures)?;
    Ok(well)
}

/// A configured device, which takes what was found of it off the list.
fn configured(class: Class, selector: Selector, found: &mut Vec<Found>) -> Listed {
    let at = found.iter().position(|found| same(&selector, &found.selector));
    if let Some(found) = at.map(|at| found.remove(at)) {
        return Listed { class, selector, configured: true, ..plugged(found) };
    }
    let (health, why) = match &selector {
        Selector::Usb { .. } => ("not-found", None),
        Selector::Node(path) => node(path),
        Selector::Replay(path) if path.exists() => ("present", None),
        Selector::Replay(_) => ("not-found", None),
        Selector::Tcp(_) | Selector::File(_) | Selector::Pcsc(_) => ("not-looked-for", None),
        Selector::Sim(_) => ("simulated", None),
    };
    Listed { class, selector, configured: true, health, name: None, why }
}

/// Whether a config's selector names what was found; one without a serial number names any of its kind.
fn same(configured: &Selector, found: &Selector) -> bool {
    match (configured, found) {
        (Selector::Usb { vendor, product, serial: None }, Selector::Usb { vendor: v, product: p, .. }) => {
            (vendor, product) == (v, p)
        }
        (Selector::Node(link), Selector::Node(node)) => link.canonicalize().is_ok_and(|real| real == *node),
        (configured, found) => configured == found,
    }
}

fn node(path: &Path) -> (&'static str, Option<String>) {
    if !path.exists() {
        return ("not-found", None);
    }
    match access(path, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) => ("present", None),
        Err(error) => ("denied", Some(error.to_string())),
    }
}

fn plugged(found: Found) -> Listed {
    let (health, name, why) = match found.name {
        Ok(name) => ("present", Some(name), None),
        Err(why) => ("denied", None, Some(why)),
    };
    Listed { class: found.class, selector: found.selector, configured: false, health, name, why }
}

fn tell(listed: &Listed, counts: &mut Counts, console: &mut Console<'_>) -> Result<()> {
    let Listed { class, selector, configured, health, name, why } = listed;
    let key = DeviceKey::of(*class, selector);
    let counters = counts.remove(&key).unwrap_or_default();
    let driver = factory::driver(*class, selector);
    let selector = selector.to_string();
    let mark = if *configured { "configured" } else { "not configured" };
    let mut text =
        format!("{} {selector}: {health}, {mark}, driver {}", class.name(), driver.unwrap_or("none"));
    for more in [name, why].into_iter().flatten() {
        text.push_str(&format!(", {more}"));
    }
    if !counters.is_empty() {
        text.push_str(&format!("\n  {}", figures(counters.iter())));
    }
    let object = json!({
        "class": class.name(), "selector": selector, "driver": driver, "configured": configured,
        "health": health, "name": name, "why": why, "key": key.to_string(), "counters": counters,
    });
    console.say("device", &text, object)
}

fn figures<'a>(counters: impl Iterator<Item = (&'a String, &'a u64)>) -> String {
    counters.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}
