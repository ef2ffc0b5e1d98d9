//! One submission: from *send* to *saved*, to whatever is proven, to the receipt.
//!
//! ```text
//!  Saving ──saved──> Known(SavedHere) ──settled──> Known(Sent | Answered | NeedsStaff)
//!    │ not saved            │
//!    │ └─> check page       └── print once: at once when the link is down, else when the answer is
//!    └ silence ──> Doubtful      here or PRINT_WAIT_MS are over
//!                    └─ the same envelope again, every SAVE_MS
//! ```
//!
//! Promises: the same envelope is sent again after silence or a lost agent, never a second one; the
//! receipt says what is proven when it is printed.

use super::{Answered, Command, Kiosk, Now, Page, PrintResult, Submission};
use crate::{
    claim::ClaimCode,
    form::date_at,
    ids::EnvelopeId,
    journey::Place,
    receipt::{Facts, receipt},
    request::{Context, RequestError, build},
    session::Millis,
    view::Printing,
    wire::{ClaimState, NotSaved, Settled, Stamp},
};

/// How long the agent may take to save.
const SAVE_MS: Millis = 15_000;
/// How long the receipt waits for an answer when the link is up.
const PRINT_WAIT_MS: Millis = 4_000;
/// How long a print job may take before the screen says that nothing is proven.
const PRINT_MS: Millis = 60_000;

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Handed to the agent.
    Saving { until: Millis },
    /// The agent did not say in time; asked again then.
    Doubtful { again: Millis },
    /// This is proven.
    Known(ClaimState),
}

/// When the receipt is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paper {
    NotYet,
    Due { at: Millis },
    Asked { until: Millis },
    Ended(Printing),
}

/// One submission of this session.
pub(super) struct Transaction {
    pub(super) id: EnvelopeId,
    pub(super) claim: ClaimCode,
    pub(super) made_at: Stamp,
    pub(super) progress: Progress,
    pub(super) paper: Paper,
}

impl Transaction {
    /// When time changes something.
    pub(super) fn due(&self) -> Option<Millis> {
        let saving = match self.progress {
            Progress::Saving { until } => Some(until),
            Progress::Doubtful { again } => Some(again),
            Progress::Known(_) => None,
        };
        let paper = match self.paper {
            Paper::Due { at } => Some(at),
            Paper::Asked { until } => Some(until),
            Paper::NotYet | Paper::Ended(_) => None,
        };
        saving.into_iter().chain(paper).min()
    }

    /// The kiosk works for the citizen, who must not be logged out meanwhile.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.progress, Progress::Saving { .. })
            || matches!(self.paper, Paper::Due { .. } | Paper::Asked { .. })
    }

    /// Nobody said yet that it is saved.
    pub(super) fn is_in_doubt(&self) -> bool {
        match self.progress {
            Progress::Saving { .. } | Progress::Doubtful { .. } => true,
            Progress::Known(_) => false,
        }
    }

    /// How the receipt is doing.
    pub(super) fn printing(&self) -> Printing {
        match self.paper {
            Paper::NotYet => Printing::None,
            Paper::Due { .. } | Paper::Asked { .. } => Printing::Printing,
            Paper::Ended(how) => how,
        }
    }
}

impl Kiosk {
    /// "Accept and send" on the check page. What is still open is asked for first.
    pub(super) fn submit(&mut self, now: Now) {
        let until = now.mono.saturating_add(SAVE_MS);
        let (Some(session), Some(service)) = (&self.session, self.service()) else { return };
        let at_check = matches!(session.page, Page::Walk(Place::Check)) && session.transaction.is_none();
        let Some(form) = service.form(&session.language).filter(|_| at_check) else { return };
        if !session.journey.is_complete(form) {
            let open = session.journey.after_change(form);
            return self.ask_first(open);
        }
        let answers = session.journey.answers().clone();
        let language = session.language.clone();
        let mut id_bytes = [0; 10];
        self.entropy.fill(&mut id_bytes);
        let id = EnvelopeId::new(now.stamp.unix_ms, id_bytes);
        let claim = self.draw_claim();
        let mut boundary = [0; 16];
        self.entropy.fill(&mut boundary);
        let Some(service) = self.service() else { return };
        let Some(form) = service.form(&language) else { return };
        let context = Context { envelope: id, language: service.language(&language), boundary };
        let request = match build(&service.request, form, &answers, context) {
            Ok(request) => request,
            Err(why) => return self.cannot_build(why),
        };
        let submission = Submission {
            id,
            service: service.id.clone(),
            claim: claim.digest(),
            made_at: now.stamp,
            request,
        };
        self.commands.push_back(Command::Submit(Box::new(submission)));
        let progress = Progress::Saving { until };
        let transaction = Transaction { id, claim, made_at: now.stamp, progress, paper: Paper::NotYet };
        if let Some(session) = &mut self.session {
            session.not_saved = "";
            session.transaction = Some(transaction);
            session.page = Page::Outcome;
        }
    }

    /// Goes to the question that keeps the answers from being sent.
    fn ask_first(&mut self, open: Place) {
        let Some(session) = &mut self.session else { return };
        if open == Place::Check {
            session.not_saved = "not-saved-again";
        } else {
            session.changing = true;
            self.go(Page::Walk(open));
        }
    }

    fn cannot_build(&mut self, why: RequestError) {
        let Some(session) = &mut self.session else { return };
        session.not_saved = match why {
            RequestError::TooLarge { .. } => "not-saved-too-large",
            RequestError::DescriptionTooLong { .. } => "not-saved-too-long",
            RequestError::Unfinished | RequestError::Boundary => "not-saved-again",
        };
    }

    fn draw_claim(&mut self) -> ClaimCode {
        loop {
            let mut bytes = [0; 8];
            self.entropy.fill(&mut bytes);
            if let Some(claim) = ClaimCode::draw(bytes) {
                return claim;
            }
        }
    }

    pub(super) fn on_saved(&mut self, now: Now, id: EnvelopeId) {
        let wait = if self.health.link { PRINT_WAIT_MS } else { 0 };
        let Some(sent) = self.transaction(id) else { return };
        if matches!(sent.progress, Progress::Saving { .. } | Progress::Doubtful { .. }) {
            sent.progress = Progress::Known(ClaimState::SavedHere);
        }
        if sent.paper == Paper::NotYet {
            sent.paper = Paper::Due { at: now.mono.saturating_add(wait) };
        }
        self.advance_transaction(now);
    }

    pub(super) fn on_not_saved(&mut self, id: EnvelopeId, reason: NotSaved) {
        let Some(sent) = self.transaction(id) else { return };
        if !matches!(sent.progress, Progress::Saving { .. } | Progress::Doubtful { .. }) {
            return;
        }
        if let Some(session) = &mut self.session {
            session.transaction = None;
            session.page = Page::Walk(Place::Check);
            session.not_saved = match reason {
                NotSaved::Full => "not-saved-full",
                NotSaved::Storage => "not-saved-storage",
                NotSaved::TooLarge => "not-saved-too-large",
            };
        }
    }

    pub(super) fn on_settled(&mut self, id: EnvelopeId, outcome: Settled) {
        let Some(sent) = self.transaction(id) else { return };
        let state = match outcome {
            Settled::Sent => ClaimState::Sent,
            Settled::NeedsStaff { code, detail } => ClaimState::NeedsStaff { code, detail },
            Settled::Answered { sealed } => {
                sent.improve(ClaimState::Sent);
                self.commands.push_back(Command::Open { id, sealed });
                return;
            }
        };
        sent.improve(state);
    }

    pub(super) fn on_opened(&mut self, id: EnvelopeId, answer: Option<Answered>) {
        let Some(sent) = self.transaction(id) else { return };
        let Some(Answered { status, reference }) = answer else { return };
        if (200..300).contains(&status) {
            sent.improve(ClaimState::Answered { reference });
        } else {
            let detail = format!("The service answered {status}.");
            sent.improve(ClaimState::NeedsStaff { code: "service-refused".to_owned(), detail });
        }
    }

    pub(super) fn on_printed(&mut self, result: PrintResult) {
        let Some(session) = &mut self.session else { return };
        let Some(sent) = &mut session.transaction else { return };
        if matches!(sent.paper, Paper::Asked { .. }) || sent.paper == Paper::Ended(Printing::Unproven) {
            sent.paper = Paper::Ended(match result {
                PrintResult::Proven => Printing::Printed,
                PrintResult::Unproven => Printing::Unproven,
                PrintResult::NoPaper => Printing::NoPaper,
                PrintResult::CoverOpen => Printing::CoverOpen,
                PrintResult::Failed => Printing::Failed,
            });
        }
    }

    pub(super) fn on_agent_connected(&mut self, up: bool) {
        self.health.agent = up;
        // Nothing proves that the link is down until a delivery failed.
        self.health.link = up;
        let Some(session) = &mut self.session else { return };
        if let Some(sent) = &mut session.transaction
            && up
            && matches!(sent.progress, Progress::Saving { .. } | Progress::Doubtful { .. })
        {
            self.commands.push_back(Command::Resend(sent.id));
        }
    }

    /// Time passes for the transaction: silence becomes doubt, a receipt becomes due.
    pub(super) fn advance_transaction(&mut self, now: Now) {
        let Some(sent) = self.session.as_mut().and_then(|session| session.transaction.as_mut()) else {
            return;
        };
        let again = now.mono.saturating_add(SAVE_MS);
        match sent.progress {
            Progress::Saving { until: due } | Progress::Doubtful { again: due } if now.mono >= due => {
                sent.progress = Progress::Doubtful { again };
                self.commands.push_back(Command::Resend(sent.id));
            }
            Progress::Saving { .. } | Progress::Doubtful { .. } | Progress::Known(_) => {}
        }
        match sent.paper {
            Paper::Due { at } if now.mono >= at || sent.is_final() => {
                sent.paper = Paper::Asked { until: now.mono.saturating_add(PRINT_MS) };
                self.print();
            }
            Paper::Asked { until } if now.mono >= until => sent.paper = Paper::Ended(Printing::Unproven),
            Paper::Due { .. } | Paper::Asked { .. } | Paper::NotYet | Paper::Ended(_) => {}
        }
    }

    fn print(&mut self) {
        let (Some(session), Some(service)) = (&self.session, self.service()) else { return };
        let Some(sent) = &session.transaction else { return };
        let Progress::Known(state) = &sent.progress else { return };
        let Some(words) = service.words(&session.language) else { return };
        let paper = receipt(&Facts {
            language: &session.language,
            service: &words.title,
            operator: &words.operator,
            kiosk: &self.setup.place,
            submitted: sent.made_at,
            claim: &sent.claim,
            state,
            claim_url: &self.setup.claim_url,
        });
        self.commands.push_back(Command::Print(paper));
    }

    /// The transaction of the running session, if it is this one.
    fn transaction(&mut self, id: EnvelopeId) -> Option<&mut Transaction> {
        let sent = self.session.as_mut()?.transaction.as_mut()?;
        (sent.id == id).then_some(sent)
    }

    /// The day it is here, for questions about dates.
    pub(super) fn today(&self, now: Now) -> Option<crate::form::Date> {
        date_at(now.stamp.unix_ms, now.offset_minutes)
    }
}

impl Transaction {
    fn is_final(&self) -> bool {
        matches!(self.progress, Progress::Known(ClaimState::Answered { .. } | ClaimState::NeedsStaff { .. }))
    }

    /// Takes news that proves more than what is known; older news changes nothing.
    fn improve(&mut self, news: ClaimState) {
        let rank = |state: &ClaimState| match state {
            ClaimState::SavedHere => 1,
            ClaimState::Sent => 2,
            ClaimState::Answered { .. } | ClaimState::NeedsStaff { .. } => 3,
        };
        let known = match &self.progress {
            Progress::Known(state) => rank(state),
            Progress::Saving { .. } | Progress::Doubtful { .. } => 0,
        };
        if rank(&news) > known {
            self.progress = Progress::Known(news);
        }
    }
}
