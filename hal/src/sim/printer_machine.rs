//! The inside of the simulated printer: receive buffer, decoder, paper, sensors, replies.
//!
//! ```text
//! bytes -> real-time commands obeyed at once -> buffer (8 KiB) -> decoder -> paper
//!                         |                        stops while paper is out or the cover is open
//!                         +-> replies <------------ GS r, GS I, GS ( H in order; GS a on each change
//! ```

use super::{
    picture_decode::{Decoder, Op},
    picture_page::Page,
};
use crate::printer::{Cover, Paper};
use std::time::{Duration, Instant};

/// What a printer takes in while it cannot print.
const BUFFER_BYTES_MAX: usize = 8192;
/// A slow printer works through so many bytes in a millisecond.
const SLOW_BYTES_PER_MS: u128 = 2;
/// `DLE DC4` function 8.
const CLEAR_BUFFERS: [u8; 10] = [0x10, 0x14, 8, 1, 3, 0x14, 1, 6, 2, 8];

/// The mouth of a printer with a presenter.
#[derive(Debug, Default)]
pub(super) struct Mouth {
    /// A receipt is in it; pulled back at that moment, if ever.
    pub(super) holds: Option<Option<Instant>>,
    /// The motor that pulls back is stuck.
    pub(super) stuck: bool,
    /// Receipts pulled back.
    pub(super) retracted: usize,
    /// Receipts that came while another was in it: two in one hand.
    pub(super) mixed: usize,
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) mouth: Mouth,
    /// Stopped because no black mark came.
    unmarked: bool,
    pub(super) plugged: bool,
    pub(super) connected: bool,
    /// Counts plugs pulled: a line of before is of no use.
    pub(super) generation: u64,
    pub(super) received: Vec<u8>,
    pub(super) cut: Vec<Page>,
    pub(super) replies: Vec<u8>,
    paper: Paper,
    cover: Cover,
    /// Dots of paper until the roll ends; `None` for as long as needed.
    roll_dots: Option<usize>,
    slow: Option<Instant>,
    nonsense: bool,
    buffer: Vec<u8>,
    recent: Vec<u8>,
    decoder: Decoder,
    page: Page,
    automatic: u8,
    told: [u8; 4],
}

impl Machine {
    pub(super) fn new(dots_per_line: usize) -> Self {
        Self {
            mouth: Mouth::default(),
            unmarked: false,
            plugged: true,
            connected: false,
            generation: 0,
            received: Vec::new(),
            cut: Vec::new(),
            replies: Vec::new(),
            paper: Paper::Ok,
            cover: Cover::Closed,
            roll_dots: None,
            slow: None,
            nonsense: false,
            buffer: Vec::new(),
            recent: Vec::new(),
            decoder: Decoder::default(),
            page: Page::new(dots_per_line),
            automatic: 0,
            told: [0; 4],
        }
    }

    pub(super) fn set_paper(&mut self, paper: Paper) {
        (self.paper, self.roll_dots, self.unmarked) = (paper, None, false);
        self.work();
    }

    pub(super) fn set_marks(&mut self, dots: usize) {
        self.page.marks = dots;
    }

    /// Lengths of the receipts cut off, dots.
    pub(super) fn lengths(&self) -> Vec<usize> {
        self.cut.iter().map(|page| page.length).collect()
    }

    pub(super) fn end_paper_after(&mut self, dots: usize) {
        self.roll_dots = Some(dots);
    }

    pub(super) fn set_cover(&mut self, cover: Cover) {
        self.cover = cover;
        self.work();
    }

    pub(super) fn set_slow(&mut self, slow: bool) {
        self.slow = slow.then(Instant::now);
        self.work();
    }

    /// It prints slowly, and has something to print.
    pub(super) fn is_slow_at_work(&self) -> bool {
        self.slow.is_some() && !self.buffer.is_empty()
    }

    pub(super) fn talk_nonsense(&mut self, on: bool) {
        self.nonsense = on;
    }

    /// Power off: all is forgotten but what is on paper.
    pub(super) fn unplug(&mut self) {
        (self.plugged, self.connected) = (false, false);
        self.generation += 1;
        self.forget();
        self.replies.clear();
        self.automatic = 0;
        self.page.apply(&Op::Initialise);
    }

    /// Takes what there is room for. Real-time commands are taken even when there is none.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let urgent = if bytes.first() == Some(&0x10) { CLEAR_BUFFERS.len() } else { 0 };
        let room = BUFFER_BYTES_MAX.saturating_sub(self.buffer.len()).max(urgent);
        let taken = bytes.get(..room).unwrap_or(bytes);
        for &byte in taken {
            self.received.push(byte);
            self.recent.push(byte);
            let surplus = self.recent.len().saturating_sub(CLEAR_BUFFERS.len());
            self.recent.drain(..surplus);
            self.buffer.push(byte);
            self.obey_real_time();
        }
        self.work();
        taken.len()
    }

    fn obey_real_time(&mut self) {
        if self.recent.ends_with(&CLEAR_BUFFERS) {
            self.forget();
            self.say(&[0x37, 0x25, 0]);
        } else if self.recent.ends_with(&[0x10, 5, 2]) {
            self.forget();
        } else if self.recent.ends_with(&[0x10, 4, 20]) {
            self.full_status();
        } else if let [.., 0x10, 4, which] = *self.recent {
            let fixed = 0x12;
            let bits = match which {
                1 => {
                    if self.stopped() {
                        0x08
                    } else {
                        0
                    }
                }
                2 => self.cover_bit(0x04) | if self.paper == Paper::Out { 0x20 } else { 0 },
                3 => {
                    if self.paper == Paper::Jammed {
                        0x04
                    } else {
                        0
                    }
                }
                4 => match self.paper {
                    Paper::Out => 0x6C,
                    Paper::Low => 0x0C,
                    Paper::Ok | Paper::Unknown | Paper::Jammed => 0,
                },
                _ => return,
            };
            self.say(&[fixed | bits]);
        }
    }

    fn full_status(&mut self) {
        self.pull_back();
        let paper = match self.paper {
            Paper::Out => 0x05,
            Paper::Low => 0x04,
            Paper::Ok | Paper::Unknown | Paper::Jammed => 0,
        };
        let held = if self.mouth.holds.is_some() { 0x20 } else { 0 };
        let jam = match (self.paper, self.unmarked) {
            (Paper::Jammed, true) => 0x80,
            (Paper::Jammed, false) => 0x40,
            (Paper::Ok | Paper::Low | Paper::Out | Paper::Unknown, _) => 0,
        };
        self.say(&[0x10, 0x0F, paper | held, self.cover_bit(0x02), jam, 0]);
    }

    /// What the printer does by itself once the time it was told is up.
    pub(super) fn pull_back(&mut self) {
        let due = self.mouth.holds.flatten().is_some_and(|at| Instant::now() >= at);
        if due && !self.mouth.stuck {
            self.mouth.holds = None;
            self.mouth.retracted += 1;
        }
    }

    fn present(&mut self, retract: bool, seconds: u8) {
        self.pull_back();
        let receipt = self.page.cut();
        self.cut.push(receipt);
        self.mouth.mixed += usize::from(self.mouth.holds.is_some());
        let at = Instant::now() + Duration::from_secs(u64::from(seconds));
        self.mouth.holds = Some(Some(at).filter(|_| retract && seconds > 0));
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.recent.clear();
        self.decoder = Decoder::default();
        self.page.forget_line();
    }

    fn stopped(&self) -> bool {
        matches!(self.paper, Paper::Out | Paper::Jammed) || self.cover == Cover::Open
    }

    fn cover_bit(&self, bit: u8) -> u8 {
        if self.cover == Cover::Open { bit } else { 0 }
    }

    /// Prints what waits, as far as paper, cover and speed allow, and tells what changed.
    pub(super) fn work(&mut self) {
        self.tell_change();
        let mut may = self.allowance();
        let mut done = 0;
        while !self.stopped() && self.plugged && done < may {
            let Some((op, used)) = self.decoder.next(self.buffer.get(done..).unwrap_or_default()) else {
                break;
            };
            done += used;
            self.perform(&op);
        }
        may = may.saturating_sub(done);
        self.buffer.drain(..done.min(self.buffer.len()));
        if let (Some(since), true) = (&mut self.slow, done > 0 || may > BUFFER_BYTES_MAX) {
            *since = Instant::now();
        }
    }

    fn allowance(&self) -> usize {
        self.slow.map_or(usize::MAX, |since| {
            usize::try_from(since.elapsed().as_millis() * SLOW_BYTES_PER_MS).unwrap_or(usize::MAX)
        })
    }

    fn perform(&mut self, op: &Op) {
        let before = self.page.length;
        self.page.apply(op);
        if let Some(left) = &mut self.roll_dots {
            *left = left.saturating_sub(self.page.length - before);
            if *left == 0 {
                (self.paper, self.roll_dots) = (Paper::Out, None);
                self.tell_change();
            }
        }
        match op {
            Op::Initialise => self.automatic = 0,
            Op::Cut { .. } => {
                let receipt = self.page.cut();
                self.cut.push(receipt);
            }
            // The roll without marks runs and runs: the printer stops with an error.
            Op::ToMark if self.page.marks == 0 => {
                self.paper = Paper::Jammed;
                self.unmarked = true;
            }
            Op::ToMark => {}
            Op::Present { retract, seconds } => self.present(*retract, *seconds),
            Op::AutomaticStatus(mask) => {
                self.automatic = *mask;
                if *mask != 0 {
                    self.told = self.quad();
                    self.say(&self.told.clone());
                }
            }
            Op::AskRoll => self.say(&[if self.paper == Paper::Low { 0x03 } else { 0 }]),
            Op::AskIdentity(which) => self.identity(*which),
            Op::ProcessId([a, b, c, d]) => self.say(&[0x37, 0x22, *a, *b, *c, *d, 0]),
            Op::Glyph(_)
            | Op::LineFeed
            | Op::CodePage(_)
            | Op::Bold(_)
            | Op::Underline(_)
            | Op::Size(..)
            | Op::Justify(_)
            | Op::Reverse(_)
            | Op::Spacing(_)
            | Op::FeedLines(_)
            | Op::FeedDots(_)
            | Op::QrModule(_)
            | Op::QrStore(_)
            | Op::QrPrint
            | Op::Row { .. }
            | Op::Picture { .. }
            | Op::Ignored => {}
        }
    }

    fn identity(&mut self, which: u8) {
        match which {
            1..=3 | 49..=51 => self.say(&[0x01]),
            66 => self.say(b"_SIM\0"),
            67 => self.say(b"_SIM-80\0"),
            65 | 68 => self.say(b"_1\0"),
            _ => {}
        }
    }

    fn quad(&self) -> [u8; 4] {
        let first = 0x14 | if self.stopped() { 0x08 } else { 0 } | self.cover_bit(0x20);
        let second = if self.paper == Paper::Jammed { 0x04 } else { 0 };
        let third = match self.paper {
            Paper::Out => 0x0F,
            Paper::Low => 0x03,
            Paper::Ok | Paper::Unknown | Paper::Jammed => 0,
        };
        [first, second, third, 0x0F]
    }

    fn tell_change(&mut self) {
        let quad = self.quad();
        if self.automatic != 0 && quad != self.told {
            self.told = quad;
            self.say(&quad);
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        if self.nonsense {
            self.replies.extend([0xFF, 0x81, 0xA5, 0x93].iter().cycle().take(bytes.len() + 12));
        } else {
            self.replies.extend(bytes);
        }
    }
}
