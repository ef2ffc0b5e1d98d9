//! A simulated card's end of T=1, written apart from the driver's, and able to misbehave.
//!
//! Source: ISO/IEC 7816-3:2006, section 11.
//!
//! Promises: does a command once, however often its last block is asked for again. Never: shares code
//! with the driver's machine, so that one does not agree with the other's mistake.

use super::chip::Chip;
use std::collections::VecDeque;

/// What goes wrong with the next block to the card, and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// Nothing.
    Right,
    /// The answer's check byte is wrong.
    BadCheck,
    /// The answer is lost.
    Lost,
    /// The card does not hear the block.
    Deaf,
    /// The card hears it damaged.
    Damaged,
    /// The answer has the wrong number.
    BadNumber,
    /// The card asks for so many waiting times before it answers.
    Wtx(u8),
    /// The card takes another field size from now on.
    Ifs(u8),
    /// The card gives the command up.
    Abort,
    /// The card never says anything again.
    Dead,
}

/// The card.
pub struct T1Card {
    ifsd: usize,
    /// N(S) of the block it sent last or sends next, and the one it expects.
    numbers: (u8, u8),
    heard: Vec<u8>,
    answer: Vec<u8>,
    /// Part of the answer that is out; `None` when none is.
    out: Option<std::ops::Range<usize>>,
    /// An answer held back until the card's own request is answered.
    held: Option<Vec<u8>>,
    dead: bool,
    slips: VecDeque<Slip>,
}

impl Default for T1Card {
    fn default() -> Self {
        Self {
            ifsd: 32,
            numbers: (0, 0),
            heard: Vec::new(),
            answer: Vec::new(),
            out: None,
            held: None,
            dead: false,
            slips: VecDeque::new(),
        }
    }
}

impl T1Card {
    /// Goes wrong in these ways, one for each block that comes.
    pub fn slip(&mut self, slips: &[Slip]) {
        self.slips.extend(slips);
    }

    /// The card after a reset; what was to go wrong still does.
    #[must_use]
    pub fn reset(self) -> Self {
        Self { slips: self.slips, ..Self::default() }
    }

    /// A block for the card; what it answers, or nothing.
    pub fn block(&mut self, chip: &mut Chip, block: &[u8]) -> Option<Vec<u8>> {
        let slip = self.slips.pop_front().unwrap_or(Slip::Right);
        self.dead |= slip == Slip::Dead;
        if self.dead || slip == Slip::Deaf {
            return None;
        }
        let mut answer = if slip == Slip::Damaged { self.complain(1) } else { self.hear(chip, block) };
        match slip {
            Slip::BadCheck => {
                if let Some(last) = answer.last_mut() {
                    *last ^= 0x55;
                }
            }
            Slip::BadNumber => {
                if let Some(control) = answer.get_mut(1) {
                    *control ^= 0x40;
                }
                answer.pop();
                answer = sealed(answer);
            }
            Slip::Lost => return None,
            Slip::Wtx(times) => {
                self.held = Some(answer);
                answer = sealed(vec![0, 0xC3, 1, times]);
            }
            Slip::Ifs(size) => {
                self.held = Some(answer);
                answer = sealed(vec![0, 0xC1, 1, size]);
            }
            Slip::Abort => answer = sealed(vec![0, 0xC2, 0]),
            Slip::Right | Slip::Deaf | Slip::Damaged | Slip::Dead => {}
        }
        Some(answer)
    }

    fn hear(&mut self, chip: &mut Chip, block: &[u8]) -> Vec<u8> {
        if block.iter().fold(0, |sum, byte| sum ^ byte) != 0 {
            return self.complain(1);
        }
        let &[0, control, length, ref info @ .., _] = block else { return self.complain(2) };
        if usize::from(length) != info.len() {
            return self.complain(2);
        }
        match control {
            0xC0 => {
                *self = Self { slips: std::mem::take(&mut self.slips), ..Self::default() };
                sealed(vec![0, 0xE0, 0])
            }
            0xC1 => {
                self.ifsd = info.first().copied().map_or(32, usize::from);
                sealed([&[0, 0xE1, length], info].concat())
            }
            0xE1 | 0xE3 => self.held.take().unwrap_or_else(|| self.complain(2)),
            0xE2 => self.complain(0),
            control if control & 0x80 == 0 => self.part(chip, control, info),
            control if control & 0xC0 == 0x80 => self.receipt(control >> 4 & 1),
            _ => self.complain(2),
        }
    }

    fn part(&mut self, chip: &mut Chip, control: u8, info: &[u8]) -> Vec<u8> {
        if control >> 6 != self.numbers.1 {
            return self.complain(2);
        }
        self.numbers.1 ^= 1;
        if self.out.take().is_some() {
            // A new command acknowledges the last part of the answer before it.
            self.numbers.0 ^= 1;
        }
        self.heard.extend_from_slice(info);
        if control & 0x20 != 0 {
            return self.complain(0);
        }
        self.answer = chip.command(&std::mem::take(&mut self.heard));
        self.send(0)
    }

    fn receipt(&mut self, wanted: u8) -> Vec<u8> {
        match self.out.clone() {
            None => self.complain(0),
            Some(out) if wanted == self.numbers.0 => self.send(out.start),
            Some(out) if out.end < self.answer.len() => {
                self.numbers.0 ^= 1;
                self.send(out.end)
            }
            Some(_) => self.complain(2),
        }
    }

    fn send(&mut self, from: usize) -> Vec<u8> {
        let to = self.answer.len().min(from + self.ifsd);
        self.out = Some(from..to);
        let part = self.answer.get(from..to).unwrap_or_default();
        let more = u8::from(to < self.answer.len());
        let length = u8::try_from(part.len()).unwrap_or(u8::MAX);
        sealed([&[0, self.numbers.0 << 6 | more << 5, length], part].concat())
    }

    /// R with the number it waits for.
    fn complain(&self, wrong: u8) -> Vec<u8> {
        sealed(vec![0, 0x80 | self.numbers.1 << 4 | wrong, 0])
    }
}

fn sealed(mut block: Vec<u8>) -> Vec<u8> {
    block.push(block.iter().fold(0, |sum, byte| sum ^ byte));
    block
}
