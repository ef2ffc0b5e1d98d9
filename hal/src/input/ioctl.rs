//! The two evdev requests the `evdev` crate declares and does not offer.
//!
//! `linux/input.h`: `EVIOCGMTSLOTS(len)` is `_IOC(_IOC_READ, 'E', 0x0a, len)` on
//! `struct { __u32 code; __s32 values[]; }`; `EVIOCSCLOCKID` is `_IOW('E', 0xa0, int)`.

use crate::pointer::SLOTS_MAX;
use rustix::{
    fd::BorrowedFd,
    io,
    ioctl::{Setter, Updater, ioctl, opcode},
};

/// The values of one `ABS_MT_...` axis by slot.
pub(crate) type Slots = [i32; SLOTS_MAX as usize];

/// `struct input_mt_request_layout`.
#[repr(C)]
struct Request {
    code: u32,
    values: Slots,
}

const EVIOCGMTSLOTS: rustix::ioctl::Opcode = opcode::read::<Request>(b'E', 0x0a);
const EVIOCSCLOCKID: rustix::ioctl::Opcode = opcode::write::<i32>(b'E', 0xa0);
const CLOCK_MONOTONIC: i32 = 1;

/// The value of `code` in each slot; slots the device does not have stay -1.
///
/// # Errors
/// `EINVAL` for a device without slots.
#[expect(unsafe_code, reason = "an ioctl without a safe wrapper")]
pub(crate) fn mt_slots(device: BorrowedFd<'_>, code: u16) -> io::Result<Slots> {
    let mut request = Request { code: u32::from(code), values: [-1; SLOTS_MAX as usize] };
    // SAFETY: the kernel reads `code` and writes at most the size encoded in the request number, which is
    // the size of `Request`; every bit pattern is a valid `i32`.
    unsafe { ioctl(device, Updater::<EVIOCGMTSLOTS, Request>::new(&mut request)) }?;
    Ok(request.values)
}

/// Makes the device stamp its events with `CLOCK_MONOTONIC`.
///
/// # Errors
/// `EINVAL` on a kernel older than 3.4.
#[expect(unsafe_code, reason = "an ioctl without a safe wrapper")]
pub(crate) fn use_monotonic_clock(device: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the kernel only reads one int.
    unsafe { ioctl(device, Setter::<EVIOCSCLOCKID, i32>::new(CLOCK_MONOTONIC)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_numbers_are_those_of_linux_input_h() {
        // _IOC(_IOC_READ, 'E', 0x0a, 4 + 16 * 4) and _IOW('E', 0xa0, int).
        assert_eq!((EVIOCGMTSLOTS, EVIOCSCLOCKID), (0x8044_450a, 0x4004_45a0));
    }
}
