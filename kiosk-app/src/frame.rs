//! Frames on the unix socket between shell and agent.
//!
//! ```text
//! | u32 length, big-endian, 1..=FRAME_BYTES_MAX | one CBOR value |
//! ```
//!
//! Promises: a frame too long, empty or unreadable is an error, never an allocation of what it claims.
//! Never: carries an answer in clear; see [`kiosk_core::wire`].

use kiosk_core::wire::FRAME_BYTES_MAX;
use serde::{Serialize, de::DeserializeOwned};

/// Bytes of the length in front of each frame.
pub const PREFIX_BYTES: usize = 4;

/// Why a frame was refused. The connection ends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Empty or longer than [`FRAME_BYTES_MAX`].
    #[error("a frame of {0} bytes; 1 to {FRAME_BYTES_MAX} are allowed")]
    Length(usize),
    /// Not the CBOR that was expected.
    #[error("a frame that is not a message: {0}")]
    Content(String),
}

/// One whole frame, prefix included.
///
/// # Errors
/// [`FrameError::Length`] when the message is too long to travel.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; PREFIX_BYTES];
    ciborium::into_writer(message, &mut frame).map_err(|e| FrameError::Content(e.to_string()))?;
    let length = frame.len() - PREFIX_BYTES;
    let prefix = checked(length)?.to_be_bytes();
    frame.splice(..PREFIX_BYTES, prefix);
    Ok(frame)
}

/// How many bytes follow `prefix`.
///
/// # Errors
/// [`FrameError::Length`].
pub fn length(prefix: [u8; PREFIX_BYTES]) -> Result<usize, FrameError> {
    let claimed = u32::from_be_bytes(prefix);
    let length = usize::try_from(claimed).map_err(|_| FrameError::Length(usize::MAX))?;
    checked(length).map(|_| length)
}

/// The message in a frame's body.
///
/// # Errors
/// [`FrameError::Content`], also when bytes are left over.
pub fn decode<T: DeserializeOwned>(mut body: &[u8]) -> Result<T, FrameError> {
    let message = ciborium::from_reader(&mut body).map_err(|e| FrameError::Content(e.to_string()))?;
    if body.is_empty() {
        Ok(message)
    } else {
        Err(FrameError::Content(format!("{} bytes left over", body.len())))
    }
}

fn checked(length: usize) -> Result<u32, FrameError> {
    match u32::try_from(length) {
        Ok(n) if (1..=FRAME_BYTES_MAX).contains(&length) => Ok(n),
        _ => Err(FrameError::Length(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiosk_core::wire::{PROTOCOL, ToAgent};

    #[test]
    fn messages_come_back() {
        let frame = encode(&ToAgent::Hello { protocol: PROTOCOL }).unwrap();
        let (prefix, body) = frame.split_first_chunk().unwrap();
        assert_eq!(length(*prefix), Ok(body.len()));
        assert_eq!(decode(body), Ok(ToAgent::Hello { protocol: PROTOCOL }));
    }

    #[test]
    fn a_frame_that_lies_about_its_length_costs_nothing() {
        assert_eq!(length([0xff; 4]), Err(FrameError::Length(0xffff_ffff)));
        assert_eq!(length([0; 4]), Err(FrameError::Length(0)));
    }

    #[test]
    fn truncated_and_padded_bodies_are_refused() {
        let frame = encode(&ToAgent::Hello { protocol: 1 }).unwrap();
        let body = &frame[PREFIX_BYTES..];
        for end in 0..body.len() {
            assert!(decode::<ToAgent>(&body[..end]).is_err(), "{end}");
        }
        let padded = [body, &[0]].concat();
        assert!(matches!(decode::<ToAgent>(&padded), Err(FrameError::Content(_))));
    }
}
