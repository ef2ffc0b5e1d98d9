//! Pages, and the ways between them.

use super::{FormError, component, place::Place};
use crate::form::model::{Block, ConditionId, List, Next, Page, PageKind, PagePath};

pub(super) fn pages(root: &Place<'_>, lists: &[List]) -> Result<Vec<Page>, FormError> {
    let mut pages: Vec<Page> = Vec::new();
    for at in root.need("pages")?.own_items()? {
        let page = page(&at, lists)?;
        if pages.iter().any(|earlier| earlier.path == page.path) {
            return Err(at.fail(format!("a second page at {}", page.path)));
        }
        for field in page.fields() {
            let clash = pages.iter().flat_map(Page::fields).any(|earlier| earlier.name == field.name);
            let own = page.fields().filter(|other| other.name == field.name).count();
            if clash || own > 1 {
                return Err(at.fail(format!("a second question called {}", field.name)));
            }
        }
        pages.push(page);
    }
    Ok(pages)
}

fn page(at: &Place<'_>, lists: &[List]) -> Result<Page, FormError> {
    let path = at.need_text("path")?;
    let kind = kind(at, &path)?;
    if let Some(repeat) = at.key("repeatField") {
        return Err(repeat.fail("a page that repeats cannot be shown"));
    }
    let mut blocks = Vec::new();
    for part in at.items("components")? {
        blocks.extend(component::component(&part, lists)?);
    }
    let section = at.text("section")?;
    Ok(Page { title: title(at, &blocks)?, path: PagePath::new(path), section, blocks, next: next(at)?, kind })
}

/// Which of the runner's page controllers we have an equal of.
fn kind(at: &Place<'_>, path: &str) -> Result<PageKind, FormError> {
    let Some(controller) = at.text("controller")? else {
        return Ok(if path == "/summary" { PageKind::Summary } else { PageKind::Questions });
    };
    let short = controller.rsplit('/').next().unwrap_or_default();
    match short.strip_suffix(".js").or_else(|| short.strip_suffix(".ts")).unwrap_or(short) {
        "start" | "StartPageController" => Ok(PageKind::Start),
        "summary" | "SummaryPageController" => Ok(PageKind::Summary),
        "page" | "PageController" => Ok(PageKind::Questions),
        _ => Err(at.fail(format!("the page controller {controller} has no equal on a kiosk"))),
    }
}

/// A page without a title of its own is called what it asks.
fn title(at: &Place<'_>, blocks: &[Block]) -> Result<String, FormError> {
    if let Some(title) = at.text("title")? {
        return Ok(title);
    }
    let first = blocks.iter().find_map(|block| match block {
        Block::Field(field) => Some(field.title.clone()),
        Block::Para(_) | Block::Details { .. } => None,
    });
    first.ok_or_else(|| at.fail("title is missing"))
}

fn next(at: &Place<'_>) -> Result<Vec<Next>, FormError> {
    let mut ways: Vec<Next> = Vec::new();
    for way in at.items("next")? {
        let path = PagePath::new(way.need_text("path")?);
        let condition = way.text("condition")?.map(ConditionId::new);
        if condition.is_none() && ways.iter().any(|earlier| earlier.condition.is_none()) {
            return Err(
                way.fail(format!("a second way on without a condition, to {path}: only one can be taken"))
            );
        }
        ways.push(Next { path, condition });
    }
    Ok(ways)
}
