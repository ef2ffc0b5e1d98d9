//! A serial line: 8 data bits, no parity, 1 stop bit.
//!
//! The `serialport` crate sets the line up and holds its locks (`TIOCEXCL`, and `flock`, which also stops
//! root). Bytes go through a descriptor of our own that does not block: the crate writes through one that
//! does, so a printer that stops the line in the middle of a write would hold the thread for ever.
//!
//! | file | owns |
//! |---|---|
//! | [`settings`] | baud and flow |
//! | [`list`](mod@list) | which ports there are |
//!
//! Promises: DTR is on while the line is open, and RTS unless the kernel drives it; a line that hangs up is
//! [`DeviceError::Gone`]; what nobody waited for when the line is dropped is forgotten, so that closing does
//! not wait for a printer that stopped it. Modem lines that are not there (a pseudo-terminal) are done without.
//! Never: waits for the line to drain without a limit.

pub mod list;
pub mod settings;

pub use list::{Listed, list};
pub use settings::{Baud, Flow, Settings};

use super::{Sign, Transport};
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    input::wake::{self, Waker},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    fs::{Mode, OFlags},
    io::Errno,
};
use serialport::{ClearBuffer, DataBits, FlowControl, Parity, SerialPort, StopBits, TTYPort};
use std::{io::ErrorKind, path::Path, time::Duration};

/// Bytes in one write: what went out is then known to a quarter of a second at 9600 bits a second.
const CHUNK_BYTES: usize = 256;
/// Nothing wakes us when the last byte leaves, so that is looked at so often.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// An open line.
#[derive(Debug)]
pub struct Serial {
    line: OwnedFd,
    /// Locks and modem lines.
    port: TTYPort,
    /// Something was written, and nobody waited for it to leave.
    unfinished: bool,
    waker: Waker,
}

impl Serial {
    /// Opens and sets up the line; what waited in it is forgotten.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when there is no such node, [`DeviceError::Denied`], [`DeviceError::Busy`] when
    /// another program has it, [`DeviceError::Unsupported`] when it is no serial line.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, DeviceError> {
        let waker = Waker::new().map_err(|error| DeviceError::Gone(error.to_string()))?;
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let line = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failure(path, error))?;
        if !rustix::termios::isatty(&line) {
            return Err(DeviceError::Unsupported("this node is no serial line"));
        }
        let name = path.to_str().ok_or(DeviceError::Unsupported("a node whose name is not UTF-8"))?;
        let flow = match settings.flow {
            Flow::None => FlowControl::None,
            Flow::XonXoff => FlowControl::Software,
            Flow::RtsCts => FlowControl::Hardware,
        };
        let port = serialport::new(name, settings.baud.into())
            .data_bits(DataBits::Eight)
            .parity(Parity::None)
            .stop_bits(StopBits::One)
            .flow_control(flow)
            .open_native();
        let mut port = port.map_err(|error| port_failure(path, &error))?;
        let rts = if settings.flow == Flow::RtsCts { Ok(()) } else { port.write_request_to_send(true) };
        if let Err(error) = port.write_data_terminal_ready(true).and(rts) {
            tracing::debug!(%error, "a serial line without modem lines");
        }
        port.clear(ClearBuffer::All).map_err(|error| port_failure(path, &error))?;
        Ok(Self { line, port, unfinished: false, waker })
    }

    /// Waits until the line can be read or written, or has hung up, which both then tell.
    fn ready(&self, flags: PollFlags, deadline: Deadline) -> Result<(), DeviceError> {
        loop {
            let left = Timespec::try_from(deadline.left()).map_err(|_| DeviceError::TimedOut)?;
            match poll(&mut [PollFd::new(&self.line, flags)], Some(&left)) {
                Ok(0) => return Err(DeviceError::TimedOut),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) if !deadline.passed() => {}
                Err(error) => return Err(line_failure(error)),
            }
        }
    }
}

impl Transport for Serial {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        self.ready(PollFlags::OUT, deadline)?;
        let chunk = bytes.get(..CHUNK_BYTES).unwrap_or(bytes);
        self.unfinished = true;
        rustix::io::write(&self.line, chunk).map_err(line_failure)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        self.ready(PollFlags::IN, deadline)?;
        match rustix::io::read(&self.line, buffer).map_err(line_failure)? {
            0 => Err(DeviceError::Gone("the serial line hung up".to_owned())),
            count => Ok(count),
        }
    }

    fn wait(&mut self, deadline: Deadline) -> Result<Sign, DeviceError> {
        wake::sign(&self.line, &self.waker, deadline)
    }

    fn canceller(&self) -> Option<Canceller> {
        Some(self.waker.canceller())
    }

    /// Waits until the kernel has handed over every byte.
    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        loop {
            match self.port.bytes_to_write() {
                Ok(0) => {
                    self.unfinished = false;
                    return Ok(());
                }
                Ok(_) if deadline.passed() => return Err(DeviceError::TimedOut),
                Ok(_) => std::thread::park_timeout(deadline.left().min(DRAIN_LOOK)),
                Err(error) => return Err(DeviceError::Gone(error.to_string())),
            }
        }
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        // Only then: what an adapter or a pseudo-terminal counts as sent may still be on its way.
        if self.unfinished
            && let Err(error) = self.port.clear(ClearBuffer::Output)
        {
            tracing::debug!(%error, "a serial line that is gone is closed");
        }
    }
}

/// What opening a node fails with.
fn failure(path: &Path, error: Errno) -> DeviceError {
    match error {
        Errno::ACCESS | Errno::PERM => DeviceError::Denied(path.display().to_string()),
        Errno::BUSY => DeviceError::Busy,
        _ => DeviceError::Gone(format!("{}: {error}", path.display())),
    }
}

/// The crate says `NoDevice` when somebody else holds the lock; a node that is not there was told before.
fn port_failure(path: &Path, error: &serialport::Error) -> DeviceError {
    match error.kind() {
        serialport::ErrorKind::NoDevice => DeviceError::Busy,
        serialport::ErrorKind::Io(ErrorKind::PermissionDenied) => {
            DeviceError::Denied(path.display().to_string())
        }
        serialport::ErrorKind::InvalidInput
        | serialport::ErrorKind::Unknown
        | serialport::ErrorKind::Io(_) => DeviceError::Gone(format!("{}: {error}", path.display())),
    }
}

fn line_failure(error: Errno) -> DeviceError {
    match error {
        Errno::AGAIN | Errno::INTR => DeviceError::TimedOut,
        _ => DeviceError::Gone(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    /// The printer's end, ours, and what keeps the other side of a pseudo-terminal from hanging up.
    fn pair(flow: Flow) -> (TTYPort, Serial, TTYPort) {
        let (master, slave) = TTYPort::pair().unwrap();
        let name = slave.name().unwrap();
        let line = Serial::open(Path::new(&name), Settings { flow, ..Settings::default() }).unwrap();
        (master, line, slave)
    }

    #[test]
    fn every_byte_goes_both_ways_unchanged() {
        let all: Vec<u8> = (0..=255).collect();
        let (mut master, mut line, _slave) = pair(Flow::RtsCts);
        assert_eq!(line.write(&all, soon()).unwrap(), 256);
        line.finish(soon()).unwrap();
        let mut came = [0; 256];
        master.read_exact(&mut came).unwrap();
        assert_eq!(came, *all);
        master.write_all(&all).unwrap();
        let mut came = Vec::<u8>::new();
        while came.len() < 256 {
            let mut some = [0; 100];
            let count = line.read(&mut some, soon()).unwrap();
            came.extend(&some[..count]);
        }
        assert_eq!(came, all);
        assert!(matches!(line.read(&mut [0], Deadline::after(Duration::ZERO)), Err(DeviceError::TimedOut)));
    }

    #[test]
    fn the_line_is_set_up_as_told() {
        let (_master, line, _slave) = pair(Flow::XonXoff);
        assert_eq!(line.port.flow_control().unwrap(), FlowControl::Software);
        assert_eq!(line.port.data_bits().unwrap(), DataBits::Eight);
        assert_eq!(line.port.baud_rate().unwrap(), 38_400);
    }

    #[test]
    fn a_printer_that_takes_nothing_more_is_a_time_out_not_a_hang() {
        let (_master, mut line, _slave) = pair(Flow::None);
        let block = [0x55; 4096];
        let stuck =
            (0..10_000).find_map(|_| line.write(&block, Deadline::after(Duration::from_millis(20))).err());
        assert!(matches!(stuck, Some(DeviceError::TimedOut)), "{stuck:?}");
    }

    #[test]
    fn what_was_finished_arrives_and_what_was_not_is_forgotten() {
        for finished in [true, false] {
            let (mut master, mut line, _slave) = pair(Flow::None);
            let mut written = 0;
            while let Ok(count) = line.write(&[0x55; 256], Deadline::after(Duration::ZERO)) {
                written += count;
            }
            if finished {
                line.finish(soon()).unwrap();
            }
            drop(line);
            master.set_timeout(Duration::from_millis(100)).unwrap();
            let mut came = 0;
            while let Ok(count) = master.read(&mut [0; 4096]) {
                came += count;
            }
            assert!((came == written) == finished, "{came} of {written}");
        }
    }

    #[test]
    fn one_program_at_a_time() {
        let (_master, _line, slave) = pair(Flow::None);
        let second = Serial::open(Path::new(&slave.name().unwrap()), Settings::default());
        assert!(matches!(second, Err(DeviceError::Busy)), "{second:?}");
    }

    #[test]
    fn a_line_that_hangs_up_is_gone_both_ways() {
        let (master, mut line, _slave) = pair(Flow::RtsCts);
        drop(master);
        assert!(matches!(line.read(&mut [0; 8], soon()), Err(DeviceError::Gone(_))));
        assert!(matches!(line.write(b"receipt", soon()), Err(DeviceError::Gone(_))));
    }

    #[test]
    fn what_is_no_serial_line_is_refused() {
        let absent = Serial::open(Path::new("/dev/no-such-port"), Settings::default());
        assert!(matches!(absent, Err(DeviceError::Gone(_))), "{absent:?}");
        let null = Serial::open(Path::new("/dev/null"), Settings::default());
        assert!(matches!(null, Err(DeviceError::Unsupported(_))), "{null:?}");
    }
}
