//! A whole set-up in a temporary folder: certificates, configuration, a council to call, the gateway's
//! process, and units that talk to it.

use crate::{council::Council, database::Place, open311::Ledger};
use base64::{Engine, prelude::BASE64_STANDARD};
use bhttp::{Message, Mode};
use kiosk_core::{
    claim::ClaimDigest,
    ids::EnvelopeId,
    wire::{ClaimReply, Problem},
};
use ohttp::{ClientRequest, ClientResponse};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use reqwest::Response;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::aws_lc_rs, version::TLS13};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::{
    fs,
    io::{BufRead, BufReader, Cursor},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

/// A certification authority of one test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    /// A client that trusts this authority; with a certificate when `name` is given.
    pub(crate) fn client(
        &self,
        identity: Option<(&Authority, &str)>,
        version: &'static SupportedProtocolVersion,
    ) -> reqwest::Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((issuer, name)) => {
                let (certificate, key) = issuer.issue(name, ExtendedKeyUsagePurpose::ClientAuth);
                let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap()
    }
}

/// Everything but the running gateway.
pub(crate) struct Bench {
    pub(crate) place: Place,
    pub(crate) dir: TempDir,
    pub(crate) ca: Authority,
    pub(crate) council: Council,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let bench = Self {
            place: Place::new().await,
            dir: tempfile::tempdir().unwrap(),
            ca: Authority::new(),
            council: Council::start().await,
        };
        let (certificate, key) = bench.ca.issue("gateway", ExtendedKeyUsagePurpose::ServerAuth);
        bench.write("gateway.pem", &certificate.pem());
        bench.write("gateway.key", &key.serialize_pem());
        bench.write("units-ca.pem", &bench.ca.0.pem());
        bench.write("gateway.toml", &bench.config());
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Three services over the same council, one per [`kiosk_gateway::config::Repeat`].
    pub(crate) fn config(&self) -> String {
        let council = self.council.address;
        let service = |id: &str, path: &str, repeat: &str, reference: &str| {
            format!(
                "[[service]]\nid = \"{id}\"\nmethod = \"POST\"\ntarget = \"http://{council}{path}\"\n\
                 deadline_ms = 400\nrepeat = \"{repeat}\"\nreference = \"{reference}\"\n"
            )
        };
        [
            format!(
                "listen = \"127.0.0.1:0\"\ndatabase = \"{}\"\nkeys = \"keys.toml\"\nanswer_wait_ms = 5000\n",
                self.place.as_configured()
            ),
            "[tls]\ncertificate = \"gateway.pem\"\nkey = \"gateway.key\"\nclient_ca = \"units-ca.pem\"\n"
                .to_owned(),
            "[retry]\nbase_ms = 20\ncap_ms = 100\n".to_owned(),
            service("street", "/requests.json", "ask-open311", "/0/service_request_id"),
            service("form", "/forms", "idempotency-key", "/reference"),
            service("once", "/requests.json", "never", "/0/service_request_id"),
        ]
        .concat()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.council.ledger
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiosk-gateway"));
        command.arg("--config").arg(self.path("gateway.toml")).env_remove("RUST_LOG");
        command
    }

    /// Starts the gateway; `abort_at` names a fail point.
    pub(crate) fn start(&self, abort_at: Option<&str>) -> Process {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.command();
        command.env("RUST_LOG", "trace").stdout(Stdio::piped()).stderr(log);
        if let Some(step) = abort_at {
            command.env("KIOSK_GATEWAY_ABORT_AT", step);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("ready https://").expect("a ready line").parse().unwrap();
        Process { child, address }
    }

    pub(crate) fn unit(&self, name: &str) -> reqwest::Client {
        self.ca.client(Some((&self.ca, name)), &TLS13)
    }

    /// The published key, from the command line.
    fn ohttp_key(&self) -> Vec<u8> {
        let output = self.command().arg("--show-keys").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("ohttp_keys = \"")?.strip_suffix('"'));
        BASE64_STANDARD.decode(line.expect("a key line")).unwrap()
    }

    /// Seals `body` to `service`; before the gateway is started, which locks the database.
    pub(crate) fn seal(&self, n: u8, service: &str, body: &str) -> Sealed {
        let path = if service == "form" { "/forms" } else { "/requests.json" };
        let target = (self.council.address.to_string(), path.to_owned());
        seal_to(&self.ohttp_key(), &target, id(n), service, body)
    }

    /// A pothole that Open311 takes.
    pub(crate) fn pothole(&self, n: u8, service: &str) -> Sealed {
        self.seal(n, service, &pothole(id(n)))
    }
}

/// The envelope id of transaction `n`.
pub(crate) fn id(n: u8) -> EnvelopeId {
    EnvelopeId::new(1_700_000_000_000, [n; 10])
}

pub(crate) fn pothole(id: EnvelopeId) -> String {
    format!("service_code=pothole&address_string=High+St&description=CANARYhole%0A%5Bkiosk+{id}%5D")
}

/// An envelope and what opens its reply.
pub(crate) struct Sealed {
    pub(crate) id: EnvelopeId,
    pub(crate) service: String,
    pub(crate) bytes: Vec<u8>,
    opener: Option<ClientResponse>,
}

/// Seals a POST of `body` to `target` (authority and path).
pub(crate) fn seal_to(
    keys: &[u8],
    target: &(String, String),
    id: EnvelopeId,
    service: &str,
    body: &str,
) -> Sealed {
    let (authority, path) = target;
    let mut message = Message::request(
        b"POST".to_vec(),
        b"http".to_vec(),
        authority.clone().into_bytes(),
        path.clone().into_bytes(),
    );
    message.put_header("content-type", "application/x-www-form-urlencoded");
    message.write_content(body);
    let mut plain = Vec::new();
    message.write_bhttp(Mode::KnownLength, &mut plain).unwrap();
    let client = ClientRequest::from_encoded_config_list(keys).unwrap();
    let (bytes, opener) = client.encapsulate(&plain).unwrap();
    Sealed { id, service: service.to_owned(), bytes, opener: Some(opener) }
}

impl Sealed {
    pub(crate) fn claim(&self) -> ClaimDigest {
        ClaimDigest([self.id.as_bytes()[15]; 32])
    }

    /// Status and body of the sealed reply.
    pub(crate) fn open(&mut self, reply: &[u8]) -> (u16, String) {
        let plain = self.opener.take().expect("opened once").decapsulate(reply).unwrap();
        let message = Message::read_bhttp(&mut Cursor::new(plain)).unwrap();
        let status = message.control().status().unwrap().code();
        (status, String::from_utf8(message.content().to_vec()).unwrap())
    }
}

/// A running gateway; killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// Posts an envelope as the uplink would.
    pub(crate) async fn post(
        &self,
        unit: &reqwest::Client,
        sealed: &Sealed,
    ) -> Result<Response, reqwest::Error> {
        self.request(unit, sealed).send().await
    }

    /// The request that [`Self::post`] sends.
    pub(crate) fn request(&self, unit: &reqwest::Client, sealed: &Sealed) -> reqwest::RequestBuilder {
        unit.post(self.url("/v1/envelopes"))
            .header("content-type", "message/ohttp-req")
            .header("idempotency-key", format!("\"{}\"", sealed.id))
            .header("kiosk-service", &sealed.service)
            .header("kiosk-claim", sealed.claim().to_string())
            .header("kiosk-made-at", "1700000000000")
            .body(sealed.bytes.clone())
    }

    pub(crate) async fn claim(&self, unit: &reqwest::Client, claim: ClaimDigest) -> Option<ClaimReply> {
        let reply = unit.get(self.url(&format!("/v1/claims/{claim}"))).send().await.unwrap();
        let body = reply.bytes().await.unwrap();
        serde_json::from_slice(&body).ok()
    }

    /// Posts the envelope until it is settled, as the delivery policy does.
    pub(crate) async fn settle(&self, unit: &reqwest::Client, sealed: &Sealed) -> Response {
        for _ in 0..500 {
            let reply = self.post(unit, sealed).await.unwrap();
            if reply.status() != 202 {
                return reply;
            }
        }
        panic!("not settled in five hundred deliveries");
    }

    /// Waits until the process has ended; its status.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

/// A header as text.
pub(crate) fn header(reply: &Response, name: &str) -> String {
    reply.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// The code of a refusal.
pub(crate) async fn problem(reply: Response) -> (u16, String) {
    let status = reply.status().as_u16();
    assert_eq!(header(&reply, "content-type"), "application/problem+json");
    let problem: Problem = serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap();
    assert_eq!(problem.status, status);
    (status, problem.code().to_owned())
}
