//! The IEEE 1284 device id: what a printer says it is. Pure.
//!
//! ```text
//! length, 2 bytes, big-endian, itself included | MFG:EPSON;CMD:ESC/POS;MDL:TM-T20II;CLS:PRINTER; ...
//! ```
//! Source: IEEE 1284, *Device ID*; USB Device Class Definition for Printing Devices 1.1, `GET_DEVICE_ID`.
//!
//! Promises: never panics; keeps only printable characters, so that it can be shown and logged.
//! Never: believes the length: what was not received is not read.

/// So many keys are kept; real ids have about ten.
const KEYS_MAX: usize = 32;

/// What a printer says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceId {
    fields: Vec<(String, String)>,
}

impl DeviceId {
    /// Reads an answer to `GET_DEVICE_ID`, the two bytes of length included. A length that is too long is
    /// taken as far as the bytes go; one too short for itself means that nothing was told.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Self {
        let Some((length, rest)) = answer.split_first_chunk::<2>() else { return Self::default() };
        let told = usize::from(u16::from_be_bytes(*length)).saturating_sub(2);
        let text = rest.get(..told.min(rest.len())).unwrap_or_default();
        let field = |pair: &[u8]| {
            let (key, value) = pair.split_at_checked(pair.iter().position(|byte| *byte == b':')?)?;
            let (key, value) = (printable(key), printable(value.get(1..)?));
            (!key.is_empty()).then(|| (key.to_ascii_uppercase(), value))
        };
        Self { fields: text.split(|byte| *byte == b';').filter_map(field).take(KEYS_MAX).collect() }
    }

    /// The value of the first of `keys` that is there.
    #[must_use]
    pub fn get(&self, keys: &[&str]) -> Option<&str> {
        let value = |key: &&str| self.fields.iter().find(|(known, _)| known == key);
        keys.iter().find_map(value).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// `MFG`: the maker.
    #[must_use]
    pub fn maker(&self) -> Option<&str> {
        self.get(&["MFG", "MANUFACTURER"])
    }

    /// `MDL`: the model.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.get(&["MDL", "MODEL"])
    }

    /// `CMD`: the languages it prints, with commas between.
    #[must_use]
    pub fn languages(&self) -> Option<&str> {
        self.get(&["CMD", "COMMAND SET"])
    }

    /// Maker and model, as far as told.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match (self.maker(), self.model()) {
            (Some(maker), Some(model)) => Some(format!("{maker} {model}")),
            (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
            (None, None) => None,
        }
    }
}

/// The printable ASCII of `bytes`, without spaces around it.
pub(super) fn printable(bytes: &[u8]) -> String {
    let kept = bytes.iter().filter(|byte| (b' '..=b'~').contains(byte));
    kept.map(|byte| char::from(*byte)).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len() + 2).unwrap();
        [&length.to_be_bytes(), text.as_bytes()].concat()
    }

    #[test]
    fn maker_model_and_languages() {
        let id = DeviceId::parse(&answer("MFG:EPSON;CMD:ESC/POS;MDL:TM-T20II;CLS:PRINTER;"));
        assert_eq!((id.maker(), id.model()), (Some("EPSON"), Some("TM-T20II")));
        assert_eq!((id.languages(), id.get(&["CLS"])), (Some("ESC/POS"), Some("PRINTER")));
        assert_eq!(id.name().as_deref(), Some("EPSON TM-T20II"));
        let long = DeviceId::parse(&answer("manufacturer: Star ;COMMAND SET:a:b;MODEL:;;x"));
        assert_eq!((long.maker(), long.languages(), long.model()), (Some("Star"), Some("a:b"), None));
        assert_eq!(long.name().as_deref(), Some("Star"));
    }

    #[test]
    fn a_wrong_length_reads_no_further_than_the_bytes() {
        let mut long = answer("MFG:A;MDL:B");
        long[..2].copy_from_slice(&[0xFF, 0xFF]);
        assert_eq!(DeviceId::parse(&long).name().as_deref(), Some("A B"));
        let mut short = answer("MFG:A;MDL:B");
        short[1] = 2 + 6;
        assert_eq!(DeviceId::parse(&short).name().as_deref(), Some("A"));
        for none in [&b""[..], &[0], &[0, 0], &[0, 1, b'M'], &[0, 2, b'M', b':']] {
            assert_eq!(DeviceId::parse(none), DeviceId::default());
        }
    }

    #[test]
    fn what_cannot_be_shown_is_left_out() {
        let id = DeviceId::parse(&answer("MFG:\u{1b}[31mA\0\n;MDL:\u{e9}B"));
        assert_eq!(id.name().as_deref(), Some("[31mA B"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_stay_printable(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let id = DeviceId::parse(&bytes);
            prop_assert!(id.fields.len() <= KEYS_MAX);
            for (key, value) in &id.fields {
                prop_assert!(key.bytes().chain(value.bytes()).all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }

        #[test]
        fn what_was_told_is_read_also_when_cut_short(
            fields in prop::collection::vec(("[A-Z]{1,4}", "[a-zA-Z0-9/-]{1,9}"), 1..8),
            cut in 0..200_usize,
        ) {
            let text: String = fields.iter().map(|(key, value)| format!("{key}:{value};")).collect();
            let whole = answer(&text);
            let id = DeviceId::parse(&whole);
            let first = fields.first().unwrap();
            prop_assert_eq!(id.get(&[first.0.as_str()]), Some(first.1.as_str()));
            let cut = whole.get(..cut.min(whole.len())).unwrap();
            let part = DeviceId::parse(cut).fields;
            prop_assert!(part.len() <= id.fields.len());
            for (told, whole) in part.iter().zip(&id.fields) {
                prop_assert!(whole.0 == told.0 && whole.1.starts_with(&told.1));
            }
        }
    }
}
