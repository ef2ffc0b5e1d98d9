//! The watchdog's food: frames that the renderer finished.
//!
//! ```text
//!  every WATCHDOG_USEC / 3    beat n+1 -> ui `Pulse.beat` -> the whole window is dirty
//!  the renderer                          reads a colour of beat n+1 while it paints the frame
//!  next time                  was the last beat painted? WATCHDOG=1. If not: silence
//! ```
//!
//! `ui/app.slint` lays a transparent rectangle over everything; its colour depends on the beat, and Slint asks
//! for it only while it paints. The next beat comes on the same thread, after the frame was handed to the display: a display
//! that never takes it (a page flip that does not come) holds that thread, and the beats end.
//!
//! Promises: READY=1 after the first frame; WATCHDOG=1 only after a frame that was asked for by the last beat.
//! Never: draws when nobody watches.

use super::{App, Pulse as Beats};
use crate::service;
use slint::{Color, ComponentHandle, Global, Timer, TimerMode, Weak};
use std::{cell::Cell, rc::Rc, time::Duration};

/// Keeps beating until dropped.
pub struct Pulse(Rc<Heart>);

struct Heart {
    app: Weak<App>,
    /// What is said after the first frame.
    ready: Cell<Option<&'static str>>,
    /// The last beat asked for.
    asked: Cell<i32>,
    /// The last beat the renderer painted.
    painted: Cell<Option<i32>>,
    timer: Timer,
}

impl Pulse {
    /// Says READY=1 with `status` after the first frame, and from then on proves a frame to systemd's watchdog
    /// as often as it wants.
    #[must_use]
    pub fn start(app: &App, status: &'static str) -> Self {
        let heart = Rc::new(Heart {
            app: app.as_weak(),
            ready: Cell::new(Some(status)),
            asked: Cell::new(0),
            painted: Cell::new(None),
            timer: Timer::default(),
        });
        // Weak: the window must not keep alive what holds the window's timers.
        let listening = Rc::downgrade(&heart);
        Beats::get(app).on_painted(move |beat| {
            if let Some(heart) = listening.upgrade() {
                heart.painted(beat);
            }
            Color::default()
        });
        Self(heart)
    }

    /// Whether somebody watches.
    #[must_use]
    pub fn is_beating(&self) -> bool {
        self.0.timer.running()
    }
}

impl Heart {
    /// Called by the renderer in the middle of a frame.
    fn painted(self: &Rc<Self>, beat: i32) {
        self.painted.set(Some(beat));
        if let Some(status) = self.ready.take() {
            // In the loop's next turn: the frame is on the display then.
            let heart = Rc::downgrade(self);
            Timer::single_shot(Duration::ZERO, move || {
                service::ready(status);
                if let (Some(heart), Some(every)) = (heart.upgrade(), service::beat_every()) {
                    heart.start(every);
                }
            });
        }
    }

    fn start(self: &Rc<Self>, every: Duration) {
        let heart = Rc::downgrade(self);
        self.timer.start(TimerMode::Repeated, every, move || {
            if heart.upgrade().is_some_and(|heart| heart.beat()) {
                service::alive(None);
            }
        });
    }

    /// Asks for the next frame; whether the last one asked for was painted.
    fn beat(&self) -> bool {
        let alive = self.painted.get() == Some(self.asked.get());
        if alive && let Some(app) = self.app.upgrade() {
            self.asked.set(self.asked.get().wrapping_add(1));
            Beats::get(&app).set_beat(self.asked.get());
        } else {
            tracing::warn!("no frame since the last beat");
        }
        alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::headless::Headless;
    use crate::service::watched::{PART, Watched, is_watched, mark};
    use std::time::Instant;

    /// Started by the test below as a process of its own, since systemd's variables are a process's.
    #[test]
    fn a_screen_that_stands_still_for_a_while() {
        let screen = Headless::install(400, 600).unwrap();
        let app = App::new().unwrap();
        app.show().unwrap();
        let pulse = Pulse::start(&app, "serving");
        if !is_watched() {
            // Alone it shows that nobody is served who does not watch.
            screen.settle();
            assert!(!pulse.is_beating() && !screen.draw(), "an idle page was drawn for nobody");
            return;
        }
        live(|| _ = screen.draw());
        assert!(pulse.is_beating());
        mark("frozen");
        live(slint::platform::update_timers_and_animations);
        mark("thawed");
        live(|| _ = screen.draw());
        mark("end");
    }

    /// The event loop for one part; `turn` is what it does when it wakes.
    fn live(turn: impl Fn()) {
        let begin = Instant::now();
        while begin.elapsed() < PART {
            turn();
            let wait = slint::platform::duration_until_next_timer_update().unwrap_or(PART);
            // Nobody posts: this is the loop's wait for its next timer.
            std::thread::park_timeout(wait.clamp(Duration::from_millis(1), PART));
        }
    }

    #[test]
    fn frames_that_stop_leave_the_watchdog_hungry() {
        let watched = Watched::start("screen::pulse::tests::a_screen_that_stands_still_for_a_while");
        let said = |words| watched.fed_until(words);
        assert_eq!(said("READY=1\nSTATUS=serving"), 0, "fed before the first frame");
        let drawing = said("STATUS=frozen");
        let frozen = said("STATUS=thawed");
        let again = said("STATUS=end");
        assert!(watched.ended_well());
        assert!(drawing >= 2, "{drawing} while drawing");
        // A frame painted just before the freeze is still told.
        assert!(frozen <= 1, "{frozen} without a frame");
        assert!(again >= 2, "{again} after drawing again");
    }
}
