//! A USB printer: bulk out, bulk in, and the requests of the printer class, over libusb.
//!
//! ```text
//! find (VID:PID[:serial]) -> choose -> open -> take usblp off -> claim -> write ... read -> give back
//! ```
//!
//! | file | owns |
//! |---|---|
//! | [`choose`] | which interface and endpoints: pure |
//! | [`device_id`], [`class`] | what the class requests say: pure |
//! | [`find`] | which device; who is plugged in |
//!
//! libusb reads a time-out of 0 ms as *for ever* and forgets how much of a transfer went out when the
//! transfer breaks. So no wait here is under a millisecond, a write begins with a single packet, and after
//! a longer transfer broke the line says so instead of going on: a byte is never sent a second time.
//!
//! Promises: a packet is never cut by a buffer that is too small; what was received beyond the caller's
//! buffer comes with the next read; usblp has the interface back when the line is dropped.
//! Never: sets a configuration or resets the device, which would take its other interfaces along.
//!
//! Where it runs, /dev/bus/usb and /sys must be there and netlink sockets allowed: libusb listens for
//! devices on one.

pub mod choose;
pub mod class;
pub mod device_id;
pub mod find;

pub use choose::Ends;
pub use class::PortStatus;
pub use device_id::DeviceId;

use super::Transport;
use crate::device::{Deadline, DeviceError};
use rusb::{Context, DeviceHandle, Error};
use std::{ops::Range, time::Duration};

/// libusb takes whole milliseconds, and zero is for ever.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// Far below what fits libusb's 32 bits of milliseconds.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// A class request is answered at once; usblp waits as long.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// Bytes in one transfer, after the first packet of a write.
const TRANSFER_BYTES: usize = 4096;
/// Some printers answer with an empty packet when they have nothing to say; they are asked again so often.
const EMPTY_WAIT: Duration = Duration::from_millis(10);

/// An open, claimed printer.
#[derive(Debug)]
pub struct Usb {
    handle: DeviceHandle<Context>,
    ends: Ends,
    /// Which configuration is active, counted from 0.
    configuration: u8,
    /// Whole packets as they came.
    buffer: Vec<u8>,
    /// The part of `buffer` that nobody read yet.
    unread: Range<usize>,
    /// A long transfer broke: how much of it went out is not known.
    broken: bool,
}

impl Usb {
    /// Opens the printer and claims its interface; usblp is taken off it until the line is dropped.
    ///
    /// Without `serial` there must be only one such device. Asking for serial numbers takes libusb's own
    /// limit of two seconds for each such device at most.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when it is not plugged in, [`DeviceError::Denied`], [`DeviceError::Busy`] when
    /// another program has claimed it, [`DeviceError::Unsupported`] when it is no printer or one of several.
    pub fn open(vendor: u16, product: u16, serial: Option<&str>) -> Result<Self, DeviceError> {
        let found = find::find(vendor, product, serial)?;
        let find::Printer { handle, ends, configuration } = found;
        match handle.set_auto_detach_kernel_driver(true) {
            Ok(()) | Err(Error::NotSupported) => {}
            Err(error) => return Err(device_error(error)),
        }
        handle.claim_interface(ends.interface).map_err(device_error)?;
        if ends.select {
            handle.set_alternate_setting(ends.interface, ends.alternate).map_err(device_error)?;
        }
        let buffer = vec![0; ends.read_bytes()];
        Ok(Self { handle, ends, configuration, buffer, unread: 0..0, broken: false })
    }

    /// The interface and endpoints in use.
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// What the printer says it is.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when it does not know the request, else as the line has it.
    pub fn device_id(&self) -> Result<DeviceId, DeviceError> {
        device_id(&self.handle, self.ends, self.configuration)
    }

    /// Makes the printer forget what waits in it and what it wanted to say. For a technician: a driver
    /// never does this by itself.
    ///
    /// # Errors
    /// As [`Self::device_id`].
    pub fn soft_reset(&mut self) -> Result<(), DeviceError> {
        let index = u16::from(self.ends.interface);
        let mut asked = Err(Error::Pipe);
        for kind in class::TO_INTERFACE {
            if asked == Err(Error::Pipe) {
                asked = self.handle.write_control(kind, class::SOFT_RESET, 0, index, &[], REQUEST_LIMIT);
            }
        }
        self.unread = 0..0;
        asked.map(drop).map_err(request_error)
    }

    /// One transfer. Whatever it fails with, not one byte of a single packet was taken.
    fn transfer(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let out = self.ends.out;
        let single = bytes.len() <= out.packet;
        let mut result = self.handle.write_bulk(out.address, bytes, wait(deadline));
        if result == Err(Error::Pipe) {
            self.handle.clear_halt(out.address).map_err(device_error)?;
            if single {
                result = self.handle.write_bulk(out.address, bytes, wait(deadline));
            }
        }
        let exact = matches!(result, Ok(_) | Err(Error::Timeout | Error::Interrupted));
        self.broken |= !exact && !single;
        match result {
            Ok(0) => Err(DeviceError::TimedOut),
            other => other.map_err(device_error),
        }
    }

    /// Packets into the buffer; how many bytes.
    fn receive(&mut self, address: u8, deadline: Deadline) -> Result<usize, DeviceError> {
        let mut result = self.handle.read_bulk(address, &mut self.buffer, wait(deadline));
        if result == Err(Error::Pipe) {
            self.handle.clear_halt(address).map_err(device_error)?;
            result = self.handle.read_bulk(address, &mut self.buffer, wait(deadline));
        }
        result.map_err(device_error)
    }
}

impl Transport for Usb {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        if self.broken {
            return Err(DeviceError::Gone("a transfer broke half-way".to_owned()));
        }
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            let most = if sent == 0 { self.ends.out.packet } else { TRANSFER_BYTES };
            let chunk = rest.get(..most).unwrap_or(rest);
            match self.transfer(chunk, deadline) {
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

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let Some(input) = self.ends.input else {
            return Err(DeviceError::Unsupported("a one-way USB interface does not answer"));
        };
        while self.unread.is_empty() {
            let count = self.receive(input.address, deadline)?;
            self.unread = 0..count;
            if count == 0 {
                if deadline.passed() {
                    return Err(DeviceError::TimedOut);
                }
                std::thread::park_timeout(deadline.left().min(EMPTY_WAIT));
            }
        }
        let unread = self.buffer.get(self.unread.clone()).unwrap_or_default();
        let count = unread.len().min(buffer.len());
        buffer.iter_mut().zip(unread).for_each(|(place, byte)| *place = *byte);
        self.unread.start += count;
        Ok(count)
    }

    /// A transfer that ended was handed over; there is nothing to wait for.
    fn finish(&mut self, _: Deadline) -> Result<(), DeviceError> {
        if self.broken { Err(DeviceError::Gone("a transfer broke half-way".to_owned())) } else { Ok(()) }
    }

    /// `GET_PORT_STATUS`. See [`PortStatus`] for how far to trust it.
    fn port_status(&mut self, deadline: Deadline) -> Result<PortStatus, DeviceError> {
        let mut byte = [0];
        let index = u16::from(self.ends.interface);
        let (kind, request) = (class::FROM_INTERFACE, class::GET_PORT_STATUS);
        let wait = wait(deadline).min(REQUEST_LIMIT);
        let count = self.handle.read_control(kind, request, 0, index, &mut byte, wait);
        match (count.map_err(request_error)?, byte) {
            (0, _) => Err(DeviceError::Nonsense("an empty port status".to_owned())),
            (_, [byte]) => Ok(PortStatus::from(byte)),
        }
    }
}

/// `GET_DEVICE_ID`, which the kernel lets through also while usblp or another program has the interface.
fn device_id(handle: &DeviceHandle<Context>, ends: Ends, configuration: u8) -> Result<DeviceId, DeviceError> {
    let mut answer = vec![0; class::DEVICE_ID_MAX];
    let index = class::device_id_index(ends.interface, ends.alternate);
    let (kind, request, value) = (class::FROM_INTERFACE, class::GET_DEVICE_ID, u16::from(configuration));
    let count = handle.read_control(kind, request, value, index, &mut answer, REQUEST_LIMIT);
    let count = count.map_err(request_error)?;
    Ok(DeviceId::parse(answer.get(..count).unwrap_or_default()))
}

/// What is left until `deadline` in a form that libusb cannot take for *for ever*.
fn wait(deadline: Deadline) -> Duration {
    deadline.left().clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// A printer that stalls a control request does not know it.
fn request_error(error: Error) -> DeviceError {
    if error == Error::Pipe {
        DeviceError::Unsupported("the printer does not know this request")
    } else {
        device_error(error)
    }
}

/// An unplugged device fails with `Io` first and with `NoDevice` from then on.
fn device_error(error: Error) -> DeviceError {
    match error {
        Error::Timeout | Error::Interrupted => DeviceError::TimedOut,
        Error::Busy => DeviceError::Busy,
        Error::Access => DeviceError::Denied("the USB device".to_owned()),
        Error::Pipe => DeviceError::Nonsense("it stalls".to_owned()),
        Error::Overflow => DeviceError::Nonsense("a packet longer than it said".to_owned()),
        Error::BadDescriptor => DeviceError::Nonsense("its descriptors".to_owned()),
        Error::NotSupported => DeviceError::Unsupported("this, by libusb or the kernel"),
        Error::Io | Error::NoDevice | Error::NotFound | Error::InvalidParam | Error::NoMem | Error::Other => {
            DeviceError::Gone(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_is_for_ever() {
        for left in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(999)] {
            assert_eq!(wait(Deadline::after(left)).as_millis(), 1);
        }
        let long = wait(Deadline::after(Duration::from_secs(1 << 40))).as_millis();
        assert!((1..=u128::from(u32::MAX)).contains(&long), "{long}");
    }

    #[test]
    fn unplugged_is_gone_and_a_stall_is_not() {
        assert!(matches!(device_error(Error::Io), DeviceError::Gone(_)));
        assert!(matches!(device_error(Error::NoDevice), DeviceError::Gone(_)));
        assert!(matches!(device_error(Error::Busy), DeviceError::Busy));
        assert!(matches!(device_error(Error::Access), DeviceError::Denied(_)));
        assert!(matches!(device_error(Error::Timeout), DeviceError::TimedOut));
        assert!(matches!(device_error(Error::Pipe), DeviceError::Nonsense(_)));
        assert!(matches!(request_error(Error::Pipe), DeviceError::Unsupported(_)));
        assert!(matches!(request_error(Error::NoDevice), DeviceError::Gone(_)));
    }

    #[test]
    fn a_device_that_is_not_there_is_gone() {
        // FFFFh is no vendor, so nothing that is plugged in can be this.
        for serial in [None, Some("J3K")] {
            let opened = Usb::open(0xFFFF, 0xFFFF, serial);
            assert!(matches!(opened, Err(DeviceError::Gone(_))), "{opened:?}");
        }
    }
}
