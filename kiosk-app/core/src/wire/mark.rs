//! The mark at the end of an Open311 description, by which a request is found again.
//!
//! ```text
//! A hole in the road [kiosk 01920c5e-7a30-7000-8000-0123456789ab]
//! ```
//!
//! Open311 has no idempotency key: the shell writes the mark, the gateway looks for it before it calls
//! again.
//!
//! Promises: a description that [`mark`] was put at the end of [`is_marked`], whatever white space the
//! service adds behind it. Never: takes a mark inside the text for one; a citizen may quote it.

use crate::ids::EnvelopeId;

/// What the description of envelope `id` ends with.
#[must_use]
pub fn mark(id: EnvelopeId) -> String {
    format!("[kiosk {id}]")
}

/// Whether `description` ends with the mark of envelope `id`.
#[must_use]
pub fn is_marked(description: &str, id: EnvelopeId) -> bool {
    description.trim_end().ends_with(&mark(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_mark_is_the_one_that_is_documented() {
        let id = "01920c5e-7a30-7000-8000-0123456789ab".parse().unwrap();
        assert_eq!(mark(id), "[kiosk 01920c5e-7a30-7000-8000-0123456789ab]");
        assert!(is_marked("hole\n[kiosk 01920c5e-7a30-7000-8000-0123456789ab] \n", id));
        for other in [
            "",
            "[kiosk 01920c5e-7a30-7000-8000-0123456789ab] quoted",
            "[kiosk 01920c5e-7a30-7000-8000-0123456789ac]",
            "01920c5e-7a30-7000-8000-0123456789ab]",
        ] {
            assert!(!is_marked(other, id), "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_marked_text_is_found_and_no_other_is(text: String, a: [u8; 10], b: [u8; 10]) {
            let (ours, other) = (EnvelopeId::new(1, a), EnvelopeId::new(2, b));
            let marked = format!("{text} {}", mark(ours));
            prop_assert!(is_marked(&marked, ours));
            prop_assert!(!is_marked(&marked, other));
        }
    }
}
