//! Every fault of a CCID reader in every phase: the right end, by the deadline, and the reader in step after it.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::ccid::{soon, with_card};
use hal::{
    Deadline, DeviceError,
    card::{CardError, CardReader, CardStatus, ReaderKind, Slot},
    sim::{
        ccid::{CcidPanel, Fault, Model, Phase},
        chip::ChipKind,
        chip_t1::Slip,
    },
};
use std::time::{Duration, Instant};

/// What a call may take.
const CALL: Duration = Duration::from_secs(1);

/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(500);

/// A reader that is closed gets 300 ms.
const CLOSE: Duration = Duration::from_millis(300);

const READ: [u8; 5] = [0, 0xB0, 0, 0, 5];

const FAULTS: [Fault; 15] = [
    Fault::Mute,
    Fault::Slow(3),
    Fault::NeverDone,
    Fault::Silent,
    Fault::Garbage,
    Fault::Noise,
    Fault::WrongSeq(10),
    Fault::WrongSeq(11),
    Fault::Cut,
    Fault::Unplug,
    Fault::UnplugMidReply,
    Fault::PullCard,
    Fault::PullCardUnseen,
    Fault::Stall,
    Fault::HardwareError,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Well,
    NoCard,
    Mute,
    Torn,
    TimedOut,
    Gone,
    Nonsense,
}

fn of_device(error: &DeviceError) -> End {
    match error {
        DeviceError::Gone(_) => End::Gone,
        DeviceError::TimedOut => End::TimedOut,
        DeviceError::Nonsense(_) => End::Nonsense,
        DeviceError::Busy
        | DeviceError::Denied(_)
        | DeviceError::Unsupported(_)
        | DeviceError::NotExclusive(_) => panic!("{error:?}"),
    }
}

fn of_card(error: &CardError) -> End {
    match error {
        CardError::Torn => End::Torn,
        CardError::Mute => End::Mute,
        CardError::Device(error) => of_device(error),
        CardError::Payment | CardError::Unreadable(_) | CardError::NoNumber => panic!("{error:?}"),
    }
}

fn of_slot(slot: Result<Slot, DeviceError>) -> End {
    match slot {
        Ok(Slot { status: CardStatus::NoCard, .. }) => End::NoCard,
        Ok(_) => End::Well,
        Err(error) => of_device(&error),
    }
}

/// What a call ends in, for a reader that exchanges short APDUs.
fn expected(phase: Phase, fault: Fault) -> End {
    let idle = phase == Phase::Idle;
    match fault {
        Fault::Unplug | Fault::UnplugMidReply => End::Gone,
        Fault::Stall | Fault::Noise => End::Nonsense,
        Fault::PullCard if matches!(phase, Phase::Idle | Phase::Asking) => End::NoCard,
        Fault::PullCardUnseen if idle => End::NoCard,
        // The reader has not seen it yet; the next question finds out.
        Fault::PullCardUnseen if phase == Phase::Asking => End::Well,
        Fault::PullCard | Fault::PullCardUnseen => End::Torn,
        Fault::Mute if matches!(phase, Phase::Idle | Phase::Asking) => End::Well,
        Fault::Mute => End::Mute,
        Fault::HardwareError if matches!(phase, Phase::Idle | Phase::Asking) => End::Well,
        Fault::HardwareError => End::Nonsense,
        Fault::Slow(_) | Fault::Late(_) | Fault::Pause(_) | Fault::Garbage => End::Well,
        Fault::WrongSeq(count) if count <= 10 || idle => End::Well,
        Fault::WrongSeq(_) => End::Nonsense,
        Fault::NeverDone | Fault::Silent | Fault::Cut if idle => End::Well,
        Fault::NeverDone | Fault::Silent | Fault::Cut => End::TimedOut,
    }
}

/// Lets `fault` happen in `phase`; says how the call ended, which must not be after `CALL`.
fn strike(panel: &CcidPanel, reader: &mut dyn CardReader, phase: Phase, fault: Fault) -> End {
    if matches!(phase, Phase::Sending | Phase::Answering) {
        reader.power_on(soon()).unwrap();
    }
    reader.status(soon()).unwrap();
    panel.arm(phase, fault);
    let (begun, deadline) = (Instant::now(), Deadline::after(CALL));
    let end = match phase {
        // A wait that nothing ends lasts to its deadline; the reader is asked then.
        Phase::Idle => of_slot(reader.wait_change(Deadline::after(CALL / 2))),
        Phase::Asking => of_slot(reader.status(deadline)),
        Phase::PowerOn => reader.power_on(deadline).map_or_else(|error| of_card(&error), |_| End::Well),
        Phase::Sending | Phase::Answering => {
            let answer = reader.transmit(&READ, deadline);
            answer.map_or_else(
                |error| of_card(&error),
                |answer| {
                    assert_eq!(answer.expose(), [0, 1, 2, 3, 4, 0x90, 0]);
                    End::Well
                },
            )
        }
        Phase::Closing => panic!("closing returns nothing"),
    };
    assert!(begun.elapsed() < CALL + SLACK, "{phase:?} {fault:?} took {:?}", begun.elapsed());
    assert!(!panel.is_armed(), "{phase:?} {fault:?} did not happen");
    end
}

/// The reader serves again, after the hand put right what it did.
fn serves(panel: &CcidPanel, mut reader: Box<dyn CardReader>, end: End, what: &str) {
    if end == End::Gone {
        drop(reader);
        panel.plug_in();
        reader = panel.open(ReaderKind::Dip).unwrap();
    }
    if !panel.has_card() {
        panel.insert(ChipKind::Plain);
        while reader.wait_change(soon()).unwrap().status != CardStatus::Present {}
    }
    reader.power_on(soon()).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let answer = reader.transmit(&READ, soon()).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(answer.expose(), [0, 1, 2, 3, 4, 0x90, 0], "{what}");
}

fn table(phase: Phase) {
    for fault in FAULTS {
        let (panel, mut reader) = with_card(Model::short_apdu(), ChipKind::Plain);
        let end = strike(&panel, reader.as_mut(), phase, fault);
        assert_eq!(end, expected(phase, fault), "{phase:?} {fault:?}");
        let done = panel.executed();
        assert!(done <= 1, "{phase:?} {fault:?}: a command was carried out {done} times");
        serves(&panel, reader, end, &format!("after {phase:?} {fault:?}"));
    }
}

#[test]
fn while_idle() {
    table(Phase::Idle);
}

#[test]
fn while_asking_for_the_slot() {
    table(Phase::Asking);
}

#[test]
fn while_giving_power() {
    table(Phase::PowerOn);
}

#[test]
fn while_handing_a_command_over() {
    table(Phase::Sending);
}

#[test]
fn while_awaiting_an_answer() {
    table(Phase::Answering);
}

/// The `FF CA` that gives a payment card's UID is sent in none of these.
#[test]
fn a_payment_card_without_contacts_gives_nothing_whatever_fails_while_it_is_asked() {
    for fault in FAULTS {
        let (panel, mut reader) = with_card(Model::short_apdu(), ChipKind::ContactlessPayment);
        panel.arm(Phase::Answering, fault);
        let read = reader.read_identifier(Deadline::after(CALL));
        assert!(!panel.is_armed(), "{fault:?} did not happen");
        let refused = matches!(read, Err(CardError::Payment));
        let garbled = matches!(fault, Fault::HardwareError | Fault::Stall | Fault::Noise);
        assert!(refused || !garbled, "{fault:?} is asked once more: {read:?}");
        assert!(read.is_err(), "{fault:?}: the number of a payment card was given");
        assert!(panel.executed() <= 2, "{fault:?}: more than the environment was asked for, twice");
    }
}

#[test]
fn while_closing() {
    for fault in FAULTS {
        let (panel, mut reader) = with_card(Model::short_apdu(), ChipKind::Plain);
        reader.power_on(soon()).unwrap();
        panel.arm(Phase::Closing, fault);
        let begun = Instant::now();
        drop(reader);
        assert!(begun.elapsed() < CLOSE + SLACK, "{fault:?} took {:?}", begun.elapsed());
        assert!(!panel.is_armed(), "{fault:?} did not happen");
        panel.plug_in();
        panel.insert(ChipKind::Plain);
        let reader = panel.open(ReaderKind::Dip).unwrap();
        serves(&panel, reader, End::Well, &format!("after closing with {fault:?}"));
    }
}

#[test]
fn under_t1_a_single_fault_on_the_line_is_mended() {
    for (fault, right) in [
        (Fault::Mute, End::Well),
        (Fault::Slow(3), End::Well),
        (Fault::WrongSeq(3), End::Well),
        (Fault::Garbage, End::Well),
        (Fault::PullCard, End::Torn),
        (Fault::NeverDone, End::TimedOut),
        (Fault::Unplug, End::Gone),
    ] {
        let (panel, mut reader) = with_card(Model::tpdu(1), ChipKind::Plain);
        let end = strike(&panel, reader.as_mut(), Phase::Answering, fault);
        assert_eq!(end, right, "{fault:?}");
        serves(&panel, reader, end, &format!("after {fault:?}"));
    }
}

#[test]
fn a_card_that_was_mute_once_is_no_longer_when_it_answers() {
    let (panel, mut reader) = with_card(Model::short_apdu(), ChipKind::Plain);
    assert_eq!(strike(&panel, reader.as_mut(), Phase::PowerOn, Fault::Mute), End::Mute);
    assert_eq!(reader.status(soon()).unwrap().status, CardStatus::Mute);
    reader.power_on(soon()).unwrap();
    assert_eq!(reader.status(soon()).unwrap().status, CardStatus::Present);
}

#[test]
fn a_long_answer_cut_in_the_middle_of_a_packet_is_late_not_nonsense() {
    let (panel, mut reader) = with_card(Model::short_apdu(), ChipKind::Plain);
    reader.power_on(soon()).unwrap();
    panel.arm(Phase::Answering, Fault::Cut);
    let answer = reader.transmit(&[0, 0xB0, 0, 0, 0], Deadline::after(CALL));
    assert_eq!(answer.map_or_else(|error| of_card(&error), |_| End::Well), End::TimedOut);
    serves(&panel, reader, End::TimedOut, "after half a long answer");
}

#[test]
fn time_a_card_asked_for_is_more_than_a_reader_gets_by_itself() {
    let (panel, mut reader) = with_card(Model::short_apdu(), ChipKind::Plain);
    reader.power_on(soon()).unwrap();
    // A reply takes three seconds at most unless more is asked for.
    panel.arm(Phase::Answering, Fault::Late(3200));
    let begun = Instant::now();
    assert_eq!(reader.transmit(&READ, soon()).unwrap().expose(), [0, 1, 2, 3, 4, 0x90, 0]);
    assert!(begun.elapsed() >= Duration::from_millis(3200));
}

#[test]
fn after_a_command_without_end_the_chip_is_spoken_to_only_with_new_power() {
    let (panel, mut reader) = with_card(Model::tpdu(1), ChipKind::Plain);
    assert_eq!(strike(&panel, reader.as_mut(), Phase::Answering, Fault::Silent), End::TimedOut);
    assert!(matches!(reader.transmit(&READ, soon()), Err(CardError::Torn)));
    serves(&panel, reader, End::TimedOut, "with new power");
}

#[test]
fn a_t1_card_that_died_is_mute_even_when_the_deadline_ends_it() {
    let (panel, mut reader) = with_card(Model { patience_ms: 500, ..Model::tpdu(1) }, ChipKind::Plain);
    reader.power_on(soon()).unwrap();
    panel.slip(&[Slip::Dead]);
    let begun = Instant::now();
    let answer = reader.transmit(&READ, Deadline::after(CALL + CALL / 2));
    assert_eq!(answer.map_or_else(|error| of_card(&error), |_| End::Well), End::Mute);
    assert!(begun.elapsed() < CALL + CALL / 2 + SLACK);
}

#[test]
fn a_shaken_card_that_kept_its_power_is_the_same_unless_the_reader_gives_power_by_itself() {
    for (features, cards) in [(0x2_04BA, 1), (0x2_04BE, 2)] {
        let (panel, mut reader) = with_card(Model { features, ..Model::short_apdu() }, ChipKind::Plain);
        reader.power_on(soon()).unwrap();
        reader.status(soon()).unwrap();
        reader.wait_change(Deadline::after(Duration::from_millis(50))).unwrap();
        panel.shake();
        let slot = reader.wait_change(Deadline::after(Duration::from_millis(50))).unwrap();
        assert_eq!(slot.cards, cards);
        assert_eq!(reader.transmit(&READ, soon()).is_ok(), cards == 1);
    }
}

#[test]
fn a_hardware_error_is_told_and_passes() {
    let (panel, mut reader) = with_card(Model::short_apdu(), ChipKind::Plain);
    panel.arm(Phase::Asking, Fault::HardwareError);
    assert_eq!(reader.status(soon()).unwrap().status, CardStatus::Present);
    assert_eq!(reader.wait_change(soon()).unwrap().status, CardStatus::Error);
    assert_eq!(reader.status(soon()).unwrap().status, CardStatus::Present);
}

#[test]
fn a_card_pulled_mid_command_is_counted_once_though_told_twice() {
    let (panel, mut reader) = with_card(Model::short_apdu(), ChipKind::Plain);
    // The card's coming is told first.
    reader.status(soon()).unwrap();
    reader.wait_change(Deadline::after(Duration::from_millis(50))).unwrap();
    assert_eq!(strike(&panel, reader.as_mut(), Phase::Answering, Fault::PullCard), End::Torn);
    let gone = reader.wait_change(soon()).unwrap();
    assert_eq!((gone.status, gone.cards), (CardStatus::NoCard, 1));
    let still = reader.wait_change(Deadline::after(Duration::from_millis(50))).unwrap();
    assert_eq!((still.status, still.cards), (CardStatus::NoCard, 1));
}

#[test]
fn a_reader_that_loses_the_answer_of_a_pulled_card_is_asked_why() {
    let (panel, mut reader) = with_card(Model::tpdu(0), ChipKind::Plain);
    reader.power_on(soon()).unwrap();
    panel.arm(Phase::Answering, Fault::Silent);
    panel.pull();
    let torn = reader.transmit(&READ, soon());
    assert!(matches!(torn, Err(CardError::Torn)), "{torn:?}");
    assert_eq!(reader.status(soon()).unwrap().status, CardStatus::NoCard);
}
