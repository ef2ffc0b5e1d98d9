//! A simulated flat-bed scanner.
//!
//! Promises: waits on a condition, uses no processor while idle; a page is drawn when it is scanned.
//! Never: a page without a sheet.

use super::{page, world::World};
use crate::{
    card::Canceller,
    device::{Deadline, DeviceError},
    document::{Document, DocumentScanner, ScanError, Sheet},
};
use std::sync::Arc;

/// A sheet for the simulated scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SheetKind {
    /// A letter that proves somebody's address; nobody real.
    Letter,
    /// Nothing on it, or laid in face up.
    Blank,
}

/// The scanner and the sheet in it.
#[derive(Default)]
pub(super) struct ScannerSim {
    pub(super) sheet: Option<SheetKind>,
    pub(super) pulled: bool,
    cancelled: bool,
}

/// Connects to the scanner.
///
/// # Errors
/// [`DeviceError::Gone`] while its cable is pulled.
pub fn open(world: &World) -> Result<Box<dyn DocumentScanner>, DeviceError> {
    if world.change(|things| things.scanner.pulled) {
        return Err(unplugged());
    }
    Ok(Box::new(SimScanner { world: world.clone(), said: None }))
}

fn unplugged() -> DeviceError {
    DeviceError::Gone("the simulated document scanner is unplugged".to_owned())
}

struct SimScanner {
    world: World,
    /// What it last said.
    said: Option<Sheet>,
}

fn sheet(scanner: &ScannerSim) -> Sheet {
    if scanner.sheet.is_some() { Sheet::Present } else { Sheet::Absent }
}

impl DocumentScanner for SimScanner {
    fn status(&mut self, _deadline: Deadline) -> Result<Sheet, DeviceError> {
        self.said = self.world.change(|things| (!things.scanner.pulled).then(|| sheet(&things.scanner)));
        self.said.ok_or_else(unplugged)
    }

    fn wait_change(&mut self, deadline: Deadline) -> Result<Sheet, DeviceError> {
        let said = self.said;
        let news = self.world.wait(deadline.left(), |things| {
            let scanner = &mut things.scanner;
            let cancelled = std::mem::take(&mut scanner.cancelled);
            (cancelled || scanner.pulled || Some(sheet(scanner)) != said).then_some(())
        });
        tracing::trace!(changed = news.is_some(), "simulated document scanner");
        self.status(deadline)
    }

    fn canceller(&self) -> Option<Canceller> {
        let world = self.world.clone();
        Some(Arc::new(move || world.change(|things| things.scanner.cancelled = true)))
    }

    fn scan(&mut self, _deadline: Deadline) -> Result<Document, ScanError> {
        let (pulled, kind) = self.world.change(|things| (things.scanner.pulled, things.scanner.sheet));
        if pulled {
            return Err(unplugged().into());
        }
        let kind = kind.ok_or(ScanError::NoSheet)?;
        let bytes = page::png(kind).map_err(|error| DeviceError::Nonsense(error.to_string()))?;
        Ok(Document { media_type: "image/png", bytes, pages: 1 })
    }
}
