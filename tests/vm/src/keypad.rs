//! Keys on the kernel's own nodes, made with `uinput`: a scanner that types, a keypad, another reader beside them.

use crate::{
    heard::{EVENT_LIMIT, Heard},
    kiosk::{self, CHANNEL, arm_scanner},
    uevent::{Uevents, link},
};
use anyhow::{Context as _, Result, bail, ensure};
use evdev::{AttributeSet, EventType, InputEvent, KeyCode, raw_stream::RawDevice, uinput::VirtualDevice};
use hal::{
    Class, Deadline, Event, Health,
    factory::{self, Devices},
    keypad::{self, Jack, Kind, NavKey, Question},
    keys::{Keyboard, now_us},
    scanner,
    wedge::{Framed, Framer, Garble, KeyText, Layout, Terminator, TextSource, Typist},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Nothing is to come; longer than the kernel waits before it repeats a key.
const SILENCE: Duration = Duration::from_millis(700);

/// The kernel makes a node within this.
const NODE_LIMIT: Duration = Duration::from_secs(5);

/// What the keyboards call themselves.
const NAME: &str = "hal test keyboard";

/// Where udev's links lead to them.
const LINK: &str = "/dev/kiosk-keys";
const VOLUME_LINK: &str = "/dev/kiosk-volume";

/// The map that is learned.
const MAP: &str = "/run/learned.toml";

const UP: u16 = 103;
const VOLUME_UP: u16 = 115;
const F13: u16 = 183;
const CONTROL: u16 = 29;
const SHIFT: u16 = 42;
const ENTER: u16 = 28;
const BRACKET: u16 = 27;

/// A keyboard the kernel takes for real, under a link as udev would make it. Dropping it pulls its plug.
struct Plugged {
    device: VirtualDevice,
    node: PathBuf,
}

impl Plugged {
    fn new(path: &str) -> Result<Self> {
        let uevents = Uevents::listen()?;
        let keys: AttributeSet<KeyCode> = (1..248).map(KeyCode).collect();
        let builder = VirtualDevice::builder().context("/dev/uinput")?;
        let mut device = builder.name(NAME).with_keys(&keys)?.build()?;
        let folder = device.get_syspath()?;
        let node = uevents.until("node of the keyboard", NODE_LIMIT, || {
            let mut names = fs::read_dir(&folder).ok()?.flatten().map(|entry| entry.file_name());
            let name = names.find(|name| name.to_string_lossy().starts_with("event"))?;
            Some(Path::new("/dev/input").join(name)).filter(|node| node.exists())
        })?;
        link(&node, path)?;
        Ok(Self { device, node })
    }

    fn key(&mut self, code: u16, down: bool) -> Result<()> {
        let event = InputEvent::new(EventType::KEY.0, code, i32::from(down));
        self.device.emit(&[event]).context("the keyboard cannot be pressed")
    }

    fn tap(&mut self, code: u16) -> Result<()> {
        self.key(code, true)?;
        self.key(code, false)
    }

    /// Types in the US layout; `text` is short enough for the kernel's buffer.
    fn type_text(&mut self, text: &str) -> Result<()> {
        let us = Layout::named("us")?;
        for character in text.chars() {
            let (modifier, code) = match character {
                '\r' => (None, ENTER),
                '\u{1d}' => (Some(CONTROL), BRACKET),
                other => {
                    let (code, shift) = us.key(other).with_context(|| format!("no key for {other:?}"))?;
                    (shift.then_some(SHIFT), code)
                }
            };
            modifier.into_iter().chain([code]).try_for_each(|code| self.key(code, true))?;
            [code].into_iter().chain(modifier).try_for_each(|code| self.key(code, false))?;
        }
        Ok(())
    }

    /// Somebody else who reads the node, as a screen would.
    fn other_reader(&self) -> Result<RawDevice> {
        let reader = RawDevice::open(&self.node)?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        Ok(reader)
    }
}

/// How many events another reader sees.
fn seen(reader: &mut RawDevice) -> usize {
    reader.fetch_events().map_or(0, Iterator::count)
}

fn open(table: &str, more: &str) -> Result<(Devices, Heard)> {
    let config = format!("[devices.{table}]\nselector = '{LINK}'\n{more}");
    kiosk::open(&config, CHANNEL)
}

/// Waits for the next key.
fn key(heard: &mut Heard) -> Result<(NavKey, Kind)> {
    heard.wait("a key", EVENT_LIMIT, |event| {
        if let Event::Keypad(keypad::Event { key, kind, .. }) = event { Some((*key, *kind)) } else { None }
    })
}

/// Waits for exactly this to happen to exactly this key.
fn key_is(heard: &mut Heard, wanted: (NavKey, Kind)) -> Result<()> {
    let told = key(heard)?;
    ensure!(told == wanted, "{told:?}, and not {wanted:?}");
    Ok(())
}

/// What a scanner types is hal's alone, and everybody's again once hal lets go.
pub(crate) fn typed_text_reaches_nobody_else() -> Result<()> {
    let mut plugged = Plugged::new(LINK)?;
    let listed = factory::list();
    let ours = listed.iter().any(|found| found.class == Class::Keypad && found.name.as_deref() == Ok(NAME));
    ensure!(ours, "not listed: {listed:?}");
    let mut other = plugged.other_reader()?;
    let (devices, mut heard) = open("scanner", "terminator = 'enter'")?;
    heard.health(&Health::Ready)?;
    arm_scanner(&devices)?;
    plugged.type_text("]C1aB\u{1d}7\r")?;
    ensure!(heard.scan()? == b"aB\x1d7", "another text than was typed");
    plugged.type_text("no\r")?;
    heard.wait("word of a scan nobody asked for", EVENT_LIMIT, |event| {
        matches!(event, Event::Scanner(scanner::Event::Dropped)).then_some(())
    })?;
    let leaked = seen(&mut other);
    ensure!(leaked == 0, "somebody else read {leaked} events");
    // The other reader was not merely deaf.
    drop(devices);
    plugged.type_text("x")?;
    ensure!(seen(&mut other) > 0, "let go, it is nobody's");
    Ok(())
}

/// A keyboard that somebody else has grabbed is refused, and used as soon as it is let go.
pub(crate) fn held_by_somebody_else_is_refused() -> Result<()> {
    let mut plugged = Plugged::new(LINK)?;
    let mut taker = plugged.other_reader()?;
    taker.grab()?;
    let (devices, mut heard) = open("scanner", "")?;
    heard.health(&Health::Faulted("E-SCN-GRAB"))?;
    arm_scanner(&devices)?;
    plugged.type_text("mine\r")?;
    drop(taker);
    heard.health(&Health::Ready)?;
    plugged.type_text("ours\r")?;
    ensure!(heard.scan()? == b"ours", "a text that was typed for somebody else");
    Ok(())
}

/// The kernel's buffer ran over: what came of it is told as lost, and the next text is whole.
pub(crate) fn overflow_is_a_loss() -> Result<()> {
    let mut plugged = Plugged::new(LINK)?;
    let keyboard = Box::new(Keyboard::open(&[&plugged.node])?);
    let typist = Typist::new(Layout::named("us")?);
    let mut text = KeyText::new(keyboard, typist, Framer::new(Terminator::Any, 100));
    for _ in 0..300 {
        plugged.tap(30)?;
    }
    let soon = || Deadline::after(Duration::from_millis(300));
    let lost = text.next(soon())?;
    ensure!(lost == Some(Framed::Garbled(Garble::Lost)), "{lost:?} after an overflow");
    // Silence ends what is worthless.
    ensure!(text.next(soon())?.is_none(), "something of what was lost");
    let before = now_us();
    plugged.type_text("after\r")?;
    match text.next(Deadline::after(EVENT_LIMIT))? {
        Some(Framed::Text(text)) => {
            ensure!(text.bytes.as_slice() == b"after", "another text than was typed");
            ensure!((before..=now_us()).contains(&text.begun_us), "the kernel stamps with another clock");
            Ok(())
        }
        other => bail!("{other:?} after an overflow"),
    }
}

/// A key that is held down is one press; a keypad of two nodes is one; its keys are up when its plug is pulled,
/// and it works again, alone again, when it is back.
pub(crate) fn held_key_is_one_press() -> Result<()> {
    let mut plugged = Plugged::new(LINK)?;
    let mut volume = Plugged::new(VOLUME_LINK)?;
    let (_devices, mut heard) = open("keypad", &format!("also = ['{VOLUME_LINK}']\nmap = 'arrows'"))?;
    heard.health(&Health::Ready)?;
    plugged.key(UP, true)?;
    key_is(&mut heard, (NavKey::Up, Kind::Press))?;
    let repeated = heard.wait("nothing", SILENCE, |event| matches!(event, Event::Keypad(_)).then_some(()));
    ensure!(repeated.is_err(), "the kernel's repeats are told");
    volume.key(VOLUME_UP, true)?;
    key_is(&mut heard, (NavKey::VolumeUp, Kind::Press))?;
    volume.key(VOLUME_UP, false)?;
    key_is(&mut heard, (NavKey::VolumeUp, Kind::Release))?;
    drop(plugged);
    // The kernel lets its keys go before the node; whether that is still read is a race.
    let told = key(&mut heard)?;
    ensure!(matches!(told, (NavKey::Up, Kind::Release | Kind::Cancel)), "{told:?} when the plug was pulled");
    heard.health(&Health::Absent)?;
    let mut plugged = Plugged::new(LINK)?;
    let mut other = plugged.other_reader()?;
    heard.health(&Health::Ready)?;
    plugged.tap(UP)?;
    key_is(&mut heard, (NavKey::Up, Kind::Press))?;
    key_is(&mut heard, (NavKey::Up, Kind::Release))?;
    ensure!(seen(&mut other) == 0, "somebody else reads it now");
    Ok(())
}

/// A keypad nobody has a map of is learned on its keys, the jack's among them, and works by that map.
pub(crate) fn learned_and_used() -> Result<()> {
    let mut plugged = Plugged::new(LINK)?;
    let mut keyboard = Keyboard::open(&[LINK])?;
    let mut codes = (F13..).zip(NavKey::ALL);
    let mut failed = None;
    let map = keypad::learn("Learned", &mut keyboard, &mut |question| {
        let pressed = match (question, codes.next()) {
            (Question::Press(key), Some((code, wanted))) if key == wanted => plugged.tap(code),
            (question, _) => Err(anyhow::anyhow!("{question:?} was not expected")),
        };
        failed = failed.take().or(pressed.err());
    })?;
    drop(keyboard);
    if let Some(error) = failed {
        return Err(error);
    }
    fs::write(MAP, map)?;
    let (devices, mut heard) = open("keypad", &format!("map = '{MAP}'"))?;
    heard.health(&Health::Ready)?;
    let keypad = devices.keypad.as_ref().context("no keypad in the config")?;
    ensure!(keypad.jack() == Jack::Unknown, "{:?} before it was told", keypad.jack());
    for (code, wanted) in (F13..).zip(NavKey::ALL) {
        plugged.tap(code)?;
        key_is(&mut heard, (wanted, Kind::Press))?;
        key_is(&mut heard, (wanted, Kind::Release))?;
        let jack = match wanted {
            NavKey::JackIn => Jack::In,
            NavKey::JackOut => Jack::Out,
            NavKey::Up
            | NavKey::Down
            | NavKey::Left
            | NavKey::Right
            | NavKey::Select
            | NavKey::Help
            | NavKey::Repeat
            | NavKey::VolumeUp
            | NavKey::VolumeDown => Jack::Unknown,
        };
        ensure!(keypad.jack() == jack, "{:?} after {wanted:?}", keypad.jack());
    }
    Ok(())
}
