//! Believable contents for each page, in the four languages.

use kiosk_app::screen::{
    App, BlockKind, CardHint, Choice, DocumentState, Input, Page, Part, Printing, Problem, Proof, Row,
    Screen, ServiceCard, TextBlock, qr,
};
use slint::{Global, Image, ModelRc, SharedString, VecModel};

/// What a picture shows.
#[derive(Clone, Copy)]
pub(crate) enum Shows {
    /// A page that needs nothing but its name.
    Plain(Screen),
    /// The services, with or without paper in the printer.
    Services(bool),
    /// A service's start page.
    Start,
    /// A question with this control; with a problem or without.
    Question(Input, bool),
    /// A question that a card can answer.
    Card(CardHint),
    /// A document to scan.
    Document(DocumentState),
    /// The answers.
    Check,
    /// What is proven.
    Outcome(Proof, Printing),
    /// A typed claim code and what is wrong with it.
    Lookup(&'static str, &'static str),
    /// What is known about a claim.
    Result(Proof),
    /// A question under the idle warning.
    Idle,
    /// A question under "End this session?".
    Ending,
    /// Out of service.
    Out(&'static str),
}

/// One picture.
pub(crate) struct Sample {
    /// The start of the file's name.
    pub(crate) name: &'static str,
    /// What is on it.
    pub(crate) shows: Shows,
    /// Also in large text and in high contrast.
    pub(crate) aids: bool,
}

const fn sample(name: &'static str, shows: Shows) -> Sample {
    Sample { name, shows, aids: false }
}

const fn with_aids(name: &'static str, shows: Shows) -> Sample {
    Sample { name, shows, aids: true }
}

/// Every picture, in the order a citizen meets the pages.
pub(crate) const PAGES: &[Sample] = &[
    with_aids("01-attract", Shows::Plain(Screen::Attract)),
    sample("02-language", Shows::Plain(Screen::Language)),
    with_aids("03-services", Shows::Services(true)),
    sample("04-services-no-paper", Shows::Services(false)),
    with_aids("05-start", Shows::Start),
    with_aids("06-text", Shows::Question(Input::Text, false)),
    sample("07-text-wrong", Shows::Question(Input::Text, true)),
    sample("08-multiline", Shows::Question(Input::Multiline, false)),
    sample("09-number", Shows::Question(Input::Number, true)),
    sample("10-email", Shows::Question(Input::Email, true)),
    sample("11-telephone", Shows::Question(Input::Telephone, false)),
    sample("12-website", Shows::Question(Input::Website, false)),
    with_aids("13-one-of", Shows::Question(Input::OneOf, false)),
    sample("14-many-of", Shows::Question(Input::ManyOf, true)),
    sample("15-date", Shows::Question(Input::Date, true)),
    with_aids("16-address", Shows::Question(Input::Address, false)),
    sample("17-card-insert", Shows::Card(CardHint::Insert)),
    sample("18-card-wrong-way", Shows::Card(CardHint::WrongWay)),
    sample("18b-card-reader-missing", Shows::Card(CardHint::Missing)),
    sample("19-document-place", Shows::Document(DocumentState::PlaceSheet)),
    sample("20-document-scanned", Shows::Document(DocumentState::Scanned)),
    with_aids("21-check", Shows::Check),
    sample("22-working", Shows::Plain(Screen::Working)),
    with_aids("23-saved-here", Shows::Outcome(Proof::SavedHere, Printing::Printed)),
    sample("24-sent", Shows::Outcome(Proof::Sent, Printing::Printing)),
    with_aids("25-answered", Shows::Outcome(Proof::Answered, Printing::FailedPaper)),
    sample("26-needs-staff", Shows::Outcome(Proof::NeedsStaff, Printing::Unproven)),
    sample("27-lookup", Shows::Lookup("7K3M9QXA42", "")),
    sample("28-lookup-wrong", Shows::Lookup("7K3M9QXA42VDS", "check")),
    sample("28b-lookup-other-square", Shows::Lookup("", "symbol-of-something-else")),
    sample("29-result", Shows::Result(Proof::Answered)),
    sample("30-result-unknown", Shows::Result(Proof::Unknown)),
    sample("31-idle", Shows::Idle),
    sample("32-ending", Shows::Ending),
    sample("33-ended", Shows::Plain(Screen::Ended)),
    with_aids("34-out-of-service", Shows::Out("K-101")),
];

/// Takes everything off the screen but what belongs to the session's settings.
pub(crate) fn clear(app: &App) {
    let page = Page::get(app);
    page.set_screen(Screen::Working);
    page.set_parts(ModelRc::default());
    page.set_choices(ModelRc::default());
    page.set_problems(ModelRc::default());
    page.set_hint(ModelRc::default());
    page.set_body(ModelRc::default());
    page.set_title(SharedString::new());
    page.set_code(SharedString::new());
    page.set_code_problem(SharedString::new());
    page.set_claim_code(SharedString::new());
    page.set_claim_qr(Image::default());
    page.set_card_hint(CardHint::None);
    page.set_document_state(DocumentState::None);
    page.set_idle_warning(false);
    page.set_ending(false);
    page.set_printer_code(SharedString::new());
    page.set_printing_code(SharedString::new());
    page.set_device_code(SharedString::new());
    page.set_can_scan(false);
    page.set_service_minutes(0);
    page.set_section(SharedString::new());
}

/// Puts `shows` on the screen.
pub(crate) fn fill(app: &App, shows: Shows, language: &str) {
    let page = Page::get(app);
    let say = |key: &str| SharedString::from(text(language, key));
    page.set_place(say("place"));
    page.set_help_line(say("help"));
    page.set_service_title(say("service"));
    page.set_service_operator(say("operator"));
    match shows {
        Shows::Plain(screen) => page.set_screen(screen),
        Shows::Services(paper) => {
            page.set_services(services(language));
            page.set_printer_code(if paper { "" } else { "K-202" }.into());
            page.set_screen(Screen::Services);
        }
        Shows::Start => {
            page.set_service_minutes(4);
            page.set_title(say("service"));
            page.set_body(blocks(language, &["!use", "what1", "*what2", "*what3", "*what4", "what5"]));
            page.set_screen(Screen::Start);
        }
        Shows::Question(input, wrong) => question(app, language, input, wrong),
        Shows::Card(hint) => {
            question(app, language, Input::Number, false);
            page.set_card_hint(hint);
            page.set_device_code("K-214".into());
        }
        Shows::Document(state) => {
            question(app, language, Input::Document, false);
            page.set_document_state(state);
            page.set_device_code("K-221".into());
            page.set_document_name("scan-1.pdf".into());
        }
        Shows::Check => {
            page.set_rows(rows(language));
            page.set_screen(Screen::Check);
        }
        Shows::Outcome(proof, printing) => {
            outcome(&page, proof);
            page.set_claim_code("7K3M-9QXA-42VD-R".into());
            page.set_claim_qr(qr::image("https://kiosk.brightwater.example/c#7K3M-9QXA-42VD-R"));
            page.set_printing(printing);
            page.set_printing_code(if printing == Printing::FailedPaper { "K-202" } else { "" }.into());
            page.set_screen(Screen::Outcome);
        }
        Shows::Lookup(code, problem) => {
            page.set_code(code.into());
            page.set_code_problem(problem.into());
            page.set_can_scan(true);
            page.set_screen(Screen::Lookup);
        }
        Shows::Result(proof) => {
            outcome(&page, proof);
            page.set_screen(Screen::LookupResult);
        }
        Shows::Idle => {
            question(app, language, Input::Text, false);
            page.set_seconds_left(27);
            page.set_idle_warning(true);
        }
        Shows::Ending => {
            question(app, language, Input::Text, false);
            page.set_ending(true);
        }
        Shows::Out(code) => {
            page.set_out_of_service(code.into());
            page.set_screen(Screen::OutOfService);
        }
    }
}

fn outcome(page: &Page<'_>, proof: Proof) {
    page.set_proof(proof);
    page.set_reference("SR-2026-004187".into());
    page.set_staff_code("service-refused".into());
}

fn question(app: &App, language: &str, input: Input, wrong: bool) {
    let page = Page::get(app);
    let (title, hint, parts, code): (&str, &[&str], &[(&str, &str)], &str) = match input {
        Input::Text => ("q-where", &["h-where"], &[("value", "t-where")], "required"),
        Input::Multiline => ("q-what", &["h-what"], &[("value", "t-what")], "too-long"),
        Input::Number => ("q-card", &["h-card"], &[("value", "=2010 4")], "not-a-number"),
        Input::Email => ("q-email", &["h-email"], &[("value", "=eleri.example")], "email-format"),
        Input::Telephone => ("q-phone", &[], &[("value", "=029 2018 0")], "telephone-format"),
        Input::Website => ("q-web", &[], &[("value", "=www.example")], "website-format"),
        Input::OneOf => ("q-kind", &["h-kind"], &[], "choose-one"),
        Input::ManyOf => ("q-danger", &["h-danger"], &[], "choose-at-least-one"),
        Input::Date => {
            ("q-when", &["h-when"], &[("day", "=31"), ("month", "=2"), ("year", "=2026")], "date-not-real")
        }
        Input::Address => (
            "q-address",
            &[],
            &[
                ("line1", "=12 Heol y Bont"),
                ("line2", "="),
                ("town", "=Caerdydd"),
                ("county", "="),
                ("postcode", "=CF10"),
            ],
            "postcode-format",
        ),
        Input::Document => ("q-document", &["h-document"], &[], "file-required"),
    };
    let value = |key: &str| SharedString::from(key.strip_prefix('=').unwrap_or_else(|| text(language, key)));
    page.set_field(title.into());
    page.set_field_title(text(language, title).into());
    page.set_section(text(language, "section").into());
    page.set_hint(blocks(language, hint));
    page.set_input(input);
    page.set_question_number(3);
    page.set_question_count(7);
    page.set_parts(model(parts.iter().map(|(id, key)| Part { id: (*id).into(), value: value(key), wrong })));
    page.set_choices(match input {
        Input::OneOf => choices(language, &["c-hole", "c-light", "c-tree", "c-litter", "c-other"], 1),
        Input::ManyOf => choices(language, &["d-road", "d-people", "d-school", "d-none"], 9),
        Input::Text
        | Input::Multiline
        | Input::Number
        | Input::Email
        | Input::Telephone
        | Input::Website
        | Input::Date
        | Input::Address
        | Input::Document => ModelRc::default(),
    });
    let problem = Problem {
        field: title.into(),
        title: text(language, title).into(),
        code: code.into(),
        arg: "200".into(),
    };
    page.set_problems(model(wrong.then_some(problem).into_iter()));
    page.set_screen(Screen::Question);
}

fn choices(language: &str, keys: &[&str], chosen: usize) -> ModelRc<Choice> {
    model(keys.iter().enumerate().map(|(n, key)| Choice {
        value: (*key).into(),
        label: text(language, key).into(),
        hint: if n == 0 { text(language, "c-hint").into() } else { SharedString::new() },
        chosen: n == chosen || (chosen == 9 && n == 1),
    }))
}

fn services(language: &str) -> ModelRc<ServiceCard> {
    let card = |id: &str, minutes| ServiceCard {
        id: id.into(),
        title: text(language, id).into(),
        summary: text(language, &format!("{id}-summary")).into(),
        operator: text(language, "operator").into(),
        minutes,
    };
    model([card("service", 4), card("library", 2), card("fund", 25)].into_iter())
}

fn rows(language: &str) -> ModelRc<Row> {
    let words = ["q-kind", "c-light", "q-where", "t-where", "q-what", "t-what", "q-when", "t-when"];
    let fixed = [("q-email", "eleri@example.com"), ("q-address", "12 Heol y Bont\nCaerdydd\nCF10 3NQ")];
    let row = |question: &str, answer: &str| Row {
        field: question.into(),
        question: text(language, question).into(),
        answer: answer.into(),
    };
    let own = words.chunks(2).filter_map(|pair| match pair {
        [question, answer] => Some(row(question, text(language, answer))),
        _ => None,
    });
    model(own.chain(fixed.iter().map(|(question, answer)| row(question, answer))))
}

/// `!` begins a heading, `*` a bullet.
fn blocks(language: &str, keys: &[&str]) -> ModelRc<TextBlock> {
    model(keys.iter().map(|key| {
        let (kind, key) = match (key.strip_prefix('!'), key.strip_prefix('*')) {
            (Some(key), _) => (BlockKind::Heading, key),
            (_, Some(key)) => (BlockKind::Bullet, key),
            (None, None) => (BlockKind::Paragraph, *key),
        };
        TextBlock { kind, text: text(language, key).into() }
    }))
}

fn model<T: Clone + 'static>(rows: impl Iterator<Item = T>) -> ModelRc<T> {
    ModelRc::new(rows.collect::<VecModel<T>>())
}

/// A line of `sample.tsv`: key, English, French, Welsh, Arabic.
fn text(language: &str, key: &str) -> &'static str {
    let column = match language {
        "fr" => 2,
        "cy" => 3,
        "ar" => 4,
        _ => 1,
    };
    let line = include_str!("sample.tsv").lines().find(|line| line.split('\t').next() == Some(key));
    line.and_then(|line| line.split('\t').nth(column)).unwrap_or("")
}
