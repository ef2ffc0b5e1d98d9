//! Plug cycles of every simulated device, and what they leave behind.
//!
//! ```text
//! cargo xtask bench cycles                  2,000 of each
//! cargo xtask bench cycles -- --full        100,000 of each
//! cargo xtask bench cycles -- --full ccid   100,000 of one
//! ```
//! Promises: the last line adds everything up; the exit status is 1 when anything was left behind.

use cap::Cap;
use hal::sim::cycles::{self, DEVICES, Held, Report};
use std::{alloc::System, process::ExitCode};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const DOSE: usize = 2_000;
const FULL_DOSE: usize = 100_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let full = args.iter().any(|arg| arg == "--full");
    let named: Vec<&str> = args.iter().filter(|arg| *arg != "--full").map(String::as_str).collect();
    let known = |name: &&str| DEVICES.iter().any(|(device, ..)| device == name);
    if let Some(unknown) = named.iter().find(|name| !known(name)) {
        let all: Vec<_> = DEVICES.iter().map(|(device, ..)| *device).collect();
        eprintln!("cycles: '{unknown}' is no device; name one of {}, or none for all", all.join(", "));
        return ExitCode::from(2);
    }
    let wanted = DEVICES.iter().map(|(device, ..)| *device);
    let mut all = Report { device: "all", cycles: 0, leaked: Held { descriptors: 0, threads: 0, bytes: 0 } };
    for device in wanted.filter(|device| named.is_empty() || named.contains(device)) {
        match cycles::run(device, if full { FULL_DOSE } else { DOSE }, || ALLOCATOR.allocated()) {
            Ok(report) => {
                println!("{report}");
                all.cycles += report.cycles;
                all.leaked.descriptors += report.leaked.descriptors;
                all.leaked.threads += report.leaked.threads;
                all.leaked.bytes += report.leaked.bytes;
            }
            Err(why) => {
                println!("plug cycles: device {device}, failed: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{all}");
    if all.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
