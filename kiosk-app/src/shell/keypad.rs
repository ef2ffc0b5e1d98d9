//! The keypad walks the screen: up and down move the focus, select presses what has it.
//!
//! | key | does |
//! |---|---|
//! | down, up | the next control, the one before |
//! | select | presses it |
//! | left, right | back; on, where nothing is sent by it |
//! | any of them, while nobody is here | begins |
//!
//! Promises: a key does nothing that a finger could not; nothing is submitted but by select on its button.

use hal::keypad::{Event as Pressed, Kind, NavKey};
use kiosk_core::kiosk::{Act, Event};
use slint::{
    SharedString, Window,
    platform::{Key, WindowEvent},
};

/// Sends one key to the window; returns what the machine is to hear of it.
pub(super) fn dispatch(window: &Window, event: Pressed, in_session: bool) -> Vec<Event> {
    match (event.kind, event.key) {
        (Kind::Release | Kind::Cancel, _) => Vec::new(),
        (Kind::Press, NavKey::Up | NavKey::Down | NavKey::Left | NavKey::Right | NavKey::Select)
            if !in_session =>
        {
            vec![Event::Citizen(Act::Touch)]
        }
        (Kind::Press, NavKey::Down) => press(window, Key::Tab),
        (Kind::Press, NavKey::Up) => press(window, Key::Backtab),
        (Kind::Press, NavKey::Select) => press(window, Key::Return),
        (Kind::Press, NavKey::Left) => vec![Event::Citizen(Act::Back)],
        (Kind::Press, NavKey::Right) => vec![Event::Citizen(Act::Next)],
        // Speech is not built yet: these keys say that somebody is there, no more.
        (
            Kind::Press,
            NavKey::Help
            | NavKey::Repeat
            | NavKey::VolumeUp
            | NavKey::VolumeDown
            | NavKey::JackIn
            | NavKey::JackOut,
        ) => vec![Event::Activity],
    }
}

/// Presses a key and lets it go. Whatever happens in the window, somebody is there.
fn press(window: &Window, key: Key) -> Vec<Event> {
    let text = SharedString::from(key);
    for event in [WindowEvent::KeyPressed { text: text.clone() }, WindowEvent::KeyReleased { text }] {
        if let Err(error) = window.dispatch_event_with_result(event) {
            tracing::error!("keypad: {error}");
        }
    }
    vec![Event::Activity]
}
