//! What the state of devices and link means for the person standing there.
//!
//! | what | means |
//! |---|---|
//! | the agent is gone | out of service: nothing could be saved |
//! | no service in the catalogue | out of service: nothing to do here |
//! | the link is down | service goes on; what is sent waits here, and the screen says so |
//! | the printer cannot print | service goes on; told before the start, code shown on screen instead |
//! | card reader gone | the page that wants it says to type instead |
//! | document scanner gone | the page that wants it says to ask staff |
//! | barcode scanner gone | nobody is told to use it; a claim code can always be typed |
//!
//! Codes, for whoever mends it:
//!
//! | | missing | no paper | cover open | broken |
//! |---|---|---|---|---|
//! | receipt printer | K-201 | K-202 | K-203 | K-204; K-205 when only this job failed |
//! | card reader | K-211 | | | K-214 |
//! | document scanner | K-221 | | | K-224 |
//! | barcode scanner | K-231 | | | K-234 |
//!
//! Promises: a device that is not needed never stops the service. Every stop and every device that does not
//! serve has a code.
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
    /// Reads the square on a receipt.
    BarcodeScanner,
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

impl Condition {
    /// What a technician looks up when `device` is like this; empty when it serves.
    #[must_use]
    pub fn code(self, device: Device) -> &'static str {
        match (device, self) {
            (_, Self::Ready) => "",
            (Device::Printer, Self::Missing) => "K-201",
            (Device::Printer, Self::NoPaper) => "K-202",
            (Device::Printer, Self::CoverOpen) => "K-203",
            (Device::Printer, Self::Broken) => "K-204",
            (Device::CardReader, Self::Missing) => "K-211",
            (Device::CardReader, Self::NoPaper | Self::CoverOpen | Self::Broken) => "K-214",
            (Device::DocumentScanner, Self::Missing) => "K-221",
            (Device::DocumentScanner, Self::NoPaper | Self::CoverOpen | Self::Broken) => "K-224",
            (Device::BarcodeScanner, Self::Missing) => "K-231",
            (Device::BarcodeScanner, Self::NoPaper | Self::CoverOpen | Self::Broken) => "K-234",
        }
    }
}

/// A receipt was not printed although the printer says that it works.
pub const JOB_FAILED: &str = "K-205";

/// All a kiosk knows about its surroundings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    /// The receipt printer.
    pub printer: Condition,
    /// The card reader.
    pub card_reader: Condition,
    /// The document scanner.
    pub scanner: Condition,
    /// The barcode scanner.
    pub barcode: Condition,
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
            Device::BarcodeScanner => self.barcode = condition,
        }
    }

    /// A device's condition.
    #[must_use]
    pub fn condition(&self, device: Device) -> Condition {
        match device {
            Device::Printer => self.printer,
            Device::CardReader => self.card_reader,
            Device::DocumentScanner => self.scanner,
            Device::BarcodeScanner => self.barcode,
        }
    }

    /// Whether a device serves now.
    #[must_use]
    pub fn serves(&self, device: Device) -> bool {
        self.condition(device) == Condition::Ready
    }

    /// A device's code for staff; empty when it serves.
    #[must_use]
    pub fn code(&self, device: Device) -> &'static str {
        self.condition(device).code(device)
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

    #[test]
    fn every_device_that_does_not_serve_has_a_code_of_its_own() {
        let devices = [Device::Printer, Device::CardReader, Device::DocumentScanner, Device::BarcodeScanner];
        let mut codes = std::collections::BTreeSet::from([JOB_FAILED]);
        for device in devices {
            let mut health = Health::default();
            assert!(!health.serves(device) && codes.insert(health.code(device)));
            health.set(device, Condition::Broken);
            assert!(!health.serves(device) && codes.insert(health.code(device)));
            health.set(device, Condition::Ready);
            assert!(health.serves(device) && health.code(device).is_empty());
        }
        for condition in [Condition::NoPaper, Condition::CoverOpen] {
            assert!(codes.insert(condition.code(Device::Printer)));
        }
    }
}
