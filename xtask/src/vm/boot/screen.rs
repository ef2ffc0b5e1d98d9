//! What is on the machine's screen: a picture from QEMU, and whether it looks as a page does.
//!
//! ```text
//! "P6" LF width " " height LF "255" LF, then three bytes for each pixel, row by row
//! ```
//!
//! A page is known by its colours and where they are, as `kiosk-app/ui/theme.slint` has them: text on a console, a
//! firmware's logo and a screen in one colour are none.
//!
//! Promises: any bytes are a picture or an error. Never: a page because something is there.

use anyhow::{Context as _, Result, bail, ensure};
use std::{collections::BTreeMap, ops::Range};

/// Red, green, blue.
type Colour = [u8; 3];

/// The ground of the page that waits and its inmost ring, in `pages/arrive.slint`.
const ATTRACT_GROUND: Colour = [0x07, 0x40, 0x4f];
const ATTRACT_RING: Colour = [0x10, 0x61, 0x77];
/// `Theme.ground`, `Theme.wait` and `Theme.primary`; in high contrast the last two are one.
const GROUND: Colour = [0xf3, 0xf6, 0xf7];
const WAIT: Colour = [0x85, 0x53, 0x00];
const PRIMARY: Colour = [0x0b, 0x5a, 0x72];
const CONTRAST_GROUND: Colour = [0, 0, 0];
const CONTRAST_SIGN: Colour = [0xff, 0xe1, 0x4d];

/// How much of a page is its ground, and how much the sign on it, in thousandths.
const GROUND_MIN: usize = 300;
const SIGN_MIN: usize = 5;
/// Where the sign of a page without service stands, in thousandths of the height.
const SIGN_AT: Range<usize> = 300..500;
const ALL: Range<usize> = 0..1000;
/// Text has smooth edges, and so many colours.
const COLOURS_MIN: usize = 64;

/// The largest screen.
const SIDE_MAX: usize = 8192;

/// One look at the screen.
#[derive(Debug)]
pub(super) struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// What is there to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The page that waits for a citizen.
    Attract,
    /// A page with something to choose.
    Choice,
    /// The page of a kiosk that serves nobody, with its code.
    OutOfService,
    /// The same in high contrast.
    OutOfServiceContrast,
    /// Something else.
    Other,
}

impl Picture {
    /// Reads what QEMU wrote.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let mut words = Vec::new();
        while words.len() < 4 {
            let end = rest.iter().position(u8::is_ascii_whitespace).context("the picture has no head")?;
            let (word, after) = rest.split_at_checked(end).context("the picture has no head")?;
            words.push(std::str::from_utf8(word).context("the picture's head is no text")?);
            rest = after.get(1..).unwrap_or_default();
        }
        let [kind, width, height, most] = words.as_slice() else { bail!("the picture has no head") };
        ensure!(*kind == "P6" && *most == "255", "the picture is '{kind}' up to '{most}', not P6 up to 255");
        let side = |word: &str| word.parse().ok().filter(|side| (1..=SIDE_MAX).contains(side));
        let (width, height) = side(width).zip(side(height)).context("the picture's size is none")?;
        ensure!(rest.len() == width * height * 3, "{} bytes for {width}x{height} pixels", rest.len());
        Ok(Self { width, height, pixels: rest.to_vec() })
    }

    /// What it looks like.
    pub(super) fn look(&self) -> Look {
        let all = self.count(ALL);
        if all.len() < COLOURS_MIN {
            return Look::Other;
        }
        let middle = self.count(SIGN_AT);
        let share = |colour| all.get(&colour).map_or(0, |count| count * 1000 / (self.width * self.height));
        let enough = |count: usize| count * 1000 >= SIGN_MIN * self.width * self.height;
        let in_the_middle = |colour| middle.get(&colour).is_some_and(|count| enough(*count));
        let only_there = |colour| in_the_middle(colour) && all.get(&colour) == middle.get(&colour);
        if share(ATTRACT_GROUND) >= GROUND_MIN && share(ATTRACT_RING) >= SIGN_MIN {
            Look::Attract
        } else if share(CONTRAST_GROUND) >= GROUND_MIN && in_the_middle(CONTRAST_SIGN) {
            Look::OutOfServiceContrast
        } else if share(GROUND) < GROUND_MIN {
            Look::Other
        } else if only_there(WAIT) {
            Look::OutOfService
        } else if all.contains_key(&PRIMARY) && !all.contains_key(&WAIT) {
            Look::Choice
        } else {
            Look::Other
        }
    }

    /// How often each colour is there, between two heights.
    fn count(&self, between: Range<usize>) -> BTreeMap<Colour, usize> {
        let byte = |thousandths: usize| thousandths * self.height / 1000 * self.width * 3;
        let part = self.pixels.get(byte(between.start)..byte(between.end)).unwrap_or_default();
        let mut colours = BTreeMap::new();
        for pixel in part.as_chunks::<3>().0 {
            *colours.entry(*pixel).or_default() += 1;
        }
        colours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A screen of `ground` with a block of `sign` from one height to another and 80 greys of text.
    fn screen(ground: Colour, sign: Colour, (from, to): (usize, usize)) -> Vec<u8> {
        let mut bytes = b"P6\n100 100\n255\n".to_vec();
        for y in 0..100 {
            for x in 0..100_u8 {
                let in_sign = (from..to).contains(&y) && (40..60).contains(&x);
                let text = y == 90 && x < 80;
                bytes.extend(if text {
                    [x, x, x + 1]
                } else if in_sign {
                    sign
                } else {
                    ground
                });
            }
        }
        bytes
    }

    fn look(bytes: &[u8]) -> Look {
        Picture::read(bytes).unwrap().look()
    }

    #[test]
    fn pages_are_told_apart() {
        assert_eq!(look(&screen(GROUND, WAIT, (35, 45))), Look::OutOfService);
        assert_eq!(look(&screen(CONTRAST_GROUND, CONTRAST_SIGN, (35, 45))), Look::OutOfServiceContrast);
        assert_eq!(look(&screen(GROUND, PRIMARY, (70, 80))), Look::Choice);
        assert_eq!(look(&screen(ATTRACT_GROUND, ATTRACT_RING, (20, 40))), Look::Attract);
    }

    #[test]
    fn what_is_no_page_is_none() {
        assert_eq!(look(&screen(GROUND, WAIT, (70, 80))), Look::Other, "the sign is elsewhere");
        assert_eq!(look(&screen(GROUND, GROUND, (0, 0))), Look::Other, "no sign");
        assert_eq!(look(&screen(CONTRAST_GROUND, [0xaa; 3], (35, 45))), Look::Other, "a console");
        let blank = [b"P6\n10 10\n255\n".as_slice(), &[0; 300]].concat();
        assert_eq!(look(&blank), Look::Other);
    }

    #[test]
    fn any_beginning_of_a_picture_is_an_error() {
        let whole = screen(GROUND, WAIT, (35, 45));
        for end in (0..64).chain([whole.len() - 1]) {
            assert!(Picture::read(&whole[..end]).is_err(), "{end}");
        }
        assert!(Picture::read(b"P6\n0 0\n255\n").is_err());
        assert!(Picture::read(b"P6\n99999999999999999999 1\n255\n").is_err());
        assert!(Picture::read(b"P5\n1 1\n255\nabc").is_err());
        assert!(Picture::read(&[0xff; 40]).is_err());
    }
}
