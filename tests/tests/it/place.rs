//! A gateway with one service behind it, and units that may or may not reach it.

use base64::{Engine, prelude::BASE64_STANDARD};
use kiosk_core::{
    claim::ClaimDigest,
    ids::EnvelopeId,
    secret::SecretBytes,
    wire::{ClockQuality, Envelope, Stamp},
};
use kiosk_outbox::{Options, Outbox};
use kiosk_tests::{Run, binary, run};
use kiosk_uplink::{HttpRequest, ServiceKey, seal};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};
use tempfile::TempDir;

/// A process that ends with the test.
pub(super) struct Process(Child);

impl Process {
    /// Starts one and reads `out` or its log until a line holds `word`; that line.
    fn start(command: &mut Command, word: &str, log: bool) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out: Box<dyn Read + Send> = match log {
            true => Box::new(child.stderr.take().unwrap()),
            false => Box::new(child.stdout.take().unwrap()),
        };
        let mut lines = BufReader::new(out).lines().map(Result::unwrap);
        let line = lines.by_ref().find(|line| line.contains(word)).expect("it did not start");
        // Nobody may block on a full pipe.
        thread::spawn(move || lines.for_each(drop));
        (Self(child), line)
    }

    /// As systemd stops it.
    pub(super) fn stop(mut self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How often the service acted on each key.
#[derive(Clone, Default)]
pub(super) struct Effects(Arc<Mutex<BTreeMap<String, usize>>>);

impl Effects {
    fn serve(&self, listener: TcpListener) {
        let effects = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let effects = effects.clone();
                thread::spawn(move || effects.answer(stream.unwrap()));
            }
        });
    }

    /// One request, one reply, as long as the caller keeps the line.
    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        loop {
            let (mut key, mut len) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                let line = line.trim_end().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("idempotency-key: ") {
                    key = value.trim_matches('"').to_owned();
                }
                if let Some(value) = line.strip_prefix("content-length: ") {
                    len = value.parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            reader.read_exact(&mut vec![0; len]).unwrap();
            *self.0.lock().unwrap().entry(key).or_default() += 1;
            let reply = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(reply.as_bytes()).unwrap();
        }
    }

    /// What the service did, by id.
    pub(super) fn seen(&self) -> BTreeMap<String, usize> {
        self.0.lock().unwrap().clone()
    }
}

/// Everything.
pub(super) struct Place {
    dir: TempDir,
    pub(super) effects: Effects,
    service: SocketAddr,
    keys: BTreeMap<String, String>,
    gateway: SocketAddr,
    _gateway: Process,
}

impl Place {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = listener.local_addr().unwrap();
        let effects = Effects::default();
        effects.serve(listener);
        let config = dir.path().join("gateway.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndatabase = \"gateway.db\"\nkeys = \"keys.toml\"\nanswer_wait_ms = 8000\n\
             [tls]\ncertificate = \"gateway.pem\"\nkey = \"gateway.key\"\nclient_ca = \"ca.pem\"\n\
             [[service]]\nid = \"street\"\nmethod = \"POST\"\ntarget = \"http://{service}/requests\"\n\
             repeat = \"idempotency-key\"\n"
        );
        fs::write(&config, text).unwrap();
        let shown = run("kiosk-gateway", &["--config", config.to_str().unwrap(), "--show-keys"]);
        let pairs = shown.stdout.lines().map(|line| line.split_once(" = ").unwrap());
        let keys = pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect();
        let mut command = Command::new(binary("kiosk-gateway"));
        let (process, line) = Process::start(command.arg("--config").arg(&config), "ready https://", false);
        let gateway = line.rsplit('/').next().unwrap().parse().unwrap();
        Self { dir, effects, service, keys, gateway, _gateway: process }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A folder that is there.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The configuration of a unit; one whose link is down looks for the gateway where nobody listens.
    pub(super) fn unit(&self, name: &str, link: bool) -> String {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let at = if link { self.gateway } else { silent };
        let file = self.path(&format!("{name}.toml"));
        let text = format!(
            "socket = {:?}\nstate = {:?}\ngateway = \"https://{at}/\"\ngateway_ca = {:?}\ncertificate = {:?}\n\
             key = {:?}\nreceipt_key = \"{}\"\nreceipt_kid = \"{}\"\n[retry]\nbase_ms = 100\ncap_ms = 500\n",
            self.path(&format!("{name}.sock")),
            self.state(name),
            self.path("ca.pem"),
            self.path(&format!("{name}.pem")),
            self.path(&format!("{name}.key")),
            self.keys["receipt_key"],
            self.keys["receipt_kid"],
        );
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    pub(super) fn state(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}-state"))
    }

    /// Saves envelopes on a unit whose agent does not run.
    pub(super) fn save(&self, name: &str, envelopes: &[Envelope]) {
        let (outbox, _) = Outbox::open(&self.state(name), options()).unwrap();
        envelopes.iter().for_each(|envelope| _ = outbox.enqueue(envelope.clone()).unwrap());
        outbox.close();
    }

    pub(super) fn agent(&self, config: &str) -> Process {
        let _ = self;
        let mut command = Command::new(binary("kiosk"));
        Process::start(command.args(["agent", "--config", config]), "agent ready", true).0
    }

    /// `len` bytes of answers, sealed for the service.
    pub(super) fn envelope(&self, n: u8, len: usize) -> Envelope {
        let key = ServiceKey::parse(&BASE64_STANDARD.decode(&self.keys["ohttp_keys"]).unwrap()).unwrap();
        let id = EnvelopeId::new(1_700_000_000_000, [n; 10]);
        let request = HttpRequest {
            method: "POST".into(),
            scheme: "http".into(),
            authority: self.service.to_string(),
            path: "/requests".into(),
            headers: vec![("content-type".into(), "text/plain".into())],
            body: SecretBytes::new(vec![b'x'; len]),
        };
        let (sealed, _) = seal(&key, &request).unwrap();
        let made_at = Stamp { unix_ms: 1_700_000_000_000, clock: ClockQuality::Synced };
        let (service, claim) = ("street".parse().unwrap(), ClaimDigest([n; 32]));
        Envelope { id, service, claim, key: key.id(), made_at, sealed }
    }
}

/// A small disk is no reason to refuse here.
fn options() -> Options {
    let mut options = Options::default();
    (options.limits.free_bytes_min, options.limits.ballast_bytes) = (0, 0);
    options
}

/// `kiosk outbox ...`
pub(super) fn outbox(args: &[&str]) -> Run {
    run("kiosk", &[&["outbox"], args].concat())
}

fn certificates(dir: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    for (name, usage) in [
        ("gateway", ExtendedKeyUsagePurpose::ServerAuth),
        ("unit-a", ExtendedKeyUsagePurpose::ClientAuth),
        ("unit-b", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        fs::write(dir.join(format!("{name}.pem")), params.signed_by(&key, &ca).unwrap().pem()).unwrap();
        fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}
