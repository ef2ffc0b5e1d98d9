//! What opens a device, as often as needed: one function for each kind of line.
//!
//! A kept device's thread and whoever tries a device once open it by the same function.
//!
//! Promises: what a config gets wrong is an error here, what a device does wrong is one later. Never: opens a
//! device by itself.

use super::{CardConfig, PointerConfig, PrinterConfig, Site};
#[cfg(feature = "pcsc")]
use crate::card::pcsc::PcscReader;
use crate::{
    card::{
        CardReader, ReaderKind,
        ccid::{self, CcidPipe, CcidReader},
    },
    device::{Deadline, DeviceError, EventSink},
    pointer::{self, PointerHandle},
    selector::Selector,
    transport::{Transport, file::WriteOnly, serial::Serial, tcp::Tcp, usb::Usb},
};
use std::{path::PathBuf, time::Duration};

/// Connecting to a network printer, or to a chip card reader, takes no longer.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// Opens one device, as often as needed.
pub type Opener<T> = Box<dyn FnMut() -> Result<Box<T>, DeviceError> + Send>;

pub(super) fn usb(config: &PrinterConfig, _site: &Site) -> Result<Opener<dyn Transport>, String> {
    let Selector::Usb { vendor, product, serial } = config.selector.clone() else {
        return Err("not VID:PID[:SERIAL]".to_owned());
    };
    Ok(Box::new(move || Ok(Box::new(Usb::open(vendor, product, serial.as_deref())?))))
}

pub(super) fn serial(config: &PrinterConfig, _site: &Site) -> Result<Opener<dyn Transport>, String> {
    let Selector::Node(path) = config.selector.clone() else { return Err("not /dev/...".to_owned()) };
    let settings = config.serial();
    Ok(Box::new(move || Ok(Box::new(Serial::open(&path, settings)?))))
}

pub(super) fn tcp(config: &PrinterConfig, _site: &Site) -> Result<Opener<dyn Transport>, String> {
    let Selector::Tcp(host) = config.selector.clone() else { return Err("not tcp://host:port".to_owned()) };
    Ok(Box::new(move || Ok(Box::new(Tcp::open(&host, Deadline::after(CONNECT_WAIT))?))))
}

pub(super) fn file(config: &PrinterConfig, _site: &Site) -> Result<Opener<dyn Transport>, String> {
    let Selector::File(path) = config.selector.clone() else { return Err("not file:///path".to_owned()) };
    Ok(Box::new(move || Ok(Box::new(WriteOnly::open(&path)?))))
}

/// The device node that a selector names.
pub(super) fn node(selector: &Selector) -> Result<PathBuf, String> {
    let Selector::Node(path) = selector.clone() else { return Err("not a device node".to_owned()) };
    Ok(path)
}

pub(super) fn evdev(config: &PointerConfig, _site: &Site, sink: EventSink) -> Result<PointerHandle, String> {
    pointer::evdev::spawn(node(&config.selector)?, config.options(), sink).map_err(|error| error.to_string())
}

pub(super) fn chip(config: &CardConfig, _site: &Site) -> Result<Opener<dyn CcidPipe>, String> {
    let Selector::Usb { vendor, product, serial } = config.selector.clone() else {
        return Err("not VID:PID".to_owned());
    };
    Ok(Box::new(move || Ok(Box::new(ccid::usb::open(vendor, product, serial.as_deref())?))))
}

/// The driver of a chip card reader on what `pipe` opens.
pub(super) fn chip_reader(mut pipe: Opener<dyn CcidPipe>, kind: ReaderKind) -> Opener<dyn CardReader> {
    Box::new(move || Ok(Box::new(CcidReader::open(pipe()?, kind, Deadline::after(CONNECT_WAIT))?)))
}

/// A card reader of pcscd.
#[cfg(feature = "pcsc")]
pub(super) fn pcsc(config: &CardConfig, _site: &Site) -> Result<Opener<dyn CardReader>, String> {
    let (selector, kind) = (config.selector.clone(), config.chip_kind());
    let Selector::Pcsc(name) = selector else { return Err("not pcsc:READER".to_owned()) };
    Ok(Box::new(move || Ok(Box::new(PcscReader::open(&name, kind, Deadline::after(CONNECT_WAIT))?))))
}

#[cfg(feature = "sim")]
pub(super) fn is_sim(selector: &Selector, name: &str) -> bool {
    matches!(selector, Selector::Sim(sim) if sim == name)
}

#[cfg(feature = "sim")]
pub(super) fn world(site: &Site) -> Result<crate::sim::World, String> {
    site.world.clone().ok_or_else(|| "a simulated device needs a simulated world".to_owned())
}

#[cfg(feature = "sim")]
pub(super) mod simulated {
    //! The same drivers over simulated lines.

    use super::{super::DocumentConfig, *};
    use crate::{document, document::DocumentHandle, sim};

    pub(in super::super) fn printer(
        _config: &PrinterConfig,
        site: &Site,
    ) -> Result<Opener<dyn Transport>, String> {
        let panel = world(site)?.printer().clone();
        Ok(Box::new(move || panel.connect()))
    }

    pub(in super::super) fn card(
        _config: &CardConfig,
        site: &Site,
    ) -> Result<Opener<dyn CardReader>, String> {
        let world = world(site)?;
        Ok(Box::new(move || sim::card::open(&world)))
    }

    pub(in super::super) fn chip(_config: &CardConfig, site: &Site) -> Result<Opener<dyn CcidPipe>, String> {
        let panel = world(site)?.ccid().clone();
        Ok(Box::new(move || panel.connect()))
    }

    pub(in super::super) fn document(
        _config: &DocumentConfig,
        site: &Site,
        sink: EventSink,
    ) -> Result<DocumentHandle, String> {
        let world = world(site)?;
        Ok(document::spawn(move || sim::document::open(&world), sink))
    }

    pub(in super::super) fn touch(
        config: &PointerConfig,
        site: &Site,
        sink: EventSink,
    ) -> Result<PointerHandle, String> {
        let name = config.selector.to_string();
        Ok(sim::pointer::connect(&world(site)?, &name, config.options(), sink))
    }
}

#[cfg(feature = "recording")]
pub(super) mod replayed {
    //! A recording in place of a device, from its beginning at each opening.

    use super::*;
    use crate::recording::Replay;

    fn replay(selector: &Selector) -> Result<Replay, String> {
        let Selector::Replay(file) = selector else { return Err("not replay:file".to_owned()) };
        Replay::load(file).map_err(|error| error.to_string())
    }

    pub(in super::super) fn printer(selector: &Selector) -> Result<Opener<dyn Transport>, String> {
        let replay = replay(selector)?;
        Ok(Box::new(move || replay.line()))
    }

    pub(in super::super) fn chip(selector: &Selector) -> Result<Opener<dyn CcidPipe>, String> {
        let replay = replay(selector)?;
        Ok(Box::new(move || replay.pipe()))
    }
}
