//! What a chip says and how it is spoken to: ISO/IEC 7816-3 and -4. Pure.
//!
//! Beside `ccid`, not in it, because a chip speaks the same through any reader.
//!
//! Promises: machines have no clock and no line: they are given what was heard and say what to send.
//! Never: panics on what a chip says; keeps a byte of it past its own life.

pub mod apdu;
pub mod atr;
pub mod block;
pub mod mapping;
pub mod pps;
pub mod t1;
