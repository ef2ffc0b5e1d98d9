//! One QEMU machine: switched on, listened to, switched off.
//!
//! Two serial lines: the kernel's console goes to `target/vm/console.log`, the report comes to us, and on the
//! same line go our answers to what the machine asks for ([`super::outside`]).
//!
//! Promises: the machine ends with its limit or before; on failure the console's end is shown.
//! Never: gives the machine a network or a disk.

use super::{
    kernel::Kernel,
    outside::{self, Outside},
    report::Report,
};
use anyhow::{Context as _, Result};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::Command,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

const QEMU: &str = "qemu-system-x86_64";

/// What the kernel is told. The guest refuses to run without the last word.
const KERNEL_WORDS: &str = "console=ttyS0 panic=-1 loglevel=5 kiosk.vm=1";

const MEMORY_MIB: &str = "768";

/// How much of the console a failure shows.
const CONSOLE_LINES: usize = 40;

/// What is put together for one machine.
pub(super) struct Parts<'a> {
    /// The kernel, with its modules.
    pub(super) kernel: &'a Kernel,
    /// More archives, in this order: the first program among them.
    pub(super) archives: &'a [Vec<u8>],
    /// The card's certificates, [`super::certificates`].
    pub(super) certificates: &'a Path,
}

/// Boots the machine, prints what it reports, and returns that.
pub(super) fn boot(folder: &Path, parts: &Parts<'_>, filter: &str, limit: Duration) -> Result<Report> {
    let initial = folder.join("initramfs.cpio");
    let mut bytes = fs::read(&parts.kernel.modules).context("modules.cpio")?;
    parts.archives.iter().for_each(|archive| bytes.extend_from_slice(archive));
    fs::write(&initial, bytes).context("initramfs.cpio")?;
    let console = folder.join("console.log");
    let qemu_log = File::create(folder.join("qemu.log"))?;
    let started = Instant::now();
    let ((report_line, its_report), (qmp, its_qmp)) = (UnixStream::pair()?, UnixStream::pair()?);
    let mut command = qemu(parts.kernel, &initial, &console, filter);
    command.stdin(OwnedFd::from(its_report)).stdout(OwnedFd::from(its_qmp)).stderr(qemu_log);
    let mut child = command.spawn().with_context(|| format!("cannot run {QEMU}"))?;
    // Its ends are closed here, so that ours hear when it ends.
    drop(command);
    let mut report = Report::default();
    let heard = lines_of(report_line.try_clone()?).and_then(|lines| {
        let mut hands = Hands { outside: Outside::new(qmp, parts.certificates)?, line: report_line };
        Ok(listen(&lines, &mut report, &mut |line| hands.asked(line), started, limit))
    });
    let why = heard.unwrap_or_else(|error| Some(format!("{error:#}")));
    if why.is_some() {
        child.kill()?;
    }
    let status = child.wait()?;
    let why = why.unwrap_or_else(|| format!("the machine stopped without a word; {QEMU} {status}"));
    for line in report.end(&why) {
        println!("{line}");
    }
    if !report.all_passed() {
        show_end_of(&console, folder);
    }
    Ok(report)
}

fn qemu(kernel: &Kernel, initial: &Path, console: &Path, filter: &str) -> Command {
    let mut words = KERNEL_WORDS.to_owned();
    if !filter.is_empty() {
        // What follows is handed to the first process.
        words += " -- ";
        words += filter;
    }
    let mut command = Command::new(QEMU);
    command.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"]);
    command.args(["-m", MEMORY_MIB, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(initial).args(["-append", &words]);
    command.args(["-serial", &format!("file:{}", console.display())]);
    // Sockets it inherits: no path that could be too long, no port that could be taken.
    command.args(["-chardev", "socket,id=report,fd=0", "-serial", "chardev:report"]);
    command.args(["-chardev", "socket,id=qmp,fd=1", "-mon", "chardev=qmp,mode=control"]);
    command.args(outside::port());
    command
}

/// Whoever stands outside, and the line they answer on.
struct Hands {
    outside: Outside,
    line: UnixStream,
}

impl Hands {
    /// Whether that was for us.
    fn asked(&mut self, line: &str) -> Result<bool> {
        let Some(answer) = self.outside.answer(line) else { return Ok(false) };
        self.line.write_all(answer.as_bytes()).context("the machine takes no answer")?;
        Ok(true)
    }
}

fn lines_of(line: UnixStream) -> Result<Receiver<String>> {
    let (told, lines) = channel();
    thread::Builder::new().spawn(move || {
        for line in BufReader::new(line).split(b'\n') {
            let Ok(line) = line else { return };
            if told.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
        }
    })?;
    Ok(lines)
}

/// Hears the machine out; why it has to be ended, when it has.
fn listen(
    lines: &Receiver<String>,
    report: &mut Report,
    asked: &mut dyn FnMut(&str) -> Result<bool>,
    started: Instant,
    limit: Duration,
) -> Option<String> {
    loop {
        match lines.recv_timeout(limit.saturating_sub(started.elapsed())) {
            Ok(line) => match asked(&line) {
                Ok(false) if report.hear(&line) => println!("{line}"),
                Ok(_) => {}
                Err(error) => return Some(format!("{error:#}")),
            },
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                return Some(format!("no end within {} s", limit.as_secs()));
            }
        }
    }
}

fn show_end_of(console: &Path, folder: &Path) {
    // Without a log there is nothing to show; the report stands for itself.
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    println!("vm hal: the console's end; all of it and QEMU's own words are in {}", folder.display());
    for line in lines.get(lines.len().saturating_sub(CONSOLE_LINES)..).unwrap_or_default() {
        println!("    {}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_no_network_and_no_disk_and_stops_instead_of_starting_again() {
        let kernel = Kernel { image: "k".into(), modules: "m".into() };
        let command = qemu(&kernel, Path::new("i"), Path::new("c"), "touch::");
        let args: Vec<&str> = command.get_args().filter_map(|arg| arg.to_str()).collect();
        assert!(args.contains(&"-nodefaults") && args.contains(&"-no-reboot"));
        assert!(!args.iter().any(|arg| arg.contains("net") || arg.contains("drive")));
        assert!(args.iter().any(|arg| arg.ends_with("kiosk.vm=1 -- touch::")));
    }

    #[test]
    fn a_silent_machine_is_ended_at_its_limit() {
        let (told, lines) = channel();
        let mut report = Report::default();
        let mut nobody = |_: &str| Ok(false);
        let why = listen(&lines, &mut report, &mut nobody, Instant::now(), Duration::from_millis(20));
        assert_eq!(why.as_deref(), Some("no end within 0 s"));
        told.send("PLAN a".to_owned()).unwrap();
        drop(told);
        let limit = Duration::from_secs(5);
        assert_eq!(listen(&lines, &mut report, &mut nobody, Instant::now(), limit), None);
        assert_eq!(report.end("off"), ["FAIL a off"]);
    }
}
