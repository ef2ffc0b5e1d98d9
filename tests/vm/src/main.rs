//! hal against real kernel devices: the first and only program of a virtual machine.
//!
//! As process 1 it makes the machine ready ([`machine`]), runs each scenario in a process of its own and
//! reports one line each on the second serial line, which `cargo xtask vm hal` reads:
//!
//! ```text
//! PLAN name              once for each scenario, before the first runs
//! PASS name seconds
//! FAIL name reason
//! ASK number what        what a hand outside does; answered on the same line ([`outside`])
//! ```
//!
//! | file | owns |
//! |---|---|
//! | [`machine`] | mounts, kernel modules, the report, switching off |
//! | [`scenario`] | the table of scenarios, and how one runs |
//! | [`uevent`], [`heard`] | waiting for the kernel, and for hal, with a limit |
//! | [`around`] | the clock, rights, open files |
//! | [`cycles`] | plugging, many times |
//! | [`touch`] | touch panels made with `uinput` |
//! | [`outside`] | asking for hands: a card put in, a reader unplugged |
//! | [`others`] | programs we did not write: pcscd, opensc-tool, libinput, udev |
//! | [`gadget`] | USB devices made on `dummy_hcd` |
//! | [`card`], [`keypad`], [`printer`], [`scanner`], [`stripe`] | what hal does with them |
//!
//! Promises: a scenario that hangs, panics or cannot run is a `FAIL`. Never: skips; touches a machine that
//! was not started for it.

mod around;
mod card;
mod cycles;
mod gadget;
mod heard;
mod keypad;
mod kiosk;
mod machine;
mod others;
mod outside;
mod printer;
mod scanner;
mod scenario;
mod stripe;
mod touch;
mod uevent;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if std::process::id() == 1 {
        return machine::run(args.first().map_or("", String::as_str));
    }
    match args.as_slice() {
        [run, name] if run == scenario::RUN => scenario::run(name),
        _ => {
            eprintln!("kiosk-vm runs inside a virtual machine; start it with: cargo xtask vm hal");
            ExitCode::FAILURE
        }
    }
}
