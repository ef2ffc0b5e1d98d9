//! The receipt in the citizen's words, ready for paper, PDF or speech.
//!
//! Promises: every form of the receipt is made from the same lines, so they cannot differ.
//! Never: adds a fact that is not in the [`Receipt`].

use hal::printer::{Align, Direction, Job, Line as Out, Size, Style};
use kiosk_core::{
    receipt::{Line, Receipt, Word},
    wire::{ClockQuality, Stamp},
};

/// One line, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaperLine {
    /// Large, centred.
    Heading(String),
    /// A label and its value.
    Pair(String, String),
    /// The proven state, emphasised.
    State(String),
    /// The claim code, large, always left to right.
    Claim(String),
    /// The text of a QR code.
    Qr(String),
    /// A sentence.
    Note(String),
    /// A line across.
    Rule,
}

/// A receipt in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// Read from right to left.
    pub rtl: bool,
    /// In the order they are read.
    pub lines: Vec<PaperLine>,
}

/// Puts a receipt into words; `say` knows the product's words in the session's language.
/// `offset_minutes` how far from UTC a moment was.
pub fn in_words(
    receipt: &Receipt,
    rtl: bool,
    offset_minutes: impl Fn(Stamp) -> i16,
    say: impl Fn(Word) -> String,
) -> Paper {
    let line = |line: &Line| match line {
        Line::Heading(word) => PaperLine::Heading(say(*word)),
        Line::Pair(word, value) => PaperLine::Pair(say(*word), value.clone()),
        Line::Time(word, stamp) => PaperLine::Pair(say(*word), moment(*stamp, offset_minutes(*stamp))),
        Line::State(word) => PaperLine::State(say(*word)),
        Line::Claim(claim) => PaperLine::Claim(claim.to_string()),
        Line::Qr(text) => PaperLine::Qr(text.clone()),
        Line::Note(word) => PaperLine::Note(say(*word)),
        Line::Rule => PaperLine::Rule,
    };
    Paper { rtl, lines: receipt.lines.iter().map(line).collect() }
}

/// `23/11/2026 14:05`; a leading `~` when the clock was never set.
fn moment(stamp: Stamp, offset_minutes: i16) -> String {
    let seconds = i64::try_from(stamp.unix_ms / 1_000).unwrap_or_default() + i64::from(offset_minutes) * 60;
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
    let about = match stamp.clock {
        ClockQuality::Synced => "",
        ClockQuality::Unsynced => "~",
    };
    let (day, month, year) = (at.day(), u8::from(at.month()), at.year());
    format!("{about}{day:02}/{month:02}/{year} {:02}:{:02}", at.hour(), at.minute())
}

impl Paper {
    /// The job for a receipt printer: one copy, cut at the end.
    #[must_use]
    pub fn job(&self) -> Job {
        let direction = if self.rtl { Direction::RightToLeft } else { Direction::LeftToRight };
        let plain = Style::default().reading(direction);
        let centred = plain.aligned(Align::Centre);
        let mut lines = Vec::new();
        for line in &self.lines {
            match line {
                PaperLine::Heading(text) => {
                    lines.push(Out::styled(text.clone(), centred.bold().sized(Size::Double)));
                    lines.push(Out::Feed(1));
                }
                PaperLine::Pair(label, value) => {
                    lines.push(Out::styled(label.clone(), plain));
                    lines.push(Out::styled(value.clone(), plain.bold()));
                }
                PaperLine::State(text) => lines.push(Out::styled(text.clone(), centred.bold())),
                PaperLine::Claim(code) => {
                    let code_style = centred.bold().sized(Size::Double).reading(Direction::LeftToRight);
                    lines.push(Out::styled(code.clone(), code_style));
                    lines.push(Out::Feed(1));
                }
                PaperLine::Qr(data) => {
                    lines.push(Out::Qr { data: data.clone() });
                    lines.push(Out::Feed(1));
                }
                PaperLine::Note(text) => lines.push(Out::styled(text.clone(), centred)),
                PaperLine::Rule => lines.push(Out::Rule),
            }
        }
        lines.extend([Out::Feed(3), Out::Cut]);
        Job::of(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_local_and_marked_when_the_clock_is_not_set() {
        let stamp = |clock| Stamp { unix_ms: 1_795_471_500_000, clock };
        assert_eq!(moment(stamp(ClockQuality::Synced), 0), "23/11/2026 22:05");
        assert_eq!(moment(stamp(ClockQuality::Unsynced), 60), "~23/11/2026 23:05");
    }
}
