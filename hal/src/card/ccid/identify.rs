//! What number a chip bears, if any we know.
//!
//! | chip | asked | answer |
//! |---|---|---|
//! | any but a memory card | SELECT `1PAY.SYS.DDF01`, without contacts `2PAY.SYS.DDF01` | `90`, `61`, `62`, `63`, `6A81`: a payment card |
//! | | | `6A82`, `6A86`, `6A87`, `6B00`, `6D00`, `6E00`: none |
//! | | garbled: new power, once more | garbled again, or another status: nothing is read |
//! | without contacts | `FF CA 00 00 00`, answered by the reader | UID of 4, 7 or 10 bytes, in hexadecimal |
//! | with contacts | | no number |
//!
//! The UID is an identifier, not authentication: it can be copied. A four-byte UID that begins with `08` is
//! drawn anew at each presentation (ISO/IEC 14443-3 section 6.5.4) and is no number.
//!
//! Source: EMV book 1 sections 11.3.5 and 12.3.2 (`6A81`: the card is blocked) and contactless book B (payment
//! system environments); ISO/IEC 7816-4 section 5.6 (status words); PC/SC part 3 section 3.2.2.1.3 (GET DATA).
//!
//! Promises: what a payment card says is zeroed unread; a UID is asked for only once the card itself said that
//! it has no such application. Never: selects a card's application for payment; takes a lost answer for a *no*.

use crate::{
    card::{CardData, CardError, CardRead, CardReader, Source, chip::atr::Offer},
    device::{Deadline, DeviceError},
};
use std::fmt::Write;
use zeroize::Zeroizing;

/// SELECT by name, first occurrence, any length of answer.
const BY_CONTACT: &[u8; 20] = b"\x00\xA4\x04\x00\x0E1PAY.SYS.DDF01\x00";
const WITHOUT_CONTACT: &[u8; 20] = b"\x00\xA4\x04\x00\x0E2PAY.SYS.DDF01\x00";

/// GET DATA, the UID.
const GET_UID: [u8; 5] = [0xFF, 0xCA, 0, 0, 0];

/// Reads the identifier of the card in `reader`.
pub(in crate::card) fn read(reader: &mut dyn CardReader, deadline: Deadline) -> Result<CardRead, CardError> {
    let contactless = match look(reader, deadline) {
        // An exchange that was garbled says nothing of the card: once more, with new power.
        Err(CardError::Device(DeviceError::Nonsense(why))) => {
            tracing::debug!(%why, "whether a card is for payment is asked once more");
            look(reader, deadline)?
        }
        looked => looked?,
    };
    if !contactless {
        return Err(CardError::NoNumber);
    }
    let answer = reader.transmit(&GET_UID, deadline)?;
    let Some((uid, [0x90, 0])) = answer.expose().split_last_chunk::<2>() else {
        return Err(CardError::NoNumber);
    };
    Ok(CardRead { source: Source::Contactless, number: number(uid).ok_or(CardError::NoNumber)? })
}

/// Gives power; whether the card that is no payment card has no contacts.
fn look(reader: &mut dyn CardReader, deadline: Deadline) -> Result<bool, CardError> {
    let atr = reader.power_on(deadline)?;
    let contactless = Offer::is_contactless(atr.bytes());
    let memory = contactless && Offer::parse(atr.bytes()).is_ok_and(|offer| offer.is_memory());
    if !memory {
        let select = if contactless { WITHOUT_CONTACT } else { BY_CONTACT };
        refuse_payment(reader.transmit(select, deadline)?.expose())?;
    }
    Ok(contactless)
}

/// What the card says of the payment environment: only its own *no such application* is a no.
fn refuse_payment(answer: &[u8]) -> Result<(), CardError> {
    match answer {
        // A warning still means that the name was found; so do more bytes, a blocked file and a blocked card.
        [.., 0x90 | 0x61..=0x63, _] | [.., 0x6A, 0x81] => Err(CardError::Payment),
        // Not found; no selection by name (P1-P2, Lc); no SELECT; no such class.
        [.., 0x6A, 0x82 | 0x86 | 0x87] | [.., 0x6B | 0x6D | 0x6E, 0x00] => Ok(()),
        [.., _, _] => Err(CardError::NoNumber),
        [] | [_] => Err(DeviceError::Nonsense("an answer without a status word".to_owned()).into()),
    }
}

/// The UID in hexadecimal; `None` when it is random or has no UID's length.
fn number(uid: &[u8]) -> Option<CardData> {
    let fixed = match uid {
        [0x08, _, _, _] => false,
        _ => matches!(uid.len(), 4 | 7 | 10),
    };
    let mut text = Zeroizing::new(String::with_capacity(2 * uid.len()));
    for byte in uid {
        write!(text, "{byte:02X}").ok()?;
    }
    fixed.then(|| CardData::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{Atr, CardBytes, CardStatus, ReaderKind, Slot};
    use proptest::prelude::*;

    #[test]
    fn a_fixed_uid_is_a_number_and_a_random_one_is_none() {
        let text = |uid: &[u8]| number(uid).map(|number| number.expose().to_owned());
        assert_eq!(text(&[0x04, 0xA2, 0x2B, 0x11, 0x5C, 0x80, 0x0F]), Some("04A22B115C800F".to_owned()));
        assert_eq!(text(&[0xDE, 0xAD, 0xBE, 0xEF]), Some("DEADBEEF".to_owned()));
        assert_eq!(text(&[0x08, 1, 2, 3]), None);
        assert_eq!(
            text(&[0x08, 1, 2, 3, 4, 5, 6]),
            Some("08010203040506".to_owned()),
            "seven bytes are fixed"
        );
        assert_eq!(text(&[1, 2, 3]), None);
        assert_eq!(text(&[]), None);
    }

    /// Gives the same answer to every SELECT, and a UID to whoever asks.
    struct Says {
        select: fn() -> Result<Vec<u8>, CardError>,
        powered: u32,
        asked: u32,
    }

    impl CardReader for Says {
        fn kind(&self) -> ReaderKind {
            ReaderKind::Contactless
        }

        fn status(&mut self, _: Deadline) -> Result<Slot, DeviceError> {
            Ok(Slot { status: CardStatus::Present, cards: 1 })
        }

        fn wait_change(&mut self, deadline: Deadline) -> Result<Slot, DeviceError> {
            self.status(deadline)
        }

        fn power_on(&mut self, _: Deadline) -> Result<Atr, CardError> {
            self.powered += 1;
            Atr::new(vec![0x3B, 0x82, 0x80, 1, 0x50, 0x50, 0x03]).ok_or(CardError::Mute)
        }

        fn transmit(&mut self, apdu: &[u8], _: Deadline) -> Result<CardBytes, CardError> {
            if apdu == GET_UID {
                self.asked += 1;
                return Ok(CardBytes::new(vec![4, 1, 2, 3, 4, 5, 6, 0x90, 0]));
            }
            (self.select)().map(CardBytes::new)
        }
    }

    fn said(select: fn() -> Result<Vec<u8>, CardError>) -> (Result<CardRead, CardError>, u32, u32) {
        let mut reader = Says { select, powered: 0, asked: 0 };
        let read = read(&mut reader, Deadline::after(std::time::Duration::from_secs(1)));
        (read, reader.powered, reader.asked)
    }

    #[test]
    fn a_garbled_answer_is_asked_for_once_more_and_is_never_a_no() {
        let (read, powered, asked) = said(|| Err(DeviceError::Nonsense("FB".to_owned()).into()));
        assert!(matches!(read, Err(CardError::Device(DeviceError::Nonsense(_)))), "{read:?}");
        assert_eq!((powered, asked), (2, 0), "new power once, and the UID was not asked for");
        let (read, powered, asked) = said(|| Ok(vec![0x90]));
        assert!(matches!(read, Err(CardError::Device(DeviceError::Nonsense(_)))), "{read:?}");
        assert_eq!((powered, asked), (2, 0));
    }

    #[test]
    fn only_no_such_application_is_a_no() {
        let (read, powered, asked) = said(|| Ok(vec![0x6A, 0x82]));
        assert_eq!((read.unwrap().number.expose(), powered, asked), ("04010203040506", 1, 1));
        let (read, _, asked) = said(|| Ok(vec![0x6A, 0x81]));
        assert!(matches!(read, Err(CardError::Payment)), "a blocked card pays no less: {read:?}");
        assert_eq!(asked, 0);
        let (read, _, asked) = said(|| Ok(vec![0x69, 0x85]));
        assert!(matches!(read, Err(CardError::NoNumber)), "{read:?}");
        assert_eq!(asked, 0);
    }

    proptest! {
        #[test]
        fn any_answer_without_a_no_gives_nothing(answer: Vec<u8>) {
            let no = matches!(answer[..], [.., 0x6A, 0x82 | 0x86 | 0x87] | [.., 0x6B | 0x6D | 0x6E, 0]);
            prop_assert_eq!(refuse_payment(&answer).is_ok(), no);
        }

        #[test]
        fn any_uid_is_survived(uid: Vec<u8>) {
            prop_assert_eq!(number(&uid).is_some(), matches!(uid.len(), 4 | 7 | 10) && !(uid.len() == 4 && uid[0] == 8));
        }
    }
}
