//! A recorded session replays in lock-step: a driver that does something else is refused at its place.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::{ccid::soon, desk::LIMIT, printer::numbered};
use hal::{
    Deadline, DeviceError, Event,
    card::{CardError, ReaderKind},
    factory::{self, Config, Site},
    printer::{self, EscPos, JobId, PrintProof, Profile, ReceiptPrinter},
    recording::{
        Recording, RecordingError, Replay, ReplayError, TestCard,
        session::{print_page, read_card},
    },
    selftest,
    sim::{
        ccid::CcidPanel,
        chip::ChipKind,
        printer::{PrinterPanel, SimPrinter},
    },
    transport::Transport,
};
use std::{path::PathBuf, sync::mpsc::sync_channel, time::Duration};

const MODEL: &str = "epson-tm-t20iii";

/// A recording that comes with the tests.
pub(crate) fn recorded(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(name)
}

fn printer() -> PrinterPanel {
    SimPrinter::new(Profile::named(MODEL).unwrap().dots_per_line).1
}

/// Prints the test page on a replay; what is claimed about it.
fn print_on(line: Box<dyn Transport>) -> Result<PrintProof, printer::PrintError> {
    let profile = Profile::named(MODEL).unwrap();
    let page = selftest::page(&profile);
    EscPos::open(line, profile, soon())?.print(&page, soon())
}

/// The text of a recording without its times.
fn timeless(recording: &Recording) -> String {
    let text = recording.to_text();
    let call = |line: &str| match line.split_once(' ') {
        Some((time, call)) if time.parse::<u64>().is_ok() => call.to_owned(),
        Some(_) | None => line.to_owned(),
    };
    text.lines().map(|line| call(line) + "\n").collect()
}

#[test]
fn a_page_is_recorded_and_prints_again_without_the_printer() {
    let panel = printer();
    let (recording, outcome) = print_page(panel.connect().unwrap(), MODEL, LIMIT).unwrap();
    assert!(matches!(outcome, Ok(PrintProof::Completed)));
    assert_eq!(panel.receipts().len(), 1, "the page is on paper");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.rec");
    recording.save(&file).unwrap();
    assert!(matches!(recording.save(&file), Err(RecordingError::File { .. })), "nothing is overwritten");
    let replay = Replay::load(&file).unwrap();
    let (again, outcome) = print_page(replay.line().unwrap(), MODEL, LIMIT).unwrap();
    assert!(matches!(outcome, Ok(PrintProof::Completed)), "{outcome:?} {:?}", replay.verdict());
    assert_eq!(replay.verdict(), Ok(()));
    assert_eq!(timeless(&again), timeless(&recording));
}

#[test]
fn a_card_session_is_recorded_and_read_again_without_the_reader() {
    let panel = CcidPanel::new(hal::sim::ccid::Model::tpdu(1));
    panel.insert(ChipKind::Plain);
    let card = TestCard::named("plain chip").unwrap();
    let (recording, atr) = read_card(panel.connect().unwrap(), ReaderKind::Dip, &card, LIMIT).unwrap();
    let replay = Replay::new(recording.clone());
    let (again, same) = read_card(replay.pipe().unwrap(), ReaderKind::Dip, &card, LIMIT).unwrap();
    assert_eq!(replay.verdict(), Ok(()));
    assert_eq!(same.unwrap(), atr.unwrap());
    assert_eq!(timeless(&again), timeless(&recording));
}

#[test]
fn what_comes_with_the_tests_still_replays() {
    for (name, troubled) in [("sim-page.rec", false), ("sim-paper-out.rec", true)] {
        let replay = Replay::load(&recorded(name)).unwrap();
        assert!(matches!(print_on(replay.line().unwrap()), Ok(PrintProof::Completed)), "{name}");
        assert_eq!(replay.verdict(), Ok(()), "{name}");
        // A printer that stops is asked why while nothing comes.
        assert_eq!(replay.recording().len() > 25, troubled, "{name}: {}", replay.recording().len());
    }
    let replay = Replay::load(&recorded("sim-memory-card.rec")).unwrap();
    let card = TestCard::named("sim memory card").unwrap();
    let (_, atr) = read_card(replay.pipe().unwrap(), ReaderKind::Contactless, &card, LIMIT).unwrap();
    assert_eq!((atr.unwrap().bytes().len(), replay.verdict()), (20, Ok(())));
}

/// A driver whose byte at `at` is another one.
struct Changed {
    line: Box<dyn Transport>,
    at: usize,
    written: usize,
}

impl Transport for Changed {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let mut bytes = bytes.to_vec();
        if let Some(byte) = self.at.checked_sub(self.written).and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1;
        }
        let count = self.line.write(&bytes, deadline)?;
        self.written += count;
        Ok(count)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        self.line.read(buffer, deadline)
    }

    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.line.finish(deadline)
    }
}

#[test]
fn a_changed_byte_of_the_driver_is_refused_at_its_place() {
    for at in [0, 17, 60, 300, 900] {
        let replay = Replay::load(&recorded("sim-page.rec")).unwrap();
        let line = Changed { line: replay.line().unwrap(), at, written: 0 };
        let claimed = print_on(Box::new(line));
        assert!(!matches!(claimed, Ok(PrintProof::Completed | PrintProof::Accepted)), "{at}: {claimed:?}");
        let Err(ReplayError::Deviated(deviation)) = replay.verdict() else { panic!("{at}: taken") };
        assert_eq!(deviation.offset, at, "{deviation}");
        assert!(deviation.line > 4 && deviation.what.starts_with("recorded is "), "{deviation}");
    }
}

#[test]
fn a_changed_message_to_a_card_reader_is_refused_at_its_place() {
    let text = std::fs::read_to_string(recorded("sim-memory-card.rec")).unwrap();
    // The first message had another sequence number, as if this driver had changed.
    let changed = text.replacen("> 65000000000000", "> 65000000000007", 1);
    let replay = Replay::new(Recording::parse(&changed).unwrap());
    let card = TestCard::named("sim memory card").unwrap();
    let (_, outcome) = read_card(replay.pipe().unwrap(), ReaderKind::Contactless, &card, LIMIT).unwrap();
    assert!(matches!(outcome, Err(CardError::Device(DeviceError::Nonsense(_)))), "{outcome:?}");
    let Err(ReplayError::Deviated(deviation)) = replay.verdict() else { panic!("taken") };
    assert_eq!((deviation.offset, deviation.what.as_str()), (6, "recorded is 07, not 00"));
}

#[test]
fn a_driver_that_stops_early_or_goes_on_is_no_repetition() {
    let replay = Replay::load(&recorded("sim-page.rec")).unwrap();
    let profile = Profile::named(MODEL).unwrap();
    let mut driver = EscPos::open(replay.line().unwrap(), profile, soon()).unwrap();
    let Err(ReplayError::Unfinished { left, .. }) = replay.verdict() else { panic!("finished") };
    assert!(left > 0);
    driver.print(&selftest::page(driver.profile()), soon()).unwrap();
    assert_eq!(replay.verdict(), Ok(()));
    assert!(matches!(driver.status(soon()), Err(DeviceError::Nonsense(_))));
    let Err(ReplayError::Deviated(deviation)) = replay.verdict() else { panic!("taken") };
    assert_eq!((deviation.line, deviation.what.as_str()), (0, "recorded is the end, not Write"));
}

#[test]
fn a_recording_stands_in_the_table_of_drivers() {
    let print = |job| {
        let file = recorded("sim-page.rec");
        let text = format!("[devices.printer]\nselector = 'replay:{}'\nprofile = '{MODEL}'", file.display());
        let (sink, events) = sync_channel(64);
        let devices = factory::open(&Config::from_toml(&text).unwrap(), &Site::default(), &sink).unwrap();
        devices.printer.as_ref().unwrap().print(JobId(1), job).unwrap();
        loop {
            let event = events.recv_timeout(LIMIT).unwrap();
            if let Event::Printer(printer::Event::Done { outcome, .. }) = event {
                return outcome;
            }
        }
    };
    let page = selftest::page(&Profile::named(MODEL).unwrap());
    assert!(matches!(print(page), Ok(PrintProof::Completed)));
    assert!(!matches!(print(numbered("another", 3)), Ok(PrintProof::Completed)));
}

#[test]
fn a_file_that_is_no_recording_is_refused_by_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.rec");
    std::fs::write(&file, "kiosk-recording 1\nclass receipt-printer\nprofile x\n0 > 1b4\nend 1\n").unwrap();
    let text = format!("[devices.printer]\nselector = 'replay:{}'\nprofile = '{MODEL}'", file.display());
    let (sink, _events) = sync_channel(8);
    let error = factory::open(&Config::from_toml(&text).unwrap(), &Site::default(), &sink).err().unwrap();
    let expected = format!("devices.printer: {}:4: '1b4' is not bytes in hexadecimal", file.display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_payment_card_is_never_recorded() {
    for kind in [ChipKind::Payment, ChipKind::ContactlessPayment] {
        let panel = CcidPanel::new(hal::sim::ccid::Model::short_apdu());
        panel.insert(kind);
        let card = TestCard::named("mine").unwrap();
        let refused = read_card(panel.connect().unwrap(), ReaderKind::Dip, &card, LIMIT);
        assert!(matches!(refused, Err(RecordingError::Refused(why)) if why.contains("payment card")));
    }
}

#[test]
fn a_card_that_nobody_named_and_devices_that_type_are_never_recorded() {
    for name in ["", "  ", "two\nlines", &"x".repeat(61)] {
        assert!(matches!(TestCard::named(name), Err(RecordingError::Refused(_))), "{name:?}");
    }
    let site = Site { world: Some(hal::sim::World::new()) };
    let stripe = Config::from_toml("[devices.card_reader]\nselector = 'sim:swipe'").unwrap();
    let refused = factory::chip_pipe(stripe.card_reader.as_ref().unwrap(), &site).err().unwrap();
    assert_eq!(refused.reason, "only a chip card reader can be recorded");
    for class in ["keypad", "scanner", "pointer", "document-scanner"] {
        let (line, why) =
            Recording::parse(&format!("kiosk-recording 1\nclass {class}\nend 0\n")).unwrap_err();
        assert!(line == 3 && why.contains("is never recorded"), "{line}: {why}");
    }
}

#[test]
fn a_lost_printer_is_recorded_as_it_was_lost() {
    let panel = printer();
    let line = panel.connect().unwrap();
    panel.unplug();
    let (recording, outcome) = print_page(line, MODEL, Duration::from_secs(1)).unwrap();
    assert!(matches!(outcome, Err(printer::PrintError::Device(DeviceError::Gone(_)))));
    assert!(recording.to_text().contains("- !gone"), "{}", *recording.to_text());
    let (again, _) = print_page(Replay::new(recording.clone()).line().unwrap(), MODEL, LIMIT).unwrap();
    assert_eq!(timeless(&again), timeless(&recording));
}
