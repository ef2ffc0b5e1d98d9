//! One question at a time to a thread that may hang, and a bell that ends the wait for its answer.
//!
//! pcscd forgets a cancel that comes before the wait it is for. So whoever waits hears the bell itself, and
//! cancels until the thread is back.
//!
//! Promises: [`Line::call`] ends by its deadline; once a call did not end in time, nothing more is asked.
//! Never: waits for a thread that hangs, when dropped, longer than [`END_WAIT`].

use super::service::{Ask, Said, Service};
use crate::{
    card::CardError,
    device::{Deadline, DeviceError},
    keeper::lock,
};
use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

/// A reader that is closed gives its card back within this, or is left to itself.
const END_WAIT: Duration = Duration::from_millis(300);

/// How long the thread has to hear a cancel before it is told again.
const CANCEL_AGAIN: Duration = Duration::from_millis(20);

/// How often it is told.
const CANCELS_MAX: u32 = 100;

/// What the thread did, and whether the bell rang.
#[derive(Default)]
struct Board {
    answer: Option<Result<Said, CardError>>,
    rung: bool,
    /// A call was not answered in time: what comes now answers nothing.
    late: bool,
    ended: bool,
}

#[derive(Default)]
struct Shared(Mutex<Board>, Condvar);

impl Shared {
    fn put(&self, change: impl FnOnce(&mut Board)) {
        change(&mut lock(&self.0));
        self.1.notify_all();
    }

    /// What `take` finds within `limit`.
    fn wait<T>(&self, limit: Duration, mut take: impl FnMut(&mut Board) -> Option<T>) -> Option<T> {
        let deadline = Deadline::after(limit);
        let mut board = lock(&self.0);
        loop {
            let found = take(&mut board);
            if found.is_some() || deadline.passed() {
                return found;
            }
            let waited = self.1.wait_timeout(board, deadline.left());
            board = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Rings from any thread.
#[derive(Clone)]
pub(super) struct Bell(Arc<Shared>);

impl Bell {
    pub(super) fn ring(&self) {
        self.0.put(|board| board.rung = true);
    }
}

/// The line to one thread. Dropping it ends the thread.
pub(super) struct Line {
    asks: Option<SyncSender<Ask>>,
    shared: Arc<Shared>,
}

/// How a call ended that a bell may end.
pub(super) enum Heard {
    Said(Said),
    /// It rang first; what the thread said is dropped.
    Rung,
}

impl Line {
    /// A line to pcscd.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub(super) fn to_service() -> Result<Self, CardError> {
        let mut service = Service::default();
        Self::start(move |ask| service.handle(ask))
    }

    /// Starts the thread, in which `handle` answers.
    ///
    /// # Errors
    /// [`DeviceError::Busy`] when the system has no thread left.
    fn start(handle: impl FnMut(Ask) -> Result<Said, CardError> + Send + 'static) -> Result<Self, CardError> {
        let shared = Arc::new(Shared::default());
        let (asks, asked) = sync_channel(1);
        let board = Arc::clone(&shared);
        let thread = thread::Builder::new().name("hal-pcsc".to_owned());
        thread.spawn(move || serve(handle, &asked, &board)).map_err(|error| {
            tracing::error!(%error, "no thread for pcscd");
            DeviceError::Busy
        })?;
        Ok(Self { asks: Some(asks), shared })
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// [`DeviceError::TimedOut`] at the deadline, [`DeviceError::Gone`] on every call after that; else what
    /// the service says.
    pub(super) fn call(&self, ask: Ask, deadline: Deadline) -> Result<Said, CardError> {
        self.ask(ask)?;
        self.answer(deadline.left()).unwrap_or_else(|| self.late())
    }

    /// As [`Self::call`], but the bell ends it; `cancel` gets the thread out of its wait.
    pub(super) fn call_until_rung(
        &self,
        ask: Ask,
        deadline: Deadline,
        cancel: impl Fn(),
    ) -> Result<Heard, CardError> {
        self.ask(ask)?;
        let rung_or_said = self.shared.wait(deadline.left(), |board| {
            if std::mem::take(&mut board.rung) { Some(None) } else { board.answer.take().map(Some) }
        });
        match rung_or_said {
            Some(Some(answer)) => return answer.map(Heard::Said),
            Some(None) => {}
            None => return self.late(),
        }
        for _ in 0..CANCELS_MAX {
            cancel();
            if let Some(answer) = self.answer(CANCEL_AGAIN) {
                return answer.map(|_| Heard::Rung);
            }
        }
        self.late()
    }

    fn late<T>(&self) -> Result<T, CardError> {
        self.shared.put(|board| board.late = true);
        Err(DeviceError::TimedOut.into())
    }

    pub(super) fn bell(&self) -> Bell {
        Bell(Arc::clone(&self.shared))
    }

    fn ask(&self, ask: Ask) -> Result<(), CardError> {
        let hangs = || DeviceError::Gone("pcscd hangs".to_owned());
        let asks = self.asks.as_ref().ok_or_else(hangs)?;
        if lock(&self.shared.0).late {
            return Err(hangs().into());
        }
        match asks.try_send(ask) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(hangs().into()),
        }
    }

    fn answer(&self, limit: Duration) -> Option<Result<Said, CardError>> {
        self.shared.wait(limit, |board| board.answer.take())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.asks = None;
        if self.shared.wait(END_WAIT, |board| board.ended.then_some(())).is_none() {
            tracing::warn!("pcscd hangs; the thread that waits for it is left to itself");
        }
    }
}

fn serve(mut handle: impl FnMut(Ask) -> Result<Said, CardError>, asked: &Receiver<Ask>, board: &Shared) {
    for ask in asked {
        let answer = handle(ask);
        board.put(|board| board.answer = Some(answer));
    }
    // With it the card is given back.
    drop(handle);
    board.put(|board| board.ended = true);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    fn names() -> Result<Said, CardError> {
        Ok(Said::Names(vec!["one".to_owned()]))
    }

    #[test]
    fn a_service_that_hangs_is_asked_once_and_in_time() {
        let (release, held) = channel::<()>();
        let line = Line::start(move |_| {
            held.recv().unwrap();
            names()
        });
        let line = line.unwrap();
        let late = line.call(Ask::Names, Deadline::after(Duration::from_millis(50)));
        assert!(matches!(late, Err(CardError::Device(DeviceError::TimedOut))));
        release.send(()).unwrap();
        let after = line.call(Ask::Names, soon());
        assert!(matches!(after, Err(CardError::Device(DeviceError::Gone(_)))), "its answer is not ours");
        drop(release);
    }

    #[test]
    fn a_bell_that_rang_before_the_wait_ends_it_though_the_first_cancel_is_lost() {
        let (cancelled, cancels) = channel();
        let line = Line::start(move |_| {
            // Hears the second.
            assert!(cancels.iter().nth(1).is_some());
            names()
        });
        let line = line.unwrap();
        line.bell().ring();
        let heard = line.call_until_rung(Ask::Names, soon(), || cancelled.send(()).unwrap());
        assert!(matches!(heard, Ok(Heard::Rung)));
    }

    #[test]
    fn an_answer_ends_a_wait_that_nobody_rings() {
        let line = Line::start(|_| names()).unwrap();
        let heard = line.call_until_rung(Ask::Names, soon(), || ());
        assert!(matches!(heard, Ok(Heard::Said(Said::Names(_)))));
        assert_eq!(line.call(Ask::Names, soon()).unwrap().into_names(), ["one"]);
    }
}
