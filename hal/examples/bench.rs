//! What hal costs, as `hal: name value unit` lines: driven by `cargo xtask bench hal`.
//!
//! | figure | from | to |
//! |---|---|---|
//! | `receipt_encode_cold` | the first job of a process: 300 mm, Arabic, no line like another, a QR code | all its bytes; the fonts are looked for and read in it |
//! | `receipt_encode` | another such job, on a kept shaper | all its bytes |
//! | `card_to_atr` | a card is put into the simulated chip card reader | its ATR in the caller's hand; the wire's own time, computed from ISO/IEC 7816-3 section 8.1, is beside it |
//! | `touch_to_channel` | a finger comes down on the simulated panel | its event in the shell's channel |
//! | `idle_cpu` | every device open, nothing happens | |
//! | `idle_wakes_THREAD` | the same; how often the thread gave its core back, which is 0 for one that waits | |
//!
//! Promises: every figure but the one called `computed` is measured in this run. Never: judges a number.

use hal::{
    Deadline, Event,
    card::ReaderKind,
    factory::{self, Config, Site},
    pointer,
    printer::{Align, Job, Line, Profile, Size, Style, escpos::Command, layout::lay_out, shape::LazyShaper},
    sim::{
        World,
        ccid::{CcidPanel, Model},
        chip::ChipKind,
        picture,
    },
};
use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::Path,
    sync::mpsc::{Receiver, sync_channel},
    time::{Duration, Instant},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 200;
const TOUCHES: usize = 2_000;
const IDLE: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(5);
/// Who was just told about has lain down after so long.
const SETTLED: Duration = Duration::from_millis(500);
/// Lines of Arabic that make the receipt 300 mm long at least.
const LINES: usize = 70;
/// What the lines are made of, five at a time; 5 and 13 have no common divisor, so the lines differ.
const WORDS: [&str; 13] = [
    "الإبلاغ",
    "عن",
    "مشكلة",
    "في",
    "الشارع",
    "رقم",
    "تم",
    "حفظ",
    "طلبكم",
    "البلدية",
    "المبلغ",
    "إرساله",
    "الجهاز",
];
/// Elementary time units of a second at 4 MHz and the default F/D of 372, and of a character with its
/// guard time (ISO/IEC 7816-3 sections 7.1 and 7.2).
const ETU_PER_S: f64 = 4e6 / 372.0;
const ETU_PER_CHARACTER: f64 = 12.0;

const DEVICES: &str = "[devices.printer]\nselector = 'sim:printer'\nprofile = 'epson-tm-t20iii'\n\
    [devices.card_reader]\nselector = 'sim:ccid'\n[devices.document_scanner]\nselector = 'sim:document'\n\
    [devices.scanner]\nselector = 'sim:scanner'\n[devices.keypad]\nselector = 'sim:keypad'\nmap = 'arrows'\n\
    [[devices.pointer]]\nselector = 'sim:touch'\n";

fn main() -> Outcome<()> {
    println!("hal: build {} profile", if cfg!(debug_assertions) { "debug" } else { "release" });
    encode()?;
    card()?;
    let world = World::new();
    let (sink, events) = sync_channel(256);
    let _devices = factory::open(&Config::from_toml(DEVICES)?, &Site { world: Some(world.clone()) }, &sink)?;
    touch(&world, &events)?;
    idle(&events)?;
    println!("bench: hal measured, rounds {ROUNDS}, touches {TOUCHES}, idle seconds {}", IDLE.as_secs());
    Ok(())
}

fn encode() -> Outcome<()> {
    let profile = Profile::named("epson-tm-t20iii")?;
    let mut text = LazyShaper::default();
    let mut encode = |round| -> Outcome<(Vec<u8>, f64)> {
        let job = receipt(round);
        let started = Instant::now();
        let bytes = Command::encode_all(&lay_out(&job, &profile, &mut text)?);
        Ok((bytes, started.elapsed().as_secs_f64() * 1e3))
    };
    let (bytes, cold) = encode(0)?;
    let dots = picture::render(&bytes, profile.dots_per_line).first().map_or(0, hal::printer::Bitmap::height);
    let warm = (1..=ROUNDS).map(|round| Ok(encode(round)?.1)).collect::<Outcome<Vec<_>>>();
    let mut warm = warm?;
    print("receipt_length", count(dots) / count(profile.dots_per_inch) * 25.4, "mm");
    print("receipt_bytes", count(bytes.len()), "bytes");
    print("receipt_encode_cold", cold, "ms");
    print("receipt_encode", at(&mut warm, 50), "ms");
    print("receipt_encode_p99", at(&mut warm, 99), "ms");
    Ok(())
}

/// A receipt of which no line is like another, nor like one of the receipt before.
fn receipt(round: usize) -> Job {
    let centred = Style::default().aligned(Align::Centre);
    let mut lines = vec![Line::styled("إيصالك", centred.bold().sized(Size::Double)), Line::Rule];
    let mut words = WORDS.iter().cycle().skip(round);
    lines.extend((0..LINES).map(|n| {
        let said: Vec<&str> = words.by_ref().take(5).copied().collect();
        Line::text(format!("{} {}", said.join(" "), round * LINES + n))
    }));
    lines.extend([Line::Qr { data: format!("HTTPS://KIOSK.EXAMPLE/F4HM-{round:04}-Z09C-B") }, Line::Cut]);
    Job::of(lines)
}

fn card() -> Outcome<()> {
    let panel = CcidPanel::new(Model::tpdu(0));
    let mut reader = panel.open(ReaderKind::Dip)?;
    let soon = || Deadline::after(LIMIT);
    let (mut took, mut characters) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        reader.status(soon())?;
        let started = Instant::now();
        panel.insert(ChipKind::Plain);
        reader.wait_change(soon())?;
        let atr = reader.power_on(soon())?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
        characters = atr.bytes().len();
        panel.pull();
        reader.wait_change(soon())?;
    }
    let wire = count(characters) * ETU_PER_CHARACTER / ETU_PER_S * 1e3;
    print("card_to_atr", at(&mut took, 50), "ms");
    print("card_to_atr_p99", at(&mut took, 99), "ms");
    print("card_to_atr_wire_computed", wire, "ms");
    Ok(())
}

fn touch(world: &World, events: &Receiver<Event>) -> Outcome<()> {
    let mut took = Vec::new();
    for _ in 0..TOUCHES {
        let started = Instant::now();
        if !world.press(0, 0.5, 0.5) {
            return Err("the simulated panel takes no finger".into());
        }
        until(events, pointer::Kind::Down)?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
        world.release(0);
        until(events, pointer::Kind::Up)?;
    }
    print("touch_to_channel", at(&mut took, 50), "ms");
    print("touch_to_channel_p99", at(&mut took, 99), "ms");
    Ok(())
}

fn until(events: &Receiver<Event>, wanted: pointer::Kind) -> Outcome<()> {
    loop {
        if matches!(events.recv_timeout(LIMIT)?, Event::Pointer(event) if event.kind == wanted) {
            return Ok(());
        }
    }
}

fn idle(events: &Receiver<Event>) -> Outcome<()> {
    while events.recv_timeout(SETTLED).is_ok() {}
    let (cpu, wakes) = (cpu_ms()?, wakes()?);
    std::thread::sleep(IDLE);
    print("idle_cpu", (cpu_ms()? - cpu) / (IDLE.as_secs_f64() * 1e3) * 100.0, "% of one core");
    for (thread, count) in self::wakes()? {
        let before = wakes.get(&thread).copied().unwrap_or_default();
        print(&format!("idle_wakes_{thread}"), count - before, "times");
    }
    Ok(())
}

/// How often each device's thread gave its core back so far: `voluntary_ctxt_switches`, `proc_pid_status(5)`.
fn wakes() -> Outcome<BTreeMap<String, f64>> {
    let mut wakes = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm"))?.trim().to_owned();
        if name == "printer" || name.starts_with("hal-") {
            *wakes.entry(name).or_default() += switches(&task)?;
        }
    }
    Ok(wakes)
}

fn switches(task: &Path) -> Outcome<f64> {
    let status = fs::read_to_string(task.join("status"))?;
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    Ok(count.ok_or("a thread without voluntary_ctxt_switches")?.trim().parse()?)
}

/// What this process used so far, to the microsecond.
fn cpu_ms() -> Outcome<f64> {
    let schedstat = fs::read_dir("/proc/self/task")?
        .map(|task| Ok(fs::read_to_string(task?.path().join("schedstat"))?))
        .collect::<Outcome<Vec<_>>>()?;
    let ns = schedstat.iter().filter_map(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(ns.sum::<f64>() / 1e6)
}

/// The figure below which so many of a hundred lie.
fn at(figures: &mut [f64], percent: usize) -> f64 {
    figures.sort_by(f64::total_cmp);
    let place = figures.len().saturating_sub(1) * percent / 100;
    figures.get(place).copied().unwrap_or(f64::NAN)
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

fn print(name: &str, value: f64, unit: &str) {
    println!("hal: {name} {value:.3} {unit}");
}
