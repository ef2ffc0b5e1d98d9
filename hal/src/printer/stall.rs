//! Asking a printer that takes nothing more why, in the middle of a job.
//!
//! A printer without automatic status says nothing by itself. `DLE EOT` is obeyed on receipt, but its bytes
//! count as data of the command they stand in, so a question goes
//!
//! ```text
//! between commands, in text      beside the job
//! in the data of a picture       in place of three bytes of it: 24 dots are wrong, all else stays in step
//! anywhere else in a command     not at all
//! ```
//! Source: Epson ESC/POS command reference, `DLE EOT`, notes.
//!
//! Promises: the printer stays in step with the job. Never: asks where the answer comes by itself.

use super::escpos::{Command, RealTime};
use std::ops::Range;

/// The bytes of `DLE EOT n`.
pub(super) const QUESTION_BYTES: usize = 3;
/// Questions of one job: each may cost 24 dots.
const QUESTIONS_MAX: usize = 8;
/// The header of `GS v 0`.
const RASTER_HEADER: usize = 8;

/// Where in a job's bytes a question may stand.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<(Range<usize>, bool)>);

impl Places {
    /// Appends `commands` to `bytes`, and tells where each stands.
    pub(super) fn encode(commands: &[Command], bytes: &mut Vec<u8>) -> Self {
        let mut places = Vec::new();
        for command in commands {
            let start = bytes.len();
            command.encode(bytes);
            if !matches!(command, Command::Text(_)) {
                places.push((start..bytes.len(), matches!(command, Command::Raster(_))));
            }
        }
        Self(places)
    }

    /// How many of the job's own bytes a question replaces after the first `sent`; `None` where none may stand.
    fn replaces(&self, sent: usize) -> Option<usize> {
        let inside = self.0.iter().find(|(range, _)| range.start < sent && sent < range.end);
        match inside {
            None => Some(0),
            Some((range, true))
                if (range.start + RASTER_HEADER..=range.end - QUESTION_BYTES).contains(&sent) =>
            {
                Some(QUESTION_BYTES)
            }
            Some(_) => None,
        }
    }
}

/// The questions of one job.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// Of the question under way, what the printer did not take yet.
    pub(super) pending: Vec<u8>,
    /// What the next answer is to.
    pub(super) asked: Option<RealTime>,
    count: usize,
}

impl Questions {
    /// Puts the next question; how many of the job's bytes it replaces.
    pub(super) fn put(&mut self, places: &Places, sent: usize) -> usize {
        let Some(replaced) = places.replaces(sent).filter(|_| self.asked.is_none()) else { return 0 };
        if self.count >= QUESTIONS_MAX {
            return 0;
        }
        let which = if self.count.is_multiple_of(2) { RealTime::Paper } else { RealTime::OfflineCause };
        self.count += 1;
        self.asked = Some(which);
        self.pending = Command::encode_all(&[Command::AskStatus(which)]);
        replaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Bitmap;

    #[test]
    fn a_question_stands_where_it_changes_nothing_but_dots() {
        let commands = [
            Command::Initialise,
            Command::Text(b"text".to_vec()),
            Command::Raster(Bitmap::new(32, 2)),
            Command::LineFeed,
        ];
        let mut bytes = Vec::new();
        let places = Places::encode(&commands, &mut bytes);
        assert_eq!(bytes, Command::encode_all(&commands));
        let found: Vec<_> = (0..=bytes.len()).map(|sent| places.replaces(sent)).collect();
        let (no, beside, picture) = (None, Some(0), Some(3));
        let mut right = vec![beside, no, beside, beside, beside, beside, beside];
        right.extend([no; 7]);
        right.extend([picture; 6]);
        right.extend([no, no, beside, beside]);
        assert_eq!(found, right);
    }

    #[test]
    fn questions_end() {
        let mut questions = Questions::default();
        for _ in 0..QUESTIONS_MAX {
            questions.put(&Places::default(), 0);
            assert!(questions.asked.take().is_some());
        }
        questions.put(&Places::default(), 0);
        assert!(questions.asked.is_none());
    }
}
