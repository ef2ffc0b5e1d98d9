//! Operations laid out on paper: what stands where, in dots.
//!
//! Promises: knows how far the paper moved, so a roll can end in the middle of a line.
//! Never: needs a font; that is for the picture.

use super::picture_decode::Op;
use crate::printer::{Bitmap, CodePage, Profile};

/// What a line feed moves on every model we know.
const LINE_DOTS: usize = 30;
/// Font A.
pub(super) const CELL: (usize, usize) = (12, 24);

/// One printed character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) symbol: char,
    pub(super) bold: bool,
    pub(super) underline: bool,
    pub(super) reverse: bool,
    pub(super) wide: u8,
    pub(super) tall: u8,
}

/// One thing on the paper, its top left corner in dots.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Line { x: usize, y: usize, height: usize, cells: Vec<Cell> },
    Dots { x: usize, y: usize, bitmap: Bitmap },
    Qr { x: usize, y: usize, data: Vec<u8>, module: usize },
}

/// A piece of paper as long as what is on it.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) dots: usize,
    pub(super) length: usize,
    pub(super) items: Vec<Item>,
    /// Dots from one black mark of the roll to the next; 0 when it has none.
    pub(super) marks: usize,
    /// Where on the roll this page begins, dots.
    pub(super) start: usize,
    line: Vec<Cell>,
    pen: Cell,
    page: u8,
    justify: u8,
    spacing: usize,
    qr_module: usize,
    qr_data: Vec<u8>,
}

impl Page {
    pub(super) fn new(dots: usize) -> Self {
        let pen = Cell { symbol: ' ', bold: false, underline: false, reverse: false, wide: 1, tall: 1 };
        Self {
            dots,
            length: 0,
            items: Vec::new(),
            marks: 0,
            start: 0,
            line: Vec::new(),
            pen,
            page: 0,
            justify: 0,
            spacing: LINE_DOTS,
            qr_module: 3,
            qr_data: Vec::new(),
        }
    }

    /// New paper, the settings kept.
    pub(super) fn cut(&mut self) -> Self {
        let start = self.start + self.length;
        let next = Self { start, length: 0, items: Vec::new(), line: Vec::new(), ..self.clone() };
        std::mem::replace(self, next)
    }

    /// Forgets a line that was not printed yet.
    pub(super) fn forget_line(&mut self) {
        self.line.clear();
    }

    /// The words of every line, top first.
    pub(super) fn texts(&self) -> Vec<String> {
        let text = |item: &Item| match item {
            Item::Line { cells, .. } => Some(cells.iter().map(|cell| cell.symbol).collect::<String>()),
            Item::Dots { .. } | Item::Qr { .. } => None,
        };
        self.items.iter().filter_map(text).collect()
    }

    /// Does `op`, as far as it concerns the paper.
    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Glyph(byte) => self.glyph(*byte),
            Op::LineFeed => self.line_feed(),
            Op::Initialise => {
                let fresh = Self::new(self.dots);
                let (length, items) = (self.length, std::mem::take(&mut self.items));
                let (marks, start) = (self.marks, self.start);
                *self = Self { length, items, marks, start, ..fresh };
            }
            Op::CodePage(number) => self.page = *number,
            Op::Bold(on) => self.pen.bold = *on,
            Op::Underline(on) => self.pen.underline = *on,
            Op::Reverse(on) => self.pen.reverse = *on,
            Op::Size(wide, tall) => (self.pen.wide, self.pen.tall) = (*wide, *tall),
            Op::Justify(n) => self.justify = *n,
            Op::Spacing(dots) => self.spacing = dots.map_or(LINE_DOTS, usize::from),
            Op::FeedLines(lines) => {
                self.end_line();
                self.length += usize::from(*lines) * self.spacing;
            }
            Op::FeedDots(dots) => {
                self.end_line();
                self.length += usize::from(*dots);
            }
            Op::QrModule(dots) => self.qr_module = usize::from(*dots),
            Op::QrStore(data) => self.qr_data.clone_from(data),
            Op::QrPrint => self.qr(),
            Op::Row { dots, wide, tall } => self.row(dots, *wide, *tall),
            Op::Picture { stride, dots, wide, tall } => {
                dots.chunks_exact(*stride).for_each(|row| self.row(row, *wide, *tall));
            }
            Op::Cut { feed } => {
                self.end_line();
                self.length += usize::from(*feed);
            }
            Op::Present { .. } => self.end_line(),
            Op::ToMark => {
                self.end_line();
                let end = self.start + self.length;
                self.length = end.checked_next_multiple_of(self.marks).unwrap_or(end) - self.start;
            }
            Op::AutomaticStatus(_) | Op::AskRoll | Op::AskIdentity(_) | Op::ProcessId(_) | Op::Ignored => {}
        }
    }

    fn glyph(&mut self, byte: u8) {
        let symbol = code_page(self.page).map_or('\u{FFFD}', |page| page.symbol(byte));
        let cell = Cell { symbol, ..self.pen };
        if line_width(&self.line) + cell_width(&cell) > self.dots {
            self.line_feed();
        }
        self.line.push(cell);
    }

    fn line_feed(&mut self) {
        if self.line.is_empty() {
            self.length += self.spacing;
        }
        self.end_line();
    }

    fn end_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let cells = std::mem::take(&mut self.line);
        let height = cells.iter().map(|cell| CELL.1 * usize::from(cell.tall)).max().unwrap_or(0);
        let x = self.margin(line_width(&cells));
        self.items.push(Item::Line { x, y: self.length, height, cells });
        self.length += height.max(self.spacing);
    }

    fn margin(&self, width: usize) -> usize {
        let free = self.dots.saturating_sub(width);
        match self.justify {
            1 => free / 2,
            2 => free,
            _ => 0,
        }
    }

    fn row(&mut self, dots: &[u8], wide: u8, tall: u8) {
        self.end_line();
        let width = dots.len() * 8;
        let Some(row) = Bitmap::from_rows(width, dots.to_vec()) else { return };
        let row = row.scaled(usize::from(wide), usize::from(tall));
        let (x, y) = (self.margin(row.width()), self.length);
        self.length += row.height();
        if let Some(Item::Dots { x: left, y: top, bitmap }) = self.items.last_mut()
            && (*left, *top + bitmap.height(), bitmap.width()) == (x, y, row.width())
        {
            let below = bitmap.height();
            bitmap.grow(below + row.height());
            bitmap.draw(&row, 0, below);
        } else {
            self.items.push(Item::Dots { x, y, bitmap: row });
        }
    }

    fn qr(&mut self) {
        let Ok(code) = qrcode::QrCode::with_error_correction_level(&self.qr_data, qrcode::EcLevel::M) else {
            return;
        };
        let side = code.width() * self.qr_module;
        let (x, y) = (self.margin(side), self.length);
        self.items.push(Item::Qr { x, y, data: self.qr_data.clone(), module: self.qr_module });
        self.length += side;
    }
}

pub(super) fn cell_width(cell: &Cell) -> usize {
    CELL.0 * usize::from(cell.wide)
}

fn line_width(cells: &[Cell]) -> usize {
    cells.iter().map(cell_width).sum()
}

/// Epson's own numbers.
fn code_page(number: u8) -> Option<&'static CodePage> {
    static PAGES: std::sync::LazyLock<Vec<(u8, &'static CodePage)>> = std::sync::LazyLock::new(|| {
        Profile::named("epson-tm-t20iii").map_or_else(|_| Vec::new(), |p| p.code_pages)
    });
    PAGES.iter().find(|(known, _)| *known == number).map(|(_, page)| *page)
}
