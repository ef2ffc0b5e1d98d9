//! Components: which we show, as what, and which we refuse.

use super::{FormError, html, place::Place};
use crate::form::model::{
    Block, FILE_BYTES_MAX, Field, FieldKind, FieldName, List, ListId, MULTILINE_CHARS_MAX, Pattern,
    TEXT_CHARS_MAX, TextBlock,
};

/// What the runner takes where a form does not say.
const ACCEPT: [&str; 3] = ["application/pdf", "image/jpeg", "image/png"];
const FILES_MAX: u32 = 5;
const MEGABYTE: u64 = 1 << 20;
const ROWS: u32 = 5;

/// The block a component becomes, or none where it has no words (a closing tag alone).
pub(super) fn component(at: &Place<'_>, lists: &[List]) -> Result<Option<Block>, FormError> {
    let kind = at.need_text("type")?;
    let empty = serde_json::Value::Null;
    let options = at.key("options").unwrap_or_else(|| Place::root("", &empty));
    if let Some(condition) = options.key("condition") {
        return Err(condition.fail("text that depends on a condition cannot be shown"));
    }
    match kind.as_str() {
        "Para" | "Html" | "InsetText" => Ok(para(text_of(at, "content")?)),
        "Details" => {
            Ok(Some(Block::Details { title: at.need_text("title")?, text: text_of(at, "content")? }))
        }
        "List" | "FlashCard" => Ok(para(entries(at, lists)?)),
        _ => field(at, &kind, &options, lists).map(|field| Some(Block::Field(field))),
    }
}

fn para(text: Vec<TextBlock>) -> Option<Block> {
    if text.is_empty() { None } else { Some(Block::Para(text)) }
}

fn text_of(at: &Place<'_>, name: &str) -> Result<Vec<TextBlock>, FormError> {
    let Some(place) = at.key(name) else { return Ok(Vec::new()) };
    let refuse = |what| place.fail(format!("{what} cannot be shown as text"));
    html::to_text(&place.own_text()?).map_err(refuse)
}

/// A list that is only read.
fn entries(at: &Place<'_>, lists: &[List]) -> Result<Vec<TextBlock>, FormError> {
    let id = list(at, at, lists)?;
    let items = lists.iter().find(|list| list.id == id).map_or(&[][..], |list| list.items.as_slice());
    let mut text: Vec<TextBlock> = at.text("title")?.map(TextBlock::Heading).into_iter().collect();
    text.extend(items.iter().map(|item| {
        let colon = if item.hint.is_empty() { "" } else { ": " };
        TextBlock::Bullet(format!("{}{colon}{}", item.label, item.hint))
    }));
    Ok(text)
}

/// The list a component takes its choices from; some forms name it under `options`.
fn list(at: &Place<'_>, options: &Place<'_>, lists: &[List]) -> Result<ListId, FormError> {
    let place = match at.key("list").or_else(|| options.key("list")) {
        Some(place) => place,
        None => return Err(at.fail("list is missing")),
    };
    let id = ListId::new(place.own_text()?);
    if lists.iter().any(|list| list.id == id) {
        Ok(id)
    } else {
        Err(place.fail(format!("there is no list called {id}")))
    }
}

fn field(at: &Place<'_>, kind: &str, options: &Place<'_>, lists: &[List]) -> Result<Field, FormError> {
    let empty = serde_json::Value::Null;
    let schema = at.key("schema").unwrap_or_else(|| Place::root("", &empty));
    let known: &[&str] = match kind {
        "TextField" | "MultilineTextField" | "FreeTextField" => &["min", "max", "length", "regex"],
        "NumberField" => &["min", "max", "integer", "precision"],
        _ => &[],
    };
    let kind = field_kind(at, kind, options, &schema, lists)?;
    if let Some(rule) = schema.names().into_iter().find(|name| !known.contains(name)) {
        return Err(at.fail(format!("the rule schema.{rule} cannot be kept")));
    }
    let no_file_needed = matches!(kind, FieldKind::File { files_min: 0, .. });
    Ok(Field {
        name: FieldName::new(at.need_text("name")?),
        title: at.need_text("title")?,
        hint: text_of(at, "hint")?,
        optional: options.flag("required")? == Some(false) || no_file_needed,
        kind,
    })
}

fn field_kind(
    at: &Place<'_>,
    kind: &str,
    options: &Place<'_>,
    schema: &Place<'_>,
    lists: &[List],
) -> Result<FieldKind, FormError> {
    Ok(match kind {
        "TextField" => text(options, schema)?,
        "MultilineTextField" | "FreeTextField" => multiline(options, schema)?,
        "NumberField" => number(options, schema)?,
        "YesNoField" => FieldKind::YesNo,
        "RadiosField" => FieldKind::Radios { list: list(at, options, lists)? },
        "CheckboxesField" => FieldKind::Checkboxes { list: list(at, options, lists)? },
        "SelectField" | "AutocompleteField" => FieldKind::Select { list: list(at, options, lists)? },
        "DatePartsField" => FieldKind::DateParts {
            days_past_max: options.count("maxDaysInPast")?,
            days_future_max: options.count("maxDaysInFuture")?,
        },
        "MonthYearField" => FieldKind::MonthYear,
        "EmailAddressField" => FieldKind::Email,
        "TelephoneNumberField" => FieldKind::Telephone,
        "UkAddressField" => FieldKind::UkAddress,
        "WebsiteField" => FieldKind::Website,
        "FileUploadField" => upload(options)?,
        "ClientSideFileUploadField" => dropzone(options)?,
        _ => return Err(at.fail(format!("the component {kind} cannot be shown on a kiosk"))),
    })
}

fn text(options: &Place<'_>, schema: &Place<'_>) -> Result<FieldKind, FormError> {
    if let Some(rule) = options.key("maxWords") {
        return Err(rule.fail("a limit of words on a single line cannot be kept"));
    }
    let exact = schema.count("length")?;
    let pattern = match schema.key("regex") {
        None => None,
        Some(place) => {
            let refuse = |error| place.fail(format!("the regular expression cannot be kept: {error}"));
            Some(Pattern::new(&place.own_text()?).map_err(refuse)?)
        }
    };
    Ok(FieldKind::Text {
        chars_min: exact.or(schema.count("min")?).unwrap_or(0),
        chars_max: exact.or(schema.count("max")?).unwrap_or(TEXT_CHARS_MAX),
        pattern,
    })
}

fn multiline(options: &Place<'_>, schema: &Place<'_>) -> Result<FieldKind, FormError> {
    if let Some(rule) = schema.key("regex") {
        return Err(rule.fail("a regular expression on many lines cannot be kept"));
    }
    let exact = schema.count("length")?;
    Ok(FieldKind::Multiline {
        chars_min: exact.or(schema.count("min")?).unwrap_or(0),
        chars_max: exact.or(schema.count("max")?).unwrap_or(MULTILINE_CHARS_MAX),
        words_max: options.count("maxWords")?,
        rows: options.count("rows")?.unwrap_or(ROWS),
    })
}

fn number(options: &Place<'_>, schema: &Place<'_>) -> Result<FieldKind, FormError> {
    let whole = schema.flag("integer")? == Some(true);
    Ok(FieldKind::Number {
        min: schema.number("min")?,
        max: schema.number("max")?,
        decimals_max: if whole { Some(0) } else { schema.count("precision")? },
        prefix: options.text("prefix")?.unwrap_or_default(),
        suffix: options.text("suffix")?.unwrap_or_default(),
    })
}

fn upload(options: &Place<'_>) -> Result<FieldKind, FormError> {
    let many = options.flag("multiple")? == Some(true);
    let accept =
        options.text("accept")?.map_or_else(|| ACCEPT.map(str::to_owned).to_vec(), |text| types(&text));
    Ok(FieldKind::File {
        files_min: 1,
        files_max: if many { FILES_MAX } else { 1 },
        bytes_max: FILE_BYTES_MAX,
        accept,
    })
}

/// Dropzone's own words for the same: `maxFiles`, `maxFilesize` in MB, `acceptedFiles`.
fn dropzone(options: &Place<'_>) -> Result<FieldKind, FormError> {
    let config = options.need("dropzoneConfig")?;
    let bytes_max = config.count("maxFilesize")?.map_or(FILE_BYTES_MAX, |mb| u64::from(mb) * MEGABYTE);
    let accept = config.text("acceptedFiles")?.map_or_else(Vec::new, |text| types(&text));
    Ok(FieldKind::File {
        files_min: options.count("minimumRequiredFiles")?.unwrap_or(1),
        files_max: config.count("maxFiles")?.unwrap_or(FILES_MAX),
        bytes_max: bytes_max.min(FILE_BYTES_MAX),
        accept,
    })
}

fn types(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}
