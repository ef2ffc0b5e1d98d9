//! Where the lines go: words for a person, or an object for a program.
//!
//! Promises: one line each, written at once. Never: both.

use anyhow::Result;
use hal::selftest::{Corner, Prompt};
use serde_json::{Map, Value, json};
use std::{io::Write, time::Duration};

pub(super) struct Console<'a> {
    out: &'a mut dyn Write,
    json: bool,
}

impl<'a> Console<'a> {
    pub(super) fn new(out: &'a mut dyn Write, json: bool) -> Self {
        Self { out, json }
    }

    /// One line: `text`, or `object` as an object of this kind.
    pub(super) fn say(&mut self, kind: &str, text: &str, object: Value) -> Result<()> {
        if self.json {
            let mut object = if let Value::Object(fields) = object { fields } else { Map::new() };
            object.insert("kind".to_owned(), kind.into());
            writeln!(self.out, "{}", Value::Object(object))?;
        } else {
            writeln!(self.out, "{text}")?;
        }
        Ok(self.out.flush()?)
    }

    /// What a person is asked to do within `limit`.
    pub(super) fn ask(&mut self, prompt: Prompt, limit: Duration) -> Result<()> {
        let (ask, what, words) = asked(prompt);
        self.prompt(ask, what, &words, limit)
    }

    pub(super) fn prompt(
        &mut self,
        ask: &str,
        what: Option<&str>,
        words: &str,
        limit: Duration,
    ) -> Result<()> {
        let seconds = limit.as_secs();
        let text = format!("  -> {words} (within {seconds} s)");
        self.say("prompt", &text, json!({ "ask": ask, "what": what, "seconds": seconds }))
    }

    /// The last line: `hal COMMAND: name figure, name figure`.
    pub(super) fn summary(&mut self, command: &str, well: bool, figures: &[(&str, usize)]) -> Result<()> {
        let text: Vec<_> = figures.iter().map(|(name, figure)| format!("{name} {figure}")).collect();
        let mut object = json!({ "command": command, "ok": well });
        for (name, figure) in figures {
            if let Value::Object(fields) = &mut object {
                fields.insert(name.replace(' ', "_"), (*figure).into());
            }
        }
        self.say("summary", &format!("hal {command}: {}", text.join(", ")), object)
    }
}

/// The code, what it is about, and the words.
fn asked(prompt: Prompt) -> (&'static str, Option<&'static str>, String) {
    let corner = |corner| match corner {
        Corner::UpperLeft => "upper-left",
        Corner::UpperRight => "upper-right",
        Corner::LowerRight => "lower-right",
        Corner::LowerLeft => "lower-left",
    };
    match prompt {
        Prompt::PresentCard => ("present-card", None, "present a card".to_owned()),
        Prompt::TakeCard => ("take-card", None, "take the card out".to_owned()),
        Prompt::ShowCode => ("show-code", None, "hold any code under the scanner".to_owned()),
        Prompt::PressKey(key) => ("press-key", Some(key), format!("press {key}")),
        Prompt::TouchCorner(at) => {
            ("touch-corner", Some(corner(at)), format!("touch the {} corner of the screen", corner(at)))
        }
        Prompt::LaySheet => ("lay-sheet", None, "lay a sheet into the document scanner".to_owned()),
        Prompt::OpenCover => ("open-cover", None, "open the printer's cover".to_owned()),
        Prompt::CloseCover => ("close-cover", None, "close the cover again".to_owned()),
    }
}
