//! pcscd's calls, one after another, in a thread that may hang in them.
//!
//! Source: pcsc-lite's API documentation of `SCardGetStatusChange`, `SCardConnect`, `SCardTransmit`.
//!
//! Promises: waiting ends when the context is cancelled. Never: shares the card with another program; leaves
//! it powered.

use super::state::Seen;
use crate::{
    card::{Atr, CardBytes, CardError, Slot, chip::mapping::Carrier},
    device::DeviceError,
};
use pcsc::{Context, Disposition, Error, Protocol, Protocols, ReaderState, Scope, ShareMode, State};
use std::{ffi::CString, time::Duration};
use zeroize::Zeroizing;

/// pcscd waits in whole milliseconds and takes none for *now*.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// What can be asked.
pub(super) enum Ask {
    /// Which readers there are.
    Names,
    /// The first reader whose name begins so is meant from now on.
    Choose(String),
    /// What it sees.
    Look,
    /// What it sees once that is something else, or after so long.
    Wait(Duration),
    /// Gives the card power, anew if it had.
    Power,
    /// One exchange with it.
    Transmit(CardBytes),
}

/// What comes back.
pub(super) enum Said {
    Names(Vec<String>),
    /// Chosen; what ends a wait.
    Chosen(Context),
    Slot(Slot),
    Powered(Atr, Carrier),
    Answer(CardBytes),
}

impl Said {
    pub(super) fn into_names(self) -> Vec<String> {
        match self {
            Self::Names(names) => names,
            Self::Chosen(_) | Self::Slot(_) | Self::Powered(..) | Self::Answer(_) => Vec::new(),
        }
    }
}

/// The context, the reader, the card.
#[derive(Default)]
pub(super) struct Service {
    // First, so that it is given back while there is a context.
    card: Option<pcsc::Card>,
    context: Option<Context>,
    reader: Option<ReaderState>,
    seen: Seen,
}

impl Service {
    /// Does what is asked.
    pub(super) fn handle(&mut self, ask: Ask) -> Result<Said, CardError> {
        match ask {
            Ask::Names => {
                let names = names(self.context()?)?;
                Ok(Said::Names(names.iter().map(|name| name.to_string_lossy().into_owned()).collect()))
            }
            Ask::Choose(begins) => {
                let context = self.context()?.clone();
                let mut names = names(&context)?.into_iter();
                let name = names.find(|name| name.to_string_lossy().starts_with(&begins));
                let name = name.ok_or_else(|| DeviceError::Gone(format!("pcscd has no reader {begins}")))?;
                self.reader = Some(ReaderState::new(name, State::UNAWARE));
                Ok(Said::Chosen(context))
            }
            Ask::Look => self.look(Duration::ZERO).map(Said::Slot),
            Ask::Wait(limit) => self.look(limit.max(WAIT_MIN)).map(Said::Slot),
            Ask::Power => self.power(),
            Ask::Transmit(command) => self.transmit(&command),
        }
    }

    fn context(&mut self) -> Result<&Context, CardError> {
        let context = match self.context.take() {
            Some(context) => context,
            None => Context::establish(Scope::System).map_err(card_error)?,
        };
        Ok(self.context.insert(context))
    }

    /// Zero: what it sees now; else once it differs from what was last seen, or after `limit`.
    fn look(&mut self, limit: Duration) -> Result<Slot, CardError> {
        let (Some(context), Some(reader)) = (&self.context, &mut self.reader) else {
            return Err(DeviceError::Gone("no reader was chosen".to_owned()).into());
        };
        if limit.is_zero() {
            *reader = ReaderState::new(reader.name(), State::UNAWARE);
        }
        match context.get_status_change(limit, std::slice::from_mut(reader)) {
            Ok(()) => {}
            // What was last seen is still so.
            Err(Error::Timeout | Error::Cancelled) => {
                return Ok(self.seen.look(reader.current_state(), state_count(reader.current_state()))?);
            }
            Err(error) => return Err(card_error(error)),
        }
        reader.sync_current_state();
        Ok(self.seen.look(reader.event_state(), reader.event_count())?)
    }

    fn power(&mut self) -> Result<Said, CardError> {
        if let Some(card) = self.card.take() {
            give_back(card);
        }
        let (Some(context), Some(reader)) = (&self.context, &self.reader) else {
            return Err(DeviceError::Gone("no reader was chosen".to_owned()).into());
        };
        let card = context.connect(reader.name(), ShareMode::Exclusive, Protocols::ANY);
        let card = self.card.insert(card.map_err(card_error)?);
        let status = card.status2_owned().map_err(card_error)?;
        let carrier = match status.protocol2() {
            Some(Protocol::T0) => Carrier::Tpdu,
            Some(Protocol::T1) => Carrier::Extended,
            Some(Protocol::RAW) | None => {
                return Err(DeviceError::Unsupported("the card's protocol").into());
            }
        };
        let atr = Atr::new(status.atr().to_vec()).ok_or(CardError::Mute)?;
        Ok(Said::Powered(atr, carrier))
    }

    fn transmit(&mut self, command: &CardBytes) -> Result<Said, CardError> {
        let Some(card) = &self.card else { return Err(CardError::Torn) };
        let mut buffer = Zeroizing::new(vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED]);
        let answer = card.transmit(command.expose(), &mut buffer).map_err(card_error)?;
        Ok(Said::Answer(CardBytes::new(answer.to_vec())))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(card) = self.card.take() {
            give_back(card);
        }
    }
}

fn names(context: &Context) -> Result<Vec<CString>, CardError> {
    match context.list_readers_owned() {
        Ok(names) => Ok(names),
        Err(Error::NoReadersAvailable) => Ok(Vec::new()),
        Err(error) => Err(card_error(error)),
    }
}

/// The count of changes in a state that is handed back to pcscd.
fn state_count(state: State) -> u32 {
    u32::try_from(state.bits() >> 16).unwrap_or_default()
}

fn give_back(card: pcsc::Card) {
    if let Err((_, error)) = card.disconnect(Disposition::UnpowerCard) {
        tracing::debug!(%error, "pcscd does not take the card back");
    }
}

/// What an error of pcscd means.
#[expect(clippy::wildcard_enum_match_arm, reason = "forty more, all of which ask to open again")]
fn card_error(error: Error) -> CardError {
    let device = match error {
        Error::NoSmartcard | Error::RemovedCard | Error::ResetCard => return CardError::Torn,
        Error::UnresponsiveCard | Error::UnpoweredCard | Error::InvalidAtr => return CardError::Mute,
        Error::Timeout | Error::WaitedTooLong => DeviceError::TimedOut,
        Error::SharingViolation | Error::NotReady | Error::ServerTooBusy => DeviceError::Busy,
        Error::NoAccess | Error::SecurityViolation => DeviceError::Denied("pcscd".to_owned()),
        Error::ProtoMismatch | Error::UnsupportedCard | Error::CardUnsupported => {
            DeviceError::Unsupported("the card's protocol")
        }
        Error::NotTransacted | Error::CommDataLost | Error::InsufficientBuffer | Error::InvalidParameter => {
            DeviceError::Nonsense(format!("pcscd: {error}"))
        }
        // The service, its socket, the context or the reader: opened again, or not there.
        other => DeviceError::Gone(format!("pcscd: {other}")),
    };
    device.into()
}
