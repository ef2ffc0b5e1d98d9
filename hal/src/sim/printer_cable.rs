//! The simulated printer behind a serial line: a pseudo-terminal, for any program that prints on one.
//!
//! A pseudo-terminal has no modem lines and no speed; bytes and hang-ups are those of a real line.

use super::{
    printer::PrinterPanel,
    printer_serve::{CLIENT_WAIT, attend},
};
use serialport::{SerialPort, TTYPort};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// A serial cable to the printer; dropping it pulls it out.
#[derive(Debug)]
pub struct Cable {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Cable {
    /// The node at the host's end.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the simulated serial cable panicked");
        }
    }
}

/// Plugs a serial cable into the printer. A thread carries the bytes until the cable or the printer's plug
/// is pulled out.
///
/// # Errors
/// When there is no pseudo-terminal to be had.
pub fn plug_serial(printer: &PrinterPanel) -> io::Result<Cable> {
    let (mut master, slave) = TTYPort::pair()?;
    master.set_timeout(CLIENT_WAIT)?;
    let path = slave.name().ok_or_else(|| io::Error::other("a pseudo-terminal without a name"))?;
    let (stop, printer) = (Arc::new(AtomicBool::new(false)), printer.clone());
    let seen = Arc::clone(&stop);
    let thread = std::thread::Builder::new().name("sim-cable".to_owned()).spawn(move || {
        // While somebody holds the host's end, it does not hang up between two who open it.
        let _slave = slave;
        if let Err(error) = attend(&mut master, &printer, &seen) {
            tracing::debug!(%error, "the simulated serial cable is dead");
        }
    })?;
    Ok(Cable { path: path.into(), stop, thread: Some(thread) })
}
