//! A receipt as a driver takes it: lines, not bytes.
//!
//! Promises: says what to print, in any script; a job prints the same on any printer, as far as its
//! profile goes. Never: holds device bytes; control characters in a text print as a space.

use super::Bitmap;
use zeroize::Zeroize;

/// One receipt, top to bottom. Emptied from memory when dropped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Job {
    /// What to print.
    pub lines: Vec<Line>,
    /// The words over a second print of a receipt, such as "Copy", in the citizen's language; `None` for the
    /// first. They stand on top, twice as large, with a line below.
    pub copy: Option<String>,
}

impl Job {
    /// The first print of these lines.
    #[must_use]
    pub fn of(lines: Vec<Line>) -> Self {
        Self { lines, copy: None }
    }

    /// The same receipt once more, with `words` over it.
    #[must_use]
    pub fn copy(&self, words: impl Into<String>) -> Self {
        Self { lines: self.lines.clone(), copy: Some(words.into()) }
    }
}

/// The caller's name for a job, to recognise its outcome by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// One piece of a receipt.
#[derive(Clone, PartialEq, Eq)]
pub enum Line {
    /// A paragraph; wraps at words, breaks at `\n`.
    Text {
        /// What it says.
        text: String,
        /// How it looks.
        style: Style,
    },
    /// Two texts on one line when they fit, else one below the other.
    Pair {
        /// At the start: left, or right in a right-to-left line.
        left: String,
        /// At the end.
        right: String,
        /// How both look; `align` means nothing here.
        style: Style,
    },
    /// A line across the paper.
    Rule,
    /// A QR code, centred.
    Qr {
        /// What it holds.
        data: String,
    },
    /// A picture, centred; at most as wide as the paper.
    Image(Bitmap),
    /// Empty lines.
    Feed(u8),
    /// Feeds past the cutter and cuts; a printer without one only feeds.
    Cut,
}

impl Line {
    /// A paragraph in the usual style.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), style: Style::default() }
    }

    /// A paragraph in `style`.
    #[must_use]
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self::Text { text: text.into(), style }
    }

    /// Two texts in the usual style.
    #[must_use]
    pub fn pair(left: impl Into<String>, right: impl Into<String>) -> Self {
        Self::Pair { left: left.into(), right: right.into(), style: Style::default() }
    }
}

/// Says only what kind of line it is: the words belong to a citizen.
impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text { style, .. } => write!(f, "Text({style:?})"),
            Self::Pair { style, .. } => write!(f, "Pair({style:?})"),
            Self::Rule => f.write_str("Rule"),
            Self::Qr { .. } => f.write_str("Qr"),
            Self::Image(bitmap) => write!(f, "Image({bitmap:?})"),
            Self::Feed(lines) => write!(f, "Feed({lines})"),
            Self::Cut => f.write_str("Cut"),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        match self {
            Self::Text { text, .. } => text.zeroize(),
            Self::Pair { left, right, .. } => {
                left.zeroize();
                right.zeroize();
            }
            Self::Qr { data } => data.zeroize(),
            Self::Rule | Self::Image(_) | Self::Feed(_) | Self::Cut => {}
        }
    }
}

/// How a text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Heavier strokes.
    pub bold: bool,
    /// A line below.
    pub underline: bool,
    /// How large.
    pub size: Size,
    /// Where on the paper.
    pub align: Align,
    /// Which way it reads.
    pub direction: Direction,
}

impl Style {
    /// Heavier strokes.
    #[must_use]
    pub fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// With a line below.
    #[must_use]
    pub fn underlined(self) -> Self {
        Self { underline: true, ..self }
    }

    /// As large as this.
    #[must_use]
    pub fn sized(self, size: Size) -> Self {
        Self { size, ..self }
    }

    /// There on the paper.
    #[must_use]
    pub fn aligned(self, align: Align) -> Self {
        Self { align, ..self }
    }

    /// Reading that way.
    #[must_use]
    pub fn reading(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }
}

/// Multiples of font A's 12 by 24 dots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// 12 by 24.
    #[default]
    Normal,
    /// 24 by 24.
    Wide,
    /// 12 by 48.
    Tall,
    /// 24 by 48.
    Double,
}

impl Size {
    /// How many times as wide and as tall as [`Size::Normal`].
    #[must_use]
    pub fn factors(self) -> (u8, u8) {
        match self {
            Self::Normal => (1, 1),
            Self::Wide => (2, 1),
            Self::Tall => (1, 2),
            Self::Double => (2, 2),
        }
    }
}

/// Where a text stands; start and end follow the reading direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Where reading begins.
    #[default]
    Start,
    /// In the middle.
    Centre,
    /// Where reading ends.
    End,
}

/// Which way a text reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// As its first letter does (UAX #9, rules P2 and P3).
    #[default]
    Auto,
    /// Latin, Greek, Cyrillic and most others.
    LeftToRight,
    /// Arabic, Hebrew and others.
    RightToLeft,
}

impl Direction {
    /// Whether `text` reads right to left.
    #[must_use]
    pub fn is_right_to_left(self, text: &str) -> bool {
        match self {
            Self::Auto => unicode_bidi::get_base_direction_full(text) == unicode_bidi::Direction::Rtl,
            Self::LeftToRight => false,
            Self::RightToLeft => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_is_told_by_the_first_letter() {
        for (text, right_to_left) in
            [("Reçu", false), ("12/05 إيصال", true), ("A إيصال", false), ("שלום", true), ("12 €", false)]
        {
            assert_eq!(Direction::Auto.is_right_to_left(text), right_to_left, "{text}");
        }
        assert!(Direction::RightToLeft.is_right_to_left("ABC"));
    }

    #[test]
    fn a_line_in_a_log_keeps_its_words_to_itself() {
        let lines = [Line::text("Jane"), Line::pair("Jane", "Jane"), Line::Qr { data: "Jane".into() }];
        assert!(!format!("{:?}", Job::of(lines.into())).contains("Jane"));
    }
}
