//! Card readers: the trait, what a card says, the input gate.

/// What a card reader tells by itself.
#[derive(Debug)]
pub enum Event {}
