//! `kiosk-gateway --config gateway.toml`: serves until `SIGTERM` or `SIGINT`.
//!
//! Standard output gets one line, `ready https://<address>`, once connections are accepted. Logs go to
//! standard error; `RUST_LOG` chooses (default `info`). Exit code 2 and one line mean: mend the
//! configuration; 1 means the database or the socket.
//!
//! The allocator zeroes what is freed, so that no answer in clear outlives its request in memory.

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::Parser;
use kiosk_gateway::{Gateway, GatewayError, config::Config};
use std::{
    alloc::System,
    error::Error,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tracing_subscriber::EnvFilter;
use zeroizing_alloc::ZeroAlloc;

#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// The receiving end for kiosks: takes sealed envelopes, calls the services, seals the answers back.
#[derive(Parser)]
struct Arguments {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Print the public keys that kiosks need, as TOML, and end. Makes the key file when it is missing.
    #[arg(long)]
    show_keys: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, ExitCode::FAILURE),
    };
    match runtime.block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Gateway(error @ GatewayError::Config(_))) => fail(&error, ExitCode::from(2)),
        Err(Failure::Gateway(error)) => fail(&error, ExitCode::FAILURE),
        Err(Failure::System(error)) => fail(&error, ExitCode::FAILURE),
    }
}

enum Failure {
    Gateway(GatewayError),
    System(io::Error),
}

impl<E: Into<GatewayError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Gateway(error.into())
    }
}

/// One line: the error and its causes.
fn fail(error: &dyn Error, code: ExitCode) -> ExitCode {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line = format!("{line}: {cause}");
        next = cause.source();
    }
    // Nothing better can be done when standard error is closed.
    let _ = writeln!(io::stderr(), "kiosk-gateway: {}", line.replace('\n', " "));
    code
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let gateway = Gateway::open(Config::read(&arguments.config)?).await?;
    if arguments.show_keys {
        return show_keys(&gateway).map_err(Failure::System);
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::System)?;
    let listener = gateway.bind().await?;
    let address = listener.local_addr().map_err(Failure::System)?;
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.send_replace(true);
    });
    writeln!(io::stdout(), "ready https://{address}").map_err(Failure::System)?;
    gateway.serve(listener, stopping).await;
    Ok(())
}

fn show_keys(gateway: &Gateway) -> io::Result<()> {
    let keys = gateway.public_keys();
    let mut out = io::stdout();
    writeln!(out, "receipt_kid = \"{}\"", keys.receipt_kid)?;
    writeln!(out, "receipt_key = \"{}\"", BASE64_STANDARD.encode(keys.receipt_key))?;
    writeln!(out, "ohttp_keys = \"{}\"", BASE64_STANDARD.encode(keys.ohttp))
}
