//! The only code that touches generated Slint types: view in, acts out.
//!
//! Promises: what the screen shows is the view and nothing else; a text box keeps its focus while its
//! owner types, and is made anew when its text changes by any other hand.
//! Never: decides anything.

use crate::screen::{self as ui, App, words};
use kiosk_core::{
    form::{Line, TextBlock},
    view::{CardHint, Choice, Input, Printing, Proof, Question, Screen, SheetHint, View},
};
use slint::{Global, Image, Model, ModelRc, SharedString, VecModel};
use std::rc::Rc;

/// The models behind the lists on the screen, and what was shown last.
pub struct Adapter {
    app: App,
    last: View,
    parts: Rc<VecModel<ui::Part>>,
    choices: Rc<VecModel<ui::Choice>>,
}

impl Adapter {
    /// Connects the models to `app`.
    #[must_use]
    pub fn new(app: App) -> Self {
        let adapter = Self { app, last: View::default(), parts: Rc::default(), choices: Rc::default() };
        let page = ui::Page::get(&adapter.app);
        page.set_parts(ModelRc::from(Rc::clone(&adapter.parts)));
        page.set_choices(ModelRc::from(Rc::clone(&adapter.choices)));
        adapter
    }

    /// The window.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Shows `view`. `typed`: the only change is what the citizen typed into the box on the screen.
    pub fn show(&mut self, view: View, typed: bool) {
        if view == self.last {
            return;
        }
        let page = ui::Page::get(&self.app);
        if view.language != self.last.language {
            self.speak(&view.language);
        }
        self.show_lists(&view, typed);
        if let Some(question) = &view.question {
            show_question(&page, question);
        }
        let service = view.service.as_ref();
        page.set_service_title(service.map_or("", |s| s.title.as_str()).into());
        page.set_service_operator(service.map_or("", |s| s.operator.as_str()).into());
        page.set_service_minutes(service.map_or(0, |s| number(s.minutes)));
        page.set_title(view.title.as_str().into());
        page.set_not_saved(view.not_saved.into());
        self.show_outcome(&view);
        page.set_code(view.code.expose().into());
        page.set_code_problem(view.code_problem.into());
        page.set_idle_warning(view.seconds_left.is_some());
        page.set_seconds_left(number(view.seconds_left.unwrap_or_default()));
        page.set_ending(view.ending);
        page.set_in_doubt(view.in_doubt);
        page.set_out_of_service(view.out_of_service.into());
        page.set_link_up(view.link_up);
        page.set_printer_code(view.printer_code.into());
        page.set_can_scan(view.can_scan);
        page.set_screen(screen(view.screen));
        self.last = view;
    }

    /// Forgets everything a citizen could have left in a property, a model or a cache.
    pub fn wipe(&mut self) {
        self.show(View { screen: self.last.screen, ..View::default() }, false);
        let page = ui::Page::get(&self.app);
        page.set_claim_qr(Image::default());
        page.set_body(ModelRc::default());
        page.set_large_text(false);
        page.set_high_contrast(false);
        self.parts.set_vec(Vec::new());
        self.choices.set_vec(Vec::new());
    }

    /// Switches words and reading direction.
    fn speak(&self, language: &str) {
        let language = if language.is_empty() { words::FIRST } else { language };
        if let Err(error) = words::select(&self.app, language) {
            tracing::error!(language, "no translation: {error}");
        }
    }

    fn show_lists(&self, view: &View, typed: bool) {
        let page = ui::Page::get(&self.app);
        if view.services != self.last.services {
            page.set_services(model(view.services.iter().map(|service| ui::ServiceCard {
                id: service.id.as_str().into(),
                title: service.title.as_str().into(),
                summary: service.summary.as_str().into(),
                operator: service.operator.as_str().into(),
                minutes: number(service.minutes),
            })));
        }
        if view.rows != self.last.rows {
            page.set_rows(model(view.rows.iter().map(|row| ui::Row {
                field: row.field.as_str().into(),
                question: row.question.as_str().into(),
                answer: self.lines(&row.answer),
            })));
        }
        let question = view.question.as_ref();
        let before = self.last.question.as_ref();
        let body = question.map_or(&view.body, |q| &q.body);
        if *body != *before.map_or(&self.last.body, |q| &q.body) || view.screen != self.last.screen {
            page.set_body(blocks(body));
        }
        let same = question.map(|q| &q.field) == before.map(|q| &q.field);
        let parts = question.map_or(&[][..], |q| &q.parts).iter().map(|part| ui::Part {
            id: part.id.as_str().into(),
            value: part.value.expose().into(),
            wrong: part.wrong,
        });
        let parts: Vec<_> = parts.collect();
        let retyped =
            same && parts.iter().zip(self.parts.iter()).all(|(new, old)| typed || new.value == old.value);
        update(&self.parts, parts, retyped);
        let choices = question.map_or(&[][..], |q| &q.choices).iter().map(|choice| self.choice(choice));
        update(&self.choices, choices.collect(), same);
    }

    fn choice(&self, choice: &Choice) -> ui::Choice {
        let words = ui::Words::get(&self.app);
        let label = if choice.label.is_empty() {
            words.invoke_yes_no(choice.value.as_str().into())
        } else {
            choice.label.as_str().into()
        };
        ui::Choice {
            value: choice.value.as_str().into(),
            label,
            hint: choice.hint.as_str().into(),
            chosen: choice.chosen,
        }
    }

    fn lines(&self, answer: &[Line]) -> SharedString {
        let words = ui::Words::get(&self.app);
        let mut text = SharedString::new();
        for line in answer {
            if !text.is_empty() {
                text.push_str("\n");
            }
            match line {
                Line::Text(secret) => text.push_str(secret.expose()),
                Line::Yes => text.push_str(&words.invoke_yes_no("yes".into())),
                Line::No => text.push_str(&words.invoke_yes_no("no".into())),
            }
        }
        text
    }

    fn show_outcome(&self, view: &View) {
        let page = ui::Page::get(&self.app);
        let (outcome, before) = (&view.outcome, &self.last.outcome);
        page.set_proof(proof(outcome.proof));
        page.set_reference(outcome.reference.as_str().into());
        page.set_staff_code(outcome.staff_code.as_str().into());
        page.set_printing(printing(outcome.printing));
        page.set_printing_code(outcome.printing_code.into());
        page.set_claim_code(outcome.claim.as_str().into());
        if outcome.qr != before.qr {
            page.set_claim_qr(if outcome.qr.is_empty() {
                Image::default()
            } else {
                ui::qr::image(&outcome.qr)
            });
        }
    }
}

fn show_question(page: &ui::Page<'_>, question: &Question) {
    page.set_field(question.field.as_str().into());
    page.set_field_title(question.title.as_str().into());
    page.set_optional(question.optional);
    page.set_hint(blocks(&question.hint));
    page.set_details_title(question.details_title.as_str().into());
    page.set_details(blocks(&question.details));
    page.set_input(input(question.input));
    page.set_question_number(number(question.number));
    page.set_card_hint(card(question.card));
    page.set_document_state(sheet(question.sheet));
    page.set_device_code(question.device_code.into());
    page.set_document_name(question.document.as_str().into());
    let problem = question.problem.as_ref().map(|problem| ui::Problem {
        field: question.field.as_str().into(),
        title: question.title.as_str().into(),
        code: problem.code.as_str().into(),
        arg: problem.arg.clone().unwrap_or_default().into(),
    });
    page.set_problems(model(problem.into_iter()));
}

/// In place where only values changed, so that a text box keeps its focus; else made anew.
fn update<T: Clone + PartialEq + 'static>(model: &VecModel<T>, rows: Vec<T>, in_place: bool) {
    if !in_place || model.row_count() != rows.len() {
        if model.row_count() + rows.len() > 0 {
            model.set_vec(rows);
        }
        return;
    }
    for (n, row) in rows.into_iter().enumerate() {
        if model.row_data(n).as_ref() != Some(&row) {
            model.set_row_data(n, row);
        }
    }
}

fn model<T: Clone + 'static>(rows: impl Iterator<Item = T>) -> ModelRc<T> {
    ModelRc::new(rows.collect::<VecModel<T>>())
}

fn blocks(text: &[TextBlock]) -> ModelRc<ui::TextBlock> {
    model(text.iter().map(|block| ui::TextBlock {
        kind: match block {
            TextBlock::Heading(_) => ui::BlockKind::Heading,
            TextBlock::Paragraph(_) => ui::BlockKind::Paragraph,
            TextBlock::Bullet(_) => ui::BlockKind::Bullet,
        },
        text: block.as_str().into(),
    }))
}

fn number(n: impl TryInto<i32>) -> i32 {
    n.try_into().unwrap_or(i32::MAX)
}

fn screen(screen: Screen) -> ui::Screen {
    match screen {
        Screen::Attract => ui::Screen::Attract,
        Screen::Language => ui::Screen::Language,
        Screen::Services => ui::Screen::Services,
        Screen::Start => ui::Screen::Start,
        Screen::Question => ui::Screen::Question,
        Screen::Check => ui::Screen::Check,
        Screen::Working => ui::Screen::Working,
        Screen::Outcome => ui::Screen::Outcome,
        Screen::Lookup => ui::Screen::Lookup,
        Screen::LookingUp => ui::Screen::LookingUp,
        Screen::LookupResult => ui::Screen::LookupResult,
        Screen::Ended => ui::Screen::Ended,
        Screen::OutOfService => ui::Screen::OutOfService,
    }
}

fn input(input: Input) -> ui::Input {
    match input {
        Input::Text => ui::Input::Text,
        Input::Multiline => ui::Input::Multiline,
        Input::Number => ui::Input::Number,
        Input::Email => ui::Input::Email,
        Input::Telephone => ui::Input::Telephone,
        Input::Website => ui::Input::Website,
        Input::OneOf => ui::Input::OneOf,
        Input::ManyOf => ui::Input::ManyOf,
        Input::Date | Input::MonthYear => ui::Input::Date,
        Input::Address => ui::Input::Address,
        Input::Document => ui::Input::Document,
    }
}

fn proof(proof: Proof) -> ui::Proof {
    match proof {
        Proof::Unknown => ui::Proof::Unknown,
        Proof::SavedHere => ui::Proof::SavedHere,
        Proof::Sent => ui::Proof::Sent,
        Proof::Answered => ui::Proof::Answered,
        Proof::NeedsStaff => ui::Proof::NeedsStaff,
        Proof::Unreachable => ui::Proof::Unreachable,
    }
}

fn printing(printing: Printing) -> ui::Printing {
    match printing {
        Printing::None => ui::Printing::None,
        Printing::Printing => ui::Printing::Printing,
        Printing::Printed => ui::Printing::Printed,
        Printing::Unproven => ui::Printing::Unproven,
        Printing::NoPaper => ui::Printing::FailedPaper,
        Printing::CoverOpen => ui::Printing::FailedCover,
        Printing::Failed => ui::Printing::FailedOther,
    }
}

fn card(hint: CardHint) -> ui::CardHint {
    match hint {
        CardHint::None => ui::CardHint::None,
        CardHint::Insert => ui::CardHint::Insert,
        CardHint::Reading => ui::CardHint::Reading,
        CardHint::Read => ui::CardHint::Read,
        CardHint::WrongWay => ui::CardHint::WrongWay,
        CardHint::Payment => ui::CardHint::Payment,
        CardHint::Torn => ui::CardHint::Torn,
        CardHint::Missing => ui::CardHint::Missing,
    }
}

fn sheet(hint: SheetHint) -> ui::DocumentState {
    match hint {
        SheetHint::None => ui::DocumentState::None,
        SheetHint::Place => ui::DocumentState::PlaceSheet,
        SheetHint::Ready => ui::DocumentState::Ready,
        SheetHint::Scanning => ui::DocumentState::Scanning,
        SheetHint::Scanned => ui::DocumentState::Scanned,
        SheetHint::Failed => ui::DocumentState::Failed,
        SheetHint::Missing => ui::DocumentState::Missing,
    }
}
