//! One list as GeoReport v2 writes it: a JSON array of requests.
//!
//! Promises: only a description that ends with the mark is ours; whatever is not an array is no list.
//! Never: keeps a description that is not ours.

use crate::sealed::Answer;
use kiosk_core::{ids::EnvelopeId, wire::mark::is_marked};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What names an entry, best first: a server that is still working on one may give it no number yet.
const NAMES: [&str; 2] = ["service_request_id", "token"];

/// What a search needs of one list.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What names each entry; an entry without a number is named by its hash.
    pub(super) ids: Vec<String>,
    /// Some entry has a description.
    pub(super) described: bool,
}

/// One list.
pub(super) enum Read {
    /// Our entry is in it; this is it, as the server would have answered the POST.
    Ours(Answer),
    /// It is not.
    Others(Page),
}

/// Reads a list; `None` when it is none.
pub(super) fn read(list: &[u8], id: EnvelopeId) -> Option<Read> {
    let Ok(Value::Array(entries)) = serde_json::from_slice(list) else { return None };
    if let Some(entry) = entries.iter().find(|entry| is_marked(description(entry), id)) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Zeroizing::new(format!("[{entry}]").into_bytes());
        return Some(Read::Ours(Answer { status: 200, headers, body }));
    }
    let described = entries.iter().any(|entry| !description(entry).trim().is_empty());
    Some(Read::Others(Page { ids: entries.iter().map(name).collect(), described }))
}

fn description(entry: &Value) -> &str {
    entry.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn name(entry: &Value) -> String {
    let told = NAMES.iter().filter_map(|name| entry.get(name)).find(|value| !value.is_null());
    told.map_or_else(
        || {
            let digest = Sha256::digest(entry.to_string());
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        },
        Value::to_string,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> EnvelopeId {
        EnvelopeId::new(1_700_000_000_000, [1; 10])
    }

    fn others(list: &str) -> Page {
        let Some(Read::Others(page)) = read(list.as_bytes(), id()) else { panic!("{list}") };
        page
    }

    #[test]
    fn only_a_description_that_ends_with_the_mark_is_ours() {
        let other = EnvelopeId::new(1_700_000_000_000, [2; 10]);
        let list = format!(
            r#"[{{"service_request_id":"1","description":"[kiosk {}] quoted by somebody"}},
                {{"service_request_id":"2","description":"hole [kiosk {other}]"}},
                {{"service_request_id":"3"}},
                {{"service_request_id":"4","description":"hole\n[kiosk {}] "}}]"#,
            id(),
            id()
        );
        let Some(Read::Ours(found)) = read(list.as_bytes(), id()) else { panic!("not found") };
        let entries: Value = serde_json::from_slice(&found.body).unwrap();
        assert_eq!(entries.pointer("/0/service_request_id"), Some(&Value::from("4")));
        assert_eq!(entries.as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn an_error_page_is_not_an_empty_list() {
        assert!(others("[]").ids.is_empty());
        for odd in ["", "<html>", "{}", r#"{"requests":[]}"#, "[{]"] {
            assert!(read(odd.as_bytes(), id()).is_none(), "{odd}");
        }
    }

    #[test]
    fn every_entry_has_a_name_of_its_own() {
        let page = others(
            r#"[{"service_request_id":"7"},{"service_request_id":7},{"service_request_id":null,"token":"7t"},
                {"address":"A"},{"address":"B"},"odd"]"#,
        );
        let names: std::collections::BTreeSet<_> = page.ids.iter().collect();
        assert_eq!((page.ids.len(), names.len()), (6, 6));
    }

    #[test]
    fn a_list_that_hides_what_people_wrote_says_so() {
        assert!(
            !others(r#"[{"service_request_id":"1"},{"description":null},{"description":" "}]"#).described
        );
        assert!(others(r#"[{"service_request_id":"1"},{"description":"hole"}]"#).described);
    }
}
