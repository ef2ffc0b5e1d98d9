//! Simulated devices that behave like the wire and fault on request.

pub mod card;
pub mod ccid;
mod ccid_faults;
mod ccid_machine;
pub mod chip;
pub mod chip_t1;
pub mod cycles;
pub mod document;
pub mod hid;
pub mod hid_scanner;
pub mod hid_stripe;
pub mod keyboard;
mod page;
pub mod picture;
mod picture_decode;
mod picture_page;
pub mod pointer;
pub mod printer;
mod printer_cable;
mod printer_machine;
mod printer_serve;
pub mod world;

pub use world::World;
