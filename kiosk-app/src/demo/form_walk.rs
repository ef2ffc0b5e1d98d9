//! Any published form through the real screen: generated answers in, the service's payload out.
//!
//! Promises: knows of the form only what its file says; what it prints is what the service received.

use super::{
    citizen::Citizen,
    hand::Do,
    report::Counts,
    stage::{ServiceFolder, Stage},
};
use anyhow::{Context, Result};
use kiosk_core::{
    form::{Draft, Field, FieldKind, Form, PartId, YES, date_at, sample, xgov},
    journey::{Journey, Place},
};
use std::{path::Path, process::ExitCode, time::SystemTime};

/// Generated answers are the same in every run.
const SEED: u64 = 7;

/// Walks the form in `file`.
pub(super) fn run(out: &Path, file: &Path) -> Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let name = file.file_name().and_then(|n| n.to_str()).unwrap_or("form.json");
    let form = xgov::import(name, &text)?;
    let language = language_of(name, &text)?;
    let mut stage = Stage::set(out, &[language], &[service(&form, language, &text)])?;
    stage.open_shell("1080x1920")?;
    let mut citizen = Citizen::new(&mut stage, language)?;
    citizen.enter(language)?;
    citizen.touch_label(&form.title)?;
    citizen.picture("start")?;
    citizen.touch("Start")?;
    let questions = citizen.fill_in(&form)?;
    citizen.picture("check-answers")?;
    citizen.touch("Accept and send")?;
    citizen.see("Answered")?;
    citizen.see("Your receipt was printed. Take it with you.")?;
    citizen.picture("answered")?;
    citizen.take_receipt()?;
    citizen.touch("Finish")?;
    citizen.leave()?;
    let payload = stage.ledger.forms();
    let received = stage.ledger.names();
    let first = payload.first().context("the service received nothing")?;
    std::fs::write(stage.out.join("payload"), &first.body)?;
    println!("{name}: {questions} questions answered in '{language}'. The service received:");
    println!("{}", readable(&first.content_type, &first.body));
    let counts = Counts::of(1, &received);
    println!("{counts}");
    Ok(if counts.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A form of ours says it in its name (`form.fr.json`), a Welsh GOV.UK form in its metadata.
fn language_of(name: &str, text: &str) -> Result<&'static str> {
    let named = |code: &str| name.ends_with(&format!(".{code}.json"));
    if let Some((code, _)) = crate::screen::words::LANGUAGES.into_iter().find(|(code, _)| named(code)) {
        return Ok(code);
    }
    let json: serde_json::Value = serde_json::from_str(text)?;
    let welsh = json.pointer("/metadata/isWelsh").and_then(serde_json::Value::as_bool).unwrap_or(false);
    Ok(if welsh { "cy" } else { "en" })
}

fn service(form: &Form, language: &str, text: &str) -> ServiceFolder {
    let has_files = form.fields().any(|field| matches!(field.kind, FieldKind::File { .. }));
    let kind = if has_files { "multipart" } else { "xgov" };
    let mut words = toml::Table::new();
    for (key, value) in
        [("title", form.title.as_str()), ("summary", form.title.as_str()), ("operator", "Demo")]
    {
        words.insert(key.into(), value.into());
    }
    let words = toml::to_string(&words).unwrap_or_default();
    let service = format!(
        "id = \"form\"\nminutes = 10\nlanguages = [\"{language}\"]\n[words.{language}]\n{words}\
         [target]\nauthority = \"example.org\"\n[answer]\nreference = \"/reference\"\n\
         [request]\nkind = \"{kind}\"\npath = \"/forms\"\n"
    );
    ServiceFolder {
        id: "form".into(),
        files: vec![("service.toml".into(), service), (format!("form.{language}.json"), text.to_owned())],
        path: "/forms",
        repeat: "idempotency-key",
        reference: "/reference",
    }
}

impl Citizen<'_> {
    /// From the attract screen to the list of services.
    pub(super) fn enter(&mut self, language: &str) -> Result<()> {
        self.touch_attract()?;
        let (_, own_name) = crate::screen::words::LANGUAGES
            .into_iter()
            .find(|(code, _)| *code == language)
            .context("a language on offer")?;
        self.touch_label(own_name)
    }

    /// Answers every question on the way with generated answers; how many there were.
    fn fill_in(&mut self, form: &Form) -> Result<usize> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        let today = date_at(u64::try_from(now)?, 0).context("what day is it?")?;
        let mut journey = Journey::default();
        let mut place = journey.first(form);
        let mut questions = 0;
        while place != Place::Check {
            if let Place::Question(name) = &place {
                let field = form.field(name).with_context(|| format!("no question '{name}'"))?;
                let draft = sample(form, field, SEED, today)
                    .with_context(|| format!("no answer known for '{name}'"))?;
                self.see_text(&field.title)?;
                self.answer(form, field, &draft)?;
                questions += 1;
                self.picture(&format!("question-{questions}"))?;
                journey.drafts.set(field.name.clone(), draft);
                if let Err(problem) = journey.accept(form, field, Some(today)) {
                    anyhow::bail!("the generated answer to '{name}' is refused: {problem:?}");
                }
            }
            self.touch("Continue")?;
            place = journey.after(form, &place).context("the form has no way on")?;
        }
        self.see("Check your answers")?;
        Ok(questions)
    }

    /// Gives one answer, by keyboard, by touch or by laying a sheet on the glass.
    fn answer(&mut self, form: &Form, field: &Field, draft: &Draft) -> Result<()> {
        for value in &draft.chosen {
            let label =
                form.choices(field).iter().find(|item| item.value == *value).map(|item| item.label.clone());
            match label {
                Some(label) => self.touch_further_down(&label)?,
                None => self.touch(if value == YES { "Yes" } else { "No" })?,
            }
        }
        if matches!(field.kind, FieldKind::File { .. }) {
            self.do_it(Do::LaySheet)?;
            let scan = self.words.say("Scan")?.to_owned();
            self.touch_further_down(&scan)?;
            return self.see("Your document was scanned. Take it back.");
        }
        for part in PartId::ALL.into_iter().filter(|part| draft.parts.contains_key(part)) {
            let label = match name_of(part) {
                Some(english) => self.words.say(english)?.to_owned(),
                None if !field.optional => field.title.clone(),
                None => format!("{} {}", field.title, self.words.say("(optional)")?),
            };
            self.type_into(&label, draft.part(part))?;
        }
        Ok(())
    }
}

/// What the screen calls a box, in English; the only box of a question is called like the question.
fn name_of(part: PartId) -> Option<&'static str> {
    match part {
        PartId::Value => None,
        PartId::Day => Some("Day"),
        PartId::Month => Some("Month"),
        PartId::Year => Some("Year"),
        PartId::Line1 => Some("House number and street"),
        PartId::Line2 => Some("Flat or building (optional)"),
        PartId::Town => Some("Town or city"),
        PartId::County => Some("County (optional)"),
        PartId::Postcode => Some("Postcode"),
    }
}

/// JSON in lines; the JSON part of a multipart body, and the size of the rest.
fn readable(content_type: &str, body: &[u8]) -> String {
    let pretty = |json: &[u8]| {
        serde_json::from_slice::<serde_json::Value>(json).and_then(|v| serde_json::to_string_pretty(&v))
    };
    if let Ok(text) = pretty(body) {
        return text;
    }
    let text = String::from_utf8_lossy(body);
    let json = text.split("\r\n\r\n").nth(1).and_then(|rest| rest.split("\r\n--").next()).unwrap_or_default();
    let shown = pretty(json.as_bytes()).unwrap_or_else(|_| json.to_owned());
    format!("{content_type}, {} bytes\n{shown}", body.len())
}
