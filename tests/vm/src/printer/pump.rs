//! Carries bytes between the gadget's node and hal's simulated printer, from a thread of its own.
//!
//! Promises: takes nothing more from the host while the printer takes nothing, so that the host's writes
//! stand still as they do on paper out (the gadget then answers NAK). Never: interprets a byte.

use anyhow::{Context as _, Result, ensure};
use hal::{Deadline, DeviceError, transport::Transport};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    termios::{OptionalActions, QueueSelector, isatty, tcflush, tcgetattr, tcsetattr},
};
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// One slice of waiting for the host; the longest a reply waits, because two things are waited for.
const SLICE: Duration = Duration::from_millis(5);

/// A line from before that says nothing for so long is empty: the kernel's worker, which hands its bytes
/// over, may have to wait for a busy machine.
const QUIET: Duration = Duration::from_millis(600);

/// Emptying a line from before takes no longer.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// A full USB buffer of the gadget.
const BLOCK_BYTES: usize = 8192;

/// Opens the gadget's node, which works once the host has set the printer up.
pub(super) fn open(node: &Path) -> Result<File> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits())?;
    let file = OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(node);
    let file = file.with_context(|| node.display().to_string())?;
    if isatty(&file) {
        // As it comes, the kernel would echo, and read lines instead of bytes.
        let mut settings = tcgetattr(&file)?;
        settings.make_raw();
        tcsetattr(&file, OptionalActions::Now, &settings)?;
    }
    Ok(file)
}

/// Throws away what the kernel still holds of a line from before. It hands that over bit by bit, from a queue
/// of its own: the line is empty once nothing came for [`QUIET`].
pub(super) fn drain(host: &mut File) -> Result<()> {
    let (mut block, deadline) = (vec![0; BLOCK_BYTES], Deadline::after(DRAIN_LIMIT));
    let quiet = Timespec::try_from(QUIET)?;
    tcflush(&*host, QueueSelector::IFlush)?;
    while poll(&mut [PollFd::new(&*host, PollFlags::IN)], Some(&quiet))? > 0 {
        ensure!(!deadline.passed(), "the old line does not run dry");
        now(host.read(&mut block))?;
    }
    Ok(())
}

/// The thread; dropping it ends it and lets the node go.
pub(super) struct Pump {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pump {
    /// Starts carrying between the gadget's open node and the printer's `line`.
    pub(super) fn start(host: File, line: Box<dyn Transport>) -> Result<Self> {
        let mut carrier = Carrier { host, line, to_printer: Vec::new(), to_host: Vec::new() };
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("pump".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                if let Err(error) = carrier.turn() {
                    tracing::info!(%error, "the gadget's line ended");
                    return;
                }
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the pump panicked");
        }
    }
}

struct Carrier {
    host: File,
    line: Box<dyn Transport>,
    to_printer: Vec<u8>,
    to_host: Vec<u8>,
}

impl Carrier {
    /// Carries what there is, each way.
    fn turn(&mut self) -> Result<()> {
        if self.to_printer.is_empty() {
            let mut block = vec![0; BLOCK_BYTES];
            let wait = Timespec::try_from(SLICE)?;
            // The wait also arms the gadget's buffers: until then the host's writes stand still.
            poll(&mut [PollFd::new(&self.host, PollFlags::IN)], Some(&wait))?;
            if let Some(count) = now(self.host.read(&mut block))? {
                self.to_printer.extend(block.get(..count).unwrap_or_default());
            }
        }
        if !self.to_printer.is_empty() {
            match self.line.write(&self.to_printer, Deadline::after(SLICE)) {
                Ok(taken) => drop(self.to_printer.drain(..taken)),
                Err(DeviceError::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut replies = [0; 512];
        match self.line.read(&mut replies, Deadline::after(Duration::ZERO)) {
            Ok(count) => self.to_host.extend(replies.get(..count).unwrap_or_default()),
            Err(DeviceError::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        if !self.to_host.is_empty()
            && let Some(count) = now(self.host.write(&self.to_host))?
        {
            self.to_host.drain(..count);
        }
        Ok(())
    }
}

/// What could be done at once, or nothing.
fn now(done: std::io::Result<usize>) -> Result<Option<usize>> {
    match done {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error).context("the gadget's node"),
    }
}
