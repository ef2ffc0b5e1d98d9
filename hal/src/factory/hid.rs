//! What opens a device that sends raw HID reports: stripe readers, barcode scanners.
//!
//! Never: opens a node that everybody may read.

use super::{
    Opener,
    config::{CardConfig, ScannerConfig, Speaks},
    opener,
};
use crate::{
    card::{CardReader, SwipeReader, hid::HidSwipes},
    device::DeviceError,
    scanner::{Scanner, hid::HidScanner},
    selector::Selector,
    transport::hidraw::{HidRaw, ReportSource},
    wedge::Terminator,
};

/// A stripe reader at a node.
pub(super) fn swipe(config: &CardConfig) -> Result<Opener<dyn CardReader>, String> {
    if config.layout.is_some() || config.baud.is_some() {
        return Err(TYPES.to_owned());
    }
    Ok(over_stripe(reports(&config.selector)?))
}

/// A barcode scanner at a node.
pub(super) fn scanner(config: &ScannerConfig) -> Result<Opener<dyn Scanner>, String> {
    check(config)?;
    Ok(over_scanner(reports(&config.selector)?))
}

/// Whether nothing is set up that such a scanner does not have.
fn check(config: &ScannerConfig) -> Result<(), String> {
    let types = config.layout.is_some() || config.baud.is_some();
    let speaks = config.kind.is_none_or(|kind| kind == Speaks::Hid);
    if types || !speaks || config.terminator != Terminator::default() {
        Err(TYPES.to_owned())
    } else {
        Ok(())
    }
}

const TYPES: &str = "layout, baud and terminator are for a device that types";

fn reports(
    selector: &Selector,
) -> Result<impl Fn() -> Result<Box<dyn ReportSource>, DeviceError> + Send + use<>, String> {
    let path = opener::node(selector)?;
    Ok(move || Ok(Box::new(HidRaw::open(&path)?) as Box<dyn ReportSource>))
}

fn over_stripe(
    source: impl Fn() -> Result<Box<dyn ReportSource>, DeviceError> + Send + 'static,
) -> Opener<dyn CardReader> {
    Box::new(move || Ok(Box::new(SwipeReader::over(Box::new(HidSwipes::new(source()?)?)))))
}

fn over_scanner(
    source: impl Fn() -> Result<Box<dyn ReportSource>, DeviceError> + Send + 'static,
) -> Opener<dyn Scanner> {
    Box::new(move || Ok(Box::new(HidScanner::new(source()?)?)))
}

#[cfg(feature = "sim")]
pub(super) mod simulated {
    //! The same drivers over simulated devices.

    use super::*;
    use crate::sim::{
        World,
        hid::{HidPlace, open},
    };

    pub(in super::super) fn swipe(world: World) -> Opener<dyn CardReader> {
        over_stripe(move || open(&world, HidPlace::Stripe))
    }

    pub(in super::super) fn scanner(
        config: &ScannerConfig,
        world: World,
    ) -> Result<Opener<dyn Scanner>, String> {
        check(config)?;
        Ok(over_scanner(move || open(&world, HidPlace::Scanner)))
    }
}
