//! Keypads for who does not touch: a few keys with names, a jack for an earpiece.
//!
//! ```text
//! node, grabbed -> keys -> KeyMap -> Keys (several codes, one key) -> Event -> sink
//! ```
//!
//! Promises: for each key a `Press` is ended by exactly one `Release` or `Cancel` before its next `Press`; a
//! lost release ends in `Cancel`; a node that cannot be had alone is not read; a code the map does not
//! have is nobody's business. Never: types text; guesses what a key means.

mod learn;
mod map;
mod pressed;
mod thread;

pub use learn::{ATTEMPTS_MAX, KEY_WAIT, Learner, Question, Taken, learn};
pub use map::KeyMap;
pub use pressed::Keys;
pub use thread::{KEYS_PER_SECOND_MAX, KeypadHandle, spawn};

/// A key by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NavKey {
    /// To the one above.
    Up,
    /// To the one below.
    Down,
    /// Back.
    Left,
    /// On.
    Right,
    /// Take this one.
    Select,
    /// What is this?
    Help,
    /// Say that again.
    Repeat,
    /// Louder.
    VolumeUp,
    /// Quieter.
    VolumeDown,
    /// An earpiece was plugged in: no hand, but it arrives as a key.
    JackIn,
    /// It was pulled out.
    JackOut,
}

impl NavKey {
    /// Every key there is, in the order they are asked for.
    pub const ALL: [Self; 11] = [
        Self::Up,
        Self::Down,
        Self::Left,
        Self::Right,
        Self::Select,
        Self::Help,
        Self::Repeat,
        Self::VolumeUp,
        Self::VolumeDown,
        Self::JackIn,
        Self::JackOut,
    ];

    /// Its name in a key map, such as `volume-up`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Left => "left",
            Self::Right => "right",
            Self::Select => "select",
            Self::Help => "help",
            Self::Repeat => "repeat",
            Self::VolumeUp => "volume-up",
            Self::VolumeDown => "volume-down",
            Self::JackIn => "jack-in",
            Self::JackOut => "jack-out",
        }
    }

    /// The key of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}

/// What happens to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes down.
    Press,
    /// It comes up.
    Release,
    /// It is up, and nobody saw it come up: lost, or the keypad is gone. The kernel lets keys go by itself
    /// when a keypad is unplugged, so that may also be told as `Release`.
    Cancel,
}

/// What a keypad tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// `CLOCK_MONOTONIC`, microseconds.
    pub at_us: u64,
    /// Which key.
    pub key: NavKey,
    /// What happens to it.
    pub kind: Kind,
}

/// Whether an earpiece is plugged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jack {
    /// It is.
    In,
    /// It is not.
    Out,
    /// The keypad has not said since it was opened.
    #[default]
    Unknown,
}
