//! `kiosk bench shell`: what the shell costs, as `shell: name value unit` lines.
//!
//! Drawing is measured in this process with the software renderer at 1920 x 1080; memory, start and idle
//! time are measured on the real roles of the demo's stage.
//!
//! Promises: every figure is measured in this run; the build it was measured on is printed with it.

use crate::{
    demo::Stage,
    screen::{self, App, Page, headless::Headless},
};
use anyhow::{Context, Result};
use kiosk_core::{
    form::PartId,
    secret::Secret,
    view::{Input, Part, Question, Screen, View},
};
use slint::{ComponentHandle, Global};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant, SystemTime},
};

const WIDTH: u32 = 1920;
const HEIGHT: u32 = 1080;
const ROUNDS: usize = 60;
const STARTS: usize = 7;
const IDLE: Duration = Duration::from_secs(30);
/// From the last thing that happened to the first idle second.
const SETTLE: Duration = Duration::from_secs(3);

/// `kiosk bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to measure: `shell`.
    #[arg(value_parser = ["shell"])]
    what: String,
    /// Where the demo's stage is set.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

/// Measures and prints.
///
/// # Errors
/// When a role does not start or the system does not tell.
pub fn run(args: &Args) -> Result<ExitCode> {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("shell: build {build} profile");
    drawing()?;
    roles(&args.out)?;
    println!(
        "bench: {} measured, rounds {ROUNDS}, starts {STARTS}, width {WIDTH}, height {HEIGHT}",
        args.what
    );
    Ok(ExitCode::SUCCESS)
}

/// Whole pages and single keys, drawn into memory.
fn drawing() -> Result<()> {
    let headless = Headless::install(WIDTH, HEIGHT)?;
    let app = App::new()?;
    screen::words::offer(&app, ["en"])?;
    let mut adapter = crate::shell::Adapter::new(app.clone_strong());
    app.show()?;
    adapter.show(question("", "first"), false);
    headless.draw();
    let mut full = Vec::new();
    for _ in 0..ROUNDS {
        headless.dirty();
        full.push(time(|| headless.draw())?);
    }
    let mut keys = Vec::new();
    let mut text = String::new();
    for n in 0..ROUNDS {
        let letter = char::from(b'a' + u8::try_from(n % 26).unwrap_or_default());
        text.push(letter);
        let view = question(&text, "first");
        keys.push(time(|| {
            screen::Act::get(&app).invoke_key(letter.to_string().into());
            adapter.show(view, true);
            headless.draw()
        })?);
    }
    let mut pages = Vec::new();
    for n in 0..ROUNDS {
        let view = question("", if n % 2 == 0 { "second" } else { "first" });
        pages.push(time(|| {
            adapter.show(view, false);
            headless.draw()
        })?);
    }
    print("full_redraw", median(&mut full), "ms");
    print("key_redraw", median(&mut keys), "ms");
    print("page_change", median(&mut pages), "ms");
    print("key_to_full", median(&mut keys) / median(&mut full), "ratio");
    let drawn = Page::get(&app).get_screen() == screen::Screen::Question;
    anyhow::ensure!(drawn, "the question page was not on the screen");
    Ok(())
}

fn question(text: &str, field: &str) -> View {
    let part = Part { id: PartId::Value, value: Secret::from(text), wrong: false };
    let question = Question {
        field: field.into(),
        title: format!("Where is the {field} problem?"),
        input: Input::Text,
        parts: vec![part],
        number: 1,
        ..Question::default()
    };
    View {
        screen: Screen::Question,
        language: "en".into(),
        question: Some(question),
        link_up: true,
        ..View::default()
    }
}

/// Memory, start and idle time of the real processes.
fn roles(out: &Path) -> Result<()> {
    fs::create_dir_all(out)?;
    let mut stage = Stage::set(out, &["en", "fr", "cy", "ar"], &[crate::demo::report_street_problem()])?;
    let mut starts = (0..STARTS).map(|_| first_frame(&stage.out)).collect::<Result<Vec<_>>>()?;
    print("first_frame_warm", median(&mut starts), "ms");
    stage.open_shell(&format!("{WIDTH}x{HEIGHT}"))?;
    let (shell, agent, _) = stage.pids();
    let shell = shell.context("no shell")?;
    std::thread::sleep(SETTLE);
    for (name, pid) in [("shell", shell), ("agent", agent)] {
        print(&format!("{name}_rss"), status_mb(pid, "VmRSS:")?, "MB");
        print(&format!("{name}_rss_anon"), status_mb(pid, "RssAnon:")?, "MB");
    }
    let before = [cpu_ms(shell)?, cpu_ms(agent)?];
    std::thread::sleep(IDLE);
    let after = [cpu_ms(shell)?, cpu_ms(agent)?];
    let idle_ms = IDLE.as_secs_f64() * 1_000.0;
    for ((name, before), after) in ["shell", "agent"].iter().zip(before).zip(after) {
        print(&format!("{name}_idle_cpu"), (after - before) / idle_ms * 100.0, "% of one core");
    }
    Ok(())
}

/// From starting the process to its first whole frame in memory.
fn first_frame(stage: &Path) -> Result<f64> {
    let config = stage.join("shell.toml");
    let started = SystemTime::now();
    let size = format!("{WIDTH}x{HEIGHT}");
    let shell = Command::new(std::env::current_exe()?)
        .args(["shell", "--headless", &size, "--first-frame", "--config"])
        .arg(config)
        .output()?;
    let text = String::from_utf8(shell.stdout)?;
    let at: f64 = text.trim().parse().with_context(|| format!("the shell said '{}'", text.trim()))?;
    Ok(at - started.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64() * 1_000.0)
}

/// One line of `/proc/PID/status`, in megabytes of 1,000,000 bytes.
fn status_mb(pid: u32, key: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(key)).with_context(|| format!("no {key}"))?;
    let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib * 1_024.0 / 1e6)
}

/// User and system time of a process, from `/proc/PID/stat` fields 14 and 15.
fn cpu_ms(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(')').next().context("no name")?;
    let ticks = |n: usize| {
        after_name.split_whitespace().nth(n).and_then(|t| t.parse::<f64>().ok()).context("no time")
    };
    // Clock ticks are hundredths of a second on every Linux that Rust runs on.
    Ok((ticks(11)? + ticks(12)?) * 10.0)
}

/// Milliseconds that drawing took; a round in which nothing was drawn measures nothing.
fn time(work: impl FnOnce() -> bool) -> Result<f64> {
    let start = Instant::now();
    anyhow::ensure!(work(), "a round drew nothing");
    Ok(start.elapsed().as_secs_f64() * 1_000.0)
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn print(name: &str, value: f64, unit: &str) {
    println!("shell: {name} {value:.3} {unit}");
}
