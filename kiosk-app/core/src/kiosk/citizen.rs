//! What a citizen does on the screen.

use super::{Act, Command, Kiosk, Now, Page, Rest, Session, Transaction};
use crate::{
    claim::{ClaimCode, ClaimError},
    form::{Field, FieldKind, FieldName, Form, NO, PartId, YES},
    ids::ServiceId,
    journey::{Journey, Place},
    secret::Secret,
    session::SessionClock,
    view::{CardHint, SheetHint},
};

impl Kiosk {
    pub(super) fn act(&mut self, now: Now, act: Act) {
        if self.session.is_none() {
            if act == Act::Touch {
                self.begin_session(now);
            }
            return;
        }
        match act {
            Act::Touch => {}
            Act::Language(language) => self.set_language(language),
            Act::Service(id) => self.choose_service(&id),
            Act::OpenLookup => self.go(Page::Lookup),
            Act::Begin | Act::Next => self.next(now),
            Act::Edit { part, text } => self.edit(&part, text),
            Act::Choose(value) => self.choose(&value),
            Act::Back => self.back(),
            Act::Change(field) => self.change(field),
            Act::Submit => self.submit(now),
            Act::Scan => self.scan(),
            Act::TypeCode(text) => self.type_code(text),
            Act::LookUp => self.look_up(now),
            Act::MoreTime => self.more_time(now),
            Act::EndSession => self.ask_to_end(now),
            Act::KeepGoing => self.keep_going(),
            Act::Finish => self.end(now),
        }
    }

    fn begin_session(&mut self, now: Now) {
        if self.health.out_of_service(self.catalogue.services().len()).is_some() {
            return;
        }
        let language = self.setup.languages.first().cloned().unwrap_or_default();
        self.rest = Rest::Attract;
        self.session = Some(Session {
            clock: SessionClock::new(self.setup.limits, now.mono),
            language,
            page: Page::Language,
            service: None,
            journey: Journey::default(),
            problem: None,
            changing: false,
            card: CardHint::None,
            sheet: SheetHint::None,
            transaction: None,
            not_saved: "",
            code: Secret::default(),
            code_problem: "",
            asked_claim: None,
            ending: false,
        });
    }

    fn set_language(&mut self, language: String) {
        if !self.setup.languages.contains(&language) {
            return;
        }
        let Some(session) = &mut self.session else { return };
        session.language = language;
        if matches!(session.page, Page::Language) {
            session.page = Page::Services;
        }
    }

    fn choose_service(&mut self, id: &ServiceId) {
        let found = self.catalogue.services().iter().position(|service| service.id == *id);
        let Some(session) = &mut self.session else { return };
        if let (Page::Services, Some(n)) = (&session.page, found) {
            session.service = Some(n);
            session.journey = Journey::default();
            session.page = Page::Start;
        }
    }

    /// Moves to `page` and forgets what belonged to the page before.
    pub(super) fn go(&mut self, page: Page) {
        let Some(session) = &mut self.session else { return };
        if session.transaction.is_some() {
            return;
        }
        session.page = page;
        session.problem = None;
        session.card = CardHint::None;
        session.sheet = SheetHint::None;
        session.not_saved = "";
        session.code = Secret::default();
        session.code_problem = "";
        if self.card_field().is_some()
            && let Some(session) = &mut self.session
        {
            session.card = CardHint::Insert;
        }
        self.show_sheet_hint();
    }

    fn next(&mut self, now: Now) {
        let today = self.today(now);
        let Some(session) = &mut self.session else { return };
        let Some(service) = session.service.and_then(|n| self.catalogue.services().get(n)) else { return };
        let Some(form) = service.form(&session.language) else { return };
        let to = match &session.page {
            Page::Start => Some(session.journey.first(form)),
            Page::Walk(place) => {
                let place = place.clone();
                if let Some(field) = field_at(form, &place)
                    && let Err(problem) = session.journey.accept(form, field, today)
                {
                    session.problem = Some(problem);
                    return;
                }
                if session.changing {
                    let to = session.journey.after_change(form);
                    session.changing = to != Place::Check;
                    Some(to)
                } else {
                    session.journey.after(form, &place)
                }
            }
            Page::Language | Page::Services | Page::Outcome | Page::Lookup | Page::LookupResult { .. } => {
                None
            }
        };
        if let Some(place) = to {
            self.go(Page::Walk(place));
        }
    }

    fn back(&mut self) {
        let Some(session) = &mut self.session else { return };
        let form = session
            .service
            .and_then(|n| self.catalogue.services().get(n))
            .and_then(|service| service.form(&session.language));
        let to = match (&session.page, form) {
            (Page::Services, _) => Page::Language,
            (Page::Start | Page::Lookup, _) => Page::Services,
            (Page::LookupResult { .. }, _) => Page::Lookup,
            (Page::Walk(_), Some(_)) if session.changing => Page::Walk(Place::Check),
            (Page::Walk(place), Some(form)) => {
                session.journey.before(form, place).map_or(Page::Start, Page::Walk)
            }
            (Page::Language | Page::Outcome | Page::Walk(_), _) => return,
        };
        session.changing = false;
        self.go(to);
    }

    fn change(&mut self, field: String) {
        let Some(session) = &mut self.session else { return };
        if matches!(session.page, Page::Walk(Place::Check)) && session.transaction.is_none() {
            session.changing = true;
            self.go(Page::Walk(Place::Question(field)));
        }
    }

    fn edit(&mut self, part: &str, text: Secret) {
        let (Some(part), Some((_, name))) = (PartId::from_code(part), self.field()) else { return };
        if let Some(session) = &mut self.session {
            session.journey.drafts.edit(&name).parts.insert(part, text);
        }
    }

    fn choose(&mut self, value: &str) {
        let Some((field, name)) = self.field() else { return };
        let (known, many) = match &field.kind {
            FieldKind::YesNo => (value == YES || value == NO, false),
            FieldKind::Radios { .. } | FieldKind::Select { .. } => (self.offers(&name, value), false),
            FieldKind::Checkboxes { .. } => (self.offers(&name, value), true),
            FieldKind::Text { .. }
            | FieldKind::Multiline { .. }
            | FieldKind::Number { .. }
            | FieldKind::DateParts { .. }
            | FieldKind::MonthYear
            | FieldKind::Email
            | FieldKind::Telephone
            | FieldKind::UkAddress
            | FieldKind::Website
            | FieldKind::File { .. } => (false, false),
        };
        let Some(session) = &mut self.session else { return };
        let draft = session.journey.drafts.edit(&name);
        match (known, many) {
            (true, true) => draft.toggle(value),
            (true, false) => draft.choose_only(value),
            (false, _) => {}
        }
    }

    fn offers(&self, name: &FieldName, value: &str) -> bool {
        let form = self.form();
        let field = form.and_then(|form| form.field(name.as_str()));
        form.zip(field)
            .is_some_and(|(form, field)| form.choices(field).iter().any(|item| item.value == value))
    }

    fn more_time(&mut self, now: Now) {
        if let Some(session) = &mut self.session {
            session.clock.extend(now.mono);
        }
    }

    /// Before anything is typed, and after it is saved, nothing would be lost: the session just ends.
    fn ask_to_end(&mut self, now: Now) {
        let Some(session) = &mut self.session else { return };
        let would_lose = match session.page {
            Page::Walk(_) => session.transaction.is_none(),
            Page::Outcome => session.transaction.as_ref().is_some_and(Transaction::is_in_doubt),
            Page::Language | Page::Services | Page::Start | Page::Lookup | Page::LookupResult { .. } => false,
        };
        if would_lose && !session.ending {
            session.ending = true;
        } else {
            self.end(now);
        }
    }

    fn keep_going(&mut self) {
        if let Some(session) = &mut self.session {
            session.ending = false;
        }
    }

    fn type_code(&mut self, text: Secret) {
        let Some(session) = &mut self.session else { return };
        if matches!(session.page, Page::Lookup) {
            session.code = text;
            session.code_problem = "";
        }
    }

    fn look_up(&mut self, now: Now) {
        let Some(session) = &mut self.session else { return };
        if !matches!(session.page, Page::Lookup) {
            return;
        }
        match session.code.expose().parse::<ClaimCode>() {
            Ok(code) => self.ask_about(now, &code),
            Err(ClaimError::Length) => session.code_problem = "length",
            Err(ClaimError::Symbol) => session.code_problem = "symbol",
            Err(ClaimError::Check) => session.code_problem = "check",
        }
    }

    /// Asks the agent what is proven about a claim.
    pub(super) fn ask_about(&mut self, now: Now, code: &ClaimCode) {
        let Some(session) = &mut self.session else { return };
        let claim = code.digest();
        session.asked_claim = Some(claim);
        self.commands.push_back(Command::Lookup(claim));
        self.go(Page::LookupResult { asked: now.mono, found: None });
    }

    /// The form in the session's language.
    pub(super) fn form(&self) -> Option<&Form> {
        self.service()?.form(&self.session.as_ref()?.language)
    }

    /// The question on the screen.
    pub(super) fn field(&self) -> Option<(&Field, FieldName)> {
        let session = self.session.as_ref()?;
        let Page::Walk(place) = &session.page else { return None };
        let field = field_at(self.form()?, place)?;
        Some((field, field.name.clone()))
    }
}

fn field_at<'a>(form: &'a Form, place: &Place) -> Option<&'a Field> {
    match place {
        Place::Question(name) => form.field(name),
        Place::Text(_) | Place::Check => None,
    }
}
