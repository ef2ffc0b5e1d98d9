//! What is wrong with a draft, as a code. The screen has the words.
//!
//! Promises: [`ProblemCode::as_str`] never changes for a code; [`ProblemCode::ALL`] is complete.
//! Never: carries what the citizen typed.

use super::draft::PartId;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemCode {
            $($(#[$doc])* $name,)*
        }

        impl ProblemCode {
            /// Every code there is, for whoever has to find words for them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code that crosses to the screen.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

codes! {
    /// Nothing was entered.
    Required = "required",
    /// Nothing was chosen.
    ChooseOne = "choose-one",
    /// Nothing was chosen where several may be.
    ChooseAtLeastOne = "choose-at-least-one",
    /// Neither yes nor no was chosen.
    ChooseYesNo = "choose-yes-no",
    /// More characters than `arg`.
    TooLong = "too-long",
    /// Fewer characters than `arg`.
    TooShort = "too-short",
    /// More words than `arg`.
    TooManyWords = "too-many-words",
    /// Not a number at all.
    NotANumber = "not-a-number",
    /// A fraction where a whole number is asked for.
    NotWhole = "not-whole",
    /// Less than `arg`.
    TooSmall = "too-small",
    /// More than `arg`.
    TooLarge = "too-large",
    /// No part of the date was entered.
    DateRequired = "date-required",
    /// One part is missing; `arg` is `day`, `month` or `year`.
    DatePartMissing = "date-part-missing",
    /// No such day.
    DateNotReal = "date-not-real",
    /// Further in the past than allowed; `arg` is the number of days.
    DateInPast = "date-in-past",
    /// Further in the future than allowed; `arg` is the number of days.
    DateInFuture = "date-in-future",
    /// Not an email address.
    EmailFormat = "email-format",
    /// Not a telephone number.
    TelephoneFormat = "telephone-format",
    /// House and street are missing.
    AddressLineMissing = "address-line-missing",
    /// The town is missing.
    TownMissing = "town-missing",
    /// The postcode is missing.
    PostcodeMissing = "postcode-missing",
    /// Not a UK postcode.
    PostcodeFormat = "postcode-format",
    /// Not a web address.
    WebsiteFormat = "website-format",
    /// Not in the form the question asks for.
    Format = "format",
    /// No file, or fewer than asked for.
    FileRequired = "file-required",
    /// A file larger than `arg` MB.
    FileTooLarge = "file-too-large",
    /// A kind of file that is not taken.
    FileType = "file-type",
    /// More files than `arg`.
    TooManyFiles = "too-many-files",
    /// A choice that is not offered.
    NotInList = "not-in-list",
}

/// What is wrong, where, and the limit it broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub code: ProblemCode,
    /// Which box to go to; `None` is the whole question.
    pub part: Option<PartId>,
    /// The limit or the part's name, as the code says.
    pub arg: Option<String>,
}

impl Problem {
    pub(super) fn new(code: ProblemCode) -> Self {
        Self { code, part: None, arg: None }
    }

    pub(super) fn at(code: ProblemCode, part: PartId) -> Self {
        Self { code, part: Some(part), arg: None }
    }

    pub(super) fn arg(self, arg: impl ToString) -> Self {
        Self { arg: Some(arg.to_string()), ..self }
    }
}
