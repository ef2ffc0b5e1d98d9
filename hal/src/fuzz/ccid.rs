//! What a chip card reader and the chip in it say: frames, descriptors, answers to reset, PPS, T=1 blocks.
//!
//! Input: a byte that chooses, and the rest as what was chosen. Blocks for the T=1 machine come as pieces
//! without their check byte, because a fuzzer would hardly ever guess one.

use super::Feed;
use crate::card::{
    Atr, CardBytes,
    ccid::{
        descriptor::Descriptor,
        frame::{Command, HEADER, Notice, Reply, announced},
    },
    chip::{
        atr::{Check, Offer},
        block::{Block, INFO_MAX},
        pps::Pps,
        t1::{Heard, Step, T1, T1Error},
    },
};

pub(super) fn entry(data: &[u8]) {
    let mut feed = Feed(data);
    match feed.byte() % 6 {
        0 => frame(feed.0),
        1 => frame(&with_length(feed.0)),
        2 => descriptor(feed.0),
        3 => answer_to_reset(feed.0),
        4 => pps_and_blocks(feed),
        _ => line(feed),
    }
}

/// The same frame with the length it has.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let mut frame = bytes.to_vec();
    let length = bytes.len().saturating_sub(HEADER);
    if let (Some(field), Ok(length)) = (frame.get_mut(1..5), u32::try_from(length)) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    frame
}

fn frame(frame: &[u8]) {
    let whole = announced(frame) == Some(frame.len());
    if let Ok(reply) = Reply::parse(frame) {
        assert!(whole, "a reply of the wrong length is taken");
        let again = reply.encode();
        assert!(again.len() <= frame.len(), "a reply grows");
        assert_eq!(Reply::parse(&again), Ok(reply), "a reply said again is another");
        cuts(frame, |cut| Reply::parse(cut).is_err());
    }
    if let Ok((slot, seq, command)) = Command::parse(frame) {
        assert!(whole, "a command of the wrong length is taken");
        let again = command.encode(slot, seq);
        assert_eq!(announced(&again), Some(again.len()));
        assert_eq!(Command::parse(&again), Ok((slot, seq, command)), "a command said again is another");
        cuts(frame, |cut| Command::parse(cut).is_err());
    }
    if let Ok(notice) = Notice::parse(frame) {
        assert_eq!(Notice::parse(&notice.encode()), Ok(notice), "a notice said again is another");
    }
}

fn cuts(bytes: &[u8], refused: impl Fn(&[u8]) -> bool) {
    let shorter = (0..bytes.len()).filter_map(|end| bytes.get(..end));
    shorter.for_each(|cut| assert!(refused(cut), "cut to {} bytes it is taken", cut.len()));
}

fn descriptor(bytes: &[u8]) {
    let Some(found) = Descriptor::find(bytes) else { return };
    assert!((HEADER + 261..=HEADER + 65_544).contains(&found.message_max));
    assert!(!found.supplies().is_empty(), "a reader with no supply to try");
    assert!(Descriptor::parse(bytes).is_none_or(|first| first == found));
}

fn answer_to_reset(bytes: &[u8]) {
    let Ok(offer) = Offer::parse(bytes) else { return };
    assert!(!offer.protocols.is_empty() && !offer.protocols.contains(&15));
    assert!(offer.historical.expose().len() <= 15 && (1..=254).contains(&offer.ifsc));
    for clock_khz in [0, 1, 4000, u32::MAX] {
        assert!(offer.waiting_ms(0, clock_khz) > 0 && offer.waiting_ms(1, clock_khz) > 0);
    }
    // Only a check byte that nobody needed may be missing.
    cuts(bytes.get(..bytes.len().saturating_sub(1)).unwrap_or_default(), |cut| Offer::parse(cut).is_err());
    assert_eq!(Atr::new(bytes.to_vec()).is_some(), bytes.len() <= 33);
}

fn pps_and_blocks(mut feed: Feed<'_>) {
    let pps = Pps { protocol: feed.byte() & 0x0F, fidi: feed.byte() };
    assert_eq!(pps.agreed(&pps.request()), Ok(pps.fidi), "an echo is no agreement");
    if let Ok(fidi) = pps.agreed(feed.0) {
        assert!(fidi == pps.fidi || fidi == 0x11, "a speed that was not asked for");
    }
    for check in [Check::Lrc, Check::Crc] {
        if let Ok(block) = Block::parse(feed.0, check) {
            assert_eq!(Block::parse(&block.encode(check), check), Ok(block), "a block said again is another");
            cuts(feed.0, |cut| Block::parse(cut, check).is_err());
        }
    }
}

/// One command over a line on which anything is heard.
fn line(mut feed: Feed<'_>) {
    let mut line = T1::new(Check::Lrc, feed.byte().clamp(1, 254));
    let command = feed.piece().unwrap_or_default().to_vec();
    let ifsd = feed.byte().min(254);
    let mut step = if ifsd == 0 { line.begin(CardBytes::new(command)) } else { line.tell_ifsd(ifsd) };
    let mut dead = false;
    while let Step::Send { block, waits } = &step {
        assert!(*waits >= 1 && block.expose().len() <= INFO_MAX + 4);
        assert!(Block::parse(block.expose(), Check::Lrc).is_ok(), "what is sent is no block");
        let Some(piece) = feed.piece() else { break };
        let mut heard = piece.to_vec();
        heard.push(piece.iter().fold(0, |sum, byte| sum ^ byte));
        let heard = match piece {
            [] => Heard::Nothing,
            [_] => Heard::Damaged,
            _ => Heard::Block(&heard),
        };
        step = match line.handle(heard) {
            Ok(step) => step,
            Err(T1Error::Dead) => {
                dead = true;
                break;
            }
            Err(T1Error::Lost | T1Error::Aborted) => line.begin(CardBytes::new(vec![0, 0xB0, 0, 0, 0])),
        };
    }
    if let Step::Done(answer) = &step {
        assert!(answer.expose().len() <= 65_538, "an answer without end");
    }
    assert!(!dead || line.handle(Heard::Nothing) == Err(T1Error::Dead), "a dead line comes to life");
}
