//! hal from outside: drivers against simulators that behave like the wire.

#[cfg(feature = "sim")]
mod printer;
#[cfg(feature = "sim")]
mod printer_faults;
#[cfg(feature = "sim")]
mod printer_picture;
