//! A picture of one bit per dot, the only picture a thermal head knows.
//!
//! ```text
//! row 0   [ 7 6 5 4 3 2 1 0 ] [ 7 6 5 4 . . . . ]    most significant bit left, 1 = black
//! row 1   ...                                        unused bits at the right are 0
//! ```
//!
//! Promises: no coordinate panics; what falls outside is not drawn. Never: reads a file.

/// Black dots on white paper.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitmap {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitmap({}x{})", self.width, self.height)
    }
}

impl Bitmap {
    /// White, `width` by `height` dots.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, bytes: vec![0; width.div_ceil(8) * height] }
    }

    /// From packed rows of `width` dots; `None` when `bytes` is not a whole number of rows.
    #[must_use]
    pub fn from_rows(width: usize, mut bytes: Vec<u8>) -> Option<Self> {
        let stride = width.div_ceil(8);
        if stride == 0 || !bytes.len().is_multiple_of(stride) {
            return None;
        }
        let unused = stride * 8 - width;
        bytes.chunks_mut(stride).filter_map(<[u8]>::last_mut).for_each(|last| *last &= 0xFF << unused);
        Some(Self { width, height: bytes.len() / stride, bytes })
    }

    /// Dots across.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Dots down.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Bytes of one row.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.width.div_ceil(8)
    }

    /// All rows, packed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the dot is black; outside is white.
    #[must_use]
    pub fn get(&self, x: usize, y: usize) -> bool {
        let inside = x < self.width && y < self.height;
        inside && self.bytes.get(y * self.stride() + x / 8).is_some_and(|b| b & (0x80 >> (x % 8)) != 0)
    }

    /// Blackens a dot; outside does nothing.
    pub fn set(&mut self, x: usize, y: usize) {
        let at = y * self.stride() + x / 8;
        if x < self.width
            && y < self.height
            && let Some(byte) = self.bytes.get_mut(at)
        {
            *byte |= 0x80 >> (x % 8);
        }
    }

    /// Turns a dot over; outside does nothing.
    pub fn toggle(&mut self, x: usize, y: usize) {
        let at = y * self.stride() + x / 8;
        if x < self.width
            && y < self.height
            && let Some(byte) = self.bytes.get_mut(at)
        {
            *byte ^= 0x80 >> (x % 8);
        }
    }

    /// Draws `other`'s black dots with its top left corner at `x`, `y`. Whole bytes, not dots.
    pub fn draw(&mut self, other: &Self, x: usize, y: usize) {
        let (stride, skipped, shift) = (self.stride(), x / 8, x % 8);
        let unused = stride * 8 - self.width;
        let Some(start) = y.checked_mul(stride).filter(|start| *start < self.bytes.len()) else { return };
        let Some(below) = self.bytes.get_mut(start..).filter(|_| skipped < stride) else { return };
        let rows = below.chunks_exact_mut(stride).zip(other.bytes.chunks_exact(other.stride().max(1)));
        for (row, drawn) in rows {
            let Some((_, places)) = row.split_at_mut_checked(skipped) else { continue };
            for (place, byte) in places.iter_mut().zip(drawn) {
                *place |= byte >> shift;
            }
            if shift > 0 {
                for (place, byte) in places.iter_mut().skip(1).zip(drawn) {
                    *place |= byte << (8 - shift);
                }
            }
            if let Some(last) = row.last_mut() {
                *last &= 0xFF << unused;
            }
        }
    }

    /// Adds white rows at the bottom until it is `height` dots high.
    pub fn grow(&mut self, height: usize) {
        if height > self.height {
            self.bytes.resize(self.stride() * height, 0);
            self.height = height;
        }
    }

    /// Each dot becomes `wide` by `tall` dots.
    #[must_use]
    pub fn scaled(&self, wide: usize, tall: usize) -> Self {
        let mut big = Self::new(self.width * wide, self.height * tall);
        for y in 0..big.height {
            (0..big.width).filter(|x| self.get(x / wide, y / tall)).for_each(|x| big.set(x, y));
        }
        big
    }

    /// The first black column and the one after the last; `None` when all is white.
    #[must_use]
    pub fn ink(&self) -> Option<(usize, usize)> {
        let mut any = vec![0_u8; self.stride()];
        for row in self.bytes.chunks_exact(self.stride().max(1)) {
            any.iter_mut().zip(row).for_each(|(seen, byte)| *seen |= byte);
        }
        let first = any.iter().position(|byte| *byte != 0)?;
        let last = any.iter().rposition(|byte| *byte != 0)?;
        let bits = |at: usize| any.get(at).copied().unwrap_or_default();
        let dots = |bits: u32| usize::try_from(bits).unwrap_or_default();
        Some((
            first * 8 + dots(bits(first).leading_zeros()),
            last * 8 + 8 - dots(bits(last).trailing_zeros()),
        ))
    }

    /// Without the white columns at the right.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        let mut narrow = Self::new(self.ink().map_or(8, |(_, end)| end), self.height);
        narrow.draw(self, 0, 0);
        narrow
    }

    /// Cut into pieces of at most `rows` rows, top first.
    pub fn strips(&self, rows: usize) -> impl Iterator<Item = Self> + '_ {
        self.bytes.chunks((self.stride() * rows).max(1)).map(|piece| Self {
            width: self.width,
            height: piece.len() / self.stride().max(1),
            bytes: piece.to_vec(),
        })
    }

    /// As a PNG file, black on white.
    ///
    /// # Errors
    /// When the picture is empty or wider than PNG allows.
    pub fn to_png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let side = |dots: usize| u32::try_from(dots).unwrap_or(u32::MAX);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side(self.width), side(self.height));
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let white_is_one: Vec<u8> = self.bytes.iter().map(|byte| !byte).collect();
        encoder.write_header()?.write_image_data(&white_is_one)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bits_run_left_to_right() {
        let mut bitmap = Bitmap::new(10, 2);
        bitmap.set(0, 0);
        bitmap.set(9, 1);
        bitmap.set(10, 1);
        assert_eq!(bitmap.bytes(), [0x80, 0x00, 0x00, 0x40]);
        assert_eq!(bitmap.ink(), Some((0, 10)));
        assert_eq!(bitmap.scaled(2, 1).bytes(), [0xC0, 0, 0, 0, 0, 0x30]);
    }

    #[test]
    fn unused_bits_are_white() {
        assert_eq!(Bitmap::from_rows(9, vec![0xFF; 4]).unwrap().bytes(), [0xFF, 0x80, 0xFF, 0x80]);
        assert_eq!(Bitmap::from_rows(9, vec![0xFF; 3]), None);
        assert_eq!(Bitmap::from_rows(0, Vec::new()), None);
    }

    #[test]
    fn a_png_reads_back() {
        let mut bitmap = Bitmap::new(13, 3);
        (0..3).for_each(|n| bitmap.set(n * 5, n));
        let file = bitmap.to_png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let inverted: Vec<u8> = pixels.iter().map(|byte| !byte).collect();
        assert_eq!(Bitmap::from_rows(13, inverted), Some(bitmap));
        assert!(Bitmap::new(0, 0).to_png().is_err());
    }

    proptest! {
        #[test]
        fn drawing_bytes_is_drawing_dots(
            (width, dots) in (1_usize..40).prop_flat_map(|w| (Just(w), prop::collection::vec(any::<u8>(), w.div_ceil(8) * 5))),
            under in prop::collection::vec(any::<u8>(), 12), x in 0_usize..40, y in 0_usize..8,
        ) {
            let (small, mut canvas) = (Bitmap::from_rows(width, dots).unwrap(), Bitmap::from_rows(21, under).unwrap());
            let mut dot_by_dot = canvas.clone();
            for row in 0..small.height() {
                (0..width).filter(|&col| small.get(col, row)).for_each(|col| dot_by_dot.set(x + col, y + row));
            }
            canvas.draw(&small, x, y);
            prop_assert_eq!(&canvas, &dot_by_dot);
            let inked = |x: &usize| (0..small.height()).any(|y| small.get(*x, y));
            let ink = (0..width).find(inked).zip((0..width).rfind(inked).map(|last| last + 1));
            prop_assert_eq!(small.ink(), ink);
        }

        #[test]
        fn strips_put_together_are_the_whole(width in 1_usize..40, height in 0_usize..40, rows in 1_usize..20) {
            let mut bitmap = Bitmap::new(width, height);
            (0..height).for_each(|y| bitmap.set((y * 7) % width, y));
            let mut whole = Bitmap::new(width, height);
            let mut y = 0;
            for strip in bitmap.strips(rows) {
                prop_assert!(strip.height() <= rows);
                whole.draw(&strip, 0, y);
                y += strip.height();
            }
            prop_assert_eq!(y, height);
            prop_assert_eq!(whole, bitmap);
        }
    }
}
