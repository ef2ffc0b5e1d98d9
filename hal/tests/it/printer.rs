//! What is claimed about a receipt is what the printer proved.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use hal::{
    Deadline, DeviceError, Event, Health,
    printer::{
        self, Align, Bitmap, EscPos, Job, JobId, Line, Paper, PrintError, PrintProof, PrinterHandle,
        PrinterStatus, Profile, ReceiptPrinter, Size, Style, escpos::IdentityText, thread::Limits,
    },
    sim::printer::{PrinterPanel, SimPrinter, serve},
    transport::{Transport, file::WriteOnly, tcp::Tcp},
};
use std::{
    io::Read,
    net::TcpListener,
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

/// No event of these tests takes so long unless something is broken.
pub(crate) const EVENT_LIMIT: Duration = Duration::from_secs(20);

pub(crate) type Outcome = Result<PrintProof, PrintError>;

/// A kept printer, its panel and its events.
pub(crate) struct Desk {
    pub(crate) panel: PrinterPanel,
    pub(crate) handle: PrinterHandle,
    pub(crate) events: Receiver<Event>,
    pub(crate) _printer: SimPrinter,
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

pub(crate) fn quick() -> Limits {
    Limits {
        retry_first: Duration::from_millis(5),
        retry_most: Duration::from_millis(50),
        retry_faulted: Duration::from_millis(50),
        room: Duration::from_millis(10),
        ..Limits::default()
    }
}

impl Desk {
    pub(crate) fn new(profile: &str) -> Self {
        Self::with(profile, quick(), |line| line)
    }

    /// `wrap` stands between driver and printer.
    pub(crate) fn with(
        profile: &str,
        limits: Limits,
        mut wrap: impl FnMut(Box<dyn Transport>) -> Box<dyn Transport> + Send + 'static,
    ) -> Self {
        let profile = Profile::named(profile).unwrap();
        let (printer, panel) = SimPrinter::new(profile.dots_per_line);
        let (sink, events) = sync_channel(64);
        let plug = panel.clone();
        let handle =
            printer::thread::spawn_with(move || plug.connect().map(&mut wrap), profile, sink, limits);
        let desk = Self { panel, handle, events, _printer: printer };
        desk.wait_health(&Health::Ready);
        desk
    }

    pub(crate) fn wait<T>(&self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.events.recv_timeout(EVENT_LIMIT).unwrap()) {
                return found;
            }
        }
    }

    pub(crate) fn wait_health(&self, wanted: &Health) {
        self.wait(|event| matches!(event, Event::Health { health, .. } if health == *wanted).then_some(()));
    }

    pub(crate) fn wait_status(&self, wanted: impl Fn(&PrinterStatus) -> bool) {
        self.wait(|event| match event {
            Event::Printer(printer::Event::Status(status)) if wanted(&status) => Some(()),
            _ => None,
        });
    }

    pub(crate) fn wait_done(&self, wanted: u64) -> Outcome {
        self.wait(|event| match event {
            Event::Printer(printer::Event::Done { job, outcome }) => {
                assert_eq!(job, JobId(wanted), "one outcome for each job");
                Some(outcome)
            }
            _ => None,
        })
    }

    pub(crate) fn print(&self, id: u64, job: Job) {
        self.handle.print(JobId(id), job).unwrap();
    }

    /// Every line of every receipt, without trailing spaces.
    pub(crate) fn words(&self) -> Vec<Vec<String>> {
        self.panel.texts()
    }
}

/// A receipt of numbered lines, longer than a printer's buffer when `lines` is in the hundreds.
pub(crate) fn numbered(name: &str, lines: usize) -> Job {
    let mut all: Vec<Line> = (0..lines).map(|n| Line::text(format!("{name} {n}"))).collect();
    all.push(Line::Cut);
    Job::of(all)
}

pub(crate) fn numbers(name: &str, lines: usize) -> Vec<String> {
    (0..lines).map(|n| format!("{name} {n}")).collect()
}

#[test]
fn completed_is_said_with_the_process_id() {
    let desk = Desk::new("epson-tm-t20iii");
    desk.print(1, numbered("line", 5));
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Completed)));
    assert_eq!(desk.words(), [numbers("line", 5)]);
    desk.print(2, numbered("next", 2));
    assert!(matches!(desk.wait_done(2), Ok(PrintProof::Completed)));
    assert_eq!(desk.words(), [numbers("line", 5), numbers("next", 2)]);
}

#[test]
fn accepted_is_all_a_plain_printer_can_prove() {
    let desk = Desk::new("generic-80");
    desk.print(1, numbered("line", 3));
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Accepted)));
    assert_eq!(desk.words(), [numbers("line", 3)]);
}

#[test]
fn sent_is_all_a_file_can_prove() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.bin");
    let (sink, events) = sync_channel(64);
    let target = path.clone();
    let open = move || WriteOnly::open(&target).map(|file| Box::new(file) as Box<dyn Transport>);
    let handle = printer::thread::spawn_with(open, Profile::named("generic-80").unwrap(), sink, quick());
    for id in 0..2 {
        handle.print(JobId(id), numbered("line", 1)).unwrap();
        loop {
            if let Event::Printer(printer::Event::Done { job, outcome }) =
                events.recv_timeout(EVENT_LIMIT).unwrap()
            {
                assert!(job == JobId(id) && matches!(outcome, Ok(PrintProof::Sent)), "{outcome:?}");
                break;
            }
        }
    }
    let bytes = std::fs::read(&path).unwrap();
    let receipt = b"\x1Bt\0line 0\n\x1DVB\0".as_slice();
    assert_eq!(bytes.windows(receipt.len()).filter(|window| *window == receipt).count(), 2);
    assert!(!bytes.windows(2).any(|window| window == [0x10, 0x04]), "no question to a file");
}

#[test]
fn a_job_on_the_way_is_the_only_one() {
    let desk = Desk::new("epson-tm-t20iii");
    desk.panel.end_paper_after(100);
    desk.print(1, numbered("line", 20));
    desk.wait_status(|status| status.paper == Paper::Out);
    assert!(matches!(desk.handle.print(JobId(2), numbered("other", 1)), Err(DeviceError::Busy)));
    desk.panel.set_paper(Paper::Ok);
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Completed)));
    desk.print(3, numbered("third", 1));
    assert!(matches!(desk.wait_done(3), Ok(PrintProof::Completed)));
    assert_eq!(desk.words(), [numbers("line", 20), numbers("third", 1)]);
}

#[test]
fn a_job_that_cannot_be_laid_out_sends_nothing() {
    let desk = Desk::new("generic-80");
    desk.panel.take_bytes();
    desk.print(1, Job::of(vec![Line::text("secret"), Line::Image(Bitmap::new(600, 1))]));
    assert!(matches!(desk.wait_done(1), Err(PrintError::Layout(_))));
    assert_eq!(desk.panel.take_bytes(), []);
}

#[test]
fn low_paper_is_told_without_a_question() {
    let desk = Desk::new("epson-tm-t20iii");
    desk.panel.take_bytes();
    desk.panel.set_paper(Paper::Low);
    desk.wait_status(|status| status.paper == Paper::Low);
    assert_eq!(desk.handle.status().paper, Paper::Low);
    assert_eq!(desk.panel.take_bytes(), []);
    desk.print(1, numbered("line", 1));
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Completed)), "low paper stops nothing");
}

/// A server that closes whatever says nothing for a while, as print servers do.
#[test]
fn a_network_printer_that_answers_nothing_is_connected_for_each_job() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let mut receipts = Vec::new();
        while receipts.len() < 2 {
            let (mut client, _) = listener.accept().unwrap();
            client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let mut taken = Vec::new();
            // Silence, and the connection is closed by the server.
            drop(client.read_to_end(&mut taken));
            if taken.windows(2).any(|two| two == b"\x1DV") {
                receipts.push(taken);
            }
        }
        receipts
    });
    let (sink, events) = sync_channel(64);
    let open =
        move || Tcp::open(&address, Deadline::after(Duration::from_secs(3))).map(|line| Box::new(line) as _);
    let handle = printer::thread::spawn_with(open, Profile::named("star-escpos").unwrap(), sink, quick());
    for job in 1..=2 {
        handle.print(JobId(job), numbered("line", 2)).unwrap();
        let outcome = loop {
            let event = events.recv_timeout(EVENT_LIMIT).unwrap();
            if let Event::Printer(printer::Event::Done { outcome, .. }) = event {
                break outcome;
            }
        };
        assert!(matches!(outcome, Ok(PrintProof::Sent)), "receipt {job}: {outcome:?}");
        // Longer than the server lets a silent connection live.
        assert!(events.recv_timeout(Duration::from_millis(500)).is_err(), "nothing happens between two jobs");
    }
    assert_eq!(server.join().unwrap().len(), 2);
}

#[test]
fn a_network_printer_that_is_switched_off_is_absent_and_the_job_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sink, events) = sync_channel(64);
    let open =
        move || Tcp::open(&address, Deadline::after(Duration::from_secs(3))).map(|line| Box::new(line) as _);
    let limits = Limits { idle_ask: Duration::from_millis(50), ..quick() };
    let handle = printer::thread::spawn_with(open, Profile::named("star-escpos").unwrap(), sink, limits);
    let wait = |wanted: Health| loop {
        let event = events.recv_timeout(EVENT_LIMIT).unwrap();
        if matches!(event, Event::Health { health, .. } if health == wanted) {
            break;
        }
    };
    wait(Health::Ready);
    drop(listener);
    wait(Health::Absent);
    handle.print(JobId(1), numbered("line", 2)).unwrap();
    let outcome = loop {
        if let Event::Printer(printer::Event::Done { outcome, .. }) =
            events.recv_timeout(EVENT_LIMIT).unwrap()
        {
            break outcome;
        }
    };
    assert!(matches!(outcome, Err(PrintError::Device(DeviceError::Gone(_)))), "{outcome:?}");
}

#[test]
fn over_tcp_it_is_the_same() {
    let (printer, panel) = SimPrinter::new(576);
    let serving = serve(TcpListener::bind("127.0.0.1:0").unwrap(), printer).unwrap();
    let line = Tcp::open(&serving.address().to_string(), soon()).unwrap();
    let mut driver =
        EscPos::open(Box::new(line), Profile::named("epson-tm-t20iii").unwrap(), soon()).unwrap();
    assert_eq!(driver.identity(IdentityText::Model, soon()).unwrap(), "SIM-80");
    let heading = Style::default().bold().sized(Size::Double).aligned(Align::Centre);
    let job = Job::of(vec![Line::styled("Saved", heading), Line::pair("Amount", "12.00 €"), Line::Cut]);
    assert!(matches!(driver.print(&job, soon()), Ok(PrintProof::Completed)));
    assert_eq!(panel.texts(), [["Saved".to_owned(), format!("Amount{}12.00 €", " ".repeat(35))]]);
    panel.set_paper(Paper::Low);
    assert_eq!(driver.status(soon()).unwrap().paper, Paper::Low);
}

#[test]
fn a_second_line_is_busy_until_the_first_is_closed() {
    let (printer, panel) = SimPrinter::new(576);
    let first = printer.connect().unwrap();
    assert!(matches!(panel.connect(), Err(DeviceError::Busy)));
    drop(first);
    assert!(panel.connect().is_ok());
}

/// The paper ended in the middle and nobody refilled: what the citizen holds is a part of a receipt.
#[test]
fn a_second_print_says_that_it_is_one() {
    let limits = Limits { job: Duration::from_millis(600), ..quick() };
    let desk = Desk::with("epson-tm-t20iii", limits, |line| line);
    desk.panel.end_paper_after(100);
    desk.print(1, numbered("line", 20));
    assert!(matches!(desk.wait_done(1), Err(PrintError::Interrupted { .. })));
    desk.panel.set_paper(Paper::Ok);
    desk.wait_status(|status| status.paper == Paper::Ok);
    let before = desk.words();
    desk.print(1, numbered("line", 20));
    assert!(matches!(desk.wait_done(1), Err(PrintError::NotMarked)), "a silent second copy");
    assert_eq!(desk.words(), before, "nothing comes out by itself, nor unmarked");
    desk.print(1, numbered("line", 20).copy("Copi"));
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Completed)));
    let words = desk.words().concat();
    assert_eq!(words.iter().filter(|line| line.trim() == "Copi").count(), 1);
    let mark = words.iter().position(|line| line.trim() == "Copi").unwrap();
    assert!(words[mark + 1].chars().all(|symbol| symbol == '─'), "{words:?}");
    assert_eq!(words[mark + 2..], numbers("line", 20));
    assert!(words[..mark].iter().all(|line| line.starts_with("line ")), "{words:?}");
}

/// One picture above 65,535 bytes: four bytes of length, the same dots on paper as in strips.
#[test]
fn a_large_picture_goes_in_one_piece_and_looks_the_same() {
    let mut dots = Bitmap::new(512, 1200);
    (0..1200).for_each(|y| (0..512).filter(|x| (x * 7 + y * 13) % 31 < 5).for_each(|x| dots.set(x, y)));
    let job = Job::of(vec![Line::Image(dots), Line::Cut]);
    let paper = |graphics| {
        let (printer, panel) = SimPrinter::new(512);
        let profile = Profile { graphics, ..Profile::named("epson-tm-t88v").unwrap() };
        let mut driver = EscPos::open(printer.connect().unwrap(), profile, soon()).unwrap();
        panel.take_bytes();
        assert!(matches!(driver.print(&job, soon()), Ok(PrintProof::Completed)));
        let large = panel.take_bytes().windows(3).filter(|window| *window == b"\x1D8L").count();
        assert_eq!(large, usize::from(graphics));
        panel.receipts()
    };
    assert_eq!(paper(true), paper(false));
}
