//! Learning a keypad: each key is asked for, pressed, and written down.
//!
//! ```text
//! ask --a code nobody has--> next key
//!   |---a code of another key, up to ATTEMPTS_MAX times--> ask again
//!   \---KEY_WAIT without a key, or skipped--> left out, next key
//! ```
//!
//! [`Learner`] is the pure machine; [`learn`] runs it on a device.
//!
//! Promises: what it yields is a map that [`KeyMap::parse`] takes, without a code on two keys. Never: guesses;
//! waits without a limit.

use super::{KeyMap, NavKey};
use crate::{
    device::{Deadline, DeviceError},
    keys::{Action, Fed, KeyEvent, KeySource, Tracker},
};
use std::{collections::BTreeMap, time::Duration};

/// A key nobody presses for so long is one the keypad does not have.
pub const KEY_WAIT: Duration = Duration::from_secs(20);

/// So often a code that another key has is taken for a slip; then the key is left out.
pub const ATTEMPTS_MAX: u8 = 3;

/// What to ask the person at the keypad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Press this key.
    Press(NavKey),
    /// That was another key; press this one.
    Again {
        /// What is asked for.
        key: NavKey,
        /// What was pressed.
        was: NavKey,
    },
    /// This key is left out.
    LeftOut(NavKey),
}

/// What became of a press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Written down.
    Learned(NavKey),
    /// It is this key already.
    Known(NavKey),
    /// Nothing was asked.
    Nothing,
}

/// The machine.
pub struct Learner {
    name: String,
    codes: BTreeMap<u16, NavKey>,
    /// What is asked for, and what comes after it.
    asked: Option<NavKey>,
    rest: std::array::IntoIter<NavKey, { NavKey::ALL.len() }>,
    slips: u8,
}

impl Learner {
    /// Learns a map of this name from its first key on.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut rest = NavKey::ALL.into_iter();
        Self { name: name.to_owned(), codes: BTreeMap::new(), asked: rest.next(), rest, slips: 0 }
    }

    /// Which key is to be pressed now; none once all were asked for.
    #[must_use]
    pub fn asked(&self) -> Option<NavKey> {
        self.asked
    }

    /// A key went down.
    pub fn handle_press(&mut self, code: u16) -> Taken {
        let Some(asked) = self.asked else { return Taken::Nothing };
        if let Some(was) = self.codes.get(&code).copied() {
            self.slips += 1;
            if self.slips >= ATTEMPTS_MAX {
                self.skip();
            }
            return Taken::Known(was);
        }
        self.codes.insert(code, asked);
        self.skip();
        Taken::Learned(asked)
    }

    /// Asks for the next key.
    pub fn skip(&mut self) {
        self.asked = self.rest.next();
        self.slips = 0;
    }

    /// What was learned.
    #[must_use]
    pub fn map(&self) -> KeyMap {
        KeyMap::of(&self.name, self.codes.clone())
    }
}

/// Learns the keypad that `source` is, putting each [`Question`] to `ask`; returns the map as TOML.
///
/// # Errors
/// [`DeviceError::Gone`] when it is unplugged; nothing is learned then. [`DeviceError::TimedOut`] when not one
/// key was pressed.
pub fn learn(
    name: &str,
    source: &mut dyn KeySource,
    ask: &mut dyn FnMut(Question),
) -> Result<String, DeviceError> {
    let mut learner = Learner::new(name);
    let mut tracker = Tracker::default();
    while let Some(key) = learner.asked() {
        ask(Question::Press(key));
        let deadline = Deadline::after(KEY_WAIT);
        while learner.asked() == Some(key) {
            if deadline.passed() {
                learner.skip();
                ask(Question::LeftOut(key));
                break;
            }
            one_read(&mut learner, &mut tracker, source, deadline, ask)?;
        }
    }
    let map = learner.map();
    let learned = NavKey::ALL.into_iter().any(|key| map.codes(key).next().is_some());
    if learned { Ok(map.to_toml()) } else { Err(DeviceError::TimedOut) }
}

/// Reads what comes before `deadline`; presses after the one that was asked for are nobody's answer.
fn one_read(
    learner: &mut Learner,
    tracker: &mut Tracker,
    source: &mut dyn KeySource,
    deadline: Deadline,
    ask: &mut dyn FnMut(Question),
) -> Result<(), DeviceError> {
    let asked = learner.asked();
    for raw in source.read(deadline)?.iter().copied() {
        match tracker.feed(raw) {
            Fed::Key(KeyEvent { code, action: Action::Press, .. }) if learner.asked() == asked => {
                match (asked, learner.handle_press(code)) {
                    (Some(key), Taken::Known(was)) if learner.asked() == asked => {
                        ask(Question::Again { key, was })
                    }
                    (Some(key), Taken::Known(_)) => ask(Question::LeftOut(key)),
                    (Some(_), Taken::Learned(_)) | (_, Taken::Nothing) | (None, _) => {}
                }
            }
            Fed::More | Fed::Key(_) => {}
            // A press that was lost was not seen; what came up is of no interest here.
            Fed::Lost => drop(tracker.sync(raw.at_us, &source.held()?)),
        }
    }
    Ok(())
}
