//! Programs we did not write: started, waited for, listened to, ended.
//!
//! `xtask/src/vm/others.rs` puts them where they are here.
//!
//! Promises: a program ends with its handle, or with the scenario. Never: waits without a limit.

use anyhow::{Context as _, Result, bail, ensure};
use hal::Deadline;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// Any of them does what it is started for within this, on an emulated machine.
pub(crate) const PROGRAM_LIMIT: Duration = Duration::from_secs(20);

/// How often a file that a program makes is looked for: the kernel tells nobody here.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A program that runs until it is dropped; its lines.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| name.clone())?;
        let output = child.stdout.take().context("no pipe to it")?;
        let (told, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Whoever listened may be gone before the program is.
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Its lines up to one with `word` in it.
    pub(crate) fn until_line(&self, word: &str) -> Result<Vec<String>> {
        let deadline = Deadline::after(PROGRAM_LIMIT);
        let mut heard = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.left()) {
                Ok(line) => {
                    let last = line.contains(word);
                    heard.push(line);
                    if last {
                        return Ok(heard);
                    }
                }
                Err(error) => bail!("{error} while waiting for {word}, after {heard:?}"),
            }
        }
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What it writes until it ends, which must be well.
pub(crate) fn output(program: &str, args: &[&str]) -> Result<String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| program.to_owned())?;
    let output = child.stdout.take().context("no pipe to it")?;
    let (told, whole) = channel();
    thread::spawn(move || drop(told.send(std::io::read_to_string(output))));
    let Ok(text) = whole.recv_timeout(PROGRAM_LIMIT) else {
        child.kill()?;
        bail!("{program} {args:?} did not end");
    };
    let (status, text) = (child.wait()?, text?);
    ensure!(status.success(), "{program} {args:?} ended with {status}: {text}");
    Ok(text)
}

/// udev, which tells programs of devices, those there are already included.
pub(crate) fn udev() -> Result<Running> {
    let program = ["/usr/bin/udevadm", "/bin/udevadm"].into_iter().find(|path| Path::new(path).exists());
    let program = program.context("no udevadm")?;
    let control = Path::new("/run/udev/control");
    drop(fs::remove_file(control));
    let running = Running::start(Command::new(program).arg0("/usr/lib/systemd/systemd-udevd"))?;
    until_made(control)?;
    output(program, &["trigger", "--action=add", "--subsystem-match=usb", "--subsystem-match=input"])?;
    output(program, &["settle", "--timeout=15"])?;
    Ok(running)
}

/// pcscd, ready to be asked; it learns of readers by [`udev`].
pub(crate) fn pcscd() -> Result<Running> {
    let (socket, pid) = (Path::new("/run/pcscd/pcscd.comm"), Path::new("/run/pcscd/pcscd.pid"));
    // What one that was killed left.
    for left in [socket, pid] {
        drop(fs::remove_file(left));
    }
    fs::create_dir_all("/run/pcscd")?;
    let running = Running::start(Command::new("/usr/sbin/pcscd").arg("--foreground"))?;
    until_made(socket)?;
    Ok(running)
}

fn until_made(path: &Path) -> Result<()> {
    let deadline = Deadline::after(PROGRAM_LIMIT);
    while !path.exists() {
        ensure!(!deadline.passed(), "no {} within {} s", path.display(), PROGRAM_LIMIT.as_secs());
        thread::park_timeout(LOOK_EVERY);
    }
    Ok(())
}

/// Ends every program in the machine but process 1, which calls it.
pub(crate) fn end_all() {
    if std::process::id() != 1 {
        return;
    }
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    for number in numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        // The kernel's own threads have no command line.
        let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        if let (true, false, Some(pid)) = (number > 1, line.is_empty(), Pid::from_raw(number)) {
            // It may have ended by itself meanwhile.
            let _ended = kill_process(pid, Signal::KILL);
        }
    }
}
