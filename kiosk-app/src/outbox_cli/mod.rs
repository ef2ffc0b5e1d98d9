//! `kiosk outbox`: what waits on this unit, and carrying it to the gateway by hand.
//!
//! | command | does | exit status 1 when |
//! |---|---|---|
//! | `status` | the numbers | |
//! | `list` | one line for each envelope that waits | |
//! | `list --losses` | one line for each loss: what was damaged, why, what is left; what was refused at intake | |
//! | `verify` | every record, the chain, every attachment | something is damaged |
//! | `export --to DIR` | copies what waits for the gateway into DIR, signed by the unit | something is damaged |
//! | `deliver DIR` | brings an export to the gateway; settles what has a receipt and waits here | something is still to do |
//!
//! Exit status 2: a file or folder is wrong; one line names it, and nothing was changed. Exit status 1 too when
//! nobody reads what is said.
//!
//! Promises: the first four change nothing in the outbox and run beside the agent; nothing leaves the
//! outbox but by a receipt that the gateway signed over the very bytes that wait there. The last line says
//! what was done, and the exit status says the same.
//! Never: shows or opens a sealed request; it is not readable here.

mod deliver;
mod export;
mod folder;

use crate::{
    config::{AgentConfig, StartError, load},
    stamp,
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use kiosk_core::wire::{NotSaved, Stamp};
use kiosk_outbox::{Entry, Loss, OpenError, Overview, Reading, Refused, Verified, WaitsFor};
use serde_json::{Value, json};
use std::{
    fmt::Display,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What a technician may ask.
#[derive(Clone, Debug, Subcommand)]
pub enum Task {
    /// How many envelopes wait, for what, and since when.
    Status(Asked),
    /// Every envelope that waits: id, service, age, state, attempts, size. Never its content.
    List {
        /// Instead: what was damaged, why, and what is left of it.
        #[arg(long)]
        losses: bool,
        /// Of which agent.
        #[command(flatten)]
        asked: Asked,
    },
    /// Checks every record, the chain between them, and every attachment.
    Verify(Config),
    /// Copies what waits for the gateway into a folder, signed by this unit; removes nothing.
    Export {
        /// The folder, on a USB stick for example. It must be there.
        #[arg(long)]
        to: PathBuf,
        /// Of which agent.
        #[command(flatten)]
        config: Config,
    },
    /// Brings an export to the gateway, from this unit or another; settles what waits here and has a receipt.
    Deliver {
        /// The folder that was exported to.
        folder: PathBuf,
        /// Of which agent.
        #[command(flatten)]
        config: Config,
    },
}

/// Which agent's outbox.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// The agent's configuration file.
    #[arg(long = "config")]
    file: PathBuf,
}

/// A question that a program may ask too.
#[derive(Clone, Debug, Args)]
pub struct Asked {
    /// Of which agent.
    #[command(flatten)]
    config: Config,
    /// One JSON value instead of lines.
    #[arg(long)]
    json: bool,
}

/// Runs one command.
///
/// # Errors
/// [`StartError`] for anything wrong with a file or a folder.
pub fn run(task: &Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Status(asked) => {
            let Opened { file, config, reading } = open(&asked.config)?;
            let (overview, now_ms) = (reading.overview(), now(&config).unix_ms);
            let refused = reading.refused().map_err(|why| StartError::new(&file, "state", why))?;
            if asked.json {
                say(as_json(&overview, &refused, now_ms))?;
            } else {
                say(line(&overview, &refused, now_ms))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::List { losses, asked } => {
            let Opened { file, config, reading } = open(&asked.config)?;
            if *losses {
                let lost = reading.losses().map_err(|why| StartError::new(&file, "state", why))?;
                let refused = reading.refused().map_err(|why| StartError::new(&file, "state", why))?;
                list_losses(&lost, &refused, now(&config).unix_ms, asked.json)?;
            } else {
                list(&reading.entries(), now(&config).unix_ms, asked.json)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Verify(config) => verify(&open(config)?),
        Task::Export { to, config } => export::run(&open(config)?, to),
        Task::Deliver { folder, config } => {
            let (file, config) = agent(config)?;
            deliver::run(&file, &config, folder)
        }
    }
}

/// A configuration and the outbox it names, as it is now.
struct Opened {
    file: PathBuf,
    config: AgentConfig,
    reading: Reading,
}

fn open(config: &Config) -> Result<Opened, StartError> {
    let (file, config) = agent(config)?;
    let reading = read(&config.state).map_err(|why| StartError::new(&file, "state", why))?;
    Ok(Opened { file, config, reading })
}

fn agent(Config { file }: &Config) -> Result<(PathBuf, AgentConfig), StartError> {
    let config: AgentConfig = load(file)?;
    config.check(file)?;
    Ok((file.clone(), config))
}

/// Reads the outbox; sled's panics over a copy of two moments are none of the technician's.
fn read(state: &Path) -> Result<Reading, OpenError> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let reading = Reading::open(state);
    std::panic::set_hook(hook);
    reading
}

/// One line on standard output.
///
/// # Errors
/// When nobody reads it: `head` has what it wanted, or the disk behind it is full.
fn say(line: impl Display) -> anyhow::Result<()> {
    say_to(&mut io::stdout().lock(), line)
}

fn say_to(out: &mut impl Write, line: impl Display) -> anyhow::Result<()> {
    writeln!(out, "{line}").and_then(|()| out.flush()).context("standard output")
}

fn verify(opened: &Opened) -> anyhow::Result<ExitCode> {
    let checked = opened.reading.verify().map_err(|why| StartError::new(&opened.file, "state", why))?;
    let Verified { records, gaps, whole, damaged } = checked;
    damaged.iter().try_for_each(|what| say(format_args!("damaged: {what}")))?;
    let damage = damaged.len();
    say(format_args!("verify: records {records}, envelopes {whole}, damaged {damage}, gaps {gaps}"))?;
    Ok(if damaged.is_empty() && gaps == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(overview: &Overview, refused: &[Refused], now_ms: u64) -> String {
    let Overview { queued, dead, settled, oldest_ms, bytes, disk_bytes, quarantined, unmet } = overview;
    let oldest = oldest_ms.map_or("none".to_owned(), |made_ms| age(made_ms, now_ms));
    format!(
        "outbox: queued {queued}, needs staff {dead}, settled {settled}, oldest {oldest}, bytes {bytes}, \
         disk bytes {disk_bytes}, quarantined {quarantined}, refused {}, damage not met {unmet}",
        sum(refused)
    )
}

fn sum(refused: &[Refused]) -> u64 {
    refused.iter().fold(0, |sum, row| sum.saturating_add(row.count))
}

fn reason(why: NotSaved) -> &'static str {
    match why {
        NotSaved::Full => "full",
        NotSaved::Storage => "storage",
        NotSaved::TooLarge => "too-large",
    }
}

fn refused_json(row: &Refused, now_ms: u64) -> Value {
    json!({
        "what": "submissions refused", "reason": reason(row.reason), "count": row.count,
        "first_age_ms": now_ms.saturating_sub(row.first_ms), "age_ms": now_ms.saturating_sub(row.last_ms),
    })
}

fn as_json(overview: &Overview, refused: &[Refused], now_ms: u64) -> Value {
    let Overview { queued, dead, settled, oldest_ms, bytes, disk_bytes, quarantined, unmet } = overview;
    json!({
        "queued": queued, "needs_staff": dead, "settled": settled,
        "oldest_age_ms": oldest_ms.map(|made_ms| now_ms.saturating_sub(made_ms)),
        "bytes": bytes, "disk_bytes": disk_bytes, "quarantined": quarantined, "damage_not_met": unmet,
        "refused": refused.iter().map(|row| refused_json(row, now_ms)).collect::<Vec<_>>(),
    })
}

fn list(entries: &[Entry], now_ms: u64, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let all: Vec<Value> = entries.iter().map(|entry| entry_json(entry, now_ms)).collect();
        return say(Value::Array(all));
    }
    for entry in entries {
        let state = match &entry.waits_for {
            WaitsFor::Gateway => "queued".to_owned(),
            WaitsFor::Staff { code, .. } => format!("needs staff ({code})"),
        };
        let attempts = entry.attempts.map_or("unknown".to_owned(), |attempts| attempts.to_string());
        let Entry { id, service, made_ms, bytes, .. } = entry;
        let age = age(*made_ms, now_ms);
        say(format_args!("{id}  {service}  age {age}  {state}  attempts {attempts}  bytes {bytes}"))?;
    }
    say(format_args!("list: envelopes {}", entries.len()))
}

fn list_losses(losses: &[Loss], refused: &[Refused], now_ms: u64, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let one = |loss: &Loss| {
            let Loss { what, reason, bytes, at_ms } = loss;
            let age_ms = at_ms.map(|at_ms| now_ms.saturating_sub(at_ms));
            json!({ "what": what, "reason": reason, "bytes": bytes, "age_ms": age_ms })
        };
        let refused = refused.iter().map(|row| refused_json(row, now_ms));
        return say(Value::Array(losses.iter().map(one).chain(refused).collect()));
    }
    for Loss { what, reason, bytes, at_ms } in losses {
        let age = at_ms.map_or("unknown".to_owned(), |at_ms| age(at_ms, now_ms));
        say(format_args!("{what}  {reason}  age {age}  bytes {bytes}"))?;
    }
    for row in refused {
        let (first, last) = (age(row.first_ms, now_ms), age(row.last_ms, now_ms));
        let (why, count) = (reason(row.reason), row.count);
        say(format_args!("submissions refused  {why}  count {count}  first {first} ago, last {last} ago"))?;
    }
    say(format_args!("list: losses {}, refused {}", losses.len(), sum(refused)))
}

fn entry_json(entry: &Entry, now_ms: u64) -> Value {
    let (state, code, detail) = match &entry.waits_for {
        WaitsFor::Gateway => ("queued", None, None),
        WaitsFor::Staff { code, detail } => ("needs-staff", Some(code), Some(detail)),
    };
    json!({
        "id": entry.id.to_string(), "service": entry.service.as_str(), "state": state, "code": code,
        "detail": detail, "age_ms": now_ms.saturating_sub(entry.made_ms), "attempts": entry.attempts,
        "bytes": entry.bytes,
    })
}

/// `3 d 4 h`, `4 h 5 min`, `5 min` or `12 s`.
fn age(made_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(made_ms) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// The unit's clock, and how far to trust it.
fn now(config: &AgentConfig) -> Stamp {
    stamp::now(config.clock_proof.as_deref())
}

#[cfg(test)]
mod tests {
    use super::{age, say_to};

    #[test]
    fn a_closed_standard_output_is_an_error_and_no_panic() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        assert!(say_to(&mut writer, "heard").is_ok());
        drop(reader);
        let told = format!("{:#}", say_to(&mut writer, "not heard").unwrap_err());
        assert!(told.starts_with("standard output: "), "{told}");
    }

    #[test]
    fn an_age_is_told_in_two_parts() {
        let told = [0, 59, 60, 3599, 3600, 86_399, 86_400, 400_000].map(|seconds| age(5, 5 + seconds * 1000));
        assert_eq!(
            told,
            ["0 s", "59 s", "1 min", "59 min", "1 h 0 min", "23 h 59 min", "1 d 0 h", "4 d 15 h"]
        );
        assert_eq!(age(9, 5), "0 s");
    }
}
