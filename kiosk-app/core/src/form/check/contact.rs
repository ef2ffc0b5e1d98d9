//! Where somebody is reached: email, telephone, post, web.

use super::value;
use crate::{
    form::{
        answer::{Address, Answer},
        draft::{Draft, PartId},
        problem::{Problem, ProblemCode},
        text,
    },
    secret::Secret,
};
use url::{Host, Url};

/// RFC 5321 section 4.5.3.1.1, in octets.
const LOCAL_OCTETS_MAX: usize = 64;
/// RFC 5321 section 4.5.3.1.3, in octets, without the angle brackets.
const EMAIL_OCTETS_MAX: usize = 254;
/// ITU-T E.164 section 6.
const TELEPHONE_DIGITS_MAX: usize = 15;
/// The shortest national number with its area.
const TELEPHONE_DIGITS_MIN: usize = 6;
const ADDRESS_LINE_CHARS_MAX: usize = 100;
const WEBSITE_OCTETS_MAX: usize = 2000;

/// A dot-atom and a domain of at least two labels (RFC 5322 section 3.4.1), in any script
/// (RFC 6531). Quoted local parts and address literals are not what citizens have.
pub(super) fn email(draft: &Draft) -> Result<Answer, Problem> {
    let text = filled(draft)?;
    let fits = text.expose().len() <= EMAIL_OCTETS_MAX
        && text
            .expose()
            .rsplit_once('@')
            .is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain));
    if fits { Ok(Answer::Text(text)) } else { Err(value(ProblemCode::EmailFormat)) }
}

fn is_local_part(local: &str) -> bool {
    let atext = |c: char| {
        c.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(c)
            || (!c.is_ascii() && !c.is_whitespace() && !c.is_control())
    };
    (1..=LOCAL_OCTETS_MAX).contains(&local.len())
        && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
}

/// A name the DNS can hold (UTS 46, through [`url`]), not an address, with a dot inside.
fn is_domain(domain: &str) -> bool {
    if domain.contains(['%', '/', '_', '[', ':']) {
        return false;
    }
    match Host::parse(domain) {
        Ok(Host::Domain(ascii)) => {
            let labels: Vec<&str> = ascii.split('.').collect();
            ascii.len() <= 253
                && labels.len() >= 2
                && labels.iter().all(|label| {
                    (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
                })
        }
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => false,
    }
}

/// 6 to 15 digits (ITU-T E.164), with the marks people write between them.
pub(super) fn telephone(draft: &Draft) -> Result<Answer, Problem> {
    let text = filled(draft)?;
    let digits = text.expose().chars().filter(char::is_ascii_digit).count();
    let fits = (TELEPHONE_DIGITS_MIN..=TELEPHONE_DIGITS_MAX).contains(&digits)
        && text.expose().chars().enumerate().all(|(n, c)| match c {
            '0'..='9' | ' ' | '\u{a0}' | '(' | ')' | '-' | '.' | '/' => true,
            '+' => n == 0 || text.expose().starts_with('('),
            _ => false,
        });
    if fits { Ok(Answer::Text(text)) } else { Err(value(ProblemCode::TelephoneFormat)) }
}

/// A web address with or without its scheme; comes out with one.
pub(super) fn website(draft: &Draft) -> Result<Answer, Problem> {
    let text = filled(draft)?;
    let wrong = || value(ProblemCode::WebsiteFormat);
    if text.expose().len() > WEBSITE_OCTETS_MAX || text.expose().contains(char::is_whitespace) {
        return Err(wrong());
    }
    let full =
        if text.expose().contains("://") { text } else { Secret::new(format!("https://{}", text.expose())) };
    let url = Url::parse(full.expose()).map_err(|_| wrong())?;
    let fits = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.host_str().is_some_and(is_domain);
    if fits { Ok(Answer::Text(full)) } else { Err(wrong()) }
}

pub(super) fn address(draft: &Draft) -> Result<Answer, Problem> {
    let read = |part| {
        let text = text::line(draft.part(part));
        if text.expose().chars().count() > ADDRESS_LINE_CHARS_MAX {
            return Err(Problem::at(ProblemCode::TooLong, part).arg(ADDRESS_LINE_CHARS_MAX));
        }
        Ok(text)
    };
    let need = |part, code| {
        read(part).and_then(|text| if text.is_blank() { Err(Problem::at(code, part)) } else { Ok(text) })
    };
    let line1 = need(PartId::Line1, ProblemCode::AddressLineMissing)?;
    let line2 = read(PartId::Line2)?;
    let town = need(PartId::Town, ProblemCode::TownMissing)?;
    let county = read(PartId::County)?;
    let postcode = need(PartId::Postcode, ProblemCode::PostcodeMissing)?;
    let postcode = uk_postcode(postcode.expose())
        .ok_or_else(|| Problem::at(ProblemCode::PostcodeFormat, PartId::Postcode))?;
    Ok(Answer::Address(Address { line1, line2, town, county, postcode }))
}

/// The shapes of BS 7666: `A9`, `A99`, `AA9`, `AA99`, `A9A`, `AA9A`, then `9AA`. Comes out in
/// capitals with one space.
fn uk_postcode(text: &str) -> Option<Secret> {
    let code = text::code(text);
    let symbols: Vec<char> =
        code.expose().chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect();
    let junk = code.expose().chars().any(|c| !c.is_alphanumeric() && !c.is_whitespace() && c != '-');
    let (outward, inward) = symbols.split_at_checked(symbols.len().checked_sub(3)?)?;
    let shape = |c: &char| match c {
        '0'..='9' => '9',
        'A'..='Z' => 'A',
        _ => '?',
    };
    let outward_shape: String = outward.iter().map(shape).collect();
    let inward_shape: String = inward.iter().map(shape).collect();
    let outward_fits = matches!(outward_shape.as_str(), "A9" | "A99" | "AA9" | "AA99" | "A9A" | "AA9A")
        && !outward.first().is_some_and(|c| "QVX".contains(*c));
    let inward_fits = inward_shape == "9AA" && !inward.iter().any(|c| "CIKMOV".contains(*c));
    let girobank = outward == ['G', 'I', 'R'] && inward == ['0', 'A', 'A'];
    if junk || !((outward_fits && inward_fits) || girobank) {
        return None;
    }
    let mut postcode = String::with_capacity(8);
    postcode.extend(outward);
    postcode.push(' ');
    postcode.extend(inward);
    Some(Secret::new(postcode))
}

fn filled(draft: &Draft) -> Result<Secret, Problem> {
    let text = text::code(draft.part(PartId::Value));
    if text.is_blank() { Err(value(ProblemCode::Required)) } else { Ok(text) }
}
