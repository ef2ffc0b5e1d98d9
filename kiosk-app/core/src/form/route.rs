//! Which pages a citizen walks, given the answers so far.
//!
//! From each page the first way whose condition holds is taken, else the way without a condition
//! (the rule of the GOV.UK form runner). A condition sees only answers on pages already walked, so an
//! answer that a later change has bypassed no longer steers, and is not submitted.
//!
//! Promises: ends for every form and every set of answers.
//! Never: skips a page with an open question.

use super::{
    answer::Answers,
    model::{FieldName, Form, Page, PageKind},
};
use std::collections::BTreeSet;

/// The pages from the start, in order, and why they end where they do.
#[derive(Clone, Debug, PartialEq)]
pub struct Route<'a> {
    /// At least the start page, where the form has one.
    pub pages: Vec<&'a Page>,
    /// Why the last page is the last.
    pub end: RouteEnd,
}

/// Why a route ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteEnd {
    /// The last page has a question without an answer.
    Open,
    /// The last page is the summary: everything is answered.
    Summary,
    /// No way leads on from the last page with these answers: a fault of the form.
    NoWayOn,
}

/// Walks `form` with `answers`.
#[must_use]
pub fn route<'a>(form: &'a Form, answers: &Answers) -> Route<'a> {
    let mut pages: Vec<&Page> = Vec::new();
    let mut seen: BTreeSet<&FieldName> = BTreeSet::new();
    let mut next = form.page(&form.start);
    while let Some(page) = next {
        if pages.iter().any(|earlier| earlier.path == page.path) {
            break;
        }
        pages.push(page);
        if page.kind == PageKind::Summary {
            return Route { pages, end: RouteEnd::Summary };
        }
        if page.fields().any(|field| answers.get(field.name.as_str()).is_none()) {
            return Route { pages, end: RouteEnd::Open };
        }
        seen.extend(page.fields().map(|field| &field.name));
        next = way_on(form, page, answers, &seen);
    }
    Route { pages, end: RouteEnd::NoWayOn }
}

/// The page after `page`, or none where no way is open.
pub(super) fn way_on<'a>(
    form: &'a Form,
    page: &Page,
    answers: &Answers,
    seen: &BTreeSet<&FieldName>,
) -> Option<&'a Page> {
    let known = |field: &FieldName| if seen.contains(field) { answers.get(field.as_str()) } else { None };
    let open = page.next.iter().find(|next| {
        let condition = next.condition.as_ref().and_then(|id| form.condition(id));
        condition.is_some_and(|condition| condition.test.holds(form, &known))
    });
    let way = open.or_else(|| page.next.iter().find(|next| next.condition.is_none()))?;
    form.page(&way.path)
}
