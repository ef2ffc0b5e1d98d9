//! A CCID reader over rusb.
//!
//! The interface is the first of class `0B`; a device named by vendor and product may also have one of class
//! `FF` that carries the CCID descriptor, as readers older than the class do.
//!
//! A thread of its own listens on the interrupt end point ([`crate::transport::usb`]), so that the driver can wait for it and for
//! its canceller without asking again and again.
//!
//! Promises: no time-out of zero, which libusb takes for *for ever*; a kernel driver that holds the interface
//! is put off and put back afterwards; an end point that stalled is cleared.
//! Never: resets a device; touches an interface it did not claim.

use super::{
    descriptor::Descriptor,
    pipe::{CcidPipe, Told},
};
use crate::{
    card::Canceller,
    device::{Deadline, DeviceError},
    transport::{
        Sign,
        usb::{
            ear::{Bell, Ear, Input, Kind},
            find::Listed,
        },
    },
};
use rusb::{ConfigDescriptor, Context, Device, DeviceHandle, Direction, TransferType, UsbContext};
use std::{sync::Arc, time::Duration};

/// bInterfaceClass of a chip card reader, and of something of the maker's own.
const CLASS_CCID: u8 = 0x0B;
const CLASS_OWN: u8 = 0xFF;

/// libusb counts in whole milliseconds and takes none for no limit.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Room for a notice: 128 slots.
const NOTICE_BYTES_MAX: usize = 64;

/// A string of the device descriptor.
const STRING_WAIT: Duration = Duration::from_millis(200);

/// ABORT: host to device, class, interface; bRequest (CCID section 5.3.1).
const ABORT_TYPE: u8 = 0x21;
const ABORT: u8 = 0x01;

/// What a reader is spoken to through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    interface: u8,
    setting: u8,
    bulk_out: u8,
    bulk_in: u8,
    packet: usize,
    interrupt_in: Option<u8>,
    descriptor: Descriptor,
}

/// An interface, as far as it matters here.
struct Interface {
    number: u8,
    setting: u8,
    class: u8,
    extra: Vec<u8>,
    ends: Vec<End>,
}

struct End {
    address: u8,
    direction: Direction,
    kind: TransferType,
    packet: u16,
    extra: Vec<u8>,
}

/// The readers of class `0B` there are, those that may not be opened included.
#[must_use]
pub fn list() -> Vec<Listed> {
    let Ok(devices) = Context::new().and_then(|context| context.devices()) else { return Vec::new() };
    devices.iter().filter_map(|device| listed(&device)).collect()
}

fn listed(device: &Device<Context>) -> Option<Listed> {
    let about = device.device_descriptor().ok()?;
    ends(&interfaces(&device.active_config_descriptor().ok()?), &[CLASS_CCID])?;
    let opened = device.open();
    let serial = opened.as_ref().ok().and_then(|handle| text(handle, about.serial_number_string_index()));
    let name = match opened {
        Ok(handle) => Ok(text(&handle, about.product_string_index()).unwrap_or_default()),
        Err(error) => Err(error.to_string()),
    };
    Some(Listed { vendor: about.vendor_id(), product: about.product_id(), serial, name })
}

/// Opens the reader with these descriptors and claims its interface.
///
/// # Errors
/// [`DeviceError::Gone`] when none is plugged in, [`DeviceError::Denied`], [`DeviceError::Busy`] when another
/// program such as pcscd holds it, [`DeviceError::Unsupported`] when it is no CCID reader.
pub fn open(vendor: u16, product: u16, serial: Option<&str>) -> Result<UsbPipe, DeviceError> {
    let name = format!("{vendor:04x}:{product:04x}");
    // A context of its own: rusb's global one panics where there is no USB at all.
    let devices = Context::new().and_then(|context| context.devices());
    let devices = devices.map_err(|error| device_error(error, &name))?;
    for device in devices.iter() {
        let Ok(about) = device.device_descriptor() else { continue };
        if (about.vendor_id(), about.product_id()) != (vendor, product) {
            continue;
        }
        let handle = device.open().map_err(|error| device_error(error, &name))?;
        let other =
            serial.is_some() && text(&handle, about.serial_number_string_index()).as_deref() != serial;
        if !other {
            return claim(handle, &name);
        }
    }
    Err(DeviceError::Gone(format!("no {name} is plugged in")))
}

fn claim(handle: DeviceHandle<Context>, name: &str) -> Result<UsbPipe, DeviceError> {
    let failed = |error| device_error(error, name);
    let config = handle.device().active_config_descriptor().map_err(failed)?;
    let ends = ends(&interfaces(&config), &[CLASS_CCID, CLASS_OWN])
        .ok_or(DeviceError::Unsupported("USB devices that are no chip card readers"))?;
    match handle.set_auto_detach_kernel_driver(true) {
        Ok(()) | Err(rusb::Error::NotSupported) => {}
        Err(error) => return Err(failed(error)),
    }
    handle.claim_interface(ends.interface).map_err(failed)?;
    if ends.setting != 0 {
        handle.set_alternate_setting(ends.interface, ends.setting).map_err(failed)?;
    }
    let (handle, bell) = (Arc::new(handle), Bell::default());
    let notices = |address| Input {
        handle: Arc::clone(&handle),
        address,
        kind: Kind::Interrupt,
        bytes: NOTICE_BYTES_MAX,
    };
    let ear = ends.interrupt_in.map(|end| Ear::listen(notices(end), bell.clone())).transpose();
    let ear = ear.map_err(|error| DeviceError::Gone(format!("no thread listens to {name}: {error}")))?;
    Ok(UsbPipe { handle, ends, name: name.to_owned(), bell, ear })
}

fn text<T: UsbContext>(handle: &DeviceHandle<T>, index: Option<u8>) -> Option<String> {
    let language = handle.read_languages(STRING_WAIT).ok()?.into_iter().next()?;
    handle.read_string_descriptor(language, index?, STRING_WAIT).ok()
}

fn interfaces(config: &ConfigDescriptor) -> Vec<Interface> {
    let settings = config.interfaces().flat_map(|interface| interface.descriptors().collect::<Vec<_>>());
    let end = |end: rusb::EndpointDescriptor<'_>| End {
        address: end.address(),
        direction: end.direction(),
        kind: end.transfer_type(),
        packet: end.max_packet_size(),
        extra: end.extra().unwrap_or_default().to_vec(),
    };
    let whole = settings.map(|setting| Interface {
        number: setting.interface_number(),
        setting: setting.setting_number(),
        class: setting.class_code(),
        extra: setting.extra().to_vec(),
        ends: setting.endpoint_descriptors().map(end).collect(),
    });
    whole.collect()
}

/// The end points of the first reader among these interfaces, by class in this order.
fn ends(interfaces: &[Interface], classes: &[u8]) -> Option<Ends> {
    classes.iter().find_map(|class| {
        interfaces.iter().filter(|interface| interface.class == *class).find_map(Interface::reader)
    })
}

impl Interface {
    fn reader(&self) -> Option<Ends> {
        // Some firmware puts the descriptor behind an end point.
        let mut extras = std::iter::once(&self.extra).chain(self.ends.iter().map(|end| &end.extra));
        let descriptor = extras.find_map(|extra| Descriptor::find(extra))?;
        let end =
            |direction, kind| self.ends.iter().find(|end| (end.direction, end.kind) == (direction, kind));
        let bulk_in = end(Direction::In, TransferType::Bulk)?;
        Some(Ends {
            interface: self.number,
            setting: self.setting,
            bulk_out: end(Direction::Out, TransferType::Bulk)?.address,
            bulk_in: bulk_in.address,
            packet: usize::from(bulk_in.packet.max(8)),
            interrupt_in: end(Direction::In, TransferType::Interrupt).map(|end| end.address),
            descriptor,
        })
    }
}

/// An open reader; dropping it gives the interface back.
pub struct UsbPipe {
    handle: Arc<DeviceHandle<Context>>,
    ends: Ends,
    name: String,
    bell: Bell,
    ear: Option<Ear>,
}

impl Drop for UsbPipe {
    fn drop(&mut self) {
        if let Some(ear) = &mut self.ear {
            ear.end(&self.handle, self.ends.interface);
        }
    }
}

impl UsbPipe {
    fn failed(&self, error: rusb::Error, end: u8) -> DeviceError {
        if error == rusb::Error::Pipe
            && let Err(error) = self.handle.clear_halt(end)
        {
            return device_error(error, &self.name);
        }
        device_error(error, &self.name)
    }
}

impl CcidPipe for UsbPipe {
    fn descriptor(&self) -> Descriptor {
        self.ends.descriptor
    }

    fn packet(&self) -> usize {
        self.ends.packet
    }

    fn has_notices(&self) -> bool {
        self.ends.interrupt_in.is_some()
    }

    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), DeviceError> {
        let mut rest = message;
        while !rest.is_empty() {
            // A time-out after a part was taken is reported as that part.
            let sent = self.handle.write_bulk(self.ends.bulk_out, rest, wait(deadline));
            let count = sent.map_err(|error| self.failed(error, self.ends.bulk_out))?;
            rest = rest.get(count..).unwrap_or_default();
            if !rest.is_empty() && deadline.passed() {
                return Err(DeviceError::TimedOut);
            }
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let read = self.handle.read_bulk(self.ends.bulk_in, buffer, wait(deadline));
        read.map_err(|error| self.failed(error, self.ends.bulk_in))
    }

    fn notice(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<Told, DeviceError> {
        match self.bell.wait(deadline) {
            Sign::Cancelled => Ok(Told::Cancelled),
            Sign::Nothing => Ok(Told::Nothing),
            Sign::Readable => {
                let message = self.bell.read(deadline).map_err(|error| device_error(error, &self.name))?;
                let count = message.len().min(buffer.len());
                buffer.iter_mut().zip(message).for_each(|(place, byte)| *place = byte);
                Ok(Told::Notice(count))
            }
        }
    }

    fn canceller(&self) -> Canceller {
        self.bell.canceller()
    }

    fn abort(&mut self, slot: u8, seq: u8, deadline: Deadline) -> Result<(), DeviceError> {
        let value = u16::from_be_bytes([seq, slot]);
        let interface = u16::from(self.ends.interface);
        let done = self.handle.write_control(ABORT_TYPE, ABORT, value, interface, &[], wait(deadline));
        // Readers that know no abort refuse it; there is no halt to clear on the control end point.
        done.map(drop).map_err(|error| device_error(error, &self.name))
    }
}

fn wait(deadline: Deadline) -> Duration {
    deadline.left().max(SHORTEST_WAIT)
}

fn device_error(error: rusb::Error, name: &str) -> DeviceError {
    match error {
        rusb::Error::Timeout | rusb::Error::Interrupted => DeviceError::TimedOut,
        rusb::Error::Access => DeviceError::Denied(name.to_owned()),
        rusb::Error::Busy => DeviceError::Busy,
        rusb::Error::NotSupported => DeviceError::Unsupported("this USB device on this system"),
        rusb::Error::Pipe => DeviceError::Nonsense("an end point stalled".to_owned()),
        rusb::Error::Overflow | rusb::Error::BadDescriptor | rusb::Error::InvalidParam => {
            DeviceError::Nonsense(error.to_string())
        }
        rusb::Error::Io
        | rusb::Error::NoDevice
        | rusb::Error::NotFound
        | rusb::Error::NoMem
        | rusb::Error::Other => DeviceError::Gone(format!("{name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::encode;
    use super::*;

    fn end(address: u8, kind: TransferType) -> End {
        let direction = if address & 0x80 == 0 { Direction::Out } else { Direction::In };
        End { address, direction, kind, packet: 64, extra: Vec::new() }
    }

    fn reader(number: u8, class: u8) -> Interface {
        let bulk = [end(0x02, TransferType::Bulk), end(0x82, TransferType::Bulk)];
        let ends = bulk.into_iter().chain([end(0x81, TransferType::Interrupt)]).collect();
        Interface { number, setting: 0, class, extra: encode(0x2_0000, 7, 271).to_vec(), ends }
    }

    #[test]
    fn the_interface_of_the_class_is_taken_before_one_of_the_makers_own() {
        let keyboard =
            Interface { number: 0, setting: 0, class: 3, extra: vec![9, 0x21, 0], ends: Vec::new() };
        let all = [keyboard, reader(1, CLASS_OWN), reader(2, CLASS_CCID)];
        let found = ends(&all, &[CLASS_CCID, CLASS_OWN]).unwrap();
        assert_eq!((found.interface, found.bulk_out, found.bulk_in), (2, 0x02, 0x82));
        assert_eq!((found.packet, found.interrupt_in), (64, Some(0x81)));
        assert_eq!(ends(&all[..2], &[CLASS_CCID, CLASS_OWN]).unwrap().interface, 1);
        assert_eq!(ends(&all[..2], &[CLASS_CCID]), None);
    }

    #[test]
    fn a_reader_may_have_no_interrupt_end_point_and_its_descriptor_elsewhere() {
        let mut odd = reader(0, CLASS_CCID);
        odd.ends.pop();
        odd.ends[1].extra = std::mem::take(&mut odd.extra);
        assert_eq!(ends(&[odd], &[CLASS_CCID]).unwrap().interrupt_in, None);
        let mut half = reader(0, CLASS_CCID);
        half.ends.remove(0);
        assert_eq!(ends(&[half], &[CLASS_CCID]), None, "no way to send");
    }

    #[test]
    fn a_wait_is_never_for_ever() {
        assert_eq!(wait(Deadline::after(Duration::ZERO)), SHORTEST_WAIT);
    }

    #[test]
    fn a_reader_that_is_not_plugged_in_is_gone() {
        // No vendor has this number; on a machine without USB nothing is plugged in either.
        assert!(matches!(open(0xFFFF, 0xFFFE, None), Err(DeviceError::Gone(_))));
    }
}
