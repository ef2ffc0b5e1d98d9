//! Text for a PDF page: shaped by parley, shown as glyph ids of embedded fonts.
//!
//! Every glyph stands where the shaper put it. What a glyph reads as goes into the font's `ToUnicode`; where
//! one glyph reads as two things (a shape shared by letters), the second reading is written beside it as
//! `ActualText` (ISO 32000-1, 14.9.4), so that searching, copying and reading aloud work.
//!
//! Promises: every character is drawn or the text is refused; a font carries only the glyphs shown.
//! Never: breaks a page, knows what a receipt is.

use super::{PdfError, subset};
use parley::{
    Alignment, AlignmentOptions, FontContext, FontData, FontFamily, FontFamilyName, FontWeight,
    GenericFamily, Layout, LayoutContext, LineHeight, OverflowWrap, PositionedLayoutItem, Run, StyleProperty,
};
use printpdf::{
    Codepoint, Color, DictItem, FontId, Greyscale, Op, ParsedFont, PdfDocument, PdfFont, PdfFontHandle, Pt,
    TextItem, TextMatrix, TextRenderingMode, extract_collection_face,
};
use std::collections::BTreeMap;

/// By how many points lines get shorter while they are made equally long.
const BALANCE_STEP: f32 = 4.0;

/// How a text looks; sizes in points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) size: f32,
    pub(super) bold: bool,
    /// 0 is black, 1 is white.
    pub(super) grey: f32,
    /// Between letters.
    pub(super) spacing: f32,
    pub(super) align: Alignment,
}

/// A text broken into lines, ready to be placed.
pub(super) struct Set {
    text: String,
    look: Look,
    layout: Layout<()>,
    /// From the left edge of the place it was set for.
    inset: f32,
}

impl Set {
    /// Of the widest line, in points.
    pub(super) fn width(&self) -> f32 {
        self.layout.width()
    }

    /// Of all lines, in points.
    pub(super) fn height(&self) -> f32 {
        self.layout.height()
    }
}

/// Shapes texts and remembers which glyphs of which fonts they show.
pub(super) struct Typesetter {
    fonts: FontContext,
    layouts: LayoutContext<()>,
    faces: Vec<Face>,
}

struct Face {
    data: FontData,
    /// What each shown glyph reads as: the first reading wins.
    readings: BTreeMap<u16, String>,
}

/// Neighbouring glyphs that stand for `reading` together.
struct Cluster<'a> {
    reading: &'a str,
    glyphs: Vec<parley::Glyph>,
    rtl: bool,
}

impl<'a> Cluster<'a> {
    /// What each glyph reads as: its own character, or else the letter reads as all of it and its marks as
    /// nothing. Drawn from right to left, the marks come before their letter.
    fn readings(&self) -> Vec<&'a str> {
        let mut readings: Vec<&str> = self.reading.split_inclusive(|_| true).collect();
        if readings.len() != self.glyphs.len() {
            readings = vec![self.reading];
            readings.resize(self.glyphs.len(), "");
        }
        if self.rtl {
            readings.reverse();
        }
        readings
    }
}

impl Typesetter {
    pub(super) fn new() -> Self {
        Self { fonts: FontContext::new(), layouts: LayoutContext::new(), faces: Vec::new() }
    }

    /// Breaks `text` into lines of at most `width` points; centred lines are made about equally long.
    pub(super) fn set(&mut self, text: &str, look: Look, width: f32) -> Set {
        let text = directed(text);
        let mut layout = self.shape(&text, look);
        layout.break_all_lines(Some(width));
        let lines = layout.len();
        let mut narrow = width;
        if look.align == Alignment::Center && lines > 1 {
            while layout.len() == lines && narrow > width / 2.0 {
                narrow -= BALANCE_STEP;
                layout.break_all_lines(Some(narrow));
            }
            narrow += BALANCE_STEP;
            layout.break_all_lines(Some(narrow));
        }
        layout.align(look.align, AlignmentOptions::default());
        Set { text, look, layout, inset: (width - narrow) / 2.0 }
    }

    fn shape(&mut self, text: &str, look: Look) -> Layout<()> {
        let families = [
            FontFamilyName::named("Noto Sans"),
            FontFamilyName::named("Noto Sans Arabic"),
            FontFamilyName::named("DejaVu Sans"),
            FontFamilyName::Generic(GenericFamily::SansSerif),
        ];
        let weight = if look.bold { FontWeight::BOLD } else { FontWeight::NORMAL };
        let mut builder = self.layouts.ranged_builder(&mut self.fonts, text, 1.0, false);
        builder.push_default(StyleProperty::FontFamily(FontFamily::List(families.as_slice().into())));
        builder.push_default(StyleProperty::FontSize(look.size));
        builder.push_default(StyleProperty::FontWeight(weight));
        builder.push_default(StyleProperty::LetterSpacing(look.spacing));
        builder.push_default(StyleProperty::LineHeight(LineHeight::FontSizeRelative(1.3)));
        builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::Anywhere));
        builder.build(text)
    }

    /// Shows `set` with its top left corner at `x`, `top`, measured from the bottom left of the page.
    ///
    /// # Errors
    /// [`PdfError::NoFont`] when no font was found for some of it.
    pub(super) fn show(&mut self, set: &Set, x: f32, top: f32) -> Result<Vec<Op>, PdfError> {
        let grey = Color::Greyscale(Greyscale::new(set.look.grey, None));
        let mut ops = vec![
            Op::SetFillColor { col: grey.clone() },
            Op::SetOutlineColor { col: grey },
            Op::StartTextSection,
        ];
        let mut shown = 0;
        for line in set.layout.lines() {
            for item in line.items() {
                let PositionedLayoutItem::GlyphRun(run) = item else { continue };
                let face = self.face(run.run().font());
                ops.extend([
                    Op::SetFont { font: PdfFontHandle::External(font_id(face)), size: Pt(set.look.size) },
                    Op::SetTextRenderingMode { mode: weight(run.run(), set.look) },
                    Op::SetOutlineThickness { pt: Pt(set.look.size / 30.0) },
                ]);
                let mut pen = x + set.inset + run.offset();
                for cluster in clusters(run.run(), &set.text) {
                    shown += cluster.reading.chars().filter(|c| is_visible(*c)).count();
                    ops.extend(self.glyphs(face, &cluster, &mut pen, top - run.baseline()));
                }
            }
        }
        ops.push(Op::EndTextSection);
        let wanted = set.text.chars().filter(|c| is_visible(*c)).count();
        if shown == wanted { Ok(ops) } else { Err(PdfError::NoFont) }
    }

    fn glyphs(&mut self, face: usize, cluster: &Cluster<'_>, pen: &mut f32, baseline: f32) -> Vec<Op> {
        let mut ops = Vec::new();
        for (glyph, reading) in cluster.glyphs.iter().zip(cluster.readings()) {
            let (x, y) = (*pen + glyph.x, baseline - glyph.y);
            *pen += glyph.advance;
            let Ok(id) = u16::try_from(glyph.id) else { continue };
            if !cluster.reading.chars().any(|c| is_visible(c) || c == ' ') {
                continue;
            }
            let Some(face) = self.faces.get_mut(face) else { continue };
            let first = face.readings.entry(id).or_insert_with(|| reading.to_owned()).clone();
            let show = [
                Op::SetTextMatrix { matrix: TextMatrix::Translate(Pt(x), Pt(y)) },
                Op::ShowText {
                    items: vec![TextItem::GlyphIds(vec![Codepoint::with_cid(id, 0.0, first.clone())])],
                },
            ];
            if first == reading {
                ops.extend(show);
            } else {
                ops.push(actual_text(reading));
                ops.extend(show);
                ops.push(Op::EndMarkedContentWithProperties);
            }
        }
        ops
    }

    fn face(&mut self, data: &FontData) -> usize {
        if let Some(index) = self.faces.iter().position(|face| face.data == *data) {
            return index;
        }
        self.faces.push(Face { data: data.clone(), readings: BTreeMap::new() });
        self.faces.len() - 1
    }

    /// Puts the fonts of everything shown into `document`.
    ///
    /// # Errors
    /// [`PdfError::Font`] when a font cannot be read.
    pub(super) fn embed(self, document: &mut PdfDocument) -> Result<(), PdfError> {
        for (index, face) in self.faces.into_iter().enumerate() {
            let collection = usize::try_from(face.data.index).map_err(|_| PdfError::Font)?;
            let whole = extract_collection_face(face.data.data.as_ref(), collection)
                .unwrap_or_else(|| face.data.data.as_ref().to_vec());
            let program = subset::subset(&whole, &face.readings.into_keys().collect()).unwrap_or(whole);
            let mut font = ParsedFont::from_bytes(&program, 0, &mut Vec::new()).ok_or(PdfError::Font)?;
            font.font_name = Some(format!("RCEIPT+Face{index}"));
            document.resources.fonts.map.insert(font_id(index), PdfFont::new(font));
        }
        Ok(())
    }
}

/// `text` read from right to left as a whole when it has a letter of such a script. Numbers and Latin
/// names keep their order.
fn directed(text: &str) -> String {
    let rtl =
        |c: char| matches!(c, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}');
    if text.chars().any(rtl) { format!("\u{200F}{text}") } else { text.to_owned() }
}

/// In the order they are drawn, left to right. A ligature's later characters come as clusters without
/// glyphs; they belong to the one before.
fn clusters<'a>(run: &Run<'_, ()>, text: &'a str) -> Vec<Cluster<'a>> {
    let mut found: Vec<(std::ops::Range<usize>, Vec<parley::Glyph>)> = Vec::new();
    for cluster in run.visual_clusters() {
        let range = cluster.text_range();
        match found.last_mut() {
            Some((whole, _)) if cluster.is_ligature_continuation() => {
                *whole = whole.start.min(range.start)..whole.end.max(range.end);
            }
            Some(_) | None => found.push((range, cluster.glyphs().collect())),
        }
    }
    let rtl = run.is_rtl();
    let cluster = |(range, glyphs)| Cluster { reading: text.get(range).unwrap_or_default(), glyphs, rtl };
    found.into_iter().map(cluster).collect()
}

/// Fonts without the weight asked for, and the weights of a variable font, are drawn with an outline: the
/// font is embedded as it is in its file.
fn weight(run: &Run<'_, ()>, look: Look) -> TextRenderingMode {
    let varied = look.bold && run.normalized_coords().iter().any(|coordinate| *coordinate != 0);
    if varied || run.synthesis().embolden() { TextRenderingMode::FillStroke } else { TextRenderingMode::Fill }
}

/// The start of a span that reads as `reading`, in UTF-16 with a byte order mark.
fn actual_text(reading: &str) -> Op {
    let data = [0xFEFF].into_iter().chain(reading.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    let map = BTreeMap::from([("ActualText".to_owned(), DictItem::String { data, literal: false })]);
    Op::BeginMarkedContentWithProperties { tag: "Span".to_owned(), properties: DictItem::Dict { map } }
}

fn font_id(face: usize) -> FontId {
    FontId(format!("Face{face}"))
}

/// Leaves ink, or is expected to.
fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2069}')
}
