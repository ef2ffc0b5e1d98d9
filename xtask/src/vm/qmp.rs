//! QEMU's machine protocol: one JSON object a line each way.
//!
//! Source: QEMU, `docs/interop/qmp-spec.txt`; events from `docs/interop/qemu-qmp-ref`.
//!
//! Promises: an answer or an error within [`WAIT`]. Never: an event taken for an answer.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

/// QEMU does what it is told within this, on a busy machine.
pub(super) const WAIT: Duration = Duration::from_secs(20);

/// The line to QEMU.
#[derive(Debug)]
pub(super) struct Qmp {
    line: BufReader<UnixStream>,
}

impl Qmp {
    /// Waits for QEMU's greeting and answers it.
    pub(super) fn greet(line: UnixStream) -> Result<Self> {
        line.set_read_timeout(Some(WAIT))?;
        let mut qmp = Self { line: BufReader::new(line) };
        ensure!(qmp.next()?.get("QMP").is_some(), "QEMU does not greet");
        qmp.tell("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Tells QEMU something and waits until it is done; what happens meanwhile is let by.
    pub(super) fn tell(&mut self, command: &str, arguments: &Value) -> Result<()> {
        self.tell_and_hear(command, arguments, &mut |_| {})
    }

    /// The same; `heard` gets the name of each event that comes first.
    pub(super) fn tell_and_hear(
        &mut self,
        command: &str,
        arguments: &Value,
        heard: &mut dyn FnMut(&str),
    ) -> Result<()> {
        self.send(command, arguments)?;
        loop {
            let said = self.next()?;
            match said.get("event").and_then(Value::as_str) {
                Some(event) => heard(event),
                None => return result(&said, command),
            }
        }
    }

    /// Tells QEMU something without waiting.
    pub(super) fn send(&mut self, command: &str, arguments: &Value) -> Result<()> {
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        self.line.get_mut().write_all(line.as_bytes()).with_context(|| format!("QMP {command}"))
    }

    /// The next answer or event.
    pub(super) fn next(&mut self) -> Result<Value> {
        let mut line = String::new();
        let count = self.line.read_line(&mut line).context("QEMU does not answer")?;
        ensure!(count > 0, "QEMU is gone");
        serde_json::from_str(&line).with_context(|| format!("QEMU said {line}"))
    }
}

/// Whether an answer says that it was done.
pub(super) fn result(said: &Value, command: &str) -> Result<()> {
    match said.pointer("/error/desc") {
        Some(why) => bail!("QEMU refuses {command}: {why}"),
        None => Ok(()),
    }
}
