//! The receipt: one model, from which paper, PDF and speech are made.
//!
//! A line is either a service's own words (they come with it) or a [`Word`] that the user interface
//! puts into the citizen's language.
//!
//! Promises: says only what is proven at the moment it is made; holds no answer of the citizen.
//! Never: lays out, encodes or prints.

use crate::{
    claim::ClaimCode,
    wire::{ClaimState, Stamp},
};

/// A message id; the words are in the user interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// What this paper is.
    Heading,
    /// "Service".
    Service,
    /// "Provided by".
    Operator,
    /// "Submitted".
    Submitted,
    /// "Claim code".
    ClaimCode,
    /// "State".
    State,
    /// Saved on this kiosk, not sent yet.
    SavedHere,
    /// Sent.
    Sent,
    /// Answered.
    Answered,
    /// A member of staff needs to look at this.
    NeedsStaff,
    /// "Reference number".
    Reference,
    /// How to find out more later.
    HowToCheck,
    /// Keep this receipt.
    KeepThis,
    /// "Kiosk".
    Kiosk,
}

impl Word {
    /// The id the user interface knows it by.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Heading => "heading",
            Self::Service => "service",
            Self::Operator => "operator",
            Self::Submitted => "submitted",
            Self::ClaimCode => "claim-code",
            Self::State => "state",
            Self::SavedHere => "saved-here",
            Self::Sent => "sent",
            Self::Answered => "answered",
            Self::NeedsStaff => "needs-staff",
            Self::Reference => "reference",
            Self::HowToCheck => "how-to-check",
            Self::KeepThis => "keep-this",
            Self::Kiosk => "kiosk",
        }
    }
}

/// One line of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Large, centred.
    Heading(Word),
    /// A label and what the service or the kiosk says.
    Pair(Word, String),
    /// A label and a moment, milliseconds since 1970.
    Time(Word, Stamp),
    /// The proven state, emphasised.
    State(Word),
    /// The claim code, large.
    Claim(ClaimCode),
    /// A QR code with this text.
    Qr(String),
    /// A sentence.
    Note(Word),
    /// A line across.
    Rule,
}

/// What is printed for one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// BCP 47 language of the words.
    pub language: String,
    /// In the order they are read.
    pub lines: Vec<Line>,
}

/// What a receipt is made from.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// BCP 47 language of the session.
    pub language: &'a str,
    /// What the service is called in that language.
    pub service: &'a str,
    /// Who runs it.
    pub operator: &'a str,
    /// Which kiosk this is.
    pub kiosk: &'a str,
    /// When the citizen submitted.
    pub submitted: Stamp,
    /// The claim code.
    pub claim: &'a ClaimCode,
    /// What is proven now.
    pub state: &'a ClaimState,
    /// Where a claim can be looked up, without the code; empty when nowhere but on a kiosk.
    pub claim_url: &'a str,
}

/// Makes the receipt of one transaction.
#[must_use]
pub fn receipt(facts: &Facts<'_>) -> Receipt {
    let state = match facts.state {
        ClaimState::SavedHere => Word::SavedHere,
        ClaimState::Sent => Word::Sent,
        ClaimState::Answered { .. } => Word::Answered,
        ClaimState::NeedsStaff { .. } => Word::NeedsStaff,
    };
    let mut lines = vec![
        Line::Heading(Word::Heading),
        Line::Rule,
        Line::Pair(Word::Service, facts.service.to_owned()),
        Line::Pair(Word::Operator, facts.operator.to_owned()),
        Line::Time(Word::Submitted, facts.submitted),
        Line::Pair(Word::Kiosk, facts.kiosk.to_owned()),
        Line::Rule,
        Line::State(state),
    ];
    if let ClaimState::Answered { reference: Some(reference) } = facts.state {
        lines.push(Line::Pair(Word::Reference, reference.clone()));
    }
    lines.extend([
        Line::Rule,
        Line::Note(Word::ClaimCode),
        Line::Claim(facts.claim.clone()),
        Line::Qr(format!("{}{}", facts.claim_url, facts.claim)),
        Line::Note(Word::HowToCheck),
        Line::Note(Word::KeepThis),
    ]);
    Receipt { language: facts.language.to_owned(), lines }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ClockQuality;

    fn made_from(state: &ClaimState) -> Receipt {
        let claim = ClaimCode::draw([7; 8]).unwrap();
        receipt(&Facts {
            language: "en",
            service: "Report a street problem",
            operator: "Brightwater Council",
            kiosk: "Library 1",
            submitted: Stamp { unix_ms: 0, clock: ClockQuality::Synced },
            claim: &claim,
            state,
            claim_url: "",
        })
    }

    #[test]
    fn says_only_what_is_proven() {
        let says = |receipt: &Receipt, word| receipt.lines.contains(&Line::State(word));
        let saved = made_from(&ClaimState::SavedHere);
        assert!(says(&saved, Word::SavedHere) && !says(&saved, Word::Sent) && !says(&saved, Word::Answered));
        let answered = made_from(&ClaimState::Answered { reference: Some("SR-1".into()) });
        assert!(answered.lines.contains(&Line::Pair(Word::Reference, "SR-1".into())));
        assert!(!says(&answered, Word::SavedHere));
    }
}
