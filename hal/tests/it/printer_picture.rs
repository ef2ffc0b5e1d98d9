//! The picture of a receipt is what a citizen would hold: legible, and its QR code reads.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::printer::soon;
use hal::{
    printer::{
        Align, Bitmap, CutterKind, EscPos, Job, Line, PrintProof, Profile, ReceiptPrinter, Size, Style,
    },
    sim::{picture, printer::SimPrinter},
};

const LINK: &str = "https://kiosk.example.gov/c#7K3M-9QXA-42VD-R";

fn receipt() -> Job {
    let heading = Style::default().bold().sized(Size::Double).aligned(Align::Centre);
    let centred = Style::default().aligned(Align::Centre);
    let bold = Style::default().bold();
    let right_to_left = |text: &str| Line::styled(text, Style::default());
    Job::of(vec![
        Line::styled("Mairie de Lyon", heading),
        Line::styled("Borne de services · Hôtel de ville", centred),
        Line::Feed(1),
        Line::styled("Changement d’adresse", bold.sized(Size::Tall)),
        Line::Rule,
        Line::pair("Reçu le", "23/11/2026 à 22:31"),
        Line::pair("État", "Enregistré ici"),
        Line::pair("Montant", "12,50 €"),
        Line::Rule,
        Line::text(
            "Votre demande est enregistrée sur cette borne. Elle sera envoyée dès que la liaison le permet.",
        ),
        Line::Feed(1),
        right_to_left("تم حفظ طلبكم في هذا الجهاز وسيتم إرساله فور عودة الاتصال."),
        Line::pair("رمز المتابعة", "7K3M-9QXA-42VD-R"),
        Line::pair("المبلغ", "12,50 €"),
        Line::styled("خدمات البلدية", heading),
        Line::Feed(1),
        Line::text("Mae eich cais wedi’i gadw. Tŷ’r Cyngor, dŵr"),
        Line::styled("Underlined, and reference", Style::default().underlined()),
        Line::Qr { data: LINK.to_owned() },
        Line::styled("7K3M-9QXA-42VD-R", bold.sized(Size::Double).aligned(Align::Centre)),
        Line::Feed(1),
        Line::Cut,
    ])
}

fn printed(profile: &str) -> Bitmap {
    let profile = Profile::named(profile).unwrap();
    let (printer, panel) = SimPrinter::new(profile.dots_per_line);
    let mut driver = EscPos::open(printer.connect().unwrap(), profile.clone(), soon()).unwrap();
    panel.take_bytes();
    let proof = driver.print(&receipt(), soon()).unwrap();
    let proven = matches!(proof, PrintProof::Completed | PrintProof::Accepted);
    assert!(proven || (proof == PrintProof::Sent && !profile.replies), "{proof:?}");
    let pictures = picture::render(&panel.take_bytes(), profile.dots_per_line);
    assert_eq!(pictures.len(), 1);
    if profile.cutter != CutterKind::None {
        assert_eq!(pictures, panel.receipts());
    }
    pictures.into_iter().next().unwrap()
}

fn qr_codes(picture: &Bitmap) -> Vec<String> {
    let luma = |x, y| if picture.get(x, y) { 0 } else { 255 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(picture.width(), picture.height(), luma);
    image.detect_grids().iter().map(|grid| grid.decode().unwrap().1).collect()
}

fn keep(name: &str, picture: &Bitmap) {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(path, picture.to_png().unwrap()).unwrap();
}

#[test]
fn the_qr_code_reads_whoever_draws_it() {
    for profile in Profile::names() {
        let picture = printed(profile);
        keep(&format!("receipt-{profile}.png"), &picture);
        assert_eq!(qr_codes(&picture), [LINK], "{profile}");
    }
}

#[test]
fn a_receipt_without_a_cut_is_one_picture_too() {
    let pictures = picture::render(b"\x1B@Hello\n", 384);
    assert_eq!(pictures.len(), 1);
    assert_eq!(pictures[0].height(), 30 + 2 * picture::MARGIN);
}
