//! A small council for the demo and for tests: an Open311 GeoReport v2 server in memory, and a place that
//! takes forms. It keeps a ledger of what took effect, so that *delivered once, doubled never* can be counted.
//!
//! | request | reply |
//! |---|---|
//! | `GET /services.json` | the service list |
//! | `GET /services/{code}.json` | one definition with its attributes |
//! | `POST /requests.json`, form-urlencoded | 201 `[{"service_request_id":"SR-000001",...}]` |
//! | `GET /requests.json?service_code=&start_date=&page=&page_size=` | requests, oldest first, in pages |
//! | `GET /requests/{id}.json` | one request |
//! | `POST /forms`, any content type | 201 `{"reference":"F-0001"}`; honours `Idempotency-Key` |
//!
//! GeoReport v2 has no pages, but real servers do. `page` counts from 1, behind the last page is an empty
//! list; `page_size` is 50 when nobody asks and 500 at most, as at Chicago's server.
//!
//! Errors are `[{"code":...,"description":...}]` with the status as code (GeoReport v2, Errors).
//!
//! Promises: an effect is in the ledger before its reply leaves; a `POST /requests.json` sent twice is two
//! effects, as at a real Open311 server.
//! Never: writes to disk, logs a request.

use axum::{
    Form, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::net::TcpListener;

/// The largest form taken.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Requests on a page when nobody asks for a number.
const PAGE_SIZE: usize = 50;
/// The most requests on a page.
const PAGE_SIZE_MAX: usize = 500;
/// Code, name, description, and the one question each asks.
const SERVICES: [(&str, &str, &str, &str); 5] = [
    ("pothole", "Pothole", "A hole in a road or pavement", "How large is it?"),
    ("street-light", "Street light", "A lamp that is out, dim or always on", "Number on the lamp post"),
    ("rubbish", "Rubbish", "Rubbish or an overflowing bin", "What kind of rubbish?"),
    ("fly-tipping", "Fly-tipping", "Waste left in a street or on land", "How much is it?"),
    ("other", "Something else", "Any other problem in a public place", "What kind of problem?"),
];

/// One thing that happened because somebody asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A service request.
    Request(ServiceRequest),
    /// A form.
    Form(ReceivedForm),
}

/// A request as GeoReport v2 shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceRequest {
    service_request_id: String,
    status: &'static str,
    service_code: String,
    service_name: &'static str,
    description: String,
    requested_datetime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<String>,
    #[serde(rename = "long", skip_serializing_if = "Option::is_none")]
    long: Option<String>,
    /// Every field as it came, for whoever proves what was delivered.
    #[serde(skip)]
    pub(crate) fields: BTreeMap<String, String>,
}

/// A form as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedForm {
    /// The number given to it.
    pub(crate) reference: String,
    /// Its media type.
    pub(crate) content_type: String,
    /// Its body, unread.
    pub(crate) body: Bytes,
    /// The key it came with.
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Default)]
struct Book {
    effects: Vec<Effect>,
    posts: usize,
    down: bool,
    silent: bool,
}

/// What took effect. Clones share one book.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

impl Ledger {
    /// All effects, oldest first.
    pub(crate) fn effects(&self) -> Vec<Effect> {
        self.book().effects.clone()
    }

    /// How many POSTs arrived, repeated ones included.
    pub(crate) fn posts(&self) -> usize {
        self.book().posts
    }

    /// How many effects too many there are: effects that carry the marker or key of an earlier one.
    pub(crate) fn doubled(&self) -> usize {
        let book = self.book();
        let names: Vec<&str> = book.effects.iter().filter_map(Effect::name).collect();
        names.len() - names.iter().collect::<BTreeSet<_>>().len()
    }

    /// The marker or key of each effect, oldest first; an effect without one is named by its place.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |(n, effect): (usize, &Effect)| {
            effect.name().map_or_else(|| format!("unnamed {n}"), str::to_owned)
        };
        self.book().effects.iter().enumerate().map(name).collect()
    }

    /// The numbers given to service requests, oldest first.
    pub(crate) fn references(&self) -> Vec<String> {
        all_requests(&self.book()).map(|request| request.service_request_id.clone()).collect()
    }

    /// The forms that came, oldest first.
    pub(crate) fn forms(&self) -> Vec<ReceivedForm> {
        let form = |effect: &Effect| match effect {
            Effect::Form(form) => Some(form.clone()),
            Effect::Request(_) => None,
        };
        self.book().effects.iter().filter_map(form).collect()
    }

    /// While silent, a service request takes effect and is never answered.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.book().silent = silent;
    }

    /// While down, every request is answered 503 and has no effect.
    pub(crate) fn set_down(&self, down: bool) {
        self.book().down = down;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Effect {
    /// What makes two deliveries of one transaction the same.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Request(request) => {
                let text = request.description.trim_end().strip_suffix(']')?;
                text.rfind("[kiosk ").and_then(|start| text.get(start..))
            }
            Self::Form(form) => form.idempotency_key.as_deref(),
        }
    }
}

/// Serves until the listener fails.
pub(crate) async fn serve(listener: TcpListener, ledger: Ledger) -> io::Result<()> {
    axum::serve(listener, router(ledger)).await
}

/// The routes above.
pub(crate) fn router(ledger: Ledger) -> Router {
    Router::new()
        .route("/services.json", get(services))
        .route("/services/{file}", get(service))
        .route("/requests.json", get(requests).post(open_request))
        .route("/requests/{file}", get(request))
        .route("/forms", post(take_form))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(ledger)
}

/// An error as GeoReport v2 writes it.
struct Refused(StatusCode, &'static str);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Entry {
            code: u16,
            description: &'static str,
        }
        (self.0, Json([Entry { code: self.0.as_u16(), description: self.1 }])).into_response()
    }
}

const DOWN: Refused = Refused(StatusCode::SERVICE_UNAVAILABLE, "the service is down");

#[derive(Serialize)]
struct ServiceEntry {
    service_code: &'static str,
    service_name: &'static str,
    description: &'static str,
    metadata: bool,
    r#type: &'static str,
}

async fn services() -> Json<Vec<ServiceEntry>> {
    let entry = |&(service_code, service_name, description, _): &(_, _, _, _)| ServiceEntry {
        service_code,
        service_name,
        description,
        metadata: true,
        r#type: "realtime",
    };
    Json(SERVICES.iter().map(entry).collect())
}

#[derive(Serialize)]
struct Attribute {
    variable: bool,
    code: &'static str,
    datatype: &'static str,
    required: bool,
    order: u8,
    description: &'static str,
}

#[derive(Serialize)]
struct Definition {
    service_code: &'static str,
    attributes: [Attribute; 1],
}

async fn service(Path(file): Path<String>) -> Result<Json<Definition>, Refused> {
    let code = file.strip_suffix(".json").unwrap_or(&file);
    let found = SERVICES.iter().find(|(known, ..)| *known == code);
    let &(service_code, _, _, question) =
        found.ok_or(Refused(StatusCode::NOT_FOUND, "service_code was not found"))?;
    let attribute = Attribute {
        variable: true,
        code: "DETAIL",
        datatype: "string",
        required: false,
        order: 1,
        description: question,
    };
    Ok(Json(Definition { service_code, attributes: [attribute] }))
}

#[derive(Serialize)]
struct Opened {
    service_request_id: String,
    service_notice: &'static str,
}

async fn open_request(
    State(ledger): State<Ledger>,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Result<(StatusCode, Json<[Opened; 1]>), Refused> {
    let opened = take_request(&ledger, fields);
    if ledger.book().silent {
        std::future::pending::<()>().await;
    }
    opened
}

fn take_request(
    ledger: &Ledger,
    fields: BTreeMap<String, String>,
) -> Result<(StatusCode, Json<[Opened; 1]>), Refused> {
    let mut book = ledger.book();
    book.posts += 1;
    if book.down {
        return Err(DOWN);
    }
    let get = |name: &str| fields.get(name).filter(|value| !value.trim().is_empty()).cloned();
    let missing = |description| Refused(StatusCode::BAD_REQUEST, description);
    let service_code = get("service_code").ok_or(missing("service_code was not provided"))?;
    let known = SERVICES.iter().find(|(code, ..)| *code == service_code);
    let &(_, service_name, ..) = known.ok_or(Refused(StatusCode::NOT_FOUND, "service_code was not found"))?;
    let (lat, long, address) = (get("lat"), get("long"), get("address_string"));
    if address.is_none() && (lat.is_none() || long.is_none()) {
        return Err(missing("lat and long, or address_string, must be provided"));
    }
    let description = get("description").unwrap_or_default();
    if description.chars().count() > 4_000 {
        return Err(missing("description is longer than 4000 characters"));
    }
    let made = book.effects.iter().filter(|effect| matches!(effect, Effect::Request(_))).count();
    let service_request_id = format!("SR-{:06}", made + 1);
    book.effects.push(Effect::Request(ServiceRequest {
        service_request_id: service_request_id.clone(),
        status: "open",
        service_code,
        service_name,
        description,
        requested_datetime: now(),
        address,
        lat,
        long,
        fields,
    }));
    let notice = "The council will look at it within five working days.";
    Ok((StatusCode::CREATED, Json([Opened { service_request_id, service_notice: notice }])))
}

async fn requests(
    State(ledger): State<Ledger>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Json<Vec<ServiceRequest>>, Refused> {
    let start = query.get("start_date").map_or("", String::as_str);
    // Times in this one form compare as text.
    if !(start.is_empty() || start.len() == 20 && start.ends_with('Z')) {
        return Err(Refused(StatusCode::BAD_REQUEST, "start_date must look like 2026-01-31T12:00:00Z"));
    }
    let code = query.get("service_code");
    let (page, size) = (counting(&query, "page", 1)?, counting(&query, "page_size", PAGE_SIZE)?);
    let size = size.min(PAGE_SIZE_MAX);
    let book = ledger.book();
    if book.down {
        return Err(DOWN);
    }
    let fits = |request: &&ServiceRequest| {
        request.requested_datetime.as_str() >= start && code.is_none_or(|code| *code == request.service_code)
    };
    let before = (page - 1).saturating_mul(size);
    Ok(Json(all_requests(&book).filter(fits).skip(before).take(size).cloned().collect()))
}

/// A number from 1 on in the query, or `unasked`.
fn counting(query: &BTreeMap<String, String>, name: &str, unasked: usize) -> Result<usize, Refused> {
    let Some(text) = query.get(name) else { return Ok(unasked) };
    let number = text.parse().ok().filter(|number| *number >= 1);
    number.ok_or(Refused(StatusCode::BAD_REQUEST, "page and page_size must be numbers from 1 on"))
}

async fn request(
    State(ledger): State<Ledger>,
    Path(file): Path<String>,
) -> Result<Json<[ServiceRequest; 1]>, Refused> {
    let id = file.strip_suffix(".json").unwrap_or(&file);
    let book = ledger.book();
    let found = all_requests(&book).find(|request| request.service_request_id == id).cloned();
    found
        .map(|request| Json([request]))
        .ok_or(Refused(StatusCode::NOT_FOUND, "service_request_id was not found"))
}

fn all_requests(book: &Book) -> impl Iterator<Item = &ServiceRequest> {
    book.effects.iter().filter_map(|effect| match effect {
        Effect::Request(request) => Some(request),
        Effect::Form(_) => None,
    })
}

#[derive(Serialize)]
struct Taken {
    reference: String,
}

async fn take_form(
    State(ledger): State<Ledger>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Taken>), Refused> {
    let mut book = ledger.book();
    book.posts += 1;
    if book.down {
        return Err(DOWN);
    }
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let idempotency_key = text("idempotency-key");
    let forms = || {
        book.effects.iter().filter_map(|effect| match effect {
            Effect::Form(form) => Some(form),
            Effect::Request(_) => None,
        })
    };
    let earlier = forms().find(|form| idempotency_key.is_some() && form.idempotency_key == idempotency_key);
    if let Some(form) = earlier {
        return Ok((StatusCode::CREATED, Json(Taken { reference: form.reference.clone() })));
    }
    let reference = format!("F-{:04}", forms().count() + 1);
    let content_type = text(CONTENT_TYPE.as_str()).unwrap_or_default();
    let form = ReceivedForm { reference: reference.clone(), content_type, body, idempotency_key };
    book.effects.push(Effect::Form(form));
    Ok((StatusCode::CREATED, Json(Taken { reference })))
}

/// The time as `2026-01-31T12:00:00Z`.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    while days >= if leap(year) { 366 } else { 365 } {
        days -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    (year, 12, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(19_722), (2023, 12, 31));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(20_089), (2025, 1, 1));
    }
}
