//! A receipt printer by hand: what is plugged in, what it says, a receipt, and what happens when it is
//! pulled out.
//!
//! ```text
//! printer list
//! printer status 04b8:0e15 epson-tm-t20ii          opens, asks, prints nothing
//! printer print  04b8:0e15 epson-tm-t20ii [ROWS]   one receipt, with a picture of ROWS rows
//! printer reset  04b8:0e15                         SOFT_RESET of the printer class
//! printer keep   04b8:0e15 epson-tm-t20ii          keeps it and tells its events; prints for each line of input
//! ```
//! A selector is written as in a config: VID:PID[:SERIAL], /dev/..., tcp://host:port, file:///path.

use hal::{
    Deadline, Selector,
    factory::{self, Config, Site},
    printer::{
        Align, Bitmap, EscPos, Job, JobId, Line, Profile, ReceiptPrinter, Style, escpos::IdentityText,
    },
    transport::{
        Transport,
        file::WriteOnly,
        serial::{Serial, Settings},
        tcp::Tcp,
        usb::Usb,
    },
};
use std::{error::Error, io::BufRead, sync::mpsc::sync_channel, thread, time::Duration};

/// Opening and asking.
const ASK_LIMIT: Duration = Duration::from_secs(6);
/// A receipt, refilling paper included.
const PRINT_LIMIT: Duration = Duration::from_secs(120);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => {
            for found in factory::list() {
                let name = found.name.unwrap_or_else(|why| format!("({why})"));
                println!("{:?}\t{}\t{}\t{name}", found.class, found.driver, found.selector);
            }
            Ok(())
        }
        ["status", selector, profile] => status(&selector.parse()?, profile),
        ["print", selector, profile] => print(&selector.parse()?, profile, 0),
        ["print", selector, profile, rows] => print(&selector.parse()?, profile, rows.parse()?),
        ["reset", selector] => Ok(usb(&selector.parse()?)?.soft_reset()?),
        ["keep", selector, profile] => keep(selector, profile),
        _ => Err("list | status|print|keep SELECTOR PROFILE | reset VID:PID[:SERIAL]".into()),
    }
}

fn usb(selector: &Selector) -> Result<Usb, Box<dyn Error>> {
    match selector {
        Selector::Usb { vendor, product, serial } => Ok(Usb::open(*vendor, *product, serial.as_deref())?),
        Selector::Node(_)
        | Selector::Tcp(_)
        | Selector::File(_)
        | Selector::Pcsc(_)
        | Selector::Sim(_)
        | Selector::Replay(_) => Err("only a USB printer has this".into()),
    }
}

fn open(selector: &Selector) -> Result<Box<dyn Transport>, Box<dyn Error>> {
    Ok(match selector {
        Selector::Usb { .. } => Box::new(usb(selector)?),
        Selector::Node(path) => Box::new(Serial::open(path, Settings::default())?),
        Selector::Tcp(host) => Box::new(Tcp::open(host, Deadline::after(ASK_LIMIT))?),
        Selector::File(path) => Box::new(WriteOnly::open(path)?),
        Selector::Pcsc(_) => return Err("a reader of cards does not print".into()),
        Selector::Sim(_) | Selector::Replay(_) => return Err("a simulated printer stands in the demo".into()),
    })
}

fn status(selector: &Selector, profile: &str) -> Result<(), Box<dyn Error>> {
    if let Selector::Usb { .. } = selector {
        let mut line = usb(selector)?;
        println!("ends: {:?}", line.ends());
        println!("device id: {:?}", line.device_id());
        println!("port status: {:?}", line.port_status(Deadline::after(ASK_LIMIT)));
    }
    let mut driver = EscPos::open(open(selector)?, Profile::named(profile)?, Deadline::after(ASK_LIMIT))?;
    println!("status: {:?}", driver.status(Deadline::after(ASK_LIMIT))?);
    println!("model: {:?}", driver.identity(IdentityText::Model, Deadline::after(ASK_LIMIT)));
    Ok(())
}

fn print(selector: &Selector, profile: &str, rows: usize) -> Result<(), Box<dyn Error>> {
    let profile = Profile::named(profile)?;
    let job = receipt(&profile, rows);
    let mut driver = EscPos::open(open(selector)?, profile, Deadline::after(ASK_LIMIT))?;
    println!("outcome: {:?}", driver.print(&job, Deadline::after(PRINT_LIMIT)));
    println!("status: {:?}", driver.last_status());
    Ok(())
}

fn receipt(profile: &Profile, rows: usize) -> Job {
    let heading = Style::default().bold().aligned(Align::Centre);
    let mut lines = vec![Line::styled("Test receipt", heading), Line::text(profile.name.clone())];
    if rows > 0 {
        let mut bitmap = Bitmap::new(profile.dots_per_line, rows);
        let slanted = (0..rows).flat_map(|y| (0..profile.dots_per_line).map(move |x| (x, y)));
        slanted.filter(|(x, y)| (x + y) % 16 < 4).for_each(|(x, y)| bitmap.set(x, y));
        lines.push(Line::Image(bitmap));
    }
    lines.extend([Line::Qr { data: "https://example.org/".to_owned() }, Line::Cut]);
    Job::of(lines)
}

fn keep(selector: &str, profile: &str) -> Result<(), Box<dyn Error>> {
    let config = format!("[devices.printer]\nselector = '{selector}'\nprofile = '{profile}'");
    let (sink, events) = sync_channel(64);
    let devices = factory::open(&Config::from_toml(&config)?, &Site::default(), &sink)?;
    let printer = devices.printer.as_ref().ok_or("no printer")?;
    drop(sink);
    let teller = thread::spawn(move || events.iter().for_each(|event| println!("{event:?}")));
    let profile = Profile::named(profile)?;
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let rows = line?.trim().parse().unwrap_or(0);
        if let Err(error) = printer.print(JobId(number), receipt(&profile, rows)) {
            println!("not taken: {error}");
        }
    }
    drop(devices);
    teller.join().map_err(|_| "the events ended in a panic")?;
    Ok(())
}
