//! Is this a payment card? Then nothing of it may be kept. Pure.
//!
//! A track 1 of format code `B` followed by a digit (ISO/IEC 7813 section 7), or a number of 12 to 19
//! digits with a right Luhn digit (ISO/IEC 7812-1 annex B) and the issuer prefix and length of a payment
//! scheme. Library and licence numbers share ISO 7812's shape and often its check digit, so the prefix
//! decides: patron numbers begin with 2 and have 14 digits, driving licences begin with 636.
//!
//! Promises: errs towards refusal. Never: keeps, returns or shows a digit.

use super::track::Track;
use zeroize::Zeroizing;

/// Issuer prefixes and number lengths of a scheme.
struct Scheme {
    /// First and last prefix; both have the same number of digits.
    prefixes: (u32, u32),
    /// Shortest and longest number.
    lengths: (usize, usize),
}

const fn scheme(first: u32, last: u32, shortest: usize, longest: usize) -> Scheme {
    Scheme { prefixes: (first, last), lengths: (shortest, longest) }
}

/// ISO/IEC 7812 issuer ranges as the schemes publish them.
const SCHEMES: &[Scheme] = &[
    scheme(4, 4, 13, 19),       // Visa
    scheme(51, 55, 16, 16),     // Mastercard
    scheme(2221, 2720, 16, 16), // Mastercard
    scheme(2200, 2204, 16, 19), // Mir
    scheme(34, 34, 15, 15),     // American Express
    scheme(37, 37, 15, 15),     // American Express
    scheme(300, 305, 14, 19),   // Diners Club
    scheme(309, 309, 14, 19),   // Diners Club
    scheme(36, 36, 14, 19),     // Diners Club
    scheme(38, 39, 14, 19),     // Diners Club
    scheme(3528, 3589, 16, 19), // JCB
    scheme(50, 50, 12, 19),     // Maestro, RuPay, Verve, Elo
    scheme(56, 58, 12, 19),     // Maestro
    scheme(6304, 6304, 12, 19), // Maestro
    scheme(639, 639, 12, 19),   // Maestro
    scheme(67, 67, 12, 19),     // Maestro
    scheme(6011, 6011, 16, 19), // Discover
    scheme(644, 649, 16, 19),   // Discover
    scheme(65, 65, 16, 19),     // Discover, RuPay, Troy
    scheme(60, 60, 16, 16),     // RuPay, Hipercard
    scheme(62, 62, 16, 19),     // UnionPay
    scheme(81, 82, 16, 19),     // UnionPay, RuPay
    scheme(9792, 9792, 16, 16), // Troy
    scheme(1, 1, 15, 15),       // UATP
];

/// Whether a track bears a payment card's data; `content` is what lies between the sentinels.
#[must_use]
pub fn is_payment_track(track: Track, content: &str) -> bool {
    let mut characters = content.chars();
    let format_b = track == Track::One
        && characters.next() == Some('B')
        && characters.next().is_some_and(|c| c.is_ascii_digit());
    format_b || is_payment_number(super::track::number(track, content)) || is_payment_number(content)
}

/// Whether a number is a payment card's; blanks and dashes between digits are passed over.
#[must_use]
pub fn is_payment_number(text: &str) -> bool {
    let mut digits: Zeroizing<Vec<u32>> = Zeroizing::new(Vec::with_capacity(DIGITS_MAX + 1));
    for character in text.chars().filter(|c| !matches!(c, ' ' | '-')) {
        match character.to_digit(10) {
            Some(digit) if digits.len() <= DIGITS_MAX => digits.push(digit),
            Some(_) | None => return false,
        }
    }
    let known = |scheme: &Scheme| {
        let (shortest, longest) = scheme.lengths;
        let (first, last) = scheme.prefixes;
        let length = first.to_string().len();
        let prefix = digits.iter().take(length).fold(0, |number, digit| number * 10 + digit);
        (shortest..=longest).contains(&digits.len()) && (first..=last).contains(&prefix)
    };
    SCHEMES.iter().any(known) && luhn(&digits)
}

/// The longest number of a payment card, ISO/IEC 7812-1.
const DIGITS_MAX: usize = 19;

fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let weighed = digits.iter().rev().enumerate().map(|(at, d)| if at % 2 == 1 { doubled(*d) } else { *d });
    weighed.sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test numbers the schemes and their acquirers publish.
    const PUBLISHED: [&str; 12] = [
        "4111111111111111",
        "4222222222222",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "30569309025904",
        "36006666333344",
        "3530111333300000",
        "6011111111111117",
        "6200000000000005",
        "6759649826438453",
        "2200770239097761",
    ];

    #[test]
    fn every_schemes_test_number_is_refused() {
        for number in PUBLISHED {
            assert!(is_payment_number(number), "{number}");
            assert!(is_payment_track(Track::Two, &format!("{number}=25121010000")), "{number}");
            assert!(is_payment_track(Track::Three, &format!("01{number}==")), "{number}");
        }
        assert!(is_payment_number("4111 1111-1111 1111"));
    }

    #[test]
    fn track_one_of_format_b_is_refused_whatever_its_number() {
        assert!(is_payment_track(Track::One, "B1234^DOE/JANE^2512"));
        assert!(!is_payment_track(Track::One, "BCVICTORIA^DOE$JANE^"));
    }

    #[test]
    fn library_and_licence_numbers_pass() {
        // A patron number with a right Luhn digit, the same with a wrong one, AAMVA, and not a number.
        for number in
            ["21234000012347", "29999000000004", "6360150123456789", "4111111111111112", "P12345", ""]
        {
            assert!(!is_payment_number(number), "{number}");
        }
        assert!(!is_payment_number(&"4".repeat(60)));
    }
}
