//! How fast a serial line is and how the printer stops it.
//!
//! | `flow` | the printer stops the line by | use |
//! |---|---|---|
//! | `rts-cts`, when left out | pulling CTS | always, with a cable that has the wire |
//! | `xon-xoff` | sending 13h and 11h | only for a model that leaves both alone inside pictures |
//! | `none` | nothing: what comes too fast is lost | lines that cannot be too fast, such as USB adapters inside a printer |
//!
//! Epson printers come with DTR/DSR and 38400 or 19200 bits a second, 8 data bits, no parity, 1 stop bit.
//! The kernel has no DTR/DSR: the printer's DTR goes to the host's CTS in the cable, and `flow` is `rts-cts`.
//!
//! Promises: what parses prints back the same. Never: opens anything.

use serde::{Deserialize, Serialize};

/// Rates of receipt printers. Below 9600 a full buffer outlasts the driver's patience.
const BAUDS: [u32; 5] = [9_600, 19_200, 38_400, 57_600, 115_200];

/// Bits a second. A picture of 100 KB takes 110 s at 9600 and 9.4 s at 115200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Baud(u32);

/// Epson's setting as delivered.
impl Default for Baud {
    fn default() -> Self {
        Self(38_400)
    }
}

impl TryFrom<u32> for Baud {
    type Error = String;

    fn try_from(baud: u32) -> Result<Self, String> {
        if BAUDS.contains(&baud) {
            return Ok(Self(baud));
        }
        let known = BAUDS.map(|known| known.to_string()).join(", ");
        Err(format!("baud {baud} is none of {known}"))
    }
}

impl From<Baud> for u32 {
    fn from(baud: Baud) -> Self {
        baud.0
    }
}

/// How the printer stops the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Flow {
    /// Not at all.
    None,
    /// By characters in its answers.
    XonXoff,
    /// By a wire.
    #[default]
    RtsCts,
}

impl TryFrom<String> for Flow {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "none" => Ok(Self::None),
            "xon-xoff" => Ok(Self::XonXoff),
            "rts-cts" => Ok(Self::RtsCts),
            "dtr-dsr" => Err("flow dtr-dsr is not in the kernel: \
                 wire the printer's DTR to CTS and write rts-cts"
                .to_owned()),
            _ => Err(format!("flow '{text}' is none of none, xon-xoff, rts-cts")),
        }
    }
}

impl From<Flow> for String {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::None => "none",
            Flow::XonXoff => "xon-xoff",
            Flow::RtsCts => "rts-cts",
        }
        .to_owned()
    }
}

/// Both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Bits a second.
    pub baud: Baud,
    /// How the printer stops the line.
    pub flow: Flow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_print_back_as_given() {
        for baud in BAUDS {
            assert_eq!(Baud::try_from(baud).map(u32::from), Ok(baud));
        }
        for flow in ["none", "xon-xoff", "rts-cts"] {
            assert_eq!(Flow::try_from(flow.to_owned()).map(String::from), Ok(flow.to_owned()));
        }
    }

    #[test]
    fn others_are_refused_with_what_there_is() {
        for baud in [0, 1200, 38_401] {
            assert!(Baud::try_from(baud).unwrap_err().contains("38400"));
        }
        assert!(Flow::try_from("dtr-dsr".to_owned()).unwrap_err().contains("CTS"));
        assert!(Flow::try_from("hardware".to_owned()).unwrap_err().contains("rts-cts"));
    }
}
