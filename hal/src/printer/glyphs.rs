//! Glyphs as dots: outlines are scaled and hinted once, kept, and filled at each place they stand.
//!
//! Hinting runs a font's own program and takes most of the time; filling is cheap and depends on the
//! fraction of a dot at which the glyph stands, so outlines are kept and not dots.
//!
//! | kept | at most |
//! |---|---|
//! | outlines, by face and glyph number | [`OUTLINE_BYTES_MAX`]; when full, all are forgotten |
//! | faces: font, size, weight | [`FACES_MAX`]; the same |
//! | fonts ready to scale and hint, in swash | 8 and 8, the longest unused goes |
//!
//! Promises: the same dots whether an outline was kept or not.
//! Never: keeps a text, a line, an order of glyphs or how often one was drawn.

use super::{Bitmap, layout::DrawError};
use parley::{FontData, GlyphRun};
use std::collections::HashMap;
use swash::{
    FontRef,
    scale::{ScaleContext, outline::Outline},
    zeno::{Format, Mask, Origin, Placement, Scratch, Transform, Vector},
};

/// Points and verbs of all outlines kept: some thousand glyphs.
const OUTLINE_BYTES_MAX: usize = 1 << 20;
/// Fonts in a size and weight: every script of a receipt in four sizes has room.
const FACES_MAX: usize = 64;
/// Coverage from which a dot is black, of 255. Below the middle: thin strokes must not break.
const INK: u8 = 104;

/// A font as it is drawn in one run.
#[derive(Clone, PartialEq)]
struct Face {
    font: (u64, u32),
    em: f32,
    /// Wide and tall, after `em`.
    squeeze: (f32, f32),
    bold: bool,
    coordinates: Vec<i16>,
}

/// Draws glyphs, and keeps their outlines.
#[derive(Default)]
pub(super) struct Glyphs {
    scaler: ScaleContext,
    scratch: Scratch,
    coverage: Vec<u8>,
    faces: Vec<Face>,
    outlines: HashMap<(usize, u16), Option<Outline>>,
    bytes: usize,
}

impl Glyphs {
    /// Draws `run`, made so many times as wide and as tall.
    pub(super) fn draw(
        &mut self,
        run: &GlyphRun<'_, ()>,
        (wide, tall): (f32, f32),
        canvas: &mut Bitmap,
    ) -> Result<(), DrawError> {
        let font = run.run().font();
        let face = self.face(Face {
            font: (font.data.id(), font.index),
            em: run.run().font_size() * wide.max(tall),
            squeeze: (wide / wide.max(tall), tall / wide.max(tall)),
            bold: run.run().synthesis().embolden(),
            coordinates: run.run().normalized_coords().to_vec(),
        });
        for glyph in run.positioned_glyphs() {
            let id = u16::try_from(glyph.id).ok().filter(|id| *id != 0).ok_or(DrawError::NoFont)?;
            let (x, y) = (glyph.x * wide, (glyph.y * tall).round());
            self.keep(face, id, font)?;
            let Some(Some(outline)) = self.outlines.get(&(face, id)) else { continue };
            let offset = Vector::new(x.fract(), 0.0);
            self.coverage.clear();
            let placement = Mask::with_scratch(outline.path(), &mut self.scratch)
                .format(Format::Alpha)
                .origin(Origin::BottomLeft)
                .offset(offset)
                .render_offset(offset)
                .inspect(|format, width, height| self.coverage.resize(format.buffer_size(width, height), 0))
                .render_into(&mut self.coverage, None);
            blacken(&self.coverage, placement, (x.trunc(), y), canvas);
        }
        Ok(())
    }

    /// The number of `wanted`, which is kept from now on.
    fn face(&mut self, wanted: Face) -> usize {
        if let Some(known) = self.faces.iter().position(|face| *face == wanted) {
            return known;
        }
        if self.faces.len() >= FACES_MAX {
            self.forget();
            self.faces.clear();
        }
        self.faces.push(wanted);
        self.faces.len() - 1
    }

    /// Scales and hints a glyph unless its outline is here. One without an outline draws nothing.
    fn keep(&mut self, face: usize, id: u16, font: &FontData) -> Result<(), DrawError> {
        if self.outlines.contains_key(&(face, id)) {
            return Ok(());
        }
        let Some(Face { em, squeeze, bold, coordinates, .. }) = self.faces.get(face) else { return Ok(()) };
        let index = usize::try_from(font.index).unwrap_or_default();
        let outlines = FontRef::from_index(font.data.as_ref(), index).ok_or(DrawError::NoFont)?;
        // Without the id, swash takes every look at a font for another font and keeps nothing.
        let known_by = [font.data.id(), u64::from(font.index)];
        let builder = self.scaler.builder_with_id(outlines, known_by).size(*em).hint(true);
        let mut outline = builder.normalized_coords(coordinates).build().scale_outline(id);
        if let Some(outline) = &mut outline {
            if *bold {
                outline.embolden(em / 24.0, em / 24.0);
            }
            outline.transform(&Transform::scale(squeeze.0, squeeze.1));
        }
        let bytes = size_of::<Outline>() + outline.as_ref().map_or(0, bytes_of);
        if self.bytes + bytes > OUTLINE_BYTES_MAX {
            self.forget();
        }
        self.bytes += bytes;
        self.outlines.insert((face, id), outline);
        Ok(())
    }

    fn forget(&mut self) {
        self.outlines.clear();
        self.bytes = 0;
    }
}

fn bytes_of(outline: &Outline) -> usize {
    size_of_val(outline.points()) + size_of_val(outline.verbs())
}

fn blacken(coverage: &[u8], placement: Placement, (x, y): (f32, f32), canvas: &mut Bitmap) {
    let width = usize::try_from(placement.width).unwrap_or_default();
    let (left, top) = (f32_to_dots(x) + placement.left, f32_to_dots(y) - placement.top);
    for (row, line) in coverage.chunks(width.max(1)).enumerate() {
        for (column, _) in line.iter().enumerate().filter(|(_, coverage)| **coverage >= INK) {
            if let (Some(x), Some(y)) =
                (column.checked_add_signed(to_isize(left)), row.checked_add_signed(to_isize(top)))
            {
                canvas.set(x, y);
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates; paper is far narrower")]
pub(super) fn f32_to_dots(value: f32) -> i32 {
    value as i32
}

fn to_isize(value: i32) -> isize {
    isize::try_from(value).unwrap_or_default()
}
