//! What a job becomes on paper of a given width, text by text; drawn text is a bar of known length.

use super::*;
use crate::printer::Direction;
use proptest::prelude::*;

/// Draws every text as one black bar, a dot for each character, one row high.
struct Bar;

impl DrawText for Bar {
    fn draw(&mut self, text: &str, look: Look, width: usize) -> Result<Bitmap, DrawError> {
        let mut bar = Bitmap::new(width, 1);
        let length = text.chars().count();
        let start = if look.justify == Justify::Right { width - length } else { 0 };
        (start..start + length).for_each(|x| bar.set(x, 0));
        Ok(bar)
    }
}

fn commands(lines: &[Line], profile: &str) -> Result<Vec<Command>, LayoutError> {
    lay_out(&Job::of(lines.to_vec()), &Profile::named(profile).unwrap(), &mut Bar)
}

fn texts(commands: &[Command]) -> Vec<String> {
    let mut texts = Vec::new();
    for command in commands {
        if let Command::Text(bytes) = command {
            texts.push(String::from_utf8_lossy(bytes).into_owned());
        }
    }
    texts
}

#[test]
fn words_wrap_at_the_column() {
    let rows = wrap("the quick brown fox", 9);
    assert_eq!(rows, ["the quick", "brown fox"]);
    assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    assert_eq!(wrap("", 4), [""]);
    assert_eq!(wrap("a  b", 2), ["a", "b"]);
}

#[test]
fn a_pair_fills_the_line() {
    let out = commands(&[Line::pair("Amount", "12.00")], "generic-58").unwrap();
    assert_eq!(texts(&out), ["Amount                     12.00"]);
    let style = Style::default().reading(Direction::RightToLeft);
    let line = Line::Pair { left: "Amount".into(), right: "12.00".into(), style };
    assert_eq!(texts(&commands(&[line], "generic-58").unwrap()), ["12.00                     Amount"]);
}

#[test]
fn a_pair_too_long_takes_two_lines() {
    let out = commands(&[Line::pair("a".repeat(20), "b".repeat(12))], "generic-58").unwrap();
    assert_eq!(texts(&out), ["a".repeat(20), "b".repeat(12)]);
    assert!(out.contains(&Command::Justify(Justify::Right)));
}

#[test]
fn styles_are_set_once_and_taken_back() {
    let heading = Style::default().bold().sized(Size::Double).aligned(Align::Centre);
    let lines = [Line::styled("Saved", heading), Line::styled("here", heading), Line::text("ok")];
    let bytes = Command::encode_all(&commands(&lines, "generic-80").unwrap());
    let expected = b"\x1Bt\0\x1BE\x01\x1D!\x11\x1Ba\x01Saved\nhere\n\x1BE\0\x1D!\0\x1Ba\0ok\n";
    assert_eq!(bytes, expected);
}

#[test]
fn each_line_takes_the_page_that_has_it() {
    let out = commands(&[Line::text("Reçu"), Line::text("5 €"), Line::text("déjà")], "generic-80").unwrap();
    assert_eq!(Command::encode_all(&out), b"\x1Bt\0Re\x87u\n\x1Bt\x105 \x80\n\x1Bt\0d\x82j\x85\n");
}

#[test]
fn a_text_gives_the_printer_no_orders() {
    let out = commands(&[Line::text("a\u{1b}@\u{10}\u{4}\u{1}\r\tb")], "generic-80").unwrap();
    assert_eq!(texts(&out), ["a @     b"]);
}

#[test]
fn what_no_page_has_is_drawn_at_the_right_when_it_reads_so() {
    let out = commands(&[Line::text("إيصال")], "generic-80").unwrap();
    let [Command::Raster(bitmap)] = out.as_slice() else { panic!("{out:?}") };
    assert_eq!(bitmap.ink(), Some((571, 576)));
    let out = commands(&[Line::pair("رقم", "ABC-1")], "generic-80").unwrap();
    let [Command::Raster(bitmap)] = out.as_slice() else { panic!("{out:?}") };
    assert!(bitmap.get(0, 0) && bitmap.get(4, 0) && !bitmap.get(5, 0) && bitmap.get(573, 0));
}

#[test]
fn without_drawing_the_line_is_named() {
    let job = Job::of(vec![Line::text("ok"), Line::text("Tŷ")]);
    let error = lay_out(&job, &Profile::named("generic-80").unwrap(), &mut NoText).unwrap_err();
    assert_eq!(error, LayoutError::Text { line: 2, source: DrawError::NotBuiltIn });
    assert!(!error.to_string().contains('ŷ'));
}

#[test]
fn a_qr_code_is_a_command_or_a_picture() {
    let line = [Line::Qr { data: "https://example.gov.uk/c/7K3M-9QXA-42VD-R".into() }];
    let out = commands(&line, "epson-tm-t20iii").unwrap();
    assert!(out.iter().any(|command| matches!(command, Command::Qr { module: 8, .. })), "{out:?}");
    let out = commands(&line, "generic-80").unwrap();
    assert!(out.iter().all(|command| matches!(command, Command::Raster(_))), "{out:?}");
    let out = commands(&[Line::Qr { data: "1".repeat(7100) }], "generic-80");
    assert_eq!(out, Err(LayoutError::QrTooLarge { line: 1 }));
}

#[test]
fn tall_pictures_go_in_strips_and_wide_ones_not_at_all() {
    let mut bitmap = Bitmap::new(100, 300);
    (0..300).for_each(|y| bitmap.set(99, y));
    let out = commands(&[Line::Image(bitmap)], "generic-80").unwrap();
    let strip = |command: &Command| {
        let Command::Raster(strip) = command else { panic!("{command:?}") };
        (strip.width(), strip.height())
    };
    assert_eq!(out.iter().map(strip).collect::<Vec<_>>(), [(338, 128), (338, 128), (338, 44)]);
    let out = commands(&[Line::Image(Bitmap::new(577, 1))], "generic-80");
    assert_eq!(out, Err(LayoutError::ImageTooWide { line: 1, dots: 577, dots_max: 576 }));
}

proptest! {
    #[test]
    fn wrapped_rows_fit_and_keep_every_word(text in "[a-z ]{0,80}", columns in 1_usize..30) {
        let rows = wrap(&text, columns);
        prop_assert!(rows.iter().all(|row| row.chars().count() <= columns));
        let letters = |text: &str| text.replace(' ', "");
        prop_assert_eq!(letters(&rows.concat()), letters(&text));
    }

    #[test]
    fn any_text_is_laid_out(left: String, right: String) {
        let lines = [Line::text(left.clone()), Line::pair(left, right)];
        let _ = lay_out(&Job::of(lines.into()), &Profile::named("generic-58").unwrap(), &mut NoText);
    }
}
