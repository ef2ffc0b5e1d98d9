//! Services, and the requests they are sent.

use crate::form::{SERVICE, demo, demo_forms, form_of, import, today};
use kiosk_core::{
    catalogue::{Catalogue, Scheme, Service, Target, Words},
    form::{Answers, Draft, File, Form, NO, PartId, YES, check},
    ids::EnvelopeId,
    request::{self, BodySpec, Context, RequestError, RequestSpec},
    secret::{Secret, SecretBytes},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FOLDER: &str = "report-street-problem";

fn set(form: &Form, answers: &mut Answers, name: &str, draft: &Draft) {
    let field = form.field(name).unwrap();
    answers.set(field.name.clone(), check(form, field, draft, Some(today())).unwrap());
}

fn filled(form: &Form) -> Answers {
    let mut answers = Answers::default();
    set(form, &mut answers, "kind", &Draft::choice("fly-tipping"));
    set(form, &mut answers, "where", &Draft::text("Heol y Gât & Co"));
    set(form, &mut answers, "what", &Draft::text("a mattress\nand 2 tyres = wet {where}"));
    let date = Draft::default().with(PartId::Day, "1").with(PartId::Month, "3").with(PartId::Year, "2026");
    set(form, &mut answers, "noticed", &date);
    set(form, &mut answers, "library-card", &Draft::default());
    set(form, &mut answers, "email", &Draft::text("gwen@example.org"));
    set(form, &mut answers, "reply", &Draft::choice(YES));
    answers
}

fn context() -> Context<'static> {
    Context { envelope: EnvelopeId::new(1_773_532_800_000, [1; 10]), language: "cy", boundary: [0xab; 16] }
}

fn pairs(body: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

#[test]
fn the_demonstration_is_whole_in_four_languages() {
    let service = demo();
    assert_eq!(service.languages, ["en", "fr", "cy", "ar"]);
    let words: Vec<&str> =
        service.languages.iter().map(|l| service.words(l).unwrap().title.as_str()).collect();
    assert_eq!(words.len(), 4);
    assert_eq!(service.language("de"), "en");
    assert_eq!(service.language("ar"), "ar");
    let titles: Vec<&str> = service.forms.values().flat_map(Form::fields).map(|f| f.title.as_str()).collect();
    assert!(
        titles.iter().all(|title| titles.iter().filter(|other| other == &title).count() == 1),
        "untranslated"
    );
}

#[test]
fn open311_gets_its_arguments() {
    let service = demo();
    let form = service.form("cy").unwrap();
    let request = request::build(&service.request, form, &filled(form), context()).unwrap();
    assert_eq!((request.method, request.path.as_str()), ("POST", "/requests.json"));
    let id = context().envelope;
    let key = ("idempotency-key".to_owned(), format!("\"{id}\""));
    assert!(request.headers.contains(&key));
    let description =
        format!("a mattress\nand 2 tyres = wet {{where}}\nFirst noticed: 2026-03-01 [kiosk {id}]");
    let want = [
        ("service_code", "fly-tipping"),
        ("address_string", "Heol y Gât & Co"),
        ("description", &description),
        ("email", "gwen@example.org"),
    ];
    assert_eq!(
        pairs(request.body.expose()),
        want.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect()
    );
}

#[test]
fn what_left_the_route_is_not_sent_and_labels_do_not_stand_alone() {
    let service = demo();
    let form = service.form("en").unwrap();
    let mut answers = filled(form);
    set(form, &mut answers, "reply", &Draft::choice(NO));
    set(form, &mut answers, "noticed", &Draft::default());
    set(form, &mut answers, "library-card", &Draft::text("B 1234567"));
    let request = request::build(&service.request, form, &answers, context()).unwrap();
    let sent = pairs(request.body.expose());
    assert_eq!(sent.get("email"), None);
    assert_eq!(sent["account_id"], "B 1234567");
    let mark = context().envelope;
    assert_eq!(sent["description"], format!("a mattress\nand 2 tyres = wet {{where}} [kiosk {mark}]"));
}

#[test]
fn an_unfinished_form_is_not_sent() {
    let service = demo();
    let form = service.form("en").unwrap();
    let mut answers = filled(form);
    answers.remove("where");
    let got = request::build(&service.request, form, &answers, context());
    assert_eq!(got, Err(RequestError::Unfinished));
}

fn upload() -> Form {
    let mut form = form_of(json!({ "type": "FileUploadField", "name": "plan", "title": "Plan",
        "options": { "multiple": true } }));
    form["pages"][0]["components"].as_array_mut().unwrap().extend([
        json!({ "type": "YesNoField", "name": "sure", "title": "Sure" }),
        json!({ "type": "CheckboxesField", "name": "mix", "title": "Mix", "list": "colours" }),
        json!({ "type": "TextField", "name": "more", "title": "More", "options": { "required": false } }),
    ]);
    form["sections"] = json!([{ "name": "s", "title": "S" }]);
    form["pages"][0]["section"] = json!("s");
    import(&form)
}

fn pdf(name: &str, bytes: &[u8]) -> Draft {
    let mut draft = Draft::default();
    draft.files.push(File {
        name: Secret::from(name),
        media_type: "application/pdf".into(),
        bytes: SecretBytes::new(bytes.to_vec()),
    });
    draft
}

#[test]
fn the_form_runners_payload_and_the_files_travel_in_one_body() {
    let form = upload();
    let mut answers = Answers::default();
    set(&form, &mut answers, "plan", &pdf("my \"plan\"\r\nX: y.pdf", b"%PDF\r\n--x\0"));
    set(&form, &mut answers, "sure", &Draft::choice(YES));
    set(&form, &mut answers, "mix", &Draft::choice("g"));
    set(&form, &mut answers, "more", &Draft::default());
    let spec = RequestSpec { path: "/apply".into(), body: BodySpec::Multipart };
    let request = request::build(&spec, &form, &answers, context()).unwrap();
    let boundary = format!("kiosk-{}", "ab".repeat(16));
    assert_eq!(request.headers[0].1, format!("multipart/form-data; boundary={boundary}"));
    let body = String::from_utf8(request.body.expose().to_vec()).unwrap();
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    let ["", json, file, "--\r\n"] = parts.as_slice() else { panic!("{parts:?}") };
    let (head, text) = json.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        head,
        "\r\nContent-Disposition: form-data; name=\"answers\"\r\nContent-Type: application/json"
    );
    let payload: Value = serde_json::from_str(text).unwrap();
    let field = |key: &str, title: &str, kind: &str, answer: Value| json!({ "key": key, "title": title, "type": kind, "answer": answer });
    assert_eq!(
        payload,
        json!({
            "name": "Test",
            "metadata": { "envelope": context().envelope.to_string(), "language": "cy" },
            "questions": [{ "category": "s", "question": "A", "index": 0, "fields": [
                field("plan", "Plan", "file", json!(["my \"plan\"\r\nX: y.pdf"])),
                field("sure", "Sure", "list", json!(true)),
                field("mix", "Mix", "list", json!(["g"])),
                json!({ "key": "more", "title": "More", "type": "text" }),
            ] }]
        })
    );
    let head = "\r\nContent-Disposition: form-data; name=\"plan\"; filename=\"my %22plan%22%0D%0AX: y.pdf\"\r\nContent-Type: application/pdf\r\n\r\n";
    assert_eq!(*file, format!("{head}%PDF\r\n--x\0\r\n"));
}

#[test]
fn a_body_that_does_not_fit_an_envelope_is_refused() {
    let form = upload();
    let mut answers = Answers::default();
    let mut two = pdf("a.pdf", &vec![1; 3 << 20]);
    two.files.push(two.files[0].clone());
    set(&form, &mut answers, "plan", &two);
    set(&form, &mut answers, "sure", &Draft::choice(NO));
    set(&form, &mut answers, "mix", &Draft::choice("r"));
    set(&form, &mut answers, "more", &Draft::default());
    let spec = RequestSpec { path: "/apply".into(), body: BodySpec::Multipart };
    let got = request::build(&spec, &form, &answers, context());
    assert!(matches!(got, Err(RequestError::TooLarge { .. })));
    set(&form, &mut answers, "plan", &pdf("a.pdf", format!("kiosk-{}", "ab".repeat(16)).as_bytes()));
    assert_eq!(request::build(&spec, &form, &answers, context()), Err(RequestError::Boundary));
}

#[test]
fn a_service_that_does_not_fit_is_refused_in_place() {
    for (from, to, text) in [
        ("minutes = 3", "minutes = 0", "minutes: not between 1 and 120"),
        (
            "id = \"report",
            "id = \"Report",
            "id: Report-street-problem is not the folder's name, report-street-problem",
        ),
        ("\"cy\", \"ar\"]", "\"cy\"]", "words.ar: not one of the languages"),
        ("\"cy\", \"ar\"]", "\"cy\", \"ar\", \"de\"]", "words.de: missing"),
        ("kind = \"library\"", "kind = \"bank\"", "card.kind: a card of the kind bank cannot be read"),
        ("field = \"library-card\"", "field = \"x\"", "card.field: there is no question called x"),
        ("field = \"library-card\"", "field = \"email\"", "card.field: email (email address) is not a text"),
        ("\"{kind}\"", "\"{colour}\"", "request.service_code: there is no question called colour"),
        ("\"{where}\"", "\"{noticed}\"", "request.address_string: noticed may be left open"),
        (
            "\"{where}\"",
            "\"{where\"",
            "request.address_string: a template has braces around names of questions only, such as {where}",
        ),
        ("path = \"/", "path = \"", "request.path: not a path beginning with /"),
        (
            "authority = \"open311",
            "authority = \"a/b",
            "target.authority: not a host, with or without a port",
        ),
        (
            "authority =",
            "key = \"AQ==\"\nauthority =",
            "target.key: shorter than any Key Configuration (RFC 9458 section 3.1)",
        ),
        ("\"/0/service", "\"0/service", "answer.reference: a JSON pointer begins with / (RFC 6901)"),
    ] {
        assert!(SERVICE.contains(from), "{from}");
        let error = Service::parse(FOLDER, &SERVICE.replacen(from, to, 1), &demo_forms()).unwrap_err();
        assert_eq!(error.to_string(), format!("report-street-problem/service.toml: {text}"));
    }
    let error = Service::parse(FOLDER, "id = \"x\"\nminutes = [", &demo_forms()).unwrap_err();
    assert_eq!(error.place, "line 2");
    let mut forms = demo_forms();
    forms.remove("fr");
    let error = Service::parse(FOLDER, SERVICE, &forms).unwrap_err();
    assert_eq!(error.to_string(), "report-street-problem/service.toml: languages[1]: there is no form in fr");
}

#[test]
fn languages_that_disagree_are_refused_in_place() {
    for (from, to, text) in [
        (
            "\"value\": \"rubbish\"",
            "\"value\": \"waste\"",
            "list kinds, items[2]: the choices of kind have not the values they have in en",
        ),
        (
            "\"name\": \"where\"",
            "\"name\": \"place\"",
            "pages[2]: the question where of en is called place here",
        ),
        ("\"maxWords\": 200", "\"maxWords\": 300", "pages[3]: what asks for something else than in en"),
        ("\"/summary\"\n", "\"/email\"\n", "pages[6].next: not the ways on that en has"),
        ("\"value\": \"true\"", "\"value\": \"false\"", "conditions: not the conditions of en"),
        ("\"title\": \"Gwiriwch eich atebion\"", "\"title\": \"\"", "pages[8]: title is missing"),
    ] {
        let mut forms = demo_forms();
        let (_, text_of_form) = forms.get_mut("cy").unwrap();
        assert!(text_of_form.contains(from), "{from}");
        *text_of_form = text_of_form.replacen(from, to, 1);
        let error = Service::parse(FOLDER, SERVICE, &forms).unwrap_err();
        assert_eq!(error.to_string(), format!("report-street-problem/form.cy.json: {text}"));
    }
}

fn wrapped(body: BodySpec) -> Result<Service, String> {
    let words = Words { title: "T".into(), summary: "S".into(), operator: "O".into() };
    let request = RequestSpec { path: "/a".into(), body };
    let target = Target { scheme: Scheme::Https, authority: "a.example".into(), key: None };
    Service::from_form("upload".parse().unwrap(), "en", upload(), words, request, target)
        .map_err(|e| e.to_string())
}

#[test]
fn a_form_with_files_is_only_sent_as_multipart() {
    assert!(wrapped(BodySpec::Multipart).is_ok());
    let text =
        "upload/service.toml: request.kind: plan asks for files, and only the kind multipart sends them";
    assert_eq!(wrapped(BodySpec::Xgov), Err(text.to_owned()));
}

#[test]
fn a_catalogue_keeps_order_and_refuses_twins() {
    let other = wrapped(BodySpec::Multipart).unwrap();
    let catalogue = Catalogue::new(vec![demo(), other.clone()]).unwrap();
    assert_eq!(catalogue.services()[1], other);
    assert_eq!(catalogue.languages(), ["en", "fr", "cy", "ar"]);
    assert_eq!(catalogue.service(&other.id), Some(&other));
    let error = Catalogue::new(vec![other.clone(), other]).unwrap_err();
    assert_eq!(error.to_string(), "upload/service.toml: id: a second service called upload");
}

#[test]
fn the_reference_is_where_the_service_says() {
    let service = demo();
    let found = |reply: &str| service.reference_in(reply.as_bytes());
    assert_eq!(found("[{\"service_request_id\":\"SR-7\"}]"), Some("SR-7".to_owned()));
    assert_eq!(found("[{\"service_request_id\":293944}]"), Some("293944".to_owned()));
    assert_eq!(found("[{\"token\":\"t\"}]"), None);
    assert_eq!(found("[{\"service_request_id\":\"\"}]"), None);
    assert_eq!(found("not json"), None);
    // The gateway keeps none of these either: paper and look-up say the same.
    assert_eq!(found("[{\"service_request_id\":1.5}]"), None);
    assert_eq!(found("[{\"service_request_id\":\"a\\u0007b\"}]"), None);
    assert_eq!(found(&format!("[{{\"service_request_id\":\"{}\"}}]", "9".repeat(65))), None);
}
