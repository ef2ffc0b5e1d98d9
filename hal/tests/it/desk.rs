//! A desk with simulated devices on it: a world, what the factory opened, and what they say.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use hal::{
    Event, card,
    factory::{self, Config, Devices, Site},
    scanner,
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

    /// The next event that is not about health, which is the card reader's.
    pub(crate) fn next_card(&self) -> card::Event {
        match self.next() {
            Event::Card(event) => event,
            other => panic!("{other:?}"),
        }
    }

    /// The next event that is not about health, which is the barcode scanner's.
    pub(crate) fn next_scan(&self) -> scanner::Event {
        match self.next() {
            Event::Scanner(event) => event,
            other => panic!("{other:?}"),
        }
    }

    /// What is told of a swipe, which is a card that came and went.
    pub(crate) fn next_swipe(&self) -> card::Event {
        assert!(matches!(self.next_card(), card::Event::Inserted));
        let told = self.next_card();
        assert!(matches!(self.next_card(), card::Event::Removed));
        told
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

/// The number that was delivered.
pub(crate) fn number(event: card::Event) -> String {
    match event {
        card::Event::Read { card, .. } => card.number.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}
