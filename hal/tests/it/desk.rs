//! A desk with simulated devices on it: a world, what the factory opened, and what they say.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use hal::{
    Event,
    factory::{self, Config, Devices, Site},
    sim::World,
};
use std::{
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

/// Nothing on the desk takes longer; a test that waits so long has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) devices: Devices,
    pub(crate) events: Receiver<Event>,
}

impl Desk {
    /// A desk with the devices of a `[devices]` table.
    pub(crate) fn with(config: &str) -> Self {
        let world = World::new();
        let config = Config::from_toml(config).unwrap();
        let (sink, events) = sync_channel(64);
        let devices = factory::open(&config, &Site { world: Some(world.clone()) }, &sink).unwrap();
        Self { world, devices, events }
    }

    /// The next event that is not about health.
    pub(crate) fn next(&self) -> Event {
        loop {
            let event = self.events.recv_timeout(LIMIT).expect("an event in time");
            if !matches!(event, Event::Health { .. }) {
                return event;
            }
        }
    }

    /// Passes over events until the device's health is this.
    pub(crate) fn until_health(&self, wanted: &hal::Health) {
        loop {
            let event = self.events.recv_timeout(LIMIT).expect("a health in time");
            if matches!(&event, Event::Health { health, .. } if health == wanted) {
                return;
            }
        }
    }
}
