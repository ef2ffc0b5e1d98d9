//! Imports the form JSON of the GOV.UK / XGov digital form builder (runner schema version 2).
//!
//! ```text
//! { startPage, name, skipSummary,
//!   pages:      [{ path, title, section, controller, components: [..], next: [{ path, condition }] }],
//!   lists:      [{ name, title, type, items: [{ text, value, description }] }],
//!   sections:   [{ name, title }],
//!   conditions: [{ name, value: "a.b == true" | { conditions: [{ field, operator, value, coordinator }] } }] }
//! ```
//!
//! Promises: what cannot be shown or finished on a kiosk is refused by name, with the file and the
//! place; HTML becomes text or the form is refused.
//! Never: panics, whatever the file holds; imports half a form.

mod component;
mod condition;
mod expression;
mod html;
mod pages;
mod place;
mod verify;

use super::model::{Form, Item, List, ListId, PagePath, Section};
use place::Place;
use serde_json::Value;

/// Why a form is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {place}: {reason}")]
pub struct FormError {
    /// The file as it was named to [`import`].
    pub file: String,
    /// Where in it, such as `pages[3].components[1]`, or `line 7 column 2` where it is no JSON.
    pub place: String,
    /// What is wrong, in English, for the author of the form.
    pub reason: String,
}

/// Reads a form.
///
/// # Errors
/// The first thing that keeps the form from being shown whole and finished.
pub fn import(name_of_file: &str, json: &str) -> Result<Form, FormError> {
    let value: Value = serde_json::from_str(json).map_err(|error| FormError {
        file: name_of_file.to_owned(),
        place: format!("line {} column {}", error.line(), error.column()),
        reason: error.to_string(),
    })?;
    let root = Place::root(name_of_file, &value);
    if !value.is_object() {
        return Err(root.fail("a form is a JSON object"));
    }
    let mut form = Form {
        title: String::new(),
        start: PagePath::new(root.need_text("startPage")?),
        pages: Vec::new(),
        sections: sections(&root)?,
        lists: lists(&root)?,
        conditions: Vec::new(),
    };
    if let Some(fee) = root.items("fees")?.first() {
        return Err(fee.fail("a kiosk takes no payments, and this form asks for a fee"));
    }
    form.pages = pages::pages(&root, &form.lists)?;
    form.conditions = condition::conditions(&root, &form)?;
    form.title = match root.text("name")? {
        Some(name) => name,
        None => form.page(&form.start).map(|page| page.title.clone()).unwrap_or_default(),
    };
    verify::verify(&root, &form)?;
    Ok(form)
}

fn sections(root: &Place<'_>) -> Result<Vec<Section>, FormError> {
    let read = |at: Place<'_>| Ok(Section { name: at.need_text("name")?, title: at.need_text("title")? });
    root.items("sections")?.into_iter().map(read).collect()
}

fn lists(root: &Place<'_>) -> Result<Vec<List>, FormError> {
    let mut lists: Vec<List> = Vec::new();
    for at in root.items("lists")? {
        let id = ListId::new(at.need_text("name")?);
        if lists.iter().any(|list| list.id == id) {
            return Err(at.fail(format!("a second list called {id}")));
        }
        let mut items: Vec<Item> = Vec::new();
        for entry in at.items("items")? {
            let item = item(&entry)?;
            if items.iter().any(|earlier| earlier.value == item.value) {
                return Err(entry.fail(format!("a second choice with the value {}", item.value)));
            }
            items.push(item);
        }
        if items.is_empty() {
            return Err(at.fail(format!("the list {id} has no choices")));
        }
        lists.push(List { title: at.text("title")?.unwrap_or_default(), id, items });
    }
    Ok(lists)
}

fn item(at: &Place<'_>) -> Result<Item, FormError> {
    if at.text("condition")?.is_some() {
        return Err(at.fail("choices that depend on a condition cannot be shown"));
    }
    let value = at.need("value")?;
    Ok(Item {
        value: value.scalar().ok_or_else(|| value.fail("a choice's value is a text or a number"))?,
        label: at.need_text("text")?,
        hint: at.text("description")?.unwrap_or_default(),
    })
}
