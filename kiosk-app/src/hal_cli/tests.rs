//! `kiosk hal` on simulated devices, with a hand that does what the prompts ask.

use super::{Args, run_in};
use clap::Parser as _;
use hal::{
    Class,
    counters::Counters,
    factory::{Config, Site},
    keypad::{KeyMap, NavKey},
    sim::{
        World,
        chip::ChipKind,
        world::{CardKind, Symbol},
    },
};
use serde_json::Value;
use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

const DEVICES: &str = "place = 'elsewhere'\n[devices.printer]\nselector = 'sim:printer'\nprofile = 'epson-tm-t20iii'\n\
                       [devices.card_reader]\nselector = 'sim:ccid'\n\
                       [devices.scanner]\nselector = 'sim:scanner'\n\
                       [devices.keypad]\nselector = 'sim:keypad'\nmap = 'arrows'\n";

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// Reads what is written and does what it asks for.
struct Hand {
    world: World,
    text: String,
    learning: u16,
}

impl Write for Hand {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.push_str(std::str::from_utf8(bytes).map_err(io::Error::other)?);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let last = self.text.lines().last().unwrap_or_default();
        let Ok(line) = serde_json::from_str::<Value>(last) else { return Ok(()) };
        self.act(line["ask"].as_str().unwrap_or_default(), line["what"].as_str());
        Ok(())
    }
}

impl Hand {
    fn act(&mut self, ask: &str, what: Option<&str>) {
        let key = what.and_then(NavKey::named);
        match ask {
            "present-card" => {
                self.world
                    .ccid()
                    .insert(ChipKind::Memory { uid: vec![4, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6] });
            }
            "take-card" => self.world.ccid().pull(),
            "open-cover" => self.world.printer().set_cover(hal::printer::Cover::Open),
            "close-cover" => self.world.printer().set_cover(hal::printer::Cover::Closed),
            "show-code" => {
                let world = self.world.clone();
                // The gate opens after the prompt.
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(300));
                    world.scan(&Symbol::Text("secret-number".into()))
                });
            }
            // A keypad that is learned has a code for each key; one that is tested has the map's.
            "press-key" if self.learning > 0 => {
                self.learning += 1;
                assert!(self.world.tap(self.learning));
            }
            "press-key" => {
                let code = KeyMap::named("arrows").unwrap().codes(key.unwrap()).next().unwrap();
                assert!(self.world.tap(code));
            }
            _ => {}
        }
    }
}

/// A run, and what it left.
struct Ran {
    well: Result<bool, String>,
    text: String,
}

impl Ran {
    fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn summary(&self) -> Value {
        let last = self.lines().pop().unwrap();
        assert_eq!(last["kind"], "summary");
        last
    }

    fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["kind"] == kind).collect()
    }
}

fn run_at(world: &World, learning: u16, words: &[&str]) -> Ran {
    let cli = match Cli::try_parse_from([&["hal"], words].concat()) {
        Ok(cli) => cli,
        Err(error) => return Ran { well: Err(error.to_string()), text: String::new() },
    };
    let mut hand = Hand { world: world.clone(), text: String::new(), learning };
    let site = Site { world: Some(world.clone()) };
    let well = run_in(&cli.args, &site, &mut hand).map_err(|error| {
        assert!(error.is::<crate::config::StartError>(), "exit code 2 is for {error:#}");
        error.to_string()
    });
    Ran { well, text: hand.text }
}

fn config(folder: &Path, text: &str) -> String {
    let file = folder.join("kiosk.toml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn every_level_is_run_on_every_device() {
    let folder = tempfile::tempdir().unwrap();
    let file = config(folder.path(), DEVICES);
    let world = World::new();
    let internal = run_at(&world, 0, &["test", "--json", "--config", &file]);
    assert_eq!(internal.well, Ok(true), "{}", internal.text);
    assert_eq!(internal.summary()["passed"], 4);
    assert!(world.printer().receipts().is_empty(), "an internal test prints nothing");

    let external = run_at(&world, 0, &["test", "--json", "--level", "external", "--config", &file]);
    assert_eq!((external.well.clone(), external.summary()["not_wholly_tried"].clone()), (Ok(true), 3.into()));
    let print = external.of_kind("step").into_iter().find(|step| step["step"] == "print").unwrap();
    assert_eq!((&print["outcome"], &print["facts"]["proof"]), (&"passed".into(), &"completed".into()));
    assert_eq!(world.printer().receipts().len(), 1);

    let hands = run_at(&world, 0, &["test", "--json", "--level", "interactive", "--config", &file]);
    assert_eq!(
        (hands.well.clone(), hands.summary()["passed"].clone()),
        (Ok(true), 4.into()),
        "{}",
        hands.text
    );
    let atr = hands.of_kind("step").into_iter().find(|step| step["step"] == "atr").unwrap();
    assert!(atr["facts"]["atr"].as_str().unwrap().starts_with("3B 8F"), "{atr}");
    for secret in ["secret-number", "A1 B2 C3", "a1b2c3", "04A1"] {
        assert!(!hands.text.contains(secret), "{}", hands.text);
    }
}

#[test]
fn a_device_that_fails_fails_the_command_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = config(folder.path(), DEVICES);
    let world = World::new();
    world.unplug(Class::CardReader);
    world.printer().set_paper(hal::printer::Paper::Out);
    let ran = run_at(&world, 0, &["test", "--json", "--level", "external", "--config", &file]);
    assert_eq!(ran.well, Ok(false));
    assert_eq!((&ran.summary()["failed"], &ran.summary()["ok"]), (&2.into(), &false.into()));
    let failed: Vec<_> = ran.of_kind("step").into_iter().filter(|step| step["outcome"] == "failed").collect();
    assert!(failed.iter().any(|step| step["class"] == "card-reader" && step["step"] == "open"), "{failed:?}");
    assert!(failed.iter().any(|step| step["step"] == "print" && step["code"] == "paper-out"), "{failed:?}");
}

#[test]
fn a_person_reads_words_and_the_last_line_is_the_summary() {
    let ran = run_at(
        &World::new(),
        0,
        &["test", "printer", "--selector", "sim:printer", "--profile", "generic-80", "--level", "external"],
    );
    let last = ran.text.lines().last().unwrap();
    assert_eq!(last, "hal test: devices 1, passed 1, not wholly tried 0, failed 0");
    assert!(ran.text.contains("receipt-printer sim:printer: print: passed, proof accepted"), "{}", ran.text);
}

#[test]
fn bad_input_is_one_line_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = config(folder.path(), DEVICES);
    let broken = folder.path().join("broken.toml");
    std::fs::write(&broken, "[devices.printer]\nselector = 'printer'\nprofile = 'x'").unwrap();
    let broken = broken.display().to_string();
    for (words, reason) in [
        (&["test"][..], "name a file with a [devices] table, or one device with --selector"),
        (&["test", "--selector", "sim:printer"], "--selector: say what it is: printer, card-reader"),
        (&["test", "printer", "--selector", "sim:printer"], "--profile: say which: "),
        (&["test", "printer", "--selector", "printer"], "'printer' names no device"),
        (
            &["test", "printer", "--selector", "sim:press", "--profile", "generic-80"],
            "no driver takes 'sim:press'",
        ),
        (&["test", "printer", "--selector", "sim:printer", "--profile", "lp"], "devices.printer: "),
        (&["test", "pointer", "--config", &file], "no pointer is configured"),
        (
            &["test", "--level", "outside", "--config", &file],
            "[possible values: internal, external, interactive]",
        ),
        (&["test", "--config", "/nowhere/kiosk.toml"], "/nowhere/kiosk.toml: "),
        (&["watch", "--config", &broken], "broken.toml: line 2, column "),
        (&["test", "printer", "--learn", "x.toml", "--config", &file], "only a keypad is learned"),
        (&["list", "--config", &broken], "broken.toml: line 2, column "),
    ] {
        let ran = run_at(&World::new(), 0, words);
        let why = ran.well.expect_err(reason);
        assert!(why.contains(reason), "{words:?}: {why}");
    }
}

#[test]
fn a_list_shows_what_is_missing_and_what_was_counted() {
    let folder = tempfile::tempdir().unwrap();
    let missing = "[[devices.pointer]]\nselector = '/dev/input/nowhere'\n";
    let text = format!("counters = {:?}\n{DEVICES}{missing}", folder.path());
    let (counters, _) = Counters::open(folder.path(), &Config::from_toml(DEVICES).unwrap()).unwrap();
    counters.observe(&hal::Event::Card(hal::card::Event::Inserted));
    drop(counters);
    let ran = run_at(&World::new(), 0, &["list", "--json", "--config", &config(folder.path(), &text)]);
    assert_eq!(ran.well, Ok(false), "a configured device is not there");
    let devices = ran.of_kind("device");
    let of = |class: &str| devices.iter().find(|d| d["class"] == class && d["configured"] == true).unwrap();
    assert_eq!(
        (&of("card-reader")["health"], &of("card-reader")["driver"]),
        (&"simulated".into(), &"sim:ccid".into())
    );
    assert_eq!(of("card-reader")["counters"]["cards"], 1);
    assert_eq!(of("pointer")["health"], "not-found");
    assert_eq!(ran.summary()["configured_but_missing_or_denied"], 1);

    std::fs::write(folder.path().join(hal::counters::FILE_NAME), "cards = 7").unwrap();
    let ran = run_at(&World::new(), 0, &["list", "--json", "--config", &config(folder.path(), &text)]);
    assert_eq!(ran.summary()["counter_files_damaged"], 1);
}

#[test]
fn a_watch_tells_kinds_and_lengths_only() {
    let folder = tempfile::tempdir().unwrap();
    let text = DEVICES.replace("sim:ccid", "sim:card");
    let file = config(folder.path(), &text);
    let world = World::new();
    let outside = world.clone();
    let hand = std::thread::spawn(move || {
        let symbol = Symbol::Text("secret-number".into());
        // Until somebody listens nothing is passed on.
        while !outside.scan(&symbol) {
            std::thread::sleep(Duration::from_millis(20));
        }
        outside.insert_card(CardKind::Library { number: "21234000012345".into() });
        outside.printer().set_cover(hal::printer::Cover::Open);
        outside.unplug(Class::Keypad);
    });
    let ran = run_at(&world, 0, &["watch", "--json", "--seconds", "3", "--config", &file]);
    hand.join().unwrap();
    assert_eq!(ran.well, Ok(false), "the keypad is gone at the end: {}", ran.text);
    let events = ran.of_kind("event");
    let read = events.iter().find(|e| e["event"] == "read").unwrap();
    assert_eq!((&read["facts"]["source"], &read["facts"]["characters"]), (&"stripe".into(), &"14".into()));
    let degraded = ran.of_kind("health").into_iter().find(|h| h["health"] == "degraded").unwrap();
    assert_eq!(degraded["codes"][0], "cover-open");
    assert_eq!(ran.summary()["kinds_not_ready"], 1);
    assert!(!ran.text.contains("secret") && !ran.text.contains("2123400"), "{}", ran.text);
}

#[test]
fn a_keypad_is_learned_into_a_file_that_a_config_takes() {
    let folder = tempfile::tempdir().unwrap();
    let map = folder.path().join("ours.toml");
    let name = map.display().to_string();
    let world = World::new();
    let words = ["test", "keypad", "--json", "--selector", "sim:keypad", "--learn", &name];
    let ran = run_at(&world, 183, &words);
    assert_eq!(ran.well, Ok(true), "{}", ran.text);
    let learned = KeyMap::named(&name).unwrap();
    assert_eq!(learned.codes(NavKey::Up).collect::<Vec<_>>(), [184]);
    let again = run_at(&world, 183, &words);
    assert!(again.well.unwrap_err().starts_with(&name), "nothing is overwritten");
}

#[cfg(feature = "recording")]
mod recording {
    use super::*;

    fn record(folder: &Path, world: &World, more: &[&str]) -> (Ran, std::path::PathBuf) {
        let file = folder.join("session.rec");
        let config = config(folder, DEVICES);
        let name = file.display().to_string();
        let words = [&["record", "--json", &name, "--config", &config], more].concat();
        (run_at(world, 0, &words), file)
    }

    #[test]
    fn a_page_is_recorded_and_a_config_plays_it() {
        let folder = tempfile::tempdir().unwrap();
        let (ran, file) = record(folder.path(), &World::new(), &[]);
        assert_eq!(ran.well, Ok(true), "{}", ran.text);
        let before = std::fs::read(&file).unwrap();
        let replay = format!("replay:{}", file.display());
        let words = ["test", "printer", "--selector", &replay, "--profile", "epson-tm-t20iii", "--json"];
        // A test asks for the model too, which the recording does not have: told, not passed over.
        let played = run_at(&World::new(), 0, &words);
        assert_eq!(played.well, Ok(false), "{}", played.text);
        assert!(played.text.contains("replay: line "), "{}", played.text);
        let (again, _) = record(folder.path(), &World::new(), &[]);
        assert!(again.well.unwrap_err().contains("is there already"));
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }

    #[test]
    fn a_card_is_recorded_only_under_a_name_and_never_a_payment_card() {
        let folder = tempfile::tempdir().unwrap();
        let cards = DEVICES.lines().filter(|line| !line.contains("rinter") && !line.contains("profile"));
        let cards = config(folder.path(), &cards.collect::<Vec<_>>().join("\n"));
        let file = folder.path().join("none.rec").display().to_string();
        let ran = run_at(&World::new(), 0, &["record", &file, "--config", &cards]);
        assert!(ran.well.unwrap_err().contains("recorded with --test-card NAME only"));

        let (ran, file) = record(folder.path(), &World::new(), &["--test-card", "memory"]);
        assert_eq!(ran.well, Ok(true), "{}", ran.text);
        assert!(std::fs::read_to_string(&file).unwrap().contains("\ntest-card memory\n"));
        std::fs::remove_file(&file).unwrap();

        let world = World::new();
        world.ccid().insert(ChipKind::Payment);
        let words = ["record", &file.display().to_string(), "--config", &cards, "--test-card", "mine"];
        let cli = Cli::try_parse_from([&["hal"], &words[..]].concat()).unwrap();
        let mut out = Vec::new();
        let well = run_in(&cli.args, &Site { world: Some(world) }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!well && text.contains("a payment card is never recorded"), "{text}");
        assert!(!file.exists());
    }
}
