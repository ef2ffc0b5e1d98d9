//! Configuration files of both roles: TOML, unknown keys refused.
//!
//! Promises: a file that cannot be used stops the role at start with exit code 2 and one line that
//! names file, place and reason. Never: falls back to a default for something that was written wrongly.

use kiosk_core::session::Limits;
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The largest file a role reads at its start.
const FILE_BYTES_MAX: u64 = 2 << 20;

/// Why a role does not start: one line, exit code 2.
#[derive(Debug)]
pub struct StartError {
    file: PathBuf,
    place: String,
    reason: String,
}

impl StartError {
    /// `place` is a line, a key or a part of `file`; empty when it is the whole file.
    pub fn new(file: &Path, place: impl Into<String>, reason: impl fmt::Display) -> Self {
        let reason = reason.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { file: file.to_owned(), place: place.into(), reason }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { String::new() } else { format!(": {}", self.place) };
        write!(f, "{}{place}: {}", self.file.display(), self.reason)
    }
}

impl std::error::Error for StartError {}

/// The shell's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShellConfig {
    /// What this place is called, in the header and on receipts.
    pub place: String,
    /// Where the agent listens.
    pub socket: PathBuf,
    /// The only user the agent may run as; this process's own when missing.
    pub agent_uid: Option<u32>,
    /// The catalogue: a folder of services.
    pub services: PathBuf,
    /// Languages in the order they are offered, BCP 47.
    pub languages: Vec<String>,
    /// Where a claim can be looked up; the code is added at the end.
    #[serde(default)]
    pub claim_url: String,
    /// How to reach a person from here, in the place's own words; shown under "Talk to a person".
    #[serde(default)]
    pub help_line: String,
    /// The time zone of dates and receipts, such as `Europe/London`; the system's when missing.
    pub time_zone: Option<String>,
    /// A file that is there once the clock was set since the start, such as systemd-timesyncd's
    /// `/run/systemd/timesync/synchronized`. Without this key the system's clock is believed.
    pub clock_proof: Option<PathBuf>,
    /// Idle warning, extension, absolute limit.
    #[serde(default)]
    pub session: Limits,
    /// A folder of the shell's own, for the counters of its devices; without it nothing is counted.
    pub counters: Option<PathBuf>,
    /// Printer, card reader, scanner, touch.
    #[serde(default)]
    pub devices: hal::factory::Config,
}

/// The agent's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// Where to listen for the shell.
    pub socket: PathBuf,
    /// The only user the shell may run as; this process's own when missing.
    pub shell_uid: Option<u32>,
    /// The outbox's folder.
    pub state: PathBuf,
    /// The gateway's address, `https://host:port/`.
    pub gateway: String,
    /// The CA that signed the gateway's certificate, PEM; no other is trusted.
    pub gateway_ca: PathBuf,
    /// This unit's certificate chain, PEM.
    pub certificate: PathBuf,
    /// This unit's private key, PEM.
    pub key: PathBuf,
    /// The public key of the gateway's receipts: 32 bytes, base64.
    pub receipt_key: String,
    /// The name of that key, as the gateway writes it into receipts.
    pub receipt_kid: String,
    /// A file that is there once the clock was set since the start; `kiosk outbox export` writes down how far its
    /// time is to be trusted. Without this key the system's clock is believed.
    pub clock_proof: Option<PathBuf>,
    /// Back-off between attempts.
    #[serde(default)]
    pub retry: Retry,
}

/// How the uplink tries again.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The first ceiling.
    pub base_ms: u64,
    /// The last ceiling.
    pub cap_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        let usual = kiosk_core::policy::Backoff::default();
        Self { base_ms: usual.base_ms, cap_ms: usual.cap_ms }
    }
}

/// Reads a configuration file.
///
/// # Errors
/// [`StartError`] with line and column of the first mistake.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, StartError> {
    let text = read_text(path)?;
    toml::from_str(&text).map_err(|e| {
        let place = e.span().map_or_else(String::new, |span| place_of(&text, span.start));
        StartError::new(path, place, e.message())
    })
}

/// Reads a text file of at most [`FILE_BYTES_MAX`].
///
/// # Errors
/// [`StartError`] naming the file.
pub fn read_text(path: &Path) -> Result<String, StartError> {
    let wrong = |e: std::io::Error| StartError::new(path, "", e);
    let size = std::fs::metadata(path).map_err(wrong)?.len();
    if size > FILE_BYTES_MAX {
        return Err(StartError::new(path, "", format!("{size} bytes; {FILE_BYTES_MAX} are allowed")));
    }
    std::fs::read_to_string(path).map_err(wrong)
}

fn place_of(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}")
}

impl ShellConfig {
    /// Checks what the syntax cannot.
    ///
    /// # Errors
    /// [`StartError`] naming the key.
    pub fn check(&self, file: &Path) -> Result<(), StartError> {
        if self.languages.is_empty() {
            return Err(StartError::new(file, "languages", "name at least one language, such as \"en\""));
        }
        for language in &self.languages {
            if !crate::screen::words::LANGUAGES.iter().any(|(code, _)| code == language) {
                let known = crate::screen::words::LANGUAGES.map(|(code, _)| code).join(", ");
                let reason = format!("'{language}' is not translated; known are {known}");
                return Err(StartError::new(file, "languages", reason));
            }
        }
        self.session.check().map_err(|reason| StartError::new(file, "session", reason))
    }
}

impl AgentConfig {
    /// Checks what the syntax cannot.
    ///
    /// # Errors
    /// [`StartError`] naming the key.
    pub fn check(&self, file: &Path) -> Result<(), StartError> {
        let Retry { base_ms, cap_ms } = self.retry;
        if base_ms == 0 || cap_ms < base_ms {
            return Err(StartError::new(
                file,
                "retry",
                "base_ms must be at least 1, cap_ms at least base_ms",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_named_with_file_line_and_reason() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent.toml");
        std::fs::write(&file, "socket = \"/run/a\"\nstate = 7\n").unwrap();
        let line = load::<AgentConfig>(&file).unwrap_err().to_string();
        assert!(line.contains("agent.toml: line 2, column 9: "), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }

    /// What the README tells a technician to start from.
    #[test]
    fn the_examples_are_what_the_roles_take() {
        let example = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let shell: ShellConfig = load(&example("shell.toml")).unwrap();
        shell.check(&example("shell.toml")).unwrap();
        let usual = Limits::default();
        assert_eq!((shell.session.idle_ms, shell.session.absolute_ms), (usual.idle_ms, usual.absolute_ms));
        assert!(shell.devices.printer.is_some() && shell.devices.keypad.is_some());
        let agent: AgentConfig = load(&example("agent.toml")).unwrap();
        agent.check(&example("agent.toml")).unwrap();
        let usual = Retry::default();
        assert_eq!((agent.retry.base_ms, agent.retry.cap_ms), (usual.base_ms, usual.cap_ms));
        assert_eq!(shell.socket, agent.socket);
    }

    #[test]
    fn a_missing_file_is_named() {
        let line = load::<AgentConfig>(Path::new("/nowhere/agent.toml")).unwrap_err().to_string();
        assert!(line.starts_with("/nowhere/agent.toml: "), "{line}");
    }
}
