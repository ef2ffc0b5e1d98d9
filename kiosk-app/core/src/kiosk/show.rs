//! The view: what the machine knows, put on pages.

use super::{
    Kiosk, Now, Page, Rest, Session,
    transaction::{Progress, Transaction},
};
use crate::{
    catalogue::Service,
    form::{Draft, Field, FieldKind, Form, NO, PageKind, PartId, TextBlock, YES},
    health::{Condition, Device, Health, JOB_FAILED},
    journey::{Place, Step, text_around},
    view::{
        CardHint, Choice, Input, Outcome, Part, Printing, Proof, Question, Row, Screen, ServiceCard,
        SheetHint, View,
    },
    wire::{ClaimState, Lookup},
};

impl Kiosk {
    /// The whole screen at `now`.
    #[must_use]
    pub fn view(&self, now: Now) -> View {
        let mut view = View {
            link_up: self.health.link,
            printer_code: self.health.code(Device::Printer),
            can_scan: self.health.serves(Device::BarcodeScanner),
            ..View::default()
        };
        match &self.session {
            Some(session) => self.show_session(session, now, &mut view),
            None => self.show_rest(&mut view),
        }
        view
    }

    fn show_rest(&self, view: &mut View) {
        if let Some(why) = self.health.out_of_service(self.catalogue.services().len()) {
            view.screen = Screen::OutOfService;
            view.out_of_service = why.code();
        } else {
            view.screen = match &self.rest {
                Rest::Attract => Screen::Attract,
                Rest::Ended { language, .. } => {
                    view.language.clone_from(language);
                    Screen::Ended
                }
            };
        }
    }

    fn show_session(&self, session: &Session, now: Now, view: &mut View) {
        let language = session.language.as_str();
        view.language = language.to_owned();
        view.seconds_left = session.clock.seconds_left(now.mono);
        view.ending = session.ending;
        view.in_doubt = session.transaction.as_ref().is_some_and(Transaction::is_in_doubt);
        let service = self.service();
        view.service = service.map(|service| card(service, language));
        let form = service.and_then(|service| service.form(language));
        match &session.page {
            Page::Language => view.screen = Screen::Language,
            Page::Services => {
                view.screen = Screen::Services;
                view.services =
                    self.catalogue.services().iter().map(|service| card(service, language)).collect();
            }
            Page::Start => {
                view.screen = Screen::Start;
                if let Some(form) = form {
                    show_start(form, view);
                }
            }
            Page::Walk(place) => {
                if let Some(form) = form {
                    show_step(session, form, place, view);
                }
                if let Some(question) = &mut view.question {
                    show_missing(&self.health, question);
                }
            }
            Page::Outcome => {
                show_outcome(session, &self.setup.claim_url, view);
                view.outcome.printing_code = no_receipt(view.outcome.printing, view.printer_code);
            }
            Page::Lookup => {
                view.screen = Screen::Lookup;
                view.code = session.code.clone();
                view.code_problem = session.code_problem;
            }
            Page::LookupResult { found, .. } => {
                view.screen = Screen::LookupResult;
                self.show_lookup(found.as_ref(), language, view);
            }
        }
    }

    fn show_lookup(&self, found: Option<&Lookup>, language: &str, view: &mut View) {
        match found {
            None => view.screen = Screen::LookingUp,
            Some(Lookup::Unknown) => view.outcome.proof = Proof::Unknown,
            Some(Lookup::Unreachable) => view.outcome.proof = Proof::Unreachable,
            Some(Lookup::Known { service, state }) => {
                show_state(state, &mut view.outcome);
                let known = self.catalogue.service(service);
                view.service = known.map(|service| card(service, language));
            }
        }
    }
}

fn card(service: &Service, language: &str) -> ServiceCard {
    let words = service.words(language);
    ServiceCard {
        id: service.id.clone(),
        title: words.map_or_else(String::new, |words| words.title.clone()),
        summary: words.map_or_else(String::new, |words| words.summary.clone()),
        operator: words.map_or_else(String::new, |words| words.operator.clone()),
        minutes: service.minutes,
    }
}

fn show_start(form: &Form, view: &mut View) {
    view.title.clone_from(&form.title);
    if let Some(page) = form.page(&form.start).filter(|page| page.kind == PageKind::Start) {
        view.title.clone_from(&page.title);
        view.body = text_around(&Step { page, field: None }).0;
    }
}

fn show_step(session: &Session, form: &Form, place: &Place, view: &mut View) {
    let steps = session.journey.steps(form);
    match place {
        Place::Check => {
            view.screen = Screen::Check;
            view.rows = rows(session, form, &steps);
            view.not_saved = session.not_saved;
        }
        Place::Text(_) => {
            view.screen = Screen::Start;
            if let Some(step) = steps.iter().find(|step| step.place() == *place) {
                view.title.clone_from(&step.page.title);
                view.body = text_around(step).0;
            }
        }
        Place::Question(name) => {
            view.screen = Screen::Question;
            let at = steps.iter().position(|step| step.place() == *place);
            let step = at.and_then(|n| steps.get(n));
            if let (Some(step), Some(field)) = (step, form.field(name)) {
                view.title.clone_from(&step.page.title);
                let questions =
                    steps.iter().take(at.unwrap_or_default()).filter(|s| s.field.is_some()).count();
                view.question = Some(question(session, form, step, field, questions + 1));
            }
        }
    }
}

fn question(session: &Session, form: &Form, step: &Step<'_>, field: &Field, number: usize) -> Question {
    let (body, details) = text_around(step);
    let (details_title, details) =
        details.map_or((String::new(), &[] as &[TextBlock]), |(t, d)| (t.to_owned(), d));
    let empty = Draft::default();
    let draft = session.journey.drafts.get(field.name.as_str()).unwrap_or(&empty);
    let (input, part_ids) = control(&field.kind);
    let wrong = |id: &PartId| {
        session.problem.as_ref().is_some_and(|problem| problem.part.is_none_or(|part| part == *id))
    };
    let value = |id: &PartId| draft.parts.get(id).cloned().unwrap_or_default();
    Question {
        field: field.name.as_str().to_owned(),
        title: field.title.clone(),
        hint: field.hint.clone(),
        body,
        details_title,
        details: details.to_vec(),
        optional: field.optional,
        input,
        parts: part_ids.iter().map(|id| Part { id: *id, value: value(id), wrong: wrong(id) }).collect(),
        choices: choices(form, field, draft),
        problem: session.problem.clone(),
        number,
        card: session.card,
        sheet: session.sheet,
        device_code: "",
        document: draft.files.first().map_or_else(String::new, |file| file.name.expose().to_owned()),
    }
}

/// A device that the question asks for and that does not serve.
fn show_missing(health: &Health, question: &mut Question) {
    if question.card == CardHint::Insert && !health.serves(Device::CardReader) {
        question.card = CardHint::Missing;
        question.device_code = health.code(Device::CardReader);
    }
    if question.sheet == SheetHint::Missing {
        question.device_code = health.code(Device::DocumentScanner);
    }
}

/// Why there is no receipt. `now` is the printer's code by now: it may have been mended since.
fn no_receipt(printing: Printing, now: &'static str) -> &'static str {
    match printing {
        Printing::None | Printing::Printing | Printing::Printed | Printing::Unproven => "",
        Printing::NoPaper => Condition::NoPaper.code(Device::Printer),
        Printing::CoverOpen => Condition::CoverOpen.code(Device::Printer),
        Printing::Failed if now.is_empty() => JOB_FAILED,
        Printing::Failed => now,
    }
}

fn control(kind: &FieldKind) -> (Input, &'static [PartId]) {
    const ONE: &[PartId] = &[PartId::Value];
    const DATE: &[PartId] = &[PartId::Day, PartId::Month, PartId::Year];
    const ADDRESS: &[PartId] =
        &[PartId::Line1, PartId::Line2, PartId::Town, PartId::County, PartId::Postcode];
    match kind {
        FieldKind::Text { .. } => (Input::Text, ONE),
        FieldKind::Multiline { .. } => (Input::Multiline, ONE),
        FieldKind::Number { .. } => (Input::Number, ONE),
        FieldKind::Email => (Input::Email, ONE),
        FieldKind::Telephone => (Input::Telephone, ONE),
        FieldKind::Website => (Input::Website, ONE),
        FieldKind::YesNo | FieldKind::Radios { .. } | FieldKind::Select { .. } => (Input::OneOf, &[]),
        FieldKind::Checkboxes { .. } => (Input::ManyOf, &[]),
        FieldKind::DateParts { .. } => (Input::Date, DATE),
        FieldKind::MonthYear => (Input::MonthYear, &[PartId::Month, PartId::Year]),
        FieldKind::UkAddress => (Input::Address, ADDRESS),
        FieldKind::File { .. } => (Input::Document, &[]),
    }
}

fn choices(form: &Form, field: &Field, draft: &Draft) -> Vec<Choice> {
    let chosen = |value: &str| draft.chosen.contains(value);
    if field.kind == FieldKind::YesNo {
        let choice = |value: &str| Choice {
            value: value.to_owned(),
            label: String::new(),
            hint: String::new(),
            chosen: chosen(value),
        };
        return vec![choice(YES), choice(NO)];
    }
    let items = form.choices(field).iter();
    items
        .map(|item| Choice {
            value: item.value.clone(),
            label: item.label.clone(),
            hint: item.hint.clone(),
            chosen: chosen(&item.value),
        })
        .collect()
}

fn rows(session: &Session, form: &Form, steps: &[Step<'_>]) -> Vec<Row> {
    let row = |field: &Field| {
        let answer = session.journey.answers().get(field.name.as_str())?;
        Some(Row {
            field: field.name.as_str().to_owned(),
            question: field.title.clone(),
            answer: answer.display(form, field),
        })
    };
    steps.iter().filter_map(|step| step.field).filter_map(row).collect()
}

fn show_outcome(session: &Session, claim_url: &str, view: &mut View) {
    let Some(sent) = &session.transaction else { return };
    view.screen = Screen::Outcome;
    let outcome = &mut view.outcome;
    // Also while nothing is proven: the code finds it later if it was saved after all.
    outcome.claim = sent.claim.to_string();
    outcome.qr = format!("{claim_url}{}", sent.claim);
    match &sent.progress {
        Progress::Saving { .. } => {
            view.screen = Screen::Working;
            return;
        }
        Progress::Doubtful { .. } => outcome.proof = Proof::Unknown,
        Progress::Known(state) => show_state(state, outcome),
    }
    outcome.printing = sent.printing();
}

fn show_state(state: &ClaimState, outcome: &mut Outcome) {
    match state {
        ClaimState::SavedHere => outcome.proof = Proof::SavedHere,
        ClaimState::Sent => outcome.proof = Proof::Sent,
        ClaimState::Answered { reference } => {
            outcome.proof = Proof::Answered;
            outcome.reference = reference.clone().unwrap_or_default();
        }
        ClaimState::NeedsStaff { code, .. } => {
            outcome.proof = Proof::NeedsStaff;
            outcome.staff_code.clone_from(code);
        }
    }
}
