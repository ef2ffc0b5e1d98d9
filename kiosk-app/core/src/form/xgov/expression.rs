//! Conditions of the string kind, as older forms have them.
//!
//! ```text
//! any     = all *("or" all)
//! all     = one *("and" one)
//! one     = "not" one | "(" any ")" | literal "in" name | subject order literal
//! subject = name | "length" "(" name ")"
//! order   = "==" | "!=" | ">" | "<" | ">=" | "<="
//! literal = number | "true" | "false" | 'text' | "text"
//! ```

use super::{
    FormError,
    condition::{NESTED_MAX, contains, date, equals, joined, length, named, number, test},
    place::Place,
};
use crate::form::{
    condition::{Order, Test},
    model::{FieldKind, Form},
};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
}

const SIGNS: [&str; 8] = ["==", "!=", ">=", "<=", ">", "<", "(", ")"];

pub(super) fn parse(at: &Place<'_>, text: &str, form: &Form) -> Result<Test, FormError> {
    let mut tokens = tokens(at, text)?;
    tokens.reverse();
    let mut parser = Parser { at, form, tokens, depth: 0 };
    let test = parser.any()?;
    match parser.tokens.pop() {
        None => Ok(test),
        Some(token) => Err(at.fail(format!("{token} is out of place in a condition"))),
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(text) => f.write_str(text),
            Self::Quoted(text) => write!(f, "'{text}'"),
            Self::Sign(sign) => f.write_str(sign),
        }
    }
}

fn tokens(at: &Place<'_>, text: &str) -> Result<Vec<Token>, FormError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            rest = rest.strip_prefix(sign).unwrap_or_default();
        } else if matches!(first, '\'' | '"') {
            let body = rest.strip_prefix(first).unwrap_or_default();
            let (quoted, after) =
                body.split_once(first).ok_or_else(|| at.fail("a quotation mark without its pair"))?;
            tokens.push(Token::Quoted(quoted.to_owned()));
            rest = after;
        } else {
            let end = rest
                .find(|c: char| c.is_whitespace() || "=!<>()'\"".contains(c))
                .filter(|end| *end > 0)
                .map_or_else(|| if "=!".contains(first) { Err(first) } else { Ok(rest.len()) }, Ok)
                .map_err(|sign| at.fail(format!("the operator {sign} is unknown")))?;
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            tokens.push(Token::Word(word.to_owned()));
            rest = after;
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    at: &'a Place<'a>,
    form: &'a Form,
    /// The next one last.
    tokens: Vec<Token>,
    depth: u32,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Test, FormError> {
        let mut tests = vec![self.all()?];
        while self.takes(&Token::Word("or".to_owned())) {
            tests.push(self.all()?);
        }
        Ok(joined(tests, Test::Any))
    }

    fn all(&mut self) -> Result<Test, FormError> {
        let mut tests = vec![self.one()?];
        while self.takes(&Token::Word("and".to_owned())) {
            tests.push(self.one()?);
        }
        Ok(joined(tests, Test::All))
    }

    fn one(&mut self) -> Result<Test, FormError> {
        self.depth += 1;
        if self.depth > NESTED_MAX {
            return Err(self.at.fail("the condition is nested too deep"));
        }
        let test = if self.takes(&Token::Word("not".to_owned())) {
            Test::Not(Box::new(self.one()?))
        } else if self.takes(&Token::Sign("(")) {
            let inner = self.any()?;
            self.needs(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(test)
    }

    fn comparison(&mut self) -> Result<Test, FormError> {
        let (at, form) = (self.at, self.form);
        let name = match self.next()? {
            Token::Quoted(value) => {
                let (Token::Word(word), Token::Word(name)) = (self.next()?, self.next()?) else {
                    return Err(at.fail(format!("'{value}' is out of place in a condition")));
                };
                if word != "in" {
                    return Err(at.fail(format!("the operator {word} is unknown")));
                }
                let field = named(at, form, &name)?;
                return Ok(test(field, contains(at, form, field, &value)?, false));
            }
            Token::Word(name) => name,
            Token::Sign(sign) => return Err(at.fail(format!("{sign} is out of place in a condition"))),
        };
        if name == "length" && self.takes(&Token::Sign("(")) {
            let Token::Word(name) = self.next()? else { return Err(at.fail("length of what is missing")) };
            let field = named(at, form, &name)?;
            self.needs(")")?;
            let (order, negated) = self.order()?;
            let literal = self.literal()?;
            return Ok(test(field, length(at, order, &literal)?, negated));
        }
        let field = named(at, form, &name)?;
        let (order, negated) = self.order()?;
        let literal = self.literal()?;
        let relation = match (order, &field.kind) {
            (Order::Equal, _) => equals(at, form, field, &literal)?,
            (_, FieldKind::DateParts { .. }) => date(at, field, order, &literal)?,
            (Order::Less | Order::AtMost | Order::AtLeast | Order::More, _) => {
                number(at, field, order, &literal)?
            }
        };
        Ok(test(field, relation, negated))
    }

    fn order(&mut self) -> Result<(Order, bool), FormError> {
        match self.next()? {
            Token::Sign("==") => Ok((Order::Equal, false)),
            Token::Sign("!=") => Ok((Order::Equal, true)),
            Token::Sign(">") => Ok((Order::More, false)),
            Token::Sign("<") => Ok((Order::Less, false)),
            Token::Sign(">=") => Ok((Order::AtLeast, false)),
            Token::Sign("<=") => Ok((Order::AtMost, false)),
            token @ (Token::Word(_) | Token::Quoted(_) | Token::Sign(_)) => {
                Err(self.at.fail(format!("the operator {token} is unknown")))
            }
        }
    }

    fn literal(&mut self) -> Result<String, FormError> {
        match self.next()? {
            Token::Quoted(text) => Ok(text),
            Token::Word(word) if word == "true" || word == "false" || word.parse::<f64>().is_ok() => Ok(word),
            token @ (Token::Word(_) | Token::Sign(_)) => {
                Err(self.at.fail(format!("{token} is not a value to compare with")))
            }
        }
    }

    fn next(&mut self) -> Result<Token, FormError> {
        self.tokens.pop().ok_or_else(|| self.at.fail("the condition ends too soon"))
    }

    fn takes(&mut self, token: &Token) -> bool {
        self.tokens.pop_if(|next| next == token).is_some()
    }

    fn needs(&mut self, sign: &'static str) -> Result<(), FormError> {
        if self.takes(&Token::Sign(sign)) { Ok(()) } else { Err(self.at.fail(format!("{sign} is missing"))) }
    }
}
