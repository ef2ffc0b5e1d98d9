//! T=1: a card that misbehaves in every way gets its commands once, and its answers arrive whole.

use hal::{
    card::{
        CardBytes,
        chip::{
            atr::Check,
            t1::{Heard, Step, T1, T1Error},
        },
    },
    sim::{
        chip::{Chip, ChipKind},
        chip_t1::{Slip, T1Card},
    },
};
use proptest::prelude::*;

/// No exchange in these tests takes more blocks.
const BLOCKS_MAX: usize = 400;

struct Pair {
    line: T1,
    card: T1Card,
    chip: Chip,
    /// Block waiting times the card asked for.
    waits: Vec<u8>,
    blocks: usize,
}

impl Pair {
    fn new() -> Self {
        let chip = Chip::new(ChipKind::Plain);
        Self { line: T1::new(Check::Lrc, 32), card: T1Card::default(), chip, waits: Vec::new(), blocks: 0 }
    }

    fn run(&mut self, mut step: Step) -> Result<Vec<u8>, T1Error> {
        for _ in 0..BLOCKS_MAX {
            let block = match step {
                Step::Done(answer) => return Ok(answer.expose().to_vec()),
                Step::Send { block, waits } => {
                    self.waits.push(waits);
                    block
                }
            };
            self.blocks += 1;
            step = match self.card.block(&mut self.chip, block.expose()) {
                Some(answer) => self.line.handle(Heard::Block(&answer))?,
                None => self.line.handle(Heard::Nothing)?,
            };
        }
        panic!("an exchange without end");
    }

    fn echo(&mut self, count: u8, slips: &[Slip]) -> Result<Vec<u8>, T1Error> {
        self.card.slip(slips);
        let data: Vec<u8> = (0..count).collect();
        let command = [&[0, 0xEE, 0, 0, count], data.as_slice(), &[0]].concat();
        let begin = self.line.begin(CardBytes::new(command));
        self.run(begin)
    }

    fn echoed(&mut self, count: u8, slips: &[Slip]) {
        let right: Vec<u8> = (0..count).chain([0x90, 0]).collect();
        let before = self.chip.executed();
        assert_eq!(self.echo(count, slips).as_deref(), Ok(right.as_slice()), "{slips:?}");
        assert_eq!(self.chip.executed(), before + 1, "once: {slips:?}");
    }
}

#[test]
fn a_short_command_takes_two_blocks_and_numbers_alternate() {
    let mut pair = Pair::new();
    for count in 1..6 {
        pair.echoed(5, &[]);
        assert_eq!(pair.blocks, count);
    }
}

#[test]
fn long_commands_and_answers_are_chained_both_ways() {
    let mut pair = Pair::new();
    // 206 bytes in parts of 32 are 7 blocks, 202 back are 7 with 6 receipts between.
    pair.echoed(200, &[]);
    assert_eq!(pair.blocks, 13);
    let tell = pair.line.tell_ifsd(254);
    assert_eq!(pair.run(tell).unwrap(), []);
    assert_eq!(pair.line.ifsd(), 254);
    pair.blocks = 0;
    pair.echoed(200, &[]);
    assert_eq!(pair.blocks, 7, "the answer comes in one block now");
}

#[test]
fn every_single_slip_at_every_block_is_mended() {
    for slip in [Slip::BadCheck, Slip::Lost, Slip::Deaf, Slip::Damaged, Slip::BadNumber] {
        for at in 0..13 {
            let mut slips = vec![Slip::Right; at];
            slips.push(slip);
            Pair::new().echoed(200, &slips);
        }
    }
}

#[test]
fn a_card_that_needs_time_gets_as_much_as_it_asks_for() {
    let mut pair = Pair::new();
    pair.echoed(5, &[Slip::Wtx(7), Slip::Wtx(0), Slip::Wtx(255)]);
    assert_eq!(pair.waits, [1, 7, 1, 255]);
    pair.echoed(5, &[Slip::Wtx(2), Slip::BadCheck]);
}

#[test]
fn a_card_may_change_its_field_size_on_the_way() {
    let mut pair = Pair::new();
    pair.echoed(200, &[Slip::Ifs(100)]);
    // 32 and then 100 at a time: 3 parts and the card's request, then 7 parts back with 6 receipts.
    assert_eq!(pair.blocks, 3 + 1 + 6);
}

#[test]
fn a_lost_line_is_resynchronised_but_the_command_is_not_repeated() {
    let mut pair = Pair::new();
    assert_eq!(pair.echo(5, &[Slip::Lost; 4]), Err(T1Error::Lost));
    assert_eq!(pair.chip.executed(), 1);
    assert_eq!(pair.line.ifsd(), 32);
    pair.echoed(200, &[]);
}

#[test]
fn an_aborting_card_can_be_spoken_to_again() {
    let mut pair = Pair::new();
    assert_eq!(pair.echo(200, &[Slip::Right, Slip::Abort]), Err(T1Error::Aborted));
    pair.echoed(200, &[]);
}

#[test]
fn a_card_that_died_is_given_up_after_bounded_tries() {
    let mut pair = Pair::new();
    assert_eq!(pair.echo(5, &[Slip::Dead]), Err(T1Error::Dead));
    // The command, three receipts, four requests to resynchronise.
    assert_eq!(pair.blocks, 1 + 3 + 4);
    let begin = pair.line.begin(CardBytes::new(vec![0, 0xEE, 0, 0]));
    assert_eq!(pair.run(begin), Err(T1Error::Dead));
}

#[test]
fn a_card_that_may_not_resynchronise_is_not_obeyed() {
    let mut line = T1::new(Check::Lrc, 32);
    line.begin(CardBytes::new(vec![0, 0xEE, 0, 0]));
    let step = line.handle(Heard::Block(&[0, 0xC0, 0, 0xC0])).unwrap();
    assert!(matches!(step, Step::Send { block, .. } if block.expose()[1] == 0x82));
}

#[test]
fn a_part_with_the_wrong_number_is_not_taken() {
    let mut line = T1::new(Check::Lrc, 32);
    line.begin(CardBytes::new(vec![0, 0xEE, 0, 0]));
    let second = line.handle(Heard::Block(&[0, 0x40, 2, 0x90, 0, 0xD2])).unwrap();
    assert!(matches!(second, Step::Send { block, .. } if block.expose()[1] == 0x82));
    let first = line.handle(Heard::Block(&[0, 0x00, 2, 0x90, 0, 0x92])).unwrap();
    assert!(matches!(first, Step::Done(answer) if answer.expose() == [0x90, 0]));
}

fn slip() -> impl Strategy<Value = Slip> {
    prop_oneof![
        4 => Just(Slip::Right),
        1 => prop::sample::select(vec![
            Slip::BadCheck, Slip::Lost, Slip::Deaf, Slip::Damaged, Slip::BadNumber, Slip::Abort, Slip::Dead,
            Slip::Wtx(3), Slip::Ifs(60),
        ]),
    ]
}

proptest! {
    #[test]
    fn whatever_goes_wrong_an_answer_is_right_or_none_and_nothing_is_done_twice(
        slips in prop::collection::vec(slip(), 0..40), count in 1_u8..250,
    ) {
        let mut pair = Pair::new();
        let right: Vec<u8> = (0..count).chain([0x90, 0]).collect();
        match pair.echo(count, &slips) {
            Ok(answer) => prop_assert_eq!(answer, right),
            Err(T1Error::Lost | T1Error::Aborted | T1Error::Dead) => {}
        }
        prop_assert!(pair.chip.executed() <= 1);
    }

    #[test]
    fn any_bytes_from_a_card_are_survived(said in prop::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let mut line = T1::new(Check::Crc, 32);
        line.begin(CardBytes::new(vec![0; 300]));
        for said in &said {
            if line.handle(Heard::Block(said)).is_err() {
                break;
            }
        }
    }
}
