//! Stripe readers that send raw HID reports, as MagTek's do.
//!
//! ```text
//! ReportSource --report--> layout --tracks--> SwipeReader
//!   hidraw, sim   once, from the report descriptor: where status, length and data of each track are
//! ```
//!
//! Promises: a report that is short or says more than it has is a card that cannot be read, never half a
//! number; a reader that encrypts is refused, because nothing of a card could be recognised.
//! Never: sends the reader a command.

pub mod layout;
mod reader;

pub use layout::StripeLayout;
pub use reader::HidSwipes;
