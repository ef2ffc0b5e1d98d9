//! What was run, as a table: written into `hal/README.md`, or compared with what stands there.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::{Became, DEVICES, Fault, Phase};
use std::{collections::BTreeSet, fmt::Write as _, path::Path};

const BEGIN: &str = "<!-- matrix: written by HAL_MATRIX=write, see below -->";
const END: &str = "<!-- matrix: end -->";

/// One cell and what became of it.
pub(super) struct Done {
    pub(super) fault: Fault,
    pub(super) device: &'static str,
    pub(super) phase: Phase,
    pub(super) became: Became,
}

pub(super) fn check_failures(done: &[Done]) {
    let mut failed = String::new();
    for Done { fault, device, phase, became } in done {
        if let Became::Failed(why) = became {
            writeln!(failed, "{device}, {fault:?}, {phase:?}: {why}").unwrap();
        }
    }
    assert!(failed.is_empty(), "failed:\n{failed}");
}

/// A scenario that is named must be in the virtual machine's list.
pub(super) fn check_scenarios(done: &[Done]) {
    let list = include_str!("../../../../tests/vm/src/scenario.rs");
    for cell in done {
        if let Became::Vm(scenario) = cell.became {
            assert!(list.contains(&format!("\"{scenario}\"")), "{scenario} is no scenario of the machine");
        }
    }
}

fn tell(done: &[Done], fault: Fault, device: &str) -> String {
    let cells = || done.iter().filter(|cell| cell.fault == fault && cell.device == device);
    let passed = cells().filter(|cell| cell.became == Became::Passed).count();
    let elsewhere = cells().filter(|cell| matches!(cell.became, Became::Vm(_))).count();
    let commands = cells().filter(|cell| matches!(cell.became, Became::By(_))).count();
    let mut said = Vec::new();
    if passed > 0 {
        said.push(passed.to_string());
    }
    if elsewhere > 0 {
        said.push(format!("{elsewhere} VM"));
    }
    if cells().any(|cell| cell.became == Became::Source) {
        said.push("source".to_owned());
    }
    if commands > 0 {
        said.push("cycles".to_owned());
    }
    if said.is_empty() { "n/a".to_owned() } else { said.join(" + ") }
}

fn table(done: &[Done]) -> String {
    let mut text = String::from("| fault |");
    DEVICES.iter().for_each(|device| write!(text, " {} |", device.name).unwrap());
    text.push_str("\n|---|");
    DEVICES.iter().for_each(|_| text.push_str("---|"));
    text.push('\n');
    for (fault, name) in Fault::ALL {
        write!(text, "| {name} |").unwrap();
        DEVICES.iter().for_each(|device| write!(text, " {} |", tell(done, fault, device.name)).unwrap());
        text.push('\n');
    }
    let count = |wanted: fn(&Became) -> bool| done.iter().filter(|cell| wanted(&cell.became)).count();
    let reasons: BTreeSet<_> = done
        .iter()
        .filter_map(|cell| match cell.became {
            Became::Na(why) => Some(why),
            Became::Vm(_) | Became::By(_) | Became::Source | Became::Passed | Became::Failed(_) => None,
        })
        .collect();
    writeln!(
        text,
        "\n{} cells: {} run and passed, {} shown in the virtual machine, {} by the plug cycles, {} by hal's sources, which name no clock but the monotonic one, {} n/a for one of {} \
         reasons that stand in `tests/it/matrix/`.",
        done.len(),
        count(|became| *became == Became::Passed),
        count(|became| matches!(became, Became::Vm(_))),
        count(|became| matches!(became, Became::By(_))),
        count(|became| *became == Became::Source),
        count(|became| matches!(became, Became::Na(_))),
        reasons.len(),
    )
    .unwrap();
    text
}

pub(super) fn check_readme(done: &[Done]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (stands, after) = rest.split_once(END).unwrap();
    let right = format!("\n\n{}\n", table(done));
    println!("hal matrix: {}", right.trim().lines().last().unwrap_or_default());
    if std::env::var_os("HAL_MATRIX").is_some_and(|wish| wish == "write") {
        std::fs::write(&path, format!("{before}{BEGIN}{right}{END}{after}")).unwrap();
    } else {
        assert!(
            stands == right,
            "hal/README.md says another matrix than was run; renew it: \
             HAL_MATRIX=write cargo nextest run -p hal --all-features matrix::\n{right}"
        );
    }
}
