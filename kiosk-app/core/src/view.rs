//! What the screen shows, as data: the same for pixels, for speech and for tests.
//!
//! Promises: everything a citizen can read is in here, in codes or in the service's own words.
//! Never: holds a colour, a size or a word of the product.

use crate::{
    form::{Line, PartId, Problem, TextBlock},
    ids::ServiceId,
    secret::Secret,
};

/// Which page is on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Screen {
    /// Nobody is here.
    #[default]
    Attract,
    /// Pick a language.
    Language,
    /// Pick a service.
    Services,
    /// What the service does and needs.
    Start,
    /// One question.
    Question,
    /// All answers, before sending.
    Check,
    /// Being saved.
    Working,
    /// Saved, and how far it came.
    Outcome,
    /// Type a claim code.
    Lookup,
    /// A claim is being asked about.
    LookingUp,
    /// What is proven about a claim.
    LookupResult,
    /// The session is over.
    Ended,
    /// The kiosk turns people away.
    OutOfService,
}

/// What is proven, for the eye.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Not known, or being asked.
    #[default]
    Unknown,
    /// On this kiosk.
    SavedHere,
    /// At the gateway.
    Sent,
    /// The service answered.
    Answered,
    /// A person has to look.
    NeedsStaff,
    /// Cannot be asked now.
    Unreachable,
}

/// How the receipt is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Printing {
    /// Not asked for yet.
    #[default]
    None,
    /// On its way.
    Printing,
    /// The printer proved it.
    Printed,
    /// Nothing proves it.
    Unproven,
    /// Not printed: no paper.
    NoPaper,
    /// Not printed: cover open.
    CoverOpen,
    /// Not printed.
    Failed,
}

/// What the card panel says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CardHint {
    /// No card is wanted here.
    #[default]
    None,
    /// Put your card in.
    Insert,
    /// Wait.
    Reading,
    /// Take your card.
    Read,
    /// The other way round.
    WrongWay,
    /// That is a payment card.
    Payment,
    /// Too quick.
    Torn,
    /// The reader does not serve now; the answer can be typed.
    Missing,
}

/// What the document panel says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SheetHint {
    /// No document is wanted here.
    #[default]
    None,
    /// Lay the sheet on the glass.
    Place,
    /// Ready to scan.
    Ready,
    /// Scanning.
    Scanning,
    /// Done.
    Scanned,
    /// It did not work.
    Failed,
    /// There is no scanner now.
    Missing,
}

/// What kind of control a question has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// One line.
    #[default]
    Text,
    /// Several lines.
    Multiline,
    /// Digits.
    Number,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Telephone,
    /// A web address.
    Website,
    /// One of a list.
    OneOf,
    /// Any of a list.
    ManyOf,
    /// Day, month, year.
    Date,
    /// Month, year.
    MonthYear,
    /// A postal address.
    Address,
    /// A scanned sheet.
    Document,
}

/// One text box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which.
    pub id: PartId,
    /// What is typed.
    pub value: Secret,
    /// Whether the problem is here.
    pub wrong: bool,
}

/// One choice of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What [`crate::kiosk::Act::Choose`] takes.
    pub value: String,
    /// The service's words; empty for yes and no, which are the product's.
    pub label: String,
    /// More of the service's words.
    pub hint: String,
    /// Whether it is picked.
    pub chosen: bool,
}

/// The question on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Field name.
    pub field: String,
    /// The question.
    pub title: String,
    /// Help under it.
    pub hint: Vec<TextBlock>,
    /// What the page says before it.
    pub body: Vec<TextBlock>,
    /// The title of more help, folded away.
    pub details_title: String,
    /// More help, folded away.
    pub details: Vec<TextBlock>,
    /// Whether it may stay empty.
    pub optional: bool,
    /// The control.
    pub input: Input,
    /// Text boxes.
    pub parts: Vec<Part>,
    /// Choices.
    pub choices: Vec<Choice>,
    /// What is wrong with the answer.
    pub problem: Option<Problem>,
    /// Its place in the journey, from 1.
    pub number: usize,
    /// The card panel.
    pub card: CardHint,
    /// The document panel.
    pub sheet: SheetHint,
    /// The code of the device that this question misses, for staff.
    pub device_code: &'static str,
    /// The scanned document's name.
    pub document: String,
}

/// One row of the check page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What [`crate::kiosk::Act::Change`] takes.
    pub field: String,
    /// The question.
    pub question: String,
    /// The answer's lines.
    pub answer: Vec<Line>,
}

/// A service in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceCard {
    /// What [`crate::kiosk::Act::Service`] takes.
    pub id: ServiceId,
    /// What it is called.
    pub title: String,
    /// What it does.
    pub summary: String,
    /// Who runs it.
    pub operator: String,
    /// How long it takes.
    pub minutes: u32,
}

/// What a transaction's page says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What is proven.
    pub proof: Proof,
    /// The service's own number.
    pub reference: String,
    /// Why staff must look: a code, of the gateway or of this kiosk.
    pub staff_code: String,
    /// The claim code in groups of four, also while it is not known whether it was saved; empty on a lookup.
    pub claim: String,
    /// The text of the QR code; empty on a lookup.
    pub qr: String,
    /// How the receipt is doing.
    pub printing: Printing,
    /// Why there is no receipt, a code for staff.
    pub printing_code: &'static str,
}

/// The whole screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Which page.
    pub screen: Screen,
    /// BCP 47 language; empty when nobody chose one.
    pub language: String,
    /// The chosen service's title.
    pub service: Option<ServiceCard>,
    /// All services, on the list.
    pub services: Vec<ServiceCard>,
    /// The page's title, in the service's words.
    pub title: String,
    /// The page's text, in the service's words.
    pub body: Vec<TextBlock>,
    /// The question, on a question page.
    pub question: Option<Question>,
    /// The answers, on the check page.
    pub rows: Vec<Row>,
    /// Why sending did not work, on the check page: a code.
    pub not_saved: &'static str,
    /// The transaction.
    pub outcome: Outcome,
    /// What is typed on the lookup page.
    pub code: Secret,
    /// What is wrong with it: a code.
    pub code_problem: &'static str,
    /// Seconds left while the idle warning shows.
    pub seconds_left: Option<u64>,
    /// "End this session?" shows.
    pub ending: bool,
    /// The answers were handed over and nobody said yet that they are saved.
    pub in_doubt: bool,
    /// The code on the out-of-service page.
    pub out_of_service: &'static str,
    /// The way to the gateway works.
    pub link_up: bool,
    /// Why receipts cannot be printed, a code for staff; empty when they can.
    pub printer_code: &'static str,
    /// The square on a receipt can be scanned.
    pub can_scan: bool,
}
