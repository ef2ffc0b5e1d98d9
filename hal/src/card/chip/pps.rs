//! Protocol and parameters selection: `FF`, PPS0, PPS1 when the speed changes, PCK. Pure.
//!
//! Source: ISO/IEC 7816-3:2006, section 9. Never: asks for PPS2 or PPS3.

use super::atr::DEFAULT_FIDI;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pps {
    /// T.
    pub protocol: u8,
    /// Fi and Di, as TA1 writes them.
    pub fidi: u8,
}

/// The card did not agree; it has to be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the card does not agree to the protocol or its speed")]
pub struct Refused;

impl Pps {
    /// The request.
    #[must_use]
    pub fn request(self) -> Vec<u8> {
        let protocol = self.protocol & 0x0F;
        let mut bytes = match self.fidi {
            DEFAULT_FIDI => vec![0xFF, protocol],
            fidi => vec![0xFF, 0x10 | protocol, fidi],
        };
        bytes.push(bytes.iter().fold(0, |sum, byte| sum ^ byte));
        bytes
    }

    /// Fi and Di in force after the answer: as asked, or the default when the card leaves PPS1 out
    /// (section 9.3).
    ///
    /// # Errors
    /// [`Refused`]
    pub fn agreed(self, answer: &[u8]) -> Result<u8, Refused> {
        let whole = answer.iter().fold(0, |sum, byte| sum ^ byte) == 0;
        match answer {
            [0xFF, pps0, fidi, _] if whole && pps0 & 0xF0 == 0x10 => {
                (pps0 & 0x0F == self.protocol && *fidi == self.fidi).then_some(*fidi).ok_or(Refused)
            }
            [0xFF, pps0, _] if whole && pps0 & 0xF0 == 0 => {
                (pps0 & 0x0F == self.protocol).then_some(DEFAULT_FIDI).ok_or(Refused)
            }
            _ => Err(Refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_seen_on_a_real_line_and_its_answers() {
        let pps = Pps { protocol: 1, fidi: 0x96 };
        assert_eq!(pps.request(), [0xFF, 0x11, 0x96, 0x78]);
        assert_eq!(pps.agreed(&[0xFF, 0x11, 0x96, 0x78]), Ok(0x96));
        assert_eq!(pps.agreed(&[0xFF, 0x01, 0xFE]), Ok(0x11));
        assert_eq!(pps.agreed(&[0xFF, 0x10, 0x96, 0x79]), Err(Refused), "another protocol");
        assert_eq!(pps.agreed(&[0xFF, 0x11, 0x95, 0x7B]), Err(Refused), "another speed");
        assert_eq!(pps.agreed(&[0xFF, 0x11, 0x96, 0x79]), Err(Refused), "a wrong check byte");
        assert_eq!(Pps { protocol: 0, fidi: 0x11 }.request(), [0xFF, 0x00, 0xFF]);
    }

    proptest! {
        #[test]
        fn any_answer_is_survived_and_an_echo_agrees(answer: Vec<u8>, protocol in 0_u8..15, fidi: u8) {
            let pps = Pps { protocol, fidi };
            let _ = pps.agreed(&answer);
            prop_assert_eq!(pps.agreed(&pps.request()), Ok(fidi));
        }
    }
}
