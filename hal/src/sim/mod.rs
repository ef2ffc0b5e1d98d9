//! Simulated devices that behave like the wire and fault on request.

pub mod picture;
mod picture_decode;
mod picture_page;
pub mod printer;
mod printer_machine;
mod printer_serve;
