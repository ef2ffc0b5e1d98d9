//! The packet filter at work: a unit and a street, two network namespaces with a cable between them.
//!
//! ```text
//!  unit 192.0.2.2 --- veth --- street 192.0.2.1 (the gateway's address) and 192.0.2.9 (a stranger's)
//! ```
//!
//! Who knocks where nobody listens is told *refused* when the packet arrived, and hears nothing when it did not: so
//! a door is tried without a server behind it.
//!
//! Promises: both namespaces are gone afterwards. Never: touches this machine's own packet filter; works without root.

use super::tools::Tools;
use crate::packages;
use anyhow::{Context as _, Result, bail};
use std::{
    env, fs,
    io::ErrorKind,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{self, Command, ExitCode},
    time::Duration,
};

/// How long an answer may take between two namespaces of one machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// The exit status of a knock that nothing answered.
const SILENT: u8 = 3;

/// What a site's profile adds to the empty sets.
const PROFILE: &str =
    "add element inet kiosk gateway4 { 192.0.2.1 . 443 }\nadd element inet kiosk dns4 { 192.0.2.1 }\n";

/// Who knocks (a side and a user), where, and whether anything may come of it.
const KNOCKS: [(&str, &str, &str, bool); 9] = [
    ("unit", "902", "192.0.2.1:443", true),
    ("unit", "902", "192.0.2.1:444", false),
    ("unit", "902", "192.0.2.9:443", false),
    ("unit", "901", "192.0.2.1:443", false),
    ("unit", "901", "192.0.2.1:53", false),
    ("unit", "0", "192.0.2.1:443", false),
    ("unit", "0", "192.0.2.1:53", true),
    ("street", "0", "192.0.2.2:22", false),
    ("street", "0", "192.0.2.2:443", false),
];

/// What came of each knock that should not have, or did not that should.
pub(super) fn findings(tools: &Tools, rules: &str) -> Result<Vec<String>> {
    let street = Street::build()?;
    let knocker = street.folder.join("knock");
    // Where any user may start it, which a build's folder need not be.
    // Not by name: cargo may have put another one there since this one started.
    fs::copy("/proc/self/exe", &knocker)?;
    tools.stage("profile.nft", PROFILE)?;
    for file in [rules, "profile.nft"] {
        let path = super::tools::staged(file);
        let root = tools.root().display().to_string();
        street.inside("unit", &["chroot", &root, "/usr/sbin/nft", "-f", &path])?;
    }
    tools.unstage("profile.nft")?;
    let knocker = knocker.display().to_string();
    let mut findings = Vec::new();
    for (side, user, address, open) in KNOCKS {
        let words = ["setpriv", "--reuid", user, "--clear-groups", "--", &knocker, "knock", address];
        let status = street.command(side, &words).status().context("cannot run ip")?;
        let arrived = match status.code() {
            Some(0) => true,
            Some(code) if code == i32::from(SILENT) => false,
            _other => bail!("knocking at {address} ended with {status}"),
        };
        if arrived != open {
            let what = if arrived { "got through" } else { "did not get through" };
            findings.push(format!("{rules}: street: user {user} of the {side} to {address} {what}"));
        }
    }
    Ok(findings)
}

/// `cargo xtask knock`: status 0 when somebody answered, if only to refuse; [`SILENT`] when nobody did.
pub(crate) fn knock(address: SocketAddr) -> ExitCode {
    match TcpStream::connect_timeout(&address, ANSWER_LIMIT) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => ExitCode::SUCCESS,
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::PermissionDenied) => {
            ExitCode::from(SILENT)
        }
        Err(error) => {
            eprintln!("knock: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Two namespaces and the cable; gone when dropped.
struct Street {
    folder: PathBuf,
}

impl Street {
    fn build() -> Result<Self> {
        let folder = env::temp_dir().join(format!("kiosk-street-{}", process::id()));
        fs::create_dir_all(&folder)?;
        let street = Self { folder };
        let (unit, outside) = (street.name("unit"), street.name("street"));
        street.ip(&["netns", "add", &unit])?;
        street.ip(&["netns", "add", &outside])?;
        street.ip(&[
            "link", "add", "cable", "netns", &unit, "type", "veth", "peer", "name", "cable", "netns",
            &outside,
        ])?;
        for (side, addresses) in
            [("unit", &["192.0.2.2/24"][..]), ("street", &["192.0.2.1/24", "192.0.2.9/24"])]
        {
            let name = street.name(side);
            for address in addresses {
                street.ip(&["-n", &name, "address", "add", address, "dev", "cable"])?;
            }
            street.ip(&["-n", &name, "link", "set", "lo", "up"])?;
            street.ip(&["-n", &name, "link", "set", "cable", "up"])?;
        }
        Ok(street)
    }

    fn name(&self, side: &str) -> String {
        format!("kiosk-{side}-{}", process::id())
    }

    fn ip(&self, words: &[&str]) -> Result<()> {
        let status = as_root("ip").args(words).status().context("cannot run ip")?;
        if status.success() {
            Ok(())
        } else {
            bail!("ip {} failed in {}", words.join(" "), self.folder.display())
        }
    }

    fn command(&self, side: &str, words: &[&str]) -> Command {
        let mut command = as_root("ip");
        command.args(["netns", "exec", &self.name(side)]).args(words);
        command
    }

    fn inside(&self, side: &str, words: &[&str]) -> Result<()> {
        let status = self.command(side, words).status().context("cannot run ip")?;
        if status.success() { Ok(()) } else { bail!("{} failed", words.join(" ")) }
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        for side in ["unit", "street"] {
            // One that was never made cannot be taken away; that is what we want.
            let _ = as_root("ip").args(["netns", "delete", &self.name(side)]).status();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A program that takes root.
fn as_root(program: &str) -> Command {
    let prefix = packages::privilege_here().unwrap_or_default();
    let mut words = prefix.into_iter().chain([program]);
    let mut command = Command::new(words.next().unwrap_or(program));
    command.args(words);
    command
}
