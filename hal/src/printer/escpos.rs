//! ESC/POS commands as a type, and their bytes.
//!
//! ```text
//! ESC @        1B 40                    GS ( k  1D 28 6B pL pH 31 fn ...   QR: 65 67 69 80 81
//! ESC t n      1B 74 n                  GS v 0  1D 76 30 m xL xH yL yH d   m 0, x bytes, y rows
//! ESC E n      1B 45 n                  GS V    1D 56 41|42 n              feed n and cut
//! ESC - n      1B 2D n                  DLE EOT 10 04 n
//! GS ! n       1D 21 n                  GS a    1D 61 n
//! ESC a n      1B 61 n                  GS r    1D 72 01
//! ESC d n      1B 64 n                  GS I    1D 49 n
//! FS P         1C 50 n m c t            n steps of 5 mm, m light, c 'R' pull back or 'E' eject, t seconds
//! GS F6h, F8h  1D F6, 1D F8             black mark under the head, at the cutter
//! GS ( H       1D 28 48 06 00 30 30 d1 d2 d3 d4
//! GS ( L  112  1D 28 4C pL pH 30 70 30 1 1 31 xL xH yL yH d    p = 10 + data, to 65535; x, y in dots
//! GS 8 L  112  1D 38 4C p1 p2 p3 p4 30 70 30 1 1 31 xL ...     the same beyond
//! GS ( L  50   1D 28 4C 02 00 30 32                            prints what was stored
//! GS ( D       1D 28 44 05 00 14 01 30 02 30
//! DLE DC4 8    10 14 08 01 03 14 01 06 02 08
//! ```
//! Source: Epson ESC/POS command reference, one section per command.
//!
//! Promises: a command's bytes are what its section says; what does not fit a length field is refused
//! by the layout, and here cut to it, never wrapped round.
//! Never: reads or waits.

use super::Bitmap;

/// The longest QR data of `GS ( k` function 80: 7089 digits.
pub const QR_BYTES_MAX: usize = 7089;
/// The tallest picture of `GS ( L` and `GS 8 L` function 112, dots.
pub const GRAPHICS_ROWS_MAX: usize = 2400;

/// Which status `DLE EOT n` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealTime {
    /// n = 1: on line?
    Printer,
    /// n = 2: why not?
    OfflineCause,
    /// n = 3: which error?
    ErrorCause,
    /// n = 4: how is the roll?
    Paper,
}

impl RealTime {
    /// All four, in order.
    pub const ALL: [Self; 4] = [Self::Printer, Self::OfflineCause, Self::ErrorCause, Self::Paper];

    fn number(self) -> u8 {
        match self {
            Self::Printer => 1,
            Self::OfflineCause => 2,
            Self::ErrorCause => 3,
            Self::Paper => 4,
        }
    }
}

/// Which text `GS I n` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityText {
    /// n = 65.
    Firmware,
    /// n = 66.
    Maker,
    /// n = 67.
    Model,
    /// n = 68.
    Serial,
}

/// Where `ESC a n` puts a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Justify {
    /// n = 0.
    Left,
    /// n = 1.
    Centre,
    /// n = 2.
    Right,
}

/// One command, or text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// `ESC @`: styles and positions as after power on.
    Initialise,
    /// `ESC t n`.
    CodePage(u8),
    /// `ESC E n`.
    Emphasis(bool),
    /// `ESC - n`, one dot thick.
    Underline(bool),
    /// `GS ! n`: times as wide, times as tall, 1 to 8.
    Size(u8, u8),
    /// `ESC a n`.
    Justify(Justify),
    /// Characters in the chosen code page.
    Text(Vec<u8>),
    /// LF: prints the line.
    LineFeed,
    /// `ESC d n`: prints and feeds n lines.
    Feed(u8),
    /// `GS ( k` functions 65, 67, 69, 80, 81: model 2, error correction M.
    Qr {
        /// What it holds, at most [`QR_BYTES_MAX`] bytes.
        data: Vec<u8>,
        /// Dots of one module, 1 to 16.
        module: u8,
    },
    /// `GS v 0`, normal density.
    Raster(Bitmap),
    /// `GS ( L`, or `GS 8 L` where its length field is too short: function 112, then 50; at most
    /// [`GRAPHICS_ROWS_MAX`] rows at once.
    Graphics(Bitmap),
    /// `GS V 65 n`: feeds to the cutter and n dots, cuts through.
    CutFull(u8),
    /// `GS V 66 n`: the same, leaving a bridge.
    CutPartial(u8),
    /// `FS P`: cuts, shows so many millimetres in the mouth, pulls back after so many seconds.
    Present {
        /// Millimetres, in steps of 5.
        show_mm: u8,
        /// Seconds; 0 would be never.
        retract_s: u8,
    },
    /// `GS F6h`: feeds until the black mark is under the head, where a receipt begins.
    MarkToHead,
    /// `GS F8h`: feeds until the black mark is at the cutter, where a receipt ends.
    MarkToCutter,
    /// `DLE EOT 20`: the full status of printers with a presenter.
    AskFullStatus,
    /// `DLE EOT n`.
    AskStatus(RealTime),
    /// `GS a n`: send status by itself on change of on line, errors and roll; or stop doing so.
    AutomaticStatus(bool),
    /// `GS r 1`: the roll, answered in order.
    AskRoll,
    /// `GS I n`.
    AskIdentity(IdentityText),
    /// `GS ( H` function 48: answered when all before it is on paper. Bytes 20h to 7Eh.
    ProcessId([u8; 4]),
    /// `GS ( D`: `DLE DC4` functions 1 and 2 are not obeyed, so that no picture can trigger them.
    ImageGuard,
    /// `DLE DC4` function 8: forgets what waits; answered by `37h 25h ... 00h`.
    ClearBuffers,
}

impl Command {
    /// Appends the command's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Initialise => out.extend(*b"\x1B@"),
            Self::CodePage(number) => out.extend([0x1B, b't', *number]),
            Self::Emphasis(on) => out.extend([0x1B, b'E', u8::from(*on)]),
            Self::Underline(on) => out.extend([0x1B, b'-', u8::from(*on)]),
            Self::Size(wide, tall) => out.extend([0x1D, b'!', size(*wide) << 4 | size(*tall)]),
            Self::Justify(justify) => out.extend([0x1B, b'a', justify_number(*justify)]),
            Self::Text(bytes) => out.extend(bytes),
            Self::LineFeed => out.push(b'\n'),
            Self::Feed(lines) => out.extend([0x1B, b'd', *lines]),
            Self::Qr { data, module } => qr(data, *module, out),
            Self::Raster(bitmap) => raster(bitmap, out),
            Self::Graphics(bitmap) => graphics(bitmap, out),
            Self::CutFull(dots) => out.extend([0x1D, b'V', 65, *dots]),
            Self::CutPartial(dots) => out.extend([0x1D, b'V', 66, *dots]),
            Self::Present { show_mm, retract_s } => {
                out.extend([0x1C, b'P', (show_mm / 5).max(1), 0, b'R', (*retract_s).max(1)]);
            }
            Self::MarkToHead => out.extend([0x1D, 0xF6]),
            Self::MarkToCutter => out.extend([0x1D, 0xF8]),
            Self::AskFullStatus => out.extend([0x10, 0x04, 20]),
            Self::AskStatus(which) => out.extend([0x10, 0x04, which.number()]),
            Self::AutomaticStatus(on) => out.extend([0x1D, b'a', if *on { 0x0E } else { 0 }]),
            Self::AskRoll => out.extend([0x1D, b'r', 1]),
            Self::AskIdentity(text) => out.extend([0x1D, b'I', identity_number(*text)]),
            Self::ProcessId(id) => {
                out.extend([0x1D, b'(', b'H', 6, 0, 48, 48]);
                out.extend(id);
            }
            Self::ImageGuard => out.extend([0x1D, b'(', b'D', 5, 0, 20, 1, 48, 2, 48]),
            Self::ClearBuffers => out.extend([0x10, 0x14, 8, 1, 3, 20, 1, 6, 2, 8]),
        }
    }

    /// The bytes of `commands`, one after the other.
    #[must_use]
    pub fn encode_all(commands: &[Self]) -> Vec<u8> {
        let mut out = Vec::new();
        commands.iter().for_each(|command| command.encode(&mut out));
        out
    }
}

fn size(times: u8) -> u8 {
    times.clamp(1, 8) - 1
}

fn justify_number(justify: Justify) -> u8 {
    match justify {
        Justify::Left => 0,
        Justify::Centre => 1,
        Justify::Right => 2,
    }
}

fn identity_number(text: IdentityText) -> u8 {
    match text {
        IdentityText::Firmware => 65,
        IdentityText::Maker => 66,
        IdentityText::Model => 67,
        IdentityText::Serial => 68,
    }
}

/// `pL pH 31 50 30 d1...dk`, k = p - 3.
fn qr(data: &[u8], module: u8, out: &mut Vec<u8>) {
    let data = data.get(..QR_BYTES_MAX).unwrap_or(data);
    let [high, low] = u16::try_from(data.len() + 3).unwrap_or(u16::MAX).to_be_bytes();
    out.extend([0x1D, b'(', b'k', 4, 0, 49, 65, 50, 0]);
    out.extend([0x1D, b'(', b'k', 3, 0, 49, 67, module.clamp(1, 16)]);
    out.extend([0x1D, b'(', b'k', 3, 0, 49, 69, 49]);
    out.extend([0x1D, b'(', b'k', low, high, 49, 80, 48]);
    out.extend(data);
    out.extend([0x1D, b'(', b'k', 3, 0, 49, 81, 48]);
}

/// `GS v 0 m xL xH yL yH`; one command for each 4607 rows.
fn raster(bitmap: &Bitmap, out: &mut Vec<u8>) {
    for strip in bitmap.strips(4607) {
        let [width_high, width_low] = u16::try_from(strip.stride()).unwrap_or(u16::MAX).to_be_bytes();
        let [height_high, height_low] = u16::try_from(strip.height()).unwrap_or(u16::MAX).to_be_bytes();
        out.extend([0x1D, b'v', b'0', 0, width_low, width_high, height_low, height_high]);
        out.extend(strip.bytes());
    }
}

/// Ten bytes of header count in the length; one command for each [`GRAPHICS_ROWS_MAX`] rows.
fn graphics(bitmap: &Bitmap, out: &mut Vec<u8>) {
    for strip in bitmap.strips(GRAPHICS_ROWS_MAX) {
        let length = strip.bytes().len().saturating_add(10);
        if let Ok(short) = u16::try_from(length) {
            out.extend([0x1D, b'(', b'L']);
            out.extend(short.to_le_bytes());
        } else {
            out.extend([0x1D, b'8', b'L']);
            out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        }
        let side = |dots: usize| u16::try_from(dots).unwrap_or(u16::MAX).to_le_bytes();
        out.extend([48, 112, 48, 1, 1, 49]);
        out.extend(side(strip.width()));
        out.extend(side(strip.height()));
        out.extend(strip.bytes());
        out.extend([0x1D, b'(', b'L', 2, 0, 48, 50]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(command: &Command) -> String {
        let mut out = Vec::new();
        command.encode(&mut out);
        out.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
    }

    /// The right-hand column is written from the command reference's hexadecimal tables.
    #[test]
    fn each_command_has_the_bytes_of_its_table() {
        for (command, bytes) in [
            (Command::Initialise, "1b 40"),
            (Command::CodePage(19), "1b 74 13"),
            (Command::Emphasis(true), "1b 45 01"),
            (Command::Underline(false), "1b 2d 00"),
            (Command::Size(2, 1), "1d 21 10"),
            (Command::Size(1, 2), "1d 21 01"),
            (Command::Size(9, 0), "1d 21 70"),
            (Command::Justify(Justify::Right), "1b 61 02"),
            (Command::Text(b"Re\x87u".to_vec()), "52 65 87 75"),
            (Command::LineFeed, "0a"),
            (Command::Feed(3), "1b 64 03"),
            (Command::CutFull(0), "1d 56 41 00"),
            (Command::CutPartial(0), "1d 56 42 00"),
            (Command::Present { show_mm: 60, retract_s: 30 }, "1c 50 0c 00 52 1e"),
            (Command::Present { show_mm: 0, retract_s: 0 }, "1c 50 01 00 52 01"),
            (Command::MarkToHead, "1d f6"),
            (Command::MarkToCutter, "1d f8"),
            (Command::AskFullStatus, "10 04 14"),
            (Command::AskStatus(RealTime::Paper), "10 04 04"),
            (Command::AutomaticStatus(true), "1d 61 0e"),
            (Command::AutomaticStatus(false), "1d 61 00"),
            (Command::AskRoll, "1d 72 01"),
            (Command::AskIdentity(IdentityText::Model), "1d 49 43"),
            (Command::ProcessId(*b"0001"), "1d 28 48 06 00 30 30 30 30 30 31"),
            (Command::ImageGuard, "1d 28 44 05 00 14 01 30 02 30"),
            (Command::ClearBuffers, "10 14 08 01 03 14 01 06 02 08"),
        ] {
            assert_eq!(hex(&command), bytes, "{command:?}");
        }
    }

    #[test]
    fn a_qr_code_has_its_five_functions() {
        let bytes = hex(&Command::Qr { data: b"7K3M".to_vec(), module: 6 });
        let expected = "1d 28 6b 04 00 31 41 32 00 1d 28 6b 03 00 31 43 06 1d 28 6b 03 00 31 45 31 \
                        1d 28 6b 07 00 31 50 30 37 4b 33 4d 1d 28 6b 03 00 31 51 30";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn lengths_never_wrap_round() {
        let mut out = Vec::new();
        Command::Qr { data: vec![b'1'; 70_000], module: 0 }.encode(&mut out);
        assert_eq!(&out[25..33], [0x1D, 0x28, 0x6B, 0xB4, 0x1B, 0x31, 0x50, 0x30]);
        out.clear();
        Command::Raster(Bitmap::new(16, 5000)).encode(&mut out);
        assert_eq!(&out[..8], [0x1D, 0x76, 0x30, 0, 2, 0, 0xFF, 0x11]);
        assert_eq!(&out[8 + 4607 * 2..][..8], [0x1D, 0x76, 0x30, 0, 2, 0, 0x89, 0x01]);
        assert_eq!(out.len(), 16 + 5000 * 2);
    }

    /// The lengths are those of the command reference: 65,535 still fits `GS ( L`, one row more does not.
    #[test]
    fn a_picture_beyond_two_bytes_of_length_takes_four() {
        let head = |rows| {
            let mut out = Vec::new();
            Command::Graphics(Bitmap::new(200, rows)).encode(&mut out);
            (out.len(), out.into_iter().take(17).collect::<Vec<_>>())
        };
        let (length, short) = head(2400);
        assert_eq!(short[..15], [0x1D, 0x28, 0x4C, 0x6A, 0xEA, 48, 112, 48, 1, 1, 49, 200, 0, 0x60, 9]);
        assert_eq!(length, 15 + 60_000 + 7);
        let mut wide = Vec::new();
        Command::Graphics(Bitmap::new(576, 911)).encode(&mut wide);
        assert_eq!(wide[..9], [0x1D, 0x38, 0x4C, 0x42, 0, 1, 0, 48, 112]);
        assert_eq!(wide[13..17], [0x40, 2, 0x8F, 3]);
        assert_eq!(wide[wide.len() - 7..], [0x1D, 0x28, 0x4C, 2, 0, 48, 50]);
        wide.clear();
        Command::Graphics(Bitmap::new(8, 2401)).encode(&mut wide);
        assert_eq!(wide.len(), 2 * (15 + 7) + 2401);
    }

    #[test]
    fn a_raster_is_rows_of_bytes() {
        let bitmap = Bitmap::from_rows(12, vec![0xF0, 0x10, 0x0F, 0xF0]).unwrap();
        assert_eq!(hex(&Command::Raster(bitmap)), "1d 76 30 00 02 00 02 00 f0 10 0f f0");
    }
}
