//! The screen: what the files in `ui/` compile to, and the Rust that stands beside it.
//!
//! [`Page`] is what the pages show, [`Act`] what the citizen did, [`Words`] the product's words for
//! codes. [`words`] knows the languages, [`qr`] makes the picture of a claim code, [`headless`] is a
//! screen without a display, [`pulse`] proves frames to systemd's watchdog.
//!
//! Promises: the only place with words and colours is `ui/`.
//! Never: decides what comes next.

pub mod headless;
pub mod pulse;
pub mod qr;
pub mod words;

#[cfg(feature = "demo")]
#[cfg(test)]
mod tests;

/// What slint-build makes from `ui/app.slint`.
#[expect(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::todo,
    reason = "generated; the files in ui/ carry the words about it"
)]
mod generated {
    slint::include_modules!();
}

#[cfg(feature = "demo")]
pub use generated::Drawer;
pub use generated::{
    Act, App, BlockKind, CardHint, Choice, DocumentState, Greeting, Input, Language, Page, Part, Printing,
    Problem, Proof, Pulse, Row, Screen, ServiceCard, TextBlock, Words,
};
