//! What a printer says, and what it makes of the printer's status.
//!
//! Input: a byte that says how the rest is cut, and the rest.

use super::Feed;
use crate::printer::{
    PrinterStatus,
    escpos::RealTime,
    replies::{BLOCK_BYTES_MAX, Reply, ReplyParser},
};

/// However garbled it was before, four bytes end whatever was under way.
const CALM: [u8; 4] = [0; 4];

const QUAD: [u8; 4] = [0x14, 0, 0, 0x0F];

pub(super) fn entry(data: &[u8]) {
    let mut feed = Feed(data);
    let size = usize::from(feed.byte()).max(1);
    let stream = feed.0;
    let replies = parse(&[stream]);
    let pieces: Vec<&[u8]> = stream.chunks(size).collect();
    assert!(replies == parse(&pieces), "a stream is heard differently in pieces of {size}");
    let bytes: Vec<Vec<u8>> = replies.iter().map(bytes_of).collect();
    assert!(bytes.iter().map(Vec::len).sum::<usize>() <= stream.len(), "more was heard than was said");
    for (reply, bytes) in replies.iter().zip(&bytes) {
        assert!(bytes.len() <= BLOCK_BYTES_MAX + 2, "a block is too long");
        // A block that never ended is told by its header alone, which would begin another.
        if !matches!(reply, Reply::Nonsense(_)) {
            assert_eq!(parse(&[bytes]), std::slice::from_ref(reply), "a reply said again is another");
        }
    }
    let last = parse(&[stream, &CALM, &QUAD]).pop();
    assert_eq!(last, Some(Reply::Automatic(QUAD)), "a printer is not understood after garbage");
    status(&replies);
}

fn parse(pieces: &[&[u8]]) -> Vec<Reply> {
    let (mut parser, mut replies) = (ReplyParser::default(), Vec::new());
    pieces.iter().for_each(|piece| parser.feed(piece, &mut replies));
    replies
}

/// The bytes that are this reply.
pub(crate) fn bytes_of(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::RealTime(byte) | Reply::Byte(byte) | Reply::Nonsense(byte) => vec![*byte],
        Reply::Automatic(quad) => quad.to_vec(),
        Reply::Full(four) => [b"\x10\x0F".as_slice(), four].concat(),
        Reply::ProcessId(id) => [b"\x37\x22".as_slice(), id, b"\0"].concat(),
        Reply::Cleared => b"\x37\x25\0".to_vec(),
        Reply::Identity(text) => [b"\x5F".as_slice(), text, b"\0"].concat(),
        Reply::Block(header, data) => [&[*header], data.as_slice(), b"\0"].concat(),
        Reply::Xon => vec![0x11],
        Reply::Xoff => vec![0x13],
    }
}

/// Each real-time answer is taken for one of the four questions in turn.
fn status(replies: &[Reply]) {
    let (mut status, mut asked) = (PrinterStatus::default(), RealTime::ALL.into_iter().cycle());
    for reply in replies {
        let take = |status: &mut PrinterStatus, question: Option<RealTime>| match (reply, question) {
            (Reply::Automatic(quad), _) => status.automatic(*quad),
            (Reply::RealTime(byte), Some(question)) => status.answer(question, *byte),
            _ => {}
        };
        let question = asked.next();
        take(&mut status, question);
        let once = status;
        take(&mut status, question);
        assert_eq!(status, once, "the same status heard twice is another");
        let (troubles, stops) = (status.troubles(), status.stopped_by());
        assert!(stops.is_subset(&troubles), "a printer is stopped by what is no trouble");
        assert!(status.online || !stops.is_empty(), "a printer is off line and nothing says so");
    }
}
