//! Listening on an IN end point without asking again and again.
//!
//! ```text
//! thread: one long read -> queue -> driver's wait <- bell, from any thread
//! end:    give the interface back -> the kernel calls off the read -> the thread ends
//! ```
//! libusb's blocking calls cannot be ended from another thread, but the kernel calls off whatever waits on an
//! interface that is given back (`releaseintf`, `drivers/usb/core/devio.c`). A read that begins in that very
//! moment takes the interface again without asking; so it is given back until the thread has ended.
//!
//! Promises: wakes once a minute when nothing happens ([`LISTEN_WAIT`]), unless the device says nothing with
//! empty messages; at most [`MESSAGES_MAX`] messages wait, and then the device keeps the next; what a read that
//! broke left behind is told to every later read. Never: interprets a message; outlives its device.

use crate::{device::Deadline, gate::Canceller, keeper::lock, transport::Sign};
use rusb::{Context, DeviceHandle, Error};
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// One read, unless something comes.
const LISTEN_WAIT: Duration = Duration::from_secs(60);

/// An empty message tells nothing, and must not be asked for without pause.
const EMPTY_WAIT: Duration = Duration::from_millis(200);

/// The same while the driver waits for an answer.
const EMPTY_READ_WAIT: Duration = Duration::from_millis(10);

/// Messages that wait for the driver.
const MESSAGES_MAX: usize = 16;

/// How often the interface is given back, and how long that may take to be noticed.
const END_TRIES: u32 = 10;
const END_WAIT: Duration = Duration::from_millis(100);

/// How an end point is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Interrupt,
    Bulk,
}

/// What is listened on: an end point whose interface is claimed.
pub(crate) struct Input {
    pub(crate) handle: Arc<DeviceHandle<Context>>,
    /// bEndpointAddress.
    pub(crate) address: u8,
    pub(crate) kind: Kind,
    /// Room for a message. Of bulk one packet, so that one which is full ends its read too.
    pub(crate) bytes: usize,
}

/// The calls of libusb that an ear needs.
pub(crate) trait Source: Send + 'static {
    fn bytes(&self) -> usize;
    fn read(&self, buffer: &mut [u8], wait: Duration) -> rusb::Result<usize>;
    /// Ends a stall.
    fn clear(&self) -> rusb::Result<()>;
}

impl Source for Input {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn read(&self, buffer: &mut [u8], wait: Duration) -> rusb::Result<usize> {
        match self.kind {
            Kind::Interrupt => self.handle.read_interrupt(self.address, buffer, wait),
            Kind::Bulk => self.handle.read_bulk(self.address, buffer, wait),
        }
    }

    fn clear(&self) -> rusb::Result<()> {
        self.handle.clear_halt(self.address)
    }
}

#[derive(Debug, Default)]
struct State {
    came: VecDeque<rusb::Result<Vec<u8>>>,
    /// The end point is of no more use.
    broken: Option<Error>,
    rung: bool,
    /// The driver waits for a message.
    reading: bool,
    closed: bool,
    ended: bool,
}

impl State {
    fn heard(&self) -> bool {
        !self.came.is_empty() || self.broken.is_some()
    }
}

/// What wakes the driver: a message or a ring. Clones are the same bell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell(Arc<(Mutex<State>, Condvar)>);

impl Bell {
    /// Ends [`Self::wait`] from any thread; a call made while nothing waits ends the next one.
    pub(crate) fn canceller(&self) -> Canceller {
        let bell = self.clone();
        Arc::new(move || bell.change(|state| state.rung = true))
    }

    /// Waits for a ring, a message or the deadline; a ring goes first.
    pub(crate) fn wait(&self, deadline: Deadline) -> Sign {
        let awake = |state: &State| state.rung || state.heard();
        self.until(deadline.left(), awake, |state| {
            if std::mem::take(&mut state.rung) {
                Sign::Cancelled
            } else if state.heard() {
                Sign::Readable
            } else {
                Sign::Nothing
            }
        })
    }

    /// The next message, never an empty one. A stall is told once, and was cleared then.
    ///
    /// # Errors
    /// [`Error::Timeout`] when none came by `deadline`; what the end point broke with.
    pub(crate) fn read(&self, deadline: Deadline) -> rusb::Result<Vec<u8>> {
        self.change(|state| state.reading = true);
        let came = self.until(deadline.left(), State::heard, |state| {
            state.reading = false;
            state.came.pop_front().or(state.broken.map(Err))
        });
        // The thread may wait for room.
        self.0.1.notify_all();
        came.unwrap_or(Err(Error::Timeout))
    }

    /// Forgets what was heard.
    pub(crate) fn forget(&self) {
        self.change(|state| state.came.clear());
    }

    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let done = act(&mut lock(&self.0.0));
        self.0.1.notify_all();
        done
    }

    /// Waits until `awake` or `limit`, then looks.
    fn until<T>(
        &self,
        limit: Duration,
        awake: impl Fn(&State) -> bool,
        look: impl FnOnce(&mut State) -> T,
    ) -> T {
        let held = self.0.1.wait_timeout_while(lock(&self.0.0), limit, |state| !awake(state));
        look(&mut held.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Between two messages of which the first was empty.
    fn pause(&self) {
        let awake = |state: &State| state.closed || state.reading;
        if self.until(EMPTY_WAIT, awake, |state| state.reading) {
            self.until(EMPTY_READ_WAIT, |state| state.closed, |_| ());
        }
    }
}

/// The thread that listens.
#[derive(Debug)]
pub(crate) struct Ear {
    bell: Bell,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// Listens to `source` and tells `bell`.
    pub(crate) fn listen(source: impl Source, bell: Bell) -> io::Result<Self> {
        let told = bell.clone();
        let body = move || {
            listen(&source, &told);
            drop(source);
            told.change(|state| state.ended = true);
        };
        let thread = thread::Builder::new().name("hal-usb-ear".to_owned()).spawn(body)?;
        Ok(Self { bell, thread: Some(thread) })
    }

    /// Ends the thread by giving interface `number` back.
    pub(crate) fn end(&mut self, handle: &DeviceHandle<Context>, number: u8) {
        self.bell.change(|state| state.closed = true);
        for _ in 0..END_TRIES {
            // On a device that is gone both fail, and the read has failed already.
            if let Err(error) = handle.release_interface(number) {
                tracing::debug!(%error, "a USB interface is not given back");
            }
            if self.bell.until(END_WAIT, |state| state.ended, |state| state.ended) {
                break;
            }
            if let Err(error) = handle.claim_interface(number) {
                tracing::debug!(%error, "a USB interface is not had again");
            }
        }
        let Some(thread) = self.thread.take() else { return };
        if !lock(&self.bell.0.0).ended {
            tracing::warn!("a thread that listens to a USB device does not end; left to itself");
        } else if thread.join().is_err() {
            tracing::error!("the thread that listened to a USB device panicked");
        }
    }
}

fn listen(source: &impl Source, bell: &Bell) {
    let mut buffer = vec![0; source.bytes()];
    loop {
        let room = |state: &State| state.closed || state.came.len() < MESSAGES_MAX;
        if bell.until(Duration::MAX, room, |state| state.closed) {
            return;
        }
        match source.read(&mut buffer, LISTEN_WAIT) {
            Err(Error::Timeout | Error::Interrupted) => {}
            Ok(0) => bell.pause(),
            Ok(count) => {
                let message = buffer.get(..count).unwrap_or_default().to_vec();
                bell.change(|state| state.came.push_back(Ok(message)));
            }
            Err(error) => {
                let lost = if error == Error::Pipe { source.clear().err() } else { Some(error) };
                if let Some(lost) = lost {
                    return bell.change(|state| state.broken = Some(lost));
                }
                bell.change(|state| state.came.push_back(Err(error)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// An end point that says what it is told to, then nothing but `last`.
    struct Script {
        reads: Mutex<VecDeque<rusb::Result<Vec<u8>>>>,
        last: rusb::Result<usize>,
        stays_stalled: bool,
        asked: Arc<AtomicU32>,
        cleared: Arc<AtomicU32>,
    }

    impl Script {
        fn new(reads: &[rusb::Result<Vec<u8>>], last: rusb::Result<usize>) -> Self {
            let reads = Mutex::new(reads.iter().cloned().collect());
            Self { reads, last, stays_stalled: false, asked: Arc::default(), cleared: Arc::default() }
        }
    }

    impl Source for Script {
        fn bytes(&self) -> usize {
            64
        }

        fn read(&self, buffer: &mut [u8], wait: Duration) -> rusb::Result<usize> {
            assert_eq!((buffer.len(), wait), (64, LISTEN_WAIT));
            self.asked.fetch_add(1, Ordering::Relaxed);
            let Some(packet) = lock(&self.reads).pop_front() else { return self.last };
            let packet = packet?;
            buffer[..packet.len()].copy_from_slice(&packet);
            Ok(packet.len())
        }

        fn clear(&self) -> rusb::Result<()> {
            self.cleared.fetch_add(1, Ordering::Relaxed);
            if self.stays_stalled { Err(Error::NoDevice) } else { Ok(()) }
        }
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    fn now() -> Deadline {
        Deadline::after(Duration::ZERO)
    }

    #[test]
    fn a_bell_is_heard_once_and_a_wait_ends_by_its_deadline() {
        let bell = Bell::default();
        let ring = bell.canceller();
        let thread = std::thread::spawn(move || ring());
        assert_eq!(bell.wait(soon()), Sign::Cancelled);
        assert_eq!(bell.wait(now()), Sign::Nothing);
        thread.join().unwrap();
    }

    #[test]
    fn messages_come_in_order_and_a_ring_goes_first() {
        let bell = Bell::default();
        listen(&Script::new(&[Ok(vec![0x50, 0x03]), Ok(vec![0x51])], Err(Error::NoDevice)), &bell);
        (bell.canceller())();
        assert_eq!((bell.wait(now()), bell.wait(now())), (Sign::Cancelled, Sign::Readable));
        assert_eq!(bell.read(now()), Ok(vec![0x50, 0x03]));
        assert_eq!(bell.read(now()), Ok(vec![0x51]));
    }

    #[test]
    fn a_device_that_is_gone_is_told_to_every_read() {
        let bell = Bell::default();
        listen(&Script::new(&[Ok(vec![1])], Err(Error::Io)), &bell);
        bell.forget();
        for _ in 0..2 {
            assert_eq!((bell.wait(now()), bell.read(now())), (Sign::Readable, Err(Error::Io)));
        }
    }

    #[test]
    fn a_stall_is_cleared_and_told_once_and_what_comes_next_is_heard() {
        let (bell, script) =
            (Bell::default(), Script::new(&[Err(Error::Pipe), Ok(vec![0x12])], Err(Error::NoDevice)));
        listen(&script, &bell);
        assert_eq!(script.cleared.load(Ordering::Relaxed), 1);
        assert_eq!((bell.read(now()), bell.read(now())), (Err(Error::Pipe), Ok(vec![0x12])));
        let (bell, script) = (Bell::default(), Script::new(&[], Err(Error::Pipe)));
        listen(&Script { stays_stalled: true, ..script }, &bell);
        assert_eq!(bell.read(now()), Err(Error::NoDevice));
    }

    #[test]
    fn silence_is_not_asked_about_again_and_a_time_out_is_no_message() {
        let bell = Bell::default();
        let script = Script::new(&[Err(Error::Timeout), Err(Error::Interrupted)], Err(Error::NoDevice));
        let asked = Arc::clone(&script.asked);
        listen(&script, &bell);
        assert_eq!((asked.load(Ordering::Relaxed), bell.read(now())), (3, Err(Error::NoDevice)));
    }

    #[test]
    fn empty_messages_are_silence_and_not_a_busy_loop() {
        let (bell, script) = (Bell::default(), Script::new(&[], Ok(0)));
        let (asked, heard) = (Arc::clone(&script.asked), bell.clone());
        let thread = std::thread::spawn(move || listen(&script, &heard));
        assert_eq!(bell.wait(Deadline::after(Duration::from_millis(100))), Sign::Nothing);
        assert!(
            asked.load(Ordering::Relaxed) <= 2,
            "{} times, and nobody reads",
            asked.load(Ordering::Relaxed)
        );
        assert_eq!(bell.read(Deadline::after(Duration::from_millis(50))), Err(Error::Timeout));
        assert!(asked.load(Ordering::Relaxed) < 20, "{} times", asked.load(Ordering::Relaxed));
        bell.change(|state| state.closed = true);
        thread.join().unwrap();
    }

    #[test]
    fn the_device_keeps_what_there_is_no_room_for() {
        let (bell, script) = (Bell::default(), Script::new(&[], Ok(1)));
        let (asked, heard) = (Arc::clone(&script.asked), bell.clone());
        let thread = std::thread::spawn(move || listen(&script, &heard));
        for _ in 0..3 * MESSAGES_MAX {
            assert_eq!(bell.read(soon()), Ok(vec![0]));
        }
        bell.change(|state| state.closed = true);
        thread.join().unwrap();
        let (asked, waiting) = (asked.load(Ordering::Relaxed) as usize, lock(&bell.0.0).came.len());
        assert!(waiting <= MESSAGES_MAX && asked == 3 * MESSAGES_MAX + waiting, "{asked}, {waiting}");
    }
}
