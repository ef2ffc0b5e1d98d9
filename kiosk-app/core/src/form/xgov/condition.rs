//! Conditions: the structured kind of version 2, and the hand-over of the string kind.
//!
//! A flat list of tests joined by `and` and `or`; `and` binds closer, as in the form designer.
//! The designer leaves conditions behind when their questions are deleted: one that no way on refers
//! to is not read.

use super::{FormError, expression, place::Place};
use crate::form::{
    condition::{Condition, Order, Relation, Test, parse_date},
    model::{ConditionId, Field, FieldKind, Form},
};
use std::collections::BTreeMap;

/// How deep groups may be nested: the depth at which [`Test::holds`] gives up.
pub(super) const NESTED_MAX: u32 = crate::form::condition::DEPTH_MAX / 4;

pub(super) fn conditions(root: &Place<'_>, form: &Form) -> Result<Vec<Condition>, FormError> {
    let places = root.items("conditions")?;
    let mut names: Vec<ConditionId> = Vec::new();
    for at in &places {
        let id = ConditionId::new(at.need_text("name")?);
        if names.contains(&id) {
            return Err(at.fail(format!("a second condition called {id}")));
        }
        names.push(id);
    }
    let ways = form.pages.iter().flat_map(|page| &page.next);
    let mut wanted: Vec<ConditionId> = ways.filter_map(|way| way.condition.clone()).collect();
    let mut read: BTreeMap<usize, Condition> = BTreeMap::new();
    while let Some(id) = wanted.pop() {
        let Some((n, at)) = places.iter().enumerate().find(|(n, _)| names.get(*n) == Some(&id)) else {
            continue;
        };
        if read.contains_key(&n) {
            continue;
        }
        let value = at.need("value")?;
        let test = if value.key("conditions").is_some() {
            group(&value, form, &names, 0)?
        } else {
            expression::parse(&value, &value.own_text()?, form)?
        };
        refers_to(&test, &mut wanted);
        read.insert(n, Condition { id, test });
    }
    let conditions: Vec<Condition> = read.values().cloned().collect();
    for (at, condition) in read.keys().filter_map(|n| places.get(*n)).zip(&conditions) {
        if depth(&condition.test, &conditions, 0).is_none() {
            let id = &condition.id;
            return Err(at.fail(format!("the condition {id} leads back to itself or is nested too deep")));
        }
    }
    Ok(conditions)
}

/// Adds the conditions that `test` refers to by name.
fn refers_to(test: &Test, found: &mut Vec<ConditionId>) {
    match test {
        Test::All(tests) | Test::Any(tests) => tests.iter().for_each(|inner| refers_to(inner, found)),
        Test::Not(inner) => refers_to(inner, found),
        Test::Named(id) => found.push(id.clone()),
        Test::Field { .. } => {}
    }
}

/// The `conditions` under `at`, joined.
fn group(at: &Place<'_>, form: &Form, names: &[ConditionId], depth: u32) -> Result<Test, FormError> {
    if depth > NESTED_MAX {
        return Err(at.fail("conditions are nested too deep"));
    }
    let mut any: Vec<Vec<Test>> = vec![Vec::new()];
    for entry in at.items("conditions")? {
        let test = if let Some(reference) = entry.key("conditionName") {
            let id = ConditionId::new(reference.own_text()?);
            if !names.contains(&id) {
                return Err(reference.fail(format!("there is no condition called {id}")));
            }
            Test::Named(id)
        } else if entry.key("conditions").is_some() {
            group(&entry, form, names, depth + 1)?
        } else {
            comparison(&entry, form)?
        };
        match entry.text("coordinator")?.as_deref() {
            None | Some("and") => {}
            Some("or") => any.push(Vec::new()),
            Some(other) => return Err(entry.fail(format!("the coordinator {other} is neither and nor or"))),
        }
        if let Some(all) = any.last_mut() {
            all.push(test);
        }
    }
    any.retain(|all| !all.is_empty());
    if any.is_empty() {
        return Err(at.fail("a condition without a test"));
    }
    Ok(joined(any.into_iter().map(|all| joined(all, Test::All)).collect(), Test::Any))
}

/// One test as it is, several under `join`.
pub(super) fn joined(mut tests: Vec<Test>, join: fn(Vec<Test>) -> Test) -> Test {
    match (tests.pop(), tests.is_empty()) {
        (Some(only), true) => only,
        (Some(last), false) => {
            tests.push(last);
            join(tests)
        }
        (None, _) => join(tests),
    }
}

fn comparison(at: &Place<'_>, form: &Form) -> Result<Test, FormError> {
    let field = field(&at.need("field")?.need("name")?, form)?;
    let operator = at.need("operator")?;
    let value = at.need("value")?;
    if let Some(kind) = value.text("type")?.filter(|kind| kind != "Value") {
        return Err(value.fail(format!("a value of the type {kind} cannot be compared")));
    }
    let literal = value.need("value")?;
    let text = literal.scalar().ok_or_else(|| literal.fail("not a value to compare with"))?;
    let name = operator.own_text()?;
    let (word, negated) = match name.as_str() {
        "is not" => ("is", true),
        "does not contain" => ("contains", true),
        other => (other, false),
    };
    let relation = match word {
        "is" => equals(&literal, form, field, &text)?,
        "contains" => contains(&literal, form, field, &text)?,
        "is longer than" => length(&literal, Order::More, &text)?,
        "is shorter than" => length(&literal, Order::Less, &text)?,
        "has length" => length(&literal, Order::Equal, &text)?,
        "is at least" => number(&literal, field, Order::AtLeast, &text)?,
        "is at most" => number(&literal, field, Order::AtMost, &text)?,
        "is less than" => number(&literal, field, Order::Less, &text)?,
        "is more than" => number(&literal, field, Order::More, &text)?,
        "is before" => date(&literal, field, Order::Less, &text)?,
        "is after" => date(&literal, field, Order::More, &text)?,
        _ => return Err(operator.fail(format!("the operator {name} is unknown"))),
    };
    Ok(test(field, relation, negated))
}

pub(super) fn test(field: &Field, relation: Relation, negated: bool) -> Test {
    let test = Test::Field { field: field.name.clone(), relation };
    if negated { Test::Not(Box::new(test)) } else { test }
}

/// The question that `section.name` or `name` means.
pub(super) fn named<'a>(at: &Place<'_>, form: &'a Form, name: &str) -> Result<&'a Field, FormError> {
    let short = name.rsplit('.').next().unwrap_or(name);
    form.field(name)
        .or_else(|| form.field(short))
        .ok_or_else(|| at.fail(format!("there is no question called {name}")))
}

fn field<'a>(at: &Place<'_>, form: &'a Form) -> Result<&'a Field, FormError> {
    named(at, form, &at.own_text()?)
}

/// `is`, for the kind of question asked.
pub(super) fn equals(at: &Place<'_>, form: &Form, field: &Field, text: &str) -> Result<Relation, FormError> {
    match &field.kind {
        FieldKind::YesNo => match text {
            "true" | "yes" => Ok(Relation::YesNo(true)),
            "false" | "no" => Ok(Relation::YesNo(false)),
            _ => Err(at.fail(format!("{} is answered by true or false, not {text}", field.name))),
        },
        FieldKind::Radios { .. } | FieldKind::Select { .. } => {
            choice(at, form, field, text).map(Relation::Is)
        }
        FieldKind::Number { .. } => number(at, field, Order::Equal, text),
        FieldKind::DateParts { .. } => date(at, field, Order::Equal, text),
        FieldKind::Text { .. }
        | FieldKind::Multiline { .. }
        | FieldKind::Email
        | FieldKind::Telephone
        | FieldKind::Website
        | FieldKind::MonthYear => Ok(Relation::Is(text.to_owned())),
        FieldKind::Checkboxes { .. } | FieldKind::UkAddress | FieldKind::File { .. } => {
            Err(at.fail(format!("{} ({}) cannot be compared as a whole", field.name, field.kind.name())))
        }
    }
}

/// A test of a choice nobody can make is a misspelling: the branch behind it would be lost.
fn choice(at: &Place<'_>, form: &Form, field: &Field, text: &str) -> Result<String, FormError> {
    if form.choices(field).iter().any(|item| item.value == text) {
        Ok(text.to_owned())
    } else {
        Err(at.fail(format!("{} has no choice with the value {text}", field.name)))
    }
}

pub(super) fn contains(
    at: &Place<'_>,
    form: &Form,
    field: &Field,
    text: &str,
) -> Result<Relation, FormError> {
    if !matches!(field.kind, FieldKind::Checkboxes { .. }) {
        return Err(at.fail(format!("{} ({}) contains nothing", field.name, field.kind.name())));
    }
    choice(at, form, field, text).map(Relation::Contains)
}

pub(super) fn length(at: &Place<'_>, order: Order, text: &str) -> Result<Relation, FormError> {
    let count = text.parse().map_err(|_| at.fail(format!("{text} is not a length")))?;
    Ok(Relation::Length(order, count))
}

pub(super) fn number(at: &Place<'_>, field: &Field, order: Order, text: &str) -> Result<Relation, FormError> {
    let counts =
        matches!(field.kind, FieldKind::Number { .. } | FieldKind::Radios { .. } | FieldKind::Select { .. });
    if !counts {
        return Err(at.fail(format!("{} ({}) is not a number", field.name, field.kind.name())));
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number
        .map(|number| Relation::Number(order, number))
        .ok_or_else(|| at.fail(format!("{text} is not a number")))
}

pub(super) fn date(at: &Place<'_>, field: &Field, order: Order, text: &str) -> Result<Relation, FormError> {
    if !matches!(field.kind, FieldKind::DateParts { .. }) {
        return Err(at.fail(format!("{} ({}) is not a date", field.name, field.kind.name())));
    }
    parse_date(text)
        .map(|date| Relation::Date(order, date))
        .ok_or_else(|| at.fail(format!("{text} is not a date")))
}

/// How deep `test` is with all it refers to; none where that is deeper than [`Test::holds`] follows.
fn depth(test: &Test, conditions: &[Condition], above: u32) -> Option<u32> {
    if above > crate::form::condition::DEPTH_MAX {
        return None;
    }
    match test {
        Test::All(tests) | Test::Any(tests) => tests
            .iter()
            .try_fold(above, |deepest, inner| Some(deepest.max(depth(inner, conditions, above + 1)?))),
        Test::Not(inner) => depth(inner, conditions, above + 1),
        Test::Named(id) => match conditions.iter().find(|condition| condition.id == *id) {
            Some(condition) => depth(&condition.test, conditions, above + 1),
            None => Some(above),
        },
        Test::Field { .. } => Some(above),
    }
}
