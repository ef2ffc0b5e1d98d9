//! A PostgreSQL server for tests: Debian's programs, a folder and a socket of its own, gone afterwards.
//!
//! ```text
//! /tmp/kiosk-postgres-XXXX/   0700, the server's user
//!   data/                     fsync as shipped: a commit is on the disk
//!   .s.PGSQL.5432             the only way in; nothing listens on the network
//! ```
//!
//! Promises: ends with this process, however that ends (`setpriv --pdeathsig`).
//! Never: touches a server that was there before; runs as root, which PostgreSQL refuses.

use crate::{
    packages::{self, Purpose},
    process::{cargo, is_root, output_of, succeeds},
    workspace,
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    env, fs,
    os::unix::{fs as unix, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The longest a server takes to listen.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at its socket.
const LOOK: Duration = Duration::from_millis(50);
/// The user that Debian's package makes; used when we are root.
const USER: &str = "postgres";
/// Debian's folder: one below it per version.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// `cargo xtask postgres`.
pub(crate) fn run(no_install: bool) -> Result<ExitCode> {
    let ready = packages::ensure(&[Purpose::Build, Purpose::Server], no_install)?;
    Ok(if ready && gateway()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The gateway's own tests, on PostgreSQL, with those of several gateways and of its fail points. Whether all passed.
pub(crate) fn gateway() -> Result<bool> {
    let server = Server::start()?;
    let features = "failpoints,fleet-tests";
    let all = ["test", "-p", "kiosk-gateway", "--test", "it", "--features", features, "--no-fail-fast"];
    succeeds(cargo(&all).current_dir(workspace::load()?.root).env("KIOSK_TEST_POSTGRES", server.url()))
}

/// A running server.
struct Server {
    folder: PathBuf,
    child: Child,
}

impl Server {
    fn start() -> Result<Self> {
        let programs = programs()?;
        let folder = fresh_folder()?;
        let data = folder.join("data");
        let mut make = as_user(&programs.join("initdb"));
        make.arg("-D").arg(&data).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]);
        output_of(make.current_dir(&folder))?;
        let mut serve = as_user(&programs.join("postgres"));
        serve.arg("-D").arg(&data).args(["-c", "listen_addresses="]).arg("-k").arg(&folder);
        serve.args(["-c", "max_connections=300"]).stdin(Stdio::null());
        let log = fs::File::create(folder.join("log"))?;
        let child = serve.current_dir(&folder).stdout(log.try_clone()?).stderr(log).spawn();
        let mut server = Self { folder, child: child.context("starting PostgreSQL")? };
        server.until_it_listens()?;
        Ok(server)
    }

    fn until_it_listens(&mut self) -> Result<()> {
        let (socket, until) = (self.folder.join(".s.PGSQL.5432"), Instant::now() + START_LIMIT);
        // It makes the socket when it listens, and there is nothing else to wait on.
        while UnixStream::connect(&socket).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("PostgreSQL ended with {status}: {}", self.log());
            }
            ensure!(Instant::now() < until, "PostgreSQL does not listen: {}", self.log());
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// For a gateway's configuration, which knows the same form.
    fn url(&self) -> String {
        format!("postgres://{USER}@localhost/postgres?host={}", self.folder.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL would leave its children to notice by themselves; nothing of it is kept, so quick is enough.
        let quit = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        if !quit.is_ok_and(|status: ExitStatus| status.success()) {
            // It may be gone already.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The newest version that is there.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir(PROGRAMS).with_context(|| format!("{PROGRAMS}: no PostgreSQL"))?;
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.flatten().map(|entry| entry.path()).max_by_key(|path| number(path));
    Ok(newest.context("no PostgreSQL")?.join("bin"))
}

/// A folder that the server's user owns and nobody else enters.
fn fresh_folder() -> Result<PathBuf> {
    let template = env::temp_dir().join("kiosk-postgres-XXXXXX");
    let folder = PathBuf::from(output_of(Command::new("mktemp").arg("-d").arg(template))?.trim_end());
    if let Some((user, group)) = other_user()? {
        unix::chown(&folder, Some(user), Some(group))?;
    }
    Ok(folder)
}

/// Ids of [`USER`] when we are root; nothing when we are somebody PostgreSQL runs as.
fn other_user() -> Result<Option<(u32, u32)>> {
    if !is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.split(':').next() == Some(USER));
    let mut fields = line.with_context(|| format!("no user '{USER}'"))?.split(':').skip(2);
    let mut id = || fields.next().unwrap_or_default().parse::<u32>();
    Ok(Some((id()?, id()?)))
}

/// A program that ends when we do, as [`USER`] when we are root.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if is_root() {
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    }
    command.arg(program);
    command
}
