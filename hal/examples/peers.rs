//! What other people's programs check: our bytes, our pictures, our simulated printer.
//!
//! ```text
//! peers commands          each command as `name hex`, for a byte-for-byte comparison
//! peers receipt           a receipt as a printer gets it whose profile draws no QR code itself
//! peers serve ADDRESS PNG the simulated printer, until standard input ends; then what it printed
//! ```
//! Driven by `cargo xtask peers`. Never: decides whether two programs agree.

use hal::{
    device::Deadline,
    printer::{
        Align, Bitmap, EscPos, Job, Line, Profile, ReceiptPrinter, Style,
        escpos::{Command, Justify, RealTime},
    },
    sim::printer::{SimPrinter, serve},
};
use std::{
    error::Error,
    io::{Read, Write},
    net::TcpListener,
    time::Duration,
};

/// What the QR code of the receipt and of the commands holds.
const QR_TEXT: &str = "HTTPS://KIOSK.EXAMPLE/F4HM-73BH-Z09C-B";
/// The width of the paper, dots.
const DOTS: usize = 576;
/// Printing the receipt takes no longer.
const PRINT_WAIT: Duration = Duration::from_secs(20);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["commands"] => commands(),
        ["receipt"] => receipt(),
        ["serve", address, picture] => serve_until_told(address, picture),
        _ => Err("usage: peers commands | receipt | serve ADDRESS PNG".into()),
    }
}

fn commands() -> Result<(), Box<dyn Error>> {
    let mut picture = Bitmap::new(16, 3);
    [(0, 0), (15, 2), (9, 1)].into_iter().for_each(|(x, y)| picture.set(x, y));
    let text = |bytes: &[u8]| vec![Command::Text(bytes.to_vec()), Command::LineFeed];
    let named = [
        ("initialise", vec![Command::Initialise]),
        ("bold-on", vec![Command::Emphasis(true)]),
        ("bold-off", vec![Command::Emphasis(false)]),
        ("underline-on", vec![Command::Underline(true)]),
        ("underline-off", vec![Command::Underline(false)]),
        ("size-2-2", vec![Command::Size(2, 2)]),
        ("size-3-1", vec![Command::Size(3, 1)]),
        ("left", vec![Command::Justify(Justify::Left)]),
        ("centre", vec![Command::Justify(Justify::Centre)]),
        ("right", vec![Command::Justify(Justify::Right)]),
        ("page-858", vec![Command::CodePage(19)]),
        ("page-1252", vec![Command::CodePage(16)]),
        ("feed-3", vec![Command::Feed(3)]),
        ("qr", vec![Command::Qr { data: QR_TEXT.into(), module: 6 }]),
        ("raster", vec![Command::Raster(picture)]),
        ("ask-printer", vec![Command::AskStatus(RealTime::Printer)]),
        ("ask-paper", vec![Command::AskStatus(RealTime::Paper)]),
        // CP858: c with cedilla is 87h, the euro sign D5h.
        ("text-858", text(b"Re\x87u 12 \xD5")),
    ];
    for (name, commands) in named {
        let hex: String = Command::encode_all(&commands).iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{name} {hex}");
    }
    println!("qr-text {QR_TEXT}");
    Ok(())
}

/// Prints on the simulated printer and passes on what came over the wire.
fn receipt() -> Result<(), Box<dyn Error>> {
    let centred = Style::default().aligned(Align::Centre);
    let lines = vec![
        Line::styled("Your receipt", centred.bold()),
        Line::Rule,
        Line::text("Saved on this kiosk, not sent yet"),
        Line::styled("الإبلاغ عن مشكلة في الشارع", centred),
        Line::Qr { data: QR_TEXT.to_owned() },
        Line::text("Keep this receipt."),
        Line::Cut,
    ];
    let (printer, panel) = SimPrinter::new(DOTS);
    let mut driver =
        EscPos::open(printer.connect()?, Profile::named("generic-80")?, Deadline::after(PRINT_WAIT))?;
    driver.print(&Job::of(lines), Deadline::after(PRINT_WAIT))?;
    Ok(std::io::stdout().write_all(&panel.take_bytes())?)
}

fn serve_until_told(address: &str, picture: &str) -> Result<(), Box<dyn Error>> {
    let (printer, panel) = SimPrinter::new(DOTS);
    let serving = serve(TcpListener::bind(address)?, printer)?;
    println!("ready {}", serving.address());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    for receipt in panel.texts() {
        receipt.iter().for_each(|line| println!("printed {}", line.trim()));
        println!("cut");
    }
    if let Some(receipt) = panel.receipts().first() {
        std::fs::write(picture, receipt.to_png()?)?;
    }
    Ok(())
}
