//! Receipt printers: the trait, the job, the proof.

/// What a receipt printer tells by itself.
#[derive(Debug)]
pub enum Event {}
