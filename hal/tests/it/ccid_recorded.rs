//! An exchange recorded from a reader and a card we did not write, replayed.
//!
//! QEMU 7.2's usb-ccid (TPDU level, T=0, negotiates by itself) with its emulated CAC card, over rusb on
//! Linux 6.1. Its parameters are announced as no bytes and are seven.

use crate::ccid::soon;
use hal::{
    Deadline, DeviceError,
    card::{
        Canceller, CardError, CardReader, ReaderKind,
        ccid::{CcidPipe, CcidReader, Told, descriptor::Descriptor},
    },
};
use std::{collections::VecDeque, sync::Arc};

/// The functional descriptor as read from the device.
const DESCRIPTOR: Descriptor = Descriptor {
    level: hal::card::ccid::descriptor::Level::Tpdu,
    voltages: 7,
    protocols: 1,
    clock_khz: 4000,
    rate_max: 115_200,
    ifsd_max: 254,
    message_max: 65_554,
    features: 0x1_04FE,
};

/// What was sent, and what came back.
const EXCHANGE: &[(&[u8], &[u8])] = &[
    (&[0x65, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    (
        &[0x62, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        &[
            0x80, 0x0F, 0, 0, 0, 0, 1, 0, 0, 0, 0x3B, 0x7A, 0x18, 0, 0, 0x73, 0x66, 0x74, 0x65, 0x20, 0x63,
            0x64, 0x31, 0x34, 0x34,
        ],
    ),
    (&[0x6C, 0, 0, 0, 0, 0, 2, 0, 0, 0], &[0x82, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0xFE, 0]),
    (
        &[0x6F, 0x0C, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0xA4, 4, 0, 7, 0xA0, 0, 0, 0, 0x79, 1, 0],
        &[0x80, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0x61, 0x0D],
    ),
    (
        &[0x6F, 5, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0xC0, 0, 0, 0x0D],
        &[
            0x80, 0x0F, 0, 0, 0, 0, 4, 0, 0, 0, 0x6F, 0x0B, 0x84, 7, 0xA0, 0, 0, 0, 0x79, 1, 0, 0xA5, 0,
            0x90, 0,
        ],
    ),
    (
        &[0x62, 0, 0, 0, 0, 0, 5, 0, 0, 0],
        &[
            0x80, 0x0F, 0, 0, 0, 0, 5, 0, 0, 0, 0x3B, 0x7A, 0x18, 0, 0, 0x73, 0x66, 0x74, 0x65, 0x20, 0x63,
            0x64, 0x31, 0x34, 0x34,
        ],
    ),
    (&[0x6C, 0, 0, 0, 0, 0, 6, 0, 0, 0], &[0x82, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0xFE, 0]),
    (
        b"\x6F\x13\0\0\0\0\x07\0\0\0\0\xA4\x04\0\x0E1PAY.SYS.DDF01",
        &[0x80, 2, 0, 0, 0, 0, 7, 0, 0, 0, 0x6A, 0x82],
    ),
    (&[0x63, 0, 0, 0, 0, 0, 8, 0, 0, 0], &[0x81, 0, 0, 0, 0, 0, 8, 1, 0, 0]),
];

struct Replay(VecDeque<&'static (&'static [u8], &'static [u8])>);

impl Drop for Replay {
    fn drop(&mut self) {
        assert!(self.0.is_empty() || std::thread::panicking(), "{} messages were not sent", self.0.len());
    }
}

impl CcidPipe for Replay {
    fn descriptor(&self) -> Descriptor {
        DESCRIPTOR
    }

    fn packet(&self) -> usize {
        64
    }

    fn has_notices(&self) -> bool {
        true
    }

    fn send(&mut self, message: &[u8], _: Deadline) -> Result<(), DeviceError> {
        assert_eq!(self.0.front().map(|(sent, _)| *sent), Some(message));
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], _: Deadline) -> Result<usize, DeviceError> {
        let (_, came) = self.0.pop_front().expect("a reply");
        let filled = buffer.iter_mut().zip(*came).map(|(place, byte)| *place = *byte);
        Ok(filled.count())
    }

    fn notice(&mut self, _: &mut [u8], _: Deadline) -> Result<Told, DeviceError> {
        Ok(Told::Nothing)
    }

    fn canceller(&self) -> Canceller {
        Arc::new(|| {})
    }

    fn abort(&mut self, _: u8, _: u8, _: Deadline) -> Result<(), DeviceError> {
        Err(DeviceError::Unsupported("abort"))
    }
}

#[test]
fn qemus_reader_and_card_are_understood() {
    let pipe = Replay(EXCHANGE.iter().collect());
    let mut reader = CcidReader::open(Box::new(pipe), ReaderKind::Dip, soon()).unwrap();
    assert_eq!(reader.power_on(soon()).unwrap().bytes()[..3], [0x3B, 0x7A, 0x18]);
    let select = [0, 0xA4, 4, 0, 7, 0xA0, 0, 0, 0, 0x79, 1, 0, 0];
    let selected = [0x6F, 0x0B, 0x84, 7, 0xA0, 0, 0, 0, 0x79, 1, 0, 0xA5, 0, 0x90, 0];
    assert_eq!(reader.transmit(&select, soon()).unwrap().expose(), selected);
    assert!(matches!(reader.read_identifier(soon()), Err(CardError::NoNumber)));
}
