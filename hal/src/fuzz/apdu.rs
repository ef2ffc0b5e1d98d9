//! A command APDU, and a card that answers anything to it.
//!
//! Input: how the reader carries APDUs, the command as a piece, each answer as a piece.

use super::Feed;
use crate::card::chip::{
    apdu::{Apdu, ApduError},
    mapping::{Carrier, Mapping, Step},
};

/// GET RESPONSE.
const GET_RESPONSE: u8 = 0xC0;

pub(super) fn entry(data: &[u8]) {
    let mut feed = Feed(data);
    let carrier = match feed.byte() % 3 {
        0 => Carrier::Tpdu,
        1 => Carrier::Short,
        _ => Carrier::Extended,
    };
    let command = feed.piece().unwrap_or_default();
    let Ok(apdu) = Apdu::parse(command) else {
        assert!(Mapping::begin(command, carrier).is_err());
        return;
    };
    assert_eq!(Apdu::parse(&apdu.whole()), Ok(apdu.clone()), "a command written again is another");
    assert!(apdu.expected.is_none_or(|wanted| (1..=65_536).contains(&wanted)));
    assert_eq!(apdu.short().is_ok(), apdu.data.expose().len() < 256);
    match Mapping::begin(command, carrier) {
        Ok((mapping, first)) => exchange(&apdu, mapping, first.expose(), feed),
        Err(error) => assert_eq!(error, ApduError::TooLong),
    }
}

/// A command may go to the card again only when the card said by `6Cxx` that it did nothing.
fn exchange(apdu: &Apdu, mut mapping: Mapping, first: &[u8], mut feed: Feed<'_>) {
    let [_, instruction, ..] = apdu.header;
    assert!(first.starts_with(&apdu.header), "another command is sent");
    let most = apdu.expected.and_then(|most| usize::try_from(most).ok());
    let mut again = 0;
    while let Some(said) = feed.piece() {
        match mapping.handle(said) {
            Ok(Step::Send(next)) => {
                let fetches = next.expose().get(1) == Some(&GET_RESPONSE) && instruction != GET_RESPONSE;
                let did_nothing = matches!(said, [.., 0x6C, _]);
                again += usize::from(!fetches);
                assert!(fetches || did_nothing || instruction == GET_RESPONSE, "a command is sent twice");
                assert!(next.expose().len() >= 5, "less than a command is sent");
            }
            Ok(Step::Done(answer)) => {
                let length = answer.expose().len();
                assert!(length >= 2 && most.is_none_or(|most| length <= most + 2), "more than was wanted");
                break;
            }
            Err(error) => {
                assert!(matches!(error, ApduError::NoStatus | ApduError::Endless));
                break;
            }
        }
    }
    assert!(again <= 1 || instruction == GET_RESPONSE, "a command is sent three times");
}
