//! The agent: the outbox and the way to the gateway, behind a unix socket.
//!
//! Promises: proves its outbox to systemd's watchdog; ends, to be started again, when its outbox has; answers *saved* only after the outbox said durable; delivers, retries and settles by the
//! table in [`kiosk_core::policy`]; never holds a plaintext.
//! Never: opens a device or a display; talks to anyone but the configured gateway and shell.

mod courier;
mod door;
mod proof;
#[cfg(test)]
mod sample;
#[cfg(feature = "demo")]
#[cfg(test)]
mod tests;

use crate::{
    config::{AgentConfig, StartError, load},
    service,
};
use anyhow::Context;
use base64::Engine;
use courier::Courier;
use kiosk_core::{policy::Backoff, wire::ToShell};
use kiosk_outbox::Outbox;
use kiosk_uplink::{Uplink, UplinkConfig, UplinkError, receipt::ReceiptVerifier};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::{Notify, broadcast, watch};

/// News that a slow shell has not read yet; beyond this it is told it missed some and reconnects.
const NEWS_MAX: usize = 64;

/// How long a connection to the gateway may take, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long the gateway may hold an envelope for its answer.
const REPLY_LIMIT: Duration = Duration::from_secs(30);

/// What every task of the agent shares.
#[derive(Clone)]
struct Shared {
    outbox: Outbox,
    uplink: Arc<Uplink>,
    news: broadcast::Sender<ToShell>,
    /// Whether the last exchange with the gateway got through; `None` before the first.
    link: watch::Sender<Option<bool>>,
    /// Rung when something was enqueued.
    bell: Arc<Notify>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// [`StartError`] for anything wrong with the files; otherwise what the operating system refused.
pub fn run(config_file: &Path) -> anyhow::Result<()> {
    let config: AgentConfig = load(config_file)?;
    config.check(config_file)?;
    let given = service::listener(config_file, &config.socket)?;
    let uplink = uplink(config_file, &config)?;
    let (outbox, opened) = Outbox::open(&config.state, kiosk_outbox::Options::default())
        .map_err(|e| StartError::new(config_file, "state", e))?;
    tracing::info!(queued = opened.queued, rebuilt = opened.rebuilt, "outbox open");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (news, _) = broadcast::channel(NEWS_MAX);
    let shared = Shared {
        outbox,
        uplink: Arc::new(uplink),
        news,
        link: watch::Sender::new(None),
        bell: Arc::new(Notify::new()),
    };
    let backoff = Backoff { base_ms: config.retry.base_ms, cap_ms: config.retry.cap_ms };
    runtime.block_on(async {
        // Before anybody may say that it is ready: from then on it may be stopped.
        let stopped = stop_signal().context("waiting for a signal")?;
        let listener = door::open(config_file, &config.socket, given)?;
        let uid = config.shell_uid.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        let courier = tokio::spawn(Courier::new(shared.clone(), backoff).run());
        let door = tokio::spawn(door::serve(listener, uid, shared.clone()));
        let proof = tokio::spawn(proof::feed(shared.outbox.clone(), service::beat_every()));
        tracing::info!(socket = %config.socket.display(), "agent ready");
        let ended = tokio::select! {
            () = stopped => Ok(()),
            ended = courier => Err(ended.unwrap_or_else(Into::into)).context("delivering"),
            ended = door => Err(anyhow::anyhow!("the door ended: {ended:?}")),
            ended = proof => Err(anyhow::anyhow!("the proof of the outbox ended: {ended:?}")),
        };
        shared.outbox.close();
        ended
    })
}

/// The way to the gateway, as configured.
///
/// # Errors
/// [`StartError`] naming the file or the key.
pub(crate) fn uplink(file: &Path, config: &AgentConfig) -> Result<Uplink, StartError> {
    let receipt_key = base64::engine::general_purpose::STANDARD
        .decode(&config.receipt_key)
        .map_err(|e| StartError::new(file, "receipt_key", format!("not base64: {e}")))?;
    let receipts = ReceiptVerifier::new(&receipt_key, config.receipt_kid.as_bytes())
        .map_err(|e| StartError::new(file, "receipt_key", e))?;
    let gateway = config.gateway.parse().map_err(|e| StartError::new(file, "gateway", e))?;
    Uplink::new(UplinkConfig {
        gateway,
        ca_pem: config.gateway_ca.clone(),
        cert_pem: config.certificate.clone(),
        key_pem: config.key.clone(),
        receipts,
        connect_timeout: CONNECT_LIMIT,
        reply_timeout: REPLY_LIMIT,
    })
    .map_err(|e| match e {
        UplinkError::File { path, reason } => StartError::new(&path, "", reason),
        other @ (UplinkError::Address { .. }
        | UplinkError::Receipt(_)
        | UplinkError::Sign
        | UplinkError::Tls(_)
        | UplinkError::Http(_)) => StartError::new(file, "gateway", anyhow::Error::from(other).root_cause()),
    })
}

/// Hears SIGTERM and SIGINT from now on; what it gives ends with the first.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    })
}

/// Wall clock, milliseconds since 1970.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
