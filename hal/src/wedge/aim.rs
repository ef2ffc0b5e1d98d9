//! The AIM symbology identifier in front of a scan: `]`, a letter, a modifier. Pure.
//!
//! Source: ISO/IEC 15424. Scanners send it only when told to.
//!
//! Promises: never panics; bytes that are no identifier stay data. Never: guesses a symbology.

/// A symbology identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aim {
    /// The code character, a letter.
    pub code: u8,
    /// The modifier character, a letter or a digit.
    pub modifier: u8,
}

/// A family of symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Symbology {
    /// `A`
    Code39,
    /// `C`
    Code128,
    /// `E`
    EanUpc,
    /// `F`
    Codabar,
    /// `G`
    Code93,
    /// `I`
    Interleaved2of5,
    /// `L`
    Pdf417,
    /// `Q`
    QrCode,
    /// `d`
    DataMatrix,
    /// `e`
    Gs1DataBar,
    /// `z`
    Aztec,
    /// Another letter.
    Other,
}

impl Aim {
    /// The identifier in front of `bytes`, if there is one, and the data after it.
    #[must_use]
    pub fn split(bytes: &[u8]) -> (Option<Self>, &[u8]) {
        match bytes {
            [b']', code, modifier, data @ ..]
                if code.is_ascii_alphabetic() && modifier.is_ascii_alphanumeric() =>
            {
                (Some(Self { code: *code, modifier: *modifier }), data)
            }
            _ => (None, bytes),
        }
    }

    /// Which family it is.
    #[must_use]
    pub fn symbology(self) -> Symbology {
        match self.code {
            b'A' => Symbology::Code39,
            b'C' => Symbology::Code128,
            b'E' => Symbology::EanUpc,
            b'F' => Symbology::Codabar,
            b'G' => Symbology::Code93,
            b'I' => Symbology::Interleaved2of5,
            b'L' => Symbology::Pdf417,
            b'Q' => Symbology::QrCode,
            b'd' => Symbology::DataMatrix,
            b'e' => Symbology::Gs1DataBar,
            b'z' => Symbology::Aztec,
            _ => Symbology::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_identifier_is_taken_off_and_anything_else_is_data() {
        let (aim, data) = Aim::split(b"]d2010950600013437");
        assert_eq!(aim, Some(Aim { code: b'd', modifier: b'2' }));
        assert_eq!((aim.unwrap().symbology(), data), (Symbology::DataMatrix, &b"010950600013437"[..]));
        for plain in [&b""[..], b"]", b"]C", b"]12", b"]C]", b"1]C1", b"\x1dC1"] {
            assert_eq!(Aim::split(plain), (None, plain));
        }
        assert_eq!(Aim::split(b"]X0"), (Some(Aim { code: b'X', modifier: b'0' }), &b""[..]));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(bytes: Vec<u8>) {
            let (aim, data) = Aim::split(&bytes);
            let front = aim.map_or(vec![], |aim| vec![b']', aim.code, aim.modifier]);
            prop_assert_eq!([front, data.to_vec()].concat(), bytes);
        }
    }
}
