//! What goes in and what comes out.

use crate::{
    claim::ClaimDigest,
    form::File,
    health::{Condition, Device},
    ids::{EnvelopeId, ServiceId},
    receipt::Receipt,
    request::Request,
    secret::Secret,
    session::Millis,
    wire::{Stamp, ToShell},
};

/// The time an event happened, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotonic.
    pub mono: Millis,
    /// Wall clock with its quality.
    pub stamp: Stamp,
    /// Minutes east of UTC at this moment, for the day that "today" is.
    pub offset_minutes: i16,
}

/// Everything that can happen to a kiosk.
#[derive(Debug)]
pub enum Event {
    /// A citizen did something on the screen.
    Citizen(Act),
    /// A finger, key or card moved without asking for anything.
    Activity,
    /// From the card reader.
    Card(Card),
    /// From the document scanner.
    Sheet(Sheet),
    /// From the barcode scanner.
    Symbol(Symbol),
    /// The print job of this session ended.
    Printed(PrintResult),
    /// A device changed.
    Device(Device, Condition),
    /// From the agent.
    Agent(ToShell),
    /// The agent's socket opened or broke.
    AgentConnected(bool),
    /// A sealed answer was opened.
    Opened {
        /// Whose.
        id: EnvelopeId,
        /// The HTTP status and the body, or `None` when it could not be opened.
        answer: Option<Answered>,
    },
}

/// A service's answer, opened in the shell.
#[derive(Debug)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// The service's own number, found where the catalogue says.
    pub reference: Option<String>,
}

/// What a citizen can do on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Touches the attract screen.
    Touch,
    /// Picks a language, at any step.
    Language(String),
    /// Picks a service.
    Service(ServiceId),
    /// Opens the claim lookup.
    OpenLookup,
    /// Starts the questions.
    Begin,
    /// Types into a part of the field on the screen.
    Edit {
        /// Part id, such as `value` or `day`.
        part: String,
        /// The whole text of the part.
        text: Secret,
    },
    /// Picks or unpicks a choice of the field on the screen.
    Choose(String),
    /// Goes on.
    Next,
    /// Goes back.
    Back,
    /// Changes an answer from the check page.
    Change(String),
    /// Sends.
    Submit,
    /// Scans the sheet.
    Scan,
    /// Types a claim code.
    TypeCode(Secret),
    /// Looks the typed code up.
    LookUp,
    /// Needs more time.
    MoreTime,
    /// Ends the session: asks first when something would be lost.
    EndSession,
    /// Does not end the session after all.
    KeepGoing,
    /// Is done.
    Finish,
}

/// What the card reader says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Card {
    /// A card is in; it is being read.
    Inserted,
    /// The card is out.
    Removed,
    /// The number on a library card.
    Number(Secret),
    /// The wrong way round, or dirty.
    Unreadable,
    /// Pulled before it was read.
    Torn,
    /// A payment card; it was refused and forgotten.
    Payment,
}

/// What the document scanner says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// A sheet is on the glass.
    Placed,
    /// The glass is empty.
    Removed,
    /// The sheet as a picture.
    Scanned(File),
    /// It did not work; the citizen may try again.
    Failed,
}

/// What the barcode scanner says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// A symbol, as text.
    Text(Secret),
    /// Something that could not be read; it may be tried again.
    Unreadable,
}

/// How a print job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrintResult {
    /// The printer proved it.
    Proven,
    /// Bytes went out; nothing proves the paper.
    Unproven,
    /// Nothing was printed: no paper.
    NoPaper,
    /// Nothing was printed: cover open.
    CoverOpen,
    /// Nothing was printed for another reason.
    Failed,
}

/// What the shell is to do.
#[derive(Debug)]
pub enum Command {
    /// Seal this and hand it to the agent.
    Submit(Box<Submission>),
    /// Hand the very same envelope to the agent again.
    Resend(EnvelopeId),
    /// Ask the agent about a claim.
    Lookup(ClaimDigest),
    /// Open the sealed answer with the context kept since [`Command::Submit`].
    Open {
        /// Whose.
        id: EnvelopeId,
        /// An Encapsulated Response.
        sealed: Vec<u8>,
    },
    /// Print, once.
    Print(Receipt),
    /// Let one card through, or none.
    ArmCardReader(bool),
    /// Let one symbol of the barcode scanner through, or none.
    ArmScanner(bool),
    /// Scan the sheet on the glass.
    Scan,
    /// The session is over: forget contexts, clear fields, turn volume and contrast back.
    Wipe,
}

/// A finished form on its way to the agent.
#[derive(Debug)]
pub struct Submission {
    /// Made here, the same for ever.
    pub id: EnvelopeId,
    /// Where it goes.
    pub service: ServiceId,
    /// How the citizen finds it.
    pub claim: ClaimDigest,
    /// When it was submitted.
    pub made_at: Stamp,
    /// The HTTP request the service expects.
    pub request: Request,
}
