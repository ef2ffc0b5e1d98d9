//! What opens a device that sends raw HID reports: stripe readers.
//!
//! Never: opens a node that everybody may read.

use super::{Opener, config::CardConfig};
use crate::{
    card::{CardReader, SwipeReader, hid::HidSwipes},
    device::DeviceError,
    selector::Selector,
    transport::hidraw::{HidRaw, ReportSource},
};

/// A stripe reader at a node.
pub(super) fn swipe(config: &CardConfig) -> Result<Opener<dyn CardReader>, String> {
    if config.layout.is_some() || config.baud.is_some() {
        return Err("layout and baud are for a reader that types".to_owned());
    }
    let Selector::Node(path) = config.selector.clone() else { return Err("not a device node".to_owned()) };
    Ok(over(move || Ok(Box::new(HidRaw::open(&path)?))))
}

/// The simulated one.
#[cfg(feature = "sim")]
pub(super) fn simulated_swipe(world: crate::sim::World) -> Opener<dyn CardReader> {
    over(move || crate::sim::hid_stripe::open(&world))
}

fn over(
    source: impl Fn() -> Result<Box<dyn ReportSource>, DeviceError> + Send + 'static,
) -> Opener<dyn CardReader> {
    Box::new(move || Ok(Box::new(SwipeReader::over(Box::new(HidSwipes::new(source()?)?)))))
}
