//! A USB printer: bulk out, bulk in, and the requests of the printer class, over libusb.
//!
//! ```text
//! find (VID:PID[:serial]) -> choose -> open -> take usblp off -> claim -> write ... read -> give back
//!                                                                  ear: listens all the time
//! ```
//!
//! | file | owns |
//! |---|---|
//! | [`choose`] | which interface and endpoints: pure |
//! | [`device_id`], [`class`] | what the class requests say: pure |
//! | [`find`] | which device; who is plugged in |
//! | `bulk` | short writes, stalls, packets |
//! | `ear` | a thread that listens on an IN end point, for chip card readers too |
//!
//! Promises: usblp has the interface back when the line is dropped; a byte is never sent a second time.
//! Never: sets a configuration or resets the device, which would take its other interfaces along.
//!
//! Where it runs, /dev/bus/usb and /sys must be there and netlink sockets allowed: libusb listens for
//! devices on one. By hand, with a printer or a USB printer gadget (`list` says what it is called):
//!
//! ```text
//! kiosk hal list
//! kiosk hal test printer --selector 04b8:0e15 --profile epson-tm-t20ii --level external
//! kiosk hal watch printer --selector 04b8:0e15 --profile epson-tm-t20ii
//! ```

mod bulk;
pub mod choose;
pub mod class;
pub mod device_id;
pub(crate) mod ear;
pub mod find;

pub use choose::Ends;
pub use class::PortStatus;
pub use device_id::DeviceId;

use super::{Sign, Transport};
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
};
use bulk::{Bulk, Line, wait};
use ear::{Bell, Ear, Input, Kind};
use rusb::{Context, DeviceHandle, Error};
use std::{sync::Arc, time::Duration};

/// A class request is answered at once; usblp waits as long.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// An open, claimed printer.
#[derive(Debug)]
pub struct Usb {
    line: Line,
    bulk: Bulk,
    /// A one-way interface has nothing to listen to.
    ear: Option<Ear>,
    /// Which configuration is active, counted from 0.
    configuration: u8,
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
        let line = Line { handle: Arc::new(handle), bell: Bell::default() };
        let answers = |end: choose::End| Input {
            handle: Arc::clone(&line.handle),
            address: end.address,
            kind: Kind::Bulk,
            bytes: end.packet,
        };
        let ear = ends.input.map(|end| Ear::listen(answers(end), line.bell.clone())).transpose();
        let ear = ear.map_err(|error| DeviceError::Gone(format!("no thread listens to it: {error}")))?;
        Ok(Self { line, bulk: Bulk::new(ends), ear, configuration })
    }

    /// The interface and endpoints in use.
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.bulk.ends()
    }

    /// What the printer says it is.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when it does not know the request, else as the line has it.
    pub fn device_id(&self) -> Result<DeviceId, DeviceError> {
        ask_device_id(&self.line.handle, self.ends(), self.configuration)
    }

    /// Makes the printer forget what waits in it and what it wanted to say. For a technician: a driver
    /// never does this by itself.
    ///
    /// # Errors
    /// As [`Self::device_id`].
    pub fn soft_reset(&mut self) -> Result<(), DeviceError> {
        let index = u16::from(self.ends().interface);
        let mut asked = Err(Error::Pipe);
        for kind in class::TO_INTERFACE {
            if asked == Err(Error::Pipe) {
                asked = self.line.handle.write_control(kind, class::SOFT_RESET, 0, index, &[], REQUEST_LIMIT);
            }
        }
        self.line.bell.forget();
        self.bulk.forget();
        asked.map(drop).map_err(request_error)
    }
}

impl Drop for Usb {
    fn drop(&mut self) {
        let interface = self.ends().interface;
        if let Some(ear) = &mut self.ear {
            ear.end(&self.line.handle, interface);
        }
    }
}

impl Transport for Usb {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        self.bulk.write(&self.line, bytes, deadline)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        self.bulk.read(&self.line, buffer, deadline)
    }

    fn wait(&mut self, deadline: Deadline) -> Result<Sign, DeviceError> {
        match self.ear {
            None => Err(DeviceError::Unsupported(bulk::ONE_WAY)),
            Some(_) if self.bulk.has_unread() => Ok(Sign::Readable),
            Some(_) => Ok(self.line.bell.wait(deadline)),
        }
    }

    fn canceller(&self) -> Option<Canceller> {
        self.ear.as_ref().map(|_| self.line.bell.canceller())
    }

    /// A transfer that ended was handed over; there is nothing to wait for.
    fn finish(&mut self, _: Deadline) -> Result<(), DeviceError> {
        self.bulk.whole()
    }

    /// `GET_PORT_STATUS`. See [`PortStatus`] for how far to trust it.
    fn port_status(&mut self, deadline: Deadline) -> Result<PortStatus, DeviceError> {
        let mut byte = [0];
        let index = u16::from(self.ends().interface);
        let (kind, request) = (class::FROM_INTERFACE, class::GET_PORT_STATUS);
        let wait = wait(deadline).min(REQUEST_LIMIT);
        let count = self.line.handle.read_control(kind, request, 0, index, &mut byte, wait);
        match (count.map_err(request_error)?, byte) {
            (0, _) => Err(DeviceError::Nonsense("an empty port status".to_owned())),
            (_, [byte]) => Ok(PortStatus::from(byte)),
        }
    }
}

/// `GET_DEVICE_ID`, which the kernel lets through also while usblp or another program has the interface.
fn ask_device_id(
    handle: &DeviceHandle<Context>,
    ends: Ends,
    configuration: u8,
) -> Result<DeviceId, DeviceError> {
    let mut answer = vec![0; class::DEVICE_ID_MAX];
    let index = class::device_id_index(ends.interface, ends.alternate);
    let (kind, request, value) = (class::FROM_INTERFACE, class::GET_DEVICE_ID, u16::from(configuration));
    let count = handle.read_control(kind, request, value, index, &mut answer, REQUEST_LIMIT);
    let count = count.map_err(request_error)?;
    Ok(DeviceId::parse(answer.get(..count).unwrap_or_default()))
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
