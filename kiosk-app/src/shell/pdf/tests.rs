//! The PDF is read back with printpdf's parser and compared with the paper it was made from.

use super::*;
use printpdf::{PdfParseOptions, TextItem};

const CLAIM_CODE: &str = "7K3M-9QXA-42VD-R";

fn paper(rtl: bool, words: [&str; 12]) -> Paper {
    let [
        heading,
        service,
        service_is,
        operator,
        operator_is,
        when,
        kiosk,
        kiosk_is,
        state,
        claim,
        check,
        keep,
    ] = words.map(str::to_owned);
    let lines = vec![
        PaperLine::Heading(heading),
        PaperLine::Rule,
        PaperLine::Pair(service, service_is),
        PaperLine::Pair(operator, operator_is),
        PaperLine::Pair(when, "23/11/2026 14:05".to_owned()),
        PaperLine::Pair(kiosk, kiosk_is),
        PaperLine::Rule,
        PaperLine::State(state),
        PaperLine::Rule,
        PaperLine::Note(claim),
        PaperLine::Claim(CLAIM_CODE.to_owned()),
        PaperLine::Qr(format!("https://claim.example.org/{CLAIM_CODE}")),
        PaperLine::Note(check),
        PaperLine::Note(keep),
    ];
    Paper { rtl, lines }
}

fn english() -> Paper {
    paper(
        false,
        [
            "Your receipt",
            "Service",
            "Report a change of address",
            "Provided by",
            "Office for Civil Affairs, Riverside District Council",
            "Submitted",
            "Kiosk",
            "Library, ground floor",
            "Saved on this kiosk, not sent yet",
            "Claim code",
            "To find out what happened, enter this code on any kiosk, or scan the picture.",
            "Keep this receipt. Nobody can look it up for you without the code.",
        ],
    )
}

fn french() -> Paper {
    paper(
        false,
        [
            "Votre reçu",
            "Service",
            "Déclarer un changement d’adresse",
            "Proposé par",
            "Mairie de Saint-Étienne-lès-Orgues, état civil",
            "Envoyé le",
            "Borne",
            "Médiathèque, rez-de-chaussée",
            "Enregistré sur cette borne, pas encore envoyé",
            "Code de suivi",
            "Pour savoir où en est votre démarche, saisissez ce code sur n’importe quelle borne.",
            "Gardez ce reçu : sans le code, personne ne peut retrouver votre demande à votre place.",
        ],
    )
}

fn welsh() -> Paper {
    paper(
        false,
        [
            "Eich derbynneb",
            "Gwasanaeth",
            "Rhoi gwybod am newid cyfeiriad tŷ",
            "Darperir gan",
            "Cyngor Sir Ynys Môn, Llangefni",
            "Cyflwynwyd",
            "Ciosg",
            "Llyfrgell Gŵyr, ger y dŵr",
            "Wedi’i gadw ar y ciosg hwn, heb ei anfon eto",
            "Cod hawlio",
            "I weld beth ddigwyddodd, rhowch y cod hwn mewn unrhyw giosg, neu sganiwch y llun.",
            "Cadwch y dderbynneb hon. Ni all neb chwilio amdani ar eich rhan heb y cod.",
        ],
    )
}

fn arabic() -> Paper {
    paper(
        true,
        [
            "إيصالك",
            "الخدمة",
            "الإبلاغ عن تغيير العنوان",
            "مقدَّمة من",
            "مكتب الشؤون المدنية (Riverside)، الطابق 2",
            "تاريخ التقديم",
            "الكشك",
            "المكتبة، الطابق الأرضي",
            "محفوظ على هذا الكشك ولم يُرسل بعد",
            "رمز المتابعة",
            "لمعرفة ما حدث لطلبك، أدخل هذا الرمز في أي كشك أو امسح الصورة ضوئيًا.",
            "احتفظ بهذا الإيصال. لا يمكن لأحد العثور على طلبك بدون الرمز.",
        ],
    )
}

fn samples() -> [(&'static str, Paper); 4] {
    [("en", english()), ("fr", french()), ("cy", welsh()), ("ar", arabic())]
}

fn parsed(paper: &Paper) -> PdfDocument {
    let bytes = pdf(paper, "Receipt").expect("a PDF");
    assert!(bytes.starts_with(b"%PDF-"));
    PdfDocument::parse(&bytes, &PdfParseOptions::default(), &mut Vec::new()).expect("a PDF that parses")
}

/// What each text section shows: the size, the place of each glyph and what it reads as.
fn sections(document: &PdfDocument) -> Vec<(f32, Vec<(u16, String)>)> {
    let mut found: Vec<(f32, Vec<(u16, String)>)> = Vec::new();
    for op in document.pages.iter().flat_map(|page| &page.ops) {
        if let Op::StartTextSection = op {
            found.push((0.0, Vec::new()));
        }
        let Some((size, glyphs)) = found.last_mut() else { continue };
        if let Op::SetFont { size: points, .. } = op {
            *size = points.0;
        }
        let Op::ShowText { items } = op else { continue };
        for item in items {
            if let TextItem::GlyphIds(ids) = item {
                glyphs.extend(ids.iter().map(|glyph| (glyph.gid, glyph.cid.clone().unwrap_or_default())));
            }
        }
    }
    found
}

fn read(glyphs: &[(u16, String)]) -> String {
    glyphs.iter().map(|(_, reading)| reading.as_str()).collect()
}

#[test]
fn the_page_is_80_mm_wide_and_grows_with_what_it_says() {
    for (language, paper) in samples() {
        let mut longer = paper.clone();
        longer.lines.push(PaperLine::Note("42".to_owned()));
        let boxes = [paper, longer].map(|paper| parsed(&paper).pages[0].media_box.clone());
        for page in &boxes {
            assert!((page.width.0 - 226.77).abs() < 0.01, "{language}: {page:?}");
        }
        let grown = boxes[1].height.0 - boxes[0].height.0;
        assert!((grown - NOTE.size * 1.3 - 4.0).abs() < 0.05, "{language}: {grown}");
    }
}

#[test]
fn the_claim_code_is_text_large_and_left_to_right_in_every_language() {
    for (language, paper) in samples() {
        let sections = sections(&parsed(&paper));
        let claims: Vec<_> = sections.iter().filter(|(_, glyphs)| read(glyphs) == CLAIM_CODE).collect();
        let [(size, glyphs)] = claims.as_slice() else {
            panic!("{language}: {:?}", sections.iter().map(|(_, glyphs)| read(glyphs)).collect::<Vec<_>>())
        };
        assert_eq!(glyphs.len(), CLAIM_CODE.len(), "{language}: one glyph for each symbol");
        assert!(glyphs.iter().all(|(id, _)| *id != 0), "{language}: no missing glyph");
        assert!(*size > VALUE.size * 1.4, "{language}: {size}");
    }
}

#[test]
fn what_is_drawn_reads_as_what_the_paper_says() {
    for (language, paper) in [("en", english()), ("fr", french()), ("cy", welsh())] {
        let drawn: Vec<String> = sections(&parsed(&paper)).iter().map(|(_, glyphs)| read(glyphs)).collect();
        let squeezed = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let drawn: Vec<String> = drawn.iter().map(|text| squeezed(text)).collect();
        for line in &paper.lines {
            let texts = match line {
                PaperLine::Pair(label, value) => vec![label, value],
                PaperLine::Heading(text)
                | PaperLine::State(text)
                | PaperLine::Claim(text)
                | PaperLine::Note(text) => vec![text],
                PaperLine::Qr(_) | PaperLine::Rule => vec![],
            };
            for text in texts {
                assert!(drawn.contains(&squeezed(text)), "{language}: {text:?} in {drawn:?}");
            }
        }
    }
}

#[test]
fn arabic_letters_are_joined_and_stand_at_the_right_edge() {
    let marks = |rtl| {
        let lines = vec![PaperLine::Pair("الخدمة".to_owned(), "23/11/2026".to_owned())];
        let document = parsed(&Paper { rtl, lines });
        let place =
            |op: &Op| if let Op::SetTextMatrix { matrix } = op { Some(matrix.as_array()[4]) } else { None };
        let starts: Vec<f32> = document.pages[0].ops.iter().filter_map(place).collect();
        (starts, sections(&document))
    };
    let ((left, sections), (right, _)) = (marks(false), marks(true));
    assert!(left.iter().all(|x| *x < MARGIN + 2.0), "{left:?}");
    assert!(right.iter().all(|x| *x > WIDTH / 2.0), "{right:?}");

    // Drawn from left to right, so the last letter comes first. The meem joins on both sides: another
    // glyph than the letter alone.
    let mut letters = sections[0].1.clone();
    letters.reverse();
    assert_eq!(read(&letters), "الخدمة");
    let meem = letters.iter().find(|(_, reading)| reading == "م").expect("a meem").0;
    let alone = parsed(&Paper { rtl: true, lines: vec![PaperLine::Note("م".to_owned())] });
    let [(_, alone)] = super::tests::sections(&alone).try_into().expect("one text");
    assert_ne!(meem, alone[0].0);
}

#[test]
fn the_qr_code_is_32_mm_of_rectangles_in_the_middle() {
    let text = "https://claim.example.org/7K3M";
    let code = QrCode::with_error_correction_level(text, EcLevel::M).expect("a code");
    let ops = squares(&code, 100.0);
    let Some(Op::DrawPolygon { polygon }) = ops.last() else { panic!("{ops:?}") };
    let mut dark = vec![qrcode::Color::Light; code.width() * code.width()];
    for ring in &polygon.rings {
        let xs = ring.points.iter().map(|point| (point.p.x.0 - (WIDTH - QR_SIDE) / 2.0) / module(&code));
        let ys = ring.points.iter().map(|point| (100.0 - point.p.y.0) / module(&code));
        let ends = |values: Vec<f32>| {
            let low = values.iter().copied().fold(f32::MAX, f32::min).round();
            let high = values.iter().copied().fold(f32::MIN, f32::max).round();
            (0..code.width()).filter(move |n| (low..high).contains(&count(*n))).collect::<Vec<_>>()
        };
        let (columns, rows) = (ends(xs.collect()), ends(ys.collect()));
        for row in rows {
            for column in &columns {
                dark[row * code.width() + column] = qrcode::Color::Dark;
            }
        }
    }
    assert!(dark == code.to_colors(), "the rectangles are the code");
}

#[test]
fn fonts_carry_only_what_is_shown() {
    for (language, paper) in samples() {
        let size = pdf(&paper, "Receipt").expect("a PDF").len();
        assert!(size < 100_000, "{language}: {size} bytes");
    }
}

#[test]
fn a_text_too_long_for_a_qr_code_is_refused() {
    let lines = vec![PaperLine::Qr("x".repeat(5_000))];
    assert!(matches!(pdf(&Paper { rtl: false, lines }, "Receipt"), Err(PdfError::Qr(_))));
}

#[test]
fn a_letter_and_its_vowel_sign_read_as_themselves() {
    let words = "ولم يُرسل بعد";
    let document = parsed(&Paper { rtl: true, lines: vec![PaperLine::State(words.to_owned())] });
    let [(_, mut glyphs)] = sections(&document).try_into().expect("one text");
    glyphs.reverse();
    assert_eq!(read(&glyphs), words);
}

#[test]
fn nothing_is_drawn_outside_the_margins_however_long_a_word_is() {
    for rtl in [false, true] {
        let lines = vec![PaperLine::Pair("x".repeat(90), "W".repeat(90)), PaperLine::Claim("W".repeat(30))];
        for op in &parsed(&Paper { rtl, lines }).pages[0].ops {
            if let Op::SetTextMatrix { matrix } = op {
                let x = matrix.as_array()[4];
                assert!((MARGIN - 0.5..WIDTH - MARGIN).contains(&x), "{x}");
            }
        }
    }
}
