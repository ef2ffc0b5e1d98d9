//! Forms: what is asked, what was typed, what counts as an answer, which page comes next.
//!
//! ```text
//!  form JSON --xgov::import--> Form            (refused at publishing time, or shown whole)
//!  keys, touch --> Draft --check--> Answer     (or a Problem the citizen can put right)
//!  Form + Answers --route--> pages from the start to the first open question or the summary
//! ```
//!
//! Promises: a form that imports can be finished on a kiosk; a problem is a code and never a
//! sentence; drafts and answers are overwritten with zeroes when dropped.
//! Never: reads a clock (today comes in), shows raw HTML, guesses at a component it does not know.

pub mod answer;
pub mod check;
pub mod condition;
pub mod draft;
pub mod model;
pub mod problem;
pub mod route;
pub mod sample;
mod text;
pub mod xgov;

pub use answer::{Answer, Answers, Line};
pub use check::check;
pub use draft::{Draft, Drafts, File, NO, PartId, YES};
pub use model::{Block, Field, FieldKind, FieldName, Form, Page, PageKind, PagePath, TextBlock};
pub use problem::{Problem, ProblemCode};
pub use route::{Route, RouteEnd, route};
pub use sample::sample;
/// A calendar day. Only the caller knows which day it is.
pub use time::Date;

/// The day that `unix_ms` (milliseconds since 1970) falls on at `offset_minutes` east of UTC.
#[must_use]
pub fn date_at(unix_ms: u64, offset_minutes: i16) -> Option<Date> {
    let seconds = i64::try_from(unix_ms / 1000).ok()?.checked_add(i64::from(offset_minutes) * 60)?;
    time::OffsetDateTime::from_unix_timestamp(seconds).ok().map(time::OffsetDateTime::date)
}
