//! Which USB device is meant, and which printers are plugged in.
//!
//! A new look at the bus each time, so that nothing depends on having heard of a device.
//!
//! Promises: a device that may not be opened is told as such, never as missing.
//! Never: takes one of several; claims an interface.

use super::{
    ask_device_id,
    choose::{Endpoint, Ends, Setting, choose},
    device_error,
    device_id::printable,
};
use crate::device::DeviceError;
use rusb::{ConfigDescriptor, Context, Device, DeviceDescriptor, DeviceHandle, Error, UsbContext};

/// A device that was found and opened, and where on it the printer is.
pub(super) struct Printer {
    pub(super) handle: DeviceHandle<Context>,
    pub(super) ends: Ends,
    /// Which configuration is active, counted from 0.
    pub(super) configuration: u8,
}

/// A USB device on this machine that a driver here would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// idVendor.
    pub vendor: u16,
    /// idProduct.
    pub product: u16,
    /// iSerialNumber, when it has one and could be asked.
    pub serial: Option<String>,
    /// What it calls itself, or why it could not be asked.
    pub name: Result<String, String>,
}

/// The printers that are plugged in, those that may not be opened included.
#[must_use]
pub fn list() -> Vec<Listed> {
    let devices = Context::new().and_then(|context| context.devices());
    let Ok(devices) = devices else { return Vec::new() };
    devices.iter().filter_map(|device| listed(&device)).collect()
}

fn listed(device: &Device<Context>) -> Option<Listed> {
    let descriptor = device.device_descriptor().ok()?;
    let (vendor, product) = (descriptor.vendor_id(), descriptor.product_id());
    let (ends, configuration) = printer_of(device, &descriptor).ok()?;
    let handle = match open(device) {
        Ok(handle) => handle,
        Err(error) => {
            return Some(Listed { vendor, product, serial: None, name: Err(error.to_string()) });
        }
    };
    let told = ask_device_id(&handle, ends, configuration).ok().and_then(|id| id.name());
    let name = told.or_else(|| {
        let strings = [descriptor.manufacturer_string_index(), descriptor.product_string_index()];
        let words: Vec<_> = strings.into_iter().filter_map(|index| text(&handle, index)).collect();
        (!words.is_empty()).then(|| words.join(" "))
    });
    let serial = text(&handle, descriptor.serial_number_string_index());
    Some(Listed { vendor, product, serial, name: Ok(name.unwrap_or_else(|| "unnamed".to_owned())) })
}

/// The one device that is meant.
pub(super) fn find(vendor: u16, product: u16, serial: Option<&str>) -> Result<Printer, DeviceError> {
    let unavailable = |error: Error| DeviceError::Gone(format!("no USB here: {error}"));
    let context = Context::new().map_err(unavailable)?;
    let devices = context.devices().map_err(unavailable)?;
    let mut found = Vec::new();
    for device in devices.iter() {
        let descriptor = device.device_descriptor().map_err(device_error)?;
        if (descriptor.vendor_id(), descriptor.product_id()) == (vendor, product) {
            found.push((device, descriptor));
        }
    }
    let absent = || DeviceError::Gone(format!("{vendor:04x}:{product:04x} is not plugged in"));
    let Some(serial) = serial else {
        let mut found = found.into_iter();
        let (device, descriptor) = found.next().ok_or_else(absent)?;
        if found.next().is_some() {
            return Err(DeviceError::Unsupported("one of several such USB devices: name its serial number"));
        }
        let (ends, configuration) = printer_of(&device, &descriptor)?;
        return Ok(Printer { handle: open(&device)?, ends, configuration });
    };
    let mut why = absent();
    for (device, descriptor) in found {
        match open(&device) {
            Ok(handle) => {
                if text(&handle, descriptor.serial_number_string_index()).as_deref() == Some(serial) {
                    let (ends, configuration) = printer_of(&device, &descriptor)?;
                    return Ok(Printer { handle, ends, configuration });
                }
            }
            // It could be this one.
            Err(error) => why = error,
        }
    }
    Err(why)
}

fn open(device: &Device<Context>) -> Result<DeviceHandle<Context>, DeviceError> {
    device.open().map_err(|error| {
        let name = format!("/dev/bus/usb/{:03}/{:03}", device.bus_number(), device.address());
        match error {
            Error::Access => DeviceError::Denied(name),
            // Also what a device policy of the service manager looks like from inside.
            Error::Io => DeviceError::Gone(format!("{name} does not open")),
            Error::InvalidParam
            | Error::NoDevice
            | Error::NotFound
            | Error::Busy
            | Error::Timeout
            | Error::Overflow
            | Error::Pipe
            | Error::Interrupted
            | Error::NoMem
            | Error::NotSupported
            | Error::BadDescriptor
            | Error::Other => device_error(error),
        }
    })
}

/// A text of the device that can be shown; libusb waits a second for it and one for its language.
fn text(handle: &DeviceHandle<Context>, index: Option<u8>) -> Option<String> {
    let text = handle.read_string_descriptor_ascii(index?).ok()?;
    Some(printable(text.as_bytes())).filter(|text| !text.is_empty())
}

/// The printer's ends in the active configuration, and which configuration that is, counted from 0.
fn printer_of(device: &Device<Context>, descriptor: &DeviceDescriptor) -> Result<(Ends, u8), DeviceError> {
    let active = device.active_config_descriptor().map_err(device_error)?;
    let is_active =
        |index: &u8| device.config_descriptor(*index).is_ok_and(|config| config.number() == active.number());
    let configuration = (0..descriptor.num_configurations()).find(is_active).unwrap_or(0);
    let ends = choose(descriptor.vendor_id(), descriptor.product_id(), &settings(&active));
    let ends = ends.ok_or(DeviceError::Unsupported("this USB device is no printer"))?;
    Ok((ends, configuration))
}

/// Every setting as the descriptors have it.
fn settings(config: &ConfigDescriptor) -> Vec<Setting> {
    let interfaces = config.interfaces().flat_map(|interface| interface.descriptors());
    let endpoints = |described: rusb::EndpointDescriptor<'_>| Endpoint {
        address: described.address(),
        bulk: described.transfer_type() == rusb::TransferType::Bulk,
        packet: described.max_packet_size(),
    };
    let setting = |described: rusb::InterfaceDescriptor<'_>| Setting {
        interface: described.interface_number(),
        alternate: described.setting_number(),
        class: described.class_code(),
        subclass: described.sub_class_code(),
        protocol: described.protocol_code(),
        endpoints: described.endpoint_descriptors().map(endpoints).collect(),
    };
    interfaces.map(setting).collect()
}
