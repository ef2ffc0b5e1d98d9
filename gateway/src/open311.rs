//! Asking an Open311 server whether it has a request already (GeoReport v2, GET requests).
//!
//! Open311 has no idempotency key. Instead the kiosk ends the description with a marker,
//! `[kiosk 01920c5e-7a30-7000-8000-0123456789ab]`, and the gateway looks for it among the requests made
//! since the envelope was stored.
//!
//! Promises: *not found* only after a whole, well-formed list was searched.
//! Never: logs a description.

use crate::{
    call::{Caller, Exchange, exchange},
    sealed::{Answer, Opened},
};
use kiosk_core::{ids::EnvelopeId, wire::mark};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::form_urlencoded;
use zeroize::Zeroizing;

/// The largest list searched.
const LIST_BYTES_MAX: usize = 8 << 20;
/// How far the server's clock may be behind ours, milliseconds.
const CLOCK_MARGIN_MS: u64 = 15 * 60_000;

/// What the server knows.
pub(crate) enum Asked {
    /// It has the request; this is its entry as the server would have answered the POST.
    Found(Answer),
    /// It has none.
    NotFound,
    /// It did not say.
    Unknown { why: String },
}

/// Whether the form in `request` can be found again by its marker.
pub(crate) fn is_marked(request: &Opened, id: EnvelopeId) -> bool {
    field(request, "description").is_some_and(|text| mark::is_marked(&text, id))
}

fn field(request: &Opened, name: &str) -> Option<Zeroizing<String>> {
    let mut pairs = form_urlencoded::parse(&request.body);
    pairs.find(|(key, _)| key == name).map(|(_, value)| Zeroizing::new(value.into_owned()))
}

/// Asks for requests of the same service code since `stored_at` (unix ms).
pub(crate) async fn ask(caller: &Caller, request: &Opened, id: EnvelopeId, stored_at: u64) -> Asked {
    let mut query = Vec::new();
    if let Some(code) = field(request, "service_code") {
        query.push(("service_code", code.to_string()));
    }
    let since_s = stored_at.saturating_sub(CLOCK_MARGIN_MS) / 1_000;
    let since = i64::try_from(since_s).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    if let Some(text) = since.and_then(|t| t.format(&Rfc3339).ok()) {
        query.push(("start_date", text));
    }
    match exchange(caller.get(&query), LIST_BYTES_MAX).await {
        Exchange::Whole(list) if list.status == 200 => search(&list.body, id),
        Exchange::Whole(other) => Asked::Unknown { why: format!("the list answered {}", other.status) },
        Exchange::NotSent { why } | Exchange::Lost { why } => Asked::Unknown { why },
    }
}

fn search(list: &[u8], id: EnvelopeId) -> Asked {
    let Ok(Value::Array(entries)) = serde_json::from_slice(list) else {
        return Asked::Unknown { why: "the list is not a JSON array".to_owned() };
    };
    let ours = |entry: &&Value| {
        let text = entry.get("description").and_then(Value::as_str);
        text.is_some_and(|text| mark::is_marked(text, id))
    };
    let Some(entry) = entries.iter().find(ours) else { return Asked::NotFound };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Zeroizing::new(format!("[{entry}]").into_bytes());
    Asked::Found(Answer { status: 200, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> EnvelopeId {
        EnvelopeId::new(1_700_000_000_000, [1; 10])
    }

    #[test]
    fn only_a_description_that_ends_with_the_marker_is_ours() {
        let other = EnvelopeId::new(1_700_000_000_000, [2; 10]);
        let list = format!(
            r#"[{{"service_request_id":"1","description":"[kiosk {}] quoted by somebody"}},
                {{"service_request_id":"2","description":"hole [kiosk {other}]"}},
                {{"service_request_id":"3"}},
                {{"service_request_id":"4","description":"hole\n[kiosk {}] "}}]"#,
            id(),
            id()
        );
        let Asked::Found(found) = search(list.as_bytes(), id()) else { panic!("not found") };
        let entries: Value = serde_json::from_slice(&found.body).unwrap();
        assert_eq!(entries.pointer("/0/service_request_id"), Some(&Value::from("4")));
        assert_eq!(entries.as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn an_error_page_is_not_an_empty_list() {
        assert!(matches!(search(b"[]", id()), Asked::NotFound));
        for odd in ["", "<html>", "{}", r#"{"requests":[]}"#, "[{]"] {
            assert!(matches!(search(odd.as_bytes(), id()), Asked::Unknown { .. }), "{odd}");
        }
    }
}
