//! What a form is, whatever it was imported from.
//!
//! Promises: holds text only, never markup; every name in it is a newtype of its own.
//! Never: holds anything a citizen typed.

use super::condition::Condition;
use std::{borrow::Borrow, fmt};

/// The longest single-line text where a form sets no limit of its own.
pub const TEXT_CHARS_MAX: u32 = 500;
/// The longest many-line text where a form sets no limit of its own.
pub const MULTILINE_CHARS_MAX: u32 = 10_000;
/// The largest file taken, in bytes: it must fit a sealed request with room around it.
pub const FILE_BYTES_MAX: u64 = 3 << 20;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the name as the form spells it.
            #[must_use]
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// A page's path inside its form, such as `/where-it-is`.
    PagePath;
    /// A question's name, unique in its form.
    FieldName;
    /// A list of choices, by name.
    ListId;
    /// A condition, by name.
    ConditionId;
}

/// A whole form in one language.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// What the form calls itself.
    pub title: String,
    /// Where it begins.
    pub start: PagePath,
    /// All pages, in the author's order.
    pub pages: Vec<Page>,
    /// The headings pages are grouped under.
    pub sections: Vec<Section>,
    /// The lists that choices come from.
    pub lists: Vec<List>,
    /// The conditions that `next` refers to.
    pub conditions: Vec<Condition>,
}

impl Form {
    /// The page at `path`.
    #[must_use]
    pub fn page(&self, path: &PagePath) -> Option<&Page> {
        self.pages.iter().find(|page| page.path == *path)
    }

    /// Every question, in the author's order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.pages.iter().flat_map(Page::fields)
    }

    /// The question called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields().find(|field| field.name.as_str() == name)
    }

    /// The list called `id`.
    #[must_use]
    pub fn list(&self, id: &ListId) -> Option<&List> {
        self.lists.iter().find(|list| list.id == *id)
    }

    /// The condition called `id`.
    #[must_use]
    pub fn condition(&self, id: &ConditionId) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.id == *id)
    }

    /// The choices of `field`, or none where it is not a choice from a list.
    #[must_use]
    pub fn choices(&self, field: &Field) -> &[Item] {
        field.kind.list().and_then(|id| self.list(id)).map_or(&[], |list| list.items.as_slice())
    }
}

/// A heading that pages are grouped under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What pages refer to.
    pub name: String,
    /// What the citizen reads.
    pub title: String,
}

/// One screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Its name inside the form.
    pub path: PagePath,
    /// What the citizen reads first.
    pub title: String,
    /// The name of its [`Section`].
    pub section: Option<String>,
    /// What is on it, from top to bottom.
    pub blocks: Vec<Block>,
    /// Where it leads: the first whose condition holds, else the one without a condition.
    pub next: Vec<Next>,
    /// What it is for.
    pub kind: PageKind,
}

impl Page {
    /// The questions on this page.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Field(field) => Some(field),
            Block::Para(_) | Block::Details { .. } => None,
        })
    }
}

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// What the service does and what one needs.
    Start,
    /// Questions, or text between them.
    Questions,
    /// Check the answers, then send.
    Summary,
}

/// A way on from a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The page it leads to.
    pub path: PagePath,
    /// When it is taken; `None` is taken when no other is.
    pub condition: Option<ConditionId>,
}

/// One thing on a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Text that is always shown.
    Para(Vec<TextBlock>),
    /// Text behind a button.
    Details {
        /// What the button says.
        title: String,
        /// What it opens.
        text: Vec<TextBlock>,
    },
    /// A question.
    Field(Field),
}

/// A piece of text with its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextBlock {
    /// A heading inside a page.
    Heading(String),
    /// Plain text.
    Paragraph(String),
    /// One entry of a list.
    Bullet(String),
}

impl TextBlock {
    /// The words, whatever their role.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Heading(text) | Self::Paragraph(text) | Self::Bullet(text) => text,
        }
    }
}

/// One question.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name, unique in the form.
    pub name: FieldName,
    /// The question.
    pub title: String,
    /// Help below the question.
    pub hint: Vec<TextBlock>,
    /// Whether it may be left empty.
    pub optional: bool,
    /// What kind of answer it takes.
    pub kind: FieldKind,
}

/// What kind of answer a question takes.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    /// One line.
    Text {
        /// The shortest text, in characters; 0 sets no limit.
        chars_min: u32,
        /// The longest text, in characters.
        chars_max: u32,
        /// What the text must contain a match of.
        pattern: Option<Pattern>,
    },
    /// Many lines.
    Multiline {
        /// The shortest text, in characters; 0 sets no limit.
        chars_min: u32,
        /// The longest text, in characters.
        chars_max: u32,
        /// The most words.
        words_max: Option<u32>,
        /// How many lines to show.
        rows: u32,
    },
    /// A decimal number.
    Number {
        /// The smallest.
        min: Option<f64>,
        /// The largest.
        max: Option<f64>,
        /// The most digits after the point; 0 asks for a whole number.
        decimals_max: Option<u32>,
        /// Shown before the number, such as `£`.
        prefix: String,
        /// Shown after the number, such as `kg`.
        suffix: String,
    },
    /// Yes or no: [`super::YES`] or [`super::NO`].
    YesNo,
    /// One of a list, all in sight.
    Radios {
        /// The choices.
        list: ListId,
    },
    /// Any number of a list.
    Checkboxes {
        /// The choices.
        list: ListId,
    },
    /// One of a long list.
    Select {
        /// The choices.
        list: ListId,
    },
    /// A day: day, month, year.
    DateParts {
        /// How many days before today it may be.
        days_past_max: Option<u32>,
        /// How many days after today it may be.
        days_future_max: Option<u32>,
    },
    /// A month and a year.
    MonthYear,
    /// An email address.
    Email,
    /// A telephone number.
    Telephone,
    /// A postal address in the United Kingdom.
    UkAddress,
    /// A web address.
    Website,
    /// Scanned pages or other files.
    File {
        /// The fewest.
        files_min: u32,
        /// The most.
        files_max: u32,
        /// The largest, in bytes.
        bytes_max: u64,
        /// Media types (RFC 6838), `image/*`, or endings such as `.pdf`; empty takes any.
        accept: Vec<String>,
    },
}

impl FieldKind {
    /// The list its choices come from.
    #[must_use]
    pub fn list(&self) -> Option<&ListId> {
        match self {
            Self::Radios { list } | Self::Checkboxes { list } | Self::Select { list } => Some(list),
            Self::Text { .. }
            | Self::Multiline { .. }
            | Self::Number { .. }
            | Self::YesNo
            | Self::DateParts { .. }
            | Self::MonthYear
            | Self::Email
            | Self::Telephone
            | Self::UkAddress
            | Self::Website
            | Self::File { .. } => None,
        }
    }

    /// A short English name, for the author of a form.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Multiline { .. } => "many-line text",
            Self::Number { .. } => "number",
            Self::YesNo => "yes or no",
            Self::Radios { .. } => "one of a list",
            Self::Checkboxes { .. } => "several of a list",
            Self::Select { .. } => "one of a long list",
            Self::DateParts { .. } => "date",
            Self::MonthYear => "month and year",
            Self::Email => "email address",
            Self::Telephone => "telephone number",
            Self::UkAddress => "UK address",
            Self::Website => "web address",
            Self::File { .. } => "file",
        }
    }
}

/// A regular expression a text must contain a match of; matching takes linear time.
#[derive(Clone, Debug)]
pub struct Pattern(regex_lite::Regex);

impl Pattern {
    /// Compiles `source`.
    ///
    /// # Errors
    /// What is wrong with it, in one English line.
    pub fn new(source: &str) -> Result<Self, String> {
        regex_lite::Regex::new(source).map(Self).map_err(|error| error.to_string())
    }

    /// The expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether `text` contains a match.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// A list of choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What fields refer to.
    pub id: ListId,
    /// What the author calls it.
    pub title: String,
    /// The choices, in order.
    pub items: Vec<Item>,
}

impl List {
    /// The choice with `value`.
    #[must_use]
    pub fn item(&self, value: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.value == value)
    }
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What is submitted.
    pub value: String,
    /// What the citizen reads.
    pub label: String,
    /// Help below the label; empty where there is none.
    pub hint: String,
}
