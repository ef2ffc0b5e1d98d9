//! Simulated devices that behave like the wire and fault on request.

pub mod card;
pub mod document;
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
