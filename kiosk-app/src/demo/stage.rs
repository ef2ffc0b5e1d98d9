//! The demo's stage: folders, certificates, configuration files, the three roles, the link, the service.

use super::{
    hand::{Do, Done},
    link::Link,
    open311::{self, Ledger},
    pki::Pki,
    processes::Role,
};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Runtime};

/// How long the shell may take for one thing it was asked to do.
const HAND_LIMIT: Duration = Duration::from_secs(60);

/// Slint's own variable: how large everything is drawn.
const SCALE_VARIABLE: &str = "SLINT_SCALE_FACTOR";
/// A kiosk's upright screen fits on a laptop's lying one.
const DESK_SCALE: &str = "0.5";

/// One service folder to be put into the catalogue, without its key.
pub struct ServiceFolder {
    /// The folder's name.
    pub id: String,
    /// File names and contents.
    pub files: Vec<(String, String)>,
    /// The path the service is called at.
    pub path: &'static str,
    /// How an interrupted call is repeated, in the gateway's words.
    pub repeat: &'static str,
    /// Where the service's own number stands in its answer.
    pub reference: &'static str,
}

/// Everything that runs.
pub struct Stage {
    /// The output folder.
    pub out: PathBuf,
    /// The language of the attract screen.
    pub(super) greets_in: &'static str,
    /// What the service received.
    pub(super) ledger: Ledger,
    /// The switch between agent and gateway.
    pub(super) link: Link,
    shell: Option<(Role, Hand)>,
    agent: Role,
    gateway: Role,
    kiosk: PathBuf,
    gateway_at: SocketAddr,
    // Dropped last: the link and the service run on it.
    _runtime: Runtime,
}

/// The line to the shell.
struct Hand {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

/// What `kiosk-gateway --show-keys` prints.
#[derive(Deserialize)]
struct PublicKeys {
    receipt_kid: String,
    receipt_key: String,
    ohttp_keys: String,
}

impl Stage {
    /// Starts service, link, gateway and agent on an empty stage; certificates are kept from before.
    ///
    /// # Errors
    /// With the last words of whatever did not start.
    pub fn set(out: &Path, languages: &[&'static str], services: &[ServiceFolder]) -> Result<Self> {
        let out = clear(out)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let pki = Pki::find_or_make(&out.join("pki"))?;
        let ledger = Ledger::default();
        let (service_at, gateway_at) = runtime.block_on(serve(&ledger))?;
        let kiosk = std::env::current_exe().context("finding this program")?;
        let gateway_program = kiosk.with_file_name("kiosk-gateway");
        if !gateway_program.exists() {
            bail!("{} is missing; build it with: cargo build -p kiosk-gateway", gateway_program.display());
        }
        let config = write_gateway(&out, &pki, gateway_at, service_at, services)?;
        let keys = show_keys(&gateway_program, &config)?;
        let logs = out.join("logs");
        let mut gateway = Role::start("gateway", &gateway_program, &["--config", &text(&config)], &logs)?;
        gateway.wait_until(|| std::net::TcpStream::connect(gateway_at).is_ok())?;
        let (link_at, link) = runtime.block_on(relay(gateway_at))?;
        let config = write_agent(&out, &pki, link_at, &keys)?;
        let mut agent = Role::start("agent", &kiosk, &["agent", "--config", &text(&config)], &logs)?;
        let socket = out.join("run/agent.sock");
        agent.wait_until(|| UnixStream::connect(&socket).is_ok())?;
        write_shell(&out, languages, services, service_at, &keys)?;
        let greets_in = languages.first().copied().context("a kiosk speaks at least one language")?;
        Ok(Self {
            out,
            greets_in,
            ledger,
            link,
            shell: None,
            agent,
            gateway,
            kiosk,
            gateway_at,
            _runtime: runtime,
        })
    }

    /// Starts a shell that draws into memory and obeys the hand.
    ///
    /// # Errors
    /// With the shell's last words.
    pub fn open_shell(&mut self, size: &str) -> Result<()> {
        let socket = self.out.join("run/hand.sock");
        remove(&socket)?;
        let listener = UnixListener::bind(&socket)?;
        let config = text(&self.out.join("shell.toml"));
        let args = ["shell", "--config", &config, "--headless", size, "--hand", &text(&socket)];
        let mut role = Role::start("shell", &self.kiosk, &args, &self.out.join("logs"))?;
        listener.set_nonblocking(true)?;
        let accepted = std::cell::RefCell::new(None);
        role.wait_until(|| {
            if let Ok((stream, _)) = listener.accept() {
                accepted.replace(Some(stream));
            }
            accepted.borrow().is_some()
        })?;
        let stream = accepted.into_inner().context("the shell's hand")?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(HAND_LIMIT))?;
        let hand = Hand { reader: BufReader::new(stream.try_clone()?), writer: stream };
        self.shell = Some((role, hand));
        Ok(())
    }

    /// Asks the shell for one thing.
    ///
    /// # Errors
    /// When it could not be done in time, with what was on the screen.
    pub fn ask(&mut self, what: &Do) -> Result<Done> {
        let (_, hand) = self.shell.as_mut().context("no shell is open")?;
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        hand.writer.write_all(&line).context("asking the shell")?;
        let mut answer = String::new();
        hand.reader.read_line(&mut answer).context("hearing the shell")?;
        match serde_json::from_str(&answer).context("the shell hung up")? {
            Done::No(why) => bail!("{what:?}: {why}"),
            done @ (Done::Yes | Done::Labels(_) | Done::Focused(_) | Done::Bytes(_)) => Ok(done),
        }
    }

    /// Kills the agent (`SIGKILL`), starts it again and waits until it listens.
    ///
    /// # Errors
    /// With its last words.
    pub fn kill_agent(&mut self) -> Result<()> {
        self.agent.kill()?;
        self.agent.start_again()?;
        let socket = self.out.join("run/agent.sock");
        self.agent.wait_until(|| UnixStream::connect(&socket).is_ok())
    }

    /// Takes the gateway's keys away: it makes new ones, and knows nothing of those in the catalogue.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn change_the_gateways_keys(&mut self) -> Result<()> {
        let keys = self.out.join("gateway/keys.toml");
        let old = fs::read_to_string(&keys)?;
        let renumbered: toml::Table = old.parse()?;
        let mut renumbered = renumbered;
        if let Some(first) =
            renumbered.get_mut("ohttp").and_then(|keys| keys.get_mut(0)).and_then(toml::Value::as_table_mut)
        {
            first.insert("id".into(), 200.into());
        }
        fs::write(&keys, toml::to_string(&renumbered)?)?;
        self.kill_gateway()
    }

    /// Kills the gateway (`SIGKILL`), starts it again and waits until it listens.
    ///
    /// # Errors
    /// With its last words.
    pub fn kill_gateway(&mut self) -> Result<()> {
        self.gateway.kill()?;
        self.gateway.start_again()?;
        let at = self.gateway_at;
        self.gateway.wait_until(|| std::net::TcpStream::connect(at).is_ok())
    }

    /// Process ids of shell, agent and gateway.
    #[must_use]
    pub fn pids(&self) -> (Option<u32>, u32, u32) {
        (self.shell.as_ref().map(|(role, _)| role.pid()), self.agent.pid(), self.gateway.pid())
    }
}

/// With a display: a window and the drawer beside it; runs until the window is closed.
pub(super) fn window(out: &Path) -> Result<ExitCode> {
    let services = [report_street_problem()];
    let stage = Stage::set(out, &["en", "fr", "cy", "ar"], &services)?;
    let config = text(&stage.out.join("shell.toml"));
    let world = super::remote::listen_for_drawer(&stage.out.join("run/world.sock"), stage.link.clone())?;
    let args = ["shell", "--config", &config, "--drawer", &text(&world)];
    let scale = std::env::var(SCALE_VARIABLE).unwrap_or_else(|_| DESK_SCALE.to_owned());
    let environment = [(SCALE_VARIABLE, scale.as_str())];
    let mut shell = Role::start_in("shell", &stage.kiosk, &args, &environment, &stage.out.join("logs"))?;
    println!(
        "The kiosk's window is open, at {scale} of its size ({SCALE_VARIABLE} changes that). Close it to end the demo."
    );
    println!("Files are in {}.", stage.out.display());
    let status = shell.wait()?;
    println!("demo: window closed, delivered {}", stage.ledger.effects().len());
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The demo's own service.
#[must_use]
pub fn report_street_problem() -> ServiceFolder {
    macro_rules! file {
        ($name:literal) => {
            (
                $name.to_owned(),
                include_str!(concat!("../../demo/services/report-street-problem/", $name)).to_owned(),
            )
        };
    }
    ServiceFolder {
        id: "report-street-problem".into(),
        files: vec![
            file!("service.toml"),
            file!("form.en.json"),
            file!("form.fr.json"),
            file!("form.cy.json"),
            file!("form.ar.json"),
        ],
        path: "/requests.json",
        repeat: "ask-open311",
        reference: "/0/service_request_id",
    }
}

async fn serve(ledger: &Ledger) -> Result<(SocketAddr, SocketAddr)> {
    let service = TcpListener::bind("127.0.0.1:0").await?;
    let service_at = service.local_addr()?;
    let ledger = ledger.clone();
    tokio::spawn(async move { open311::serve(service, ledger).await });
    // The gateway binds this port itself; it is free now.
    let gateway_at = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    Ok((service_at, gateway_at))
}

async fn relay(gateway_at: SocketAddr) -> Result<(SocketAddr, Link)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok((listener.local_addr()?, Link::relay(listener, gateway_at)))
}

fn write_gateway(
    out: &Path,
    pki: &Pki,
    listen: SocketAddr,
    service_at: SocketAddr,
    services: &[ServiceFolder],
) -> Result<PathBuf> {
    let file = out.join("gateway/gateway.toml");
    let mut config = format!(
        "listen = \"{listen}\"\ndatabase = \"gateway.db\"\nkeys = \"keys.toml\"\nanswer_wait_ms = 8000\n\
         [tls]\ncertificate = {:?}\nkey = {:?}\nclient_ca = {:?}\n[retry]\nbase_ms = 200\ncap_ms = 2000\n",
        pki.gateway.0, pki.gateway.1, pki.ca
    );
    for ServiceFolder { id, path, repeat, reference, .. } in services {
        config.push_str(&format!(
            "[[service]]\nid = \"{id}\"\nmethod = \"POST\"\ntarget = \"http://{service_at}{path}\"\n\
             deadline_ms = 5000\nrepeat = \"{repeat}\"\nreference = \"{reference}\"\n"
        ));
    }
    fs::write(&file, config)?;
    Ok(file)
}

fn show_keys(program: &Path, config: &Path) -> Result<PublicKeys> {
    let shown = Command::new(program).arg("--config").arg(config).arg("--show-keys").output()?;
    if !shown.status.success() {
        bail!("kiosk-gateway --show-keys: {}", String::from_utf8_lossy(&shown.stderr).trim());
    }
    Ok(toml::from_str(&String::from_utf8(shown.stdout)?)?)
}

fn write_agent(out: &Path, pki: &Pki, link_at: SocketAddr, keys: &PublicKeys) -> Result<PathBuf> {
    let file = out.join("agent.toml");
    let config = format!(
        "socket = {:?}\nstate = {:?}\ngateway = \"https://{link_at}/\"\ngateway_ca = {:?}\ncertificate = {:?}\n\
         key = {:?}\nreceipt_key = \"{}\"\nreceipt_kid = \"{}\"\n[retry]\nbase_ms = 200\ncap_ms = 1000\n",
        out.join("run/agent.sock"),
        out.join("agent-state"),
        pki.ca,
        pki.unit.0,
        pki.unit.1,
        keys.receipt_key,
        keys.receipt_kid,
    );
    fs::write(&file, config)?;
    Ok(file)
}

fn write_shell(
    out: &Path,
    languages: &[&str],
    services: &[ServiceFolder],
    service_at: SocketAddr,
    keys: &PublicKeys,
) -> Result<()> {
    for service in services {
        let folder = out.join("services").join(&service.id);
        fs::create_dir_all(&folder)?;
        for (name, content) in &service.files {
            let content = if name == "service.toml" {
                with_target(content, &service_at.to_string(), &keys.ohttp_keys)?
            } else {
                content.clone()
            };
            fs::write(folder.join(name), content)?;
        }
    }
    let config = format!(
        "place = \"Riverside Library\"\nsocket = {:?}\nservices = {:?}\ncounters = {out:?}\nlanguages = {languages:?}\n\
         [devices.printer]\nselector = \"sim:printer\"\nprofile = \"epson-tm-t20iii\"\n\
         [devices.card_reader]\nselector = \"sim:card\"\n[devices.document_scanner]\nselector = \"sim:document\"\n\
         [devices.scanner]\nselector = \"sim:scanner\"\n[devices.keypad]\nselector = \"sim:keypad\"\nmap = \"arrows\"\n\
         [[devices.pointer]]\nselector = \"sim:touch\"\n",
        out.join("run/agent.sock"),
        out.join("services"),
    );
    Ok(fs::write(out.join("shell.toml"), config)?)
}

/// The service's file with this demo's address and key in its `[target]` table.
fn with_target(service: &str, authority: &str, key: &str) -> Result<String> {
    let mut table: toml::Table = service.parse().context("service.toml")?;
    let mut target = toml::Table::new();
    target.insert("scheme".into(), "http".into());
    target.insert("authority".into(), authority.into());
    target.insert("key".into(), key.into());
    table.insert("target".into(), target.into());
    Ok(toml::to_string(&table)?)
}

/// An empty stage; certificates stay.
fn clear(out: &Path) -> Result<PathBuf> {
    for name in ["gateway", "agent-state", "services", "run", "logs", "screens"] {
        match fs::remove_dir_all(out.join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).context("clearing the stage");
            }
            Ok(()) | Err(_) => fs::create_dir_all(out.join(name))?,
        }
    }
    for name in ["receipt.bin", "receipt.png", "receipt.pdf", "transcript.jsonl", "payload.json"] {
        remove(&out.join(name))?;
    }
    Ok(out.canonicalize()?)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).context(format!("removing {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
