//! The `kiosk` binary from outside.

#[cfg(feature = "demo")]
mod hal;
