//! The kiosk application: what the `kiosk` binary is made of.

pub mod screen;
