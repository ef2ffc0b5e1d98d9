//! ESC/POS bytes to operations, written from the command reference and sharing nothing with the encoder.
//!
//! Promises: takes any bytes; a command is taken whole or not yet; what is unknown is skipped, by its
//! length field where it has one. Never: keeps more than one picture, the one stored to be printed.

/// What a printer does with the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Glyph(u8),
    LineFeed,
    Initialise,
    CodePage(u8),
    Bold(bool),
    Underline(bool),
    /// Times as wide, times as tall.
    Size(u8, u8),
    Justify(u8),
    Reverse(bool),
    /// Dots from line to line; `None` is the usual.
    Spacing(Option<u8>),
    FeedLines(u8),
    FeedDots(u8),
    QrModule(u8),
    QrStore(Vec<u8>),
    QrPrint,
    /// One row of a picture; each dot is so many dots wide and tall.
    Row {
        dots: Vec<u8>,
        wide: u8,
        tall: u8,
    },
    /// A stored picture: rows of `stride` bytes.
    Picture {
        stride: usize,
        dots: Vec<u8>,
        wide: u8,
        tall: u8,
    },
    Cut {
        feed: u8,
    },
    /// Cut, shown, and pulled back after so many seconds when `retract`.
    Present {
        retract: bool,
        seconds: u8,
    },
    /// Feeds to the next black mark.
    ToMark,
    AutomaticStatus(u8),
    AskRoll,
    AskIdentity(u8),
    ProcessId([u8; 4]),
    Ignored,
}

#[derive(Clone, Debug)]
struct Raster {
    stride: usize,
    rows: usize,
    wide: u8,
    tall: u8,
}

/// A picture on its way into the graphics buffer, `GS ( L` and `GS 8 L` function 112.
#[derive(Clone, Debug, Default)]
struct Graphics {
    stride: usize,
    wide: u8,
    tall: u8,
    dots: Vec<u8>,
    /// Bytes still to come.
    left: usize,
}

/// Takes operations off the front of a buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoder {
    raster: Option<Raster>,
    graphics: Graphics,
}

type Taken = Option<(Op, usize)>;

impl Decoder {
    /// The next operation and how many bytes it took; `None` when its end is not there yet.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Taken {
        if let Some(raster) = self.raster.as_mut().filter(|raster| raster.rows > 0) {
            let dots = bytes.get(..raster.stride)?.to_vec();
            raster.rows -= 1;
            return Some((Op::Row { dots, wide: raster.wide, tall: raster.tall }, raster.stride));
        }
        self.raster = None;
        if self.graphics.left > 0 {
            return self.graphics.store(bytes);
        }
        match *bytes {
            [] => None,
            [b'\n', ..] => Some((Op::LineFeed, 1)),
            [0x10, ref rest @ ..] => real_time(rest),
            [0x1B, ref rest @ ..] => escape(rest),
            [0x1D, ref rest @ ..] => self.group(rest),
            [0x1C, b'(', _, low, high, ..] => skip(bytes, 5 + word(low, high)),
            [0x1C, b'(', ..] => None,
            [0x1C, b'!' | b'-' | b'W' | b'C', ..] => skip(bytes, 3),
            [0x1C, b'P', _, _, what, seconds, ..] => {
                Some((Op::Present { retract: what == b'R', seconds }, 6))
            }
            [0x1C, b'P', ..] => None,
            [0x1C, b'S' | b'p' | b'?', ..] => skip(bytes, 4),
            [0x1C, ..] => skip(bytes, 2),
            [0..0x20 | 0x7F, ..] => Some((Op::Ignored, 1)),
            [glyph, ..] => Some((Op::Glyph(glyph), 1)),
        }
    }

    fn group(&mut self, rest: &[u8]) -> Taken {
        let whole = |op, used: usize| Some((op, used + 1));
        match *rest {
            [b'v', b'0', mode, width_low, width_high, height_low, height_high, ..] => {
                let (wide, tall) = (1 + (mode & 1), 1 + (mode >> 1 & 1));
                let (stride, rows) = (word(width_low, width_high), word(height_low, height_high));
                self.raster = Some(Raster { stride: stride.max(1), rows, wide, tall });
                whole(Op::Ignored, 7)
            }
            [b'v', ..] => None,
            [0xF6 | 0xF8, ..] => whole(Op::ToMark, 1),
            [b'(', b'L', low, high, 48, 112, ref header @ ..] => {
                self.graphics.begin(word(low, high), header).map(|used| (Op::Ignored, used + 7))
            }
            [b'(', b'L', 2, 0, 48, 2 | 50, ..] => whole(self.graphics.print(), 6),
            [b'(', kind, low, high, ref data @ ..] => {
                let data = data.get(..word(low, high))?;
                whole(extended(kind, data), 4 + data.len())
            }
            [b'(', ..] => None,
            [b'V', 0 | 1 | 48 | 49, ..] => whole(Op::Cut { feed: 0 }, 2),
            [b'V', _, feed, ..] => whole(Op::Cut { feed }, 3),
            [b'k', ..] => barcode(rest),
            [b'!', n, ..] => whole(Op::Size((n >> 4 & 7) + 1, (n & 7) + 1), 2),
            [b'B', n, ..] => whole(Op::Reverse(n & 1 == 1), 2),
            [b'a', n, ..] => whole(Op::AutomaticStatus(n), 2),
            [b'r', 1 | 49, ..] => whole(Op::AskRoll, 2),
            [b'I', n, ..] => whole(Op::AskIdentity(n), 2),
            [b'r' | b'h' | b'w' | b'H' | b'f' | b'b', _, ..] => whole(Op::Ignored, 2),
            [b'L' | b'W' | b'P' | b'$' | b'\\' | b'g', _, _, ..] => whole(Op::Ignored, 3),
            [b'8', b'L', a, b, c, d, 48, 112, ref header @ ..] => {
                let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                self.graphics.begin(length, header).map(|used| (Op::Ignored, used + 9))
            }
            [b'8', b'L', _, _, _, _, _, _, ..] => whole(Op::Ignored, 6),
            [] | [b'V' | b'!' | b'B' | b'a' | b'r' | b'I' | b'h' | b'w' | b'H' | b'f' | b'b'] => None,
            [b'L' | b'W' | b'P' | b'$' | b'\\' | b'g' | b'8', ..] | [b'V', _] => None,
            [_, ..] => whole(Op::Ignored, 1),
        }
    }
}

impl Graphics {
    /// Takes the header of a picture, `a bx by c xL xH yL yH`, of which `length` counts all that follows it
    /// too; how many bytes the header took, or `None` when it is not there yet.
    fn begin(&mut self, length: usize, header: &[u8]) -> Option<usize> {
        let &[_, wide, tall, _, width_low, width_high, _, _] = header.first_chunk()?;
        // Function and header are ten bytes of the length.
        let left = length.saturating_sub(10);
        let stride = word(width_low, width_high).div_ceil(8).max(1);
        *self = Self { stride, wide: wide.clamp(1, 2), tall: tall.clamp(1, 2), dots: Vec::new(), left };
        Some(8)
    }

    fn store(&mut self, bytes: &[u8]) -> Taken {
        let part = bytes.get(..bytes.len().min(self.left)).filter(|part| !part.is_empty())?;
        self.dots.extend_from_slice(part);
        self.left -= part.len();
        Some((Op::Ignored, part.len()))
    }

    fn print(&mut self) -> Op {
        let Self { stride, wide, tall, dots, .. } = std::mem::take(self);
        if dots.is_empty() { Op::Ignored } else { Op::Picture { stride, dots, wide, tall } }
    }
}

fn word(low: u8, high: u8) -> usize {
    usize::from(u16::from_le_bytes([low, high]))
}

fn skip(bytes: &[u8], length: usize) -> Taken {
    (bytes.len() >= length).then_some((Op::Ignored, length))
}

/// Already obeyed on receipt; here they only have a length.
fn real_time(rest: &[u8]) -> Taken {
    let length = match *rest {
        [] | [0x04 | 0x05 | 0x14] => return None,
        [0x04 | 0x05, ..] => 2,
        [0x14, 1 | 2, ..] => 4,
        [0x14, 3, ..] => 7,
        [0x14, 7, ..] => 3,
        [0x14, 8, ..] => 9,
        [_, ..] => 0,
    };
    skip(rest, length).map(|(op, used)| (op, used + 1))
}

fn escape(rest: &[u8]) -> Taken {
    let (op, used) = match *rest {
        [b'@', ..] => (Op::Initialise, 1),
        [b't', n, ..] => (Op::CodePage(n), 2),
        [b'E' | b'G', n, ..] => (Op::Bold(n & 1 == 1), 2),
        [b'-', n, ..] => (Op::Underline(n % 48 != 0), 2),
        [b'a', n, ..] => (Op::Justify(n % 48), 2),
        [b'd', n, ..] => (Op::FeedLines(n), 2),
        [b'J', n, ..] => (Op::FeedDots(n), 2),
        [b'3', n, ..] => (Op::Spacing(Some(n)), 2),
        [b'2', ..] => (Op::Spacing(None), 1),
        [b'i' | b'm', ..] => (Op::Cut { feed: 0 }, 1),
        [b'!', n, ..] => (Op::Size((n >> 5 & 1) + 1, (n >> 4 & 1) + 1), 2),
        [b'M' | b'R' | b'{' | b'V' | b' ' | b'=' | b'r' | b'T', _, ..] => (Op::Ignored, 2),
        [b'c' | b'$' | b'\\', _, _, ..] => (Op::Ignored, 3),
        [b'p', _, _, _, ..] => (Op::Ignored, 4),
        [b'*', mode, low, high, ..] => {
            let column = if mode >= 32 { 3 } else { 1 };
            return skip(rest, 4 + word(low, high) * column).map(|(op, used)| (op, used + 1));
        }
        [] | [b'p' | b'*' | b'c' | b'$' | b'\\', ..] => return None,
        [b't' | b'E' | b'G' | b'-' | b'a' | b'd' | b'J' | b'3' | b'!'] => return None,
        [b'M' | b'R' | b'{' | b'V' | b' ' | b'=' | b'r' | b'T'] => return None,
        [_, ..] => (Op::Ignored, 1),
    };
    Some((op, used + 1))
}

fn extended(kind: u8, data: &[u8]) -> Op {
    match (kind, data) {
        (b'k', [49, 67, module]) => Op::QrModule(*module),
        (b'k', [49, 80, 48, stored @ ..]) => Op::QrStore(stored.to_vec()),
        (b'k', [49, 81, ..]) => Op::QrPrint,
        (b'H', [48, 48, a, b, c, d]) => Op::ProcessId([*a, *b, *c, *d]),
        _ => Op::Ignored,
    }
}

/// Not drawn: a receipt of ours has none.
fn barcode(rest: &[u8]) -> Taken {
    let length = match *rest {
        [_, 0..=6, ref data @ ..] => 3 + data.iter().position(|byte| *byte == 0)?,
        [_, _, length, ..] => 3 + usize::from(length),
        _ => return None,
    };
    skip(rest, length).map(|(op, used)| (op, used + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> (Vec<Op>, usize) {
        let (mut decoder, mut ops, mut at) = (Decoder::default(), Vec::new(), 0);
        while let Some((op, used)) = decoder.next(&bytes[at..]) {
            assert!(used > 0);
            ops.push(op);
            at += used;
        }
        (ops, at)
    }

    #[test]
    fn commands_between_text() {
        let (ops, used) = decode(b"\x1B@\x1D!\x10A\n\x1D(H\x06\x0000abcd\x10\x04\x01\x1DVB\x05");
        let id = Op::ProcessId(*b"abcd");
        let (a, cut) = (Op::Glyph(b'A'), Op::Cut { feed: 5 });
        assert_eq!(ops, [Op::Initialise, Op::Size(2, 1), a, Op::LineFeed, id, Op::Ignored, cut]);
        assert_eq!(used, 25);
    }

    #[test]
    fn a_picture_comes_row_by_row() {
        let (ops, used) = decode(&[0x1D, b'v', b'0', 3, 2, 0, 3, 0, 1, 2, 3, 4, 5]);
        let row = |dots: &[u8]| Op::Row { dots: dots.to_vec(), wide: 2, tall: 2 };
        assert_eq!(ops, [Op::Ignored, row(&[1, 2]), row(&[3, 4])]);
        assert_eq!(used, 12);
    }

    #[test]
    fn a_stored_picture_is_printed_when_asked() {
        let store = [0x1D, b'8', b'L', 14, 0, 0, 0, 48, 112, 48, 1, 2, 49, 16, 0, 2, 0, 1, 2, 3, 4];
        let print = [0x1D, b'(', b'L', 2, 0, 48, 50];
        let (ops, used) = decode(&[store.as_slice(), &print, &print].concat());
        let picture = Op::Picture { stride: 2, dots: vec![1, 2, 3, 4], wide: 1, tall: 2 };
        assert_eq!(ops, [Op::Ignored, Op::Ignored, picture, Op::Ignored]);
        assert_eq!(used, 35);
        let (small, _) = decode(&[0x1D, b'(', b'L', 11, 0, 48, 112, 48, 1, 1, 49, 8, 0, 1, 0, 7, b'A']);
        assert_eq!(small.last(), Some(&Op::Glyph(b'A')));
    }

    #[test]
    fn kanji_settings_are_no_text() {
        let (ops, _) = decode(b"\x1C-0\x1C!\x01\x1CS\x01\x02\x1C.\x1CC1A");
        assert_eq!(ops.iter().filter(|op| **op != Op::Ignored).collect::<Vec<_>>(), [&Op::Glyph(b'A')]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// What the encoder writes is what the decoder, which shares nothing with it, reads.
        #[test]
        fn graphics_read_back(width in 1_usize..640, rows in 1_usize..1200, seed in prop::collection::vec(any::<u8>(), 1..40)) {
            let dots = seed.iter().copied().cycle().take(width.div_ceil(8) * rows).collect();
            let bitmap = crate::printer::Bitmap::from_rows(width, dots).unwrap();
            let mut bytes = Vec::new();
            crate::printer::escpos::Command::Graphics(bitmap.clone()).encode(&mut bytes);
            bytes.push(b'A');
            let (ops, used) = decode(&bytes);
            prop_assert_eq!(used, bytes.len());
            let picture =
                Op::Picture { stride: bitmap.stride(), dots: bitmap.bytes().to_vec(), wide: 1, tall: 1 };
            prop_assert_eq!(&ops[ops.len() - 2..], &[picture, Op::Glyph(b'A')]);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            decode(&bytes);
        }

        #[test]
        fn every_command_prefix_is_taken_or_waits(
            start in prop::sample::select(vec![0x10_u8, 0x1B, 0x1C, 0x1D]), rest: Vec<u8>,
        ) {
            decode(&[&[start], rest.as_slice()].concat());
        }
    }
}
