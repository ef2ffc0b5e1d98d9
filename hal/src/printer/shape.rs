//! Text drawn on the host: any script, joined and ordered as it should be.
//!
//! parley shapes and orders, fontique finds a system font for every script, swash fills the outlines, and
//! a threshold makes dots of them. Twenty pixels to the em give font A's 12 by 24 dots in the usual
//! monospaced faces, so drawn lines stand beside printed ones.
//!
//! Promises: a character no font has is an error, never a box. Never: reads a font it was not asked for.

use super::{
    Bitmap,
    escpos::Justify,
    layout::{DrawError, DrawText, Look},
};
use parley::{
    Alignment, AlignmentOptions, FontContext, FontFamily, FontWeight, GenericFamily, GlyphRun, Layout,
    LayoutContext, LineHeight, PositionedLayoutItem, StyleProperty,
};
use swash::{
    FontRef,
    scale::{Render, ScaleContext, Source, image::Image},
    zeno::{Format, Transform, Vector},
};

/// Pixels to the em: 0.6 em are 12 dots, ascent and descent 24.
const EM: f32 = 20.0;
/// Coverage from which a dot is black, of 255. Below the middle: thin strokes must not break.
const INK: u8 = 104;

/// Draws text with the system's fonts. Costly to make, cheap to keep.
pub struct Shaper {
    fonts: FontContext,
    layouts: LayoutContext<()>,
    scaler: ScaleContext,
}

/// A [`Shaper`] made when the first text needs one: most receipts do not.
#[derive(Debug, Default)]
pub struct LazyShaper(Option<Shaper>);

impl DrawText for LazyShaper {
    fn draw(&mut self, text: &str, look: Look, width: usize) -> Result<Bitmap, DrawError> {
        self.0.get_or_insert_with(Shaper::new).draw(text, look, width)
    }
}

impl Default for Shaper {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Shaper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shaper")
    }
}

impl DrawText for Shaper {
    fn draw(&mut self, text: &str, look: Look, width: usize) -> Result<Bitmap, DrawError> {
        let (wide, tall) = factors(look);
        // The mark fixes the paragraph's direction (UAX #9, P2) and draws nothing.
        let mark = if look.right_to_left { '\u{200F}' } else { '\u{200E}' };
        let family = if text.chars().any(needs_own_proportions) {
            GenericFamily::SansSerif
        } else {
            GenericFamily::Monospace
        };
        let mut layout = self.lay_out(&format!("{mark}{text}"), family, look);
        layout.break_all_lines(Some(dots_to_f32(width) / wide));
        let alignment = match look.justify {
            Justify::Left => Alignment::Left,
            Justify::Centre => Alignment::Center,
            Justify::Right => Alignment::Right,
        };
        layout.align(alignment, AlignmentOptions::default());
        let rows = layout.lines().count().max(1);
        let mut canvas = Bitmap::new(width, rows * look.line_dots * usize::from(look.size.factors().1));
        self.fill(&layout, look, (wide, tall), &mut canvas)?;
        Ok(level_with_cells(canvas, look))
    }
}

/// Letters of a script that looks wrong in cells of one width: not Latin, Greek or Cyrillic.
fn needs_own_proportions(symbol: char) -> bool {
    symbol.is_alphabetic() && matches!(symbol, '\u{0590}'..'\u{1E00}' | '\u{2C00}'..)
}

/// A printer puts the space between lines below them; a layout puts half of it above. Moves the text up
/// by that half where nothing is lost.
fn level_with_cells(canvas: Bitmap, look: Look) -> Bitmap {
    let above = look.line_dots.saturating_sub(24) / 2 * usize::from(look.size.factors().1);
    let start = canvas.stride() * above;
    let Some((head, rest)) = canvas.bytes().split_at_checked(start) else { return canvas };
    if head.iter().any(|byte| *byte != 0) {
        return canvas;
    }
    Bitmap::from_rows(canvas.width(), [rest, head].concat()).unwrap_or(canvas)
}

impl Shaper {
    /// Looks at the system's fonts.
    #[must_use]
    pub fn new() -> Self {
        Self { fonts: FontContext::new(), layouts: LayoutContext::new(), scaler: ScaleContext::new() }
    }

    /// One character of font A in its cell of 12 by 24 dots, or a multiple.
    ///
    /// # Errors
    /// [`DrawError::NoFont`].
    pub fn cell(&mut self, symbol: char, look: Look) -> Result<Bitmap, DrawError> {
        let (wide, tall) = look.size.factors();
        let mut cell = Bitmap::new(12 * usize::from(wide), 24 * usize::from(tall));
        let look = Look { line_dots: 24, underline: false, ..look };
        let layout = {
            let mut layout = self.lay_out(symbol.encode_utf8(&mut [0; 4]), GenericFamily::Monospace, look);
            layout.break_all_lines(None);
            layout
        };
        self.fill(&layout, look, factors(look), &mut cell)?;
        Ok(cell)
    }

    fn lay_out(&mut self, text: &str, family: GenericFamily, look: Look) -> Layout<()> {
        let mut builder = self.layouts.ranged_builder(&mut self.fonts, text, 1.0, true);
        builder.push_default(StyleProperty::FontSize(EM));
        builder.push_default(StyleProperty::FontFamily(FontFamily::from(family)));
        builder.push_default(StyleProperty::LineHeight(LineHeight::Absolute(dots_to_f32(look.line_dots))));
        if look.bold {
            builder.push_default(StyleProperty::FontWeight(FontWeight::BOLD));
        }
        builder.build(text)
    }

    fn fill(
        &mut self,
        layout: &Layout<()>,
        look: Look,
        by: (f32, f32),
        canvas: &mut Bitmap,
    ) -> Result<(), DrawError> {
        for line in layout.lines() {
            for item in line.items() {
                match item {
                    PositionedLayoutItem::GlyphRun(run) => {
                        self.run(&run, by, canvas)?;
                        if look.underline {
                            underline(&run, by, canvas);
                        }
                    }
                    PositionedLayoutItem::InlineBox(_) => {}
                }
            }
        }
        Ok(())
    }

    fn run(
        &mut self,
        run: &GlyphRun<'_, ()>,
        (wide, tall): (f32, f32),
        canvas: &mut Bitmap,
    ) -> Result<(), DrawError> {
        let font = run.run().font();
        let index = usize::try_from(font.index).unwrap_or_default();
        let outlines = FontRef::from_index(font.data.as_ref(), index).ok_or(DrawError::NoFont)?;
        let em = run.run().font_size() * wide.max(tall);
        let coordinates = run.run().normalized_coords();
        let mut scaler =
            self.scaler.builder(outlines).size(em).hint(true).normalized_coords(coordinates).build();
        let squeeze = Transform::scale(wide / wide.max(tall), tall / wide.max(tall));
        for glyph in run.positioned_glyphs() {
            let id = u16::try_from(glyph.id).ok().filter(|id| *id != 0).ok_or(DrawError::NoFont)?;
            let (x, y) = (glyph.x * wide, (glyph.y * tall).round());
            let mut render = Render::new(&[Source::Outline]);
            render.format(Format::Alpha).offset(Vector::new(x.fract(), 0.0)).transform(Some(squeeze));
            if run.run().synthesis().embolden() {
                render.embolden(em / 24.0);
            }
            if let Some(image) = render.render(&mut scaler, id) {
                blacken(&image, x.trunc(), y, canvas);
            }
        }
        Ok(())
    }
}

fn blacken(image: &Image, x: f32, y: f32, canvas: &mut Bitmap) {
    let width = usize::try_from(image.placement.width).unwrap_or_default();
    let (left, top) = (f32_to_dots(x) + image.placement.left, f32_to_dots(y) - image.placement.top);
    for (row, line) in image.data.chunks(width.max(1)).enumerate() {
        for (column, _) in line.iter().enumerate().filter(|(_, coverage)| **coverage >= INK) {
            if let (Some(x), Some(y)) =
                (column.checked_add_signed(to_isize(left)), row.checked_add_signed(to_isize(top)))
            {
                canvas.set(x, y);
            }
        }
    }
}

/// Two dots thick, four below the baseline.
fn underline(run: &GlyphRun<'_, ()>, (wide, tall): (f32, f32), canvas: &mut Bitmap) {
    let dots = |value: f32| usize::try_from(f32_to_dots(value)).unwrap_or_default();
    let (left, right) = (dots(run.offset() * wide), dots((run.offset() + run.advance()) * wide));
    let top = dots((run.baseline() + 3.0) * tall);
    let thick = dots(tall) + 1;
    (top..top + thick).for_each(|y| (left..right).for_each(|x| canvas.set(x, y)));
}

fn factors(look: Look) -> (f32, f32) {
    let (wide, tall) = look.size.factors();
    (f32::from(wide), f32::from(tall))
}

fn dots_to_f32(dots: usize) -> f32 {
    f32::from(u16::try_from(dots).unwrap_or(u16::MAX))
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates; paper is far narrower")]
fn f32_to_dots(value: f32) -> i32 {
    value as i32
}

fn to_isize(value: i32) -> isize {
    isize::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Size;

    fn look(justify: Justify, right_to_left: bool) -> Look {
        Look { bold: false, underline: false, size: Size::Normal, justify, right_to_left, line_dots: 30 }
    }

    fn black(bitmap: &Bitmap) -> u32 {
        bitmap.bytes().iter().map(|byte| byte.count_ones()).sum()
    }

    #[test]
    fn arabic_stands_at_the_right_and_joins() {
        let mut shaper = Shaper::new();
        let joined = shaper.draw("سلام", look(Justify::Right, true), 576).unwrap();
        let (first, end) = joined.ink().unwrap();
        assert!(end > 560 && first > 460, "{first}..{end}");
        let apart = shaper.draw("س ل ا م", look(Justify::Right, true), 576).unwrap();
        assert!(apart.ink().unwrap().0 < first, "joined letters are narrower than single ones");
    }

    #[test]
    fn welsh_letters_keep_to_the_columns_of_font_a() {
        let drawn = Shaper::new().draw("Tŷ'r Cyngor, dŵr", look(Justify::Left, false), 576).unwrap();
        let (first, end) = drawn.ink().unwrap();
        assert_eq!(drawn.height(), 30);
        assert!(first < 12 && (15 * 12..=16 * 12).contains(&end), "{first}..{end}");
    }

    #[test]
    fn sizes_multiply_and_long_texts_wrap() {
        let mut shaper = Shaper::new();
        let draw = |shaper: &mut Shaper, size, text: &str| {
            shaper.draw(text, Look { size, ..look(Justify::Left, false) }, 384).unwrap()
        };
        let normal = draw(&mut shaper, Size::Normal, "ŵŷ");
        let double = draw(&mut shaper, Size::Double, "ŵŷ");
        let wide = draw(&mut shaper, Size::Wide, "ŵŷ");
        assert_eq!((normal.height(), double.height(), wide.height()), (30, 60, 30));
        assert!(black(&double) > 3 * black(&normal) && wide.ink().unwrap().1 > 36);
        let long = draw(&mut shaper, Size::Normal, &"ŵ ".repeat(40));
        assert_eq!(long.height() % 30, 0);
        assert!(long.height() > 30);
    }

    #[test]
    fn bold_is_blacker_and_underline_is_drawn() {
        let mut shaper = Shaper::new();
        let plain = shaper.draw("dŵr", look(Justify::Left, false), 200).unwrap();
        let bold = shaper.draw("dŵr", Look { bold: true, ..look(Justify::Left, false) }, 200).unwrap();
        let line = shaper.draw("dŵr", Look { underline: true, ..look(Justify::Left, false) }, 200).unwrap();
        assert!(black(&bold) > black(&plain));
        assert!(black(&line) >= black(&plain) + 36);
    }

    #[test]
    fn what_no_font_has_is_an_error() {
        let drawn = Shaper::new().draw("\u{E123}\u{10FFFD}", look(Justify::Left, false), 576);
        assert_eq!(drawn, Err(DrawError::NoFont));
    }
}
