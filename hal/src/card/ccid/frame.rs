//! CCID messages on the bulk and interrupt end points. Pure.
//!
//! ```text
//! 0            1         5      6     7                      10
//! bMessageType dwLength  bSlot  bSeq  3 bytes of the message  dwLength bytes of data
//!              (LE)                   in replies: bStatus, bError, one of the message
//! bStatus  7..6 0 done, 1 failed, 2 more time   1..0 0 active, 1 inactive, 2 no card
//! ```
//!
//! Source: USB CCID rev. 1.1, sections 6.1 to 6.3.
//!
//! Promises: what is encoded parses back the same; a frame whose length does not agree with itself, or
//! with a reserved value, is refused. Never: panics; shows data by `Debug`.

use super::super::CardBytes;
pub use super::slot_error::SlotError;
use zeroize::Zeroizing;

/// Bytes in front of the data of every bulk message.
pub const HEADER: usize = 10;

/// Which supply a card gets (table 6.1-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voltage {
    /// The reader chooses.
    Auto,
    /// 5 V.
    Five,
    /// 3 V.
    Three,
    /// 1.8 V.
    OneEight,
}

/// A message to the reader (section 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `62`: give the card power.
    PowerOn(Voltage),
    /// `63`: take it away.
    PowerOff,
    /// `65`: is there a card?
    SlotStatus,
    /// `6F`: a block for the card.
    Transfer {
        /// Block waiting times to add; at character level the protocol.
        bwi: u8,
        /// wLevelParameter: 0 for a whole APDU or TPDU, 1 first, 2 last, 3 middle part, `0x10` asks for
        /// the next part of the answer.
        level: u16,
        /// The block.
        data: CardBytes,
    },
    /// `6C`: what parameters are in use?
    GetParameters,
    /// `61`: use these.
    SetParameters(Parameters),
    /// `72`: give up the command whose number this message bears.
    Abort,
}

/// Parameters of a protocol (section 6.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// bmFindexDindex, bmTCCKST0, bGuardTimeT0, bWaitingIntegerT0, bClockStop.
    T0([u8; 5]),
    /// bmFindexDindex, bmTCCKST1, bGuardTimeT1, bmWaitingIntegersT1, bClockStop, bIFSC, bNadValue.
    T1([u8; 7]),
}

/// What is in the slot (bmICCStatus).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icc {
    /// A card with power.
    Active,
    /// A card without.
    Inactive,
    /// No card.
    Absent,
}

/// How a command ended (bmCommandStatus).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Done,
    /// Badly.
    Failed(SlotError),
    /// Not yet: the card asks for so many waiting times (BWT or WWT).
    MoreTime(u8),
}

/// A reply's own part (section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// `80`.
    Data {
        /// bChainParameter: 0 all, 1 first, 2 last, 3 middle part, `0x10` send me the next part.
        chain: u8,
        /// What the card said.
        data: CardBytes,
    },
    /// `81`; bClockStatus.
    Slot {
        /// 0 running, 1 to 3 stopped.
        clock: u8,
    },
    /// `82`; [`None`] when the command failed and the parameters are left out, or are none we know.
    Parameters(Option<Parameters>),
}

/// A message from the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// bSlot.
    pub slot: u8,
    /// The number of the command this answers.
    pub seq: u8,
    /// What is in the slot.
    pub icc: Icc,
    /// How the command ended.
    pub outcome: Outcome,
    /// The rest.
    pub body: Body,
}

/// A message on the interrupt end point (section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `50`, for slot 0.
    SlotChange {
        /// A card is in.
        present: bool,
        /// It came, left or was swapped since the last message.
        changed: bool,
    },
    /// `51`: a hardware error such as over-current.
    HardwareError,
}

/// Bytes that are no CCID message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than the message has.
    #[error("a message is cut short")]
    Short,
    /// More.
    #[error("a message is followed by bytes of no message")]
    Long,
    /// No message has this type.
    #[error("no message has the type {0:02x}")]
    Type(u8),
    /// A value the standard reserves.
    #[error("a message has a reserved value")]
    Reserved,
}

impl Command {
    /// The message as sent.
    #[must_use]
    pub fn encode(&self, slot: u8, seq: u8) -> Zeroizing<Vec<u8>> {
        let (kind, own, data): (u8, [u8; 3], &[u8]) = match self {
            Self::PowerOn(voltage) => (0x62, [voltage.code(), 0, 0], &[]),
            Self::PowerOff => (0x63, [0; 3], &[]),
            Self::SlotStatus => (0x65, [0; 3], &[]),
            Self::Transfer { bwi, level, data } => {
                let [low, high] = level.to_le_bytes();
                (0x6F, [*bwi, low, high], data.expose())
            }
            Self::GetParameters => (0x6C, [0; 3], &[]),
            Self::SetParameters(parameters) => (0x61, [parameters.number(), 0, 0], parameters.bytes()),
            Self::Abort => (0x72, [0; 3], &[]),
        };
        encode(kind, slot, seq, own, data)
    }

    /// A message read back: slot, number, command. For the reader's side.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn parse(frame: &[u8]) -> Result<(u8, u8, Self), FrameError> {
        let Header { kind, slot, seq, own: [first, second, third], data } = Header::parse(frame)?;
        let command = match kind {
            0x62 => Self::PowerOn(Voltage::from_code(first)?),
            0x63 => Self::PowerOff,
            0x65 => Self::SlotStatus,
            0x6F => {
                let level = u16::from_le_bytes([second, third]);
                Self::Transfer { bwi: first, level, data: CardBytes::new(data.to_vec()) }
            }
            0x6C => Self::GetParameters,
            0x61 => Self::SetParameters(Parameters::parse(first, data)?),
            0x72 => Self::Abort,
            other => return Err(FrameError::Type(other)),
        };
        Ok((slot, seq, command))
    }
}

impl Reply {
    /// A message read.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn parse(frame: &[u8]) -> Result<Self, FrameError> {
        let Header { kind, slot, seq, own: [status, error, third], data } = Header::parse(frame)?;
        let icc = match status & 0b11 {
            0 => Icc::Active,
            1 => Icc::Inactive,
            2 => Icc::Absent,
            _ => return Err(FrameError::Reserved),
        };
        let outcome = match status >> 6 {
            0 => Outcome::Done,
            1 => Outcome::Failed(SlotError::from_code(error)),
            2 => Outcome::MoreTime(error),
            _ => return Err(FrameError::Reserved),
        };
        let body = match kind {
            0x80 => Body::Data { chain: third, data: CardBytes::new(data.to_vec()) },
            0x81 if data.is_empty() => Body::Slot { clock: third },
            0x81 => return Err(FrameError::Long),
            0x82 => Body::Parameters(Parameters::parse(third, data).ok()),
            other => return Err(FrameError::Type(other)),
        };
        Ok(Self { slot, seq, icc, outcome, body })
    }

    /// The message as sent. For the reader's side.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let icc = match self.icc {
            Icc::Active => 0,
            Icc::Inactive => 1,
            Icc::Absent => 2,
        };
        let (ended, error) = match self.outcome {
            Outcome::Done => (0, 0),
            Outcome::Failed(error) => (1, error.code()),
            Outcome::MoreTime(times) => (2, times),
        };
        let (kind, third, data): (u8, u8, &[u8]) = match &self.body {
            Body::Data { chain, data } => (0x80, *chain, data.expose()),
            Body::Slot { clock } => (0x81, *clock, &[]),
            Body::Parameters(None) => (0x82, 0, &[]),
            Body::Parameters(Some(parameters)) => (0x82, parameters.number(), parameters.bytes()),
        };
        encode(kind, self.slot, self.seq, [icc | ended << 6, error, third], data)
    }
}

impl Notice {
    /// A message read; the slots after the first are nobody's here.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        match bytes {
            [0x50, slots, ..] => {
                Ok(Self::SlotChange { present: slots & 0b01 != 0, changed: slots & 0b10 != 0 })
            }
            [0x51, _slot, _seq, _code, ..] => Ok(Self::HardwareError),
            [] | [0x50 | 0x51, ..] => Err(FrameError::Short),
            [other, ..] => Err(FrameError::Type(*other)),
        }
    }

    /// The message as sent. For the reader's side.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::SlotChange { present, changed } => {
                vec![0x50, u8::from(present) | u8::from(changed) << 1]
            }
            Self::HardwareError => vec![0x51, 0, 0, 1],
        }
    }
}

impl Parameters {
    /// bProtocolNum.
    #[must_use]
    pub fn number(&self) -> u8 {
        match self {
            Self::T0(_) => 0,
            Self::T1(_) => 1,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::T0(bytes) => bytes,
            Self::T1(bytes) => bytes,
        }
    }

    fn parse(number: u8, data: &[u8]) -> Result<Self, FrameError> {
        match number {
            0 => data.try_into().map(Self::T0).map_err(|_| FrameError::Short),
            1 => data.try_into().map(Self::T1).map_err(|_| FrameError::Short),
            _ => Err(FrameError::Reserved),
        }
    }
}

impl Voltage {
    fn code(self) -> u8 {
        match self {
            Self::Auto => 0,
            Self::Five => 1,
            Self::Three => 2,
            Self::OneEight => 3,
        }
    }

    fn from_code(code: u8) -> Result<Self, FrameError> {
        let all = [Self::Auto, Self::Five, Self::Three, Self::OneEight];
        all.into_iter().find(|voltage| voltage.code() == code).ok_or(FrameError::Reserved)
    }
}

/// How long the whole message is, once its header is there.
#[must_use]
pub fn announced(start: &[u8]) -> Option<usize> {
    let length = start.get(1..5)?.try_into().ok().map(u32::from_le_bytes)?;
    start.get(..HEADER)?;
    usize::try_from(length).ok()?.checked_add(HEADER)
}

struct Header<'a> {
    kind: u8,
    slot: u8,
    seq: u8,
    own: [u8; 3],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(frame: &'a [u8]) -> Result<Self, FrameError> {
        let &[kind, _, _, _, _, slot, seq, first, second, third, ref data @ ..] = frame else {
            return Err(FrameError::Short);
        };
        match announced(frame) {
            Some(length) if length == frame.len() => {}
            Some(length) if length < frame.len() => return Err(FrameError::Long),
            Some(_) | None => return Err(FrameError::Short),
        }
        Ok(Self { kind, slot, seq, own: [first, second, third], data })
    }
}

fn encode(kind: u8, slot: u8, seq: u8, own: [u8; 3], data: &[u8]) -> Zeroizing<Vec<u8>> {
    // A message never outgrows what a reader takes, see `Descriptor::message_max`.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut frame = Zeroizing::new(Vec::with_capacity(HEADER + data.len()));
    frame.push(kind);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&[slot, seq]);
    frame.extend_from_slice(&own);
    frame.extend_from_slice(data);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(data: &[u8]) -> CardBytes {
        CardBytes::new(data.to_vec())
    }

    /// Frames a real reader and the libccid driver exchanged, from the OsEID project's published log.
    #[test]
    fn frames_seen_on_a_real_bus_are_what_we_say() {
        let power = Command::PowerOn(Voltage::Auto).encode(0, 6);
        assert_eq!(power.as_slice(), [0x62, 0, 0, 0, 0, 0, 6, 0, 0, 0]);
        let atr = [0x3B, 0xD5, 0x96, 2, 0x80, 0x71, 0xFE, 0x65, 1, 0x4F, 0x73, 0x45, 0x49, 0x44, 0x5E];
        let mut frame = vec![0x80, 0x0F, 0, 0, 0, 0, 6, 0, 0, 0];
        frame.extend_from_slice(&atr);
        let reply = Reply::parse(&frame).unwrap();
        assert_eq!((reply.seq, reply.icc, reply.outcome), (6, Icc::Active, Outcome::Done));
        assert_eq!(reply.body, Body::Data { chain: 0, data: bytes(&atr) });
        let set = Command::SetParameters(Parameters::T1([0x96, 0x11, 2, 0x65, 0, 0xFE, 0])).encode(0, 9);
        assert_eq!(set.as_slice(), [0x61, 7, 0, 0, 0, 0, 9, 1, 0, 0, 0x96, 0x11, 2, 0x65, 0, 0xFE, 0]);
        let echoed = Reply::parse(&[0x82, 7, 0, 0, 0, 0, 9, 0, 0, 1, 0x96, 0x11, 2, 0x65, 0, 0xFE, 0]);
        let same = Parameters::T1([0x96, 0x11, 2, 0x65, 0, 0xFE, 0]);
        assert_eq!(echoed.unwrap().body, Body::Parameters(Some(same)));
        let failed = Reply::parse(&[0x80, 0, 0, 0, 0, 0, 0x0A, 0x41, 0xFB, 0]).unwrap();
        assert_eq!((failed.icc, failed.outcome), (Icc::Inactive, Outcome::Failed(SlotError::Hardware)));
        let pps = Command::Transfer { bwi: 0, level: 0, data: bytes(&[0xFF, 0x11, 0x96, 0x78]) };
        assert_eq!(pps.encode(0, 8).as_slice(), [0x6F, 4, 0, 0, 0, 0, 8, 0, 0, 0, 0xFF, 0x11, 0x96, 0x78]);
    }

    #[test]
    fn a_card_that_asks_for_time_and_one_that_is_mute() {
        let outcome =
            |status, error| Reply::parse(&[0x80, 0, 0, 0, 0, 0, 1, status, error, 0]).unwrap().outcome;
        assert_eq!(outcome(0x80, 3), Outcome::MoreTime(3));
        assert_eq!(outcome(0x42, 0xFE), Outcome::Failed(SlotError::Mute));
        assert_eq!(outcome(0x40, 5), Outcome::Failed(SlotError::BadField(5)));
        assert_eq!(outcome(0x40, 0xC0), Outcome::Failed(SlotError::Other(0xC0)));
    }

    #[test]
    fn what_is_reserved_or_of_the_wrong_length_is_refused() {
        let parse = |frame: &[u8]| Reply::parse(frame).unwrap_err();
        assert_eq!(parse(&[0x81, 0, 0, 0, 0, 0, 1, 3, 0, 0]), FrameError::Reserved);
        assert_eq!(parse(&[0x81, 0, 0, 0, 0, 0, 1, 0xC0, 0, 0]), FrameError::Reserved);
        assert_eq!(parse(&[0x81, 1, 0, 0, 0, 0, 1, 0, 0, 0]), FrameError::Short);
        assert_eq!(parse(&[0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9]), FrameError::Long);
        assert_eq!(parse(&[0x42, 0, 0, 0, 0, 0, 1, 0, 0, 0]), FrameError::Type(0x42));
        assert_eq!(parse(&[0x80, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1, 0, 0, 0]), FrameError::Short);
        assert_eq!(Notice::parse(&[0x50]), Err(FrameError::Short));
        assert_eq!(Notice::parse(&[0x50, 3]), Ok(Notice::SlotChange { present: true, changed: true }));
        assert_eq!(Notice::parse(&[0x51, 0, 1, 1]), Ok(Notice::HardwareError));
    }

    fn command() -> impl Strategy<Value = Command> {
        prop_oneof![
            Just(Command::PowerOn(Voltage::OneEight)),
            Just(Command::PowerOff),
            Just(Command::SlotStatus),
            Just(Command::GetParameters),
            Just(Command::Abort),
            any::<[u8; 5]>().prop_map(|bytes| Command::SetParameters(Parameters::T0(bytes))),
            any::<[u8; 7]>().prop_map(|bytes| Command::SetParameters(Parameters::T1(bytes))),
            (any::<u8>(), any::<u16>(), any::<Vec<u8>>()).prop_map(|(bwi, level, data)| Command::Transfer {
                bwi,
                level,
                data: bytes(&data)
            }),
        ]
    }

    proptest! {
        #[test]
        fn commands_come_back_and_cut_ones_are_refused(command in command(), slot: u8, seq: u8) {
            let frame = command.encode(slot, seq);
            prop_assert_eq!(announced(&frame), Some(frame.len()));
            prop_assert_eq!(Command::parse(&frame), Ok((slot, seq, command)));
            for cut in 0..frame.len() {
                prop_assert!(Command::parse(&frame[..cut]).is_err());
            }
        }

        #[test]
        fn whatever_a_reader_says_is_survived_and_what_parses_is_said_again(frame: Vec<u8>, kind in 0x80_u8..0x84) {
            drop((Reply::parse(&frame), Command::parse(&frame), Notice::parse(&frame)));
            let mut shaped = frame.clone();
            if let Some(first) = shaped.first_mut() {
                *first = kind;
            }
            if let (Some(length), true) = (shaped.get_mut(1..5), frame.len() >= HEADER) {
                length.copy_from_slice(&u32::try_from(frame.len() - HEADER).unwrap().to_le_bytes());
            }
            if let Ok(reply) = Reply::parse(&shaped) {
                prop_assert_eq!(Reply::parse(&reply.encode()), Ok(reply));
            }
        }
    }
}
