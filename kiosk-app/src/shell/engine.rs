//! The engine on the screen's thread: owns the machine, feeds it, and does what it says.
//!
//! Promises: re-entry is impossible: what arrives while an input is handled waits in the queue.
//! Never: blocks, but for the bounded write of an envelope to the agent's socket.

use super::{
    adapter::Adapter,
    clock::Clock,
    devices, line,
    line::Line,
    paper::{self, Paper},
    sealing::Sealing,
};
use crate::screen::{App, Words, words};
use hal::{
    counters::Counters, document::ScanId, factory::Devices, pointer::Kind, printer::JobId, scanner::Arming,
};
use kiosk_core::{
    catalogue::Catalogue,
    ids::EnvelopeId,
    kiosk::{Act, Command, Entropy, Event, Kiosk, Now, PrintResult, Setup, Sheet},
    receipt::{Receipt, Word},
    wire::{Envelope, NotSaved, Stamp, ToAgent, ToShell},
};
use slint::{ComponentHandle, Global, Timer, TimerMode, Weak};
use std::{cell::RefCell, collections::VecDeque, sync::mpsc::Receiver, time::Duration};

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
    static QUEUE: RefCell<VecDeque<Event>> = const { RefCell::new(VecDeque::new()) };
}

/// The machine and everything it commands.
pub(super) struct Engine {
    kiosk: Kiosk,
    catalogue: Catalogue,
    sealing: Sealing,
    adapter: Option<Adapter>,
    app: Weak<App>,
    devices: Devices,
    counters: Option<Counters>,
    line: Option<Line>,
    timer: Timer,
    clock: Clock,
    job: Option<JobId>,
    /// The scan that is running, or was last.
    scan: Option<ScanId>,
    jobs: u64,
    /// For which the barcode scanner's gate is open.
    scanner: Option<Arming>,
    /// The receipt of the running session, in words.
    paper: Option<Paper>,
    /// Fingers lifted from the glass or from the keypad's keys, and handled.
    lifted: u64,
}

/// Random bytes from the operating system.
struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        // Without random bytes no id is unique and no claim code is secret: better to stop here, and
        // be started again, than to go on.
        #[expect(
            clippy::expect_used,
            reason = "the operating system has no random bytes: nothing can go on"
        )]
        getrandom::fill(bytes).expect("random bytes from the operating system");
    }
}

/// Makes `engine` this thread's.
pub(super) fn install(engine: Engine) {
    ENGINE.with(|slot| *slot.borrow_mut() = Some(engine));
    with(|engine| engine.refresh(false));
}

/// Ends it, with everything of the session.
pub(super) fn uninstall() {
    ENGINE.with(|slot| slot.borrow_mut().take());
}

/// Works on the engine between inputs.
pub(super) fn with(work: impl FnOnce(&mut Engine)) {
    ENGINE.with(|slot| {
        if let Ok(mut engine) = slot.try_borrow_mut()
            && let Some(engine) = engine.as_mut()
        {
            work(engine);
        }
    });
}

/// Queues an input and handles the queue, unless that is going on already.
pub(super) fn post(event: Event) {
    QUEUE.with(|queue| queue.borrow_mut().push_back(event));
    pump();
}

fn pump() {
    with(|engine| {
        loop {
            let next = QUEUE.with(|queue| queue.borrow_mut().pop_front());
            let Some(event) = next else { break };
            engine.handle(event);
        }
    });
}

fn tick() {
    with(Engine::time_passes);
    pump();
}

/// Carries device events to the screen's thread.
pub(super) fn listen(events: Receiver<hal::Event>, counters: Option<Counters>) -> std::io::Result<()> {
    std::thread::Builder::new().name("device-events".into()).spawn(move || {
        for event in events {
            if let Some(counters) = &counters {
                counters.observe(&event);
            }
            // The loop being gone means the shell is ending.
            if slint::invoke_from_event_loop(move || hear_device(event)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

fn hear_device(event: hal::Event) {
    match event {
        hal::Event::Health { class, health } => {
            tracing::info!(?class, ?health, "device");
            if let Some(event) = devices::health(class, &health) {
                post(event);
            }
        }
        hal::Event::Printer(event) => {
            let mut job = None;
            with(|engine| job = engine.job);
            if let Some(event) = devices::printed(&event, job) {
                post(event);
            }
        }
        hal::Event::Card(event) => {
            if let Some(event) = devices::card(event) {
                post(event);
            }
        }
        hal::Event::Document(event) => {
            let mut scan = None;
            with(|engine| scan = engine.scan);
            devices::sheet(event, scan).into_iter().for_each(post);
        }
        hal::Event::Pointer(event) => {
            let mut app = None;
            with(|engine| app = engine.app.upgrade());
            if let Some(app) = app {
                super::pointer::dispatch(app.window(), event);
            }
            match event.kind {
                Kind::Down => post(Event::Activity),
                Kind::Up | Kind::Cancel => with(|engine| engine.lifted += 1),
                Kind::Move => {}
            }
        }
        hal::Event::Scanner(event) => {
            let mut armed = None;
            with(|engine| armed = engine.scanner);
            devices::symbol(&event, armed).into_iter().for_each(post);
        }
        hal::Event::Keypad(event) => {
            let (mut app, mut in_session) = (None, false);
            with(|engine| (app, in_session) = (engine.app.upgrade(), engine.kiosk.in_session()));
            if let Some(app) = app {
                super::keypad::dispatch(app.window(), event, in_session).into_iter().for_each(post);
            }
            if event.kind == hal::keypad::Kind::Release {
                with(|engine| engine.lifted += 1);
            }
        }
    }
}

/// Carries the agent's news to the screen's thread.
pub(super) fn hear_agent(event: line::Event) {
    let event = match event {
        line::Event::Connected(up) => Event::AgentConnected(up),
        line::Event::Message(message) => Event::Agent(message),
    };
    // The loop being gone means the shell is ending.
    let _ = slint::invoke_from_event_loop(move || post(event));
}

/// How many touches and keys of the keypad were handled so far.
#[cfg(feature = "demo")]
pub(crate) fn lifted() -> u64 {
    let mut lifted = 0;
    with(|engine| lifted = engine.lifted);
    lifted
}

/// The receipt of the running session, if one was printed.
#[cfg(feature = "demo")]
pub(crate) fn paper() -> Option<Paper> {
    let mut paper = None;
    with(|engine| paper.clone_from(&engine.paper));
    paper
}

impl Engine {
    pub(super) fn new(
        setup: Setup,
        catalogue: Catalogue,
        clock: Clock,
        app: Weak<App>,
        (devices, counters): (Devices, Option<Counters>),
    ) -> Self {
        Self {
            kiosk: Kiosk::new(setup, catalogue.clone(), Box::new(OsEntropy)),
            catalogue,
            sealing: Sealing::default(),
            adapter: app.upgrade().map(Adapter::new),
            app,
            devices,
            counters,
            line: None,
            timer: Timer::default(),
            clock,
            job: None,
            scan: None,
            jobs: 0,
            scanner: None,
            paper: None,
            lifted: 0,
        }
    }

    pub(super) fn connect(&mut self, line: Line) {
        self.line = Some(line);
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    /// One input, then every command it caused.
    fn handle(&mut self, event: Event) {
        let typed = matches!(event, Event::Citizen(Act::Edit { .. } | Act::TypeCode(_)));
        self.kiosk.handle_event(self.now(), event);
        self.obey();
        self.refresh(typed);
    }

    fn time_passes(&mut self) {
        self.kiosk.handle_timeout(self.now());
        self.obey();
        self.refresh(false);
    }

    /// Shows the view and sets the timer for the next time something changes by itself.
    fn refresh(&mut self, typed: bool) {
        let now = self.now();
        let view = self.kiosk.view(now);
        if let Some(adapter) = &mut self.adapter {
            adapter.show(view, typed);
        }
        match self.kiosk.poll_timeout(now) {
            Some(due) => {
                let wait = Duration::from_millis(due.saturating_sub(now.mono).max(1));
                self.timer.start(TimerMode::SingleShot, wait, tick);
            }
            None => self.timer.stop(),
        }
    }

    fn obey(&mut self) {
        while let Some(command) = self.kiosk.next_command() {
            match command {
                Command::Submit(submission) => {
                    let id = submission.id;
                    match self.sealing.seal(*submission, &self.catalogue) {
                        Ok(envelope) => self.send(envelope),
                        Err(why) => {
                            tracing::error!(%id, "sealing: {why:#}");
                            answer(ToShell::NotSaved { id, reason: NotSaved::Storage });
                        }
                    }
                }
                Command::Resend(id) => {
                    if let Some(envelope) = self.sealing.again(id) {
                        self.send(envelope);
                    }
                }
                Command::Lookup(claim) => self.tell(&ToAgent::Lookup { claim }),
                Command::Open { id, sealed } => self.open(id, &sealed),
                Command::Print(receipt) => self.print(&receipt),
                Command::ArmCardReader(armed) => self.arm(armed),
                Command::ArmScanner(armed) => self.arm_scanner(armed),
                Command::Scan => self.scan(),
                Command::Wipe => self.wipe(),
            }
        }
    }

    fn send(&self, envelope: Envelope) {
        self.tell(&ToAgent::Submit(envelope));
    }

    /// A message that cannot be sent is not lost: the machine asks again when the agent is back.
    fn tell(&self, message: &ToAgent) {
        let sent =
            self.line.as_ref().map_or_else(|| Err(anyhow::anyhow!("no line yet")), |line| line.send(message));
        if let Err(why) = sent {
            tracing::warn!("to the agent: {why:#}");
        }
    }

    fn open(&mut self, id: EnvelopeId, sealed: &[u8]) {
        let answer = self.sealing.open(id, sealed, &self.catalogue);
        if let Err(why) = &answer {
            tracing::warn!(%id, "an answer that does not open: {why:#}");
        }
        QUEUE.with(|queue| queue.borrow_mut().push_back(Event::Opened { id, answer: answer.ok() }));
    }

    fn print(&mut self, receipt: &Receipt) {
        let Some(app) = self.app.upgrade() else { return };
        let offset = |stamp: Stamp| self.clock.offset_minutes(stamp.unix_ms);
        let say = |word: Word| Words::get(&app).invoke_receipt(word.as_str().into()).to_string();
        let paper = paper::in_words(receipt, words::is_rtl(&receipt.language), offset, say);
        self.jobs += 1;
        let job = JobId(self.jobs);
        self.job = Some(job);
        let lines = paper.job();
        if let Some(counters) = &self.counters {
            counters.printing(job, &lines);
        }
        let taken = self.devices.printer.as_ref().map(|printer| printer.print(job, lines));
        self.paper = Some(paper);
        match taken {
            Some(Ok(())) => {}
            Some(Err(why)) => {
                tracing::warn!("receipt: {why}");
                QUEUE.with(|queue| queue.borrow_mut().push_back(Event::Printed(PrintResult::Failed)));
            }
            None => QUEUE.with(|queue| queue.borrow_mut().push_back(Event::Printed(PrintResult::Failed))),
        }
    }

    fn arm(&self, armed: bool) {
        let Some(reader) = &self.devices.card else { return };
        if armed {
            // The event says which arming it answers; only the newest can.
            let _ = reader.arm();
        } else {
            reader.disarm();
        }
    }

    fn arm_scanner(&mut self, armed: bool) {
        let Some(scanner) = &self.devices.scanner else { return };
        self.scanner = armed.then(|| scanner.arm());
        if !armed {
            scanner.disarm();
        }
    }

    fn scan(&mut self) {
        self.jobs += 1;
        let scan = ScanId(self.jobs);
        self.scan = Some(scan);
        let started = self.devices.document.as_ref().map(|scanner| scanner.scan(scan));
        if !matches!(started, Some(Ok(()))) {
            QUEUE.with(|queue| queue.borrow_mut().push_back(Event::Sheet(Sheet::Failed)));
        }
    }

    fn wipe(&mut self) {
        self.sealing.wipe();
        self.job = None;
        self.scan = None;
        self.paper = None;
        if let Some(adapter) = &mut self.adapter {
            adapter.wipe();
        }
    }
}

fn answer(message: ToShell) {
    QUEUE.with(|queue| queue.borrow_mut().push_back(Event::Agent(message)));
}
