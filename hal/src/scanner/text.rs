//! A scanner that types: as a keyboard, or on a serial line.
//!
//! Promises: the AIM identifier is taken off the data. Never: delivers half a text.

use super::{Canceller, Heard, ScanData, Scanner};
use crate::{
    card::{CardError, library, stripe},
    device::{Deadline, DeviceError},
    wedge::{Aim, Framed, TextSource},
};
use zeroize::Zeroizing;

/// No symbol says more: a QR code of version 40 in digits, ISO/IEC 18004 table 7, and its AIM identifier.
pub const SCAN_BYTES_MAX: usize = 7089 + 3;

/// A scanner over a text source.
pub struct TextScanner(Box<dyn TextSource>);

impl TextScanner {
    /// A scanner that types through `source`.
    #[must_use]
    pub fn new(source: Box<dyn TextSource>) -> Self {
        Self(source)
    }
}

impl Scanner for TextScanner {
    fn next_scan(&mut self, deadline: Deadline) -> Result<Option<Heard>, DeviceError> {
        Ok(self.0.next(deadline)?.map(|framed| match framed {
            Framed::Garbled(why) => {
                tracing::warn!(?why, "a scan is thrown away");
                Heard::Garbled
            }
            Framed::Text(text) if is_payment_card(&text.bytes) => Heard::PaymentCard,
            Framed::Text(text) => {
                let (aim, data) = Aim::split(&text.bytes);
                let data = ScanData::new(Zeroizing::new(data.to_vec()));
                Heard::Symbol { begun_us: text.begun_us, aim, data }
            }
        }))
    }

    fn canceller(&self) -> Option<Canceller> {
        self.0.canceller()
    }
}

/// Whether this is a payment card's stripe: a number alone is not enough, articles have such numbers too.
pub(super) fn is_payment_card(bytes: &[u8]) -> bool {
    let stripe = matches!(bytes.first(), Some(b'%' | b';'));
    stripe && matches!(library::number(&stripe::tracks(bytes)), Err(CardError::Payment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_cards_stripe_is_known_and_an_articles_number_is_not_one() {
        for (text, pays) in [
            ("%B4111111111111111^DOE/J^2912?;4111111111111111=2912?", true),
            (";4111111111111111=2912?", true),
            (";21234000012347?", false),
            // An article number with the shape of a payment number.
            ("4222222222222", false),
            ("", false),
        ] {
            assert_eq!(is_payment_card(text.as_bytes()), pays, "{text}");
        }
    }
}
