//! hal from outside: drivers against simulators that behave like the wire, codecs against strangers.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails the test")]
#![expect(clippy::wildcard_enum_match_arm, reason = "any other event fails the test and is printed")]

#[cfg(feature = "sim")]
mod card;
#[cfg(feature = "sim")]
mod desk;
#[cfg(feature = "sim")]
mod document;
mod pointer;
#[cfg(feature = "sim")]
mod printer;
#[cfg(feature = "sim")]
mod printer_faults;
#[cfg(feature = "sim")]
mod printer_picture;
#[cfg(feature = "sim")]
mod world;
