//! What a citizen brings: the card in the reader, the receipt under the scanner, the sheet on the glass.
//!
//! Promises: what a device says reaches only the page that asked for it.

use super::{Card, Command, Kiosk, Now, Page, Sheet, Symbol};
use crate::{
    claim::ClaimCode,
    form::{FieldKind, FieldName, PartId},
    health::{Condition, Device},
    view::{CardHint, SheetHint},
};

impl Kiosk {
    pub(super) fn on_device(&mut self, device: Device, condition: Condition) {
        self.health.set(device, condition);
        let scanning = |session: &super::Session| session.sheet == SheetHint::Scanning;
        if device == Device::DocumentScanner && !self.session.as_ref().is_some_and(scanning) {
            self.show_sheet_hint();
        }
    }

    /// The field that the card in the reader would fill, if one is on the screen.
    pub(super) fn card_field(&self) -> Option<FieldName> {
        let (field, name) = self.field()?;
        let card = self.service()?.card.as_ref()?;
        (card.field == field.name).then_some(name)
    }

    pub(super) fn on_card(&mut self, card: Card) {
        let Some(name) = self.card_field() else { return };
        let Some(session) = &mut self.session else { return };
        session.card = match card {
            Card::Inserted => CardHint::Reading,
            Card::Number(number) => {
                session.journey.drafts.edit(&name).parts.insert(PartId::Value, number);
                session.problem = None;
                CardHint::Read
            }
            Card::Removed if session.card == CardHint::Read => CardHint::Read,
            Card::Removed if session.card == CardHint::Reading => CardHint::Insert,
            Card::Removed => session.card,
            Card::Unreadable => CardHint::WrongWay,
            Card::Torn => CardHint::Torn,
            Card::Payment => CardHint::Payment,
        };
    }

    pub(super) fn on_sheet(&mut self, sheet: Sheet) {
        match sheet {
            Sheet::Placed => self.sheet_on_glass = true,
            Sheet::Removed => self.sheet_on_glass = false,
            Sheet::Scanned(_) | Sheet::Failed => {}
        }
        let name = self
            .field()
            .filter(|(field, _)| matches!(field.kind, FieldKind::File { .. }))
            .map(|(_, name)| name);
        let Some(session) = &mut self.session else { return };
        match sheet {
            Sheet::Placed | Sheet::Removed => {}
            Sheet::Scanned(file) => {
                if let (Some(name), SheetHint::Scanning) = (&name, session.sheet) {
                    session.journey.drafts.edit(name).files = vec![file];
                    session.sheet = SheetHint::Scanned;
                    session.problem = None;
                }
                return;
            }
            Sheet::Failed => {
                if session.sheet == SheetHint::Scanning {
                    session.sheet = SheetHint::Failed;
                }
                return;
            }
        }
        if session.sheet != SheetHint::Scanning {
            self.show_sheet_hint();
        }
    }

    /// "Scan" on the screen.
    pub(super) fn scan(&mut self) {
        let Some(session) = &mut self.session else { return };
        if matches!(session.sheet, SheetHint::Ready | SheetHint::Scanned | SheetHint::Failed)
            && self.sheet_on_glass
        {
            session.sheet = SheetHint::Scanning;
            self.commands.push_back(Command::Scan);
        }
    }

    /// What the document panel says now.
    pub(super) fn show_sheet_hint(&mut self) {
        let wanted = self
            .field()
            .filter(|(field, _)| matches!(field.kind, FieldKind::File { .. }))
            .map(|(_, name)| name);
        let missing = !self.health.serves(Device::DocumentScanner);
        let Some(session) = &mut self.session else { return };
        session.sheet = match wanted {
            None => SheetHint::None,
            Some(name) if session.journey.drafts.get(name.as_str()).is_some_and(|d| !d.files.is_empty()) => {
                SheetHint::Scanned
            }
            Some(_) if missing => SheetHint::Missing,
            Some(_) if self.sheet_on_glass => SheetHint::Ready,
            Some(_) => SheetHint::Place,
        };
    }

    /// The square on a receipt, held under the scanner: as good as its code typed.
    pub(super) fn on_symbol(&mut self, now: Now, symbol: Symbol) {
        let Some(session) = &mut self.session else { return };
        if !matches!(session.page, Page::Lookup) {
            return;
        }
        let code = match symbol {
            Symbol::Text(text) => ClaimCode::at_end_of(text.expose()),
            Symbol::Unreadable => None,
        };
        match code {
            Some(code) => self.ask_about(now, &code),
            None => {
                session.code_problem = "symbol-of-something-else";
                // The gate let one through and shut by itself.
                self.commands.push_back(Command::ArmScanner(true));
            }
        }
    }
}
