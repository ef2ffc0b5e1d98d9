//! One face for the outbox and its peers: save from any thread, durable on return.
//!
//! A peer gets what the outbox has: one thread that owns it and lets callers share a sync, at most
//! [`BATCH_MAX`] of them. With one caller a peer is called without that thread.
//!
//! Never: waits for longer than the outbox's own limits.

use crate::engines::{Engine, Item, Peer};
use anyhow::{Context as _, Result, anyhow, ensure};
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, KeyId},
    wire::{ClockQuality, Envelope, Stamp},
};
use kiosk_outbox::{Limits, Options, Outbox};
use std::{
    path::Path,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};

/// A record's content, in bytes.
pub(crate) const RECORD_BYTES: usize = 2048;
/// A receipt's length, in bytes: an Ed25519 `COSE_Sign1` of the gateway.
const RECEIPT_BYTES: usize = 250;
/// As the outbox's own.
const BATCH_MAX: usize = 256;

/// The limits of the measured outbox: the default ones, but for room for 100,000 and no ballast, which is
/// 8 MiB whatever happens.
pub(crate) fn limits() -> Limits {
    Limits { envelopes_max: 1 << 20, free_bytes_min: 0, ballast_bytes: 0, ..Limits::default() }
}

/// Content that does not compress, different for each number.
pub(crate) fn record(n: u64) -> Vec<u8> {
    let mut word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word.to_be_bytes()
    });
    words.flatten().take(RECORD_BYTES).collect()
}

/// The envelope around record `n`.
pub(crate) fn envelope(n: u64) -> Result<Envelope> {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    let mut claim = [7; 32];
    claim[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Ok(Envelope {
        id: EnvelopeId::new(n, random),
        service: "report-a-problem".parse().ok().context("a service id")?,
        claim: ClaimDigest(claim),
        key: KeyId(3),
        made_at: Stamp { unix_ms: 1_800_000_000_000, clock: ClockQuality::Synced },
        sealed: record(n),
    })
}

/// Calls what it is given, once, and looks at the clock.
type Timed<'a> = dyn FnMut(&mut dyn FnMut() -> Result<()>) -> Result<()> + 'a;

/// Something that keeps records.
pub(crate) enum Store {
    Outbox(Outbox),
    Peer(Box<dyn Engine>),
}

impl Store {
    /// Opens the outbox, or a peer.
    pub(crate) fn open(peer: Option<Peer>, dir: &Path) -> Result<Self> {
        Ok(match peer {
            None => {
                let options = Options { limits: limits(), ..Options::default() };
                Self::Outbox(Outbox::open(dir, options)?.0)
            }
            Some(peer) => Self::Peer(peer.open(dir)?),
        })
    }

    /// Saves with one caller; the record is made before `timed` is called.
    pub(crate) fn one(&mut self, n: u64, timed: &mut Timed<'_>) -> Result<()> {
        match self {
            Self::Outbox(outbox) => {
                let mut ready = Some(envelope(n)?);
                timed(&mut || save(outbox, ready.take().context("saved once")?))
            }
            Self::Peer(engine) => {
                let items = [(n, record(n))];
                timed(&mut || engine.put(&items))
            }
        }
    }

    /// Does `work` with a handle for each of many callers, in this store's way of sharing syncs.
    pub(crate) fn shared<T>(&mut self, work: impl FnOnce(&Shared) -> Result<T>) -> Result<T> {
        match self {
            Self::Outbox(outbox) => work(&Shared::Outbox(outbox.clone())),
            Self::Peer(engine) => thread::scope(|scope| {
                let (ask, asked) = channel();
                let committer = scope.spawn(move || commit(engine.as_mut(), &asked));
                let result = work(&Shared::Peer(ask));
                committer.join().map_err(|_| anyhow!("the committer panicked"))??;
                result
            }),
        }
    }

    /// Ends it.
    pub(crate) fn close(self) {
        match self {
            Self::Outbox(outbox) => outbox.close(),
            Self::Peer(engine) => drop(engine),
        }
    }
}

fn save(outbox: &Outbox, envelope: Envelope) -> Result<()> {
    outbox.enqueue(envelope).map(drop).map_err(|reason| anyhow!("not saved: {reason:?}"))
}

/// A call and where its answer goes.
pub(crate) enum Call {
    Put(Item, SyncSender<()>),
    Remove(u64, SyncSender<()>),
}

/// A handle that many callers share.
#[derive(Clone)]
pub(crate) enum Shared {
    Outbox(Outbox),
    Peer(Sender<Call>),
}

impl Shared {
    /// Saves record `n`; durable on return. What can be made before is made by `prepare`.
    pub(crate) fn save(&self, ready: Ready) -> Result<()> {
        match (self, ready) {
            (Self::Outbox(outbox), Ready::Envelope(envelope)) => save(outbox, *envelope),
            (Self::Peer(ask), Ready::Record(n, record)) => {
                ask_for(ask, |answer| Call::Put((n, record), answer))
            }
            (Self::Outbox(_), Ready::Record(..)) | (Self::Peer(_), Ready::Envelope(_)) => {
                Err(anyhow!("prepared for another"))
            }
        }
    }

    /// The record in this store's shape.
    pub(crate) fn prepare(&self, n: u64) -> Result<Ready> {
        Ok(match self {
            Self::Outbox(_) => Ready::Envelope(Box::new(envelope(n)?)),
            Self::Peer(_) => Ready::Record(n, record(n)),
        })
    }

    /// Takes record `n` out: delivered, with a receipt.
    pub(crate) fn settle(&self, n: u64) -> Result<()> {
        match self {
            Self::Outbox(outbox) => Ok(outbox.settle(envelope(n)?.id, vec![1; RECEIPT_BYTES])?),
            Self::Peer(ask) => ask_for(ask, |answer| Call::Remove(n, answer)),
        }
    }
}

/// A record ready to be saved.
pub(crate) enum Ready {
    Envelope(Box<Envelope>),
    Record(u64, Vec<u8>),
}

fn ask_for(ask: &Sender<Call>, call: impl FnOnce(SyncSender<()>) -> Call) -> Result<()> {
    let (answer, answered) = sync_channel(1);
    ask.send(call(answer)).map_err(|_| anyhow!("the committer is gone"))?;
    answered.recv().context("the committer failed")
}

fn commit(engine: &mut dyn Engine, asked: &Receiver<Call>) -> Result<()> {
    while let Ok(first) = asked.recv() {
        let (mut items, mut keys, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for call in std::iter::once(first).chain(asked.try_iter().take(BATCH_MAX - 1)) {
            match call {
                Call::Put(item, answer) => {
                    items.push(item);
                    answers.push(answer);
                }
                Call::Remove(key, answer) => {
                    keys.push(key);
                    answers.push(answer);
                }
            }
        }
        if !items.is_empty() {
            engine.put(&items)?;
        }
        if !keys.is_empty() {
            engine.remove(&keys)?;
        }
        for answer in answers {
            ensure!(answer.send(()).is_ok(), "a caller is gone");
        }
    }
    Ok(())
}
