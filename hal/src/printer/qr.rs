//! QR codes as dots, for printers that draw none themselves and for the picture of a receipt.
//!
//! Promises: four modules of white all round (ISO/IEC 18004). Never: decodes.

use super::Bitmap;
use qrcode::{Color, EcLevel, QrCode};

/// White modules all round.
pub(crate) const QUIET_MODULES: usize = 4;

/// Modules across, without the white; `None` when `data` is too long.
pub(crate) fn modules(data: &[u8]) -> Option<usize> {
    QrCode::with_error_correction_level(data, EcLevel::M).ok().map(|code| code.width())
}

/// The code with its white, each module `dots` wide.
pub(crate) fn draw(data: &[u8], dots: usize) -> Option<Bitmap> {
    let code = QrCode::with_error_correction_level(data, EcLevel::M).ok()?;
    let side = code.width() + 2 * QUIET_MODULES;
    let mut small = Bitmap::new(side, side);
    for (place, colour) in code.to_colors().into_iter().enumerate() {
        if colour == Color::Dark {
            small.set(place % code.width() + QUIET_MODULES, place / code.width() + QUIET_MODULES);
        }
    }
    Some(small.scaled(dots, dots))
}
