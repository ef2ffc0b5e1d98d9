//! The outbox's promises, each a module.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod attachments;
mod campaign;
mod fixture;
mod limits;
mod model;
mod nothing_is_doubled;
mod nothing_is_lost;
mod opening;
mod reading;
mod space_returns;
