//! Touch from a window, a test or a simulated panel, into the same sink as a device's.
//!
//! Promises: what arrives is well formed (see [`super`]) even when the channel was full: a press that
//! could not be told is not told at all, a release that could not be told is made up for as `Cancel`
//! before the next event. Never: waits; a window calls it from the thread that empties the channel.

use super::{Event, Kind, SLOTS_MAX};
use crate::{
    device::{self, EventSink},
    keeper::lock,
};
use std::sync::{Arc, Mutex, mpsc::TrySendError};

/// Why an event was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// The channel is full.
    #[error("the event channel is full")]
    Full,
    /// Nobody listens any more.
    #[error("nobody listens")]
    Closed,
    /// A release without a press, a second press, a slot or a place that does not exist.
    #[error("this event does not follow from the one before")]
    OutOfTurn,
}

/// A source of pointer events. Clones feed the same slots.
#[derive(Clone)]
pub struct PointerFeed {
    sink: EventSink,
    slots: Arc<Mutex<[Slot; SLOTS_MAX as usize]>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Up,
    Down,
    /// The listener thinks it is down, and has to be told otherwise.
    Owed(Event),
}

impl PointerFeed {
    /// A feed into `sink`.
    #[must_use]
    pub fn new(sink: EventSink) -> Self {
        Self { sink, slots: Arc::new(Mutex::new([Slot::Up; SLOTS_MAX as usize])) }
    }

    /// Tells one event, now or not at all.
    ///
    /// # Errors
    /// See [`FeedError`]; the listener's view stays well formed in each case.
    pub fn send(&self, event: Event) -> Result<(), FeedError> {
        let mut slots = lock(&self.slots);
        for slot in slots.iter_mut() {
            if let Slot::Owed(release) = *slot {
                self.tell(Event { kind: Kind::Cancel, at_us: event.at_us, ..release })?;
                *slot = Slot::Up;
            }
        }
        let on_screen = (0.0..=1.0).contains(&event.x) && (0.0..=1.0).contains(&event.y);
        let slot =
            slots.get_mut(usize::from(event.slot)).filter(|_| on_screen).ok_or(FeedError::OutOfTurn)?;
        match (event.kind, *slot) {
            (Kind::Down, Slot::Up) => {
                self.tell(event)?;
                *slot = Slot::Down;
            }
            (Kind::Move, Slot::Up | Slot::Down) => self.tell(event)?,
            (Kind::Up | Kind::Cancel, Slot::Down) => {
                *slot = Slot::Owed(event);
                self.tell(event)?;
                *slot = Slot::Up;
            }
            (Kind::Down, Slot::Down) | (Kind::Up | Kind::Cancel, Slot::Up) | (_, Slot::Owed(_)) => {
                return Err(FeedError::OutOfTurn);
            }
        }
        Ok(())
    }

    fn tell(&self, event: Event) -> Result<(), FeedError> {
        self.sink.try_send(device::Event::Pointer(event)).map_err(|error| match error {
            TrySendError::Full(_) => FeedError::Full,
            TrySendError::Disconnected(_) => FeedError::Closed,
        })
    }
}
