//! Opening what types: barcode scanners and stripe readers, as a keyboard or on a serial line; keypads.
//!
//! Promises: a layout or a key map that cannot be used is refused before anything is opened. Never: opens a
//! node that others read too.

use super::{
    config::{CardConfig, KeypadConfig, ScannerConfig, Speaks},
    opener::{Opener, node},
};
use crate::{
    card::{CardReader, SwipeReader, stripe::STRIPE_BYTES_MAX},
    device::{DeviceError, EventSink},
    keypad::{KeyMap, NavKey},
    keys::{KeySource, Keyboard},
    scanner::{self, SCAN_BYTES_MAX, Scanner, ScannerHandle, TextScanner},
    wedge::{BAUD_DEFAULT, Framer, KeyText, Layout, SerialText, Terminator, TextSource, Typist},
};
use std::path::Path;

/// The layout of a device that was not told another one.
const LAYOUT_DEFAULT: &str = "us";

/// How a device types.
struct Typing {
    speaks: Speaks,
    layout: Layout,
    baud: u32,
    terminator: Terminator,
    bytes_max: usize,
}

impl Typing {
    fn new(
        speaks: Option<Speaks>,
        layout: Option<&str>,
        baud: Option<u32>,
        (terminator, bytes_max): (Terminator, usize),
    ) -> Result<Self, String> {
        let speaks = speaks.unwrap_or_default();
        match (speaks, layout, baud) {
            (Speaks::Wedge, _, Some(_)) => return Err("baud is for kind = \"serial\"".to_owned()),
            (Speaks::Serial, Some(_), _) => return Err("layout is for kind = \"wedge\"".to_owned()),
            (Speaks::Hid, _, _) => return Err("kind = \"hid\" is no way to type".to_owned()),
            (Speaks::Wedge, _, None) | (Speaks::Serial, None, _) => {}
        }
        let layout = Layout::named(layout.unwrap_or(LAYOUT_DEFAULT)).map_err(|error| error.to_string())?;
        Ok(Self { speaks, layout, baud: baud.unwrap_or(BAUD_DEFAULT), terminator, bytes_max })
    }

    /// For a simulated device, which is a keyboard.
    #[cfg(feature = "sim")]
    fn wedge(self) -> Result<Self, String> {
        match self.speaks {
            Speaks::Wedge => Ok(self),
            Speaks::Serial | Speaks::Hid => Err("a simulated device types as a keyboard".to_owned()),
        }
    }

    fn over(&self, source: impl KeySource + 'static) -> Box<dyn TextSource> {
        let framer = Framer::new(self.terminator, self.bytes_max);
        Box::new(KeyText::new(Box::new(source), Typist::new(self.layout.clone()), framer))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn TextSource>, DeviceError> {
        match self.speaks {
            Speaks::Wedge => Ok(self.over(Keyboard::open(&[path])?)),
            Speaks::Serial => {
                let framer = Framer::new(self.terminator, self.bytes_max);
                Ok(Box::new(SerialText::open(path, self.baud, framer)?))
            }
            Speaks::Hid => Err(DeviceError::Unsupported("reports are no text")),
        }
    }
}

fn scanner_typing(config: &ScannerConfig) -> Result<Typing, String> {
    let frame = (config.terminator, SCAN_BYTES_MAX);
    Typing::new(config.kind, config.layout.as_deref(), config.baud, frame)
}

fn card_typing(config: &CardConfig) -> Result<Typing, String> {
    // Some readers send Enter between tracks: only silence ends a card.
    let frame = (Terminator::Gap, STRIPE_BYTES_MAX);
    Typing::new(config.kind, config.layout.as_deref(), config.baud, frame)
}

/// A barcode scanner at a node.
pub(super) fn scanner(config: &ScannerConfig, sink: EventSink) -> Result<ScannerHandle, String> {
    let (path, typing) = (node(&config.selector)?, scanner_typing(config)?);
    let open = move || Ok(Box::new(TextScanner::new(typing.open(&path)?)) as Box<dyn Scanner>);
    Ok(scanner::spawn(&config.selector.to_string(), open, sink))
}

/// A stripe reader at a node.
pub(super) fn swipe(config: &CardConfig) -> Result<Opener<dyn CardReader>, String> {
    let (path, typing) = (node(&config.selector)?, card_typing(config)?);
    Ok(Box::new(move || Ok(Box::new(SwipeReader::new(typing.open(&path)?)))))
}

/// A keypad at its nodes.
pub(super) fn keypad(config: &KeypadConfig) -> Result<Opener<dyn KeySource>, String> {
    let nodes = [&config.selector].into_iter().chain(&config.also).map(node);
    let paths = nodes.collect::<Result<Vec<_>, _>>()?;
    Ok(Box::new(move || Ok(Box::new(Keyboard::open(&paths)?))))
}

/// A map that can be used as it is.
pub(super) fn key_map(config: &KeypadConfig) -> Result<KeyMap, String> {
    let map = KeyMap::named(&config.map).map_err(|error| error.to_string())?;
    if map.to_learn.is_empty() {
        return Ok(map);
    }
    let keys: Vec<_> = map.to_learn.iter().map(|key: &NavKey| key.name()).collect();
    Err(format!(
        "{} has to be learned on the device ({}); learn it and name the file",
        config.map,
        keys.join(", ")
    ))
}

#[cfg(feature = "sim")]
pub(super) mod simulated {
    //! The same drivers over simulated keyboards.

    use super::*;
    use crate::sim::{
        World,
        keyboard::{self, Place},
    };

    pub(in super::super) fn scanner(
        config: &ScannerConfig,
        world: World,
        sink: EventSink,
    ) -> Result<ScannerHandle, String> {
        let typing = scanner_typing(config)?.wedge()?;
        let open = move || {
            let text = typing.over(keyboard::open(&world, Place::Scanner)?);
            Ok(Box::new(TextScanner::new(text)) as Box<dyn Scanner>)
        };
        Ok(scanner::spawn(&config.selector.to_string(), open, sink))
    }

    pub(in super::super) fn swipe(
        config: &CardConfig,
        world: World,
    ) -> Result<Opener<dyn CardReader>, String> {
        let typing = card_typing(config)?.wedge()?;
        Ok(Box::new(move || {
            let text = typing.over(keyboard::open(&world, Place::Stripe)?);
            Ok(Box::new(SwipeReader::new(text)))
        }))
    }

    pub(in super::super) fn keypad(
        config: &KeypadConfig,
        world: World,
    ) -> Result<Opener<dyn KeySource>, String> {
        if !config.also.is_empty() {
            return Err("a simulated keypad has one node".to_owned());
        }
        Ok(Box::new(move || Ok(Box::new(keyboard::open(&world, Place::Keypad)?))))
    }
}
