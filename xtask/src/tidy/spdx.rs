//! SPDX licence expressions, as crates state them.
//!
//! ```text
//! either  = both { ( "OR" | "/" ) both }      `/` is cargo's old way to write OR
//! both    = single { "AND" single }
//! single  = "(" either ")" | id [ "WITH" id ]
//! ```
//!
//! From SPDX 2.3 annex D, operators in capitals as written there. `A WITH B` is one licence with
//! that whole name, so an exception is allowed only where it is named.
//!
//! Never: knows which identifiers exist. An unknown one is simply not allowed.

use std::fmt;

/// A licence expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// One licence, its `WITH` included.
    Licence(String),
    /// All of them bind.
    Both(Vec<Expression>),
    /// One of them may be chosen.
    Either(Vec<Expression>),
}

impl Expression {
    /// Whether a choice exists in which every licence is allowed.
    pub(super) fn allows(&self, allowed: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Licence(name) => allowed(name),
            Self::Both(parts) => parts.iter().all(|part| part.allows(allowed)),
            Self::Either(parts) => parts.iter().any(|part| part.allows(allowed)),
        }
    }
}

/// Why an expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A licence or `(` was expected, this or the end was found.
    NoLicence(Option<String>),
    /// A `(` without its `)`.
    Open,
    /// This comes after the end of the expression.
    Rest(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLicence(Some(found)) => write!(f, "`{found}` where a licence was expected"),
            Self::NoLicence(None) => f.write_str("it ends where a licence was expected"),
            Self::Open => f.write_str("a parenthesis is not closed"),
            Self::Rest(found) => write!(f, "`{found}` after the end"),
        }
    }
}

/// Reads an expression.
///
/// # Errors
/// What was found where something else had to be.
pub(super) fn parse(text: &str) -> Result<Expression, Unreadable> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " / ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { rest: &tokens };
    let expression = parser.either()?;
    match parser.rest.first() {
        None => Ok(expression),
        Some(token) => Err(Unreadable::Rest((*token).to_owned())),
    }
}

struct Parser<'a> {
    rest: &'a [&'a str],
}

impl Parser<'_> {
    fn take(&mut self, wanted: &[&str]) -> bool {
        match self.rest.split_first() {
            Some((token, rest)) if wanted.contains(token) => {
                self.rest = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn either(&mut self) -> Result<Expression, Unreadable> {
        let first = self.both()?;
        let mut parts = vec![first];
        while self.take(&["OR", "/"]) {
            parts.push(self.both()?);
        }
        Ok(only_or(parts, Expression::Either))
    }

    fn both(&mut self) -> Result<Expression, Unreadable> {
        let first = self.single()?;
        let mut parts = vec![first];
        while self.take(&["AND"]) {
            parts.push(self.single()?);
        }
        Ok(only_or(parts, Expression::Both))
    }

    fn single(&mut self) -> Result<Expression, Unreadable> {
        if self.take(&["("]) {
            let inner = self.either()?;
            return if self.take(&[")"]) { Ok(inner) } else { Err(Unreadable::Open) };
        }
        let mut name = self.id()?;
        if self.take(&["WITH"]) {
            name = format!("{name} WITH {}", self.id()?);
        }
        Ok(Expression::Licence(name))
    }

    fn id(&mut self) -> Result<String, Unreadable> {
        match self.rest.split_first() {
            Some((token, rest)) if !["AND", "OR", "WITH", "(", ")", "/"].contains(token) => {
                self.rest = rest;
                Ok((*token).to_owned())
            }
            Some((token, _)) => Err(Unreadable::NoLicence(Some((*token).to_owned()))),
            None => Err(Unreadable::NoLicence(None)),
        }
    }
}

/// The single part itself, or all of them together.
fn only_or(mut parts: Vec<Expression>, several: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            several(parts)
        }
        None => several(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str, list: &[&str]) -> bool {
        parse(text).unwrap().allows(&|name| list.contains(&name))
    }

    #[test]
    fn or_is_a_choice_and_and_is_not() {
        assert!(allowed("MIT OR GPL-3.0-only", &["MIT"]));
        assert!(allowed("MIT/GPL-3.0-only", &["MIT"]));
        assert!(allowed("Apache-2.0 / MIT", &["MIT"]));
        assert!(!allowed("MIT AND GPL-3.0-only", &["MIT"]));
        assert!(allowed("MIT AND ISC", &["MIT", "ISC"]));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(allowed("A OR B AND C", &["A"]));
        assert!(!allowed("A OR B AND C", &["B"]));
        assert!(!allowed("(A OR B) AND C", &["A"]));
        assert!(allowed("(A OR B) AND C", &["B", "C"]));
        assert!(allowed("((A) OR (B AND (C OR D)))", &["B", "D"]));
    }

    #[test]
    fn with_is_part_of_the_name() {
        let text = "Apache-2.0 WITH LLVM-exception";
        assert_eq!(parse(text), Ok(Expression::Licence(text.into())));
        assert!(!allowed(text, &["Apache-2.0"]));
        assert!(allowed("Apache-2.0 WITH LLVM-exception OR MIT", &["MIT"]));
    }

    #[test]
    fn a_real_long_one() {
        let text = "ISC AND (Apache-2.0 OR ISC) AND Apache-2.0 AND MIT AND BSD-3-Clause \
                    AND (Apache-2.0 OR ISC OR MIT) AND (Apache-2.0 OR ISC OR MIT-0)";
        assert!(allowed(text, &["ISC", "Apache-2.0", "MIT", "BSD-3-Clause"]));
        assert!(!allowed(text, &["ISC", "Apache-2.0", "MIT"]));
    }

    #[test]
    fn nonsense_is_told_apart() {
        assert_eq!(parse(""), Err(Unreadable::NoLicence(None)));
        assert_eq!(parse("MIT OR"), Err(Unreadable::NoLicence(None)));
        assert_eq!(parse("OR MIT"), Err(Unreadable::NoLicence(Some("OR".into()))));
        assert_eq!(parse("(MIT"), Err(Unreadable::Open));
        assert_eq!(parse("MIT ISC"), Err(Unreadable::Rest("ISC".into())));
        assert_eq!(parse("MIT)"), Err(Unreadable::Rest(")".into())));
        assert_eq!(parse("MIT WITH"), Err(Unreadable::NoLicence(None)));
    }
}
