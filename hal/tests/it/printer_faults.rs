//! Every fault, while idle and in the middle of a job: the outcome is truthful and nothing comes out twice.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use crate::printer::{Desk, numbered, numbers, quick, soon};
use hal::{
    Deadline, DeviceError, Event, Health, Trouble,
    printer::{
        self, Bitmap, Cover, EscPos, Job, JobId, Line, Paper, PrintError, PrintProof, Profile,
        ReceiptPrinter, Rest, thread::Limits,
    },
    sim::printer::{PrinterPanel, SimPrinter},
    transport::Transport,
};
use std::{collections::BTreeSet, sync::mpsc::sync_channel, time::Duration};

/// Does something to the printer once so many bytes of text went past.
struct Trip {
    line: Box<dyn Transport>,
    panel: PrinterPanel,
    after: usize,
    action: Option<fn(&PrinterPanel)>,
    /// At most so many bytes in one write.
    bite: usize,
}

impl Transport for Trip {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let bite = self.bite.min(self.after.max(1)).min(bytes.len());
        let taken = self.line.write(&bytes[..bite], deadline)?;
        self.after = self.after.saturating_sub(taken);
        if self.after == 0
            && let Some(action) = self.action.take()
        {
            action(&self.panel);
        }
        Ok(taken)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        self.line.read(buffer, deadline)
    }

    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.line.finish(deadline)
    }
}

/// A driver on a line that trips in the middle of its first job.
fn tripping(profile: &str, action: fn(&PrinterPanel)) -> (EscPos, PrinterPanel, SimPrinter) {
    let profile = Profile::named(profile).unwrap();
    let (printer, panel) = SimPrinter::new(profile.dots_per_line);
    let line = panel.connect().unwrap();
    // Opening and asking take less than a hundred bytes, the filler of a plain printer comes on top.
    let filler = if profile.clear_buffers { 0 } else { profile.dots_per_line / 8 * profile.strip_rows };
    let trip = Trip { line, panel: panel.clone(), after: filler + 300, action: Some(action), bite: 64 };
    (EscPos::open(Box::new(trip), profile, soon()).unwrap(), panel, printer)
}

fn only(trouble: Trouble) -> BTreeSet<Trouble> {
    BTreeSet::from([trouble])
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn paper_out_before_the_job_sends_nothing() {
    let desk = Desk::new("epson-tm-t20iii");
    desk.panel.set_paper(Paper::Out);
    desk.wait_health(&Health::Degraded(only(Trouble::PaperOut)));
    desk.print(1, numbered("line", 3));
    let outcome = desk.wait_done(1);
    assert!(
        matches!(&outcome, Err(PrintError::NotReady(why)) if *why == only(Trouble::PaperOut)),
        "{outcome:?}"
    );
    desk.panel.set_paper(Paper::Ok);
    desk.wait_health(&Health::Ready);
    assert!(!contains(&desk.panel.take_bytes(), "line"));
    assert!(desk.words().is_empty(), "nothing comes out after the refill");
}

#[test]
fn paper_out_mid_job_goes_on_after_the_refill_once() {
    let desk = Desk::new("epson-tm-t20iii");
    desk.panel.end_paper_after(400);
    desk.print(1, numbered("line", 900));
    desk.wait_status(|status| status.paper == Paper::Out);
    desk.panel.set_paper(Paper::Ok);
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Completed)));
    assert_eq!(desk.words(), [numbers("line", 900)], "one copy, no gap");
}

#[test]
fn paper_out_for_good_says_so_and_leaves_nothing_for_the_next_person() {
    let limits = Limits { job: Duration::from_millis(700), ..quick() };
    let desk = Desk::with("epson-tm-t20iii", limits, |line| line);
    desk.panel.end_paper_after(100);
    desk.print(1, numbered("private", 600));
    match desk.wait_done(1) {
        Err(PrintError::Interrupted { troubles, rest: Rest::Discarded }) => {
            assert_eq!(troubles, only(Trouble::PaperOut));
        }
        other => panic!("{other:?}"),
    }
    desk.panel.set_paper(Paper::Ok);
    desk.wait_health(&Health::Ready);
    desk.print(2, numbered("next", 2));
    assert!(matches!(desk.wait_done(2), Ok(PrintProof::Completed)));
    let words = desk.words().concat();
    let private: Vec<_> = words.iter().filter(|line| line.starts_with("private")).collect();
    assert!(private.len() <= 4, "only what was on paper before: {private:?}");
    assert!(words.ends_with(&numbers("next", 2)));
}

#[test]
fn a_printer_that_cannot_forget_is_said_to_hold_the_rest() {
    let (mut driver, panel, _printer) = tripping("generic-80", |panel| panel.set_paper(Paper::Out));
    let outcome = driver.print(&numbered("line", 100), Deadline::after(Duration::from_millis(2500)));
    assert!(matches!(outcome, Err(PrintError::Interrupted { rest: Rest::Held, .. })), "{outcome:?}");
    panel.set_paper(Paper::Ok);
    assert!(matches!(driver.print(&numbered("next", 1), soon()), Ok(PrintProof::Accepted)));
    let words = panel.texts().concat();
    assert_eq!(words.iter().filter(|line| *line == "line 0").count(), 1, "no second copy");
    assert_eq!(words.last().unwrap(), "next 0");
}

#[test]
fn a_picture_cut_short_does_not_swallow_the_next_job() {
    let mut bitmap = Bitmap::new(576, 120);
    (0..120).for_each(|y| bitmap.set(575, y));
    let (mut driver, panel, _printer) = tripping("generic-80", |panel| panel.set_paper(Paper::Out));
    let job = Job::of(vec![Line::Image(bitmap), Line::Cut]);
    let outcome = driver.print(&job, Deadline::after(Duration::from_millis(2500)));
    assert!(matches!(outcome, Err(PrintError::Interrupted { .. })), "{outcome:?}");
    panel.set_paper(Paper::Ok);
    assert!(matches!(driver.print(&numbered("next", 1), soon()), Ok(PrintProof::Accepted)));
    assert_eq!(panel.texts().concat().last().unwrap(), "next 0");
}

#[test]
fn cover_open_before_and_mid_job() {
    let (mut driver, panel, _printer) = tripping("epson-tm-t20iii", |panel| panel.set_cover(Cover::Open));
    let outcome = driver.print(&numbered("line", 100), Deadline::after(Duration::from_millis(700)));
    assert!(
        matches!(&outcome, Err(PrintError::Interrupted { troubles, .. }) if *troubles == only(Trouble::CoverOpen)),
        "{outcome:?}"
    );
    panel.take_bytes();
    let outcome = driver.print(&numbered("other", 1), soon());
    assert!(
        matches!(&outcome, Err(PrintError::NotReady(why)) if *why == only(Trouble::CoverOpen)),
        "{outcome:?}"
    );
    assert!(!contains(&panel.take_bytes(), "other"));
    panel.set_cover(Cover::Closed);
    assert!(matches!(driver.print(&numbered("last", 1), soon()), Ok(PrintProof::Completed)));
}

#[test]
fn unplugged_mid_job_is_unknown_and_recovers_without_a_second_copy() {
    let (mut driver, panel, _printer) = tripping("epson-tm-t20iii", PrinterPanel::unplug);
    let outcome = driver.print(&numbered("line", 100), soon());
    assert!(matches!(outcome, Ok(PrintProof::Unknown)), "{outcome:?}");
    assert!(driver.has_ended());
    assert!(matches!(
        driver.print(&numbered("line", 1), soon()),
        Err(PrintError::Device(DeviceError::Gone(_)))
    ));
    panel.plug_in();
    let line = panel.connect().unwrap();
    let mut driver = EscPos::open(line, Profile::named("epson-tm-t20iii").unwrap(), soon()).unwrap();
    assert!(matches!(driver.print(&numbered("next", 1), soon()), Ok(PrintProof::Completed)));
    let words = panel.texts().concat();
    assert_eq!(words.iter().filter(|line| *line == "line 0").count(), 1);
    assert_eq!(words.last().unwrap(), "next 0");
}

#[test]
fn unplugged_while_idle_is_absent_until_it_is_back() {
    let desk = Desk::new("epson-tm-t20iii");
    desk.panel.unplug();
    desk.wait_health(&Health::Absent);
    desk.print(1, numbered("line", 1));
    assert!(matches!(desk.wait_done(1), Err(PrintError::Device(DeviceError::Gone(_)))));
    desk.panel.plug_in();
    desk.wait_health(&Health::Ready);
    desk.print(2, numbered("next", 1));
    assert!(matches!(desk.wait_done(2), Ok(PrintProof::Completed)));
    assert_eq!(desk.words(), [numbers("next", 1)], "the refused job does not come out later");
}

#[test]
fn slow_is_not_broken() {
    let desk = Desk::new("epson-tm-t20iii");
    desk.panel.set_slow(true);
    desk.print(1, numbered("line", 100));
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Completed)));
    assert_eq!(desk.words(), [numbers("line", 100)]);
}

#[test]
fn nonsense_is_faulted_with_a_code_and_recovers() {
    let desk = Desk::new("epson-tm-t20iii");
    desk.panel.talk_nonsense(true);
    desk.panel.set_paper(Paper::Low);
    desk.wait_health(&Health::Faulted("E-PRN-NONSENSE"));
    desk.panel.set_paper(Paper::Ok);
    desk.panel.talk_nonsense(false);
    desk.wait_health(&Health::Ready);
    desk.print(1, numbered("line", 1));
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Completed)));
}

#[test]
fn called_off_mid_job_ends_once_and_discards_the_rest() {
    let desk = Desk::new("epson-tm-t20iii");
    desk.panel.end_paper_after(100);
    desk.print(1, numbered("line", 600));
    desk.wait_status(|status| status.paper == Paper::Out);
    desk.handle.cancel(JobId(1));
    let outcome = desk.wait_done(1);
    assert!(matches!(outcome, Err(PrintError::Interrupted { rest: Rest::Discarded, .. })), "{outcome:?}");
    desk.panel.set_paper(Paper::Ok);
    desk.wait_health(&Health::Ready);
    assert!(desk.words().is_empty(), "the cut never came");
}

#[test]
fn a_dropped_handle_gives_the_last_outcome_and_ends_the_thread() {
    let Desk { panel, handle, events, _printer, .. } = Desk::new("epson-tm-t20iii");
    panel.end_paper_after(100);
    handle.print(JobId(7), numbered("line", 600)).unwrap();
    drop(handle);
    let all: Vec<Event> = events.iter().collect();
    let done = all.iter().filter(|event| matches!(event, Event::Printer(printer::Event::Done { .. })));
    assert_eq!(done.count(), 1);
    assert!(panel.connect().is_ok(), "the line is closed");
}

#[test]
fn a_full_sink_loses_no_outcome() {
    let profile = Profile::named("epson-tm-t20iii").unwrap();
    let (_printer, panel) = SimPrinter::new(profile.dots_per_line);
    let (sink, events) = sync_channel(1);
    let plug = panel.clone();
    let handle = printer::thread::spawn_with(move || plug.connect(), profile, sink, quick());
    handle.print(JobId(1), numbered("line", 1)).unwrap();
    let outcome = events.iter().find_map(|event| match event {
        Event::Printer(printer::Event::Done { job: JobId(1), outcome }) => Some(outcome),
        _ => None,
    });
    assert!(matches!(outcome, Some(Ok(PrintProof::Completed))), "{outcome:?}");
}

#[test]
fn short_writes_are_looped() {
    let profile = Profile::named("epson-tm-t20iii").unwrap();
    let (_printer, panel) = SimPrinter::new(profile.dots_per_line);
    let line = panel.connect().unwrap();
    let trip = Trip { line, panel: panel.clone(), after: usize::MAX, action: None, bite: 3 };
    let mut driver = EscPos::open(Box::new(trip), profile, soon()).unwrap();
    assert!(matches!(driver.print(&numbered("line", 50), soon()), Ok(PrintProof::Completed)));
    assert_eq!(panel.texts(), [numbers("line", 50)]);
}

#[test]
fn a_status_question_inside_a_picture_confuses_nobody() {
    let rows = [0x10, 0x04, 0x01, 0x10, 0x04, 0x02].repeat(200);
    let desk = Desk::new("epson-tm-t20iii");
    desk.print(1, Job::of(vec![Line::Image(Bitmap::from_rows(48, rows).unwrap()), Line::Cut]));
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Completed)));
    assert_eq!(desk.handle.status().cover, Cover::Closed);
    assert!(desk.handle.status().troubles().is_empty());
}
