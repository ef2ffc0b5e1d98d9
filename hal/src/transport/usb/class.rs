//! The three requests of the USB printer class, as bytes. Pure.
//!
//! | request | bmRequestType | bRequest | wValue | wIndex | answer |
//! |---|---|---|---|---|---|
//! | `GET_DEVICE_ID` | A1h | 0 | index of the configuration | interface, setting | [`DeviceId`] |
//! | `GET_PORT_STATUS` | A1h | 1 | 0 | interface | [`PortStatus`] |
//! | `SOFT_RESET` | 21h, 23h on old devices | 2 | 0 | interface | none |
//!
//! Source: USB Device Class Definition for Printing Devices 1.1, chapter 4 (class-specific requests).
//!
//! [`DeviceId`]: super::DeviceId

/// Class request to an interface, device to host.
pub(super) const FROM_INTERFACE: u8 = 0xA1;
/// Class request to an interface, host to device; and the recipient that version 1.0 asked for.
pub(super) const TO_INTERFACE: [u8; 2] = [0x21, 0x23];
pub(super) const GET_DEVICE_ID: u8 = 0;
pub(super) const GET_PORT_STATUS: u8 = 1;
pub(super) const SOFT_RESET: u8 = 2;
/// The longest device id that is read.
pub(super) const DEVICE_ID_MAX: usize = 1024;

/// wIndex of `GET_DEVICE_ID`.
pub(super) fn device_id_index(interface: u8, alternate: u8) -> u16 {
    u16::from_be_bytes([interface, alternate])
}

/// The lines of a parallel port, as a USB printer plays them. Many receipt printers always say *fine*:
/// what `DLE EOT` answers is better wherever it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortStatus {
    /// No paper.
    pub paper_out: bool,
    /// On line.
    pub selected: bool,
    /// Something is wrong, paper perhaps.
    pub error: bool,
}

impl From<u8> for PortStatus {
    /// b5 paper empty, b4 selected, b3 *not* error.
    fn from(byte: u8) -> Self {
        Self { paper_out: byte & 0x20 != 0, selected: byte & 0x10 != 0, error: byte & 0x08 == 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_status_bits() {
        let status = |paper_out, selected, error| PortStatus { paper_out, selected, error };
        assert_eq!(PortStatus::from(0x18), status(false, true, false));
        assert_eq!(PortStatus::from(0x38), status(true, true, false));
        assert_eq!(PortStatus::from(0x30), status(true, true, true));
        assert_eq!(PortStatus::from(0x10), status(false, true, true));
        assert_eq!(PortStatus::from(0x00), status(false, false, true));
    }

    #[test]
    fn the_device_id_is_of_an_interface_and_a_setting() {
        assert_eq!(device_id_index(2, 1), 0x0201);
    }
}
