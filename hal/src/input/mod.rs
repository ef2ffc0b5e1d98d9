//! What every evdev device shares: raw events, taking a node for us alone, waiting for it.
//!
//! Source: the kernel's `Documentation/input/input.rst`, section "event interface", and `linux/input.h`.
//!
//! Promises: only a grabbed node can be read ([`node::Seen`] has no `read`); what was read is zeroed when
//! dropped, because it may be what a card or a citizen said. Never: knows what the events mean.

pub(crate) mod ioctl;
pub(crate) mod node;
pub(crate) mod raw;
pub(crate) mod wake;

pub use raw::{Raw, code};

/// `CLOCK_MONOTONIC` in microseconds.
#[must_use]
pub fn now_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let us = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
    u64::try_from(us).unwrap_or(0)
}
