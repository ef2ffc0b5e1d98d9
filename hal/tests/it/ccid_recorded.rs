//! An exchange recorded from a reader and a card we did not write, replayed.

use crate::{ccid::soon, recording::recorded};
use hal::{
    card::{CardError, CardReader, ReaderKind, ccid::CcidReader},
    recording::Replay,
};

#[test]
fn qemus_reader_and_card_are_understood() {
    let replay = Replay::load(&recorded("qemu-usb-ccid.rec")).unwrap();
    let mut reader = CcidReader::open(replay.pipe().unwrap(), ReaderKind::Dip, soon()).unwrap();
    assert_eq!(reader.power_on(soon()).unwrap().bytes()[..3], [0x3B, 0x7A, 0x18]);
    let select = [0, 0xA4, 4, 0, 7, 0xA0, 0, 0, 0, 0x79, 1, 0, 0];
    let selected = [0x6F, 0x0B, 0x84, 7, 0xA0, 0, 0, 0, 0x79, 1, 0, 0xA5, 0, 0x90, 0];
    assert_eq!(reader.transmit(&select, soon()).unwrap().expose(), selected);
    assert!(matches!(reader.read_identifier(soon()), Err(CardError::NoNumber)));
    drop(reader);
    assert_eq!(replay.verdict(), Ok(()));
}
