//! How a command APDU is carried by a reader, and its answer put together. Pure.
//!
//! | case | T=0 TPDU | then |
//! |---|---|---|
//! | 1 | header, `00` | |
//! | 2 | header, Le | `6Cxx`: again with Le `xx`; `61xx`: GET RESPONSE |
//! | 3 | header, Lc, data | |
//! | 4 | header, Lc, data | `61xx`, or `9000` and no data: GET RESPONSE |
//!
//! A reader that takes whole APDUs is given them; `61xx` and `6Cxx` are followed there too (ISO/IEC 7816-4
//! section 5.3.4), for cards that say so under T=1 and readers that pass it on.
//!
//! Source: ISO/IEC 7816-3:2006, section 12.2. One deviation from 12.2.4: when a card did a case 4 command
//! (`9000`) and then refuses GET RESPONSE, the answer is `9000` without data, not the refusal: a command
//! that was done must not look as if it failed.
//!
//! Promises: a command goes to the card once, but for `6Cxx`, by which the card says that it did nothing.
//! Never: carries more than 255 bytes of data where a reader takes no extended APDU: refused as too long.

use super::super::CardBytes;
use super::apdu::{Apdu, ApduError, short_le};
use super::t1::extend_zeroizing;
use zeroize::Zeroizing;

/// The most parts an answer may have, and its length.
const PARTS_MAX: u16 = 300;
const ANSWER_MAX: usize = 65_538;

/// What the reader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// T=0 commands.
    Tpdu,
    /// APDUs in short form.
    Short,
    /// Any APDU.
    Extended,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this to the card.
    Send(CardBytes),
    /// The whole answer, with its status word.
    Done(CardBytes),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The command is out.
    Command,
    /// It is out again, with the Le the card wants.
    Reissued,
    /// GET RESPONSE is out.
    Fetching,
    /// It is out again, with the Le the card wants.
    Refetching,
}

/// One command under way.
pub struct Mapping {
    apdu: Apdu,
    carrier: Carrier,
    stage: Stage,
    parts: u16,
    /// The command was done and only its data is being fetched.
    executed: bool,
    got: Zeroizing<Vec<u8>>,
}

impl Mapping {
    /// A command, and what to send first.
    ///
    /// # Errors
    /// [`ApduError::Shape`], [`ApduError::TooLong`]
    pub fn begin(command: &[u8], carrier: Carrier) -> Result<(Self, CardBytes), ApduError> {
        let apdu = Apdu::parse(command)?;
        let got = Zeroizing::default();
        let mapping = Self { apdu, carrier, stage: Stage::Command, parts: 0, executed: false, got };
        let first = mapping.command(mapping.apdu.expected)?;
        Ok((mapping, first))
    }

    /// What to do about the card's answer.
    ///
    /// # Errors
    /// [`ApduError::NoStatus`], [`ApduError::Endless`]
    pub fn handle(&mut self, answer: &[u8]) -> Result<Step, ApduError> {
        let (data, &[sw1, sw2]) = answer.split_last_chunk::<2>().ok_or(ApduError::NoStatus)?;
        self.parts += 1;
        if self.parts > PARTS_MAX || self.got.len() + data.len() > ANSWER_MAX {
            return Err(ApduError::Endless);
        }
        let wants_data = self.apdu.expected.is_some();
        let bare = self.apdu.data.expose().is_empty() || self.carrier != Carrier::Tpdu;
        match (self.stage, sw1) {
            (Stage::Command, 0x6C) if wants_data && bare => {
                self.stage = Stage::Reissued;
                return self.command(Some(le(sw2))).map(Step::Send);
            }
            (Stage::Fetching, 0x6C) => {
                self.stage = Stage::Refetching;
                return Ok(Step::Send(self.get_response(sw2)));
            }
            (Stage::Command | Stage::Reissued | Stage::Fetching | Stage::Refetching, _) => {}
        }
        extend_zeroizing(&mut self.got, data);
        let missing = self.apdu.expected.unwrap_or(0).saturating_sub(self.got_len());
        let unfetched = self.stage == Stage::Command && !bare && data.is_empty();
        if wants_data && missing > 0 && (sw1 == 0x61 || (unfetched && [sw1, sw2] == [0x90, 0])) {
            self.executed |= sw1 == 0x90;
            self.stage = Stage::Fetching;
            let there = if sw1 == 0x61 { le(sw2) } else { 256 };
            return Ok(Step::Send(self.get_response(short_le(there.min(missing)))));
        }
        Ok(Step::Done(self.finish(sw1, sw2)))
    }

    fn finish(&mut self, sw1: u8, sw2: u8) -> CardBytes {
        let refused = self.executed && self.got.is_empty();
        let status = if refused { [0x90, 0] } else { [sw1, sw2] };
        // A card asked for less than it has (6Cxx) may say more than was wanted (12.2.3).
        let most = self.apdu.expected.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        self.got.truncate(most);
        extend_zeroizing(&mut self.got, &status);
        CardBytes::new(std::mem::take(&mut *self.got))
    }

    fn got_len(&self) -> u32 {
        u32::try_from(self.got.len()).unwrap_or(u32::MAX)
    }

    fn command(&self, expected: Option<u32>) -> Result<CardBytes, ApduError> {
        let mut apdu = self.apdu.clone();
        apdu.expected = expected;
        let mut bytes = match self.carrier {
            Carrier::Extended => apdu.whole(),
            Carrier::Short => apdu.short()?,
            Carrier::Tpdu if apdu.data.expose().is_empty() => {
                let mut bytes = Zeroizing::new(apdu.header.to_vec());
                bytes.push(expected.map_or(0, short_le));
                bytes
            }
            Carrier::Tpdu => {
                apdu.expected = None;
                apdu.short()?
            }
        };
        Ok(CardBytes::new(std::mem::take(&mut *bytes)))
    }

    /// `C0` in the command's class: its logical channel, without secure messaging and chaining
    /// (ISO/IEC 7816-4 section 5.4.1); a proprietary class becomes `00`.
    fn get_response(&self, le: u8) -> CardBytes {
        let [class, ..] = self.apdu.header;
        let class = match class >> 5 {
            0 => class & 0x03,
            2 | 3 => class & 0x4F,
            _ => 0,
        };
        CardBytes::new(vec![class, 0xC0, 0, 0, le])
    }
}

fn le(sw2: u8) -> u32 {
    if sw2 == 0 { 256 } else { u32::from(sw2) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs a command against what a card says in turn; returns what was sent and the answer.
    fn run(command: &[u8], carrier: Carrier, card: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut mapping, first) = Mapping::begin(command, carrier).unwrap();
        let mut sent = vec![first.expose().to_vec()];
        for said in card {
            match mapping.handle(said).unwrap() {
                Step::Send(next) => sent.push(next.expose().to_vec()),
                Step::Done(answer) => return (sent, answer.expose().to_vec()),
            }
        }
        panic!("the card has nothing more to say, sent {sent:02x?}");
    }

    #[test]
    fn case_one_and_three_are_sent_as_they_are() {
        let one = run(&[0, 0x44, 0, 0], Carrier::Tpdu, &[&[0x90, 0]]);
        assert_eq!(one, (vec![vec![0, 0x44, 0, 0, 0]], vec![0x90, 0]));
        // 61xx without Le is the caller's to follow.
        let three = run(&[0, 0xD6, 0, 0, 1, 7], Carrier::Tpdu, &[&[0x61, 4]]);
        assert_eq!(three, (vec![vec![0, 0xD6, 0, 0, 1, 7]], vec![0x61, 4]));
    }

    #[test]
    fn case_two_is_issued_again_with_the_length_the_card_wants() {
        let (sent, answer) = run(&[0, 0xB0, 0, 0, 0], Carrier::Tpdu, &[&[0x6C, 2], &[7, 8, 0x90, 0]]);
        assert_eq!(sent, [[0, 0xB0, 0, 0, 0], [0, 0xB0, 0, 0, 2]]);
        assert_eq!(answer, [7, 8, 0x90, 0]);
        // Fewer wanted than there are: cut to what was asked for.
        assert_eq!(run(&[0, 0xB0, 0, 0, 1], Carrier::Tpdu, &[&[0x6C, 2], &[7, 8, 0x90, 0]]).1, [7, 0x90, 0]);
        // A card that says 6C twice is believed the second time.
        assert_eq!(run(&[0, 0xB0, 0, 0, 0], Carrier::Tpdu, &[&[0x6C, 2], &[0x6C, 3]]).1, [0x6C, 3]);
    }

    #[test]
    fn case_four_is_fetched() {
        let select = [0, 0xA4, 4, 0, 1, 9, 0];
        let (sent, answer) = run(&select, Carrier::Tpdu, &[&[0x61, 2], &[1, 0x61, 1], &[2, 0x90, 0]]);
        assert_eq!(sent, [vec![0, 0xA4, 4, 0, 1, 9], vec![0, 0xC0, 0, 0, 2], vec![0, 0xC0, 0, 0, 1]]);
        assert_eq!(answer, [1, 2, 0x90, 0]);
        let (sent, answer) = run(&select, Carrier::Tpdu, &[&[0x90, 0], &[0x6C, 1], &[5, 0x90, 0]]);
        assert_eq!(
            (sent[1].as_slice(), sent[2].as_slice()),
            (&[0, 0xC0, 0, 0, 0][..], &[0, 0xC0, 0, 0, 1][..])
        );
        assert_eq!(answer, [5, 0x90, 0]);
        assert_eq!(run(&select, Carrier::Tpdu, &[&[0x6A, 0x82]]).1, [0x6A, 0x82]);
        assert_eq!(run(&select, Carrier::Tpdu, &[&[0x90, 0], &[0x6D, 0]]).1, [0x90, 0], "it was done");
        assert_eq!(run(&select, Carrier::Tpdu, &[&[0x61, 2], &[0x6F, 0]]).1, [0x6F, 0]);
    }

    #[test]
    fn whole_apdus_go_whole_and_are_followed_too() {
        let (sent, answer) = run(&[0, 0xA4, 4, 0, 1, 9, 0], Carrier::Short, &[&[0x61, 1], &[7, 0x90, 0]]);
        assert_eq!(sent, [vec![0, 0xA4, 4, 0, 1, 9, 0], vec![0, 0xC0, 0, 0, 1]]);
        assert_eq!(answer, [7, 0x90, 0]);
        let long = [vec![0x8C, 0xD6, 0, 0, 0, 1, 0], vec![7; 256]].concat();
        assert_eq!(run(&long, Carrier::Extended, &[&[0x90, 0]]).0.concat(), long);
        for carrier in [Carrier::Tpdu, Carrier::Short] {
            assert!(matches!(Mapping::begin(&long, carrier), Err(ApduError::TooLong)));
        }
        // More than 256 wanted of a short reader: asked for in parts.
        let (sent, answer) = run(
            &[0x41, 0xCA, 0, 0, 0, 1, 1],
            Carrier::Short,
            &[&[&[1; 256][..], &[0x61, 0]].concat(), &[2, 0x90, 0]],
        );
        assert_eq!(sent, [vec![0x41, 0xCA, 0, 0, 0], vec![0x41, 0xC0, 0, 0, 1]]);
        assert_eq!(answer.len(), 259);
    }

    #[test]
    fn an_answer_without_end_or_status_is_refused() {
        let (mut mapping, _) = Mapping::begin(&[0, 0xB0, 0, 0, 0, 0, 0], Carrier::Tpdu).unwrap();
        assert_eq!(mapping.handle(&[0x90]), Err(ApduError::NoStatus));
        let endless = (0..=PARTS_MAX).find_map(|_| mapping.handle(&[0x61, 0]).err());
        assert_eq!(endless, Some(ApduError::Endless));
    }

    proptest! {
        #[test]
        fn any_card_comes_to_an_end(
            command: Vec<u8>, said in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..9),
            carrier in prop::sample::select(vec![Carrier::Tpdu, Carrier::Short, Carrier::Extended]),
        ) {
            if let Ok((mut mapping, _)) = Mapping::begin(&command, carrier) {
                let ended = said.iter().cycle().take(400).any(|said| !matches!(mapping.handle(said), Ok(Step::Send(_))));
                prop_assert!(ended);
            }
        }
    }
}
