//! A receipt as it looks: ESC/POS bytes to one picture for each cut.
//!
//! Text is drawn with the system's monospaced font in cells of 12 by 24 dots, the way font A looks;
//! everything else is dots already. White margin all round, as on paper.
//!
//! Promises: takes any bytes. Never: sends anything; needs a printer.

use super::{
    picture_decode::{Decoder, Op},
    picture_page::{CELL, Cell, Item, Page, cell_width},
};
use crate::printer::{Bitmap, Size, escpos::Justify, layout::Look, shape::Shaper};
use std::collections::HashMap;

/// White all round, dots: 80 mm paper is 4 mm wider than its printable 72 mm at each side.
pub const MARGIN: usize = 32;

/// What `bytes` print on a roll `dots_per_line` dots wide: one picture for each cut, and one for what
/// comes after the last.
#[must_use]
pub fn render(bytes: &[u8], dots_per_line: usize) -> Vec<Bitmap> {
    let (mut decoder, mut rest, mut page, mut pages) =
        (Decoder::default(), bytes, Page::new(dots_per_line), Vec::new());
    while let Some((op, used)) = decoder.next(rest) {
        page.apply(&op);
        if matches!(op, Op::Cut { .. } | Op::Present { .. }) {
            pages.push(page.cut());
        }
        rest = rest.get(used..).unwrap_or_default();
    }
    page.apply(&Op::FeedDots(0));
    if !page.items.is_empty() {
        pages.push(page);
    }
    let mut artist = Artist::default();
    pages.iter().map(|page| artist.draw(page)).collect()
}

/// Draws pages; keeps the characters it drew.
#[derive(Debug, Default)]
pub(super) struct Artist {
    shaper: Option<Shaper>,
    cells: HashMap<(char, bool, u8, u8), Bitmap>,
}

impl Artist {
    pub(super) fn draw(&mut self, page: &Page) -> Bitmap {
        let mut paper = Bitmap::new(page.dots + 2 * MARGIN, page.length + 2 * MARGIN);
        for item in &page.items {
            match item {
                Item::Line { x, y, height, cells } => self.line(cells, (*x, *y, *height), &mut paper),
                Item::Dots { x, y, bitmap } => paper.draw(bitmap, MARGIN + x, MARGIN + y),
                Item::Qr { x, y, data, module } => qr(data, *module, (MARGIN + x, MARGIN + y), &mut paper),
            }
        }
        paper
    }

    fn line(&mut self, cells: &[Cell], (mut x, y, height): (usize, usize, usize), paper: &mut Bitmap) {
        for cell in cells {
            let (width, tall) = (cell_width(cell), CELL.1 * usize::from(cell.tall));
            let (left, top) = (MARGIN + x, MARGIN + y + height - tall);
            if cell.symbol != ' ' {
                let drawn = self.cell(cell);
                paper.draw(&drawn, left, top);
            }
            if cell.underline {
                (top + tall - 2..top + tall).for_each(|y| (left..left + width).for_each(|x| paper.set(x, y)));
            }
            if cell.reverse {
                (top..top + tall).for_each(|y| (left..left + width).for_each(|x| paper.toggle(x, y)));
            }
            x += width;
        }
    }

    fn cell(&mut self, cell: &Cell) -> Bitmap {
        let Cell { symbol, bold, wide, tall, .. } = *cell;
        let shaper = self.shaper.get_or_insert_with(Shaper::new);
        let draw = || {
            // Twice as wide or tall is drawn so; more is the same dots, larger, as print heads do it.
            let (size, wide, tall) = match (wide, tall) {
                (1, 1) => (Size::Normal, 1, 1),
                (2, 1) => (Size::Wide, 1, 1),
                (1, 2) => (Size::Tall, 1, 1),
                (2, 2) => (Size::Double, 1, 1),
                (wide, tall) => (Size::Normal, usize::from(wide), usize::from(tall)),
            };
            let look = Look {
                bold,
                underline: false,
                size,
                justify: Justify::Left,
                right_to_left: false,
                line_dots: CELL.1,
            };
            let drawn = shaper.cell(symbol, look).unwrap_or_else(|_| missing());
            if (wide, tall) == (1, 1) { drawn } else { drawn.scaled(wide, tall) }
        };
        self.cells.entry((symbol, bold, wide, tall)).or_insert_with(draw).clone()
    }
}

/// A character no font has: a frame.
fn missing() -> Bitmap {
    let mut frame = Bitmap::new(CELL.0, CELL.1);
    for y in 4..20 {
        (2..10).filter(|x| matches!(y, 4 | 19) || matches!(x, 2 | 9)).for_each(|x| frame.set(x, y));
    }
    frame
}

fn qr(data: &[u8], module: usize, (left, top): (usize, usize), paper: &mut Bitmap) {
    let Ok(code) = qrcode::QrCode::with_error_correction_level(data, qrcode::EcLevel::M) else { return };
    for (place, colour) in code.to_colors().into_iter().enumerate() {
        if colour == qrcode::Color::Dark {
            let (x, y) = (left + place % code.width() * module, top + place / code.width() * module);
            (y..y + module).for_each(|y| (x..x + module).for_each(|x| paper.set(x, y)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_picture_for_each_cut_and_the_rest() {
        let pictures = render(b"a\n\x1DVB\0b\n\x1DVB\0c", 384);
        assert_eq!(pictures.len(), 3);
        assert!(
            pictures.iter().all(|picture| picture.width() == 384 + 2 * MARGIN && picture.ink().is_some())
        );
    }

    #[test]
    fn justification_size_and_underline_move_the_ink() {
        let ink = |bytes: &[u8]| render(bytes, 384)[0].ink().unwrap();
        let (left, right) = (ink(b"HHHH\n"), ink(b"\x1Ba\x02HHHH\n"));
        assert!(left.1 <= MARGIN + 48 && right.0 >= MARGIN + 384 - 48);
        let double = ink(b"\x1D!\x11HHHH\n");
        assert!(double.1 > MARGIN + 84 && double.1 <= MARGIN + 96);
        assert_eq!(ink(b"\x1B-\x01    \n"), (MARGIN, MARGIN + 48));
        let centre = ink(b"\x1Ba\x01\x1D!\x21HH\n");
        assert!(centre.0 >= MARGIN + 156 && centre.1 <= MARGIN + 228, "{centre:?}");
    }

    #[test]
    fn pictures_land_dot_for_dot() {
        let picture = &render(&[0x1D, b'v', b'0', 0, 1, 0, 2, 0, 0x80, 0x01], 384)[0];
        assert!(picture.get(MARGIN, MARGIN) && picture.get(MARGIN + 7, MARGIN + 1));
        assert_eq!(picture.bytes().iter().map(|byte| byte.count_ones()).sum::<u32>(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn arbitrary_bytes_make_some_picture(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(render(&bytes, 384).iter().all(|picture| picture.width() == 384 + 2 * MARGIN));
        }
    }
}
