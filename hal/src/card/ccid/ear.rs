//! Listening on an interrupt end point without asking again and again.
//!
//! ```text
//! thread: one long read -> queue -> driver's wait <- bell, from any thread
//! end:    give the interface back -> the kernel calls off the read -> the thread ends
//! ```
//! libusb's blocking calls cannot be ended from another thread, but the kernel calls off whatever waits on an
//! interface that is given back (`releaseintf`, `drivers/usb/core/devio.c`). A read that begins in that very
//! moment takes the interface again without asking; so it is given back until the thread has ended.
//!
//! Promises: wakes once a minute when nothing happens ([`LISTEN_WAIT`]); at most [`NOTICES_MAX`] messages wait,
//! and then the reader keeps the next. Never: interprets a message; outlives its reader.

use super::pipe::Told;
use crate::{device::Deadline, keeper::lock};
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

/// Messages that wait for the driver.
const NOTICES_MAX: usize = 16;

/// Room for a message: 128 slots.
const NOTICE_BYTES_MAX: usize = 64;

/// How often the interface is given back, and how long that may take to be noticed.
const END_TRIES: u32 = 10;
const END_WAIT: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    came: VecDeque<rusb::Result<Vec<u8>>>,
    rung: bool,
    closed: bool,
    ended: bool,
}

/// What wakes the driver: a message or a ring. Clones are the same bell.
#[derive(Clone, Default)]
pub(super) struct Bell(Arc<(Mutex<State>, Condvar)>);

impl Bell {
    pub(super) fn ring(&self) {
        self.change(|state| state.rung = true);
    }

    /// Waits for a ring, a message (into `buffer`) or the deadline.
    pub(super) fn wait(&self, buffer: &mut [u8], deadline: Deadline) -> rusb::Result<Told> {
        let awake = |state: &State| state.rung || !state.came.is_empty();
        let came = self.until(deadline.left(), awake, |state| {
            if std::mem::take(&mut state.rung) {
                Some(Ok(None))
            } else {
                state.came.pop_front().map(|came| came.map(Some))
            }
        });
        // The thread may wait for room.
        self.0.1.notify_all();
        match came {
            None => Ok(Told::Nothing),
            Some(Ok(None)) => Ok(Told::Cancelled),
            Some(Ok(Some(message))) => {
                let count = message.len().min(buffer.len());
                buffer.iter_mut().zip(message).for_each(|(place, byte)| *place = byte);
                Ok(Told::Notice(count))
            }
            Some(Err(error)) => Err(error),
        }
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
}

/// The thread that listens.
pub(super) struct Ear {
    bell: Bell,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// Listens on end point `end`, whose interface is claimed, and tells `bell`.
    pub(super) fn listen(handle: Arc<DeviceHandle<Context>>, end: u8, bell: Bell) -> io::Result<Self> {
        let told = bell.clone();
        let body = move || {
            listen(end, &handle, &told);
            drop(handle);
            told.change(|state| state.ended = true);
        };
        let thread = thread::Builder::new().name("hal-card-ear".to_owned()).spawn(body)?;
        Ok(Self { bell, thread: Some(thread) })
    }

    /// Ends the thread by giving interface `number` back.
    pub(super) fn end(&mut self, handle: &DeviceHandle<Context>, number: u8) {
        self.bell.change(|state| state.closed = true);
        for _ in 0..END_TRIES {
            // On a device that is gone both fail, and the read has failed already.
            if let Err(error) = handle.release_interface(number) {
                tracing::debug!(%error, "the card reader's interface is not given back");
            }
            if self.bell.until(END_WAIT, |state| state.ended, |state| state.ended) {
                break;
            }
            if let Err(error) = handle.claim_interface(number) {
                tracing::debug!(%error, "the card reader's interface is not had again");
            }
        }
        let Some(thread) = self.thread.take() else { return };
        if !lock(&self.bell.0.0).ended {
            tracing::warn!("a thread that listens to a card reader does not end; left to itself");
        } else if thread.join().is_err() {
            tracing::error!("the thread that listened to a card reader panicked");
        }
    }
}

fn listen(end: u8, handle: &DeviceHandle<Context>, bell: &Bell) {
    let mut buffer = [0; NOTICE_BYTES_MAX];
    loop {
        let room = |state: &State| state.closed || state.came.len() < NOTICES_MAX;
        if bell.until(Duration::MAX, room, |state| state.closed) {
            return;
        }
        match handle.read_interrupt(end, &mut buffer, LISTEN_WAIT) {
            Err(Error::Timeout | Error::Interrupted) => {}
            Ok(0) => bell.until(EMPTY_WAIT, |state| state.closed, |_| ()),
            Ok(count) => {
                let message = buffer.get(..count).unwrap_or_default().to_vec();
                bell.change(|state| state.came.push_back(Ok(message)));
            }
            // A stall is told, and cleared where it can be.
            Err(error) => {
                let cleared = error == Error::Pipe && handle.clear_halt(end).is_ok();
                bell.change(|state| state.came.push_back(Err(error)));
                if !cleared {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    fn now() -> Deadline {
        Deadline::after(Duration::ZERO)
    }

    #[test]
    fn a_bell_is_heard_once_and_a_wait_ends_by_its_deadline() {
        let bell = Bell::default();
        let far = bell.clone();
        let thread = std::thread::spawn(move || far.ring());
        assert_eq!(bell.wait(&mut [], soon()), Ok(Told::Cancelled));
        assert_eq!(bell.wait(&mut [], now()), Ok(Told::Nothing));
        thread.join().unwrap();
    }

    #[test]
    fn messages_come_in_order_and_a_ring_goes_first() {
        let bell = Bell::default();
        bell.change(|state| {
            state.came.extend([Ok(vec![0x50, 0x03]), Err(Error::NoDevice)]);
            state.rung = true;
        });
        let mut buffer = [0; 8];
        assert_eq!(bell.wait(&mut buffer, now()), Ok(Told::Cancelled));
        assert_eq!(bell.wait(&mut buffer, now()), Ok(Told::Notice(2)));
        assert_eq!(buffer[..2], [0x50, 0x03]);
        assert_eq!(bell.wait(&mut buffer, now()), Err(Error::NoDevice));
    }
}
