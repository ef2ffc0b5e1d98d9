//! A simulated CCID reader, at its USB end points, and the hand that uses it.
//!
//! Promises: waits on a condition, uses no processor while idle; a transfer ends as on a bus, by a short
//! packet or a full buffer, and one into a buffer that is no whole number of packets is lost.
//! Never: looks at anything but the bytes it is sent.

pub use super::ccid_faults::{Fault, Phase};
use super::{
    ccid_faults::Armed,
    ccid_machine::{Machine, Message},
    chip::ChipKind,
    chip_t1::Slip,
};
use crate::{
    card::{
        Canceller, CardReader, ReaderKind,
        ccid::{
            CcidPipe, CcidReader, Told,
            descriptor::{Descriptor, encode},
            frame::Notice,
        },
    },
    device::{Deadline, DeviceError},
    keeper::lock,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// The driver's opening takes no longer.
const OPEN_WAIT: Duration = Duration::from_secs(2);

/// Which reader it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// dwFeatures, exchange level and all.
    pub features: u32,
    /// bVoltageSupport.
    pub voltages: u8,
    /// dwMaxCCIDMessageLength.
    pub message_max: u32,
    /// wMaxPacketSize.
    pub packet: usize,
    /// A message that fills its last packet is followed by an empty one.
    pub empty_packets: bool,
    /// So many bytes follow a message without being announced, as QEMU's reader does.
    pub padding: usize,
    /// It has an interrupt end point.
    pub notices: bool,
    /// How long it waits for a block of a card that says nothing, in milliseconds.
    pub patience_ms: u64,
    /// What its cards with contacts speak.
    pub protocol: u8,
    /// The only supply its cards with contacts work at: bPowerSelect.
    pub supply: u8,
}

impl Model {
    /// Exchanges short APDUs, does all else by itself.
    #[must_use]
    pub fn short_apdu() -> Self {
        Self {
            features: 0x2_04BA,
            voltages: 7,
            message_max: 271,
            packet: 64,
            empty_packets: false,
            padding: 0,
            notices: true,
            patience_ms: 0,
            protocol: 0,
            supply: 0,
        }
    }

    /// Exchanges APDUs of any length in parts.
    #[must_use]
    pub fn extended_apdu() -> Self {
        Self { features: 0x4_04BA, protocol: 1, ..Self::short_apdu() }
    }

    /// Exchanges T=`protocol` at TPDU level and leaves everything to the host.
    #[must_use]
    pub fn tpdu(protocol: u8) -> Self {
        Self { features: 0x1_0030, protocol, ..Self::short_apdu() }
    }
}

/// What the reader and its USB controller hold.
pub(super) struct Bench {
    pub(super) machine: Machine,
    pulled: bool,
    cancelled: bool,
    /// The slot changed since the last message of the interrupt end point.
    changed: bool,
    /// Slots of the interrupt end point filled with nonsense.
    noise: u32,
    pub(super) armed: Option<Armed>,
    /// How far the message that is being read was taken.
    taken: usize,
    connections: u32,
}

impl Bench {
    pub(super) fn pull_card(&mut self) {
        self.machine.pull();
        self.slot_change();
    }

    fn slot_change(&mut self) {
        self.changed = true;
        self.machine.slot_change();
    }
}

/// The reader as a hand sees it. Clones are the same reader.
#[derive(Clone)]
pub struct CcidPanel {
    inner: Arc<(Mutex<Bench>, Condvar)>,
}

impl CcidPanel {
    /// A reader on the bus, its slot empty.
    #[must_use]
    pub fn new(model: Model) -> Self {
        let bench = Bench {
            machine: Machine::new(model),
            pulled: false,
            cancelled: false,
            changed: true,
            noise: 0,
            armed: None,
            taken: 0,
            connections: 0,
        };
        Self { inner: Arc::new((Mutex::new(bench), Condvar::new())) }
    }

    /// Presents a card; one already there is swapped.
    pub fn insert(&self, kind: ChipKind) {
        self.change(|bench| {
            bench.machine.insert(kind);
            bench.slot_change();
        });
    }

    /// Takes the card away.
    pub fn pull(&self) {
        self.change(Bench::pull_card);
    }

    /// Shakes the card: the reader tells of a change though nothing changed.
    pub fn shake(&self) {
        self.change(|bench| bench.changed = true);
    }

    /// Pulls the reader's cable; the card in it loses its power.
    pub fn unplug(&self) {
        self.change(unplug);
    }

    /// Plugs it in again.
    pub fn plug_in(&self) {
        self.change(|bench| (bench.pulled, bench.changed) = (false, true));
    }

    /// Lets `fault` happen once, the next time the driver is in `phase`.
    pub fn arm(&self, phase: Phase, fault: Fault) {
        self.change(|bench| bench.armed = Some(Armed { phase, fault }));
    }

    /// Whether the armed fault is still to come.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.change(|bench| bench.armed.is_some())
    }

    /// Lets the card in the slot misbehave under T=1, block by block.
    pub fn slip(&self, slips: &[Slip]) {
        self.change(|bench| bench.machine.slip(slips));
    }

    /// How many commands the card in the slot carried out.
    #[must_use]
    pub fn executed(&self) -> u32 {
        self.change(|bench| bench.machine.executed())
    }

    /// Whether a card is in.
    #[must_use]
    pub fn has_card(&self) -> bool {
        self.change(|bench| bench.machine.present())
    }

    /// Whether the card has power.
    #[must_use]
    pub fn powered(&self) -> bool {
        self.change(|bench| bench.machine.powered())
    }

    /// The types of the messages the reader got, in order.
    #[must_use]
    pub fn log(&self) -> Vec<u8> {
        self.change(|bench| bench.machine.log.clone())
    }

    /// Claims the reader's interface.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] while unplugged.
    pub fn connect(&self) -> Result<Box<dyn CcidPipe>, DeviceError> {
        let open = self.change(|bench| {
            bench.connections += u32::from(!bench.pulled);
            bench.machine.outbox.clear();
            (bench.taken, bench.cancelled) = (0, false);
            (!bench.pulled).then_some((bench.machine.model, bench.connections))
        });
        let (model, connection) = open.ok_or_else(gone)?;
        Ok(Box::new(SimPipe { panel: self.clone(), model, connection }))
    }

    /// The driver on this reader.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] while unplugged.
    pub fn open(&self, kind: ReaderKind) -> Result<Box<dyn CardReader>, DeviceError> {
        let reader = CcidReader::open(self.connect()?, kind, Deadline::after(OPEN_WAIT))?;
        Ok(Box::new(reader))
    }

    fn change<T>(&self, act: impl FnOnce(&mut Bench) -> T) -> T {
        let done = act(&mut lock(&self.inner.0));
        self.inner.1.notify_all();
        done
    }

    fn wait<T>(&self, deadline: Deadline, mut look: impl FnMut(&mut Bench) -> Option<T>) -> Option<T> {
        let mut seen = None;
        let bench = lock(&self.inner.0);
        let held = self.inner.1.wait_timeout_while(bench, deadline.left(), |bench| {
            seen = look(bench);
            seen.is_none()
        });
        drop(held.unwrap_or_else(PoisonError::into_inner));
        self.inner.1.notify_all();
        seen
    }
}

pub(super) fn unplug(bench: &mut Bench) {
    bench.pulled = true;
    bench.machine.lose_power();
}

pub(super) fn gone() -> DeviceError {
    DeviceError::Gone("the simulated chip card reader is unplugged".to_owned())
}

pub(super) fn stalled() -> DeviceError {
    DeviceError::Nonsense("an end point stalled".to_owned())
}

struct SimPipe {
    panel: CcidPanel,
    model: Model,
    connection: u32,
}

impl SimPipe {
    fn plugged(&self, bench: &Bench) -> Result<(), DeviceError> {
        if bench.pulled || bench.connections != self.connection { Err(gone()) } else { Ok(()) }
    }
}

impl CcidPipe for SimPipe {
    fn descriptor(&self) -> Descriptor {
        let bytes = encode(self.model.features, self.model.voltages, self.model.message_max);
        #[expect(clippy::expect_used, reason = "a test that names a reader of no level has failed")]
        Descriptor::parse(&bytes).expect("the simulated reader has a descriptor")
    }

    fn packet(&self) -> usize {
        self.model.packet
    }

    fn has_notices(&self) -> bool {
        self.model.notices
    }

    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), DeviceError> {
        let stuck = self.panel.change(|bench| {
            self.plugged(bench)?;
            let fault = Armed::take(&mut bench.armed, Phase::of(message), message);
            match fault {
                Some((Phase::Sending, Fault::Unplug)) => {
                    unplug(bench);
                    return Err(gone());
                }
                Some((Phase::Sending, Fault::Stall)) => return Err(stalled()),
                Some((Phase::Sending, Fault::Silent)) => return Ok(true),
                Some((_, fault)) => fault.strike(bench, message),
                None => bench.machine.take(message),
            }
            Ok(false)
        })?;
        if stuck {
            // Nothing is taken until somebody pulls the cable.
            return match self.panel.wait(deadline, |bench| bench.pulled.then_some(())) {
                Some(()) => Err(gone()),
                None => Err(DeviceError::TimedOut),
            };
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let packet = self.model.packet;
        loop {
            let due = self.panel.change(|bench| bench.machine.outbox.front().and_then(Message::due));
            let came = self.panel.wait(due.map_or(deadline, |due| due.min(deadline)), |bench| {
                if let Err(gone) = self.plugged(bench) {
                    return Some(Err(gone));
                }
                transfer(bench, buffer, packet)
            });
            match came {
                Some(came) => return came,
                None if deadline.passed() => return Err(DeviceError::TimedOut),
                None => {}
            }
        }
    }

    fn notice(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<Told, DeviceError> {
        let notices = self.model.notices;
        let came = self.panel.wait(deadline, |bench| {
            match Armed::take(&mut bench.armed, Phase::Idle, &[]) {
                Some((_, Fault::Unplug | Fault::UnplugMidReply)) => unplug(bench),
                Some((_, Fault::Stall)) => return Some(Err(stalled())),
                Some((_, Fault::Garbage)) => bench.noise = 1,
                Some((_, Fault::Noise)) => bench.noise = u32::MAX,
                Some((_, Fault::PullCard | Fault::PullCardUnseen)) => bench.pull_card(),
                Some((
                    _,
                    Fault::Mute
                    | Fault::Slow(_)
                    | Fault::NeverDone
                    | Fault::Late(_)
                    | Fault::Pause(_)
                    | Fault::Silent
                    | Fault::WrongSeq(_)
                    | Fault::Cut
                    | Fault::HardwareError,
                ))
                | None => {}
            }
            if let Err(gone) = self.plugged(bench) {
                return Some(Err(gone));
            }
            if std::mem::take(&mut bench.cancelled) {
                return Some(Ok(Told::Cancelled));
            }
            notices.then(|| told(bench, buffer)).flatten().map(|count| Ok(Told::Notice(count)))
        });
        came.unwrap_or(Ok(Told::Nothing))
    }

    fn canceller(&self) -> Canceller {
        let panel = self.panel.clone();
        Arc::new(move || panel.change(|bench| bench.cancelled = true))
    }

    fn abort(&mut self, _slot: u8, seq: u8, _deadline: Deadline) -> Result<(), DeviceError> {
        self.panel.change(|bench| {
            self.plugged(bench)?;
            bench.machine.abort(seq);
            bench.taken = 0;
            Ok(())
        })
    }
}

/// One transfer of what waits to be read.
fn transfer(bench: &mut Bench, buffer: &mut [u8], packet: usize) -> Option<Result<usize, DeviceError>> {
    let outbox: &mut VecDeque<Message> = &mut bench.machine.outbox;
    match outbox.front_mut()? {
        Message::Stall => {
            outbox.pop_front();
            Some(Err(stalled()))
        }
        Message::Unplug => {
            outbox.pop_front();
            unplug(bench);
            Some(Err(gone()))
        }
        Message::Later(due, _) if !due.passed() => None,
        Message::Later(_, bytes) | Message::Now(bytes) => {
            if buffer.is_empty() || !buffer.len().is_multiple_of(packet) {
                return Some(Err(DeviceError::Nonsense("a packet overflows the buffer".to_owned())));
            }
            let rest = bytes.get(bench.taken..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            if let (Some(place), Some(part)) = (buffer.get_mut(..count), rest.get(..count)) {
                place.copy_from_slice(part);
            }
            bench.taken += count;
            let (whole, length) = (bench.taken == bytes.len(), bytes.len());
            if whole {
                outbox.pop_front();
                bench.taken = 0;
                let filled = length > 0 && length.is_multiple_of(packet) && count == buffer.len();
                if filled && bench.machine.model.empty_packets {
                    outbox.push_front(Message::Now(Vec::new()));
                }
            }
            Some(Ok(count))
        }
    }
}

/// A message of the interrupt end point.
fn told(bench: &mut Bench, buffer: &mut [u8]) -> Option<usize> {
    let message = if bench.noise > 0 {
        bench.noise -= 1;
        vec![0xA5; 3]
    } else if std::mem::take(&mut bench.machine.hardware_error) {
        Notice::HardwareError.encode()
    } else if std::mem::take(&mut bench.changed) {
        Notice::SlotChange { present: bench.machine.present(), changed: true }.encode()
    } else {
        return None;
    };
    let count = message.len().min(buffer.len());
    buffer.get_mut(..count)?.copy_from_slice(message.get(..count)?);
    Some(count)
}
