//! What proves a receipt is the answer to its own question, whatever was asked before and whatever is damaged.

use crate::printer::{Desk, numbered, numbers, quick, soon};
use hal::{
    Deadline, DeviceError, Health, Trouble,
    printer::{Bitmap, EscPos, Job, Line, PrintError, PrintProof, Profile, ReceiptPrinter, thread::Limits},
    sim::printer::SimPrinter,
    transport::Transport,
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// `GS r 1`, and the head of `GS ( H` function 48.
const ASK_ROLL: [u8; 3] = [0x1D, b'r', 1];
const PROCESS_ID: [u8; 7] = [0x1D, b'(', b'H', 6, 0, 48, 48];

#[test]
fn the_answer_owed_to_a_job_that_was_given_up_does_not_prove_the_next() {
    let profile = Profile::named("generic-80").unwrap();
    let (_printer, panel) = SimPrinter::new(profile.dots_per_line);
    let mut driver = EscPos::open(panel.connect().unwrap(), profile, soon()).unwrap();
    panel.end_paper_after(100);
    // Less than the printer's buffer: the question goes out with it.
    let outcome = driver.print(&numbered("line", 300), Deadline::after(Duration::from_millis(2500)));
    assert!(matches!(outcome, Err(PrintError::Interrupted { .. })), "{outcome:?}");
    panel.set_slow(true);
    panel.set_paper(hal::printer::Paper::Ok);
    let outcome = driver.print(&numbered("next", 60), soon());
    assert!(matches!(outcome, Ok(PrintProof::Accepted)), "{outcome:?}");
    assert_eq!(panel.texts().last(), Some(&numbers("next", 60)), "it is on paper when that is said");
}

#[test]
fn an_answer_that_was_switched_off_with_the_printer_is_not_waited_for_for_ever() {
    let limits = Limits { job: Duration::from_secs(3), ..quick() };
    let desk = Desk::with("generic-80", limits, |line| line);
    desk.panel.end_paper_after(100);
    desk.print(1, numbered("line", 300));
    assert!(matches!(desk.wait_done(1), Err(PrintError::Interrupted { .. })));
    desk.panel.unplug();
    desk.wait_health(&Health::Absent);
    desk.panel.set_paper(hal::printer::Paper::Ok);
    desk.panel.plug_in();
    desk.wait_health(&Health::Ready);
    for job in 2..4 {
        desk.print(job, numbered("next", 2));
        let outcome = desk.wait_done(job);
        assert!(matches!(outcome, Ok(PrintProof::Accepted)), "{outcome:?}");
    }
}

#[test]
fn process_ids_go_on_when_the_line_is_opened_again() {
    let desk = Desk::new("epson-tm-t20iii");
    let mut ids = Vec::new();
    for job in 1..4 {
        desk.panel.take_bytes();
        desk.print(job, numbered("line", 1));
        assert!(matches!(desk.wait_done(job), Ok(PrintProof::Completed)));
        let bytes = desk.panel.take_bytes();
        let at = bytes.windows(7).position(|seven| seven == PROCESS_ID).unwrap() + 7;
        ids.push(String::from_utf8(bytes.get(at..at + 4).unwrap().to_vec()).unwrap().parse::<u32>().unwrap());
        desk.panel.unplug();
        desk.wait_health(&Health::Absent);
        desk.panel.plug_in();
        desk.wait_health(&Health::Ready);
    }
    let next: Vec<u32> = ids.iter().take(2).map(|id| (id + 1) % 10_000).collect();
    assert_eq!(ids.iter().skip(1).copied().collect::<Vec<_>>(), next);
}

/// Takes everything, answers `DLE EOT` with *fine*, and each `GS r` with the next of `answers`.
struct Scripted {
    answers: VecDeque<&'static [u8]>,
    said: VecDeque<u8>,
    questions: Arc<AtomicUsize>,
}

impl Transport for Scripted {
    fn write(&mut self, bytes: &[u8], _: Deadline) -> Result<usize, DeviceError> {
        for three in bytes.windows(3) {
            if three == ASK_ROLL {
                self.questions.fetch_add(1, Ordering::AcqRel);
                self.said.extend(self.answers.pop_front().unwrap_or_default());
            } else if three.starts_with(&[0x10, 0x04]) {
                self.said.push_back(0x12);
            }
        }
        Ok(bytes.len())
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        if self.said.is_empty() {
            std::thread::sleep(deadline.left());
            return Err(DeviceError::TimedOut);
        }
        let count = buffer.len().min(self.said.len());
        buffer.iter_mut().zip(self.said.drain(..count)).for_each(|(place, byte)| *place = byte);
        Ok(count)
    }

    fn finish(&mut self, _: Deadline) -> Result<(), DeviceError> {
        Ok(())
    }
}

#[test]
fn what_is_left_of_a_damaged_status_proves_nothing_and_it_is_asked_again() {
    // Its first byte damaged; its first byte lost; bits that no answer has.
    for damaged in [[0x94, 0, 0, 0x0F].as_slice(), &[0, 0, 0x0F], &[0x02]] {
        let questions = Arc::new(AtomicUsize::new(0));
        let answers = VecDeque::from([[0x00].as_slice(), damaged, &[0x00]]);
        let line = Scripted { answers, said: VecDeque::new(), questions: Arc::clone(&questions) };
        let profile = Profile::named("generic-80").unwrap();
        let mut driver = EscPos::open(Box::new(line), profile, soon()).unwrap();
        let outcome = driver.print(&numbered("line", 1), soon());
        assert!(matches!(outcome, Ok(PrintProof::Accepted)), "{outcome:?}");
        assert_eq!(questions.load(Ordering::Acquire), 3, "{damaged:02x?}: before the job, after it, again");
    }
}

/// A printer that does not forget: what it is told first goes by.
struct Forgetless(Box<dyn Transport>);

impl Transport for Forgetless {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        match bytes.strip_prefix(&[0x10, 0x14, 8, 1, 3, 0x14, 1, 6, 2, 8]) {
            Some(rest) => Ok(10 + self.0.write(rest, deadline)?),
            None => self.0.write(bytes, deadline),
        }
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        self.0.read(buffer, deadline)
    }

    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.0.finish(deadline)
    }
}

#[test]
fn a_printer_that_did_not_forget_what_it_had_is_not_printed_on() {
    let profile = Profile::named("epson-tm-t20iii").unwrap();
    let (_printer, panel) = SimPrinter::new(profile.dots_per_line);
    let opened = EscPos::open(Box::new(Forgetless(panel.connect().unwrap())), profile, soon());
    assert!(matches!(opened.map(drop), Err(DeviceError::TimedOut)));
}

#[test]
fn a_printer_that_tells_nothing_by_itself_is_asked_why_it_stalls() {
    let desk = Desk::new("custom-vkp80");
    let out = Health::Degraded(BTreeSet::from([Trouble::PaperOut]));
    desk.panel.end_paper_after(400);
    desk.print(1, numbered("line", 2000));
    desk.wait_health(&out);
    desk.panel.set_paper(hal::printer::Paper::Ok);
    let outcome = desk.wait_done(1);
    assert!(matches!(outcome, Ok(PrintProof::Accepted)), "{outcome:?}");
    assert_eq!(desk.words(), [numbers("line", 2000)], "one copy, no gap");
    // In the middle of a picture the printer stays in step, too.
    desk.panel.end_paper_after(100);
    let mut picture = Bitmap::new(560, 900);
    (0..900).for_each(|y| picture.set(y % 560, y));
    desk.print(2, Job::of(vec![Line::Image(picture), Line::Cut]));
    desk.wait_health(&out);
    desk.panel.set_paper(hal::printer::Paper::Ok);
    let outcome = desk.wait_done(2);
    assert!(matches!(outcome, Ok(PrintProof::Accepted)), "{outcome:?}");
    desk.print(3, numbered("next", 2));
    assert!(matches!(desk.wait_done(3), Ok(PrintProof::Accepted)));
    assert_eq!(desk.words().last(), Some(&numbers("next", 2)));
}

/// Once asked, it never stops sending XON.
struct Chatters(bool);

impl Transport for Chatters {
    fn write(&mut self, bytes: &[u8], _: Deadline) -> Result<usize, DeviceError> {
        self.0 |= bytes.starts_with(&[0x10, 0x04]);
        Ok(bytes.len())
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        if !self.0 {
            std::thread::sleep(deadline.left());
            return Err(DeviceError::TimedOut);
        }
        buffer.fill(0x11);
        Ok(buffer.len())
    }

    fn finish(&mut self, _: Deadline) -> Result<(), DeviceError> {
        Ok(())
    }
}

#[test]
fn a_printer_that_never_stops_talking_is_waited_for_no_longer_than_a_silent_one() {
    let begun = std::time::Instant::now();
    let profile = Profile::named("generic-80").unwrap();
    let opened = EscPos::open(Box::new(Chatters(false)), profile, soon());
    assert!(matches!(opened.map(drop), Err(DeviceError::TimedOut)));
    assert!(begun.elapsed() < Duration::from_secs(8));
}
