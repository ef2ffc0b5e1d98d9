//! What counts as an answer.

use crate::form::{question, today};
use kiosk_core::{
    form::{Answer, Draft, File, Line, NO, PartId, ProblemCode, YES, check},
    secret::{Secret, SecretBytes},
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The answer as machine text, or the problem as `code part arg`.
fn outcome(kind: &str, more: Value, draft: &Draft) -> Result<String, String> {
    let (form, field) = question(kind, more);
    match check(&form, &field, draft, Some(today())) {
        Ok(answer) => Ok(answer.text().map_or_else(String::new, |text| text.expose().to_owned())),
        Err(problem) => {
            let part = problem.part.map_or("", PartId::as_str);
            let arg = problem.arg.unwrap_or_default();
            let said = [problem.code.as_str(), part, &arg].map(str::to_owned);
            Err(said.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
        }
    }
}

fn typed(kind: &str, more: Value, text: &str) -> Result<String, String> {
    outcome(kind, more, &Draft::text(text))
}

fn ok(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn problem(text: &str) -> Result<String, String> {
    Err(text.to_owned())
}

#[test]
fn text_is_trimmed_and_measured_in_characters() {
    let rules = || json!({ "schema": { "min": 2, "max": 5 } });
    assert_eq!(typed("TextField", rules(), "  Siân \u{a0} "), ok("Siân"));
    assert_eq!(typed("TextField", rules(), "a\t \nb"), ok("a b"));
    assert_eq!(typed("TextField", rules(), " \u{a0}\n"), problem("required value"));
    assert_eq!(typed("TextField", rules(), "é"), problem("too-short value 2"));
    assert_eq!(typed("TextField", rules(), "ééééé"), ok("ééééé"));
    assert_eq!(typed("TextField", rules(), "éééééé"), problem("too-long value 5"));
    assert_eq!(typed("TextField", json!({}), &"x".repeat(501)), problem("too-long value 500"));
}

#[test]
fn a_pattern_takes_digits_of_other_scripts() {
    let rules = || json!({ "schema": { "regex": "^[A-Z]?[0-9]{6}$" } });
    assert_eq!(typed("TextField", rules(), "B123456"), ok("B123456"));
    assert_eq!(typed("TextField", rules(), "١٢٣٤٥٦"), ok("123456"));
    assert_eq!(typed("TextField", rules(), "12345"), problem("format value"));
}

#[test]
fn many_lines_are_counted_in_words() {
    let rules = || json!({ "options": { "maxWords": "3" } });
    assert_eq!(typed("FreeTextField", rules(), " one\r\ntwo  three \n"), ok("one\ntwo  three"));
    assert_eq!(typed("MultilineTextField", rules(), "one two three four"), problem("too-many-words value 3"));
    assert_eq!(typed("MultilineTextField", json!({}), &"x".repeat(10_001)), problem("too-long value 10000"));
}

#[test]
fn numbers_are_read_as_people_write_them() {
    let pounds = || json!({ "options": { "prefix": "£" } });
    for (text, number) in [
        ("12", "12"),
        (" £1,234.50 ", "1234.50"),
        ("1 234", "1234"),
        ("1,5", "1.5"),
        ("1,234,567", "1234567"),
        ("−3", "-3"),
        ("-0.0", "0"),
        ("007", "7"),
        (".5", "0.5"),
        ("١٬٢٣٤٫٥", "1234.5"),
        ("۴۲", "42"),
        ("\u{200f}٤٢\u{200e}", "42"),
        ("१२", "12"),
        ("12", "12"),
    ] {
        assert_eq!(typed("NumberField", pounds(), text), ok(number), "{text}");
    }
    for text in ["twelve", "1.2.3", "12,34,567", "1e5", "--1", ".", "5.", "inf", "NaN", "1,,2", "½"] {
        assert_eq!(typed("NumberField", pounds(), text), problem("not-a-number value"), "{text}");
    }
    assert_eq!(typed("NumberField", pounds(), ""), problem("required value"));
    assert_eq!(typed("NumberField", pounds(), &"9".repeat(31)), problem("not-a-number value"));
}

#[test]
fn numbers_keep_their_limits() {
    let rules = || json!({ "schema": { "min": 1, "max": "10.5", "integer": true } });
    assert_eq!(typed("NumberField", rules(), "10"), ok("10"));
    assert_eq!(typed("NumberField", rules(), "10.0"), ok("10"));
    assert_eq!(typed("NumberField", rules(), "2.5"), problem("not-whole value"));
    assert_eq!(typed("NumberField", rules(), "0"), problem("too-small value 1"));
    assert_eq!(typed("NumberField", rules(), "11"), problem("too-large value 10.5"));
    let money = || json!({ "schema": { "precision": 2 } });
    assert_eq!(typed("NumberField", money(), "2.50"), ok("2.50"));
    assert_eq!(typed("NumberField", money(), "2.505"), problem("format value"));
}

#[test]
fn yes_and_no_exclude_each_other() {
    assert_eq!(outcome("YesNoField", json!({}), &Draft::choice(YES)), ok("yes"));
    assert_eq!(outcome("YesNoField", json!({}), &Draft::choice(NO)), ok("no"));
    assert_eq!(outcome("YesNoField", json!({}), &Draft::default()), problem("choose-yes-no"));
    assert_eq!(outcome("YesNoField", json!({}), &Draft::choice("perhaps")), problem("choose-yes-no"));
    let mut both = Draft::choice(YES);
    both.toggle(NO);
    assert_eq!(outcome("YesNoField", json!({}), &both), problem("choose-yes-no"));
    both.choose_only(NO);
    assert_eq!(outcome("YesNoField", json!({}), &both), ok("no"));
}

#[test]
fn choices_come_from_the_list() {
    let list = || json!({ "list": "colours" });
    for kind in ["RadiosField", "SelectField", "AutocompleteField"] {
        assert_eq!(outcome(kind, list(), &Draft::choice("g")), ok("g"));
        assert_eq!(outcome(kind, list(), &Draft::choice("Green")), problem("not-in-list"));
        assert_eq!(outcome(kind, list(), &Draft::default()), problem("choose-one"));
    }
    let mut several = Draft::choice("b");
    several.toggle("r");
    assert_eq!(outcome("RadiosField", list(), &several), problem("choose-one"));
    assert_eq!(outcome("CheckboxesField", list(), &several), ok("r, b"));
    several.toggle("x");
    assert_eq!(outcome("CheckboxesField", list(), &several), problem("not-in-list"));
    assert_eq!(outcome("CheckboxesField", list(), &Draft::default()), problem("choose-at-least-one"));
}

fn day(day: &str, month: &str, year: &str) -> Draft {
    Draft::default().with(PartId::Day, day).with(PartId::Month, month).with(PartId::Year, year)
}

#[test]
fn dates_are_real_days() {
    let date = |draft: &Draft| outcome("DatePartsField", json!({}), draft);
    assert_eq!(date(&day(" 9 ", "03", "2026")), ok("2026-03-09"));
    assert_eq!(date(&day("٢٩", "٢", "٢٠٢٤")), ok("2024-02-29"));
    assert_eq!(date(&day("29", "2", "2026")), problem("date-not-real day"));
    assert_eq!(date(&day("29", "2", "1900")), problem("date-not-real day"));
    assert_eq!(date(&day("29", "2", "2000")), ok("2000-02-29"));
    assert_eq!(date(&day("31", "4", "2026")), problem("date-not-real day"));
    assert_eq!(date(&day("1", "13", "2026")), problem("date-not-real month"));
    assert_eq!(date(&day("1", "1", "26")), problem("date-not-real year"));
    assert_eq!(date(&day("x", "1", "2026")), problem("date-not-real day"));
    assert_eq!(date(&Draft::default()), problem("date-required day"));
    assert_eq!(date(&day("1", " ", "2026")), problem("date-part-missing month month"));
    assert_eq!(date(&day("", "1", "2026")), problem("date-part-missing day day"));
    assert_eq!(date(&day("1", "1", "")), problem("date-part-missing year year"));
}

#[test]
fn dates_keep_their_distance_from_today() {
    let rules = || json!({ "options": { "maxDaysInPast": "10", "maxDaysInFuture": 0 } });
    let date = |draft: &Draft| outcome("DatePartsField", rules(), draft);
    assert_eq!(date(&day("15", "3", "2026")), ok("2026-03-15"));
    assert_eq!(date(&day("5", "3", "2026")), ok("2026-03-05"));
    assert_eq!(date(&day("4", "3", "2026")), problem("date-in-past day 10"));
    assert_eq!(date(&day("16", "3", "2026")), problem("date-in-future day 0"));
    let (form, field) = question("DatePartsField", rules());
    assert!(check(&form, &field, &day("16", "3", "2026"), None).is_ok(), "a unit that does not know the day");
}

#[test]
fn a_month_needs_no_day() {
    let month = |draft: &Draft| outcome("MonthYearField", json!({}), draft);
    assert_eq!(month(&day("", "2", "2026")), ok("2026-02"));
    assert_eq!(month(&day("", "", "2026")), problem("date-part-missing month month"));
    assert_eq!(month(&day("", "0", "2026")), problem("date-not-real month"));
}

#[test]
fn email_addresses_of_every_script() {
    for good in [
        "a@b.cy",
        " sam.o'neil+kiosk@council.gov.uk ",
        "δοκιμή@παράδειγμα.δοκιμή",
        "用户@例子.广告",
        "siân@llyfrgell.cymru",
        "مستخدم@مثال.إختبار",
        "\u{200e}x_y@xn--bcher-kva.example",
        "a@sub-domain.co.uk",
    ] {
        assert!(typed("EmailAddressField", json!({}), good).is_ok(), "{good}");
    }
    let long = format!("{}@example.org", "x".repeat(65));
    for bad in [
        "a",
        "@b.cy",
        "a@",
        "a@b",
        "a@@b.cy",
        "a b@c.cy",
        "a.@b.cy",
        ".a@b.cy",
        "a..b@c.cy",
        "a@-b.cy",
        "a@b-.cy",
        "a@b..cy",
        "a@1.2.3.4",
        "a@[::1]",
        "\"a b\"@c.cy",
        "a@b_c.cy",
        "a,b@c.cy",
        "a@b.cy, c@d.cy",
        &long,
    ] {
        assert_eq!(typed("EmailAddressField", json!({}), bad), problem("email-format value"), "{bad}");
    }
    assert_eq!(typed("EmailAddressField", json!({}), "  "), problem("required value"));
}

#[test]
fn telephone_numbers_keep_their_marks() {
    assert_eq!(typed("TelephoneNumberField", json!({}), " (029) 2034-4444 "), ok("(029) 2034-4444"));
    assert_eq!(typed("TelephoneNumberField", json!({}), "+44 ٢٩ 2034 4444"), ok("+44 29 2034 4444"));
    for bad in ["12345", "1234567890123456", "029 2034 x4", "44+2920344444", "tel"] {
        assert_eq!(typed("TelephoneNumberField", json!({}), bad), problem("telephone-format value"), "{bad}");
    }
}

fn address(line1: &str, town: &str, postcode: &str) -> Draft {
    Draft::default().with(PartId::Line1, line1).with(PartId::Town, town).with(PartId::Postcode, postcode)
}

#[test]
fn postcodes_get_their_space_and_capitals() {
    for (text, postcode) in [
        ("cf103nq", "CF10 3NQ"),
        ("LL57 2DG", "LL57 2DG"),
        (" sy 23 3 bu ", "SY23 3BU"),
        ("SA1\u{a0}1DP", "SA1 1DP"),
        ("w1a 0ax", "W1A 0AX"),
        ("EC1A-1BB", "EC1A 1BB"),
        ("M1 1AE", "M1 1AE"),
        ("gir0aa", "GIR 0AA"),
        ("CF٤٣ ٤AA", "CF43 4AA"),
    ] {
        let got = outcome("UkAddressField", json!({}), &address("1 Y Stryd", "Caerdydd", text));
        assert_eq!(got, Ok(format!("1 Y Stryd, Caerdydd, {postcode}")), "{text}");
    }
    for bad in ["CF10", "CF10 3N", "10115", "QF10 3NQ", "CF10 3NC", "CFX 3NQ", "CF10 3NQ!", "C", "é10 3NQ"] {
        let got = outcome("UkAddressField", json!({}), &address("1", "x", bad));
        assert_eq!(got, problem("postcode-format postcode"), "{bad}");
    }
}

#[test]
fn an_address_misses_its_parts_in_order() {
    let got = |draft: &Draft| outcome("UkAddressField", json!({}), draft);
    assert_eq!(got(&Draft::default()), problem("address-line-missing line1"));
    assert_eq!(got(&address("1", "", "CF10 3NQ")), problem("town-missing town"));
    assert_eq!(got(&address("1", "x", " ")), problem("postcode-missing postcode"));
    assert_eq!(got(&address(&"x".repeat(101), "x", "CF10 3NQ")), problem("too-long line1 100"));
    let whole = address("1", "x", "CF10 3NQ").with(PartId::Line2, "Flat 2").with(PartId::County, "Gwent");
    assert_eq!(got(&whole), ok("1, Flat 2, x, Gwent, CF10 3NQ"));
}

#[test]
fn web_addresses_need_no_scheme() {
    assert_eq!(typed("WebsiteField", json!({}), "www.gov.wales/a?b=c"), ok("https://www.gov.wales/a?b=c"));
    assert_eq!(typed("WebsiteField", json!({}), "http://bücher.example"), ok("http://bücher.example"));
    for bad in [
        "nothing",
        "ftp://a.example",
        "javascript:alert(1)",
        "https://",
        "http://user@a.example",
        "a b.cy",
        "http://1.2.3.4",
    ] {
        assert_eq!(typed("WebsiteField", json!({}), bad), problem("website-format value"), "{bad}");
    }
}

fn file(name: &str, media_type: &str, len: usize) -> Draft {
    let mut draft = Draft::default();
    draft.files.push(File {
        name: Secret::from(name),
        media_type: media_type.to_owned(),
        bytes: SecretBytes::new(vec![7; len]),
    });
    draft
}

#[test]
fn files_are_counted_weighed_and_known() {
    let rules = || {
        let accepted = "image/*, application/pdf,.odt";
        json!({ "options": { "dropzoneConfig": { "maxFiles": 1, "maxFilesize": 1, "acceptedFiles": accepted } } })
    };
    let got = |draft: &Draft| outcome("ClientSideFileUploadField", rules(), draft);
    assert_eq!(got(&file("a.png", "image/png", 1)), ok("a.png"));
    assert_eq!(got(&file("a.ODT", "application/octet-stream", 1)), ok("a.ODT"));
    assert_eq!(got(&file("a.pdf", "Application/PDF", 1 << 20)), ok("a.pdf"));
    assert_eq!(got(&file("a.pdf", "application/pdf", (1 << 20) + 1)), problem("file-too-large 1"));
    assert_eq!(got(&file("a.exe", "application/x-msdownload", 1)), problem("file-type"));
    assert_eq!(got(&file("é", "text/plain", 1)), problem("file-type"));
    assert_eq!(got(&file("a.png", "image/png", 0)), problem("file-required"));
    assert_eq!(got(&Draft::default()), problem("file-required"));
    let mut two = file("a.png", "image/png", 1);
    two.files.push(two.files[0].clone());
    assert_eq!(got(&two), problem("too-many-files 1"));
    let (form, field) = question(
        "ClientSideFileUploadField",
        json!({ "options": { "dropzoneConfig": {}, "minimumRequiredFiles": 0 } }),
    );
    assert_eq!(check(&form, &field, &Draft::default(), None), Ok(Answer::Empty));
}

#[test]
fn an_optional_question_may_be_left_open_but_not_be_wrong() {
    for kind in
        ["TextField", "NumberField", "EmailAddressField", "DatePartsField", "UkAddressField", "YesNoField"]
    {
        let (form, field) = question(kind, json!({ "options": { "required": false } }));
        let blank = address(" ", "\n", "").with(PartId::Value, " \t");
        assert_eq!(check(&form, &field, &blank, None), Ok(Answer::Empty), "{kind}");
    }
    let got = typed("EmailAddressField", json!({ "options": { "required": false } }), "sam@");
    assert_eq!(got, problem("email-format value"));
}

#[test]
fn answers_are_shown_in_the_citizens_words() {
    let (form, field) = question("CheckboxesField", json!({ "list": "colours" }));
    let text = |text: &str| Line::Text(Secret::from(text));
    let mut draft = Draft::choice("b");
    draft.toggle("r");
    let shown = |draft: &Draft, form, field| check(form, field, draft, None).unwrap().display(form, field);
    assert_eq!(shown(&draft, &form, &field), [text("Red"), text("Blue")]);
    let (form, field) = question("DatePartsField", json!({}));
    assert_eq!(shown(&day("9", "3", "2026"), &form, &field), [text("09/03/2026")]);
    let (form, field) = question("YesNoField", json!({}));
    assert_eq!(shown(&Draft::choice(NO), &form, &field), [Line::No]);
    let (form, field) = question("UkAddressField", json!({}));
    let lines = [text("1"), text("x"), text("CF10 3NQ")];
    assert_eq!(shown(&address("1", "x", "cf103nq"), &form, &field), lines);
}

#[test]
fn codes_are_the_words_the_screen_knows() {
    let codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    let promised = [
        "required",
        "choose-one",
        "choose-at-least-one",
        "choose-yes-no",
        "too-long",
        "too-short",
        "too-many-words",
        "not-a-number",
        "not-whole",
        "too-small",
        "too-large",
        "date-required",
        "date-part-missing",
        "date-not-real",
        "date-in-past",
        "date-in-future",
        "email-format",
        "telephone-format",
        "address-line-missing",
        "town-missing",
        "postcode-missing",
        "postcode-format",
        "website-format",
        "format",
        "file-required",
        "file-too-large",
        "file-type",
        "too-many-files",
        "not-in-list",
    ];
    assert_eq!(codes, promised);
    assert!(PartId::ALL.iter().all(|part| PartId::from_code(part.as_str()) == Some(*part)));
}

#[test]
fn drafts_and_answers_print_nothing_of_a_citizen() {
    let draft = Draft::text("Gwen").with(PartId::Town, "Bangor");
    let (form, field) = question("TextField", json!({}));
    let answer = check(&form, &field, &draft, None).unwrap();
    let printed = format!("{draft:?} {answer:?} {:?}", Draft::choice("secret"));
    assert!(!["Gwen", "Bangor", "secret"].iter().any(|word| printed.contains(word)), "{printed}");
}

proptest! {
    #[test]
    fn any_text_is_an_answer_or_a_problem(
        text in "(\\PC|[0-9٠-٩., @:/+£-]|[\\x00-\\x20]){0,40}",
        other in "[0-9a-zé٣ ]{0,6}",
        kind in prop::sample::select(vec![
            "TextField", "MultilineTextField", "NumberField", "EmailAddressField", "TelephoneNumberField",
            "WebsiteField", "UkAddressField", "DatePartsField", "MonthYearField", "YesNoField",
        ]),
    ) {
        let (form, field) = question(kind, json!({}));
        let mut draft = Draft::choice(&text);
        for part in PartId::ALL {
            draft = draft.with(part, if part == PartId::Value { &text } else { &other });
        }
        let first = check(&form, &field, &draft, Some(today()));
        // What is accepted is accepted again as it was normalised.
        if let (Ok(answer), [PartId::Value]) = (&first, kiosk_core::form::check::parts(&field.kind)) {
            let again = Draft::text(answer.text().unwrap_or_default().expose());
            prop_assert_eq!(&check(&form, &field, &again, Some(today())), &first);
        }
    }

    #[test]
    fn every_whole_number_is_read_back(number: i64) {
        prop_assert_eq!(typed("NumberField", json!({}), &number.to_string()), Ok(number.to_string()));
    }
}
