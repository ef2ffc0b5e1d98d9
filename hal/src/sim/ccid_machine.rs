//! The firmware of the simulated CCID reader: messages in, messages out.
//!
//! A card that was told another speed than the reader uses is not understood: parity errors.
//!
//! Source: USB CCID rev. 1.1, section 6. Never: waits.

use super::{
    ccid::Model,
    chip::{Chip, ChipKind},
    chip_t1::{Slip, T1Card},
};
use crate::{
    card::{
        CardBytes,
        ccid::frame::{Body, Command, HEADER, Icc, Outcome, Parameters, Reply, SlotError, Voltage},
    },
    device::Deadline,
};
use std::{collections::VecDeque, time::Duration};

/// TA1 of the simulated chips with contacts, and the value without.
const CHIP_FIDI: u8 = 0x94;
const DEFAULT_FIDI: u8 = 0x11;

/// What waits on bulk in.
pub(super) enum Message {
    Now(Vec<u8>),
    Later(Deadline, Vec<u8>),
    Stall,
    Unplug,
}

impl Message {
    /// When it comes, if not at once.
    pub(super) fn due(&self) -> Option<Deadline> {
        match self {
            Self::Later(due, _) => Some(*due),
            Self::Now(_) | Self::Stall | Self::Unplug => None,
        }
    }
}

struct Card {
    chip: Chip,
    t1: T1Card,
    powered: bool,
    /// Fi and Di the card uses.
    fidi: u8,
}

pub(super) struct Machine {
    pub(super) model: Model,
    pub(super) outbox: VecDeque<Message>,
    pub(super) hardware_error: bool,
    /// Types of the messages that came.
    pub(super) log: Vec<u8>,
    card: Option<Card>,
    /// What was set.
    parameters: Option<Parameters>,
    /// Parts of an APDU that came, and of an answer that wait to be fetched.
    parts_in: Vec<u8>,
    parts_out: VecDeque<Vec<u8>>,
    aborting: Option<u8>,
}

impl Machine {
    pub(super) fn new(model: Model) -> Self {
        Self {
            model,
            outbox: VecDeque::new(),
            hardware_error: false,
            log: Vec::new(),
            card: None,
            parameters: None,
            parts_in: Vec::new(),
            parts_out: VecDeque::new(),
            aborting: None,
        }
    }

    pub(super) fn insert(&mut self, kind: ChipKind) {
        let (chip, t1) = (Chip::new(kind), T1Card::default());
        self.card = Some(Card { chip, t1, powered: false, fidi: DEFAULT_FIDI });
    }

    pub(super) fn pull(&mut self) {
        self.card = None;
    }

    pub(super) fn present(&self) -> bool {
        self.card.is_some()
    }

    pub(super) fn powered(&self) -> bool {
        self.card.as_ref().is_some_and(|card| card.powered)
    }

    pub(super) fn executed(&self) -> u32 {
        self.card.as_ref().map_or(0, |card| card.chip.executed())
    }

    pub(super) fn slip(&mut self, slips: &[Slip]) {
        if let Some(card) = &mut self.card {
            card.t1.slip(slips);
        }
    }

    pub(super) fn slot_change(&mut self) {
        self.parameters = None;
        self.parts_in.clear();
        self.parts_out.clear();
    }

    pub(super) fn lose_power(&mut self) {
        if let Some(card) = &mut self.card {
            card.powered = false;
        }
        self.outbox.clear();
        self.slot_change();
    }

    /// The control request; what waits to be read of the command is thrown away.
    pub(super) fn abort(&mut self, seq: u8) {
        self.aborting = Some(seq);
        self.outbox.clear();
    }

    pub(super) fn note(&mut self, message: &[u8]) {
        self.log.extend(message.first());
    }

    /// A message for the reader.
    pub(super) fn take(&mut self, message: &[u8]) {
        self.note(message);
        let Ok((slot, seq, command)) = Command::parse(message) else {
            let refusal = self.body_for(message, Outcome::Failed(SlotError::Unsupported), Vec::new());
            self.say(&refusal);
            return;
        };
        if slot != 0 {
            self.fail(message, SlotError::BadField(5));
            return;
        }
        let done = match command {
            Command::PowerOn(supply) => self.power_on(supply),
            Command::PowerOff => {
                if let Some(card) = &mut self.card {
                    card.powered = false;
                }
                Ok(Vec::new())
            }
            Command::SlotStatus => Ok(Vec::new()),
            Command::Transfer { level, data, .. } => return self.transfer(message, level, data.expose()),
            Command::GetParameters => self.ready().map(|()| Vec::new()),
            Command::SetParameters(parameters) => self.ready().map(|()| {
                self.parameters = Some(parameters);
                let fidi = fidi(&parameters);
                // With automatic PPS the reader tells the card.
                if let (true, Some(card)) = (self.model.features & 0x80 != 0, &mut self.card) {
                    card.fidi = fidi;
                }
                Vec::new()
            }),
            Command::Abort => match self.aborting.take() {
                Some(aborted) if aborted == seq => Ok(Vec::new()),
                Some(_) | None => Err(SlotError::BadField(6)),
            },
        };
        match done {
            Ok(data) => {
                let reply = self.body_for(message, Outcome::Done, data);
                self.say(&reply);
            }
            Err(error) => self.fail(message, error),
        }
    }

    pub(super) fn fail(&mut self, message: &[u8], error: SlotError) {
        let reply = self.body_for(message, Outcome::Failed(error), Vec::new());
        self.say(&reply);
    }

    /// A reply without data.
    pub(super) fn reply(&self, seq: u8, outcome: Outcome) -> Vec<u8> {
        let body = Body::Data { chain: 0, data: CardBytes::new(Vec::new()) };
        Reply { slot: 0, seq, icc: self.icc(), outcome, body }.encode().to_vec()
    }

    fn say(&mut self, reply: &Reply) {
        let mut bytes = reply.encode().to_vec();
        bytes.resize(bytes.len() + self.model.padding, 0xFE);
        self.outbox.push_back(Message::Now(bytes));
    }

    fn icc(&self) -> Icc {
        match &self.card {
            None => Icc::Absent,
            Some(card) if card.powered => Icc::Active,
            Some(_) => Icc::Inactive,
        }
    }

    fn ready(&self) -> Result<(), SlotError> {
        if self.powered() { Ok(()) } else { Err(SlotError::Mute) }
    }

    fn body_for(&self, message: &[u8], outcome: Outcome, data: Vec<u8>) -> Reply {
        let seq = message.get(6).copied().unwrap_or_default();
        let body = match message.first() {
            Some(0x62 | 0x6F) => Body::Data { chain: 0, data: CardBytes::new(data) },
            Some(0x6C | 0x61) if outcome == Outcome::Done => {
                let fresh = match self.model.protocol {
                    1 => Parameters::T1([DEFAULT_FIDI, 0x10, 0, 0x45, 0, 32, 0]),
                    _ => Parameters::T0([DEFAULT_FIDI, 0, 0, 10, 0]),
                };
                Body::Parameters(Some(self.parameters.unwrap_or(fresh)))
            }
            Some(0x6C | 0x61) => Body::Parameters(None),
            _ => Body::Slot { clock: 0 },
        };
        Reply { slot: 0, seq, icc: self.icc(), outcome, body }
    }

    fn power_on(&mut self, supply: Voltage) -> Result<Vec<u8>, SlotError> {
        let model = self.model;
        let card = self.card.as_mut().ok_or(SlotError::Mute)?;
        let code = [Voltage::Auto, Voltage::Five, Voltage::Three, Voltage::OneEight]
            .iter()
            .position(|one| *one == supply);
        let fits = model.supply == 0 || code == Some(usize::from(model.supply));
        let atr = card.chip.atr(model.protocol);
        if atr.is_empty() || !fits {
            card.powered = false;
            return Err(SlotError::Mute);
        }
        let slips = std::mem::take(&mut card.t1);
        card.t1 = slips.reset();
        (card.powered, card.fidi, self.parameters) = (true, DEFAULT_FIDI, None);
        // A reader that negotiates by itself brings the card to its speed.
        if model.features & 0x40 != 0 {
            card.fidi = CHIP_FIDI;
        }
        Ok(atr)
    }

    fn transfer(&mut self, message: &[u8], level: u16, data: &[u8]) {
        let most = usize::try_from(self.model.message_max).unwrap_or(usize::MAX) - HEADER;
        let done = match level {
            0x10 => Ok(()),
            1 | 3 => {
                self.parts_in.extend_from_slice(data);
                self.part(message, 0x10, Vec::new());
                return;
            }
            _ => {
                self.parts_in.extend_from_slice(data);
                let whole = std::mem::take(&mut self.parts_in);
                self.answer(&whole).map(|answer| {
                    self.parts_out = answer.chunks(most.max(1)).map(<[u8]>::to_vec).collect();
                })
            }
        };
        match done {
            Err(error) => {
                let reply = self.body_for(message, Outcome::Failed(error), Vec::new()).encode().to_vec();
                let due = Deadline::after(Duration::from_millis(self.model.patience_ms));
                self.outbox.push_back(Message::Later(due, reply));
            }
            Ok(()) => {
                let part = self.parts_out.pop_front().unwrap_or_default();
                let chain = match (level, self.parts_out.is_empty()) {
                    (0x10, true) => 2,
                    (0x10, false) => 3,
                    (_, true) => 0,
                    (_, false) => 1,
                };
                self.part(message, chain, part);
            }
        }
    }

    fn part(&mut self, message: &[u8], chain: u8, part: Vec<u8>) {
        let mut reply = self.body_for(message, Outcome::Done, Vec::new());
        reply.body = Body::Data { chain, data: CardBytes::new(part) };
        self.say(&reply);
    }

    fn answer(&mut self, data: &[u8]) -> Result<Vec<u8>, SlotError> {
        self.ready()?;
        let (model, own) = (self.model, self.parameters);
        let card = self.card.as_mut().ok_or(SlotError::Mute)?;
        let tpdu = model.features & 0x7_0000 == 0x1_0000;
        if !tpdu {
            // The reader speaks the protocol; what came is the whole command.
            return Ok(card.chip.command(data));
        }
        if let [0xFF, pps0, rest @ ..] = data
            && own.is_none()
        {
            if let (0x10, Some(fidi)) = (pps0 & 0xF0, rest.first()) {
                card.fidi = *fidi;
            }
            return Ok(data.to_vec());
        }
        let reader = match (model.features & 0x40, &own) {
            (0, Some(set)) => fidi(set),
            (0, None) => DEFAULT_FIDI,
            _ => card.fidi,
        };
        if reader != card.fidi {
            return Err(SlotError::Parity);
        }
        match own.map_or(model.protocol, |set| set.number()) {
            1 => card.t1.block(&mut card.chip, data).ok_or(SlotError::Mute),
            _ => Ok(card.chip.t0(data)),
        }
    }
}

fn fidi(parameters: &Parameters) -> u8 {
    match parameters {
        Parameters::T0([fidi, ..]) | Parameters::T1([fidi, ..]) => *fidi,
    }
}
