//! The page the simulated scanner sees: a typed letter on A4, grey, 100 dots an inch, as PNG.
//!
//! ```text
//! +-----------------------------+  827 x 1169
//! | ===  HEADING                |
//! | from, to, date              |
//! | SUBJECT                     |
//! | text ...                    |
//! | box with lines              |
//! | ~~~~ signature              |
//! +-----------------------------+
//! ```
//!
//! Promises: the same sheet gives the same file, well below 300 KB. Never: a real person's data.

use super::document::SheetKind;
use zeroize::Zeroizing;

/// A4 at 100 dots an inch.
const WIDTH: u32 = 827;
const HEIGHT: u32 = 1169;

const PAPER: u8 = 0xF4;
const INK: u8 = 0x26;
const RULE: u8 = 0x8C;

/// Left edge of the text.
const MARGIN: u32 = 84;

const BODY: &[&str] = &[
    "DEAR RESIDENT,",
    "",
    "THIS LETTER CONFIRMS THE ADDRESS WE HOLD FOR YOU.",
    "PLEASE KEEP IT: OTHER OFFICES MAY ASK TO SEE IT AS",
    "PROOF OF WHERE YOU LIVE. IT IS VALID FOR SIX MONTHS",
    "FROM THE DATE ABOVE.",
    "",
    "IF ANYTHING BELOW IS WRONG, TELL US WITHIN 14 DAYS.",
];

const TABLE: &[&str] =
    &["HOUSEHOLD   A. SPECIMEN", "ADDRESS     1 EXAMPLE STREET", "ACCOUNT     0000-0000-00", "BAND        C"];

struct Page {
    dots: Zeroizing<Vec<u8>>,
}

/// Draws the page.
///
/// # Errors
/// When the encoder refuses the picture.
pub(super) fn png(sheet: SheetKind) -> Result<Zeroizing<Vec<u8>>, png::EncodingError> {
    let mut page = Page { dots: Zeroizing::new(vec![PAPER; (WIDTH * HEIGHT) as usize]) };
    match sheet {
        SheetKind::Letter => page.letter(),
        SheetKind::Blank => {}
    }
    let mut file = Zeroizing::new(Vec::with_capacity(page.dots.len()));
    let mut encoder = png::Encoder::new(&mut *file, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: 3937, yppu: 3937, unit: png::Unit::Meter }));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&page.dots)?;
    writer.finish()?;
    Ok(file)
}

impl Page {
    fn letter(&mut self) {
        self.block(MARGIN, 70, 46, 46, INK);
        self.block(MARGIN + 11, 81, 24, 24, PAPER);
        self.text(MARGIN + 66, 76, 4, "EXAMPLE TOWN COUNCIL");
        self.block(MARGIN, 132, WIDTH - 2 * MARGIN, 3, INK);
        self.text(MARGIN, 160, 2, "A. SPECIMEN");
        self.text(MARGIN, 182, 2, "1 EXAMPLE STREET");
        self.text(MARGIN, 204, 2, "EXAMPLE TOWN");
        self.text(WIDTH - 300, 204, 2, "DATE: 01/02/2026");
        self.text(MARGIN, 270, 3, "PROOF OF ADDRESS");
        let mut y = 330;
        for line in BODY {
            self.text(MARGIN, y, 2, line);
            y += 28;
        }
        y += 24;
        for line in TABLE {
            self.block(MARGIN, y, WIDTH - 2 * MARGIN, 1, RULE);
            self.text(MARGIN + 12, y + 12, 2, line);
            y += 40;
        }
        self.block(MARGIN, y, WIDTH - 2 * MARGIN, 1, RULE);
        self.signature(MARGIN, y + 90);
        self.text(MARGIN, y + 140, 2, "HEAD OF RESIDENT SERVICES");
        self.block(MARGIN, HEIGHT - 90, WIDTH - 2 * MARGIN, 2, RULE);
        self.text(
            MARGIN,
            HEIGHT - 74,
            1,
            "EXAMPLE TOWN COUNCIL, TOWN HALL, EXAMPLE TOWN. A SPECIMEN OF NO VALUE.",
        );
    }

    /// A handwritten wave: up and down by a fixed pattern.
    fn signature(&mut self, x: u32, y: u32) {
        const HEIGHTS: [u32; 12] = [0, 9, 19, 26, 19, 9, 2, 6, 13, 17, 11, 4];
        let next = HEIGHTS.iter().cycle().skip(1);
        for ((step, from), to) in (0..190_u32).step_by(3).zip(HEIGHTS.iter().cycle()).zip(next) {
            self.block(x + step, y - from.max(to), 3, from.abs_diff(*to) + 2, INK);
        }
    }

    /// A filled rectangle, cut at the edges of the page.
    fn block(&mut self, x: u32, y: u32, width: u32, height: u32, grey: u8) {
        let (left, right) = (x.min(WIDTH) as usize, (x + width).min(WIDTH) as usize);
        for row in self.dots.chunks_exact_mut(WIDTH as usize).skip(y as usize).take(height as usize) {
            row.get_mut(left..right).unwrap_or_default().fill(grey);
        }
    }

    /// A line of text; each dot of a letter is `scale` dots of the page.
    fn text(&mut self, mut x: u32, y: u32, scale: u32, line: &str) {
        for letter in line.chars() {
            for (row, bits) in (0_u32..).zip(glyph(letter)) {
                for column in 0..5_u32 {
                    if bits >> (4 - column) & 1 == 1 {
                        self.block(x + column * scale, y + row * scale, scale, scale, INK);
                    }
                }
            }
            x += 6 * scale;
        }
    }
}

/// Seven rows of five dots; a letter without a shape is a gap.
fn glyph(letter: char) -> [u8; 7] {
    match letter {
        'A' => [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'B' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110],
        'C' => [0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110],
        'D' => [0b11100, 0b10010, 0b10001, 0b10001, 0b10001, 0b10010, 0b11100],
        'E' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
        'F' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000],
        'G' => [0b01110, 0b10001, 0b10000, 0b10111, 0b10001, 0b10001, 0b01111],
        'H' => [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'I' => [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        'J' => [0b00111, 0b00010, 0b00010, 0b00010, 0b00010, 0b10010, 0b01100],
        'K' => [0b10001, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010, 0b10001],
        'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        'M' => [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
        'N' => [0b10001, 0b11001, 0b10101, 0b10101, 0b10011, 0b10001, 0b10001],
        'O' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'P' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000],
        'Q' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10101, 0b10010, 0b01101],
        'R' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001],
        'S' => [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110],
        'T' => [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100],
        'U' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'V' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100],
        'W' => [0b10001, 0b10001, 0b10001, 0b10101, 0b10101, 0b11011, 0b10001],
        'X' => [0b10001, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001, 0b10001],
        'Y' => [0b10001, 0b10001, 0b01010, 0b00100, 0b00100, 0b00100, 0b00100],
        'Z' => [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b11111],
        '0' => [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
        '1' => [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        '2' => [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
        '3' => [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110],
        '4' => [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
        '5' => [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
        '6' => [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
        '7' => [0b11111, 0b00001, 0b00010, 0b00100, 0b00100, 0b01000, 0b01000],
        '8' => [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
        '9' => [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
        '.' => [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b00110, 0b00110],
        ',' => [0b00000, 0b00000, 0b00000, 0b00000, 0b00110, 0b00100, 0b01000],
        '-' => [0b00000, 0b00000, 0b00000, 0b01110, 0b00000, 0b00000, 0b00000],
        ':' => [0b00000, 0b00110, 0b00110, 0b00000, 0b00110, 0b00110, 0b00000],
        '/' => [0b00001, 0b00010, 0b00010, 0b00100, 0b01000, 0b01000, 0b10000],
        _ => [0; 7],
    }
}
