//! The walk through one service's form: which step is on the screen, what comes next.
//!
//! A step is one question, or a page of text without questions. Pages come from [`route`]; a page
//! with several questions is several steps.
//!
//! Promises: an answer bypassed by a later change is not asked for, shown or submitted; a change from
//! the check page returns there unless it opened a new question.
//! Never: knows words, time limits or devices.

use crate::form::{
    Answers, Block, Date, Drafts, Field, Form, Page, PageKind, Problem, RouteEnd, TextBlock, check, route,
};

/// One screen of the walk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step<'a> {
    /// The page it belongs to.
    pub page: &'a Page,
    /// Its question; `None` for a page of text.
    pub field: Option<&'a Field>,
}

/// Which step, by name: survives a change of language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The question with this field name.
    Question(String),
    /// The page of text with this path.
    Text(String),
    /// The check page.
    Check,
}

/// What was typed and what of it counts.
#[derive(Debug, Default)]
pub struct Journey {
    /// Everything typed, right or wrong.
    pub drafts: Drafts,
    answers: Answers,
}

impl Journey {
    /// Answers that passed the check.
    #[must_use]
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Checks the draft of `field`; a good one counts from now on, and an earlier one until then.
    ///
    /// # Errors
    /// What the citizen can put right.
    pub fn accept(&mut self, form: &Form, field: &Field, today: Option<Date>) -> Result<(), Problem> {
        let draft = self.drafts.edit(&field.name);
        let answer = check(form, field, draft, today)?;
        self.answers.set(field.name.clone(), answer);
        Ok(())
    }

    /// The steps of the route so far, first to last, without the start and the check page.
    #[must_use]
    pub fn steps<'a>(&self, form: &'a Form) -> Vec<Step<'a>> {
        let pages = route(form, &self.answers).pages;
        pages.into_iter().filter(|page| page.kind == PageKind::Questions).flat_map(steps_of).collect()
    }

    /// Where the walk begins.
    #[must_use]
    pub fn first(&self, form: &Form) -> Place {
        self.steps(form).first().map_or(Place::Check, Step::place)
    }

    /// Where it goes on after `place`; `None` when the form has no way on (a fault of the form).
    #[must_use]
    pub fn after(&self, form: &Form, place: &Place) -> Option<Place> {
        let steps = self.steps(form);
        let here = steps.iter().position(|step| step.place() == *place)?;
        match steps.get(here + 1) {
            Some(step) => Some(step.place()),
            None => self.is_complete(form).then_some(Place::Check),
        }
    }

    /// Where it was before `place`; `None` at the beginning.
    #[must_use]
    pub fn before(&self, form: &Form, place: &Place) -> Option<Place> {
        let steps = self.steps(form);
        let here = match place {
            Place::Check => steps.len(),
            Place::Question(_) | Place::Text(_) => steps.iter().position(|step| step.place() == *place)?,
        };
        here.checked_sub(1).and_then(|n| steps.get(n)).map(Step::place)
    }

    /// After an answer was changed from the check page: back there, or the first question it opened.
    #[must_use]
    pub fn after_change(&self, form: &Form) -> Place {
        let open = |step: &Step<'_>| step.field.is_some_and(|f| self.answers.get(f.name.as_str()).is_none());
        self.steps(form).iter().find(|step| open(step)).map_or(Place::Check, Step::place)
    }

    /// Whether every question on the route has an answer and the route reaches the check page.
    #[must_use]
    pub fn is_complete(&self, form: &Form) -> bool {
        route(form, &self.answers).end == RouteEnd::Summary
    }
}

impl Step<'_> {
    /// Its name.
    #[must_use]
    pub fn place(&self) -> Place {
        match self.field {
            Some(field) => Place::Question(field.name.as_str().to_owned()),
            None => Place::Text(self.page.path.as_str().to_owned()),
        }
    }
}

fn steps_of(page: &Page) -> Vec<Step<'_>> {
    let mut steps: Vec<_> = page.fields().map(|field| Step { page, field: Some(field) }).collect();
    if steps.is_empty() {
        steps.push(Step { page, field: None });
    }
    steps
}

/// The page's text around one question: what stands between the question before it and itself, and
/// for the last question also what stands behind it.
#[must_use]
pub fn text_around<'a>(step: &Step<'a>) -> (Vec<TextBlock>, Option<(&'a str, &'a [TextBlock])>) {
    let blocks = step.page.blocks.as_slice();
    let is_field = |block: &Block| matches!(block, Block::Field(_));
    let own = |block: &Block| matches!(block, Block::Field(field) if Some(field) == step.field);
    let at = blocks.iter().position(own).unwrap_or(blocks.len());
    let (before, after) = blocks.split_at(at);
    let from = before.iter().rposition(is_field).map_or(0, |n| n + 1);
    let is_last = !after.iter().skip(1).any(is_field);
    let around = before.iter().skip(from).chain(after.iter().skip(1).filter(|_| is_last));
    let (mut body, mut details) = (Vec::new(), None);
    for block in around {
        match block {
            Block::Para(text) => body.extend(text.iter().cloned()),
            Block::Details { title, text } => details = Some((title.as_str(), text.as_slice())),
            Block::Field(_) => {}
        }
    }
    (body, details)
}
