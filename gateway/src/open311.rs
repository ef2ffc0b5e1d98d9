//! Asking an Open311 server whether it has a request already (GeoReport v2, GET requests).
//!
//! Open311 has no idempotency key. Instead the kiosk ends the description with a [`mark`], and the gateway
//! looks for it among the requests of the same service code made since the envelope was stored.
//!
//! Promises: *not found* only after the whole list was read ([`search`]) and only while the standard lets
//! the server list so far back; one search, all its pages together, ends within the service's deadline.
//! Never: logs a description; takes *I did not see it* for *it is not there*.

mod page;
mod search;

use crate::{
    call::{Caller, Exchange, exchange, retry_after_ms},
    sealed::{Answer, Opened},
};
use kiosk_core::{ids::EnvelopeId, wire::mark};
use page::Read;
use search::{Next, Search, Want};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::timeout;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// The largest list searched.
const LIST_BYTES_MAX: usize = 8 << 20;
/// How far the server's clock may be behind ours, milliseconds.
const CLOCK_MARGIN_MS: u64 = 15 * 60_000;
/// How far back a server must list: 90 days (GeoReport v2, GET Service Requests, `start_date`).
const LISTED_MS: u64 = 90 * 24 * 3_600_000;
/// Entries asked for in one list, where a server has pages: the most that Chicago's gives.
const PAGE_SIZE: usize = 500;

/// What the server knows.
pub(crate) enum Asked {
    /// It has the request; this is its entry as the server would have answered the POST.
    Found(Answer),
    /// It has none.
    NotFound,
    /// It did not say, and wants to be left alone for so long.
    Unknown { why: String, retry_after_ms: u64 },
}

/// Whether the form in `request` can be found again by its mark.
pub(crate) fn is_marked(request: &Opened, id: EnvelopeId) -> bool {
    field(request, "description").is_some_and(|text| mark::is_marked(&text, id))
}

fn field(request: &Opened, name: &str) -> Option<Zeroizing<String>> {
    let mut pairs = form_urlencoded::parse(&request.body);
    pairs.find(|(key, _)| key == name).map(|(_, value)| Zeroizing::new(value.into_owned()))
}

/// Asks for requests of the same service code since `stored_at`; both times are unix ms.
pub(crate) async fn ask(
    caller: &Caller,
    request: &Opened,
    id: EnvelopeId,
    stored_at: u64,
    now: u64,
) -> Asked {
    let since_ms = stored_at.saturating_sub(CLOCK_MARGIN_MS);
    let place = filter(request, "jurisdiction_id");
    let mut window = filter(request, "service_code");
    window.extend(start_date(since_ms));
    let asked = match timeout(caller.service.deadline, look(caller, id, &place, &window)).await {
        Ok(asked) => asked,
        Err(_) => unknown("the list took too long"),
    };
    believe(asked, now.saturating_sub(since_ms))
}

/// What is older than a server must list proves nothing by its absence.
fn believe(asked: Asked, age_ms: u64) -> Asked {
    match asked {
        Asked::NotFound if age_ms > LISTED_MS => unknown("stored more than 90 days ago"),
        Asked::Found(_) | Asked::NotFound | Asked::Unknown { .. } => asked,
    }
}

type Filter = Vec<(&'static str, String)>;

fn filter(request: &Opened, name: &'static str) -> Filter {
    field(request, name).map(|value| (name, value.to_string())).into_iter().collect()
}

fn start_date(since_ms: u64) -> Option<(&'static str, String)> {
    let since = OffsetDateTime::from_unix_timestamp(i64::try_from(since_ms / 1_000).ok()?).ok()?;
    Some(("start_date", since.format(&Rfc3339).ok()?))
}

fn unknown(why: &str) -> Asked {
    Asked::Unknown { why: why.to_owned(), retry_after_ms: 0 }
}

async fn look(caller: &Caller, id: EnvelopeId, place: &Filter, window: &Filter) -> Asked {
    let (mut search, mut want) = Search::begin();
    loop {
        let mut query = place.clone();
        query.push(("page_size", PAGE_SIZE.to_string()));
        match want {
            Want::First => query.extend_from_slice(window),
            Want::Page(n) => {
                query.extend_from_slice(window);
                query.push(("page", n.to_string()));
            }
            Want::Everything => {}
        }
        let list = match exchange(caller.get(&query), LIST_BYTES_MAX).await {
            Exchange::Whole(list) if list.status == 200 => list,
            Exchange::Whole(other) => {
                let why = format!("the list answered {}", other.status);
                return Asked::Unknown { why, retry_after_ms: retry_after_ms(&other) };
            }
            Exchange::NotSent { why } | Exchange::Lost { why } => return unknown(&why),
        };
        let page = match page::read(&list.body, id) {
            Some(Read::Ours(answer)) => return Asked::Found(answer),
            Some(Read::Others(page)) => page,
            None => return unknown("the list is not a JSON array"),
        };
        want = match search.handle(page) {
            Next::Ask(next) => next,
            Next::Whole => return Asked::NotFound,
            Next::Unsure(why) => return unknown(why),
        };
    }
}

#[cfg(test)]
mod nothing_is_doubled {
    use super::*;
    use reqwest::header::HeaderMap;

    #[test]
    fn what_no_server_must_list_any_more_is_not_known_to_be_missing() {
        assert!(matches!(believe(Asked::NotFound, LISTED_MS), Asked::NotFound));
        assert!(matches!(believe(Asked::NotFound, LISTED_MS + 1), Asked::Unknown { .. }));
        let answer = Answer { status: 200, headers: HeaderMap::new(), body: Zeroizing::default() };
        assert!(matches!(believe(Asked::Found(answer), LISTED_MS + 1), Asked::Found(_)));
    }
}
