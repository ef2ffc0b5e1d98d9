//! The line between the driver and the simulated printer, where a cell reaches in.
//!
//! It knows the phase by the bytes that pass: the first on a line are the opening, a job's 300th is its middle,
//! its process id (`GS ( H`) ends it, what is read after that is awaited.

use super::{
    Phase,
    rig::{RECOVERY_LIMIT, Strike, Tap},
};
use hal::{
    Deadline, DeviceError,
    card::Canceller,
    transport::{Sign, Transport},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Instant,
};

/// The middle of a job, in bytes.
const MIDDLE: usize = 300;
/// `GS ( H` function 48 without its four bytes of id.
const PROOF: [u8; 7] = [0x1D, 0x28, 0x48, 0x06, 0x00, 0x30, 0x30];

/// Until when the printer takes and says nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stall {
    Until(Instant),
    ForEver,
}

#[derive(Default)]
struct State {
    job: bool,
    sent: usize,
    tail: VecDeque<u8>,
    proof_out: bool,
    stall: Option<Stall>,
    /// At most so many bytes in one write.
    bite: Option<usize>,
    /// Automatic status comes a byte at a time.
    split: bool,
    /// The handle is dropped; who strikes while closing waits for that.
    dropped: bool,
    /// Said before all else, one element a read.
    say: VecDeque<Vec<u8>>,
    /// Wakes whoever waits for the line.
    waker: Option<Canceller>,
}

/// The hand on the line. Clones are the same hand.
#[derive(Clone, Default)]
pub(super) struct LineHand {
    pub(super) tap: Tap,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl LineHand {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap()
    }

    /// A job is handed over now.
    pub(super) fn begin_job(&self) {
        let mut state = self.state();
        (state.job, state.sent, state.proof_out) = (true, 0, false);
        state.tail.clear();
    }

    pub(super) fn stall(&self, stall: Option<Stall>) {
        self.state().stall = stall;
        self.shared.1.notify_all();
    }

    pub(super) fn bite(&self, bite: Option<usize>) {
        self.state().bite = bite;
    }

    pub(super) fn split(&self) {
        self.state().split = true;
    }

    /// The printer says this next, by itself.
    pub(super) fn say(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.say.push_back(bytes.to_vec());
        let waker = state.waker.clone();
        drop(state);
        if let Some(wake) = waker {
            wake();
        }
    }

    /// The handle is dropped now.
    pub(super) fn dropped(&self, dropped: bool) {
        self.state().dropped = dropped;
        self.shared.1.notify_all();
    }

    fn wait_dropped(&self) {
        let state = self.state();
        let held = self.shared.1.wait_timeout_while(state, RECOVERY_LIMIT, |state| !state.dropped);
        assert!(held.unwrap().0.dropped, "nobody dropped the handle");
    }

    /// `line` with a hand on it.
    pub(super) fn over(&self, line: Box<dyn Transport>) -> Box<dyn Transport> {
        self.state().waker = line.canceller();
        Box::new(Tapped { line, hand: self.clone(), opened: false })
    }

    /// Waits out a stall; whether it still lasts at `deadline`.
    fn stalled(&self, deadline: Deadline) -> bool {
        let mut state = self.state();
        loop {
            let left = match state.stall {
                None => return false,
                Some(Stall::Until(until)) if until <= Instant::now() => return false,
                Some(Stall::Until(until)) => deadline.left().min(until - Instant::now()),
                Some(Stall::ForEver) => deadline.left(),
            };
            if deadline.passed() {
                return true;
            }
            state = self.shared.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// What went out; whether it is the middle of a job.
    fn sent(&self, bytes: &[u8]) {
        let mut state = self.state();
        if !state.job {
            return;
        }
        state.sent += bytes.len();
        state.tail.extend(bytes);
        let surplus = state.tail.len().saturating_sub(PROOF.len() + 4);
        state.tail.drain(..surplus);
        let tail: Vec<u8> = state.tail.iter().copied().collect();
        state.proof_out |= tail.starts_with(&PROOF);
    }

    fn next_bite(&self, bytes: usize) -> usize {
        let state = self.state();
        let bite = state.bite.unwrap_or(bytes).min(bytes);
        // Not past the middle, and not past the end of the job, in one write.
        if state.job && state.sent < MIDDLE { bite.min(MIDDLE - state.sent) } else { bite }
    }
}

struct Tapped {
    line: Box<dyn Transport>,
    hand: LineHand,
    opened: bool,
}

impl Transport for Tapped {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        if !std::mem::replace(&mut self.opened, true) {
            self.hand.tap.at(Phase::Opening);
        }
        let middle = {
            let state = self.hand.state();
            state.job && state.sent >= MIDDLE && !state.proof_out
        };
        if middle {
            self.hand.tap.at(Phase::MidWrite);
            if self.hand.tap.at(Phase::Closing) {
                self.hand.wait_dropped();
            }
        }
        if self.hand.stalled(deadline) {
            return Err(DeviceError::TimedOut);
        }
        let bite = self.hand.next_bite(bytes.len());
        let taken = self.line.write(bytes.get(..bite).unwrap_or(bytes), deadline)?;
        self.hand.sent(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        if self.hand.state().proof_out {
            self.hand.tap.at(Phase::Awaiting);
        }
        let said = self.hand.state().say.pop_front();
        if let Some(said) = said {
            buffer.iter_mut().zip(&said).for_each(|(place, byte)| *place = *byte);
            return Ok(said.len());
        }
        if self.hand.stalled(deadline) {
            return Err(DeviceError::TimedOut);
        }
        let most = if self.hand.state().split { 1 } else { buffer.len() };
        self.line.read(buffer.get_mut(..most).unwrap_or_default(), deadline)
    }

    fn wait(&mut self, deadline: Deadline) -> Result<Sign, DeviceError> {
        if self.hand.state().say.is_empty() { self.line.wait(deadline) } else { Ok(Sign::Readable) }
    }

    fn canceller(&self) -> Option<Canceller> {
        self.line.canceller()
    }

    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.line.finish(deadline)
    }
}

/// A strike that does `act` with the hand.
pub(super) fn with(hand: &LineHand, act: impl FnOnce(&LineHand) + Send + 'static) -> Strike {
    let hand = hand.clone();
    Box::new(move || act(&hand))
}
