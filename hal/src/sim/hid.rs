//! Simulated raw HID devices, as the kernel's hidraw shows them.
//!
//! Promises: what a device reports is there when the hand's function returns; an unplugged one loses what was
//! waiting. Never: makes up a report.

use super::{hid_scanner, hid_stripe, world::World};
use crate::{
    card::Canceller,
    device::{Deadline, DeviceError},
    transport::hidraw::{ReportDescriptor, ReportSource},
};
use std::{collections::VecDeque, sync::Arc};
use zeroize::Zeroizing;

/// So many reports wait for who opened a node, `HIDRAW_BUFFER_SIZE` of `linux/hidraw.h`; more are lost.
const REPORTS_MAX: usize = 64;

/// Which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HidPlace {
    /// The stripe reader `sim:hid-swipe`.
    Stripe,
    /// The barcode scanner `sim:hid-scanner`.
    Scanner,
}

/// One node, as the kernel sees it.
#[derive(Default)]
pub(super) struct HidNode {
    /// What waits for who opened it; none without one, because the kernel keeps nothing then.
    waiting: Option<VecDeque<Zeroizing<Vec<u8>>>>,
    cancelled: bool,
    pulled: bool,
    /// Whether somebody else has its lock.
    pub(super) taken: bool,
}

impl HidNode {
    pub(super) fn cable(&mut self, pulled: bool) {
        self.pulled = pulled;
        self.waiting = None;
    }

    /// The device reports; false when nobody hears of it.
    pub(super) fn report(&mut self, report: Zeroizing<Vec<u8>>) -> bool {
        let waiting = self.waiting.as_mut().filter(|waiting| waiting.len() < REPORTS_MAX);
        waiting.map(|waiting| waiting.push_back(report)).is_some()
    }

    /// What who opened it gets now; none while it has to wait.
    fn read(&mut self) -> Option<Result<Option<Zeroizing<Vec<u8>>>, DeviceError>> {
        if std::mem::take(&mut self.cancelled) {
            return Some(Ok(None));
        }
        let Some(waiting) = &mut self.waiting else { return Some(Err(unplugged())) };
        waiting.pop_front().map(|report| Ok(Some(report)))
    }
}

/// Opens the device at `place`.
///
/// # Errors
/// [`DeviceError::Gone`] while its cable is pulled, [`DeviceError::NotExclusive`] while somebody else has it.
pub fn open(world: &World, place: HidPlace) -> Result<Box<dyn ReportSource>, DeviceError> {
    let bytes: &[u8] = match place {
        HidPlace::Stripe => &hid_stripe::DESCRIPTOR,
        HidPlace::Scanner => &hid_scanner::DESCRIPTOR,
    };
    let descriptor = ReportDescriptor::parse(bytes);
    let descriptor = descriptor.map_err(|error| DeviceError::Nonsense(error.to_string()))?;
    world.change(|things| {
        let node = things.hid(place);
        if node.pulled {
            return Err(unplugged());
        }
        if node.taken {
            return Err(DeviceError::NotExclusive("the simulated device is somebody else's".to_owned()));
        }
        node.waiting = Some(VecDeque::new());
        Ok(())
    })?;
    Ok(Box::new(SimReports { world: world.clone(), place, descriptor }))
}

fn unplugged() -> DeviceError {
    DeviceError::Gone("the simulated HID device is unplugged".to_owned())
}

struct SimReports {
    world: World,
    place: HidPlace,
    descriptor: ReportDescriptor,
}

impl ReportSource for SimReports {
    fn descriptor(&self) -> &ReportDescriptor {
        &self.descriptor
    }

    fn read(&mut self, deadline: Deadline) -> Result<Option<Zeroizing<Vec<u8>>>, DeviceError> {
        let read = self.world.wait(deadline.left(), |things| things.hid(self.place).read());
        read.unwrap_or(Ok(None))
    }

    fn canceller(&self) -> Option<Canceller> {
        let (world, place) = (self.world.clone(), self.place);
        Some(Arc::new(move || world.change(|things| things.hid(place).cancelled = true)))
    }
}
