//! What the state of devices and link means for the person standing there.
//!
//! | what | means |
//! |---|---|
//! | the agent is gone | out of service: nothing could be saved |
//! | no service in the catalogue | out of service: nothing to do here |
//! | the link is down | service goes on; what is sent waits here, and the screen says so |
//! | the printer cannot print | service goes on; told before the start, code shown on screen instead |
//! | card reader or scanner gone | the page that wants it says to type instead, or to ask staff |
//!
//! Promises: a device that is not needed never stops the service. Every stop has a code.
//! Never: talks to a device.

/// The kinds of device a kiosk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Device {
    /// Prints receipts.
    Printer,
    /// Reads cards.
    CardReader,
    /// Scans sheets of paper.
    DocumentScanner,
}

/// Whether a device can serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// None is configured, or it is not there.
    #[default]
    Missing,
    /// Works.
    Ready,
    /// Works again once paper is refilled.
    NoPaper,
    /// Works again once a cover is closed.
    CoverOpen,
    /// Does not work; a technician is needed.
    Broken,
}

/// All a kiosk knows about its surroundings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    /// The receipt printer.
    pub printer: Condition,
    /// The card reader.
    pub card_reader: Condition,
    /// The document scanner.
    pub scanner: Condition,
    /// The agent answers on its socket.
    pub agent: bool,
    /// The last exchange with the gateway worked.
    pub link: bool,
}

/// Why a kiosk serves nobody now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfService {
    /// The agent does not answer: nothing could be saved.
    Agent,
    /// The catalogue is empty.
    Catalogue,
}

impl OutOfService {
    /// The code a technician looks up.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Agent => "K-101",
            Self::Catalogue => "K-102",
        }
    }
}

impl Health {
    /// Records a device's condition.
    pub fn set(&mut self, device: Device, condition: Condition) {
        match device {
            Device::Printer => self.printer = condition,
            Device::CardReader => self.card_reader = condition,
            Device::DocumentScanner => self.scanner = condition,
        }
    }

    /// Whether the kiosk must turn people away, and why.
    #[must_use]
    pub fn out_of_service(&self, services: usize) -> Option<OutOfService> {
        if !self.agent {
            Some(OutOfService::Agent)
        } else if services == 0 {
            Some(OutOfService::Catalogue)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_makes_saving_impossible_stops_the_service() {
        let mut health = Health { agent: true, ..Health::default() };
        assert_eq!(health.out_of_service(1), None);
        assert_eq!(health.out_of_service(0), Some(OutOfService::Catalogue));
        health.agent = false;
        assert_eq!(health.out_of_service(1), Some(OutOfService::Agent));
    }
}
