//! Simulated devices that behave like the wire and fault on request.

pub mod card;
pub mod document;
mod page;
pub mod pointer;
pub mod world;

pub use world::World;
