//! What can go wrong with the simulated CCID reader, and when.
//!
//! Promises: a fault happens once, where it was armed for; later messages find the reader well again unless
//! its cable is out.

use super::{
    ccid::Bench,
    ccid_machine::{Machine, Message},
};
use crate::{
    card::ccid::frame::{Command, Outcome, SlotError},
    device::Deadline,
};
use std::time::Duration;

/// A reader that never gets done asks for more time this often.
const EXTENSION_EVERY: Duration = Duration::from_millis(40);

/// How many requests for more time a reader that never gets done has in store.
const EXTENSIONS: u32 = 200;

/// What the driver is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for a card.
    Idle,
    /// Asks for the slot's status.
    Asking,
    /// Gives the card power.
    PowerOn,
    /// Hands a command over.
    Sending,
    /// Waits for the answer to a command.
    Answering,
    /// Takes the card's power away.
    Closing,
}

impl Phase {
    pub(super) fn of(message: &[u8]) -> Self {
        match message.first() {
            Some(0x62) => Self::PowerOn,
            Some(0x63) => Self::Closing,
            Some(0x6F) => Self::Answering,
            _ => Self::Asking,
        }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The card says nothing.
    Mute,
    /// The card asks for more time so many times, then answers.
    Slow(u8),
    /// The card asks for more time for ever.
    NeverDone,
    /// The card asks for ten times its time, and answers after so many milliseconds.
    Late(u64),
    /// The reader says nothing for so many milliseconds, then answers.
    Pause(u64),
    /// The reader says nothing.
    Silent,
    /// Bytes of no message come first.
    Garbage,
    /// Nothing but bytes of no message comes.
    Noise,
    /// So many replies to other commands come first.
    WrongSeq(u8),
    /// Half of the reply comes.
    Cut,
    /// The cable is pulled.
    Unplug,
    /// The cable is pulled when half of the reply came.
    UnplugMidReply,
    /// The card is pulled out.
    PullCard,
    /// The card is pulled out, and the reader takes it for parity errors first.
    PullCardUnseen,
    /// The end point stalls.
    Stall,
    /// The reader reports a fault of its own.
    HardwareError,
}

/// A fault to come.
#[derive(Clone, Copy)]
pub(super) struct Armed {
    pub(super) phase: Phase,
    pub(super) fault: Fault,
}

impl Armed {
    /// The fault armed for this phase; for a command handed over it may also be armed for the handing over.
    pub(super) fn take(armed: &mut Option<Self>, phase: Phase, message: &[u8]) -> Option<(Phase, Fault)> {
        let Self { phase: wanted, fault } = (*armed)?;
        let sending = wanted == Phase::Sending && message.first() == Some(&0x6F);
        if wanted != phase && !sending {
            return None;
        }
        *armed = None;
        Some((wanted, fault))
    }
}

impl Fault {
    /// What happens to the reply to `message`.
    pub(super) fn strike(self, bench: &mut Bench, message: &[u8]) {
        let Ok((_, seq, _)) = Command::parse(message) else { return };
        let machine = &mut bench.machine;
        match self {
            Self::Mute => machine.fail(message, SlotError::Mute),
            Self::HardwareError => {
                machine.hardware_error = true;
                machine.fail(message, SlotError::Hardware);
            }
            Self::Slow(times) => {
                for _ in 0..times {
                    let more = machine.reply(seq, Outcome::MoreTime(1));
                    machine.outbox.push_back(Message::Now(more));
                }
                machine.take(message);
            }
            Self::Late(after_ms) => {
                let more = machine.reply(seq, Outcome::MoreTime(10));
                machine.outbox.push_back(Message::Now(more));
                answer_later(machine, message, after_ms);
            }
            Self::Pause(after_ms) => answer_later(machine, message, after_ms),
            Self::NeverDone => {
                machine.note(message);
                for at in 1..=EXTENSIONS {
                    let more = machine.reply(seq, Outcome::MoreTime(1));
                    machine.outbox.push_back(Message::Later(Deadline::after(EXTENSION_EVERY * at), more));
                }
            }
            Self::Silent => machine.note(message),
            Self::Garbage => {
                machine.outbox.push_back(Message::Now(vec![0x00, 0xFF, 0x13]));
                machine.outbox.push_back(Message::Now(vec![0xFF; 10]));
                machine.take(message);
            }
            Self::Noise => {
                machine.note(message);
                machine.outbox.extend((0..20).map(|_| Message::Now(vec![0xFF; 24])));
            }
            Self::WrongSeq(times) => {
                for back in 1..=times {
                    let stale = machine.reply(seq.wrapping_sub(back), Outcome::Done);
                    machine.outbox.push_back(Message::Now(stale));
                }
                machine.take(message);
            }
            Self::Cut | Self::UnplugMidReply => {
                machine.take(message);
                if let Some(Message::Now(reply)) = machine.outbox.back_mut() {
                    reply.truncate(reply.len() / 2);
                }
                if self == Self::UnplugMidReply {
                    machine.outbox.push_back(Message::Unplug);
                }
            }
            Self::Unplug => machine.outbox.push_back(Message::Unplug),
            Self::Stall => {
                machine.note(message);
                machine.outbox.push_back(Message::Stall);
            }
            Self::PullCardUnseen => {
                machine.fail(message, SlotError::Parity);
                bench.pull_card();
            }
            Self::PullCard => {
                bench.pull_card();
                bench.machine.take(message);
            }
        }
    }
}

/// Lets the answer to `message` come only after so many milliseconds.
fn answer_later(machine: &mut Machine, message: &[u8], after_ms: u64) {
    machine.take(message);
    let Some(Message::Now(answer)) = machine.outbox.pop_back() else { return };
    let due = Deadline::after(Duration::from_millis(after_ms));
    machine.outbox.push_back(Message::Later(due, answer));
}
