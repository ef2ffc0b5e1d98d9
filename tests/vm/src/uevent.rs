//! What the kernel says when devices come and go: `NETLINK_KOBJECT_UEVENT`, group 1.
//!
//! Used only as a reason to look again: nodes and links in `/dev` and `/sys` are there before the kernel
//! speaks of them, so whoever listens before looking misses nothing.
//!
//! Promises: every wait has a limit. Never: reads what the kernel says; a message lost is one look fewer,
//! and the limit is looked at as well.

use anyhow::{Context as _, Result, bail};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, bind,
        netlink::{KOBJECT_UEVENT, SocketAddrNetlink},
        recv, socket_with,
    },
};
use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

/// The kernel's own messages; group 2 is udev's.
const GROUP_KERNEL: u32 = 1;

/// The largest message, `UEVENT_BUFFER_SIZE` in `linux/kobject.h`, and some more.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Somebody who listens to the kernel.
pub(crate) struct Uevents(OwnedFd);

impl Uevents {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(KOBJECT_UEVENT))?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUP_KERNEL)).context("kernel events")?;
        Ok(Self(socket))
    }

    /// Looks, and looks again whenever the kernel speaks, until `look` finds something.
    ///
    /// # Errors
    /// When `limit` passed first; `what` says what was waited for.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        let deadline = hal::Deadline::after(limit);
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            if deadline.passed() {
                bail!("no {what} within {} s", limit.as_secs());
            }
            let left = Timespec::try_from(deadline.left())?;
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&left)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("kernel events"),
            }
            self.drain()?;
        }
    }

    fn drain(&self) -> Result<()> {
        let mut message = [0_u8; MESSAGE_BYTES_MAX];
        loop {
            match recv(&self.0, &mut message, RecvFlags::empty()) {
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error).context("kernel events"),
            }
        }
    }
}

/// Makes `link` lead to `node`, as udev does on a unit.
pub(crate) fn link(node: &Path, link: &str) -> Result<()> {
    let fresh = format!("{link}.new");
    // Left by a scenario that was ended between the two calls.
    drop(fs::remove_file(&fresh));
    symlink(node, &fresh).with_context(|| format!("a link to {}", node.display()))?;
    fs::rename(&fresh, link).with_context(|| link.to_owned())
}

/// Waits until `path` is there, or until it is not.
pub(crate) fn until_there(path: &Path, there: bool, limit: Duration) -> Result<()> {
    let what = format!("{} {}", if there { "sign of" } else { "end of" }, path.display());
    Uevents::listen()?.until(&what, limit, || (path.exists() == there).then_some(()))
}
