//! Which protocol and speed a card is spoken to with.
//!
//! | reader (dwFeatures) | what we do |
//! |---|---|
//! | negotiates by itself, `40` | nothing; at TPDU level ask what came of it |
//! | agrees on what we set, `80` | SetParameters |
//! | neither | PPS when the card can do better than its default, then SetParameters |
//!
//! Source: USB CCID rev. 1.1, sections 5.1, 6.1.7; ISO/IEC 7816-3 sections 6.3 and 9.
//!
//! Promises: a card that offers nothing the reader speaks is refused; a speed beyond the reader's
//! dwMaxDataRate is never asked for.

use super::{
    descriptor::Descriptor,
    frame::{Body, Command, Outcome, Parameters, Reply},
    link::Link,
};
use crate::{
    card::{
        CardBytes, CardError,
        chip::{
            atr::{Check, Convention, DEFAULT_FIDI, Offer},
            pps::Pps,
        },
    },
    device::{Deadline, DeviceError},
};
use std::time::Duration;

/// A reader answers a command that reaches no card, or a card's PPS, within this.
const SETUP_WAIT: Duration = Duration::from_secs(1);

/// What will be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// T.
    pub(super) protocol: u8,
    /// Fi and Di.
    pub(super) fidi: u8,
    /// By a PPS of ours.
    pps: bool,
    /// By SetParameters.
    set: bool,
}

/// What to do for this card on this reader.
pub(super) fn plan(descriptor: &Descriptor, offer: &Offer) -> Result<Plan, DeviceError> {
    let spoken = |protocol: &u8| *protocol < 2 && descriptor.protocols >> *protocol & 1 == 1;
    let first = match offer.specific {
        Some(specific) => Some(specific.protocol).filter(spoken),
        None => offer.protocols.iter().copied().find(spoken),
    };
    let protocol = first.ok_or(DeviceError::Unsupported("the card's protocol"))?;
    let implicit = offer.specific.is_some_and(|specific| specific.implicit);
    let fidi = if implicit || !within(descriptor, offer.fidi) { DEFAULT_FIDI } else { offer.fidi };
    let (by_itself, on_set) = (descriptor.negotiates(), descriptor.agrees());
    let other = fidi != DEFAULT_FIDI || offer.protocols.first() != Some(&protocol);
    Ok(Plan {
        protocol,
        fidi,
        pps: !by_itself && !on_set && offer.specific.is_none() && other,
        set: !by_itself,
    })
}

fn within(descriptor: &Descriptor, fidi: u8) -> bool {
    Offer::factors(fidi).is_some_and(|(fi, di)| {
        let rate = u64::from(descriptor.clock_khz) * 1000 * u64::from(di) / u64::from(fi);
        rate <= u64::from(descriptor.rate_max)
    })
}

impl Plan {
    /// Carries it out; returns the protocol in force.
    pub(super) fn carry_out(
        self,
        link: &mut Link,
        offer: &Offer,
        deadline: Deadline,
    ) -> Result<u8, CardError> {
        if !self.set {
            return Ok(self.ask(link, deadline)?);
        }
        let mut fidi = self.fidi;
        if self.pps {
            let pps = Pps { protocol: self.protocol, fidi };
            let request = CardBytes::new(pps.request());
            let command = Command::Transfer { bwi: 0, level: 0, data: request };
            let reply = link.exchange(&command, SETUP_WAIT, deadline)?;
            fidi = match (&reply.outcome, &reply.body) {
                (Outcome::Done, Body::Data { data, .. }) => pps.agreed(data.expose()).ok(),
                _ => None,
            }
            .ok_or(CardError::Mute)?;
        }
        let parameters = Command::SetParameters(parameters(self.protocol, fidi, offer));
        let reply = link.exchange(&parameters, SETUP_WAIT, deadline)?;
        match reply.outcome {
            Outcome::Done => Ok(self.protocol),
            // A reader that configures itself may refuse to be told; the card speaks its default then.
            Outcome::Failed(error) if !self.pps => {
                tracing::debug!(?error, "the card reader keeps its own parameters");
                Ok(self.ask(link, deadline)?)
            }
            Outcome::Failed(_) | Outcome::MoreTime(_) => Err(CardError::Mute),
        }
    }

    /// The protocol the reader says it uses, or the planned one when it does not say.
    fn ask(self, link: &mut Link, deadline: Deadline) -> Result<u8, DeviceError> {
        let reply = link.exchange(&Command::GetParameters, SETUP_WAIT, deadline)?;
        match reply {
            Reply { outcome: Outcome::Done, body: Body::Parameters(Some(used)), .. } => Ok(used.number()),
            Reply { .. } => Ok(self.protocol),
        }
    }
}

fn parameters(protocol: u8, fidi: u8, offer: &Offer) -> Parameters {
    let inverse = u8::from(offer.convention == Convention::Inverse) << 1;
    if protocol == 1 {
        let check = u8::from(offer.check == Check::Crc);
        let waits = offer.bwi << 4 | offer.cwi;
        Parameters::T1([fidi, 0x10 | inverse | check, offer.guard, waits, 0, offer.ifsc, 0])
    } else {
        Parameters::T0([fidi, inverse, offer.guard, offer.wi, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::encode;
    use super::*;
    use crate::card::chip::atr::Specific;

    fn reader(features: u32) -> Descriptor {
        Descriptor::parse(&encode(0x1_0000 | features, 1, 271)).unwrap()
    }

    /// OsEID: T=0 and T=1, TA1 96.
    fn card() -> Offer {
        Offer::parse(&[0x3B, 0xD5, 0x96, 2, 0x80, 0x71, 0xFE, 0x65, 1, 0x4F, 0x73, 0x45, 0x49, 0x44, 0x5E])
            .unwrap()
    }

    #[test]
    fn each_kind_of_reader_gets_what_it_needs() {
        let made = |features| plan(&reader(features), &card()).unwrap();
        assert_eq!(made(0x40), Plan { protocol: 0, fidi: 0x96, pps: false, set: false });
        assert_eq!(made(0x80), Plan { protocol: 0, fidi: 0x96, pps: false, set: true });
        assert_eq!(made(0), Plan { protocol: 0, fidi: 0x96, pps: true, set: true });
        let slow = Offer { fidi: DEFAULT_FIDI, ..card() };
        assert!(!plan(&reader(0), &slow).unwrap().pps);
        let only_t1 = Descriptor { protocols: 2, ..reader(0) };
        let second = plan(&only_t1, &slow).unwrap();
        assert_eq!((second.protocol, second.pps), (1, true), "the second protocol is asked for by PPS");
        let none = Descriptor { protocols: 0, ..reader(0) };
        assert!(matches!(plan(&none, &card()), Err(DeviceError::Unsupported(_))));
    }

    #[test]
    fn no_speed_beyond_the_readers() {
        // 4 MHz * 32 / 512 is 250 kbit/s.
        let slow = Descriptor { rate_max: 200_000, ..reader(0) };
        assert_eq!(plan(&slow, &card()).unwrap().fidi, DEFAULT_FIDI);
    }

    #[test]
    fn a_card_in_specific_mode_is_spoken_to_as_it_says() {
        let only = |implicit| Offer { specific: Some(Specific { protocol: 1, implicit }), ..card() };
        let made = |implicit| plan(&reader(0), &only(implicit)).unwrap();
        assert_eq!(made(false), Plan { protocol: 1, fidi: 0x96, pps: false, set: true });
        assert_eq!(made(true), Plan { protocol: 1, fidi: DEFAULT_FIDI, pps: false, set: true });
    }

    #[test]
    fn parameters_are_those_seen_on_a_real_bus() {
        // The same card by libccid: 61 .. 01 .. 96 11 02 65 00 FE 00.
        assert_eq!(parameters(1, 0x96, &card()), Parameters::T1([0x96, 0x11, 2, 0x65, 0, 0xFE, 0]));
        let inverse = Offer { convention: Convention::Inverse, ..card() };
        assert_eq!(parameters(0, 0x11, &inverse), Parameters::T0([0x11, 2, 2, 10, 0]));
    }
}
