//! Text drawn on the host: any script, joined and ordered as it should be.
//!
//! parley shapes and orders, fontique finds a system font for every script, swash fills the outlines, and
//! a threshold makes dots of them. Twenty pixels to the em give font A's 12 by 24 dots in the usual
//! monospaced faces, so drawn lines stand beside printed ones.
//!
//! What is kept between two texts: the list of fonts and the files of those that were used, and glyphs
//! by number (`glyphs`, with limits in bytes). No text, no line and no order of glyphs is kept to be drawn
//! again; [`DrawText::forget`] writes over the working buffers in which the last paragraph was shaped.
//!
//! Promises: a character no font has is an error, never a box. Never: reads a font it was not asked for;
//! keeps a citizen's text beyond the receipt.

use super::{
    Bitmap, Size,
    escpos::Justify,
    glyphs::{Glyphs, f32_to_dots},
    layout::{DrawError, DrawText, Look},
};
use parley::{
    Alignment, AlignmentOptions, FontContext, FontFamily, FontWeight, GenericFamily, GlyphRun, Layout,
    LayoutContext, LineHeight, PositionedLayoutItem, StyleProperty,
};
use zeroize::Zeroizing;

/// Pixels to the em: 0.6 em are 12 dots, ascent and descent 24.
const EM: f32 = 20.0;
/// The longest paragraph written over: far longer than any line of a receipt.
const FORGET_CHARS_MAX: usize = 4096;

/// Draws text with the system's fonts. Costly to make, cheap to keep.
pub struct Shaper {
    fonts: FontContext,
    layouts: LayoutContext<()>,
    glyphs: Glyphs,
    /// The most characters of a paragraph since [`DrawText::forget`].
    longest: usize,
}

/// A [`Shaper`] made when the first text needs one: most receipts do not.
#[derive(Debug, Default)]
pub struct LazyShaper(Option<Shaper>);

impl DrawText for LazyShaper {
    fn draw(&mut self, text: &str, look: Look, width: usize) -> Result<Bitmap, DrawError> {
        self.0.get_or_insert_with(Shaper::new).draw(text, look, width)
    }

    fn forget(&mut self) {
        self.0.iter_mut().for_each(DrawText::forget);
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
        self.longest = self.longest.max(text.chars().count() + 1);
        let marked = Zeroizing::new(format!("{mark}{text}"));
        let mut layout = self.lay_out(&marked, family, look);
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

    /// Shapes a paragraph of dots as long as the longest before, in the same buffers.
    fn forget(&mut self) {
        let dots = ".".repeat(std::mem::take(&mut self.longest).min(FORGET_CHARS_MAX));
        let look = Look {
            bold: false,
            underline: false,
            size: Size::Normal,
            justify: Justify::Left,
            right_to_left: false,
            line_dots: 24,
        };
        drop(self.lay_out(&dots, GenericFamily::SansSerif, look));
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
        Self {
            fonts: FontContext::new(),
            layouts: LayoutContext::new(),
            glyphs: Glyphs::default(),
            longest: 0,
        }
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
                        self.glyphs.draw(&run, by, canvas)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// A shaper that drew many texts draws the next one as one that never drew any.
        #[test]
        fn kept_glyphs_are_the_dots_of_fresh_ones(
            texts in prop::collection::vec("[ا-ي]{1,8} [ŵŷa-zА-я]{1,9} [一-龠अ-ह]{0,3}[0-9]{0,3}", 1..5),
            size in prop::sample::select(vec![Size::Normal, Size::Wide, Size::Tall, Size::Double]),
            bold: bool, right: bool,
        ) {
            let justify = if right { Justify::Right } else { Justify::Centre };
            let look = Look { size, bold, ..look(justify, right) };
            let mut kept = Shaper::new();
            for text in texts.iter().chain(&texts) {
                prop_assert_eq!(kept.draw(text, look, 576), Shaper::new().draw(text, look, 576));
                kept.forget();
            }
        }
    }
}
