//! Devices against simulators and strangers' bytes.

mod pointer;

#[cfg(feature = "sim")]
mod card;
#[cfg(feature = "sim")]
mod desk;
#[cfg(feature = "sim")]
mod document;
#[cfg(feature = "sim")]
mod world;
