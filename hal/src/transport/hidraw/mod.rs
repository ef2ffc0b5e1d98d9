//! Raw reports of a HID device at a node `/dev/hidraw*`, ours as far as hidraw allows.
//!
//! hidraw has no grab: whoever may open the node may read it. So a node that everybody may read is refused,
//! and it is locked (`flock`), which keeps out whoever locks too. On a unit the node is the kiosk's alone by
//! its udev rule. A vendor's usage page types nothing, so nothing of it reaches the screen either way.
//!
//! | file | owns |
//! |---|---|
//! | [`descriptor`] | which usage is where in a report |
//! | [`report`] | which bytes are one report, and how many of a field are meant |
//! | [`list`](mod@list) | which devices there are |
//!
//! Source: the kernel's `Documentation/hid/hidraw.rst`, `linux/hidraw.h`.
//!
//! Promises: one read is one report, zeroed when dropped; what came before the node was opened is not read
//! (the kernel keeps reports for each opener); an unplugged device (`EIO`, `ENODEV`) is
//! [`DeviceError::Gone`]. Never: writes; polls; reads a node that others read too, as far as it can tell.

pub mod descriptor;
pub mod list;
pub mod report;

pub use descriptor::{Field, ReportDescriptor};
pub use list::{Listed, list};
pub use report::{ReportError, ReportShape};

use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    input::wake::{self, Waker},
};
use descriptor::{DESCRIPTOR_BYTES_MAX, REPORT_BYTES_MAX};
use rustix::{
    fd::{AsFd as _, BorrowedFd, OwnedFd},
    fs::{FlockOperation, Mode, OFlags, flock, fstat},
    io::{self, Errno},
    ioctl::{Updater, ioctl, opcode},
};
use std::path::Path;
use zeroize::Zeroizing;

/// A HID device that sends reports.
pub trait ReportSource: Send {
    /// What it says of its reports.
    fn descriptor(&self) -> &ReportDescriptor;

    /// Waits for a report until cancelled or `deadline`; nothing when none came.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when unplugged.
    fn read(&mut self, deadline: Deadline) -> Result<Option<Zeroizing<Vec<u8>>>, DeviceError>;

    /// What ends [`Self::read`].
    fn canceller(&self) -> Option<Canceller>;
}

/// An open node.
pub struct HidRaw {
    node: OwnedFd,
    waker: Waker,
    descriptor: ReportDescriptor,
}

impl HidRaw {
    /// Opens and locks the node at `path`, and asks what its reports are.
    ///
    /// # Errors
    /// [`DeviceError::NotExclusive`] when everybody may read it or somebody holds its lock,
    /// [`DeviceError::Unsupported`] when it is no hidraw node, [`DeviceError::Nonsense`] when it describes
    /// itself wrongly, [`DeviceError::Denied`], [`DeviceError::Gone`].
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let failed = |error: Errno| failure(path, error);
        let node = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        // First what it is: a file of anybody's is not to be locked.
        let bytes = report_descriptor(node.as_fd()).map_err(failed)?;
        if Mode::from_raw_mode(fstat(&node).map_err(failed)?.st_mode).contains(Mode::ROTH) {
            return Err(DeviceError::NotExclusive(format!("{}: everybody may read it", path.display())));
        }
        flock(&node, FlockOperation::NonBlockingLockExclusive).map_err(failed)?;
        let descriptor = ReportDescriptor::parse(&bytes);
        let descriptor = descriptor.map_err(|error| DeviceError::Nonsense(error.to_string()))?;
        let waker = Waker::new().map_err(|error| DeviceError::Gone(error.to_string()))?;
        Ok(Self { node, waker, descriptor })
    }
}

impl ReportSource for HidRaw {
    fn descriptor(&self) -> &ReportDescriptor {
        &self.descriptor
    }

    fn read(&mut self, deadline: Deadline) -> Result<Option<Zeroizing<Vec<u8>>>, DeviceError> {
        wake::wait(&self.node, &self.waker, Some(deadline))?;
        if self.waker.take() {
            return Ok(None);
        }
        // As long as any report: the kernel throws away what does not fit.
        let mut report = Zeroizing::new(vec![0; REPORT_BYTES_MAX]);
        match io::read(&self.node, report.as_mut_slice()) {
            Ok(0) => Err(DeviceError::Gone("the HID device hung up".to_owned())),
            Ok(count) => {
                report.truncate(count);
                Ok(Some(report))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(DeviceError::Gone(error.to_string())),
        }
    }

    fn canceller(&self) -> Option<Canceller> {
        Some(self.waker.canceller())
    }
}

fn failure(path: &Path, error: Errno) -> DeviceError {
    let name = path.display();
    match error {
        Errno::ACCESS | Errno::PERM => DeviceError::Denied(name.to_string()),
        Errno::BUSY | Errno::WOULDBLOCK => DeviceError::NotExclusive(name.to_string()),
        Errno::NOTTY | Errno::INVAL => DeviceError::Unsupported("this node is no raw HID device"),
        other => DeviceError::Gone(format!("{name}: {other}")),
    }
}

/// `struct hidraw_report_descriptor`.
#[repr(C)]
struct Described {
    size: u32,
    value: [u8; DESCRIPTOR_BYTES_MAX],
}

const HIDIOCGRDESCSIZE: rustix::ioctl::Opcode = opcode::read::<i32>(b'H', 1);
const HIDIOCGRDESC: rustix::ioctl::Opcode = opcode::read::<Described>(b'H', 2);

#[expect(unsafe_code, reason = "ioctls without a safe wrapper")]
fn report_descriptor(node: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut size = 0_i32;
    // SAFETY: the kernel writes one int.
    unsafe { ioctl(node, Updater::<HIDIOCGRDESCSIZE, i32>::new(&mut size)) }?;
    let size = u32::try_from(size).unwrap_or(0);
    let mut described = Box::new(Described { size, value: [0; DESCRIPTOR_BYTES_MAX] });
    // SAFETY: the kernel reads `size`, refuses one above the length of `value`, and writes at most so many
    // bytes of it; every bit pattern is a valid `u8`.
    unsafe { ioctl(node, Updater::<HIDIOCGRDESC, Described>::new(&mut described)) }?;
    let length = usize::try_from(size).unwrap_or(0);
    Ok(described.value.get(..length).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_numbers_are_those_of_linux_hidraw_h() {
        // _IOR('H', 0x01, int) and _IOR('H', 0x02, struct hidraw_report_descriptor), 4100 bytes.
        assert_eq!((HIDIOCGRDESCSIZE, HIDIOCGRDESC), (0x8004_4801, 0x9004_4802));
    }

    #[test]
    fn what_is_no_raw_hid_device_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hidraw0");
        assert!(matches!(HidRaw::open(&file), Err(DeviceError::Gone(_))));
        std::fs::write(&file, b"not a device").unwrap();
        assert!(matches!(HidRaw::open(&file), Err(DeviceError::Unsupported(_))));
        assert!(matches!(HidRaw::open(Path::new("/dev/null")), Err(DeviceError::Unsupported(_))));
    }

    #[test]
    fn refusals_are_told_apart() {
        let told = |error| failure(Path::new("/dev/hidraw7"), error);
        assert!(matches!(told(Errno::ACCESS), DeviceError::Denied(_)));
        assert!(matches!(told(Errno::AGAIN), DeviceError::NotExclusive(_)));
        assert!(matches!(told(Errno::NODEV), DeviceError::Gone(_)));
    }
}
