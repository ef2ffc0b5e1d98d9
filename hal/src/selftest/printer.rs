//! A receipt printer: status and identity, the test page, the cover.
//!
//! Promises: `print` passes only with the printer's own word; a line that cannot answer is *not done*.
//! Never: prints twice.

use super::{Level, Outcome, Prompt, Step, Trial, code, spell};
use crate::{
    device::{Deadline, DeviceError, Trouble},
    factory::{self, ConfigError, PrinterConfig, Site},
    printer::{
        Align, Bitmap, Cover, EscPos, Job, Line, PrintError, PrintProof, PrinterStatus, Profile,
        ReceiptPrinter as _, Size, Style, escpos::IdentityText,
    },
};
use std::{collections::BTreeSet, time::Duration};

/// Opening and asking.
const ASK_WAIT: Duration = Duration::from_secs(6);

/// The test page; nobody refills meanwhile.
const PRINT_WAIT: Duration = Duration::from_secs(30);

/// Rows of the picture on the test page.
const BAR_ROWS: usize = 24;

/// The test page: the model, sizes, all digits of a line, a picture from edge to edge, a code, a cut. ASCII
/// only, so that it is the same bytes whatever fonts there are.
#[must_use]
pub fn page(profile: &Profile) -> Job {
    let heading = Style::default().bold().sized(Size::Double).aligned(Align::Centre);
    let digits = |count: usize| ('0'..='9').cycle().take(count).collect::<String>();
    let mut bars = Bitmap::new(profile.dots_per_line, BAR_ROWS);
    let dots = (0..BAR_ROWS).flat_map(|y| (0..profile.dots_per_line).map(move |x| (x, y)));
    dots.filter(|(x, y)| (x + y) % 16 < 4).for_each(|(x, y)| bars.set(x, y));
    let lines = vec![
        Line::styled("TEST", heading),
        Line::text(profile.name.clone()),
        Line::Rule,
        Line::text(digits(20)),
        Line::styled(digits(20), Style::default().bold()),
        Line::pair("0", "1"),
        Line::Image(bars),
        Line::Qr { data: "TEST".to_owned() },
        Line::Feed(2),
        Line::Cut,
    ];
    Job::of(lines)
}

pub(super) fn run(
    config: &PrinterConfig,
    site: &Site,
    mut trial: Trial<'_>,
) -> Result<Vec<Step>, ConfigError> {
    let (mut open, profile) = factory::printer_line(config, site)?;
    let page = page(&profile);
    let opened = open().and_then(|line| EscPos::open(line, profile, Deadline::after(ASK_WAIT)));
    let mut printer = match opened {
        Ok(printer) => printer,
        Err(error) => {
            trial.failed("open", code(&error));
            return Ok(trial.steps);
        }
    };
    trial.passed("open", Vec::new());
    status(&mut printer, &mut trial);
    identity(&mut printer, &mut trial);
    if trial.level >= Level::External {
        print(&mut printer, &page, &mut trial);
    }
    if trial.level >= Level::Interactive {
        cover(&mut printer, &mut trial);
    }
    Ok(trial.steps)
}

fn status(printer: &mut EscPos, trial: &mut Trial<'_>) {
    match printer.status(Deadline::after(ASK_WAIT)) {
        Ok(_) if !printer.answers() => trial.not_done("status", "line-cannot-answer"),
        Ok(status) => {
            let stopped = status.stopped_by();
            let outcome =
                if stopped.is_empty() { Outcome::Passed } else { Outcome::Failed(troubles(&stopped)) };
            trial.step("status", outcome, facts(&status));
        }
        Err(error) => trial.failed("status", code(&error)),
    }
}

fn facts(status: &PrinterStatus) -> Vec<(&'static str, String)> {
    vec![
        ("paper", spell(status.paper)),
        ("cover", spell(status.cover)),
        ("cutter", spell(status.cutter)),
        ("head", spell(status.head)),
    ]
}

fn troubles(troubles: &BTreeSet<Trouble>) -> String {
    troubles.iter().map(|trouble| trouble.code()).collect::<Vec<_>>().join("+")
}

fn identity(printer: &mut EscPos, trial: &mut Trial<'_>) {
    match printer.identity(IdentityText::Model, Deadline::after(ASK_WAIT)) {
        Ok(model) => trial.passed("identity", vec![("model", model)]),
        // Cheap models have no name, and a busy printer does not tell it.
        Err(DeviceError::TimedOut) => trial.not_done("identity", "no-answer"),
        Err(DeviceError::Unsupported(_)) => trial.not_done("identity", "line-cannot-answer"),
        Err(error) => trial.failed("identity", code(&error)),
    }
}

fn print(printer: &mut EscPos, page: &Job, trial: &mut Trial<'_>) {
    match printer.print(page, Deadline::after(PRINT_WAIT)) {
        Ok(proof) => {
            let outcome = match proof {
                PrintProof::Completed | PrintProof::Accepted => Outcome::Passed,
                PrintProof::Sent => Outcome::NotDone("line-cannot-answer"),
                PrintProof::Unknown => Outcome::Failed("not-proven".to_owned()),
            };
            trial.step("print", outcome, vec![("proof", spell(proof))]);
        }
        Err(error) => {
            let why = match &error {
                PrintError::NotReady(stopped) => troubles(stopped),
                PrintError::Interrupted { troubles: stopped, rest } => {
                    format!("{}, rest {}", troubles(stopped), spell(rest))
                }
                PrintError::Device(error) => code(error),
                PrintError::Layout(error) => format!("layout: {error}"),
                PrintError::NotMarked => "not-marked".to_owned(),
                PrintError::Cancelled => "cancelled".to_owned(),
            };
            trial.step("print", Outcome::Failed(why), vec![("proof", "none".to_owned())]);
        }
    }
}

/// Somebody opens the cover and closes it; the printer has to notice both.
fn cover(printer: &mut EscPos, trial: &mut Trial<'_>) {
    if printer.last_status().cover == Cover::Unknown {
        trial.not_done("cover", "not-told");
        return;
    }
    for (prompt, wanted) in [(Prompt::OpenCover, Cover::Open), (Prompt::CloseCover, Cover::Closed)] {
        trial.ask(prompt);
        let deadline = Deadline::after(trial.limit);
        while printer.last_status().cover != wanted {
            // Some models tell a change by themselves, the others when they are asked.
            let heard = printer
                .listen(deadline.at_most(Duration::from_secs(1)))
                .and_then(|_| printer.status(Deadline::after(ASK_WAIT)));
            if let Err(error) = heard {
                trial.failed("cover", code(&error));
                return;
            }
            if deadline.passed() && printer.last_status().cover != wanted {
                trial.failed("cover", format!("{} not-seen", spell(wanted)));
                return;
            }
        }
    }
    trial.passed("cover", vec![("seen", "open, closed".to_owned())]);
}
