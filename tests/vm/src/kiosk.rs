//! hal opened as a kiosk opens it: from a config.

use crate::heard::Heard;
use anyhow::{Context as _, Result};
use hal::factory::{self, Config, Devices, Site};
use std::sync::mpsc::sync_channel;

/// As many events as hal may be ahead of us.
pub(crate) const CHANNEL: usize = 64;

/// Opens the devices of `config`; hal may be `channel` events ahead.
pub(crate) fn open(config: &str, channel: usize) -> Result<(Devices, Heard)> {
    let (sink, events) = sync_channel(channel);
    let devices = factory::open(&Config::from_toml(config)?, &Site::default(), &sink)?;
    Ok((devices, Heard::new(events)))
}

/// Lets one scan through.
pub(crate) fn arm_scanner(devices: &Devices) -> Result<()> {
    devices.scanner.as_ref().context("no scanner in the config")?.arm();
    Ok(())
}
