//! The service's own number for a request, read out of its reply.
//!
//! The shell prints it, the gateway tells it to whoever holds the claim code: both read it here, so that
//! paper and look-up never differ.
//!
//! Promises: what is read fits a line of a receipt: 1 to [`CHARS_MAX`] characters, no control character,
//! not blank. Never: shortens or repairs a text; half a number is worse than none.

use serde_json::Value;

/// The longest reference that is kept, characters.
pub const CHARS_MAX: usize = 64;

/// The text or the whole number at `pointer` (RFC 6901) in the JSON `reply`; `None` for anything else.
///
/// A fraction is none: it would be printed otherwise than the service wrote it.
#[must_use]
pub fn read(reply: &[u8], pointer: &str) -> Option<String> {
    let reply: Value = serde_json::from_slice(reply).ok()?;
    let text = match reply.pointer(pointer)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_u64()?.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let fits = text.chars().count() <= CHARS_MAX && !text.contains(char::is_control);
    (fits && !text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(value: &str) -> Option<String> {
        read(format!("[{{\"id\":{value}}}]").as_bytes(), "/0/id")
    }

    #[test]
    fn a_short_text_or_a_whole_number_is_one() {
        assert_eq!(at("\"SR-7\""), Some("SR-7".to_owned()));
        assert_eq!(at("293944"), Some("293944".to_owned()));
        assert_eq!(at("18446744073709551615"), Some(u64::MAX.to_string()));
        let longest = "é".repeat(CHARS_MAX);
        assert_eq!(at(&format!("\"{longest}\"")), Some(longest));
    }

    #[test]
    fn nothing_else_is() {
        let long = format!("\"{}\"", "9".repeat(CHARS_MAX + 1));
        for odd in [
            long.as_str(),
            "1.5",
            "1e3",
            "-1",
            "18446744073709551616",
            "\"\"",
            "\" \"",
            "\"a\\nb\"",
            "\"\\u001b[2J\"",
            "null",
            "true",
            "[1]",
            "{}",
        ] {
            assert_eq!(at(odd), None, "{odd}");
        }
        assert_eq!(read(b"{\"id\":1}", "/0/id"), None);
        assert_eq!(read(b"not json", ""), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_fits_a_line_or_is_none(reply: Vec<u8>, text: String) {
            let json = serde_json::to_vec(&text).unwrap();
            for found in [read(&reply, ""), read(&json, "")].into_iter().flatten() {
                prop_assert!((1..=CHARS_MAX).contains(&found.chars().count()));
                prop_assert!(!found.contains(char::is_control));
            }
        }

        #[test]
        fn a_cut_reply_gives_none(number: u64, keep in 0_usize..9) {
            let whole = format!("{{\"id\":\"{number}\"}}");
            let cut = whole.get(..keep.min(whole.len() - 1)).unwrap();
            prop_assert_eq!(read(cut.as_bytes(), "/id"), None);
            prop_assert_eq!(read(whole.as_bytes(), "/id"), Some(number.to_string()));
        }
    }
}
