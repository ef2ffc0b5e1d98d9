//! `kiosk hal watch`: what the devices say, as it comes.
//!
//! Card reader and scanner are armed all the time, as no citizen is there. Kinds and lengths are told only.
//!
//! Promises: ends by Ctrl-C or after so many seconds, with a summary; the last known health decides the exit
//! code. Never: shows what a card, a code or a key said.

use super::{
    console::Console,
    which::{ClassName, Which},
};
use anyhow::{Context as _, Result};
use hal::{
    Class, Event, Health, card, document,
    factory::{self, Devices, Site},
    keypad, pointer, printer, scanner,
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// Events that wait to be written.
const EVENTS_MAX: usize = 256;

/// Without --seconds.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// What --selector names.
    #[arg(value_enum)]
    class: Option<ClassName>,
    #[command(flatten)]
    which: Which,
    /// End after so many seconds instead of at Ctrl-C, or after a day.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
}

/// What wakes the one thread that writes.
enum Heard {
    Device(Event),
    Interrupt,
}

/// What an event is called, and what may be told of it.
type Told = (Class, &'static str, Vec<(&'static str, String)>);

pub(super) fn run(args: &Args, site: &Site, console: &mut Console<'_>) -> Result<bool> {
    let class = args.class.map(Class::from);
    let chosen = args.which.choose(class)?;
    let count = chosen.targets(None)?.len();
    let (sink, events) = sync_channel(EVENTS_MAX);
    let devices = factory::open(&chosen.config, site, &sink).map_err(|error| chosen.refused(&error))?;
    drop(sink);
    let (sender, heard) = sync_channel(EVENTS_MAX);
    hear_interrupt(sender.clone())?;
    thread::Builder::new().name("hal-watch".to_owned()).spawn(move || {
        for event in events {
            if sender.send(Heard::Device(event)).is_err() {
                return;
            }
        }
    })?;
    arm(&devices);
    let limit = args.seconds.map_or(A_DAY, Duration::from_secs);
    let (told, last) = tell_all(&heard, &devices, limit, console)?;
    let healthy = |health: &&Health| matches!(health, Health::Ready | Health::Degraded(_));
    let ready = last.values().filter(healthy).count();
    let classes = last.len();
    let well = ready == classes;
    let figures =
        [("devices", count), ("events", told), ("kinds ready", ready), ("kinds not ready", classes - ready)];
    console.summary("watch", well, &figures)?;
    Ok(well)
}

/// Ctrl-C becomes a message.
fn hear_interrupt(sender: SyncSender<Heard>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("hal-interrupt".to_owned()).spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            // Nobody to tell means that the watch is over.
            drop(sender.send(Heard::Interrupt));
        }
    })?;
    Ok(())
}

fn arm(devices: &Devices) {
    devices.card.as_ref().map(card::CardHandle::arm);
    devices.scanner.as_ref().map(scanner::ScannerHandle::arm);
}

/// How many events came, and the last health of each class.
fn tell_all(
    heard: &Receiver<Heard>,
    devices: &Devices,
    limit: Duration,
    console: &mut Console<'_>,
) -> Result<(usize, BTreeMap<Class, Health>)> {
    let begun = Instant::now();
    let (mut told, mut last) = (0, BTreeMap::new());
    loop {
        let event = match heard.recv_timeout(limit.saturating_sub(begun.elapsed())) {
            Ok(Heard::Device(event)) => event,
            Ok(Heard::Interrupt) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Ok((told, last));
            }
        };
        let at_ms = begun.elapsed().as_millis();
        told += 1;
        if let Event::Health { class, health } = &event {
            tell_health(at_ms, *class, health, console)?;
            last.insert(*class, health.clone());
            continue;
        }
        let Some((class, name, facts)) = of(&event) else { continue };
        let mut text = format!("{at_ms:>7} ms {}: {name}", class.name());
        for (name, value) in &facts {
            text.push_str(&format!(", {name} {value}"));
        }
        let facts: Map<String, Value> =
            facts.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let object =
            json!({ "at_ms": u64::try_from(at_ms)?, "class": class.name(), "event": name, "facts": facts });
        console.say("event", &text, object)?;
        if matches!(name, "read" | "scan") {
            arm(devices);
        }
    }
}

fn tell_health(at_ms: u128, class: Class, health: &Health, console: &mut Console<'_>) -> Result<()> {
    let (name, codes): (&str, Vec<String>) = match health {
        Health::Absent => ("absent", Vec::new()),
        Health::Opening => ("opening", Vec::new()),
        Health::Ready => ("ready", Vec::new()),
        Health::Degraded(troubles) => ("degraded", troubles.iter().map(|t| t.code().to_owned()).collect()),
        Health::Faulted(code) => ("faulted", vec![(*code).to_owned()]),
    };
    let mut text = format!("{at_ms:>7} ms {}: health {name}", class.name());
    if !codes.is_empty() {
        text.push_str(&format!(" ({})", codes.join(", ")));
    }
    let object =
        json!({ "at_ms": u64::try_from(at_ms)?, "class": class.name(), "health": name, "codes": codes });
    console.say("health", &text, object).context("writing")
}

/// What may be told; nothing for what has no news.
fn of(event: &Event) -> Option<Told> {
    Some(match event {
        Event::Health { .. } => return None,
        Event::Printer(printer::Event::Status(status)) => {
            let codes: Vec<_> = status.troubles().iter().map(|trouble| trouble.code()).collect();
            (Class::ReceiptPrinter, "status", vec![("troubles", codes.join("+"))])
        }
        Event::Printer(printer::Event::Done { .. }) => (Class::ReceiptPrinter, "done", Vec::new()),
        Event::Card(event) => (Class::CardReader, card_name(event), card_facts(event)),
        Event::Document(event) => {
            let name = match event {
                document::Event::SheetPlaced => "sheet-placed",
                document::Event::SheetRemoved => "sheet-removed",
                document::Event::Done { .. } => "done",
            };
            (Class::DocumentScanner, name, Vec::new())
        }
        Event::Pointer(event) => {
            let name = match event.kind {
                pointer::Kind::Down => "down",
                // A finger that moves says nothing new about the panel.
                pointer::Kind::Move => return None,
                pointer::Kind::Up => "up",
                pointer::Kind::Cancel => "cancel",
            };
            let at = format!("{:.2} {:.2}", event.x, event.y);
            (Class::Pointer, name, vec![("slot", event.slot.to_string()), ("at", at)])
        }
        Event::Scanner(event) => match event {
            scanner::Event::Read { scan, .. } => {
                let bytes = scan.data.expose().len().to_string();
                let symbology =
                    scan.aim.map_or("not-told".to_owned(), |aim| format!("{:?}", aim.symbology()));
                (Class::Scanner, "scan", vec![("symbology", symbology), ("bytes", bytes)])
            }
            scanner::Event::Garbled => (Class::Scanner, "garbled", Vec::new()),
            scanner::Event::RefusedPaymentCard => (Class::Scanner, "refused-payment-card", Vec::new()),
            scanner::Event::Dropped => (Class::Scanner, "dropped", Vec::new()),
        },
        Event::Keypad(event) => {
            let name = match event.kind {
                keypad::Kind::Press => "press",
                keypad::Kind::Release => "release",
                keypad::Kind::Cancel => "cancel",
            };
            (Class::Keypad, name, vec![("key", event.key.name().to_owned())])
        }
    })
}

fn card_name(event: &card::Event) -> &'static str {
    match event {
        card::Event::Inserted => "inserted",
        card::Event::Removed => "removed",
        card::Event::Read { .. } => "read",
        card::Event::RefusedPaymentCard => "refused-payment-card",
        card::Event::Mute => "mute",
        card::Event::Torn => "torn",
        card::Event::Unreadable => "unreadable",
        card::Event::Forgotten => "forgotten",
        card::Event::Dropped => "dropped",
    }
}

fn card_facts(event: &card::Event) -> Vec<(&'static str, String)> {
    let card::Event::Read { card, .. } = event else { return Vec::new() };
    let source = match card.source {
        card::Source::Stripe => "stripe",
        card::Source::Chip => "chip",
        card::Source::Contactless => "contactless",
    };
    vec![("source", source.to_owned()), ("characters", card.number.expose().chars().count().to_string())]
}
