//! What stands outside of the machine: a card reader on its USB port, a card, and whoever handles them.
//!
//! The reader is QEMU's `usb-ccid`, the card its `ccid-card-emulated`: a US government card (CAC) made of three
//! certificates, in code that is not ours (libcacard). A program in the machine asks for what a hand does:
//!
//! ```text
//! ASK number what      what: start, card-in, card-out, reader-in, reader-out; "start" is reader and card in
//! DONE number
//! CANNOT number why
//! ```
//!
//! Promises: an answer to each ASK, within [`super::qmp::WAIT`] for each step. Never: a hand that nobody asked for.

use super::qmp::{Qmp, result};
use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use std::{os::unix::net::UnixStream, path::Path, thread, time::Duration};

/// QEMU waits for ever for a card's thread that it tells to end while that is not asleep, and so the machine
/// hangs (`emulated_unrealize` in `hw/usb/ccid-card-emulated.c`). So the machine stands still while a hand is
/// at it, wherever it is in a command, and the thread gets this long to fall asleep. The machine's clock stands
/// still too.
const CARD_ASLEEP: Duration = Duration::from_millis(300);

/// How the machine calls them.
const CONTROLLER: &str = "xhci";
const READER: &str = "reader";
const CARD: &str = "card";

/// The certificates of the card, in the order a CAC has them.
pub(super) const CERTIFICATES: [&str; 3] = ["identity", "signing", "encryption"];

/// The machine's USB port; the rest comes by [`Outside::answer`].
pub(super) fn port() -> [String; 2] {
    ["-device".to_owned(), format!("qemu-xhci,id={CONTROLLER}")]
}

/// The line to QEMU, and what is plugged in.
#[derive(Debug)]
pub(super) struct Outside {
    qmp: Qmp,
    certificates: String,
    reader: bool,
    card: bool,
}

impl Outside {
    /// Greets QEMU on `qmp`; the card's certificates are in the NSS database `certificates`.
    pub(super) fn new(qmp: UnixStream, certificates: &Path) -> Result<Self> {
        let certificates = format!("sql:{}", certificates.display());
        Ok(Self { qmp: Qmp::greet(qmp)?, certificates, reader: false, card: false })
    }

    /// Does what `line` asks for and says what to answer; `None` when it asks for nothing.
    pub(super) fn answer(&mut self, line: &str) -> Option<String> {
        let (number, what) = line.trim().strip_prefix("ASK ")?.split_once(' ')?;
        Some(match self.carry_out(what) {
            Ok(()) => format!("DONE {number}\n"),
            Err(error) => format!("CANNOT {number} {}\n", format!("{error:#}").replace('\n', " ")),
        })
    }

    fn carry_out(&mut self, what: &str) -> Result<()> {
        match what {
            "start" => self.reader(true).and_then(|()| self.card(true)),
            "card-in" => self.card(true),
            "card-out" => self.card(false),
            "reader-in" => self.reader(true),
            "reader-out" => self.reader(false),
            _ => bail!("nobody knows how to do {what}"),
        }
    }

    fn reader(&mut self, plugged: bool) -> Result<()> {
        if plugged && !self.reader {
            let bus = format!("{CONTROLLER}.0");
            self.add(&json!({ "driver": "usb-ccid", "id": READER, "bus": bus }))?;
        } else if !plugged && self.reader {
            self.remove(READER)?;
            self.card = false;
        }
        self.reader = plugged;
        Ok(())
    }

    fn card(&mut self, inserted: bool) -> Result<()> {
        if inserted && !self.card {
            ensure!(self.reader, "there is no reader to put it in");
            let [identity, signing, encryption] = CERTIFICATES;
            let card = json!({
                "driver": "ccid-card-emulated", "id": CARD, "bus": format!("{READER}.0"),
                "backend": "certificates", "db": self.certificates,
                "cert1": identity, "cert2": signing, "cert3": encryption,
            });
            self.add(&card)?;
        } else if !inserted && self.card {
            self.remove(CARD)?;
        }
        self.card = inserted;
        Ok(())
    }

    fn add(&mut self, device: &Value) -> Result<()> {
        self.qmp.tell("stop", &json!({}))?;
        let added = self.qmp.tell("device_add", device);
        thread::sleep(CARD_ASLEEP);
        self.qmp.tell("cont", &json!({}))?;
        added
    }

    fn remove(&mut self, id: &str) -> Result<()> {
        self.qmp.tell("stop", &json!({}))?;
        thread::sleep(CARD_ASLEEP);
        self.qmp.send("device_del", &json!({ "id": id }))?;
        // The answer and the event come in either order; the device is gone with the event.
        let (mut answered, mut gone) = (false, false);
        while !(answered && gone) {
            let said = self.qmp.next()?;
            if said.get("event").is_some() {
                gone |= said.get("event") == Some(&json!("DEVICE_DELETED"))
                    && said.pointer("/data/device") == Some(&json!(id));
            } else {
                result(&said, "device_del")?;
                answered = true;
            }
        }
        self.qmp.tell("cont", &json!({}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};

    const OK: &str = "{\"return\": {}}\n";

    /// A QEMU that has these answers, whatever it is told; what it was told.
    fn qemu<const N: usize>(answers: [&'static str; N]) -> (Outside, thread::JoinHandle<Vec<String>>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let thread = thread::spawn(move || {
            let mut line = BufReader::new(theirs);
            line.get_mut().write_all(b"{\"QMP\": {}}\n").unwrap();
            let mut told = Vec::new();
            for answer in ["{\"return\": {}}\n"].into_iter().chain(answers) {
                let mut text = String::new();
                line.read_line(&mut text).unwrap();
                told.push(text);
                line.get_mut().write_all(answer.as_bytes()).unwrap();
            }
            told
        });
        (Outside::new(ours, Path::new("/nss")).unwrap(), thread)
    }

    #[test]
    fn hands_do_what_is_asked_and_no_more() {
        const GONE: &str =
            "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"card\"}}\n{\"return\": {}}\n";
        let (mut outside, qemu) = qemu([OK, OK, OK, OK, OK, OK, OK, GONE, OK]);
        assert_eq!(outside.answer("PASS a 1.0"), None);
        assert_eq!(
            outside.answer("ASK 7.1 card-in").unwrap(),
            "CANNOT 7.1 there is no reader to put it in\n"
        );
        for (number, what) in ["start", "start", "card-out", "card-out"].iter().enumerate() {
            assert_eq!(outside.answer(&format!("ASK {number} {what}")).unwrap(), format!("DONE {number}\n"));
        }
        assert!(outside.answer("ASK 9 juggle").unwrap().starts_with("CANNOT 9 nobody"));
        let told = qemu.join().unwrap();
        assert_eq!(told.len(), 10, "asked twice, done once, standing still: {told:?}");
        assert!(told[5].contains("ccid-card-emulated") && told[5].contains("sql:/nss"));
    }

    #[test]
    fn what_qemu_refuses_is_told() {
        let (mut outside, qemu) = qemu([OK, "{\"error\": {\"desc\": \"no bus\"}}\n", OK]);
        assert_eq!(outside.answer("ASK 1 start").unwrap(), "CANNOT 1 QEMU refuses device_add: \"no bus\"\n");
        drop(outside);
        qemu.join().unwrap();
    }
}
