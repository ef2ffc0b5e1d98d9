//! A second opinion on reader and card: OpenSC's `opensc-tool` over pcscd and the CCID driver of the pcsc-lite
//! project, none of which we wrote.

use super::rig::{NAME_BYTES, SELECT, command, open, reader, soon, told, until_shown};
use crate::{
    others::{self, Running},
    outside::{Hand, hand},
};
use anyhow::{Context as _, Result, ensure};
use hal::{
    Deadline, Health, Trouble,
    card::{CardReader as _, Event},
};
use std::{collections::BTreeSet, thread, time::Duration};

/// How often pcscd is asked for the card.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A name the card does not have.
const UNKNOWN: [u8; 8] = [0, 0xA4, 4, 0, 2, 0xC5, 0xC5, 0];

/// udev and pcscd, with the reader and the card in it known.
pub(super) fn services() -> Result<(Running, Running)> {
    until_shown()?;
    let (udev, pcscd) = (others::udev()?, others::pcscd()?);
    // It looks for cards in its own time, and opensc-tool waits for none that is in already.
    let deadline = Deadline::after(others::PROGRAM_LIMIT);
    while let Err(error) = opensc(&["--atr"]) {
        ensure!(!deadline.passed(), "pcscd has no card: {error:#}");
        thread::park_timeout(LOOK_EVERY);
    }
    Ok((udev, pcscd))
}

/// The same answer to reset and the same answers to commands, by both.
pub(crate) fn opensc_over_pcscd_agrees() -> Result<()> {
    hand(Hand::Start)?;
    let mut ours = reader()?;
    let atr = ours.power_on(soon())?.bytes().to_vec();
    let answers = [command(&mut ours, &SELECT)?, command(&mut ours, &UNKNOWN)?];
    drop(ours);
    let _services = services()?;
    let theirs = opensc(&["--atr"])?;
    let theirs = theirs.lines().find_map(|line| bytes(line, ':')).context("opensc-tool says no ATR")?;
    ensure!(theirs == atr, "opensc-tool says {theirs:02x?}, hal {atr:02x?}");
    ensure!(atr.windows(NAME_BYTES.len()).any(|bytes| bytes == NAME_BYTES), "another card: {atr:02x?}");
    for (apdu, ours) in [SELECT.as_slice(), UNKNOWN.as_slice()].into_iter().zip(answers) {
        let hex: String = apdu.iter().map(|byte| format!("{byte:02X}")).collect();
        let text = opensc(&["--card-driver", "default", "--send-apdu", &hex])?;
        let theirs = answer(&text).with_context(|| format!("opensc-tool says {text}"))?;
        ensure!(theirs == ours, "{hex}: opensc-tool has {theirs:02x?}, hal {ours:02x?}");
    }
    Ok(())
}

/// While pcscd has the reader, hal's own driver leaves it alone and says so; it has it once pcscd ends.
pub(crate) fn pcscd_has_the_reader_first() -> Result<()> {
    hand(Hand::Start)?;
    let (_udev, pcscd) = services()?;
    opensc(&["--atr"])?;
    let (_devices, mut heard) = open()?;
    heard.health(&Health::Degraded(BTreeSet::from([Trouble::Offline])))?;
    opensc(&["--atr"]).context("hal took the reader away")?;
    pcscd.kill()?;
    heard.health(&Health::Ready)?;
    told(&mut heard, "the card", |event| matches!(event, Event::Inserted))
}

fn opensc(args: &[&str]) -> Result<String> {
    others::output("/usr/bin/opensc-tool", &[&["--reader", "0"], args].concat())
}

/// Bytes in hexadecimal.
fn bytes(text: &str, between: char) -> Option<Vec<u8>> {
    let words = text.trim().split(between);
    words.map(|word| if word.len() == 2 { u8::from_str_radix(word, 16).ok() } else { None }).collect()
}

/// `Received (SW1=0x90, SW2=0x00):` and lines of 16 bytes, each with its characters behind.
fn answer(text: &str) -> Option<Vec<u8>> {
    const WIDTH: usize = 3 * 16;
    let (_, received) = text.split_once("Received (SW1=0x")?;
    let status = |at: &str| u8::from_str_radix(at.get(..2)?, 16).ok();
    let (sw1, sw2) = (status(received)?, status(received.split_once("SW2=0x")?.1)?);
    let mut all = Vec::new();
    for line in received.lines().skip(1).filter(|line| !line.is_empty()) {
        let line = line.get(..WIDTH).unwrap_or(line);
        let words = line.split(' ').map_while(|word| bytes(word, ' ').filter(|bytes| bytes.len() == 1));
        all.extend(words.flatten());
    }
    all.extend([sw1, sw2]);
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opensc_tool_writes_is_read() {
        assert_eq!(bytes("3b:7a:18", ':'), Some(vec![0x3B, 0x7A, 0x18]));
        assert_eq!(bytes("Using reader", ':'), None);
        let text = "Sending: 00 A4 \nReceived (SW1=0x90, SW2=0x00):\n\
                    01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 ................\n11 .\n";
        let right: Vec<u8> = (1..=0x11).chain([0x90, 0]).collect();
        assert_eq!(answer(text), Some(right));
        assert_eq!(answer("Received (SW1=0x6A, SW2=0x82)\n"), Some(vec![0x6A, 0x82]));
        assert_eq!(answer("no reader"), None);
    }
}
