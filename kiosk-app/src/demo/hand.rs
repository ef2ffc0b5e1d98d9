//! What the demo's outside world asks of a shell, and what it hears back: one JSON value a line.
//!
//! The scripted citizen and the world live in the demo's process, so that what is typed leaves no
//! trace in the shell but what a finger would leave.
//!
//! Never: part of a unit's build (feature `demo`).

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One thing to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Do {
    /// Touches the control with this accessible label, once it is there.
    Touch(String),
    /// Touches the control whose accessible label begins with this, once it is there.
    TouchBeginning(String),
    /// Waits until an accessible label contains this.
    See(String),
    /// Tells all accessible labels on the screen.
    Labels,
    /// Writes the screen as `<path>-portrait.png` and `<path>-landscape.png`.
    Picture(PathBuf),
    /// Lays the screen out in this size from now on.
    Resize(u32, u32),
    /// Inserts a library card with this number.
    InsertCard(String),
    /// Pulls the card.
    PullCard,
    /// Holds a symbol that says this under the barcode scanner.
    Scan(String),
    /// Presses the keypad's key of this name and lets it go.
    Key(String),
    /// Tells the accessible label of the control that last got the focus.
    Focused,
    /// Lays a sheet on the scanner's glass.
    LaySheet,
    /// Takes the sheet away.
    TakeSheet,
    /// Tells every byte the printer received so far.
    PrinterBytes,
    /// Writes the receipt of the running session as PDF.
    ReceiptPdf(PathBuf),
    /// Ends the shell.
    Quit,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Done {
    /// It is done.
    Yes,
    /// The labels on the screen.
    Labels(Vec<String>),
    /// What has the focus.
    Focused(String),
    /// The printer's bytes.
    Bytes(Vec<u8>),
    /// It could not be done in time.
    No(String),
}
