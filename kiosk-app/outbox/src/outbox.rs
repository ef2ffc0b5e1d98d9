//! The handle: what the rest of the kiosk sees.
//!
//! Promises: every call ends within its limit; a call that ends without an answer claims nothing.
//! Never: shows the engine, touches a file itself.

use crate::{
    answer::{Answer, question},
    committer::Committer,
    error::{OpenError, OutcomeError},
    journal::{
        frame::BODY_BYTES_MAX,
        record::{Outcome, Parcel},
        storage::{Disk, Storage},
    },
    open::open,
    options::{Opened, Options, Stats, Ticket, Waiting},
    refusals::Told,
    request::{Callback, Request, SaveReply},
    state::home,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded};
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, ServiceId},
    wire::{ClaimState, Envelope, NotSaved, SEALED_BYTES_MAX},
};
use std::{
    fs::File,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{Builder, JoinHandle},
    time::Duration,
};

/// How many calls may wait for the outbox's thread.
pub const INBOX_MAX: usize = 64;
/// How long a call waits for its turn, and then again for its answer, in milliseconds.
pub const ANSWER_MS_MAX: u64 = 30_000;
/// How long [`Outbox::close`] waits for the last write, in milliseconds.
pub const CLOSE_MS_MAX: u64 = 30_000;
/// The largest receipt, in bytes.
pub const RECEIPT_BYTES_MAX: usize = 64 << 10;
/// The longest code of a dead letter, in bytes; a longer one is cut.
pub const CODE_BYTES_MAX: usize = 64;
/// The longest detail of a dead letter, in bytes; a longer one is cut.
pub const DETAIL_BYTES_MAX: usize = 2048;

const ANSWER_MAX: Duration = Duration::from_millis(ANSWER_MS_MAX);

/// A queue that loses nothing. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Outbox {
    inbox: Sender<Request>,
    told: Arc<Told>,
    worker: Arc<Worker>,
}

struct Worker {
    thread: Mutex<Option<JoinHandle<()>>>,
    ended: Receiver<()>,
}

impl Outbox {
    /// Opens the outbox in `dir`, making it when it is not there; `dir`'s parent must be.
    ///
    /// # Errors
    /// When the folder cannot be used; damage inside it is no error.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Opened), OpenError> {
        Self::open_on(dir, options, Arc::new(Disk))
    }

    /// As [`Self::open`], but its journal is never synced: a power cut loses what was saved. It exists to show
    /// that a power cut test can fail.
    ///
    /// # Errors
    /// As [`Self::open`].
    #[cfg(feature = "powercut")]
    pub fn open_unsynced(dir: &Path, options: Options) -> Result<(Self, Opened), OpenError> {
        Self::open_on(dir, options, Arc::new(crate::journal::unsynced::Unsynced))
    }

    pub(crate) fn open_on(
        dir: &Path,
        options: Options,
        storage: Arc<dyn Storage>,
    ) -> Result<(Self, Opened), OpenError> {
        let (committer, lock, opened) = open(dir, options, storage)?;
        let outbox = Self::start(committer, lock)
            .map_err(|reason| OpenError::Unreadable { path: dir.to_owned(), reason })?;
        Ok((outbox, opened))
    }

    /// Lets a committer work in a thread of its own.
    pub(crate) fn start(committer: Committer, lock: File) -> io::Result<Self> {
        let (inbox, requests) = bounded(INBOX_MAX);
        let (running, ended) = bounded(0);
        let told = committer.refusals.told();
        let work = move || {
            let dir = committer.dir.clone();
            Committer::run(committer, &requests);
            if let Err(error) = home::wait_closed(&dir) {
                tracing::error!(%error, "sled did not close");
            }
            // In this order: files closed, then unlocked, then reported closed.
            drop(lock);
            drop::<Sender<()>>(running);
        };
        let thread = Builder::new().name("outbox".into()).spawn(work)?;
        let worker = Arc::new(Worker { thread: Mutex::new(Some(thread)), ended });
        Ok(Self { inbox, told, worker })
    }

    /// Keeps an envelope; returns when it is on stable storage. The same envelope again gets the same
    /// ticket, also after it was delivered.
    ///
    /// # Errors
    /// When it is not kept. The same id with other content is refused as [`NotSaved::Storage`] and logged.
    pub fn enqueue(&self, envelope: Envelope) -> Result<Ticket, NotSaved> {
        let kept = parcel(envelope).and_then(|parcel| {
            let save = |reply| Request::Save { parcel, reply: SaveReply::Blocked(reply) };
            self.ask(save).unwrap_or(Err(NotSaved::Storage))
        });
        kept.inspect_err(|reason| {
            self.told.count(*reason);
            self.wake();
        })
    }

    /// Lets the outbox's thread write down what was counted; one that is busy will look anyway.
    fn wake(&self) {
        drop(self.inbox.try_send(Request::Refused));
    }

    /// Keeps an envelope without blocking; `told` is called once, when it is on stable storage or when it
    /// is not kept, by the outbox's own thread or at once. It must not block.
    pub fn enqueue_with(
        &self,
        envelope: Envelope,
        told: impl FnOnce(Result<Ticket, NotSaved>) + Send + 'static,
    ) {
        let counted = Arc::clone(&self.told);
        let reply = SaveReply::Called(Callback::new(move |result: Result<Ticket, NotSaved>| {
            let _ = result.inspect_err(|reason| counted.count(*reason));
            told(result);
        }));
        let parcel = match parcel(envelope) {
            Ok(parcel) => parcel,
            Err(reason) => {
                reply.give(Err(reason));
                self.wake();
                return;
            }
        };
        match self.inbox.try_send(Request::Save { parcel, reply }) {
            Err(TrySendError::Full(Request::Save { reply, .. })) => _ = reply.give(Err(NotSaved::Full)),
            // A request that was not taken is dropped, and its callback says so.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    /// Hands out up to `limit` envelopes whose time has come, oldest first. They are in the caller's hand
    /// until it says what came of them, at most ten minutes.
    #[must_use]
    pub fn claim(&self, limit: usize, now_ms: u64) -> Vec<Waiting> {
        self.ask(|reply| Request::Claim { limit, now_ms, reply }).unwrap_or_default()
    }

    /// The gateway signed for it: it leaves the queue, durably, and its receipt is kept.
    ///
    /// # Errors
    /// When that was not kept; the envelope may then be sent again, which is harmless.
    pub fn settle(&self, id: EnvelopeId, receipt: Vec<u8>) -> Result<(), OutcomeError> {
        if receipt.len() > RECEIPT_BYTES_MAX {
            return Err(OutcomeError::TooLarge);
        }
        self.end(id, Outcome::Settled { receipt })
    }

    /// It was refused: a person has to look at it. It leaves the queue, durably, and stays in the outbox.
    ///
    /// # Errors
    /// When that was not kept; the envelope may then be sent again, which is harmless.
    pub fn dead_letter(&self, id: EnvelopeId, code: &str, detail: &str) -> Result<(), OutcomeError> {
        let (code, detail) = (cut(code, CODE_BYTES_MAX), cut(detail, DETAIL_BYTES_MAX));
        self.end(id, Outcome::Dead { code, detail })
    }

    fn end(&self, id: EnvelopeId, outcome: Outcome) -> Result<(), OutcomeError> {
        self.ask(|reply| Request::End { id, outcome, reply }).unwrap_or(Err(OutcomeError::NoAnswer))
    }

    /// An attempt failed: the envelope is due again at `not_before_ms`, milliseconds since 1970.
    ///
    /// # Errors
    /// When it does not wait in the queue.
    pub fn again(&self, id: EnvelopeId, not_before_ms: u64) -> Result<(), OutcomeError> {
        let again = |reply| Request::Again { id, not_before_ms, reply };
        self.ask(again).unwrap_or(Err(OutcomeError::NoAnswer))
    }

    /// What is proven about a claim: saved here, sent or needs staff; `None` when it is not known here.
    #[must_use]
    pub fn find(&self, claim: &ClaimDigest) -> Option<(ServiceId, ClaimState)> {
        let claim = *claim;
        self.ask(|reply| Request::Find { claim, reply }).flatten()
    }

    /// The gateway's signed receipt for a settled envelope that is still remembered.
    #[must_use]
    pub fn receipt(&self, id: EnvelopeId) -> Option<Vec<u8>> {
        self.ask(|reply| Request::Receipt { id, reply }).flatten()
    }

    /// The numbers; all zero when the outbox does not answer.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.proof().unwrap_or_default()
    }

    /// The numbers, as proof that the outbox's thread works: asked through the queue of every save and answered in
    /// turn. `None` when it does not answer, because a write to a drive that hangs does not return for example.
    #[must_use]
    pub fn proof(&self) -> Option<Stats> {
        self.ask(|reply| Request::Stats { reply })
    }

    /// When something is due that is in nobody's hand: `now_ms` or later, in milliseconds since 1970.
    #[must_use]
    pub fn next_due(&self, now_ms: u64) -> Option<u64> {
        self.ask(|reply| Request::NextDue { now_ms, reply }).flatten()
    }

    /// Whether its thread has ended, by [`Self::close`] or by a panic: nothing can be saved any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.worker.ended.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Finishes what waits and ends the thread, for all clones. Calls after it are refused.
    pub fn close(self) {
        let asked = self.inbox.send_timeout(Request::Close, ANSWER_MAX);
        let limit = Duration::from_millis(CLOSE_MS_MAX);
        let ended = self.worker.ended.recv_timeout(limit) == Err(RecvTimeoutError::Disconnected);
        if !ended {
            tracing::error!(asked = asked.is_ok(), "the outbox did not close in time");
            return;
        }
        let thread = self.worker.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the outbox's thread panicked");
        }
    }

    /// Asks, and waits; `None` when the outbox is closed or a limit passed.
    fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Option<T> {
        let (question, answer) = question();
        let sent = self.inbox.send_timeout(request(answer), ANSWER_MAX);
        if sent.is_err() {
            tracing::warn!("the outbox takes no calls");
            return None;
        }
        let answer = question.wait(ANSWER_MAX);
        if answer.is_none() {
            tracing::warn!("the outbox did not answer");
        }
        answer
    }
}

fn parcel(envelope: Envelope) -> Result<Parcel, NotSaved> {
    if envelope.sealed.len() > SEALED_BYTES_MAX {
        return Err(NotSaved::TooLarge);
    }
    let parcel = Parcel::new(envelope).ok_or(NotSaved::Storage)?;
    if parcel.len() > BODY_BYTES_MAX { Err(NotSaved::TooLarge) } else { Ok(parcel) }
}

fn cut(text: &str, bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default().to_owned()
}
