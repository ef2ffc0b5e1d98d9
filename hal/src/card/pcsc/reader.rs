//! The driver: what pcscd is asked, and what a failure means.
//!
//! Promises: a card pulled out while it was spoken to is [`CardError::Torn`]; one put in since
//! [`CardReader::power_on`] is not spoken to as the one before.

use super::{
    line::{Heard, Line},
    service::{Ask, Said},
};
use crate::{
    card::{
        Atr, Canceller, CardBytes, CardError, CardRead, CardReader, CardStatus, ReaderKind, Slot,
        ccid::{apdu_error, identify},
        chip::mapping::{Carrier, Mapping, Step},
    },
    device::{Deadline, DeviceError},
};
use pcsc::Context;
use std::{sync::Arc, time::Duration};

/// What is kept of a wait's deadline for pcscd to end it.
const END_MARGIN: Duration = Duration::from_secs(1);

/// What a reader sees is asked again after a failure within this.
const LOOK_WAIT: Duration = Duration::from_secs(1);

/// pcscd looks into a reader every 0.4 s (`PCSCLITE_STATUS_POLL_RATE`): within this it knows of a pulled card.
const NOTICE_WAIT: Duration = Duration::from_secs(1);

/// An open reader.
pub struct PcscReader {
    line: Line,
    context: Context,
    kind: ReaderKind,
    said: Slot,
    /// How the powered card takes commands.
    carrier: Option<Carrier>,
}

impl PcscReader {
    /// The first reader of pcscd whose name begins with `begins`, with a card presented to it as `kind` says.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when pcscd does not run or has no such reader, [`DeviceError::Denied`] when it
    /// does not serve this user, [`DeviceError::TimedOut`] when it hangs.
    pub fn open(begins: &str, kind: ReaderKind, deadline: Deadline) -> Result<Self, DeviceError> {
        let line = Line::to_service().map_err(device_error)?;
        let chosen = line.call(Ask::Choose(begins.to_owned()), deadline).map_err(device_error)?;
        let Said::Chosen(context) = chosen else { return Err(out_of_step()) };
        let said = Slot { status: CardStatus::NoCard, cards: 0 };
        let mut reader = Self { line, context, kind, said, carrier: None };
        reader.status(deadline)?;
        Ok(reader)
    }

    fn look(&mut self, deadline: Deadline) -> Result<Slot, CardError> {
        let said = self.line.call(Ask::Look, deadline)?;
        self.see(said)
    }

    fn see(&mut self, said: Said) -> Result<Slot, CardError> {
        let Said::Slot(slot) = said else { return Err(out_of_step().into()) };
        if slot.cards != self.said.cards || slot.status == CardStatus::NoCard {
            self.carrier = None;
        }
        self.said = slot;
        Ok(slot)
    }

    /// What a failure says once pcscd has looked at the slot: it reports a card that is pulled out as a failed
    /// or empty exchange first.
    fn explain(&mut self, error: CardError) -> CardError {
        self.carrier = None;
        match error {
            CardError::Device(DeviceError::Nonsense(_)) | CardError::Mute => {
                let cards = self.said.cards;
                let limit = Deadline::after(NOTICE_WAIT + LOOK_WAIT);
                let waited = self.line.call(Ask::Wait(NOTICE_WAIT), limit);
                match waited.and_then(|said| self.see(said)) {
                    Ok(Slot { status: CardStatus::NoCard, .. }) => CardError::Torn,
                    Ok(slot) if slot.cards != cards => CardError::Torn,
                    Ok(_) => error,
                    Err(unseen) => unseen,
                }
            }
            CardError::Device(_)
            | CardError::Torn
            | CardError::Payment
            | CardError::Unreadable(_)
            | CardError::NoNumber => error,
        }
    }

    fn carry(
        &mut self,
        carrier: Carrier,
        command: &[u8],
        deadline: Deadline,
    ) -> Result<CardBytes, CardError> {
        let (mut mapping, mut next) = Mapping::begin(command, carrier).map_err(apdu_error)?;
        loop {
            let Said::Answer(answer) = self.line.call(Ask::Transmit(next), deadline)? else {
                return Err(out_of_step().into());
            };
            match mapping.handle(answer.expose()).map_err(apdu_error)? {
                Step::Send(more) => next = more,
                Step::Done(answer) => return Ok(answer),
            }
        }
    }
}

impl CardReader for PcscReader {
    fn kind(&self) -> ReaderKind {
        self.kind
    }

    fn status(&mut self, deadline: Deadline) -> Result<Slot, DeviceError> {
        self.look(deadline).map_err(device_error)
    }

    /// Ends up to a second after the deadline when pcscd does.
    fn wait_change(&mut self, deadline: Deadline) -> Result<Slot, DeviceError> {
        let before = self.said;
        loop {
            let wait = deadline.left();
            let limit = Deadline::after(wait + END_MARGIN);
            let cancel = || {
                if let Err(error) = self.context.cancel() {
                    tracing::debug!(%error, "pcscd cancels nothing");
                }
            };
            let heard = self.line.call_until_rung(Ask::Wait(wait), limit, cancel);
            match heard.map_err(device_error)? {
                Heard::Rung => return self.look(Deadline::after(LOOK_WAIT)).map_err(device_error),
                Heard::Said(said) => {
                    let slot = self.see(said).map_err(device_error)?;
                    if slot != before || deadline.passed() {
                        return Ok(slot);
                    }
                }
            }
        }
    }

    fn canceller(&self) -> Option<Canceller> {
        let bell = self.line.bell();
        Some(Arc::new(move || bell.ring()))
    }

    fn read_identifier(&mut self, deadline: Deadline) -> Result<CardRead, CardError> {
        identify::read(self, deadline)
    }

    fn power_on(&mut self, deadline: Deadline) -> Result<Atr, CardError> {
        self.carrier = None;
        match self.line.call(Ask::Power, deadline) {
            Ok(Said::Powered(atr, carrier)) => {
                self.carrier = Some(carrier);
                Ok(atr)
            }
            Ok(Said::Names(_) | Said::Chosen(_) | Said::Slot(_) | Said::Answer(_)) => {
                Err(out_of_step().into())
            }
            Err(error) => Err(self.explain(error)),
        }
    }

    /// A command to the chip that [`Self::power_on`] gave power; [`CardError::Torn`] once it is another.
    fn transmit(&mut self, apdu: &[u8], deadline: Deadline) -> Result<CardBytes, CardError> {
        let carrier = self.carrier.ok_or(CardError::Torn)?;
        self.carry(carrier, apdu, deadline).map_err(|error| self.explain(error))
    }
}

fn device_error(error: CardError) -> DeviceError {
    match error {
        CardError::Device(error) => error,
        other @ (CardError::Torn
        | CardError::Mute
        | CardError::Payment
        | CardError::Unreadable(_)
        | CardError::NoNumber) => DeviceError::Nonsense(other.to_string()),
    }
}

fn out_of_step() -> DeviceError {
    DeviceError::Nonsense("another kind of answer from pcscd".to_owned())
}
