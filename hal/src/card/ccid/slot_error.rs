//! Why a reader failed a command: bError. Pure.
//!
//! Source: USB CCID rev. 1.1, table 6.2-2.

/// Why a command failed (table 6.2-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotError {
    /// `FF`: aborted by us.
    Aborted,
    /// `FE`: the card says nothing.
    Mute,
    /// `FD`: parity.
    Parity,
    /// `FC`: overrun.
    Overrun,
    /// `FB`: hardware.
    Hardware,
    /// `F8`: the first byte of the answer to reset.
    BadTs,
    /// `F7`: its check byte.
    BadTck,
    /// `F6`: the card's protocol.
    Protocol,
    /// `F5`: the class of the card.
    CardClass,
    /// `F4`: a procedure byte that fits no command.
    ProcedureByte,
    /// `F3`: a protocol that is not active.
    Deactivated,
    /// `F2`: the reader is busy with a sequence of its own.
    BusyAuto,
    /// `F0`: nobody typed a PIN in time.
    PinTimeout,
    /// `EF`: the PIN was cancelled.
    PinCancelled,
    /// `E0`: another command is still being done.
    SlotBusy,
    /// `00`: the reader does not know the command.
    Unsupported,
    /// `01` to `7F`: this byte of the message is wrong; 5 is a slot that does not exist.
    BadField(u8),
    /// A number of the maker's own.
    Other(u8),
}

/// The errors with a name, by bError.
const NAMED: [(u8, SlotError); 16] = [
    (0xFF, SlotError::Aborted),
    (0xFE, SlotError::Mute),
    (0xFD, SlotError::Parity),
    (0xFC, SlotError::Overrun),
    (0xFB, SlotError::Hardware),
    (0xF8, SlotError::BadTs),
    (0xF7, SlotError::BadTck),
    (0xF6, SlotError::Protocol),
    (0xF5, SlotError::CardClass),
    (0xF4, SlotError::ProcedureByte),
    (0xF3, SlotError::Deactivated),
    (0xF2, SlotError::BusyAuto),
    (0xF0, SlotError::PinTimeout),
    (0xEF, SlotError::PinCancelled),
    (0xE0, SlotError::SlotBusy),
    (0x00, SlotError::Unsupported),
];

impl SlotError {
    /// Of bError.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        let named = NAMED.iter().find(|(number, _)| *number == code).map(|(_, error)| *error);
        named.unwrap_or(if code < 0x80 { Self::BadField(code) } else { Self::Other(code) })
    }

    /// bError.
    #[must_use]
    pub fn code(self) -> u8 {
        if let Self::BadField(code) | Self::Other(code) = self {
            return code;
        }
        NAMED.iter().find(|(_, error)| *error == self).map_or(0, |(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back() {
        for code in 0..=u8::MAX {
            assert_eq!(SlotError::from_code(code).code(), code);
        }
        assert_eq!(SlotError::from_code(0xFE), SlotError::Mute);
        assert_eq!(SlotError::from_code(5), SlotError::BadField(5));
        assert_eq!(SlotError::from_code(0xF1), SlotError::Other(0xF1));
    }
}
