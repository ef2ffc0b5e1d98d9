//! Bytes over two bulk endpoints: short writes, stalls, packets longer than the reader asked for.
//!
//! ```text
//! write   one packet, then longer transfers      a stall is cleared once; a single packet is sent again,
//!                                                after a longer transfer broke nothing is
//! read    packets, as the ear heard them         what the caller has no room for waits for the next read
//! ```
//! libusb reads a time-out of 0 ms as *for ever* and forgets how much of a transfer went out when the
//! transfer breaks. So no wait here is under a millisecond, and an error from [`Bulk::write`] means that
//! nothing of these bytes went out.
//!
//! Promises: a byte is never sent twice, none that was received is lost. Never: knows a device.

use super::{choose::Ends, device_error, ear::Bell};
use crate::device::{Deadline, DeviceError};
use rusb::{Context, DeviceHandle, Error};
use std::{sync::Arc, time::Duration};

/// libusb takes whole milliseconds, and zero is for ever.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// Far below what fits libusb's 32 bits of milliseconds.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Bytes in one transfer, after the first packet of a write.
const TRANSFER_BYTES: usize = 4096;
/// What a line that does not answer says.
pub(super) const ONE_WAY: &str = "a one-way USB interface does not answer";

/// What is left until `deadline` in a form that libusb cannot take for *for ever*.
pub(super) fn wait(deadline: Deadline) -> Duration {
    deadline.left().clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// What bulk endpoints need of a device.
pub(super) trait Pipe {
    fn send(&self, endpoint: u8, bytes: &[u8], wait: Duration) -> rusb::Result<usize>;
    /// Ends a stall on the way out.
    fn clear(&self, endpoint: u8) -> rusb::Result<()>;
    /// The next packet, never an empty one; a stall on the way in was cleared when it is told.
    fn receive(&self, deadline: Deadline) -> rusb::Result<Vec<u8>>;
}

/// An open device, and what is heard from it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) handle: Arc<DeviceHandle<Context>>,
    pub(super) bell: Bell,
}

impl Pipe for Line {
    fn send(&self, endpoint: u8, bytes: &[u8], wait: Duration) -> rusb::Result<usize> {
        self.handle.write_bulk(endpoint, bytes, wait)
    }

    fn clear(&self, endpoint: u8) -> rusb::Result<()> {
        self.handle.clear_halt(endpoint)
    }

    fn receive(&self, deadline: Deadline) -> rusb::Result<Vec<u8>> {
        self.bell.read(deadline)
    }
}

/// Both endpoints of a printer.
#[derive(Debug)]
pub(super) struct Bulk {
    ends: Ends,
    /// What of a packet nobody read yet.
    unread: Vec<u8>,
    /// A long transfer broke: how much of it went out is not known.
    broken: bool,
}

impl Bulk {
    pub(super) fn new(ends: Ends) -> Self {
        Self { ends, unread: Vec::new(), broken: false }
    }

    pub(super) fn ends(&self) -> Ends {
        self.ends
    }

    /// Forgets what was received.
    pub(super) fn forget(&mut self) {
        self.unread.clear();
    }

    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Whether every byte that was taken is accounted for.
    pub(super) fn whole(&self) -> Result<(), DeviceError> {
        if self.broken { Err(DeviceError::Gone("a transfer broke half-way".to_owned())) } else { Ok(()) }
    }

    /// As [`crate::transport::Transport::write`].
    pub(super) fn write(
        &mut self,
        pipe: &impl Pipe,
        bytes: &[u8],
        deadline: Deadline,
    ) -> Result<usize, DeviceError> {
        self.whole()?;
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            let most = if sent == 0 { self.ends.out.packet } else { TRANSFER_BYTES };
            let chunk = rest.get(..most).unwrap_or(rest);
            match self.transfer(pipe, chunk, deadline) {
                Ok(taken) => {
                    sent += taken;
                    if taken < chunk.len() || deadline.passed() {
                        break;
                    }
                }
                // What was taken counts; a line that is lost says so again.
                Err(_) if sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// One transfer. Whatever it fails with, not one byte of a single packet was taken.
    fn transfer(&mut self, pipe: &impl Pipe, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let out = self.ends.out;
        let single = bytes.len() <= out.packet;
        let mut result = pipe.send(out.address, bytes, wait(deadline));
        let exact = matches!(result, Ok(_) | Err(Error::Timeout | Error::Interrupted));
        self.broken = !exact && !single;
        if result == Err(Error::Pipe) {
            pipe.clear(out.address).map_err(device_error)?;
            if single {
                result = pipe.send(out.address, bytes, wait(deadline));
            }
        }
        match result {
            Ok(0) => Err(DeviceError::TimedOut),
            other => other.map_err(device_error),
        }
    }

    /// As [`crate::transport::Transport::read`].
    pub(super) fn read(
        &mut self,
        pipe: &impl Pipe,
        buffer: &mut [u8],
        deadline: Deadline,
    ) -> Result<usize, DeviceError> {
        if self.ends.input.is_none() {
            return Err(DeviceError::Unsupported(ONE_WAY));
        }
        if self.unread.is_empty() {
            let mut came = pipe.receive(deadline);
            if came == Err(Error::Pipe) {
                came = pipe.receive(deadline);
            }
            self.unread = came.map_err(device_error)?;
        }
        let count = self.unread.len().min(buffer.len());
        buffer.iter_mut().zip(self.unread.drain(..count)).for_each(|(place, byte)| *place = byte);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::usb::choose::End;
    use proptest::prelude::*;
    use std::{cell::RefCell, collections::VecDeque};

    /// A device that does what it is told to, one transfer after another.
    #[derive(Default)]
    struct Script {
        /// For each write: take so many bytes at most, or fail. Afterwards everything is taken.
        writes: RefCell<VecDeque<rusb::Result<usize>>>,
        /// For each read: a packet, or fail. Afterwards nothing comes.
        reads: RefCell<VecDeque<rusb::Result<Vec<u8>>>>,
        took: RefCell<Vec<u8>>,
        cleared: RefCell<Vec<u8>>,
        asked: RefCell<usize>,
    }

    impl Pipe for Script {
        fn send(&self, endpoint: u8, bytes: &[u8], wait: Duration) -> rusb::Result<usize> {
            assert!(endpoint == OUT.address && wait.as_millis() > 0, "for ever");
            let most = self.writes.borrow_mut().pop_front().unwrap_or(Ok(usize::MAX))?;
            let taken = bytes.get(..most).unwrap_or(bytes);
            self.took.borrow_mut().extend(taken);
            Ok(taken.len())
        }

        fn receive(&self, _: Deadline) -> rusb::Result<Vec<u8>> {
            *self.asked.borrow_mut() += 1;
            self.reads.borrow_mut().pop_front().unwrap_or(Err(Error::Timeout))
        }

        fn clear(&self, endpoint: u8) -> rusb::Result<()> {
            self.cleared.borrow_mut().push(endpoint);
            Ok(())
        }
    }

    const OUT: End = End { address: 0x02, packet: 64 };
    const INPUT: End = End { address: 0x81, packet: 64 };

    fn bulk() -> Bulk {
        Bulk::new(Ends { interface: 0, alternate: 0, select: false, out: OUT, input: Some(INPUT) })
    }

    fn writes(script: &[rusb::Result<usize>]) -> Script {
        Script { writes: RefCell::new(script.iter().copied().collect()), ..Script::default() }
    }

    fn reads(script: &[rusb::Result<Vec<u8>>]) -> Script {
        Script { reads: RefCell::new(script.iter().cloned().collect()), ..Script::default() }
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    fn now() -> Deadline {
        Deadline::after(Duration::ZERO)
    }

    #[test]
    fn no_wait_is_for_ever() {
        for left in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(999)] {
            assert_eq!(wait(Deadline::after(left)).as_millis(), 1);
        }
        let long = wait(Deadline::after(Duration::from_secs(1 << 40))).as_millis();
        assert!((1..=u128::from(u32::MAX)).contains(&long), "{long}");
    }

    #[test]
    fn what_the_caller_has_no_room_for_comes_next() {
        let packet: Vec<u8> = (0..100).collect();
        let (pipe, mut bulk, mut came) = (reads(&[Ok(packet.clone())]), bulk(), Vec::new());
        while came.len() < 100 {
            let mut some = [0; 7];
            let count = bulk.read(&pipe, &mut some, now()).unwrap();
            came.extend(&some[..count]);
        }
        assert_eq!((came, *pipe.asked.borrow()), (packet, 1));
        assert!(matches!(bulk.read(&pipe, &mut [0; 7], now()), Err(DeviceError::TimedOut)));
    }

    #[test]
    fn a_short_write_is_counted_as_such() {
        let (pipe, mut bulk) = (writes(&[Ok(64), Ok(100)]), bulk());
        assert_eq!(bulk.write(&pipe, &[7; 1000], soon()).unwrap(), 164);
        let pipe = writes(&[Err(Error::Timeout)]);
        assert!(matches!(bulk.write(&pipe, &[7; 1000], now()), Err(DeviceError::TimedOut)));
        let pipe = writes(&[Ok(64), Err(Error::Timeout)]);
        assert_eq!(bulk.write(&pipe, &[7; 1000], soon()).unwrap(), 64);
        assert_eq!(bulk.write(&pipe, &[7; 1000], soon()).unwrap(), 1000, "a time-out breaks nothing");
    }

    #[test]
    fn a_stall_is_cleared_once_and_the_packet_sent_again() {
        let (pipe, mut bulk) = (writes(&[Err(Error::Pipe)]), bulk());
        assert_eq!(bulk.write(&pipe, b"status", soon()).unwrap(), 6);
        assert_eq!((pipe.took.take(), pipe.cleared.take()), (b"status".to_vec(), vec![OUT.address]));
        let pipe = writes(&[Err(Error::Pipe), Err(Error::Pipe)]);
        assert!(matches!(bulk.write(&pipe, b"status", soon()), Err(DeviceError::Nonsense(_))));
        assert_eq!(pipe.cleared.take(), [OUT.address]);
        let pipe = reads(&[Err(Error::Pipe), Ok(vec![0x12]), Err(Error::Pipe), Err(Error::Pipe)]);
        assert_eq!(bulk.read(&pipe, &mut [0; 8], soon()).unwrap(), 1);
        assert!(matches!(bulk.read(&pipe, &mut [0; 8], soon()), Err(DeviceError::Nonsense(_))));
        assert!(pipe.cleared.take().is_empty(), "whoever heard the stall has cleared it");
    }

    #[test]
    fn after_a_long_transfer_broke_nothing_is_sent_again() {
        for error in [Error::Pipe, Error::Io, Error::NoDevice] {
            let (pipe, mut bulk) = (writes(&[Ok(64), Err(error)]), bulk());
            assert_eq!(bulk.write(&pipe, &[7; 1000], soon()).unwrap(), 64);
            assert!(matches!(bulk.write(&pipe, &[7; 936], soon()), Err(DeviceError::Gone(_))));
            assert_eq!(pipe.took.take().len(), 64);
            assert!(bulk.whole().is_err());
        }
    }

    #[test]
    fn unplugged_before_the_first_packet_nothing_went_out() {
        let (pipe, mut bulk) = (writes(&[Err(Error::Io)]), bulk());
        assert!(matches!(bulk.write(&pipe, &[7; 1000], soon()), Err(DeviceError::Gone(_))));
        assert!(pipe.took.take().is_empty() && bulk.whole().is_ok());
    }

    #[test]
    fn one_way_does_not_answer() {
        let ends = Ends { input: None, ..bulk().ends() };
        let answer = Bulk::new(ends).read(&Script::default(), &mut [0; 8], soon());
        assert!(matches!(answer, Err(DeviceError::Unsupported(_))));
    }

    proptest! {
        #[test]
        fn whatever_a_device_takes_at_once_every_byte_goes_out_once(
            bytes in prop::collection::vec(any::<u8>(), 0..9000),
            script in prop::collection::vec(prop_oneof![
                (1..5000_usize).prop_map(Ok),
                Just(Err(Error::Timeout)),
                Just(Err(Error::Interrupted)),
            ], 0..40),
        ) {
            let (pipe, mut bulk, mut sent) = (writes(&script), bulk(), 0);
            while sent < bytes.len() {
                match bulk.write(&pipe, &bytes[sent..], soon()) {
                    Ok(taken) => sent += taken,
                    Err(error) => prop_assert!(matches!(error, DeviceError::TimedOut), "{error}"),
                }
            }
            prop_assert_eq!(pipe.took.take(), bytes);
        }
    }
}
