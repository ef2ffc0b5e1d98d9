//! A device that can wait is not asked again and again: counted, not timed.
//!
//! How often a thread woke is what the kernel says of it, `voluntary_ctxt_switches` in `proc_pid_status(5)`.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::{
    desk,
    printer::{Desk, EVENT_LIMIT, numbered, quick},
};
use hal::{
    Deadline, DeviceError, Event, Health,
    card::Canceller,
    printer::{self, JobId, PrintProof, PrinterHandle, Profile, thread::Limits},
    sim::printer::{PrinterPanel, SimPrinter, plug_serial, serve},
    transport::{
        Sign, Transport,
        serial::{Serial, Settings},
        tcp::Tcp,
    },
};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    process::Command,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel},
    time::Duration,
};

const PROFILE: &str = "epson-tm-t20iii";
/// So long nothing happens.
const WINDOW: Duration = Duration::from_secs(2);
/// A thread that asks ten times a second wakes twenty times in it; what a kernel does by itself is allowed.
const WAKES_MAX: u64 = 2;
/// Whoever was just told as ready needs a moment to lie down.
const SETTLED: Duration = Duration::from_millis(300);

/// Counts the waits, and tells how many there were at each question of an idle printer.
struct Counted {
    line: Box<dyn Transport>,
    waits: usize,
    asked: Sender<usize>,
}

impl Transport for Counted {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        // `GS a` alone begins a question; opening sends it after `ESC @`.
        if bytes.starts_with(&[0x1D, 0x61]) {
            let _ = self.asked.send(self.waits);
        }
        self.line.write(bytes, deadline)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        self.line.read(buffer, deadline)
    }

    fn wait(&mut self, deadline: Deadline) -> Result<Sign, DeviceError> {
        self.waits += 1;
        self.line.wait(deadline)
    }

    fn canceller(&self) -> Option<Canceller> {
        self.line.canceller()
    }

    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.line.finish(deadline)
    }
}

#[test]
fn a_printer_waits_once_between_two_questions_and_once_more_for_each_job() {
    let (asked, counts) = channel();
    let limits = Limits { idle_ask: Duration::from_millis(300), ..quick() };
    let desk = Desk::with(PROFILE, limits, move |line| {
        Box::new(Counted { line, waits: 0, asked: asked.clone() }) as Box<dyn Transport>
    });
    let next = || counts.recv_timeout(EVENT_LIMIT).unwrap();
    assert_eq!([next(), next(), next()], [1, 2, 3]);
    desk.print(1, numbered("line", 3));
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Completed)));
    let after = loop {
        // A job has its own preamble, which is no question; the next one comes after the wait that it ended.
        let count = next();
        if count > 3 {
            break count;
        }
    };
    assert!(after <= 5, "{after} waits");
}

/// The next event is none.
fn nothing_happens(events: &Receiver<Event>, during: Duration) -> bool {
    matches!(events.recv_timeout(during), Err(RecvTimeoutError::Timeout))
}

/// How often each thread of hal's gave its core back, by number and name.
fn wakes() -> BTreeMap<(String, String), u64> {
    let mut wakes = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        let name = fs::read_to_string(task.join("comm")).unwrap().trim().to_owned();
        if name == "printer" || name.starts_with("hal-") {
            let status = fs::read_to_string(task.join("status")).unwrap();
            let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            let number = task.file_name().unwrap().to_string_lossy().into_owned();
            wakes.insert((number, name), count.unwrap().trim().parse().unwrap());
        }
    }
    wakes
}

/// Nothing happens and nobody wakes; says how many threads that are.
fn nobody_wakes(what: &str, events: &Receiver<Event>) -> usize {
    while !nothing_happens(events, SETTLED) {}
    let before = wakes();
    assert!(nothing_happens(events, WINDOW), "{what}: something happened");
    let after = wakes();
    assert_eq!(before.len(), after.len(), "{what}: a thread came or went");
    for (thread, count) in &after {
        let woke = count - before.get(thread).unwrap();
        assert!(woke <= WAKES_MAX, "{what}: thread {thread:?} woke {woke} times in {WINDOW:?}");
    }
    after.len()
}

/// A printer behind `open` is idle, and begins a job at once all the same.
fn printer_idles(
    what: &str,
    panel: &PrinterPanel,
    open: impl FnMut() -> Result<Box<dyn Transport>, DeviceError> + Send + 'static,
) {
    let (sink, events) = sync_channel(64);
    let profile = Profile::named(PROFILE).unwrap();
    let handle: PrinterHandle = printer::thread::spawn_with(open, profile, sink, quick());
    until(&events, |event| matches!(event, Event::Health { health: Health::Ready, .. }));
    assert_eq!(nobody_wakes(what, &events), 1);
    handle.print(JobId(1), numbered("line", 3)).unwrap();
    until(&events, |event| {
        matches!(event, Event::Printer(printer::Event::Done { outcome: Ok(PrintProof::Completed), .. }))
    });
    panel.set_paper(printer::Paper::Low);
    until(
        &events,
        |event| matches!(event, Event::Printer(printer::Event::Status(status)) if status.paper == printer::Paper::Low),
    );
    assert_eq!(nobody_wakes(what, &events), 1);
    drop(handle);
    let ended = loop {
        if let Err(error) = events.recv_timeout(EVENT_LIMIT) {
            break error;
        }
    };
    assert_eq!(ended, RecvTimeoutError::Disconnected, "{what}: the thread outlived its handle");
}

fn until(events: &Receiver<Event>, wanted: impl Fn(&Event) -> bool) {
    while !wanted(&events.recv_timeout(EVENT_LIMIT).unwrap()) {}
}

/// Names what idles for the test that runs in a process of its own.
const IDLER: &str = "HAL_IDLER";

const IDLERS: [(&str, fn()); 5] = [
    ("memory", || {
        let (_printer, panel) = SimPrinter::new(576);
        let plug = panel.clone();
        printer_idles("memory", &panel, move || plug.connect());
    }),
    ("serial", || {
        let (_printer, panel) = SimPrinter::new(576);
        let cable = plug_serial(&panel).unwrap();
        let node = cable.path().to_owned();
        printer_idles("serial", &panel, move || Ok(Box::new(Serial::open(&node, Settings::default())?)));
    }),
    ("tcp", || {
        let (printer, panel) = SimPrinter::new(576);
        let serving = serve(TcpListener::bind("127.0.0.1:0").unwrap(), printer).unwrap();
        let address = serving.address().to_string();
        let soon = || Deadline::after(EVENT_LIMIT);
        printer_idles("tcp", &panel, move || Ok(Box::new(Tcp::open(&address, soon())?)));
    }),
    ("chip", || desk_idles("[devices.card_reader]\nselector = 'sim:ccid'")),
    ("stripe", || desk_idles("[devices.card_reader]\nselector = 'sim:swipe'")),
];

/// A desk with every device, and the card reader of `reader`.
fn desk_idles(reader: &str) {
    let others = "[devices.printer]\nselector = 'sim:printer'\nprofile = 'epson-tm-t20iii'\n\
         [devices.document_scanner]\nselector = 'sim:document'\n[devices.scanner]\nselector = 'sim:scanner'\n\
         [devices.keypad]\nselector = 'sim:keypad'\nmap = 'arrows'\n[[devices.pointer]]\nselector = 'sim:touch'\n";
    let desk = desk::Desk::with(&format!("{others}{reader}"));
    until(&desk.events, |event| matches!(event, Event::Health { health: Health::Ready, .. }));
    assert_eq!(
        nobody_wakes(reader, &desk.events),
        5,
        "printer, card reader, document scanner, scanner, keypad have a thread each"
    );
}

#[test]
fn nobody_wakes_while_nothing_happens() {
    // The threads of other tests of this binary are not to be counted.
    for (idler, _) in IDLERS {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "idle::one_alone", "--nocapture"]).env(IDLER, idler);
        let output = alone.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{idler}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(&format!("{idler} idled")), "{said}");
    }
}

#[test]
fn one_alone() {
    // Alone it has nothing to do: the test above names an idler in a process of its own.
    let Ok(wanted) = std::env::var(IDLER) else { return };
    let (name, idle) = IDLERS.iter().find(|(name, _)| *name == wanted).unwrap();
    idle();
    println!("{name} idled");
}
