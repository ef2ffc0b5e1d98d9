//! hal from outside: drivers against simulators that behave like the wire.

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
mod printer_lines;
#[cfg(feature = "sim")]
mod printer_picture;
#[cfg(feature = "sim")]
mod world;
