//! hal from outside: drivers against simulators that behave like the wire.

#[cfg(feature = "sim")]
mod card;
#[cfg(feature = "sim")]
mod card_t1;
#[cfg(feature = "sim")]
mod ccid;
#[cfg(feature = "sim")]
mod ccid_faults;
#[cfg(all(feature = "sim", feature = "recording"))]
mod ccid_recorded;
#[cfg(feature = "sim")]
mod counters;
#[cfg(feature = "sim")]
mod cycles;
#[cfg(feature = "sim")]
mod desk;
#[cfg(feature = "sim")]
mod document;
#[cfg(feature = "sim")]
mod hid_scanner;
#[cfg(feature = "sim")]
mod hid_swipe;
#[cfg(feature = "sim")]
mod idle;
#[cfg(feature = "sim")]
mod keypad;
#[cfg(feature = "sim")]
mod matrix;
mod pointer;
#[cfg(feature = "sim")]
mod printer;
#[cfg(feature = "sim")]
mod printer_faults;
#[cfg(feature = "sim")]
mod printer_lines;
#[cfg(feature = "sim")]
mod printer_picture;
#[cfg(feature = "sim")]
mod printer_presenter;
mod printer_proofs;
#[cfg(all(feature = "sim", feature = "recording"))]
mod recording;
#[cfg(feature = "sim")]
mod scanner;
#[cfg(feature = "sim")]
mod selftest;
mod serial;
#[cfg(feature = "sim")]
mod swipe;
#[cfg(feature = "sim")]
mod world;

/// Counts what the plug cycles leave allocated.
#[cfg(feature = "sim")]
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);
