//! What makes a unit a site's: its settings, a service, and an identity, put on the state partition of a test's disk.
//!
//! A real unit makes its key itself and is given its certificate when it is enrolled, which nothing does yet. The keys
//! made here are new in each run, lie in `target` alone, and open nothing: no gateway knows them.
//!
//! Promises: the state partition is made anew, as a unit would find it after its set-up. Never: part of an image.

use crate::{
    image::{Places, Tools},
    process::{bytes_of, output_of},
};
use anyhow::{Context as _, Result, ensure};
use std::fs;

/// The folder that becomes the state partition, as the tools see it.
const STATE: &str = "/build/boot-site";
/// Where a unit keeps its site's settings; `etc-kiosk.mount` of the image shows them as `/etc/kiosk`.
const SITE: &str = "lib/kiosk-site";
/// The agent's user, from `systemd/sysusers.d`.
const AGENT: &str = "902:902";
const SERVICE: &str = "kiosk-app/demo/services/report-street-problem";
/// As in `image/repart.d`.
const SIZE: &str = "1G";
/// A key of 32 bytes ends what openssl writes of it (RFC 8410, section 4).
const RAW_KEY: usize = 32;

const SHELL: &str = "place = \"Riverside Library\"\nsocket = \"/run/kiosk/agent.sock\"\nagent_uid = 902\n\
services = \"/etc/kiosk/services\"\nlanguages = [\"en\", \"fr\", \"cy\", \"ar\"]\n\
[[devices.pointer]]\nselector = \"/dev/kiosk/touch\"\n";

const AGENT_HEAD: &str = "socket = \"/run/kiosk/agent.sock\"\nshell_uid = 901\n\
state = \"/var/lib/kiosk-agent/outbox\"\ngateway = \"https://192.0.2.1/\"\ngateway_ca = \"/etc/kiosk/ca.pem\"\n\
certificate = \"/etc/kiosk/unit.pem\"\nkey = \"/etc/kiosk/unit.key\"\nreceipt_kid = \"test\"\n";

/// Makes the state partition at `offset` of `disk`, both as the tools see them.
pub(super) fn set_up(places: &Places, tools: &Tools, disk: &str, offset: u64) -> Result<()> {
    tools.run(&["rm", "-rf", STATE])?;
    let site = places.build.join("boot-site").join(SITE);
    let service = site.join("services/report-street-problem");
    fs::create_dir_all(&service)?;
    identity(tools)?;
    let receipts = public_key(tools, "ed25519")?;
    fs::write(
        site.join("agent.toml"),
        format!("{AGENT_HEAD}receipt_key = \"{}\"\n", base64(places, tools, &receipts)?),
    )?;
    fs::write(site.join("shell.toml"), SHELL)?;
    let from = places.source.join(SERVICE);
    for entry in fs::read_dir(&from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        fs::copy(entry.path(), service.join(entry.file_name()))?;
    }
    let file = service.join("service.toml");
    let key = base64(places, tools, &key_config(&public_key(tools, "x25519")?))?;
    let text = fs::read_to_string(&file)?.replace("[target]\n", &format!("[target]\nkey = \"{key}\"\n"));
    ensure!(text.contains(&key), "{} has no [target]", from.display());
    fs::write(&file, text)?;
    tools.run(&["chown", AGENT, &format!("{STATE}/{SITE}/unit.key")])?;
    let offset = format!("offset={offset}");
    tools.run(&["mkfs.ext4", "-q", "-F", "-L", "state", "-d", STATE, "-E", &offset, disk, SIZE])
}

/// An authority and a unit's certificate from it.
fn identity(tools: &Tools) -> Result<()> {
    let at = |name: &str| format!("{STATE}/{SITE}/{name}");
    let (ca, ca_key) = (at("ca.pem"), "/build/boot-ca.key".to_owned());
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"];
    let own = ["-subj", "/CN=Test authority", "-out", &ca, "-keyout", &ca_key];
    tools.run(&[&["openssl", "req", "-x509"], curve.as_slice(), own.as_slice()].concat())?;
    let (unit, unit_key) = (at("unit.pem"), at("unit.key"));
    let signed =
        ["-subj", "/CN=test-unit", "-CA", &ca, "-CAkey", &ca_key, "-out", &unit, "-keyout", &unit_key];
    let purpose = ["-addext", "extendedKeyUsage=clientAuth", "-addext", "basicConstraints=critical,CA:FALSE"];
    tools.run(
        &[&["openssl", "req", "-x509"], curve.as_slice(), signed.as_slice(), purpose.as_slice()].concat(),
    )
}

/// A new public key; nobody keeps the other half.
fn public_key(tools: &Tools, algorithm: &str) -> Result<Vec<u8>> {
    let file = "/build/boot-new.key";
    tools.run(&["openssl", "genpkey", "-algorithm", algorithm, "-out", file])?;
    let der = bytes_of(&mut tools.command(&["openssl", "pkey", "-in", file, "-pubout", "-outform", "DER"]))?;
    let key = der
        .len()
        .checked_sub(RAW_KEY)
        .and_then(|from| der.get(from..))
        .context("openssl wrote a short key")?;
    Ok(key.to_vec())
}

/// One key as RFC 9458, section 3.1, has it: X25519, HKDF-SHA256, AES-128-GCM.
fn key_config(public: &[u8]) -> Vec<u8> {
    [&[1, 0x00, 0x20], public, &[0, 4, 0x00, 0x01, 0x00, 0x01]].concat()
}

/// Its bytes as RFC 4648, section 4, writes them.
fn base64(places: &Places, tools: &Tools, bytes: &[u8]) -> Result<String> {
    fs::write(places.build.join("boot-key"), bytes)?;
    output_of(&mut tools.command(&["base64", "-w0", "/build/boot-key"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_config_is_as_long_as_its_parts() {
        assert_eq!(key_config(&[0; RAW_KEY]).len(), 41);
    }
}
