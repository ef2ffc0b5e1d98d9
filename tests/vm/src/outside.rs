//! Hands outside of the machine: `cargo xtask vm` plugs, pulls and inserts what we ask for.
//!
//! ```text
//! ASK number what     to /dev/ttyS1, which also bears the report
//! DONE number         from there: it is done
//! CANNOT number why
//! ```
//!
//! The words for *what* are in [`Hand`]; `xtask/src/vm/outside.rs` knows the same.
//!
//! Promises: every wait has a limit; an answer to what an ended scenario asked is not taken for ours.
//! Never: says that something happened before QEMU said so.

use anyhow::{Context as _, Result, bail, ensure};
use hal::Deadline;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};
use std::{
    fs::File,
    io::{Read as _, Write as _},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// The second serial line.
const LINE: &str = "/dev/ttyS1";

/// Whoever stands outside does it within this.
const HAND_LIMIT: Duration = Duration::from_secs(25);

/// An answer is one line, not longer.
const ANSWER_BYTES_MAX: usize = 2000;

/// What a hand can do. Asked for twice, it does it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    /// Plugs the reader in and puts the card in, where they are not yet.
    Start,
    /// Puts the card in.
    CardIn,
    /// Pulls the card out.
    CardOut,
    /// Plugs the reader in, without a card.
    ReaderIn,
    /// Pulls the reader's plug; a card in it goes too.
    ReaderOut,
}

impl Hand {
    const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::CardIn => "card-in",
            Self::CardOut => "card-out",
            Self::ReaderIn => "reader-in",
            Self::ReaderOut => "reader-out",
        }
    }
}

/// The line, with nothing between us and the other end: no echo, no line discipline.
pub(crate) fn line() -> Result<File> {
    let line = File::options().read(true).write(true).open(LINE).context(LINE)?;
    let mut settings = tcgetattr(&line).context(LINE)?;
    settings.make_raw();
    tcsetattr(&line, OptionalActions::Now, &settings).context(LINE)?;
    Ok(line)
}

/// Asks for it and waits until it is done.
pub(crate) fn hand(what: Hand) -> Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = format!("{}.{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut line = line()?;
    writeln!(line, "ASK {number} {}", what.word())?;
    let deadline = Deadline::after(HAND_LIMIT);
    loop {
        let answer = read_line(&mut line, deadline).with_context(|| format!("{what:?} by a hand"))?;
        if answer.strip_prefix("DONE ") == Some(&number) {
            return Ok(());
        }
        let refused = answer.strip_prefix("CANNOT ").and_then(|rest| rest.split_once(' '));
        if let Some((_, why)) = refused.filter(|(refused, _)| *refused == number) {
            bail!("{what:?} by a hand: {why}");
        }
    }
}

fn read_line(line: &mut File, deadline: Deadline) -> Result<String> {
    let mut text = Vec::new();
    loop {
        let mut byte = [0];
        let left = Timespec::try_from(deadline.left())?;
        let ready = poll(&mut [PollFd::new(line, PollFlags::IN)], Some(&left))?;
        ensure!(ready > 0, "no answer within {} s", HAND_LIMIT.as_secs());
        line.read_exact(&mut byte)?;
        match byte {
            [b'\n'] => return Ok(String::from_utf8_lossy(&text).into_owned()),
            [byte] => text.push(byte),
        }
        ensure!(text.len() <= ANSWER_BYTES_MAX, "an answer without end");
    }
}
