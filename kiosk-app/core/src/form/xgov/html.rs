//! HTML reduced to text: headings, paragraphs, entries of lists.
//!
//! Form authors write fragments that no parser calls valid (a paragraph around a list, an end tag
//! alone), so this reads tags as breaks and roles, not as a tree. A link keeps its address in
//! brackets, because a kiosk cannot follow it. What carries more than words (a table, a picture, a
//! script, a template) is refused by name.

use crate::form::model::TextBlock;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Heading,
    Paragraph,
    Bullet,
}

#[derive(Default)]
struct Reader {
    blocks: Vec<TextBlock>,
    text: String,
    role: Option<Role>,
    /// How many list entries we are inside of.
    entries: u32,
    /// Address and start in `text` of an open link.
    link: Option<(String, usize)>,
}

/// Reduces `html`.
///
/// # Errors
/// The name of what cannot become text, such as `<table>`.
pub(super) fn to_text(html: &str) -> Result<Vec<TextBlock>, String> {
    if let Some(mark) = ["{{", "{%"].into_iter().find(|mark| html.contains(mark)) {
        return Err(format!("a template ({mark} ...)"));
    }
    let mut reader = Reader::default();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        reader.push(before);
        rest = match after.strip_prefix("!--") {
            Some(comment) => comment.split_once("-->").map_or("", |(_, rest)| rest),
            None if after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') => {
                let (tag, rest) = split_tag(after);
                reader.tag(tag)?;
                rest
            }
            None => {
                reader.push("<");
                after
            }
        };
    }
    reader.push(rest);
    reader.flush();
    Ok(reader.blocks)
}

/// The inside of a tag and what follows it; a `>` inside quotes belongs to the tag.
fn split_tag(text: &str) -> (&str, &str) {
    let mut quote = None;
    for (n, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return (text.get(..n).unwrap_or_default(), text.get(n + 1..).unwrap_or_default()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    (text, "")
}

/// The value of `name="..."` inside a tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = tag.split_once(&format!("{name}="))?;
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value.get(1..)?.split(quote).next()
}

impl Reader {
    fn tag(&mut self, tag: &str) -> Result<(), String> {
        let close = tag.starts_with('/');
        let bare = tag.trim_start_matches('/');
        let end = bare.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(bare.len());
        let name = bare.get(..end).unwrap_or_default().to_ascii_lowercase();
        let class = attribute(tag, "class").unwrap_or_default();
        let heads =
            class.contains("govuk-label") || class.contains("govuk-heading") || class.contains("bold");
        match name.as_str() {
            "strong" | "b" | "em" | "i" | "u" | "abbr" | "small" | "code" | "time" | "sup" | "sub" => {}
            "span" if !heads => {}
            "a" => self.anchor(tag, close),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "legend" => self.block(close, Role::Heading),
            "span" | "label" if heads => self.block(close, Role::Heading),
            "li" | "dt" | "dd" => {
                self.flush();
                self.entries = if close { self.entries.saturating_sub(1) } else { self.entries + 1 };
            }
            // An end tag of a list also ends entries that were never closed.
            "ul" | "ol" | "dl" => {
                self.flush();
                if close {
                    self.entries = self.entries.saturating_sub(1);
                }
            }
            "p" | "div" | "br" | "hr" | "label" | "fieldset" | "section" | "article" | "blockquote" => {
                self.block(close, Role::Paragraph);
            }
            _ => return Err(format!("<{name}>")),
        }
        Ok(())
    }

    fn block(&mut self, close: bool, role: Role) {
        self.flush();
        self.role = if close { None } else { Some(role) };
    }

    fn anchor(&mut self, tag: &str, close: bool) {
        if !close {
            let href = attribute(tag, "href").filter(|href| href.starts_with("http"));
            self.link = href.map(|href| (href.to_owned(), self.text.len()));
            return;
        }
        let Some((href, start)) = self.link.take() else { return };
        if self.text.get(start..).is_some_and(|label| label.trim() != href) {
            self.text.push_str(&format!(" ({href})"));
        }
    }

    fn push(&mut self, raw: &str) {
        for c in html_escape::decode_html_entities(raw).chars() {
            let space = c.is_whitespace() && c != '\u{a0}';
            if !space {
                self.text.push(c);
            } else if !self.text.is_empty() && !self.text.ends_with(' ') {
                self.text.push(' ');
            }
        }
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text).trim().to_owned();
        self.link = None;
        if text.is_empty() {
            return;
        }
        let role = if self.entries > 0 { Role::Bullet } else { self.role.unwrap_or(Role::Paragraph) };
        self.blocks.push(match role {
            Role::Heading => TextBlock::Heading(text),
            Role::Paragraph => TextBlock::Paragraph(text),
            Role::Bullet => TextBlock::Bullet(text),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TextBlock::{Bullet, Heading, Paragraph};
    use proptest::prelude::*;

    fn owned(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn fragments_that_no_parser_calls_valid_keep_their_words() {
        let html = "<label class=\"govuk-!-font-weight-bold\">We ask:\n</label><p>For\n<ul><li>a &amp; b</li>\n<li>c</ul>\n</p>after<br>line</fieldset>";
        let want = vec![
            Heading(owned("We ask:")),
            Paragraph(owned("For")),
            Bullet(owned("a & b")),
            Bullet(owned("c")),
            Paragraph(owned("after")),
            Paragraph(owned("line")),
        ];
        assert_eq!(to_text(html), Ok(want));
    }

    #[test]
    fn a_link_keeps_its_address() {
        let html = "Read <a class=\"x\" href=\"https://example.org/a\">the guide</a>. <a href='/b'>here</a>";
        assert_eq!(to_text(html), Ok(vec![Paragraph(owned("Read the guide (https://example.org/a). here"))]));
    }

    #[test]
    fn what_is_more_than_words_is_refused_by_name() {
        assert_eq!(to_text("a<table><tr></table>"), Err(owned("<table>")));
        assert_eq!(to_text("<img src=\"a>b\">"), Err(owned("<img>")));
        assert_eq!(to_text("<SCRIPT>"), Err(owned("<script>")));
        assert!(to_text("Dear {{name}}").is_err());
    }

    #[test]
    fn a_sign_is_not_a_tag() {
        assert_eq!(to_text("1 < 2 &lt;b&gt;"), Ok(vec![Paragraph(owned("1 < 2 <b>"))]));
    }

    proptest! {
        #[test]
        fn any_text_becomes_text_or_a_refusal(html in "(<|>|/|li|ul|p|a href=|\"|'|&amp;|&#|[a-z é]|!--){0,40}") {
            let _ = to_text(&html);
        }
    }
}
