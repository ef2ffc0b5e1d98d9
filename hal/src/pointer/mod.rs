//! Touch and mouse, from evdev or from a window.

/// What a finger or a mouse does.
#[derive(Debug)]
pub enum Event {}
