//! The world outside one process's simulated devices: a hand that puts cards in, lays sheets down,
//! touches glass, presses keys, holds codes under a scanner, pulls cables.
//!
//! Promises: what a hand does is there when its function returns; a device that waits is woken, not
//! polled. Never: reaches into a driver: the drivers see cards, bits and cables only.

use super::{
    card::CardSim,
    ccid::{CcidPanel, Model},
    document::ScannerSim,
    hid::{HidNode, HidPlace},
    hid_scanner::{self, ScanFault},
    hid_stripe::{HidStripeSim, ReportFault, Stripe},
    keyboard::{self, KeyboardSim, Place},
    pointer::TouchSim,
    printer::{PrinterPanel, SimPrinter},
};
use crate::{Class, keeper::lock};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use super::{card::CardKind, document::SheetKind, keyboard::Symbol};

/// Dots on a line of the printer, 80 mm paper at 203 dots an inch.
const PRINTER_DOTS: usize = 576;

/// The world. Clones are the same world.
#[derive(Clone)]
pub struct World {
    inner: Arc<Inner>,
}

struct Inner {
    printer: PrinterPanel,
    ccid: CcidPanel,
    things: Mutex<Things>,
    changed: Condvar,
}

/// Everything a hand can change and a device can sense.
#[derive(Default)]
pub(super) struct Things {
    pub(super) card: CardSim,
    pub(super) scanner: ScannerSim,
    pub(super) touch: TouchSim,
    barcode: KeyboardSim,
    stripe: KeyboardSim,
    hid_stripe: HidStripeSim,
    hid_scanner: HidNode,
    keypad: KeyboardSim,
}

impl Things {
    pub(super) fn hid(&mut self, place: HidPlace) -> &mut HidNode {
        match place {
            HidPlace::Stripe => &mut self.hid_stripe.node,
            HidPlace::Scanner => &mut self.hid_scanner,
        }
    }

    pub(super) fn keyboard(&mut self, place: Place) -> &mut KeyboardSim {
        match place {
            Place::Scanner => &mut self.barcode,
            Place::Stripe => &mut self.stripe,
            Place::Keypad => &mut self.keypad,
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::with_printer(PRINTER_DOTS)
    }
}

impl World {
    /// An empty world: every device plugged in, paper for 80 mm, no card, no sheet, no finger, no key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a printer of `dots` dots a line.
    #[must_use]
    pub fn with_printer(dots: usize) -> Self {
        let (_, printer) = SimPrinter::new(dots);
        Self {
            inner: Arc::new(Inner {
                printer,
                ccid: CcidPanel::new(Model::short_apdu()),
                things: Mutex::default(),
                changed: Condvar::new(),
            }),
        }
    }

    /// The hands on the printer.
    #[must_use]
    pub fn printer(&self) -> &PrinterPanel {
        &self.inner.printer
    }

    /// The hands on the chip card reader.
    #[must_use]
    pub fn ccid(&self) -> &CcidPanel {
        &self.inner.ccid
    }

    /// Puts a card in; one already in is swapped.
    pub fn insert_card(&self, kind: CardKind) {
        self.change(|things| things.card.insert(kind));
    }

    /// Takes the card out.
    pub fn pull_card(&self) {
        self.change(|things| things.card.pull());
    }

    /// Holds the next reads at the middle of the stripe until released, the card is pulled or the cable is.
    pub fn hold_card_read(&self, held: bool) {
        self.change(|things| things.card.held = held);
    }

    /// Waits until a card is being read; false after `limit`.
    #[must_use]
    pub fn wait_card_read(&self, limit: Duration) -> bool {
        self.wait(limit, |things| things.card.reading.then_some(())).is_some()
    }

    /// Lays a sheet into the scanner; one already there is replaced.
    pub fn place_sheet(&self, kind: SheetKind) {
        self.change(|things| things.scanner.sheet = Some(kind));
    }

    /// Takes the sheet out.
    pub fn remove_sheet(&self) {
        self.change(|things| things.scanner.sheet = None);
    }

    /// A finger on the panel, 0..=1 from its left and upper edge; false when no panel is connected.
    pub fn press(&self, finger: u8, x: f32, y: f32) -> bool {
        self.change(|things| things.touch.press(finger, x, y))
    }

    /// Lifts a finger; false when it was not down.
    pub fn release(&self, finger: u8) -> bool {
        self.change(|things| things.touch.release(finger))
    }

    /// A tap with one finger.
    pub fn touch(&self, x: f32, y: f32) -> bool {
        self.press(0, x, y) && self.release(0)
    }

    /// Holds something under the barcode scanner; false when the scanner could not pass it on.
    pub fn scan(&self, symbol: &Symbol) -> bool {
        let typed = |text: &str| keyboard::type_text(self, Place::Scanner, text);
        match symbol {
            Symbol::Text(text) => typed(&format!("{text}\r")),
            Symbol::NoEnd(text) => typed(text),
            Symbol::CutOff(text) => {
                let half: String = text.chars().take(text.chars().count() / 2).collect();
                let begun = typed(&half);
                self.unplug(Class::Scanner);
                begun
            }
            Symbol::Garbage => keyboard::type_garbage(self, Place::Scanner),
        }
    }

    /// Pulls a card through the stripe reader `sim:swipe`, which types its tracks, sentinels included.
    pub fn swipe(&self, tracks: &str) -> bool {
        keyboard::type_text(self, Place::Stripe, tracks)
    }

    /// Pulls a card through the stripe reader `sim:hid-swipe`, which reports what it could decode; false when
    /// nobody hears of it.
    pub fn swipe_stripe(&self, stripe: &Stripe, fault: ReportFault) -> bool {
        self.change(|things| things.hid_stripe.swipe(stripe, fault))
    }

    /// Holds a symbol under the scanner `sim:hid-scanner`; false when nobody hears of all of it.
    pub fn scan_hid(&self, identifier: [u8; 3], data: &[u8], fault: ScanFault) -> bool {
        self.change(|things| hid_scanner::scan(&mut things.hid_scanner, identifier, data, fault))
    }

    /// Somebody else takes a raw HID device, or lets it go. One that is open stays open.
    pub fn take_hid(&self, place: HidPlace, taken: bool) {
        self.change(|things| things.hid(place).taken = taken);
    }

    /// Presses or lets go a key of the keypad, by its code; false when no keypad is connected.
    pub fn key(&self, code: u16, down: bool) -> bool {
        keyboard::press(self, Place::Keypad, code, down)
    }

    /// Presses a key of the keypad and lets it go, once the keypad has room for it; false when it has not.
    pub fn tap(&self, code: u16) -> bool {
        keyboard::type_strokes(self, Place::Keypad, [vec![code]])
    }

    /// A keyboard that goes mad: so many presses of one key at once. False when it is not connected.
    pub fn key_storm(&self, place: Place, code: u16, presses: usize) -> bool {
        keyboard::storm(self, place, code, presses)
    }

    /// Lets `code` go while `other` is pressed so often, at once, that the kernel loses both. False when the
    /// keyboard is not connected.
    pub fn lose_key(&self, place: Place, code: u16, other: u16) -> bool {
        keyboard::lose(self, place, code, other)
    }

    /// Somebody else takes a keyboard, or lets it go: while it is taken nobody can have it alone. One that is
    /// open stays open.
    pub fn take_keyboard(&self, place: Place, taken: bool) {
        self.change(|things| things.keyboard(place).taken = taken);
    }

    /// Pulls a device's cable.
    pub fn unplug(&self, class: Class) {
        self.cable(class, true);
    }

    /// Plugs a device in again.
    pub fn plug(&self, class: Class) {
        self.cable(class, false);
    }

    fn cable(&self, class: Class, pulled: bool) {
        match class {
            Class::ReceiptPrinter if pulled => self.inner.printer.unplug(),
            Class::ReceiptPrinter => self.inner.printer.plug_in(),
            Class::CardReader if pulled => self.inner.ccid.unplug(),
            Class::CardReader => self.inner.ccid.plug_in(),
            Class::DocumentScanner | Class::Pointer | Class::Scanner | Class::Keypad => {}
        }
        self.change(|things| match class {
            Class::CardReader => {
                things.card.pulled = pulled;
                things.stripe.cable(pulled);
                things.hid_stripe.cable(pulled);
            }
            Class::DocumentScanner => things.scanner.pulled = pulled,
            Class::Pointer => things.touch.cable(pulled),
            Class::Scanner => {
                things.barcode.cable(pulled);
                things.hid_scanner.cable(pulled);
            }
            Class::Keypad => things.keypad.cable(pulled),
            Class::ReceiptPrinter => {}
        });
    }

    pub(super) fn change<T>(&self, act: impl FnOnce(&mut Things) -> T) -> T {
        let done = act(&mut lock(&self.inner.things));
        self.inner.changed.notify_all();
        done
    }

    /// Wakes who waits, after a wait that changed something.
    pub(super) fn notify(&self) {
        self.inner.changed.notify_all();
    }

    /// Waits until `look` sees something; `None` after `limit`.
    pub(super) fn wait<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&mut Things) -> Option<T>,
    ) -> Option<T> {
        let mut seen = None;
        let things: MutexGuard<'_, Things> = lock(&self.inner.things);
        let held = self.inner.changed.wait_timeout_while(things, limit, |things| {
            seen = look(things);
            seen.is_none()
        });
        drop(held.unwrap_or_else(PoisonError::into_inner));
        seen
    }
}
