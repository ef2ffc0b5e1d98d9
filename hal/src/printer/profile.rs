//! What one printer model can do, as data.
//!
//! ```toml
//! name = "Epson TM-T20III"
//! dots_per_line = 576        # printable width
//! dots_per_inch = 203
//! columns = 48               # of font A, 12 by 24 dots
//! line_dots = 30             # what a line feed moves
//! strip_rows = 256           # at most so many rows in one raster command
//! cutter = "partial"         # none, partial or full
//! replies = true             # the printer answers on the same line
//! qr = true                  # draws QR codes itself: GS ( k
//! process_id = true          # tells when a job is on paper: GS ( H function 48
//! clear_buffers = true       # forgets what waits: DLE DC4 function 8
//! image_guard = true         # ignores DLE DC4 functions 1 and 2 inside pictures: GS ( D
//! automatic_status = true    # tells changes by itself in four bytes: GS a; true when left out
//! xon_xoff = false           # 11h and 13h inside pictures stop nothing; false when left out
//! presenter = { show_mm = 60, retract_s = 30 }     # shown, and pulled back when not taken: FS P; none when left out
//! black_mark = false         # the roll has marks: begin and cut at them, GS F6h and F8h; false when left out
//! graphics = false           # a picture above 65,535 bytes in one piece: GS 8 L; false when left out
//! code_pages = [{ number = 0, page = "cp437" }]    # the first that has all characters is taken
//! ```
//!
//! Promises: a garbled profile is refused with file, line and reason, never half used.
//! Never: guesses what a printer can do.

use super::{CodePage, presenter::Presenter};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// The profiles that come with this crate: name and text.
const EMBEDDED: [(&str, &str); 12] = [
    ("generic-80", include_str!("../../profiles/generic-80.toml")),
    ("generic-58", include_str!("../../profiles/generic-58.toml")),
    ("epson-tm-t20ii", include_str!("../../profiles/epson-tm-t20ii.toml")),
    ("epson-tm-t20iii", include_str!("../../profiles/epson-tm-t20iii.toml")),
    ("epson-tm-t88v", include_str!("../../profiles/epson-tm-t88v.toml")),
    ("epson-tm-t88vi", include_str!("../../profiles/epson-tm-t88vi.toml")),
    ("epson-tm-m30", include_str!("../../profiles/epson-tm-m30.toml")),
    ("star-escpos", include_str!("../../profiles/star-escpos.toml")),
    ("citizen-ct-s310ii", include_str!("../../profiles/citizen-ct-s310ii.toml")),
    ("bixolon-srp-350", include_str!("../../profiles/bixolon-srp-350.toml")),
    ("custom-vkp80", include_str!("../../profiles/custom-vkp80.toml")),
    ("custom-vkp80iii", include_str!("../../profiles/custom-vkp80iii.toml")),
];

/// What a printer model can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// For people.
    pub name: String,
    /// Printable width, dots.
    pub dots_per_line: usize,
    /// Resolution, both ways.
    pub dots_per_inch: usize,
    /// Characters of font A (12 by 24 dots) in a line.
    pub columns: usize,
    /// What a line feed moves, dots.
    pub line_dots: usize,
    /// At most so many rows in one raster command.
    pub strip_rows: usize,
    /// What the cutter does.
    pub cutter: CutterKind,
    /// Answers on the same line.
    pub replies: bool,
    /// Draws QR codes itself.
    pub qr: bool,
    /// Answers a process id once everything before it is on paper.
    pub process_id: bool,
    /// Forgets what waits to be printed on command.
    pub clear_buffers: bool,
    /// Can ignore real-time commands inside pictures.
    pub image_guard: bool,
    /// Tells changes of its status by itself.
    pub automatic_status: bool,
    /// Leaves 11h and 13h inside pictures alone, so XON/XOFF may be used on a serial line.
    pub xon_xoff: bool,
    /// Takes a picture above 65,535 bytes in one piece.
    pub graphics: bool,
    /// The roll has black marks: a receipt begins and ends at one.
    pub black_mark: bool,
    /// Shows the receipt in its mouth and pulls an untaken one back.
    pub presenter: Option<Presenter>,
    /// Number for `ESC t` and table, in order of preference.
    pub code_pages: Vec<(u8, &'static CodePage)>,
}

/// What a printer's cutter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutterKind {
    /// There is none: the citizen tears.
    None,
    /// Leaves a bridge of paper, so the receipt does not fall.
    Partial,
    /// Cuts through.
    Full,
}

/// A profile that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct ProfileError {
    /// Which file.
    pub file: String,
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    dots_per_line: Spanned<usize>,
    dots_per_inch: Spanned<usize>,
    columns: Spanned<usize>,
    line_dots: Spanned<usize>,
    strip_rows: Spanned<usize>,
    cutter: CutterKind,
    replies: bool,
    qr: bool,
    process_id: bool,
    clear_buffers: bool,
    image_guard: bool,
    #[serde(default = "yes")]
    automatic_status: bool,
    #[serde(default)]
    xon_xoff: bool,
    #[serde(default)]
    graphics: bool,
    #[serde(default)]
    black_mark: bool,
    presenter: Option<Spanned<FilePresenter>>,
    code_pages: Spanned<Vec<FilePage>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePresenter {
    show_mm: u8,
    retract_s: u8,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePage {
    number: u8,
    page: Spanned<String>,
}

impl Profile {
    /// Names of the profiles that come with this crate.
    pub fn names() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(name, _)| *name)
    }

    /// A profile that comes with this crate.
    ///
    /// # Errors
    /// When there is none of this name; the reason lists those there are.
    pub fn named(name: &str) -> Result<Self, ProfileError> {
        match EMBEDDED.iter().find(|(known, _)| *known == name) {
            Some((name, text)) => Self::parse(&format!("{name}.toml"), text),
            None => {
                let known = Self::names().collect::<Vec<_>>().join(", ");
                let reason = format!("no such printer profile; there are {known}");
                Err(ProfileError { file: name.to_owned(), line: 1, reason })
            }
        }
    }

    /// Reads `text`; `file` is only for the error.
    ///
    /// # Errors
    /// With the line and the reason.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        let refuse = |span: Range<usize>, reason: String| {
            let before = text.get(..span.start).unwrap_or(text);
            ProfileError { file: file.to_owned(), line: before.matches('\n').count() + 1, reason }
        };
        let raw: File = toml::from_str(text)
            .map_err(|error| refuse(error.span().unwrap_or_default(), error.message().to_owned()))?;
        let ranged = |name: &str, value: &Spanned<usize>, range: Range<usize>| {
            if range.contains(value.get_ref()) {
                return Ok(*value.get_ref());
            }
            let reason = format!("{name} must be {} to {}", range.start, range.end - 1);
            Err(refuse(value.span(), reason))
        };
        let dots_per_line = ranged("dots_per_line", &raw.dots_per_line, 96..2049)?;
        let page = |entry: &FilePage| match CodePage::named(entry.page.get_ref()) {
            Some(page) => Ok((entry.number, page)),
            None => {
                let known = CodePage::names().collect::<Vec<_>>().join(", ");
                Err(refuse(entry.page.span(), format!("unknown code page; there are {known}")))
            }
        };
        let code_pages = raw.code_pages.get_ref().iter().map(page).collect::<Result<Vec<_>, _>>()?;
        if code_pages.is_empty() {
            return Err(refuse(raw.code_pages.span(), "at least one code page is needed".to_owned()));
        }
        let presenter = match &raw.presenter {
            Some(said) if said.get_ref().show_mm < 5 || said.get_ref().retract_s == 0 => {
                return Err(refuse(said.span(), "show_mm must be 5 to 255, retract_s 1 to 255".to_owned()));
            }
            Some(said) if !raw.replies || raw.automatic_status => {
                let reason = "a presenter needs replies = true and automatic_status = false";
                return Err(refuse(said.span(), reason.to_owned()));
            }
            Some(said) => {
                let FilePresenter { show_mm, retract_s } = *said.get_ref();
                Some(Presenter { show_mm, retract_s })
            }
            None => None,
        };
        Ok(Self {
            dots_per_line,
            dots_per_inch: ranged("dots_per_inch", &raw.dots_per_inch, 72..1201)?,
            columns: ranged("columns", &raw.columns, 8..dots_per_line / 12 + 1)?,
            line_dots: ranged("line_dots", &raw.line_dots, 24..256)?,
            strip_rows: ranged("strip_rows", &raw.strip_rows, 8..4608)?,
            name: raw.name,
            cutter: raw.cutter,
            replies: raw.replies,
            qr: raw.qr,
            process_id: raw.process_id,
            clear_buffers: raw.clear_buffers,
            image_guard: raw.image_guard,
            automatic_status: raw.automatic_status,
            xon_xoff: raw.xon_xoff,
            graphics: raw.graphics,
            black_mark: raw.black_mark,
            presenter,
            code_pages,
        })
    }

    /// The first code page that has every character of `text`: its number and the bytes.
    #[must_use]
    pub fn encode(&self, text: &str) -> Option<(u8, Vec<u8>)> {
        self.code_pages.iter().find_map(|(number, page)| Some((*number, page.encode(text)?)))
    }

    /// Dots of so many millimetres.
    #[must_use]
    pub fn dots(&self, millimetres: usize) -> usize {
        millimetres * self.dots_per_inch * 10 / 254
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_profile_reads() {
        for name in Profile::names() {
            let profile = Profile::named(name).unwrap();
            assert!(profile.columns * 12 <= profile.dots_per_line, "{name}");
        }
        let reason = Profile::named("epson").unwrap_err().to_string();
        assert!(reason.contains("generic-80"), "{reason}");
    }

    #[test]
    fn a_garbled_profile_names_file_line_and_reason() {
        let good = EMBEDDED[0].1;
        for (from, to, line, reason) in [
            ("qr = false", "qr = 3", 10, "boolean"),
            ("= 576", "= 7", 3, "96 to 2048"),
            ("columns = 48", "columns = 49", 5, "8 to 48"),
            ("cp1252", "cp9999", 16, "unknown code page"),
            ("line_dots", "line_dits", 6, "line_dits"),
        ] {
            let error = Profile::parse("x.toml", &good.replace(from, to)).unwrap_err();
            assert_eq!((error.file.as_str(), error.line), ("x.toml", line), "{error}");
            assert!(error.reason.contains(reason), "{error}");
        }
        assert!(Profile::parse("x.toml", "name = ").is_err());
    }

    #[test]
    fn the_first_page_that_has_all_is_taken() {
        let profile = Profile::named("generic-80").unwrap();
        assert_eq!(profile.encode("Reçu"), Some((0, b"Re\x87u".to_vec())));
        assert_eq!(profile.encode("l’été, 5 €"), Some((16, b"l\x92\xe9t\xe9, 5 \x80".to_vec())));
        assert_eq!(profile.encode("Tŷ"), None);
    }

    #[test]
    fn thirty_millimetres_at_203_dots_per_inch() {
        assert_eq!(Profile::named("generic-80").unwrap().dots(30), 239);
    }
}
