//! The receipt as a PDF: one page of a paper roll, 80 mm wide and as long as what it says.
//!
//! ```text
//! 5 mm │ heading, centred                │ 5 mm      Text is shaped and embedded (`text`), cut down to
//!      │ ─────────────────────────────── │           the glyphs it shows (`subset`); the QR code is
//!      │ label, small and grey           │           filled rectangles. Nothing is a picture.
//!      │ value, bold                     │
//!      │ ╭─────────────────────────────╮ │           Right to left, labels and values stand at the
//!      │ │ state                       │ │           right edge.
//!      │ ╰─────────────────────────────╯ │
//!      │ note · claim code · QR code     │
//! ```
//!
//! Promises: says what the [`Paper`] says, in its order.
//! Never: asks for the time, writes a file, names the kiosk or the citizen in the document's properties.

mod subset;
mod text;

use super::paper::{Paper, PaperLine};
use parley::Alignment;
use printpdf::{
    Color, Greyscale, LinePoint, Mm, Op, PaintMode, PdfDocument, PdfPage, PdfSaveOptions, Point, Polygon,
    PolygonRing, Pt, Rect, WindingOrder,
};
use qrcode::{EcLevel, QrCode, types::QrError};
use std::fmt;
use text::{Look, Set, Typesetter};

/// Why there is no PDF.
#[derive(Debug)]
pub enum PdfError {
    /// No installed font has the letters.
    NoFont,
    /// An installed font cannot be read.
    Font,
    /// The text is too long for a QR code.
    Qr(QrError),
}

impl fmt::Display for PdfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoFont => "no installed font has the letters of the receipt",
            Self::Font => "an installed font cannot be read",
            Self::Qr(_) => "the QR code cannot be made",
        })
    }
}

impl std::error::Error for PdfError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Qr(error) => Some(error),
            Self::NoFont | Self::Font => None,
        }
    }
}

// All in points unless they say otherwise.
const WIDTH: f32 = 80.0 * POINTS_PER_MM;
const MARGIN: f32 = 5.0 * POINTS_PER_MM;
const INNER: f32 = WIDTH - 2.0 * MARGIN;
const QR_SIDE: f32 = 32.0 * POINTS_PER_MM;
const POINTS_PER_MM: f32 = 72.0 / 25.4;
const CLAIM_WIDTH: f32 = INNER - 8.0;
const RULE: f32 = 0.6;
const BOX_PADDING: f32 = 8.0;
const BOX_RADIUS: f32 = 4.0;
const BOX_LINE: f32 = 1.2;
/// Light modules around a QR code (ISO/IEC 18004, 9.1).
const QUIET_MODULES: f32 = 4.0;

const TITLE: Look = Look { size: 15.0, bold: true, grey: 0.0, spacing: 0.0, align: Alignment::Center };
const LABEL: Look = Look { size: 7.5, bold: false, grey: 0.42, spacing: 0.1, align: Alignment::Left };
const VALUE: Look = Look { size: 10.5, bold: true, grey: 0.0, spacing: 0.0, align: Alignment::Left };
const STATE: Look = Look { size: 11.5, bold: true, grey: 0.0, spacing: 0.0, align: Alignment::Center };
const CLAIM: Look = Look { size: 18.0, bold: true, grey: 0.0, spacing: 1.2, align: Alignment::Center };
const NOTE: Look = Look { size: 8.0, bold: false, grey: 0.25, spacing: 0.0, align: Alignment::Center };

/// Something on the page; distances are from the top.
enum Mark {
    Text { set: Box<Set>, x: f32, top: f32 },
    Rule { top: f32 },
    Frame { top: f32, height: f32 },
    Qr { code: QrCode, top: f32 },
}

/// Draws `paper`; `title` is what a viewer shows as the document's name.
///
/// # Errors
/// [`PdfError`] when a font is missing or unreadable, or when a text is too long for a QR code.
pub fn pdf(paper: &Paper, title: &str) -> Result<Vec<u8>, PdfError> {
    let mut typesetter = Typesetter::new();
    let (marks, height) = compose(paper, &mut typesetter)?;
    let mut ops = Vec::new();
    for mark in &marks {
        ops.extend(match mark {
            Mark::Text { set, x, top } => typesetter.show(set, *x, height - top)?,
            Mark::Rule { top } => rule(height - top),
            Mark::Frame { top, height: tall } => frame(height - top - tall, *tall),
            Mark::Qr { code, top } => squares(code, height - top),
        });
    }
    let mut document = PdfDocument::new(title);
    typesetter.embed(&mut document)?;
    document.with_pages(vec![PdfPage::new(Mm(80.0), Pt(height).into(), ops)]);
    Ok(document.save(&PdfSaveOptions::default(), &mut Vec::new()))
}

/// Where everything stands, and how long the page is.
fn compose(paper: &Paper, typesetter: &mut Typesetter) -> Result<(Vec<Mark>, f32), PdfError> {
    let sided =
        |look: Look| if paper.rtl { Look { align: Alignment::Right, spacing: 0.0, ..look } } else { look };
    let mut marks = Vec::new();
    let mut top = MARGIN;
    let put = |set: Set, x: f32, top: &mut f32| {
        let (at, height) = (*top, set.height());
        *top += height;
        Mark::Text { set: Box::new(set), x, top: at }
    };
    for line in &paper.lines {
        match line {
            PaperLine::Heading(text) => {
                marks.push(put(typesetter.set(text, TITLE, INNER), MARGIN, &mut top));
                top += 5.0;
            }
            PaperLine::Pair(label, value) => {
                marks.push(put(typesetter.set(label, sided(LABEL), INNER), MARGIN, &mut top));
                marks.push(put(typesetter.set(value, sided(VALUE), INNER), MARGIN, &mut top));
                top += 5.0;
            }
            PaperLine::State(text) => {
                let set = typesetter.set(text, STATE, INNER - 2.0 * BOX_PADDING);
                let height = set.height() + 2.0 * BOX_PADDING;
                marks.push(Mark::Frame { top, height });
                marks.push(Mark::Text {
                    set: Box::new(set),
                    x: MARGIN + BOX_PADDING,
                    top: top + BOX_PADDING,
                });
                top += height + 8.0;
            }
            PaperLine::Claim(code) => {
                marks.push(put(claim(code, typesetter), MARGIN, &mut top));
                top += 4.0;
            }
            PaperLine::Qr(text) => {
                let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(PdfError::Qr)?;
                let quiet = QUIET_MODULES * module(&code);
                marks.push(Mark::Qr { code, top: top + quiet });
                top += QR_SIDE + 2.0 * quiet;
            }
            PaperLine::Note(text) => {
                marks.push(put(typesetter.set(text, NOTE, INNER), MARGIN, &mut top));
                top += 4.0;
            }
            PaperLine::Rule => {
                marks.push(Mark::Rule { top: top + 2.0 });
                top += 10.0;
            }
        }
    }
    Ok((marks, top + MARGIN))
}

/// On one line: smaller when it is too wide.
fn claim(code: &str, typesetter: &mut Typesetter) -> Set {
    let natural = typesetter.set(code, CLAIM, 10.0 * WIDTH).width();
    let scale = (CLAIM_WIDTH / natural).min(1.0);
    typesetter.set(code, Look { size: CLAIM.size * scale, spacing: CLAIM.spacing * scale, ..CLAIM }, INNER)
}

fn grey(value: f32) -> Color {
    Color::Greyscale(Greyscale::new(value, None))
}

fn rule(y: f32) -> Vec<Op> {
    let rectangle =
        Rect { mode: Some(PaintMode::Fill), ..Rect::from_xywh(Pt(MARGIN), Pt(y), Pt(INNER), Pt(RULE)) };
    vec![Op::SetFillColor { col: grey(0.65) }, Op::DrawRectangle { rectangle }]
}

/// A box with round corners over the whole width; `y` is its lower edge.
fn frame(y: f32, height: f32) -> Vec<Op> {
    // The handle of a cubic that looks like a quarter of a circle.
    let (r, k) = (BOX_RADIUS, BOX_RADIUS * 0.448);
    let (left, right) = (MARGIN + BOX_LINE / 2.0, WIDTH - MARGIN - BOX_LINE / 2.0);
    let top = y + height;
    let outline = [
        (left + r, y, false),
        (right - r, y, false),
        (right - k, y, true),
        (right, y + k, true),
        (right, y + r, false),
        (right, top - r, false),
        (right, top - k, true),
        (right - k, top, true),
        (right - r, top, false),
        (left + r, top, false),
        (left + k, top, true),
        (left, top - k, true),
        (left, top - r, false),
        (left, y + r, false),
        (left, y + k, true),
        (left + k, y, true),
        (left + r, y, false),
    ];
    let polygon = Polygon {
        rings: vec![ring(&outline)],
        mode: PaintMode::FillStroke,
        winding_order: WindingOrder::NonZero,
    };
    vec![
        Op::SetFillColor { col: grey(0.95) },
        Op::SetOutlineColor { col: grey(0.0) },
        Op::SetOutlineThickness { pt: Pt(BOX_LINE) },
        Op::DrawPolygon { polygon },
    ]
}

/// One rectangle for each row of dark modules side by side, filled at once so that no seam shows.
fn squares(code: &QrCode, top: f32) -> Vec<Op> {
    let side = module(code);
    let left = (WIDTH - QR_SIDE) / 2.0;
    let colours = code.to_colors();
    let mut rings = Vec::new();
    let mut y = top;
    for row in colours.chunks(code.width()) {
        y -= side;
        let mut x = left;
        for same in row.chunk_by(|a, b| a == b) {
            let end = x + side * count(same.len());
            if same.first() == Some(&qrcode::Color::Dark) {
                let corners = [(x, y), (end, y), (end, y + side), (x, y + side)];
                rings.push(ring(&corners.map(|(x, y)| (x, y, false))));
            }
            x = end;
        }
    }
    let polygon = Polygon { rings, mode: PaintMode::Fill, winding_order: WindingOrder::NonZero };
    vec![Op::SetFillColor { col: grey(0.0) }, Op::DrawPolygon { polygon }]
}

/// The side of one module in points.
fn module(code: &QrCode) -> f32 {
    QR_SIDE / count(code.width())
}

/// A QR code has at most 177 modules a side.
fn count(modules: usize) -> f32 {
    f32::from(u16::try_from(modules).unwrap_or(u16::MAX))
}

fn ring(points: &[(f32, f32, bool)]) -> PolygonRing {
    let point = |&(x, y, bezier): &(f32, f32, bool)| LinePoint { p: Point { x: Pt(x), y: Pt(y) }, bezier };
    PolygonRing { points: points.iter().map(point).collect() }
}

#[cfg(test)]
mod tests;
