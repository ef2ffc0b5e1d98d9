//! The council the gateway calls: the demo's own server, with a door in front that can hold replies back
//! after the effect, as a crash between effect and reply would, and that lists as other servers do.

use crate::open311::{Ledger, router};
use axum::{
    extract::Request,
    http::{Method, StatusCode, Uri},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use url::form_urlencoded::{Serializer, parse};

/// How a server takes `page`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Paging {
    /// As the demo does.
    #[default]
    FromOne,
    /// The first page is 0.
    FromZero,
    /// Not at all: one list is all there is to see.
    Ignored,
}

/// How the council lists.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listing {
    /// The most in one list, whatever is asked for.
    pub(crate) limit: Option<usize>,
    pub(crate) paging: Paging,
}

/// What the door does to POSTs and lists.
#[derive(Debug, Default)]
pub(crate) struct Door {
    /// Nothing happens, the reply is a failure; this many times.
    pub(crate) fail_before: AtomicUsize,
    /// The effect happens, the reply never comes.
    pub(crate) hold: AtomicBool,
    /// The effect happens, the reply is a failure; this many times.
    pub(crate) fail_after: AtomicUsize,
    /// The status of a failure; 500 when 0.
    pub(crate) fail_with: AtomicU16,
    /// An effect happened whose reply is held back.
    pub(crate) held: Notify,
    pub(crate) listing: Mutex<Listing>,
    /// Every list that was asked for, as it was asked.
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Door {
    pub(crate) fn lists(&self, limit: Option<usize>, paging: Paging) {
        *self.listing.lock().unwrap() = Listing { limit, paging };
    }

    fn failure(&self) -> Response {
        let status = StatusCode::from_u16(self.fail_with.load(Ordering::SeqCst));
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) struct Council {
    pub(crate) ledger: Ledger,
    pub(crate) address: SocketAddr,
    pub(crate) door: Arc<Door>,
    server: JoinHandle<()>,
}

impl Council {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ledger, door) = (Ledger::default(), Arc::new(Door::default()));
        let address = listener.local_addr().unwrap();
        let server = serve(listener, &ledger, &door);
        Self { ledger, address, door, server }
    }

    /// Nobody listens any more.
    pub(crate) fn stop(&self) {
        self.server.abort();
    }

    /// Listens again at the same address.
    pub(crate) async fn restart(&mut self) {
        self.server = serve(TcpListener::bind(self.address).await.unwrap(), &self.ledger, &self.door);
    }
}

fn serve(listener: TcpListener, ledger: &Ledger, door: &Arc<Door>) -> JoinHandle<()> {
    let door = door.clone();
    let guard = move |request: Request, next: Next| pass(door.clone(), request, next);
    let router = router(ledger.clone()).layer(from_fn(guard));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

async fn pass(door: Arc<Door>, mut request: Request, next: Next) -> Response {
    let post = request.method() == Method::POST;
    let fails = |left: usize| left.checked_sub(1);
    if post && door.fail_before.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
        return door.failure();
    }
    if !post {
        door.asked.lock().unwrap().push(request.uri().query().unwrap_or_default().to_owned());
        *request.uri_mut() = as_listed(*door.listing.lock().unwrap(), request.uri());
    }
    let reply = next.run(request).await;
    if post && door.hold.load(Ordering::SeqCst) {
        door.held.notify_one();
        return std::future::pending().await;
    }
    if post && door.fail_after.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
        return door.failure();
    }
    reply
}

/// What the demo has to be asked for to list as `listing` says.
fn as_listed(listing: Listing, uri: &Uri) -> Uri {
    let query = uri.query().unwrap_or_default();
    let mut fields: BTreeMap<String, String> = parse(query.as_bytes()).into_owned().collect();
    if let Some(limit) = listing.limit {
        fields.insert("page_size".to_owned(), limit.to_string());
    }
    let page = fields.remove("page").and_then(|page| page.parse::<usize>().ok());
    let page = page.filter(|_| listing.paging != Paging::Ignored);
    if let Some(page) = page {
        let first = usize::from(listing.paging == Paging::FromZero);
        fields.insert("page".to_owned(), (page + first).to_string());
    }
    let query = Serializer::new(String::new()).extend_pairs(fields).finish();
    format!("{}?{query}", uri.path()).parse().unwrap()
}

mod tests {
    use super::*;
    use crate::open311::{Effect, serve as serve_demo};

    async fn demo() -> (Ledger, String, reqwest::Client) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let ledger = Ledger::default();
        tokio::spawn(serve_demo(listener, ledger.clone()));
        // The library takes its TLS from the process.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        (ledger, base, reqwest::Client::builder().no_proxy().build().unwrap())
    }

    async fn json(reply: reqwest::Response) -> (u16, serde_json::Value) {
        (reply.status().as_u16(), serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap())
    }

    #[tokio::test]
    async fn open311_speaks_georeport_v2() {
        let (ledger, base, http) = demo().await;
        let post = |body: &'static str| {
            let request = http.post(format!("{base}/requests.json"));
            request.header("content-type", "application/x-www-form-urlencoded").body(body).send()
        };
        let get = |path: &str| http.get(format!("{base}{path}")).send();
        let (_, list) = json(get("/services.json").await.unwrap()).await;
        assert_eq!(list.pointer("/0/service_code"), Some(&"pothole".into()));
        let (_, definition) = json(get("/services/street-light.json").await.unwrap()).await;
        assert_eq!(definition.pointer("/attributes/0/code"), Some(&"DETAIL".into()));
        assert_eq!(get("/services/volcano.json").await.unwrap().status(), 404);

        let (status, error) = json(post("lat=1&long=2").await.unwrap()).await;
        assert_eq!((status, error.pointer("/0/code")), (400, Some(&400.into())));
        assert_eq!(post("service_code=pothole&lat=1").await.unwrap().status(), 400);
        assert!(ledger.effects().is_empty());

        let (status, made) =
            json(post("service_code=pothole&lat=1&long=2&description=a").await.unwrap()).await;
        assert_eq!((status, made.pointer("/0/service_request_id")), (201, Some(&"SR-000001".into())));
        let (_, other) = json(post("service_code=street-light&address_string=x").await.unwrap()).await;
        assert_eq!(other.pointer("/0/service_request_id"), Some(&"SR-000002".into()));
        let path = "/requests.json?service_code=street-light&start_date=2020-01-01T00:00:00Z";
        let (_, found) = json(get(path).await.unwrap()).await;
        assert_eq!(found.as_array().map(Vec::len), Some(1));
        let (_, none) = json(get("/requests.json?start_date=9999-01-01T00:00:00Z").await.unwrap()).await;
        assert_eq!(none, serde_json::json!([]));
        let (_, one) = json(get("/requests/SR-000001.json").await.unwrap()).await;
        assert_eq!(one.pointer("/0/description"), Some(&"a".into()));
        let Effect::Request(first) = &ledger.effects()[0] else { panic!("a request") };
        assert_eq!(first.fields["lat"], "1");
        assert_eq!((ledger.posts(), ledger.doubled()), (4, 0));
    }

    #[tokio::test]
    async fn open311_lists_in_pages_as_real_servers_do() {
        let (ledger, base, http) = demo().await;
        for n in 0..501 {
            let body = format!("service_code=pothole&address_string=x&description={n}");
            let request = http.post(format!("{base}/requests.json")).body(body);
            let typed = request.header("content-type", "application/x-www-form-urlencoded");
            assert_eq!(typed.send().await.unwrap().status(), 201);
        }
        let page = async |query: &str| {
            let reply = http.get(format!("{base}/requests.json?service_code=pothole{query}")).send();
            let (status, list) = json(reply.await.unwrap()).await;
            assert_eq!(status, 200);
            let said = |entry: &serde_json::Value| entry["description"].as_str().unwrap().parse().unwrap();
            list.as_array().unwrap().iter().map(said).collect::<Vec<usize>>()
        };
        assert_eq!(page("").await, (0..50).collect::<Vec<_>>());
        assert_eq!(page("&page=1").await, page("").await);
        assert_eq!(page("&page=2").await, (50..100).collect::<Vec<_>>());
        assert_eq!(page("&page=11").await, [500]);
        assert!(page("&page=12").await.is_empty());
        assert_eq!(page("&page_size=2&page=3").await, [4, 5]);
        assert_eq!(page("&page_size=9999").await.len(), 500);
        assert!(page(&format!("&page={}", usize::MAX)).await.is_empty());
        for odd in ["page=0", "page=-1", "page=x", "page_size=0"] {
            let reply = http.get(format!("{base}/requests.json?{odd}")).send().await.unwrap();
            assert_eq!(reply.status(), 400, "{odd}");
        }
        assert_eq!(ledger.effects().len(), 501);
    }

    #[tokio::test]
    async fn the_ledger_counts_what_is_doubled() {
        let (ledger, base, http) = demo().await;
        let form = |key: &'static str| {
            http.post(format!("{base}/forms")).header("idempotency-key", key).body("{}").send()
        };
        let (status, taken) = json(form("a").await.unwrap()).await;
        assert_eq!((status, taken), (201, serde_json::json!({"reference": "F-0001"})));
        assert_eq!(json(form("a").await.unwrap()).await.1, serde_json::json!({"reference": "F-0001"}));
        assert_eq!((ledger.posts(), ledger.effects().len(), ledger.doubled()), (2, 1, 0));
        for _ in 0..2 {
            let request = http.post(format!("{base}/requests.json"));
            let body = "service_code=pothole&address_string=x&description=hole+%5Bkiosk+1%5D";
            let typed = request.header("content-type", "application/x-www-form-urlencoded");
            typed.body(body).send().await.unwrap();
        }
        assert_eq!((ledger.effects().len(), ledger.doubled()), (3, 1));
        let Effect::Form(kept) = &ledger.effects()[0] else { panic!("a form") };
        assert_eq!(
            (kept.reference.as_str(), &kept.body[..], kept.content_type.as_str()),
            ("F-0001", &b"{}"[..], "")
        );
        ledger.set_down(true);
        assert_eq!(form("b").await.unwrap().status(), 503);
        assert_eq!(ledger.effects().len(), 3);
    }
}
