//! The process that is killed: three writers, and one who delivers.
//!
//! Each step of a promise is a line on standard output, written before the call (`saving 7`) and after its
//! answer (`saved 7`); the lines are all that is known of it afterwards.
//!
//! | line | then |
//! |---|---|
//! | `saving n` | `saved n`, or `refused n` |
//! | `handed n` | nothing, `settling n` and `settled n`, or `burying n` and `buried n` |

use super::stock::{NOW_MS, envelope, number_of, open};
use anyhow::{Context as _, Result, bail};
use kiosk_core::wire::NotSaved;
use kiosk_outbox::{Limits, Outbox, OutcomeError, Waiting};
use std::{
    io::{Write as _, stdout},
    path::Path,
    sync::mpsc::{Sender, channel},
    thread,
};

const WRITERS: u64 = 3;
const SAVES: u64 = 40;
/// How many the deliverer takes at once.
const TAKES: usize = 4;

/// Small segments, a short memory and a ballast: every step comes soon.
pub(super) fn limits() -> Limits {
    Limits {
        segment_bytes: 16 << 10,
        settled_max: 32,
        ballast_bytes: 64 << 10,
        free_bytes_min: 0,
        ..Limits::default()
    }
}

/// Saves envelopes from number `base` on and delivers most of them, then closes.
pub(super) fn work(dir: &Path, base: u64) -> Result<()> {
    // A test harness may have left a line open.
    stdout().lock().write_all(b"\n")?;
    let (outbox, _) = open(dir, limits())?;
    thread::scope(|scope| -> Result<()> {
        let (tell, told) = channel();
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let (outbox, tell) = (outbox.clone(), tell.clone());
            let numbers = (0..SAVES).map(move |n| base + n * WRITERS + writer);
            writers.push(scope.spawn(move || write(&outbox, numbers, &tell)));
        }
        drop(tell);
        let mut now_ms = NOW_MS;
        // Ends with the last writer.
        while told.recv().is_ok() {
            now_ms += 10;
            for handed in outbox.claim(TAKES, now_ms) {
                deliver(&outbox, &handed, now_ms)?;
            }
        }
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().unwrap_or_else(|_| bail!("a writer panicked")))
    })?;
    outbox.close();
    say("done", 0)
}

fn say(word: &str, n: u64) -> Result<()> {
    Ok(stdout().lock().write_all(format!("{word} {n}\n").as_bytes())?)
}

fn write(outbox: &Outbox, numbers: impl Iterator<Item = u64>, tell: &Sender<()>) -> Result<()> {
    for n in numbers {
        say("saving", n)?;
        match outbox.enqueue(envelope(n)?) {
            Ok(_) => say("saved", n)?,
            Err(NotSaved::Full) => say("refused", n)?,
            Err(other) => bail!("{n} was not saved: {other:?}"),
        }
        tell.send(())?;
    }
    Ok(())
}

fn deliver(outbox: &Outbox, handed: &Waiting, now_ms: u64) -> Result<()> {
    let id = handed.envelope.id;
    let n = number_of(&handed.envelope).context("an envelope that nobody saved")?;
    say("handed", n)?;
    match n % 8 {
        0 => {}
        1 => outbox.again(id, now_ms + 15)?,
        2 => {
            say("burying", n)?;
            match outbox.dead_letter(id, "code", "detail") {
                Ok(()) => say("buried", n)?,
                Err(OutcomeError::Storage) => outbox.again(id, now_ms + 15)?,
                Err(other) => bail!("{n} was not buried: {other}"),
            }
        }
        _ => {
            say("settling", n)?;
            outbox.settle(id, vec![1; 100])?;
            say("settled", n)?;
        }
    }
    Ok(())
}
