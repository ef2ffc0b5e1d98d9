//! What a printer says: one parser owns the way back.
//!
//! ```text
//! 0xx1xx10                        answer to DLE EOT n
//! 0xx1xx00 0xx0xxxx x3            automatic status (XON and XOFF inside are skipped)
//! 0xx0xxxx                        answer to GS r, GS I 1..3
//! 11h 13h                         XON, XOFF
//! 37h 22h d1 d2 d3 d4 00h         process id: all before it is on paper
//! 37h 25h ... 00h                 buffers are cleared
//! 5Fh text 00h                    answer to GS I 65..69
//! 35h 37h 3Bh 3Dh 5Fh ... 00h     other blocks
//! 10h 0Fh b b b b                 answer to DLE EOT 20, where the model has it
//! ```
//! A byte that fits nothing may be one of an automatic status: what may be the rest of that is thrown away, up
//! to three bytes, because it looks like answers to `GS r`.
//!
//! Source: Epson ESC/POS command reference, "status transmission"; `GS ( H`, `GS I`, `DLE DC4`.
//!
//! Promises: the same replies however the bytes are split; at most [`BLOCK_BYTES_MAX`] bytes are kept.
//! Never: panics, waits, loses count of what made no sense ([`Reply::Nonsense`]).

/// The longest block: an identity text has 80 characters at most.
pub const BLOCK_BYTES_MAX: usize = 256;

/// Automatic status without its first byte.
const QUAD_REST: usize = 3;

/// One thing a printer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Answer to `DLE EOT`; which one was asked is for the driver to know.
    RealTime(u8),
    /// Automatic status.
    Automatic([u8; 4]),
    /// Answer to `GS r` or `GS I 1..3`.
    Byte(u8),
    /// Answer to `DLE EOT 20`.
    Full([u8; 4]),
    /// All bytes before this process id are on paper.
    ProcessId([u8; 4]),
    /// The buffers are empty.
    Cleared,
    /// An identity text.
    Identity(Vec<u8>),
    /// A block of another kind: its header and its data.
    Block(u8, Vec<u8>),
    /// The printer can take more.
    Xon,
    /// The printer's buffer is full.
    Xoff,
    /// A byte that fits nothing, or a block that never ended.
    Nonsense(u8),
}

#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Between,
    /// Automatic status so far.
    Quad(Vec<u8>),
    /// Header and data so far.
    Block(u8, Vec<u8>),
    /// Full status so far, without its 10h.
    Full(Vec<u8>),
    /// So many bytes more may be the rest of an automatic status that was damaged.
    Damaged(usize),
}

/// Bytes to replies, one byte at a time.
#[derive(Clone, Debug, Default)]
pub struct ReplyParser {
    state: State,
    full_status: bool,
}

impl ReplyParser {
    /// For a model that answers `DLE EOT 20`, and so sends no automatic status that begins with 10h.
    #[must_use]
    pub fn with_full_status() -> Self {
        Self { state: State::Between, full_status: true }
    }

    /// Takes in `bytes` and appends what they complete to `replies`.
    pub fn feed(&mut self, bytes: &[u8], replies: &mut Vec<Reply>) {
        for &byte in bytes {
            replies.extend(self.take(byte));
        }
    }

    fn take(&mut self, byte: u8) -> Option<Reply> {
        match std::mem::take(&mut self.state) {
            State::Between => self.first(byte),
            State::Quad(bytes) => self.quad(bytes, byte),
            State::Full(bytes) => self.full(bytes, byte),
            State::Damaged(left) => self.damaged(left, byte),
            State::Block(header, data) if byte == 0 => Some(block(header, data)),
            State::Block(header, data) if data.len() >= BLOCK_BYTES_MAX => Some(Reply::Nonsense(header)),
            State::Block(header, mut data) => {
                data.push(byte);
                self.state = State::Block(header, data);
                None
            }
        }
    }

    fn first(&mut self, byte: u8) -> Option<Reply> {
        match byte {
            0x11 => Some(Reply::Xon),
            0x13 => Some(Reply::Xoff),
            0x10 if self.full_status => {
                self.state = State::Full(Vec::new());
                None
            }
            0x35 | 0x37 | 0x3B | 0x3D | 0x5F => {
                self.state = State::Block(byte, Vec::new());
                None
            }
            _ if byte & 0x93 == 0x12 => Some(Reply::RealTime(byte)),
            _ if byte & 0x93 == 0x10 => {
                self.state = State::Quad(vec![byte]);
                None
            }
            _ if byte & 0x90 == 0 => Some(Reply::Byte(byte)),
            _ => {
                self.state = State::Damaged(QUAD_REST);
                Some(Reply::Nonsense(byte))
            }
        }
    }

    fn damaged(&mut self, left: usize, byte: u8) -> Option<Reply> {
        if byte & 0x90 == 0 {
            self.state = if left > 1 { State::Damaged(left - 1) } else { State::Between };
            return None;
        }
        let reply = self.first(byte);
        if matches!(reply, Some(Reply::Xon | Reply::Xoff)) {
            self.state = State::Damaged(left);
        }
        reply
    }

    /// Any value may stand in the last four bytes, XON too.
    fn full(&mut self, mut bytes: Vec<u8>, byte: u8) -> Option<Reply> {
        if bytes.is_empty() && byte != 0x0F {
            // A status that lost its end; what comes now is looked at anew when it can begin something.
            if byte == 0x10 {
                self.state = State::Full(bytes);
            }
            return Some(Reply::Nonsense(byte));
        }
        bytes.push(byte);
        match bytes.as_slice() {
            [_, a, b, c, d] => Some(Reply::Full([*a, *b, *c, *d])),
            _ => {
                self.state = State::Full(bytes);
                None
            }
        }
    }

    fn quad(&mut self, mut bytes: Vec<u8>, byte: u8) -> Option<Reply> {
        if byte & 0x90 == 0 {
            bytes.push(byte);
        } else if byte & 0x93 == 0x10 {
            // A quad that lost its end: this one starts anew.
            bytes = vec![byte];
        } else {
            let between = match byte {
                0x11 => Reply::Xon,
                0x13 => Reply::Xoff,
                _ if byte & 0x93 == 0x12 => Reply::RealTime(byte),
                _ => {
                    // One of the four, or one more: nothing of this quad is of use.
                    self.state = State::Damaged(4_usize.saturating_sub(bytes.len()).min(QUAD_REST));
                    return Some(Reply::Nonsense(byte));
                }
            };
            self.state = State::Quad(bytes);
            return Some(between);
        }
        match <[u8; 4]>::try_from(bytes) {
            Ok(quad) => Some(Reply::Automatic(quad)),
            Err(bytes) => {
                self.state = State::Quad(bytes);
                None
            }
        }
    }
}

fn block(header: u8, data: Vec<u8>) -> Reply {
    match (header, data.as_slice()) {
        (0x37, [0x22, id @ ..]) => match <[u8; 4]>::try_from(id) {
            Ok(id) => Reply::ProcessId(id),
            Err(_) => Reply::Block(header, data),
        },
        (0x37, [0x25, ..]) => Reply::Cleared,
        (0x5F, text) => Reply::Identity(text.to_vec()),
        _ => Reply::Block(header, data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::printer::bytes_of;
    use proptest::prelude::*;

    fn parse(chunks: &[&[u8]]) -> Vec<Reply> {
        let (mut parser, mut replies) = (ReplyParser::default(), Vec::new());
        chunks.iter().for_each(|chunk| parser.feed(chunk, &mut replies));
        replies
    }

    #[test]
    fn a_quad_and_a_real_time_byte_in_one_read() {
        let replies = parse(&[&[0x14, 0, 0x0F, 0x0F, 0x16]]);
        assert_eq!(replies, [Reply::Automatic([0x14, 0, 0x0F, 0x0F]), Reply::RealTime(0x16)]);
    }

    #[test]
    fn flow_control_inside_a_quad_is_no_part_of_it() {
        let replies = parse(&[&[0x14, 0x13], &[0, 0x11, 0, 0x0F]]);
        assert_eq!(replies, [Reply::Xoff, Reply::Xon, Reply::Automatic([0x14, 0, 0, 0x0F])]);
    }

    #[test]
    fn a_status_look_alike_inside_a_block_is_data() {
        let replies = parse(&[b"\x37\x22 123\0", b"\x5FTM-T20III\0", b"\x37\x25\0", b"\x3D\x12\x14\0"]);
        let text = b"TM-T20III".to_vec();
        let expected = [Reply::ProcessId(*b" 123"), Reply::Identity(text), Reply::Cleared];
        assert_eq!(replies[..3], expected);
        assert_eq!(replies[3], Reply::Block(0x3D, vec![0x12, 0x14]));
    }

    #[test]
    fn a_block_without_end_is_given_up() {
        let replies = parse(&[&[0x5F], &[b'x'; BLOCK_BYTES_MAX + 1], &[0x12]]);
        assert_eq!(replies, [Reply::Nonsense(0x5F), Reply::RealTime(0x12)]);
    }

    #[test]
    fn a_quad_cut_short_does_not_eat_the_next() {
        let quad = Reply::Automatic([0x14, 0, 0, 0x0F]);
        assert_eq!(parse(&[&[0x14, 0], &[0x14, 0, 0, 0x0F]]), [quad]);
        assert_eq!(parse(&[&[0x14, 0xFF, 0x12]]), [Reply::Nonsense(0xFF), Reply::RealTime(0x12)]);
    }

    #[test]
    fn the_rest_of_a_damaged_quad_is_no_answer() {
        let damaged = [
            [0x94, 0, 0, 0x0F].as_slice(),
            &[0x14, 0x80, 0, 0x0F],
            &[0x14, 0, 0x90, 0x0F],
            &[0x14, 0, 0, 0x8F],
            &[0x14, 0x80, 0, 0, 0x0F],
            &[0x94, 0, 0x13, 0, 0x11, 0x0F],
        ];
        for quad in damaged {
            let replies = parse(&[quad, &[0x12, 0x00]]);
            let bytes = replies.iter().filter(|reply| matches!(reply, Reply::Byte(_))).count();
            assert_eq!(bytes, 1, "{quad:02x?}: {replies:?}");
            assert_eq!(replies.last(), Some(&Reply::Byte(0)), "what comes after another answer counts");
        }
    }

    fn any_reply() -> impl Strategy<Value = Reply> {
        let id = || prop::array::uniform4(0x20_u8..0x7F);
        prop_oneof![
            any::<u8>().prop_map(|b| Reply::RealTime(b & 0x6C | 0x12)),
            any::<[u8; 4]>().prop_map(|[a, b, c, d]| Reply::Automatic([
                a & 0x6C | 0x10,
                b & 0x6F,
                c & 0x6F,
                d & 0x6F
            ])),
            any::<u8>().prop_map(|b| Reply::Byte(b & 0x6F)),
            id().prop_map(Reply::ProcessId),
            Just(Reply::Cleared),
            prop::collection::vec(0x20_u8..0x7F, 0..40).prop_map(Reply::Identity),
            Just(Reply::Xon),
            Just(Reply::Xoff),
        ]
    }

    proptest! {
        #[test]
        fn a_full_status_is_the_same_however_split(four: [u8; 4], cut in 0_usize..8) {
            let stream = [&[0x16, 0x10, 0x0F], four.as_slice(), &[0x12]].concat();
            let (mut parser, mut replies) = (ReplyParser::with_full_status(), Vec::new());
            parser.feed(&stream[..cut], &mut replies);
            parser.feed(&stream[cut..], &mut replies);
            prop_assert_eq!(replies, [Reply::RealTime(0x16), Reply::Full(four), Reply::RealTime(0x12)]);
        }

        #[test]
        fn arbitrary_bytes_never_stop_a_parser_of_full_status(bytes: Vec<u8>) {
            let (mut parser, mut replies) = (ReplyParser::with_full_status(), Vec::new());
            parser.feed(&bytes, &mut replies);
            parser.feed(&[0; BLOCK_BYTES_MAX], &mut replies);
            replies.clear();
            parser.feed(&[0x10, 0x0F, 0x20, 0, 0, 0], &mut replies);
            prop_assert_eq!(replies, [Reply::Full([0x20, 0, 0, 0])]);
        }

        #[test]
        fn any_split_gives_the_same_replies(
            replies in prop::collection::vec(any_reply(), 0..20),
            cuts in prop::collection::vec(1_usize..6, 1..20),
        ) {
            let stream: Vec<u8> = replies.iter().flat_map(bytes_of).collect();
            prop_assert_eq!(&parse(&[&stream]), &replies);
            let (mut rest, mut chunks, mut cuts) = (stream.as_slice(), Vec::new(), cuts.iter().cycle());
            while let (false, Some(&cut)) = (rest.is_empty(), cuts.next()) {
                let (chunk, tail) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = tail;
            }
            prop_assert_eq!(&parse(&chunks), &replies);
        }

        #[test]
        fn arbitrary_bytes_are_parsed_the_same_however_split(bytes: Vec<u8>, cut: usize) {
            let cut = cut.checked_rem(bytes.len()).unwrap_or(0);
            prop_assert_eq!(parse(&[&bytes]), parse(&[&bytes[..cut], &bytes[cut..]]));
        }
    }
}
