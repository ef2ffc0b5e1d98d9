//! Kiosk devices behind small traits: receipt printers, card readers, document and barcode scanners,
//! touch, keypads.
//!
//! Three layers, three kinds of file. A **transport** moves bytes with a deadline. A **codec** is
//! pure: bytes to types and back, never a panic. A **driver** knows the sequence and the recovery.
//! One thread owns one device; the world hears of it through one bounded channel of [`Event`]s.
//!
//! Promises: a command ends in exactly one completion; *printed* is said only with the printer's
//! proof; a card or a scan reaches only who armed its reader; nothing is printed twice by itself.
//!
//! Never: knows what a kiosk, a service or a citizen is; speaks words (only codes); logs card data.

pub mod card;
pub mod counters;
pub mod device;
pub mod document;
pub mod factory;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod gate;
mod input;
mod keeper;
pub mod keypad;
pub mod keys;
pub mod pointer;
pub mod printer;
#[cfg(feature = "recording")]
pub mod recording;
pub mod scanner;
pub mod selector;
pub mod selftest;
#[cfg(feature = "sim")]
pub mod sim;
pub mod transport;
pub mod wedge;

#[cfg(all(feature = "recording", not(debug_assertions)))]
compile_error!(
    "hal's feature `recording` is for debug builds: a unit must not be able to record what passes a device"
);

pub use device::{Class, Deadline, DeviceError, Event, EventSink, Health, Trouble};
pub use selector::Selector;

/// The README's example is compiled and run with the documentation tests.
#[cfg(all(doctest, feature = "sim"))]
#[doc = include_str!("../README.md")]
struct Readme;
