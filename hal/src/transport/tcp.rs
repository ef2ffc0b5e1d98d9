//! Raw TCP, usually port 9100: a byte stream without authentication or encryption.
//!
//! One connection per opening, because such printers serve one at a time. Keep-alive probes notice a
//! printer that was switched off: ten seconds of silence, then three probes five seconds apart. A printer that
//! answers nothing is connected for each job ([`Transport::is_per_job`]): a connection kept ahead may have been
//! closed at the other end long ago.
//!
//! Promises: refused because somebody else prints is [`DeviceError::Gone`], as the wire cannot tell; no byte is
//! written once the other end was seen to close; a name is looked up in the time there is, or not at all.
//! Never: resolves a name again on a line that is open; waits past a deadline.

use super::{Sign, Transport};
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    input::wake::{self, Waker},
};
use rustix::net::{RecvFlags, recv, sockopt};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::sync_channel,
    },
    time::Duration,
};

const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_BETWEEN: Duration = Duration::from_secs(5);
const KEEP_ALIVE_PROBES: u32 = 3;
/// The socket's own time-outs take no zero.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Lookups that nobody waits for any more may go on at the same time; the system's end by themselves.
const LOOKUPS_MAX: u32 = 4;
static LOOKUPS: AtomicU32 = AtomicU32::new(0);

/// An open connection.
#[derive(Debug)]
pub struct Tcp {
    stream: TcpStream,
    waker: Waker,
}

impl Tcp {
    /// Connects to `host:port`, trying each of its addresses until one answers.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when the name is unknown or nobody listens, [`DeviceError::TimedOut`].
    pub fn open(host: &str, deadline: Deadline) -> Result<Self, DeviceError> {
        let mut last = DeviceError::Gone(format!("{host} has no address"));
        for address in addresses(host, deadline)? {
            let wait = deadline.left().max(SHORTEST_WAIT);
            match TcpStream::connect_timeout(&address, wait).and_then(Self::over) {
                Ok(line) => return Ok(line),
                Err(error) => last = device_error(&error),
            }
        }
        Err(last)
    }

    fn over(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE_IDLE)?;
        sockopt::set_tcp_keepintvl(&stream, KEEP_ALIVE_BETWEEN)?;
        sockopt::set_tcp_keepcnt(&stream, KEEP_ALIVE_PROBES)?;
        Ok(Self { stream, waker: Waker::new()? })
    }
}

/// What `host:port` stands for; a name is looked up beside, because the system's lookup knows no deadline.
fn addresses(host: &str, deadline: Deadline) -> Result<Vec<SocketAddr>, DeviceError> {
    let name = host.to_owned();
    looked_up(host, deadline, move || name.to_socket_addrs().map(Iterator::collect))
}

fn looked_up(
    host: &str,
    deadline: Deadline,
    look: impl FnOnce() -> std::io::Result<Vec<SocketAddr>> + Send + 'static,
) -> Result<Vec<SocketAddr>, DeviceError> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    if LOOKUPS.fetch_add(1, Ordering::AcqRel) >= LOOKUPS_MAX {
        LOOKUPS.fetch_sub(1, Ordering::AcqRel);
        return Err(DeviceError::TimedOut);
    }
    let (sender, found) = sync_channel(1);
    let started = std::thread::Builder::new().name("lookup".to_owned()).spawn(move || {
        let looked = look();
        LOOKUPS.fetch_sub(1, Ordering::AcqRel);
        // Nobody waits any more when it took too long.
        drop(sender.send(looked));
    });
    if let Err(error) = started {
        LOOKUPS.fetch_sub(1, Ordering::AcqRel);
        return Err(device_error(&error));
    }
    match found.recv_timeout(deadline.left()) {
        Ok(looked) => looked.map_err(|error| DeviceError::Gone(error.to_string())),
        Err(_) => Err(DeviceError::TimedOut),
    }
}

impl Transport for Tcp {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        // The other end closed: what is sent now is thrown away there, and no error comes in time.
        if matches!(recv(&self.stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT), Ok((0, _))) {
            return Err(DeviceError::Gone("the printer closed the connection".to_owned()));
        }
        let wait = deadline.left().max(SHORTEST_WAIT);
        self.stream.set_write_timeout(Some(wait)).map_err(|error| device_error(&error))?;
        self.stream.write(bytes).map_err(|error| device_error(&error))
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let wait = deadline.left().max(SHORTEST_WAIT);
        self.stream.set_read_timeout(Some(wait)).map_err(|error| device_error(&error))?;
        match self.stream.read(buffer) {
            Ok(0) => Err(DeviceError::Gone("the printer closed the connection".to_owned())),
            Ok(count) => Ok(count),
            Err(error) => Err(device_error(&error)),
        }
    }

    fn wait(&mut self, deadline: Deadline) -> Result<Sign, DeviceError> {
        wake::sign(&self.stream, &self.waker, deadline)
    }

    fn canceller(&self) -> Option<Canceller> {
        Some(self.waker.canceller())
    }

    fn is_per_job(&self) -> bool {
        true
    }

    /// Closes our half and waits until the printer closes its half: then it has taken everything.
    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.stream.shutdown(Shutdown::Write).map_err(|error| device_error(&error))?;
        let mut rest = [0; 512];
        while !deadline.passed() {
            self.stream
                .set_read_timeout(Some(deadline.left().max(SHORTEST_WAIT)))
                .map_err(|error| device_error(&error))?;
            match self.stream.read(&mut rest) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(device_error(&error)),
            }
        }
        Err(DeviceError::TimedOut)
    }
}

fn device_error(error: &std::io::Error) -> DeviceError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "an open set: all else means the line is of no use")]
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => DeviceError::TimedOut,
        ErrorKind::PermissionDenied => DeviceError::Denied(error.to_string()),
        _ => DeviceError::Gone(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    #[test]
    fn bytes_go_both_ways_and_finish_waits_for_the_other_half() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let printer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&[0x12]).unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all
        });
        let mut line = Tcp::open(&address, soon()).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(line.read(&mut buffer, soon()).unwrap(), 1);
        let nothing = line.read(&mut buffer, Deadline::after(Duration::ZERO));
        assert!(matches!(nothing, Err(DeviceError::TimedOut)));
        assert_eq!(line.write(b"receipt", soon()).unwrap(), 7);
        line.finish(soon()).unwrap();
        assert_eq!(printer.join().unwrap(), b"receipt");
        assert!(matches!(line.read(&mut buffer, soon()), Err(DeviceError::Gone(_))));
    }

    #[test]
    fn what_the_other_end_closed_takes_nothing_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut line = Tcp::open(&listener.local_addr().unwrap().to_string(), soon()).unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(line.wait(soon()).unwrap(), Sign::Readable);
        let lost = line.write(b"receipt", soon());
        assert!(matches!(lost, Err(DeviceError::Gone(_))), "{lost:?}");
    }

    #[test]
    fn a_name_that_is_looked_up_for_ever_is_late_and_not_waited_for() {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let begun = std::time::Instant::now();
        let stuck =
            looked_up("printer.example:9100", Deadline::after(Duration::from_millis(50)), move || {
                assert!(held.recv().is_err(), "nothing is ever sent");
                Ok(Vec::new())
            });
        assert!(matches!(stuck, Err(DeviceError::TimedOut)), "{stuck:?}");
        assert!(begun.elapsed() < Duration::from_secs(2));
        drop(hold);
        assert_eq!(addresses("localhost:9", soon()).unwrap().iter().map(SocketAddr::port).max(), Some(9));
    }

    #[test]
    fn nobody_listens() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        assert!(matches!(Tcp::open(&address, soon()), Err(DeviceError::Gone(_))));
    }

    #[test]
    fn a_printer_that_takes_nothing_more_is_a_time_out_not_a_hang() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut line = Tcp::open(&listener.local_addr().unwrap().to_string(), soon()).unwrap();
        let (_stream, _) = listener.accept().unwrap();
        let block = vec![0; 1 << 20];
        let stuck =
            (0..100).find_map(|_| line.write(&block, Deadline::after(Duration::from_millis(20))).err());
        assert!(matches!(stuck, Some(DeviceError::TimedOut)));
    }
}
