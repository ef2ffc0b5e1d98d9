//! The kiosk as one machine: events in, commands and a view out.
//!
//! ```text
//!  handle_event(now, Event) ─┐                 ┌─> next_command() until None
//!  handle_timeout(now) ──────┼──> Kiosk ───────┼─> view(now)
//!  poll_timeout(now) <───────┘                 └─> (nothing else leaves)
//! ```
//!
//! One input, drain all commands, then the next input.
//!
//! Promises: an event that does not fit the moment is ignored and changes nothing; the end of a
//! session drops everything of it, whichever way it ends; *saved* is shown only after the agent said
//! so; a receipt is asked for at most once per transaction.
//! Never: reads a clock, draws randomness by itself, waits.

mod brought;
mod citizen;
mod event;
mod show;
#[cfg(test)]
mod tests;
mod transaction;

pub use event::{Act, Answered, Card, Command, Event, Now, PrintResult, Sheet, Submission, Symbol};

use crate::{
    catalogue::{Catalogue, Service},
    health::Health,
    journey::{Journey, Place},
    secret::Secret,
    session::{Limits, Millis, SessionClock, Tick},
    view::{CardHint, SheetHint},
    wire::{Lookup, ToShell},
};
use std::collections::VecDeque;
use transaction::Transaction;

/// How long the goodbye page stays.
const ENDED_MS: Millis = 8_000;
/// How long a lookup may take before it is called unreachable.
const LOOKUP_MS: Millis = 20_000;

/// Where random bytes come from.
pub trait Entropy {
    /// Fills `bytes` with bytes nobody can guess.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// What a kiosk is set up with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What this place is called.
    pub place: String,
    /// Languages on offer, in order.
    pub languages: Vec<String>,
    /// Where a claim can be looked up; the code is added at the end.
    pub claim_url: String,
    /// Idle warning, extension, absolute limit.
    pub limits: Limits,
}

/// The page a session is on.
#[derive(Debug)]
enum Page {
    Language,
    Services,
    Start,
    Walk(Place),
    Outcome,
    Lookup,
    LookupResult { asked: Millis, found: Option<Lookup> },
}

/// Everything of one citizen. Dropping it forgets it.
struct Session {
    clock: SessionClock,
    language: String,
    page: Page,
    service: Option<usize>,
    journey: Journey,
    problem: Option<crate::form::Problem>,
    changing: bool,
    card: CardHint,
    sheet: SheetHint,
    transaction: Option<Transaction>,
    not_saved: &'static str,
    code: Secret,
    code_problem: &'static str,
    asked_claim: Option<crate::claim::ClaimDigest>,
    ending: bool,
}

/// What the screen does when nobody's session runs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rest {
    Attract,
    /// Takes leave in the language the session had.
    Ended {
        until: Millis,
        language: String,
    },
}

/// The machine.
pub struct Kiosk {
    setup: Setup,
    catalogue: Catalogue,
    entropy: Box<dyn Entropy>,
    health: Health,
    rest: Rest,
    session: Option<Session>,
    commands: VecDeque<Command>,
    armed: bool,
    scanning: bool,
    /// Whoever laid it there, and whenever.
    sheet_on_glass: bool,
}

impl Kiosk {
    /// A kiosk at rest, with devices and agent not heard of yet.
    #[must_use]
    pub fn new(setup: Setup, catalogue: Catalogue, entropy: Box<dyn Entropy>) -> Self {
        Self {
            setup,
            catalogue,
            entropy,
            health: Health::default(),
            rest: Rest::Attract,
            session: None,
            commands: VecDeque::new(),
            armed: false,
            scanning: false,
            sheet_on_glass: false,
        }
    }

    /// Takes one input.
    pub fn handle_event(&mut self, now: Now, event: Event) {
        self.handle_timeout(now);
        match event {
            Event::Citizen(act) => {
                self.activity(now);
                self.act(now, act);
            }
            Event::Activity => self.activity(now),
            Event::Card(card) => {
                self.activity(now);
                self.on_card(card);
            }
            Event::Sheet(sheet) => {
                self.activity(now);
                self.on_sheet(sheet);
            }
            Event::Symbol(symbol) => {
                self.activity(now);
                self.on_symbol(now, symbol);
            }
            Event::Printed(result) => self.on_printed(result),
            Event::Device(device, condition) => self.on_device(device, condition),
            Event::Agent(message) => self.on_agent(now, message),
            Event::AgentConnected(up) => self.on_agent_connected(up),
            Event::Opened { id, answer } => self.on_opened(id, answer),
        }
        self.settle(now);
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.rest != Rest::Attract && self.rest_end().is_some_and(|until| now.mono >= until) {
            self.rest = Rest::Attract;
        }
        let Some(session) = &mut self.session else { return };
        if session.clock.advance(now.mono) == Tick::Expired {
            self.end(now);
            return;
        }
        if let Page::LookupResult { asked, found: found @ None } = &mut session.page
            && now.mono >= asked.saturating_add(LOOKUP_MS)
        {
            *found = Some(Lookup::Unreachable);
        }
        self.advance_transaction(now);
        self.settle(now);
    }

    /// When [`Self::handle_timeout`] must be called next, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self, now: Now) -> Option<Millis> {
        let Some(session) = &self.session else { return self.rest_end() };
        let mut next = session.clock.poll_timeout(now.mono);
        if let Page::LookupResult { asked, found: None } = session.page {
            next = next.min(asked.saturating_add(LOOKUP_MS));
        }
        if let Some(due) = session.transaction.as_ref().and_then(Transaction::due) {
            next = next.min(due);
        }
        Some(next)
    }

    /// What is to be done, oldest first.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Whether somebody's session is running.
    #[must_use]
    pub fn in_session(&self) -> bool {
        self.session.is_some()
    }

    fn rest_end(&self) -> Option<Millis> {
        match self.rest {
            Rest::Attract => None,
            Rest::Ended { until, .. } => Some(until),
        }
    }

    fn activity(&mut self, now: Now) {
        if let Some(session) = &mut self.session {
            session.clock.activity(now.mono);
        }
    }

    /// Ends the session, whatever state it is in.
    fn end(&mut self, now: Now) {
        if let Some(session) = self.session.take() {
            let until = now.mono.saturating_add(ENDED_MS);
            self.rest = Rest::Ended { until, language: session.language };
            self.commands.push_back(Command::Wipe);
        }
        self.settle(now);
    }

    /// What follows from every change: the gates, and whether idle time runs.
    fn settle(&mut self, now: Now) {
        let wanted = self.card_field().is_some();
        if wanted != self.armed {
            self.armed = wanted;
            self.commands.push_back(Command::ArmCardReader(wanted));
        }
        let scanning = self.session.as_ref().is_some_and(|session| matches!(session.page, Page::Lookup));
        if scanning != self.scanning {
            self.scanning = scanning;
            self.commands.push_back(Command::ArmScanner(scanning));
        }
        if let Some(session) = &mut self.session {
            let busy = session.transaction.as_ref().is_some_and(Transaction::is_busy);
            session.clock.hold(busy || session.sheet == SheetHint::Scanning, now.mono);
        }
    }

    fn service(&self) -> Option<&Service> {
        self.session
            .as_ref()
            .and_then(|session| session.service)
            .and_then(|n| self.catalogue.services().get(n))
    }

    fn on_agent(&mut self, now: Now, message: ToShell) {
        match message {
            ToShell::Hello { .. } => {}
            ToShell::Link { up } => self.health.link = up,
            ToShell::Saved { id } => self.on_saved(now, id),
            ToShell::NotSaved { id, reason } => self.on_not_saved(id, reason),
            ToShell::Settled { id, outcome } => self.on_settled(id, outcome),
            ToShell::Found { claim, found } => self.on_found(claim, found),
        }
    }

    fn on_found(&mut self, claim: crate::claim::ClaimDigest, answer: Lookup) {
        let Some(session) = &mut self.session else { return };
        if session.asked_claim != Some(claim) {
            return;
        }
        if let Page::LookupResult { found: found @ None, .. } = &mut session.page {
            *found = Some(answer);
        }
    }
}
