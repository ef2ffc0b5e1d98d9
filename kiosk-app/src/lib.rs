//! What the `kiosk` binary is made of: two roles and the words they share.
//!
//! * [`shell`] owns screen, devices and the citizen's session; it has no network.
//! * [`agent`] owns the outbox and the way to the gateway; it has no screen and no devices.
//! * [`outbox_cli`] is what a technician asks of the outbox, and carries by hand.
//! * [`screen`] is the user interface compiled from `ui/`.
//! * [`fault`] is the page that stands where the shell cannot.
//! * [`hal_cli`] tries and watches the devices, for technicians.
//! * `demo` and `bench` (feature `demo`) run both on one machine; never part of a unit's build.
//!
//! Never: a plaintext in the agent, a network socket in the shell.

pub mod agent;
#[cfg(feature = "demo")]
pub mod bench;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod fault;
pub mod frame;
pub mod hal_cli;
pub mod outbox_cli;
pub mod screen;
pub mod service;
pub mod shell;
pub mod stamp;
