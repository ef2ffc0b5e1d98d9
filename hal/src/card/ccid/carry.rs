//! How a command APDU gets to the card and its answer back, at the reader's level.
//!
//! Promises: a long APDU goes in parts where the reader takes parts; a reply that says the card is gone is
//! [`CardError::Torn`], a silent card is [`CardError::Mute`]. Never: keeps a byte after the exchange.

use super::{
    descriptor::{Descriptor, Level},
    frame::{Body, Command, HEADER, Icc, Outcome, Reply, SlotError},
    link::Link,
};
use crate::{
    card::{
        CardBytes, CardError,
        chip::{
            apdu::ApduError,
            atr::Offer,
            mapping::{self, Carrier, Mapping},
            t1::{self, Heard, T1, T1Error, extend_zeroizing},
        },
    },
    device::{Deadline, DeviceError},
};
use std::time::Duration;
use zeroize::Zeroizing;

/// A reply takes no longer when the card's own times are shorter (libccid's default).
const REPLY_WAIT: Duration = Duration::from_secs(3);

/// What the reader and the bus may take beyond the card's time.
const MARGIN: Duration = Duration::from_secs(1);

/// The longest answer: an extended APDU's data and status word.
const ANSWER_MAX: usize = 65_538;

/// wLevelParameter and bChainParameter of an APDU in parts (6.1.4, 6.2.1).
const WHOLE: u8 = 0;
const FIRST: u8 = 1;
const LAST: u8 = 2;
const MIDDLE: u8 = 3;
const GO_ON: u8 = 0x10;

/// The way to one powered card.
pub(super) struct Way {
    kind: Kind,
    /// What the card may take for one block.
    block_wait: Duration,
}

enum Kind {
    Apdu(Carrier),
    T0,
    T1 {
        line: Box<T1>,
        /// The field size to tell the card.
        ifsd: u8,
    },
}

impl Way {
    pub(super) fn new(descriptor: &Descriptor, offer: &Offer, protocol: u8) -> Result<Self, DeviceError> {
        let kind = match descriptor.level {
            Level::Character => return Err(DeviceError::Unsupported("readers that exchange characters")),
            Level::ShortApdu => Kind::Apdu(Carrier::Short),
            Level::ExtendedApdu => Kind::Apdu(Carrier::Extended),
            Level::Tpdu if protocol == 1 => {
                let ifsd = u8::try_from(descriptor.ifsd_max.clamp(32, 254)).unwrap_or(32);
                let mut line = Box::new(T1::new(offer.check, offer.ifsc));
                if descriptor.tells_ifsd() {
                    line.set_ifsd(ifsd);
                }
                Kind::T1 { line, ifsd }
            }
            Level::Tpdu => Kind::T0,
        };
        let block_wait = Duration::from_millis(offer.waiting_ms(protocol, descriptor.clock_khz));
        Ok(Self { kind, block_wait })
    }

    /// One command and its answer.
    pub(super) fn transmit(
        &mut self,
        link: &mut Link,
        command: &[u8],
        deadline: Deadline,
    ) -> Result<CardBytes, CardError> {
        let carrier = match self.kind {
            Kind::Apdu(carrier) => carrier,
            Kind::T0 => Carrier::Tpdu,
            Kind::T1 { .. } => Carrier::Extended,
        };
        let (mut mapping, mut next) = Mapping::begin(command, carrier).map_err(apdu_error)?;
        loop {
            let answer = match &mut self.kind {
                Kind::Apdu(Carrier::Extended) => in_parts(link, &next, self.block_wait, deadline)?,
                Kind::Apdu(Carrier::Short | Carrier::Tpdu) | Kind::T0 => {
                    let reply = send(link, next, WHOLE, 1, self.block_wait, deadline)?;
                    data(reply)?.1
                }
                Kind::T1 { line, ifsd } => {
                    if line.ifsd() < *ifsd {
                        let tell = line.tell_ifsd(*ifsd);
                        by_t1(link, line, tell, self.block_wait, deadline)?;
                    }
                    let begin = line.begin(next);
                    by_t1(link, line, begin, self.block_wait, deadline)?
                }
            };
            match mapping.handle(answer.expose()).map_err(apdu_error)? {
                mapping::Step::Send(more) => next = more,
                mapping::Step::Done(answer) => return Ok(answer),
            }
        }
    }
}

fn by_t1(
    link: &mut Link,
    line: &mut T1,
    mut step: t1::Step,
    block_wait: Duration,
    deadline: Deadline,
) -> Result<CardBytes, CardError> {
    // A card that was silent up to the deadline is mute, whoever's patience ended first.
    let mut silent = false;
    let late = |silent| if silent { CardError::Mute } else { DeviceError::TimedOut.into() };
    loop {
        let (block, waits) = match step {
            t1::Step::Done(answer) => return Ok(answer),
            t1::Step::Send { block, waits } => (block, waits),
        };
        if deadline.passed() {
            return Err(late(silent));
        }
        let reply = match send(link, block, WHOLE, waits, block_wait, deadline) {
            Err(DeviceError::TimedOut) => return Err(late(silent)),
            reply => reply?,
        };
        silent = false;
        let handled = match (reply.icc, reply.outcome) {
            (Icc::Active, Outcome::Failed(SlotError::Parity | SlotError::Overrun)) => {
                line.handle(Heard::Damaged)
            }
            (Icc::Active, Outcome::Failed(SlotError::Mute)) => {
                silent = true;
                line.handle(Heard::Nothing)
            }
            (Icc::Active | Icc::Inactive | Icc::Absent, _) => {
                line.handle(Heard::Block(data(reply)?.1.expose()))
            }
        };
        step = handled.map_err(t1_error)?;
    }
}

/// An APDU that may be longer than a message, in parts; and its answer.
fn in_parts(
    link: &mut Link,
    apdu: &CardBytes,
    block_wait: Duration,
    deadline: Deadline,
) -> Result<CardBytes, CardError> {
    let most = link.descriptor.message_max - HEADER;
    let count = apdu.expose().len().div_ceil(most);
    let (mut chain, mut got) = (GO_ON, Zeroizing::new(Vec::new()));
    for (at, part) in apdu.expose().chunks(most).enumerate() {
        if chain != GO_ON {
            return Err(nonsense("an answer before the whole command").into());
        }
        let level = match (at, count) {
            (_, 1) => WHOLE,
            (0, _) => FIRST,
            (at, count) if at + 1 == count => LAST,
            _ => MIDDLE,
        };
        let reply = send(link, CardBytes::new(part.to_vec()), level, 1, block_wait, deadline)?;
        let (said, part) = data(reply)?;
        chain = said;
        extend_zeroizing(&mut got, part.expose());
    }
    loop {
        match chain {
            WHOLE | LAST => return Ok(CardBytes::new(std::mem::take(&mut *got))),
            FIRST | MIDDLE if deadline.passed() => return Err(DeviceError::TimedOut.into()),
            FIRST | MIDDLE if got.len() <= ANSWER_MAX => {}
            _ => return Err(nonsense("an answer in parts that do not fit").into()),
        }
        let more = send(link, CardBytes::new(Vec::new()), GO_ON, 1, block_wait, deadline)?;
        let (said, part) = data(more)?;
        chain = said;
        extend_zeroizing(&mut got, part.expose());
    }
}

fn send(
    link: &mut Link,
    data: CardBytes,
    level: u8,
    waits: u8,
    block_wait: Duration,
    deadline: Deadline,
) -> Result<Reply, DeviceError> {
    // bBWI multiplies the reader's own limit; 0 leaves it as it is.
    let bwi = if waits > 1 { waits } else { 0 };
    let command = Command::Transfer { bwi, level: u16::from(level), data };
    let wait = (block_wait * u32::from(waits) + MARGIN).max(REPLY_WAIT);
    link.exchange(&command, wait, deadline)
}

/// bChainParameter and the data of a reply that went well.
fn data(reply: Reply) -> Result<(u8, CardBytes), CardError> {
    match (reply.icc, reply.outcome, reply.body) {
        (_, Outcome::Done, Body::Data { chain, data }) => Ok((chain, data)),
        (Icc::Absent, _, _) => Err(CardError::Torn),
        (_, Outcome::Failed(error), _) => Err(slot_error(error)),
        (_, Outcome::Done | Outcome::MoreTime(_), _) => Err(nonsense("another kind of reply").into()),
    }
}

/// What a failed command means, the card being in.
pub(super) fn slot_error(error: SlotError) -> CardError {
    match error {
        SlotError::Mute | SlotError::BadTs | SlotError::BadTck | SlotError::Deactivated => CardError::Mute,
        SlotError::SlotBusy | SlotError::BusyAuto => DeviceError::Busy.into(),
        SlotError::Protocol | SlotError::CardClass => DeviceError::Unsupported("the card's protocol").into(),
        SlotError::Unsupported => DeviceError::Unsupported("a command of this driver").into(),
        SlotError::Aborted
        | SlotError::Parity
        | SlotError::Overrun
        | SlotError::Hardware
        | SlotError::ProcedureByte
        | SlotError::PinTimeout
        | SlotError::PinCancelled
        | SlotError::BadField(_)
        | SlotError::Other(_) => {
            DeviceError::Nonsense(format!("the reader failed with {:02X}", error.code())).into()
        }
    }
}

pub(in crate::card) fn apdu_error(error: ApduError) -> CardError {
    match error {
        ApduError::Shape => DeviceError::Unsupported("bytes that are no command APDU").into(),
        ApduError::TooLong => {
            DeviceError::Unsupported("commands of more than 255 bytes by this reader and card").into()
        }
        ApduError::NoStatus | ApduError::Endless => nonsense(&error.to_string()).into(),
    }
}

fn t1_error(error: T1Error) -> CardError {
    match error {
        T1Error::Dead => CardError::Mute,
        T1Error::Lost | T1Error::Aborted => nonsense(&error.to_string()).into(),
    }
}

fn nonsense(what: &str) -> DeviceError {
    DeviceError::Nonsense(what.to_owned())
}
