//! Envelopes on their way by hand: one file of frames.
//!
//! The file is [`crate::journal::frame`]s of kind *put*, nothing before, between or after them. The first
//! continues from the hash of the journal's last record, so the chain runs on into the export; the record
//! numbers are 1, 2, 3. Attachments are in the body here: the file needs nothing beside it.
//!
//! Promises: what [`ExportReader`] gives out had two good checksums and its place in the chain.
//! Never: says who wrote it; whoever writes the file signs a manifest over it.

use crate::journal::{
    frame::{self, Fault, HEADER_BYTES, Kind, Link, OVERHEAD_BYTES},
    record::{Record, exported},
};
use kiosk_core::wire::Envelope;
use std::io::{self, Read, Write};

/// Why a file is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A record does not prove itself.
    #[error("record {0} is damaged")]
    Damaged(u64),
    /// It ends inside a record.
    #[error("it ends inside record {0}: the copy was interrupted")]
    Cut(u64),
}

/// Writes envelopes.
#[derive(Debug)]
pub struct ExportWriter<W> {
    out: W,
    chain: Link,
    number: u64,
}

impl<W: Write> ExportWriter<W> {
    /// `chain_head` is [`crate::Reading::chain_head`].
    pub fn new(out: W, chain_head: [u8; 32]) -> Self {
        Self { out, chain: chain_head, number: 0 }
    }

    /// Adds one envelope with its place in the queue.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&mut self, order: u64, envelope: &Envelope) -> io::Result<()> {
        let body = exported(order, envelope).ok_or_else(|| io::Error::other("cannot be encoded"))?;
        self.number += 1;
        let bytes = frame::encode(Kind::Put, self.number, &self.chain, &body);
        self.out.write_all(&bytes)?;
        self.chain = frame::link(&bytes);
        Ok(())
    }

    /// Gives the file back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// Reads envelopes, one at a time.
#[derive(Debug)]
pub struct ExportReader<R> {
    input: R,
    chain: Link,
    number: u64,
}

impl<R: Read> ExportReader<R> {
    /// `chain_head` is what the export was written with.
    pub fn new(input: R, chain_head: [u8; 32]) -> Self {
        Self { input, chain: chain_head, number: 0 }
    }

    /// The next envelope and its place in the queue it comes from; `None` at the end.
    ///
    /// # Errors
    /// When the next bytes are not the next record. Reading on gives nothing good.
    pub fn next_envelope(&mut self) -> Result<Option<(u64, Envelope)>, ExportError> {
        let mut bytes = Vec::new();
        self.take(&mut bytes, HEADER_BYTES)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let len = frame::body_len(&bytes).ok_or_else(|| self.wrong(bytes.len() < HEADER_BYTES))?;
        self.take(&mut bytes, len + OVERHEAD_BYTES)?;
        let frame = frame::parse(&bytes).map_err(|fault| self.wrong(fault == Fault::Cut))?;
        if frame.prev != self.chain || frame.number != self.number || frame.kind != Kind::Put.code() {
            return Err(self.wrong(false));
        }
        let chain = frame::link(frame.bytes);
        match Record::decode(frame.kind, frame.body) {
            Some(Record::Put { facts, envelope }) => {
                self.chain = chain;
                Ok(Some((facts.order, envelope)))
            }
            Some(Record::Ended(_) | Record::Withdrawn(_)) | None => Err(self.wrong(false)),
        }
    }

    /// Reads until `bytes` are `len`, or the end.
    fn take(&mut self, bytes: &mut Vec<u8>, len: usize) -> io::Result<()> {
        let more = u64::try_from(len.saturating_sub(bytes.len())).unwrap_or(0);
        self.input.by_ref().take(more).read_to_end(bytes).map(|_| ())
    }

    fn wrong(&self, cut: bool) -> ExportError {
        if cut { ExportError::Cut(self.number) } else { ExportError::Damaged(self.number) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiosk_core::{
        claim::ClaimDigest,
        ids::{EnvelopeId, KeyId},
        wire::{ClockQuality, Stamp},
    };
    use proptest::prelude::*;

    fn envelope(n: u8, len: usize) -> Envelope {
        Envelope {
            id: EnvelopeId::new(1, [n; 10]),
            service: "test".parse().unwrap(),
            claim: ClaimDigest([3; 32]),
            key: KeyId(4),
            made_at: Stamp { unix_ms: 5, clock: ClockQuality::Synced },
            sealed: vec![n; len],
        }
    }

    fn written(lens: &[usize]) -> Vec<u8> {
        let mut writer = ExportWriter::new(Vec::new(), [8; 32]);
        for (n, len) in (0..).zip(lens) {
            writer.write(100 + u64::from(n), &envelope(n, *len)).unwrap();
        }
        writer.into_inner()
    }

    fn read(bytes: &[u8], chain: [u8; 32]) -> Result<Vec<(u64, Envelope)>, ExportError> {
        let mut reader = ExportReader::new(bytes, chain);
        let mut all = Vec::new();
        while let Some(one) = reader.next_envelope()? {
            all.push(one);
        }
        Ok(all)
    }

    #[test]
    fn attachments_travel_inside() {
        let lens = [0, 300 << 10, 7];
        let all = read(&written(&lens), [8; 32]).unwrap();
        let expected: Vec<_> =
            (0..3).map(|n| (100 + u64::from(n), envelope(n, lens[usize::from(n)]))).collect();
        assert_eq!(all, expected);
        assert!(read(&[], [8; 32]).unwrap().is_empty());
        assert!(matches!(read(&written(&lens), [9; 32]), Err(ExportError::Damaged(1))));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_or_a_cut_is_noticed(at: usize, bit in 0..8_u8) {
            let whole = written(&[3, 400, 20]);
            let at = at % whole.len();
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            prop_assert!(read(&flipped, [8; 32]).is_err());
            let cut = read(&whole[..at], [8; 32]);
            // A cut between two records is told by the manifest's count, not here.
            prop_assert!(cut.is_err() || cut.unwrap().len() < 3);
        }

        #[test]
        fn any_bytes_are_refused_not_panicked_at(bytes: Vec<u8>) {
            prop_assert!(bytes.is_empty() || read(&bytes, [8; 32]).is_err());
        }
    }
}
