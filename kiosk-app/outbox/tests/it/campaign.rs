//! A small dose of each campaign; `cargo xtask campaign` gives the full one.

#[path = "../../examples/campaign/flips.rs"]
mod flips;
#[path = "../../examples/campaign/kills.rs"]
mod kills;
#[path = "../../examples/campaign/stock.rs"]
mod stock;
#[path = "../../examples/campaign/worker.rs"]
mod worker;

use std::{env, path::Path, process::Command};

const CHILD: &str = "KIOSK_OUTBOX_CAMPAIGN_CHILD";
const FLIPS: u64 = 40;
const RECORDS: u64 = 200;
/// Enough for every named step once.
const KILLS: u64 = 40;
const SEED: u64 = 4;

#[test]
fn flipped_bits() {
    let found = flips::run(FLIPS, RECORDS, SEED).unwrap();
    assert!(found.is_good(), "{}", found.line());
}

#[test]
fn kills_at_every_named_step() {
    if let Some(dir) = env::var_os(CHILD) {
        let base = env::var("KIOSK_OUTBOX_CAMPAIGN_BASE").unwrap();
        return worker::work(Path::new(&dir), base.parse().unwrap()).unwrap();
    }
    let work = |dir: &Path, base: u64| {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "campaign::kills_at_every_named_step", "--nocapture", "--test-threads=1"]);
        child.env(CHILD, dir).env("KIOSK_OUTBOX_CAMPAIGN_BASE", base.to_string());
        child
    };
    let found = kills::run(KILLS, SEED, &work).unwrap();
    assert!(found.is_good(), "{}", found.line());
}
