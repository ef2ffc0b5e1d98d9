//! Document scanners: a sheet of paper becomes a picture.

/// What a document scanner tells by itself.
#[derive(Debug)]
pub enum Event {}
