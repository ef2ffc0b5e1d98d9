//! The text of a recording; the format is drawn in the module above. Pure.
//!
//! Promises: what is printed parses to the same, whatever its times and bytes. Never: panics; guesses at a
//! line it does not know; mends a file that is cut short.

use super::{ENTRIES_MAX, Entry, Op, Recording, Subject, TestCard, Why};
use crate::card::ccid::descriptor::{self, Descriptor};
use std::fmt::Write as _;
use zeroize::Zeroizing;

const FIRST_LINE: &str = "kiosk-recording 1";

/// Bytes on one line.
const LINE_BYTES: usize = 32;

/// The longest packet of a bulk end point (USB 3.2 section 8.12.1.4).
const PACKET_MAX: usize = 1_024;

const OPS: [(Op, &str); 6] = [
    (Op::Write, ">"),
    (Op::Read, "<"),
    (Op::Finish, "="),
    (Op::Port, "?"),
    (Op::Notice, "*"),
    (Op::Abort, "x"),
];

const WHYS: [(Why, &str); 7] = [
    (Why::Gone, "!gone"),
    (Why::TimedOut, "!timed-out"),
    (Why::Busy, "!busy"),
    (Why::NotExclusive, "!not-exclusive"),
    (Why::Denied, "!denied"),
    (Why::Nonsense, "!nonsense"),
    (Why::Unsupported, "!unsupported"),
];

pub(super) fn print(subject: &Subject, entries: &[Entry]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(format!("{FIRST_LINE}\n"));
    head(&mut out, subject);
    for entry in entries {
        let sign = OPS.iter().find(|(op, _)| *op == entry.op).map_or("", |(_, sign)| *sign);
        put(&mut out, format_args!("{} {sign} ", entry.at_ms));
        if entry.bytes.is_empty() {
            out.push('-');
        }
        for (n, part) in entry.bytes.chunks(LINE_BYTES).enumerate() {
            if n > 0 {
                out.push_str("\n  ");
            }
            part.iter().for_each(|byte| put(&mut out, format_args!("{byte:02x}")));
        }
        if let Some((_, name)) = WHYS.iter().find(|(why, _)| Some(*why) == entry.failed) {
            put(&mut out, format_args!(" {name}"));
        }
        out.push('\n');
    }
    put(&mut out, format_args!("end {}\n", entries.len()));
    out
}

fn head(out: &mut String, subject: &Subject) {
    match subject {
        Subject::Printer { profile } => {
            put(out, format_args!("class receipt-printer\nprofile {profile}\n"));
        }
        Subject::ChipReader { test_card, descriptor, packet, notices } => {
            put(out, format_args!("class card-reader\ntest-card {}\ndescriptor ", test_card.name()));
            described(descriptor).iter().for_each(|byte| put(out, format_args!("{byte:02x}")));
            let notices = if *notices { "yes" } else { "no" };
            put(out, format_args!("\npacket {packet}\nnotices {notices}\n"));
        }
    }
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _always = out.write_fmt(what);
}

/// The descriptor as a reader would send it.
fn described(descriptor: &Descriptor) -> [u8; descriptor::LENGTH] {
    let Descriptor { voltages, protocols, clock_khz, rate_max, ifsd_max, message_max, features, .. } =
        *descriptor;
    let message_max = u32::try_from(message_max).unwrap_or(u32::MAX);
    let mut bytes = descriptor::encode(features, voltages, message_max);
    for (at, value) in [(6, protocols), (10, clock_khz), (23, rate_max), (28, ifsd_max)] {
        if let Some(place) = bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }
    bytes
}

/// A line, from 1, and what is wrong there.
type Wrong = (usize, String);

pub(super) fn parse(text: &str) -> Result<Recording, Wrong> {
    let mut lines = (1..).zip(text.lines());
    if lines.next().map(|(_, line)| line) != Some(FIRST_LINE) {
        return Err((1, format!("the first line is not '{FIRST_LINE}'")));
    }
    let mut head = Head::default();
    let mut entries: Vec<Entry> = Vec::new();
    let (mut ended, mut last) = (false, 1);
    for (number, line) in lines.filter(|(_, line)| !line.starts_with('#')) {
        last = number;
        let wrong = |reason: String| (number, reason);
        if ended {
            return Err(wrong("something follows 'end'".to_owned()));
        }
        if let Some(more) = line.strip_prefix(' ') {
            let entry = entries.last_mut().ok_or_else(|| wrong("nothing to go on with".to_owned()))?;
            goes_on(entry, more).map_err(wrong)?;
        } else if let Some(count) = line.strip_prefix("end ") {
            if count.parse() != Ok(entries.len()) {
                return Err(wrong(format!("'end {count}' after {} calls: cut short", entries.len())));
            }
            ended = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let before = entries.last().map_or(0, |entry| entry.at_ms);
            entries.push(call(number, line, before).map_err(wrong)?);
        } else if entries.is_empty() {
            head.take(line).map_err(wrong)?;
        } else {
            return Err(wrong("neither a call nor 'end'".to_owned()));
        }
        if entries.len() > ENTRIES_MAX {
            return Err(wrong(format!("more than {ENTRIES_MAX} calls")));
        }
    }
    if !ended {
        return Err((last, "no 'end': cut short".to_owned()));
    }
    let subject = head.subject().map_err(|reason| (last, reason))?;
    if let Some(entry) = entries.iter().find(|entry| !fits(&subject, entry)) {
        return Err((entry.line, "no such call on this line".to_owned()));
    }
    Ok(Recording { subject, entries })
}

/// Which calls a line has, and how many bytes they carry.
fn fits(subject: &Subject, entry: &Entry) -> bool {
    let fails = entry.failed.is_some();
    let count = entry.bytes.len();
    match (subject, entry.op) {
        (Subject::Printer { .. }, Op::Write | Op::Read) => fails == (count == 0),
        (Subject::Printer { .. }, Op::Port) => count == usize::from(!fails),
        (Subject::Printer { .. }, Op::Finish) => count == 0,
        (Subject::ChipReader { .. }, Op::Write) => count > 0,
        (Subject::ChipReader { .. }, Op::Read | Op::Notice) => !fails || count == 0,
        (Subject::ChipReader { .. }, Op::Abort) => count == 2,
        (Subject::Printer { .. }, Op::Notice | Op::Abort)
        | (Subject::ChipReader { .. }, Op::Finish | Op::Port) => false,
    }
}

/// `MS SIGN BYTES [!WHY]`
fn call(line: usize, text: &str, before_ms: u64) -> Result<Entry, String> {
    let mut words = text.split_ascii_whitespace();
    let at_ms = words.next().and_then(|word| word.parse().ok()).ok_or("no time in milliseconds")?;
    if at_ms < before_ms {
        return Err(format!("{at_ms} ms is before the call above"));
    }
    let sign = words.next().unwrap_or_default();
    let (op, _) = OPS.iter().find(|(_, known)| *known == sign).ok_or("the call is none of > < = ? * x")?;
    let mut entry = Entry { line, at_ms, op: *op, bytes: Zeroizing::new(Vec::new()), failed: None };
    let mut words = words.peekable();
    if words.next_if_eq(&"-").is_none() && words.peek().is_none_or(|word| word.starts_with('!')) {
        return Err("no bytes; write - for none".to_owned());
    }
    words.try_for_each(|word| one_word(&mut entry, word))?;
    Ok(entry)
}

fn goes_on(entry: &mut Entry, text: &str) -> Result<(), String> {
    if entry.bytes.is_empty() {
        return Err("goes on with a call that has no bytes".to_owned());
    }
    text.split_ascii_whitespace().try_for_each(|word| one_word(entry, word))
}

/// Bytes, or why it failed; nothing follows a failure.
fn one_word(entry: &mut Entry, word: &str) -> Result<(), String> {
    if entry.failed.is_some() {
        return Err("something follows a failure".to_owned());
    }
    if word.starts_with('!') {
        let why = WHYS.iter().find(|(_, name)| *name == word).map(|(why, _)| *why);
        entry.failed = Some(why.ok_or_else(|| format!("'{word}' is no failure"))?);
        return Ok(());
    }
    let bytes = hex(word).ok_or_else(|| format!("'{word}' is not bytes in hexadecimal"))?;
    entry.bytes.extend_from_slice(&bytes);
    Ok(())
}

fn hex(word: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, []) = word.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

/// What stands above the first call.
#[derive(Default)]
struct Head {
    class: Option<String>,
    profile: Option<String>,
    test_card: Option<TestCard>,
    descriptor: Option<Descriptor>,
    packet: Option<usize>,
    notices: Option<bool>,
}

impl Head {
    fn take(&mut self, line: &str) -> Result<(), String> {
        let (key, value) = line.split_once(' ').ok_or_else(|| format!("'{line}' has no value"))?;
        let bad = || format!("'{value}' is no {key}");
        let twice = match key {
            "class" => self.class.replace(value.to_owned()).is_some(),
            "profile" => self.profile.replace(value.to_owned()).is_some(),
            "test-card" => {
                self.test_card.replace(TestCard::named(value).map_err(|e| e.to_string())?).is_some()
            }
            "descriptor" => {
                let bytes = hex(value).ok_or_else(bad)?;
                self.descriptor.replace(Descriptor::parse(&bytes).ok_or_else(bad)?).is_some()
            }
            "packet" => {
                let packet = value.parse().ok().filter(|packet| (1..=PACKET_MAX).contains(packet));
                self.packet.replace(packet.ok_or_else(bad)?).is_some()
            }
            "notices" => {
                let notices = [("yes", true), ("no", false)].into_iter().find(|(word, _)| *word == value);
                self.notices.replace(notices.ok_or_else(bad)?.1).is_some()
            }
            _ => {
                return Err(format!(
                    "'{key}' is none of class, profile, test-card, descriptor, packet, notices"
                ));
            }
        };
        if twice { Err(format!("{key} is said twice")) } else { Ok(()) }
    }

    fn subject(self) -> Result<Subject, String> {
        match self.class.as_deref() {
            Some("receipt-printer") => Ok(Subject::Printer { profile: self.profile.ok_or("no profile")? }),
            Some("card-reader") => Ok(Subject::ChipReader {
                test_card: self
                    .test_card
                    .ok_or("no test-card: what a card says is recorded of test cards only")?,
                descriptor: self.descriptor.ok_or("no descriptor")?,
                packet: self.packet.ok_or("no packet")?,
                notices: self.notices.ok_or("no notices")?,
            }),
            Some(other) => Err(format!("'{other}' is never recorded; receipt-printer and card-reader are")),
            None => Err("no class".to_owned()),
        }
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
