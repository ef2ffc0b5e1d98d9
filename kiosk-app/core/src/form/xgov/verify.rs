//! Whether an imported form can be walked to its end, whatever is answered.
//!
//! Checked: every way leads to a page and names a known condition; no loop; every page that can be
//! reached can reach a summary; a page whose ways all have conditions has an open way for every
//! answer, where the answers are few enough to try (yes or no, choices) and stand on that page.

use super::{FormError, place::Place};
use crate::{
    form::{
        answer::{Answer, Answers},
        model::{Field, FieldKind, FieldName, Form, Page, PageKind, PagePath},
        route::way_on,
    },
    secret::Secret,
};
use std::collections::{BTreeMap, BTreeSet};

/// The most combinations of answers tried on one page.
const COMBINATIONS_MAX: usize = 4096;
const CHECKBOXES_MAX: usize = 8;

pub(super) fn verify(root: &Place<'_>, form: &Form) -> Result<(), FormError> {
    if form.page(&form.start).is_none() {
        let at = root.need("startPage")?;
        return Err(at.fail(format!("there is no page at {}", form.start)));
    }
    let places = root.items("pages")?;
    for (at, page) in places.iter().zip(&form.pages) {
        ways(at, form, page)?;
    }
    let mut walk = Walk { form, places: &places, state: BTreeMap::new() };
    walk.visit(&form.start, &mut Vec::new())?;
    for (at, page) in places.iter().zip(&form.pages) {
        if walk.state.contains_key(&page.path) {
            always_a_way_on(at, form, page)?;
        }
    }
    Ok(())
}

fn ways(at: &Place<'_>, form: &Form, page: &Page) -> Result<(), FormError> {
    for (place, way) in at.items("next")?.iter().zip(&page.next) {
        if form.page(&way.path).is_none() {
            return Err(place.fail(format!("there is no page at {}", way.path)));
        }
        if let Some(id) = way.condition.as_ref().filter(|id| form.condition(id).is_none()) {
            return Err(place.fail(format!("there is no condition called {id}")));
        }
    }
    if let Some(section) = page.section.as_ref()
        && !form.sections.iter().any(|known| known.name == *section)
    {
        return Err(at.fail(format!("there is no section called {section}")));
    }
    Ok(())
}

/// Depth first over the graph of pages, without recursion deeper than there are pages.
struct Walk<'a> {
    form: &'a Form,
    places: &'a [Place<'a>],
    /// `false` while a page is being walked, `true` when everything behind it is.
    state: BTreeMap<&'a PagePath, bool>,
}

impl<'a> Walk<'a> {
    /// Pages behind `start`, each once, with an explicit stack: forms come from strangers.
    fn visit(&mut self, start: &'a PagePath, trail: &mut Vec<(&'a Page, usize)>) -> Result<(), FormError> {
        self.enter(start, trail)?;
        while let Some((page, taken)) = trail.last_mut() {
            let page = *page;
            let Some(way) = page.next.get(*taken) else {
                self.state.insert(&page.path, true);
                trail.pop();
                continue;
            };
            *taken += 1;
            match self.state.get(&way.path) {
                Some(true) => {}
                Some(false) => {
                    return Err(self.fail(page, format!("the way on to {} leads round in a loop", way.path)));
                }
                None => self.enter(&way.path, trail)?,
            }
        }
        Ok(())
    }

    fn enter(&mut self, path: &'a PagePath, trail: &mut Vec<(&'a Page, usize)>) -> Result<(), FormError> {
        let Some(page) = self.form.page(path) else { return Ok(()) };
        if page.kind != PageKind::Summary && page.next.is_empty() {
            return Err(self.fail(page, format!("{path} has no way on to a summary")));
        }
        self.state.insert(&page.path, false);
        // A summary ends the walk, whatever follows it in the file.
        let taken = if page.kind == PageKind::Summary { page.next.len() } else { 0 };
        trail.push((page, taken));
        Ok(())
    }

    fn fail(&self, page: &Page, reason: String) -> FormError {
        let n = self.form.pages.iter().position(|other| other.path == page.path).unwrap_or_default();
        match self.places.get(n) {
            Some(place) => place.fail(reason),
            None => FormError { file: String::new(), place: page.path.to_string(), reason },
        }
    }
}

fn always_a_way_on(at: &Place<'_>, form: &Form, page: &Page) -> Result<(), FormError> {
    if page.kind == PageKind::Summary || page.next.iter().any(|way| way.condition.is_none()) {
        return Ok(());
    }
    let tests = page.next.iter().filter_map(|way| way.condition.as_ref()).filter_map(|id| form.condition(id));
    let mut asked: Vec<&Field> = Vec::new();
    for name in tests.flat_map(|condition| condition.test.fields(form)) {
        let Some(field) = page.fields().find(|field| field.name == *name) else { return Ok(()) };
        if !asked.iter().any(|other| other.name == field.name) {
            asked.push(field);
        }
    }
    let Some(combinations) = combinations(form, &asked) else { return Ok(()) };
    let seen: BTreeSet<&FieldName> = page.fields().map(|field| &field.name).collect();
    for answers in combinations {
        if way_on(form, page, &answers, &seen).is_none() {
            let said: Vec<String> = answers
                .iter()
                .map(|(name, answer)| {
                    let value = answer.text();
                    format!("{name} is {}", value.as_ref().map_or("left open", Secret::expose))
                })
                .collect();
            return Err(at
                .key("next")
                .unwrap_or_else(|| at.clone())
                .fail(format!("no way on when {}", said.join(" and "))));
        }
    }
    Ok(())
}

/// Every combination of answers to `fields`, where there are few enough.
fn combinations(form: &Form, fields: &[&Field]) -> Option<Vec<Answers>> {
    let mut all = vec![Answers::default()];
    for field in fields {
        let domain = domain(form, field)?;
        if all.len().checked_mul(domain.len())? > COMBINATIONS_MAX {
            return None;
        }
        let with = |answers: &Answers, answer: &Answer| {
            let mut answers = answers.clone();
            answers.set(field.name.clone(), answer.clone());
            answers
        };
        all = all.iter().flat_map(|answers| domain.iter().map(move |answer| with(answers, answer))).collect();
    }
    Some(all)
}

/// Every answer `field` can have, where they are few.
fn domain(form: &Form, field: &Field) -> Option<Vec<Answer>> {
    let value = |item: &crate::form::model::Item| Secret::from(item.value.as_str());
    let items = form.choices(field);
    let mut answers = match field.kind {
        FieldKind::YesNo => vec![Answer::YesNo(true), Answer::YesNo(false)],
        FieldKind::Radios { .. } | FieldKind::Select { .. } => {
            items.iter().map(|item| Answer::One(value(item))).collect()
        }
        FieldKind::Checkboxes { .. } if items.len() <= CHECKBOXES_MAX => (1_usize..1 << items.len())
            .map(|set| {
                let chosen = items.iter().enumerate().filter(|(n, _)| set >> n & 1 == 1);
                Answer::Many(chosen.map(|(_, item)| value(item)).collect())
            })
            .collect(),
        FieldKind::Checkboxes { .. }
        | FieldKind::Text { .. }
        | FieldKind::Multiline { .. }
        | FieldKind::Number { .. }
        | FieldKind::DateParts { .. }
        | FieldKind::MonthYear
        | FieldKind::Email
        | FieldKind::Telephone
        | FieldKind::UkAddress
        | FieldKind::Website
        | FieldKind::File { .. } => return None,
    };
    if field.optional {
        answers.push(Answer::Empty);
    }
    Some(answers)
}
