//! What number a chip bears, if any we know.
//!
//! | chip | asked | answer |
//! |---|---|---|
//! | any but a memory card | SELECT `1PAY.SYS.DDF01`, without contacts `2PAY.SYS.DDF01` | taken: a payment card |
//! | without contacts | `FF CA 00 00 00`, answered by the reader | UID of 4, 7 or 10 bytes, in hexadecimal |
//! | with contacts | | no number |
//!
//! The UID is an identifier, not authentication: it can be copied. A four-byte UID that begins with `08` is
//! drawn anew at each presentation (ISO/IEC 14443-3 section 6.5.4) and is no number.
//!
//! Source: EMV book 1 section 12.2 and contactless book B (payment system environments); PC/SC part 3
//! section 3.2.2.1.3 (GET DATA).
//!
//! Promises: what a payment card says is zeroed unread. Never: selects a card's application for payment.

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
    let atr = reader.power_on(deadline)?;
    let contactless = Offer::is_contactless(atr.bytes());
    let memory = contactless && Offer::parse(atr.bytes()).is_ok_and(|offer| offer.is_memory());
    if !memory && pays(reader, contactless, deadline)? {
        return Err(CardError::Payment);
    }
    if !contactless {
        return Err(CardError::NoNumber);
    }
    let answer = reader.transmit(&GET_UID, deadline)?;
    let Some((uid, [0x90, 0])) = answer.expose().split_last_chunk::<2>() else {
        return Err(CardError::NoNumber);
    };
    Ok(CardRead { source: Source::Contactless, number: number(uid).ok_or(CardError::NoNumber)? })
}

fn pays(reader: &mut dyn CardReader, contactless: bool, deadline: Deadline) -> Result<bool, CardError> {
    let select = if contactless { WITHOUT_CONTACT } else { BY_CONTACT };
    match reader.transmit(select, deadline) {
        // A warning still means that the name was found; so does a file that is blocked.
        Ok(answer) => Ok(matches!(answer.expose(), [.., 0x90 | 0x62 | 0x63, _])),
        // A card that breaks the exchange off over an unknown name is no payment card.
        Err(CardError::Device(DeviceError::Nonsense(_))) => Ok(false),
        Err(error) => Err(error),
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

    proptest! {
        #[test]
        fn any_uid_is_survived(uid: Vec<u8>) {
            prop_assert_eq!(number(&uid).is_some(), matches!(uid.len(), 4 | 7 | 10) && !(uid.len() == 4 && uid[0] == 8));
        }
    }
}
