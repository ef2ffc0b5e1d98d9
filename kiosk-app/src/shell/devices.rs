//! Devices for the machine: hal's events in core's words, core's commands in hal's.
//!
//! Promises: every hal event is either translated or known to mean nothing to a citizen.
//! Never: decides what a device's state means; that is [`kiosk_core::health`].

use hal::{
    Class, Health, Trouble, card, document,
    printer::{self, PrintError},
    scanner::{self, Arming},
};
use kiosk_core::{
    form::File,
    health::{Condition, Device},
    kiosk::{Card, Event, PrintResult, Sheet, Symbol},
    secret::{Secret, SecretBytes},
};
use std::collections::BTreeSet;

/// What a card reader's event means to the machine.
#[must_use]
pub(super) fn card(event: card::Event) -> Option<Event> {
    let card = match event {
        card::Event::Inserted => Card::Inserted,
        card::Event::Removed => Card::Removed,
        card::Event::Read { card, .. } => Card::Number(Secret::from(card.number.expose())),
        card::Event::RefusedPaymentCard => Card::Payment,
        card::Event::Mute | card::Event::Unreadable => Card::Unreadable,
        card::Event::Torn => Card::Torn,
        // A card left in the reader is announced when its owner ends the session; one that nobody
        // asked for was dropped and counted by hal.
        card::Event::Forgotten | card::Event::Dropped => return None,
    };
    Some(Event::Card(card))
}

/// What a document scanner's event means to the machine; the end of another scan than `scan` is stale.
#[must_use]
pub(super) fn sheet(event: document::Event, scan: Option<document::ScanId>) -> Option<Event> {
    Some(Event::Sheet(match event {
        document::Event::Done { id, .. } if Some(id) != scan => return None,
        document::Event::SheetPlaced => Sheet::Placed,
        document::Event::SheetRemoved => Sheet::Removed,
        document::Event::Done { outcome: Ok(document), .. } => Sheet::Scanned(File {
            name: Secret::from("scan.png"),
            media_type: document.media_type.to_owned(),
            bytes: SecretBytes::new(document.bytes.to_vec()),
        }),
        document::Event::Done { outcome: Err(why), .. } => {
            tracing::warn!("scan: {why}");
            Sheet::Failed
        }
    }))
}

/// What a barcode scanner's event means to the machine; what answers another arming than `armed` is stale.
#[must_use]
pub(super) fn symbol(event: &scanner::Event, armed: Option<Arming>) -> Option<Event> {
    Some(Event::Symbol(match event {
        scanner::Event::Read { arming, scan } if Some(*arming) == armed => {
            // Codes of receipts are ASCII; what is not text is no receipt.
            std::str::from_utf8(scan.data.expose())
                .map_or(Symbol::Unreadable, |text| Symbol::Text(Secret::from(text)))
        }
        scanner::Event::Garbled | scanner::Event::RefusedPaymentCard => Symbol::Unreadable,
        scanner::Event::Read { .. } | scanner::Event::Dropped => return None,
    }))
}

/// What a receipt printer's event means to the machine, if it ends `job`.
#[must_use]
pub(super) fn printed(event: &printer::Event, job: Option<printer::JobId>) -> Option<Event> {
    let outcome = match event {
        printer::Event::Status(_) => return None,
        printer::Event::Done { job: done, outcome } => (Some(*done) == job).then_some(outcome)?,
    };
    Some(Event::Printed(match outcome {
        Ok(proof) => match proof {
            printer::PrintProof::Completed => PrintResult::Proven,
            printer::PrintProof::Sent | printer::PrintProof::Accepted | printer::PrintProof::Unknown => {
                PrintResult::Unproven
            }
        },
        Err(why) => {
            tracing::warn!("receipt: {why}");
            let troubles = match why {
                PrintError::NotReady(troubles) => troubles.clone(),
                PrintError::Interrupted { troubles, .. } => troubles.clone(),
                PrintError::Layout(_)
                | PrintError::Device(_)
                | PrintError::NotMarked
                | PrintError::Cancelled => BTreeSet::new(),
            };
            if troubles.contains(&Trouble::CoverOpen) {
                PrintResult::CoverOpen
            } else if troubles.contains(&Trouble::PaperOut) {
                PrintResult::NoPaper
            } else {
                PrintResult::Failed
            }
        }
    }))
}

/// A device's health in core's words.
#[must_use]
pub(super) fn health(class: Class, health: &Health) -> Option<Event> {
    let device = match class {
        Class::ReceiptPrinter => Device::Printer,
        Class::CardReader => Device::CardReader,
        Class::DocumentScanner => Device::DocumentScanner,
        Class::Scanner => Device::BarcodeScanner,
        Class::Pointer | Class::Keypad => return None,
    };
    let condition = match health {
        Health::Absent | Health::Opening => Condition::Missing,
        Health::Ready => Condition::Ready,
        Health::Degraded(troubles) if troubles.contains(&Trouble::CoverOpen) => Condition::CoverOpen,
        Health::Degraded(troubles) if troubles.contains(&Trouble::PaperOut) => Condition::NoPaper,
        Health::Degraded(troubles) if troubles.iter().all(|t| *t == Trouble::PaperLow) => Condition::Ready,
        Health::Degraded(_) | Health::Faulted(_) => Condition::Broken,
    };
    Some(Event::Device(device, condition))
}
