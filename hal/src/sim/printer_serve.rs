//! The simulated printer behind a TCP port, for any ESC/POS client.

use super::printer::{PrinterPanel, SimPrinter};
use crate::{
    device::{Deadline, DeviceError},
    transport::Transport,
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// One slice of waiting for the client, and the longest a reply waits.
pub(super) const CLIENT_WAIT: Duration = Duration::from_millis(10);
/// A printer that cannot print takes nothing; the client's bytes then wait in the socket.
const PRINTER_WAIT: Duration = Duration::from_millis(10);

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Serving {
    /// Where.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the thread, which waits for a client.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }
}

/// Serves `printer` on `listener`, one client at a time, from a thread of its own.
///
/// # Errors
/// When the thread does not start.
pub fn serve(listener: TcpListener, printer: SimPrinter) -> std::io::Result<Serving> {
    let serving = Serving { address: listener.local_addr()?, stop: Arc::default() };
    let stop = Arc::clone(&serving.stop);
    std::thread::Builder::new().name("sim-printer".to_owned()).spawn(move || {
        for client in listener.incoming() {
            if stop.load(Ordering::Acquire) {
                return;
            }
            if let Err(error) = client.and_then(|client| attend_tcp(client, &printer.panel(), &stop)) {
                tracing::debug!(%error, "client of the simulated printer left");
            }
        }
    })?;
    Ok(serving)
}

fn attend_tcp(mut client: TcpStream, printer: &PrinterPanel, stop: &AtomicBool) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(CLIENT_WAIT))?;
    attend(&mut client, printer, stop)
}

/// Carries bytes between `client`, whose reads end after [`CLIENT_WAIT`], and the printer.
pub(super) fn attend(
    client: &mut (impl Read + Write),
    printer: &PrinterPanel,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let mut line = printer.connect().map_err(std::io::Error::other)?;
    let (mut waiting, mut open) = (Vec::new(), true);
    while !stop.load(Ordering::Acquire) && (open || !waiting.is_empty()) {
        if waiting.is_empty() {
            open = receive(client, &mut waiting)?;
        }
        match line.write(&waiting, Deadline::after(PRINTER_WAIT)) {
            Ok(taken) => drop(waiting.drain(..taken)),
            Err(DeviceError::TimedOut) => {}
            Err(error) => return Err(std::io::Error::other(error)),
        }
        send_replies(client, line.as_mut())?;
    }
    Ok(())
}

/// Whether the client may still send.
fn receive(client: &mut impl Read, waiting: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut buffer = [0; 4096];
    match client.read(&mut buffer) {
        Ok(count) => {
            waiting.extend(buffer.get(..count).unwrap_or_default());
            Ok(count > 0)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(true),
        Err(error) => Err(error),
    }
}

fn send_replies(client: &mut impl Write, line: &mut dyn Transport) -> std::io::Result<()> {
    let mut buffer = [0; 512];
    match line.read(&mut buffer, Deadline::after(Duration::ZERO)) {
        Ok(count) => client.write_all(buffer.get(..count).unwrap_or_default()),
        Err(DeviceError::TimedOut) => Ok(()),
        Err(error) => Err(std::io::Error::other(error)),
    }
}
