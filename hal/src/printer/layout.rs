//! A job laid out for one printer: lines become commands.
//!
//! A text goes out as characters when one code page of the profile has all of them; else it is drawn on
//! the host and goes out as a picture of the same size. Everything is wrapped here, to the column, so a
//! printer never breaks a line by itself. Pictures carry their own left margin: not every clone obeys
//! `ESC a` for them.
//!
//! Promises: pure; a line that cannot be printed is an error naming the line, never garbage; no control
//! character of a text reaches the printer.
//! Never: tells what a text said.

use super::{
    Bitmap, CutterKind, Job, Line, Profile, Size, Style,
    escpos::{Command, GRAPHICS_ROWS_MAX, Justify, QR_BYTES_MAX},
    job::Align,
    presenter::Presenter,
    qr,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Width of a QR code, millimetres: readable at arm's length by any telephone.
const QR_MM: usize = 30;
/// From here on a picture goes in one piece where the model takes it: no pause shows between strips.
const GRAPHICS_BYTES_MIN: usize = 65_535;
/// Empty lines before a tear bar, where there is no cutter.
const TEAR_LINES: u8 = 5;

/// Why a job does not fit a printer. Lines count from 1; 0 is the mark of a copy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// No code page has all characters, and drawing is not built in or no font has them.
    #[error("line {line}: the text cannot be printed: {source}")]
    Text {
        /// Which line.
        line: usize,
        /// Why it could not be drawn.
        #[source]
        source: DrawError,
    },
    /// The QR code has more modules than the paper has room for.
    #[error("line {line}: too much for a QR code on this paper")]
    QrTooLarge {
        /// Which line.
        line: usize,
    },
    /// The picture is wider than the paper.
    #[error("line {line}: the picture is {dots} dots wide, the paper {dots_max}")]
    ImageTooWide {
        /// Which line.
        line: usize,
        /// Its width.
        dots: usize,
        /// The paper's.
        dots_max: usize,
    },
}

/// Why a text could not be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    /// This build draws no text.
    #[error("no code page has it and this build draws no text")]
    NotBuiltIn,
    /// No installed font has a character of it.
    #[error("no installed font has all its characters")]
    NoFont,
}

/// Draws text that has no code page.
pub trait DrawText {
    /// Draws `text`, wrapped to exactly `width` dots.
    ///
    /// # Errors
    /// [`DrawError`].
    fn draw(&mut self, text: &str, look: Look, width: usize) -> Result<Bitmap, DrawError>;

    /// Writes over what is left of the texts drawn so far. Called after each job.
    fn forget(&mut self) {}
}

/// Draws nothing: every text needs a code page.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoText;

impl DrawText for NoText {
    fn draw(&mut self, _: &str, _: Look, _: usize) -> Result<Bitmap, DrawError> {
        Err(DrawError::NotBuiltIn)
    }
}

/// What draws texts on this host, shared by the lines to one printer, one after the other.
#[derive(Clone)]
pub struct SharedText(Arc<Mutex<dyn DrawText + Send>>);

impl Default for SharedText {
    #[cfg(feature = "text")]
    fn default() -> Self {
        Self(Arc::new(Mutex::new(super::shape::LazyShaper::default())))
    }

    #[cfg(not(feature = "text"))]
    fn default() -> Self {
        Self(Arc::new(Mutex::new(NoText)))
    }
}

impl std::fmt::Debug for SharedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedText")
    }
}

impl SharedText {
    /// As [`lay_out`]; afterwards nothing of the texts is left in what draws.
    ///
    /// # Errors
    /// As [`lay_out`].
    pub fn lay_out(&self, job: &Job, profile: &Profile) -> Result<Vec<Command>, LayoutError> {
        let mut draw = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let commands = lay_out(job, profile, &mut *draw);
        draw.forget();
        commands
    }
}

/// How drawn text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Heavier strokes.
    pub bold: bool,
    /// A line below.
    pub underline: bool,
    /// Times font A.
    pub size: Size,
    /// Where on the paper, already turned for the reading direction.
    pub justify: Justify,
    /// Reads right to left.
    pub right_to_left: bool,
    /// From one baseline to the next at normal size, dots.
    pub line_dots: usize,
}

/// Lays `job` out for `profile`; `draw` draws what no code page has.
///
/// # Errors
/// [`LayoutError`] naming the line.
pub fn lay_out(job: &Job, profile: &Profile, draw: &mut dyn DrawText) -> Result<Vec<Command>, LayoutError> {
    let mut setter = Setter { profile, draw, commands: Vec::new(), state: State::default() };
    if profile.black_mark {
        setter.commands.push(Command::MarkToHead);
    }
    if let Some(mark) = &job.copy {
        let look = Style::default().bold().sized(Size::Double).aligned(Align::Centre);
        setter.line(0, &Line::styled(mark.as_str(), look))?;
        setter.line(0, &Line::Rule)?;
    }
    for (place, line) in job.lines.iter().enumerate() {
        setter.line(place + 1, line)?;
    }
    setter.plain();
    Ok(setter.commands)
}

/// What the printer is set to, as far as commands were sent.
#[derive(Clone, Copy, PartialEq)]
struct State {
    page: Option<u8>,
    bold: bool,
    underline: bool,
    size: Size,
    justify: Justify,
}

impl Default for State {
    fn default() -> Self {
        Self { page: None, bold: false, underline: false, size: Size::Normal, justify: Justify::Left }
    }
}

struct Setter<'a> {
    profile: &'a Profile,
    draw: &'a mut dyn DrawText,
    commands: Vec<Command>,
    state: State,
}

impl Setter<'_> {
    fn line(&mut self, number: usize, line: &Line) -> Result<(), LayoutError> {
        match line {
            Line::Text { text, style } => {
                for paragraph in text.split('\n') {
                    self.paragraph(number, &printable(paragraph), *style)?;
                }
                Ok(())
            }
            Line::Pair { left, right, style } => {
                self.pair(number, &printable(left), &printable(right), *style)
            }
            Line::Rule => {
                let rule = "─".repeat(self.profile.columns);
                let rule = if self.profile.encode(&rule).is_some() { rule } else { rule.replace('─', "-") };
                self.paragraph(number, &rule, Style::default())
            }
            Line::Qr { data } => self.qr(number, data.as_bytes()),
            Line::Image(bitmap) if bitmap.width() > self.profile.dots_per_line => {
                let (dots, dots_max) = (bitmap.width(), self.profile.dots_per_line);
                Err(LayoutError::ImageTooWide { line: number, dots, dots_max })
            }
            Line::Image(bitmap) => {
                self.picture_centred(bitmap);
                Ok(())
            }
            Line::Feed(lines) => {
                self.commands.push(Command::Feed(*lines));
                Ok(())
            }
            Line::Cut => {
                if self.profile.black_mark {
                    self.commands.push(Command::MarkToCutter);
                }
                self.commands.push(match (self.profile.presenter, self.profile.cutter) {
                    (Some(Presenter { show_mm, retract_s }), _) => Command::Present { show_mm, retract_s },
                    (None, CutterKind::None) => Command::Feed(TEAR_LINES),
                    (None, CutterKind::Partial) => Command::CutPartial(0),
                    (None, CutterKind::Full) => Command::CutFull(0),
                });
                Ok(())
            }
        }
    }

    fn paragraph(&mut self, number: usize, text: &str, style: Style) -> Result<(), LayoutError> {
        let right_to_left = style.direction.is_right_to_left(text);
        let justify = justify(style.align, right_to_left);
        if text.trim().is_empty() {
            self.commands.push(Command::LineFeed);
            return Ok(());
        }
        let Some((page, _)) = self.profile.encode(text) else {
            let drawn = self.drawn(number, text, style, justify, right_to_left)?;
            self.picture(&drawn);
            return Ok(());
        };
        for row in wrap(text, self.columns(style.size)) {
            self.text_row(page, row, style, justify);
        }
        Ok(())
    }

    fn pair(&mut self, number: usize, left: &str, right: &str, style: Style) -> Result<(), LayoutError> {
        let right_to_left = style.direction.is_right_to_left(left);
        let both = if right_to_left { format!("{right} {left}") } else { format!("{left} {right}") };
        if let Some((page, _)) = self.profile.encode(&both) {
            let columns = self.columns(style.size);
            let used = both.chars().count() - 1;
            if used < columns {
                let (first, last) = if right_to_left { (right, left) } else { (left, right) };
                let row = format!("{first}{}{last}", " ".repeat(columns - used));
                self.text_row(page, &row, style, Justify::Left);
            } else {
                self.paragraph(number, left, style.aligned(Align::Start))?;
                let end = justify(Align::End, right_to_left);
                for row in wrap(right, columns) {
                    self.text_row(page, row, style, end);
                }
            }
            return Ok(());
        }
        let start = self.drawn(number, left, style, justify(Align::Start, right_to_left), right_to_left)?;
        let end_reads = style.direction.is_right_to_left(right);
        let mut end = self.drawn(number, right, style, justify(Align::End, right_to_left), end_reads)?;
        if fit_beside(&start, &end, right_to_left) {
            end.draw(&start, 0, 0);
            self.picture(&end);
        } else {
            self.picture(&start);
            self.picture(&end);
        }
        Ok(())
    }

    fn drawn(
        &mut self,
        line: usize,
        text: &str,
        style: Style,
        justify: Justify,
        right_to_left: bool,
    ) -> Result<Bitmap, LayoutError> {
        let Style { bold, underline, size, .. } = style;
        let line_dots = self.profile.line_dots;
        let look = Look { bold, underline, size, justify, right_to_left, line_dots };
        // As wide as the columns, which on some models end before the printable width does.
        let drawn = self.draw.draw(text, look, 12 * self.profile.columns);
        drawn.map_err(|source| LayoutError::Text { line, source })
    }

    fn qr(&mut self, line: usize, data: &[u8]) -> Result<(), LayoutError> {
        let too_large = LayoutError::QrTooLarge { line };
        let modules = qr::modules(data).filter(|_| data.len() <= QR_BYTES_MAX).ok_or(too_large.clone())?;
        let whole = modules + 2 * qr::QUIET_MODULES;
        let wished = (self.profile.dots(QR_MM) / modules).clamp(3, 8);
        let module = wished.min(self.profile.dots_per_line / whole);
        if module < 2 {
            return Err(too_large);
        }
        if !self.profile.qr {
            let drawn = qr::draw(data, module).ok_or(too_large)?;
            self.picture_centred(&drawn);
            return Ok(());
        }
        self.set(State { justify: Justify::Centre, ..self.state });
        let module = u8::try_from(module).unwrap_or(3);
        self.commands.push(Command::Feed(1));
        self.commands.push(Command::Qr { data: data.to_vec(), module });
        self.commands.push(Command::Feed(1));
        Ok(())
    }

    fn picture_centred(&mut self, bitmap: &Bitmap) {
        let margin = self.profile.dots_per_line.saturating_sub(bitmap.width()) / 2;
        let mut placed = Bitmap::new(margin + bitmap.width(), bitmap.height());
        placed.draw(bitmap, margin, 0);
        self.picture(&placed);
    }

    fn picture(&mut self, bitmap: &Bitmap) {
        self.set(State { justify: Justify::Left, ..self.state });
        let narrow = bitmap.trimmed();
        if self.profile.graphics && narrow.bytes().len() > GRAPHICS_BYTES_MIN {
            self.commands.extend(narrow.strips(GRAPHICS_ROWS_MAX).map(Command::Graphics));
            return;
        }
        self.commands.extend(narrow.strips(self.profile.strip_rows).map(Command::Raster));
    }

    fn text_row(&mut self, page: u8, row: &str, style: Style, justify: Justify) {
        let Style { bold, underline, size, .. } = style;
        self.set(State { page: Some(page), bold, underline, size, justify });
        let table = self.profile.code_pages.iter().find(|(number, _)| *number == page);
        let bytes = table.and_then(|(_, table)| table.encode(row)).unwrap_or_default();
        self.commands.extend([Command::Text(bytes), Command::LineFeed]);
    }

    fn plain(&mut self) {
        self.set(State { page: self.state.page, ..State::default() });
    }

    fn set(&mut self, wanted: State) {
        let now = std::mem::replace(&mut self.state, wanted);
        if let Some(page) = wanted.page.filter(|page| now.page != Some(*page)) {
            self.commands.push(Command::CodePage(page));
        }
        if now.bold != wanted.bold {
            self.commands.push(Command::Emphasis(wanted.bold));
        }
        if now.underline != wanted.underline {
            self.commands.push(Command::Underline(wanted.underline));
        }
        if now.size != wanted.size {
            let (wide, tall) = wanted.size.factors();
            self.commands.push(Command::Size(wide, tall));
        }
        if now.justify != wanted.justify {
            self.commands.push(Command::Justify(wanted.justify));
        }
    }

    fn columns(&self, size: Size) -> usize {
        self.profile.columns / usize::from(size.factors().0)
    }
}

fn justify(align: Align, right_to_left: bool) -> Justify {
    match (align, right_to_left) {
        (Align::Centre, _) => Justify::Centre,
        (Align::Start, false) | (Align::End, true) => Justify::Left,
        (Align::Start, true) | (Align::End, false) => Justify::Right,
    }
}

/// One row each, and a character's width between them.
fn fit_beside(start: &Bitmap, end: &Bitmap, right_to_left: bool) -> bool {
    let (left, right) = if right_to_left { (end, start) } else { (start, end) };
    let free =
        left.ink().map_or(0, |(_, end)| end) + 12 <= right.ink().map_or(usize::MAX, |(first, _)| first);
    free && start.height() == end.height()
}

/// Control characters print as a space: a text can give the printer no orders.
fn printable(text: &str) -> String {
    text.chars().map(|symbol| if symbol.is_control() && symbol != '\n' { ' ' } else { symbol }).collect()
}

/// `text` in rows of at most `columns` characters, broken at spaces where there are any.
fn wrap(text: &str, columns: usize) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut rest = text.trim_end();
    while let Some((too_long, _)) = rest.char_indices().nth(columns) {
        let head = rest.get(..=too_long).filter(|head| head.ends_with(' '));
        let fits = rest.get(..too_long).unwrap_or(rest);
        let space = if head.is_some() { Some(too_long) } else { fits.rfind(' ').filter(|at| *at > 0) };
        let (row, tail) = rest.split_at_checked(space.unwrap_or(too_long)).unwrap_or((rest, ""));
        rows.push(row.trim_end());
        rest = tail.trim_start_matches(' ');
    }
    rows.push(rest);
    rows
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
