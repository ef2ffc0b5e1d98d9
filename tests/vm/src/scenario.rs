//! The scenarios, and running one of them in a process of its own.
//!
//! Promises: a scenario gets [`Scenario::limit`] and no more; a panic, a signal and a time-out are reasons
//! like any other. Never: lets one scenario's threads reach the next.

use crate::{
    card, cycles,
    gadget::Kind,
    keypad, others,
    printer::{line, usb, usblp},
    scanner, stripe, touch,
};
use anyhow::{Context as _, Result, bail};
use std::{
    io::Read as _,
    process::{Command, ExitCode, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// The first argument of a process that runs one scenario.
pub(crate) const RUN: &str = "scenario";

/// Whatever a scenario does, an emulated machine does it within this.
const LIMIT: Duration = Duration::from_secs(40);

/// A full dose of plug cycles takes no longer.
const FULL_LIMIT: Duration = Duration::from_secs(1800);

/// A serial printer that is plugged in again takes a second or two to be had, twenty times.
const SERIAL_LIMIT: Duration = Duration::from_secs(120);

/// One thing that must be true of hal on real devices.
pub(crate) struct Scenario {
    /// Device, then the promise or the failure.
    pub(crate) name: &'static str,
    limit: Duration,
    body: fn() -> Result<()>,
}

const fn scenario(name: &'static str, body: fn() -> Result<()>) -> Scenario {
    Scenario { name, limit: LIMIT, body }
}

const fn full(name: &'static str, body: fn() -> Result<()>) -> Scenario {
    Scenario { name, limit: FULL_LIMIT, body }
}

/// Every scenario there is.
pub(crate) const ALL: &[Scenario] = &[
    scenario("touch::two_fingers_keep_apart", touch::two_fingers_keep_apart),
    scenario("touch::overflow_makes_no_ghost", touch::overflow_makes_no_ghost),
    scenario("touch::overflow_lifts_no_other_finger", touch::overflow_lifts_no_other_finger),
    scenario("touch::unplugged_and_found_again", touch::unplugged_and_found_again),
    scenario("touch::stuck_finger_leaves_room_for_another", touch::stuck_finger_leaves_room_for_another),
    scenario("touch::held_by_somebody_else_is_not_read", touch::held_by_somebody_else_is_not_read),
    scenario("touch::permission_comes_late", touch::permission_comes_late),
    scenario("touch::comes_back_under_another_number", touch::comes_back_under_another_number),
    scenario("touch::clock_set_under_a_finger", touch::clock_set_under_a_finger),
    scenario("touch::hot_plugging_leaks_nothing", touch::hot_plugging_leaks_nothing),
    scenario("usblp::claims_the_printer", usblp::claims_the_printer),
    scenario("usblp::carries_a_long_receipt", usblp::carries_a_long_receipt),
    scenario("usblp::plugged_in_again_prints_again", usblp::plugged_in_again_prints_again),
    scenario("usb_line::completed_with_proof", || line::completed_with_proof(Kind::Printer)),
    scenario("usb_line::paper_out_mid_job", || line::paper_out_mid_job(Kind::Printer)),
    scenario("usb_line::unplugged_mid_write", || line::unplugged_mid_write(Kind::Printer)),
    scenario("usb_line::plugged_in_again_within_a_second", || {
        line::plugged_in_again_within_a_second(Kind::Printer)
    }),
    scenario("usb_line::idle_is_asleep_and_hears", || line::idle_is_asleep_and_hears(Kind::Printer)),
    scenario("usb_line::usblp_gets_its_printer_back", usb::usblp_gets_its_printer_back),
    scenario("usb_line::powered_and_dead_then_alive", usb::powered_and_dead_then_alive),
    scenario("usb_line::held_by_another_program", usb::held_by_another_program),
    scenario("usb_line::permission_comes_late", usb::permission_comes_late),
    scenario("usb_line::clock_set_mid_job", usb::clock_set_mid_job),
    scenario("usb_line::hot_plugging_leaks_nothing", usb::hot_plugging_leaks_nothing),
    scenario("serial_line::completed_with_proof", || line::completed_with_proof(Kind::Serial)),
    scenario("serial_line::paper_out_mid_job", || line::paper_out_mid_job(Kind::Serial)),
    scenario("serial_line::unplugged_mid_write", || line::unplugged_mid_write(Kind::Serial)),
    scenario("serial_line::plugged_in_again_within_a_second", || {
        line::plugged_in_again_within_a_second(Kind::Serial)
    }),
    scenario("serial_line::idle_is_asleep_and_hears", || line::idle_is_asleep_and_hears(Kind::Serial)),
    scenario("serial_line::comes_back_under_another_number", line::comes_back_under_another_number),
    scenario("scanner::types_through_usbhid", scanner::types_through_usbhid),
    scenario("scanner::unplugged_mid_scan", scanner::unplugged_mid_scan),
    scenario("keys::typed_text_reaches_nobody_else", keypad::typed_text_reaches_nobody_else),
    scenario("keys::held_by_somebody_else_is_refused", keypad::held_by_somebody_else_is_refused),
    scenario("keys::overflow_is_a_loss", keypad::overflow_is_a_loss),
    scenario("keypad::held_key_is_one_press", keypad::held_key_is_one_press),
    scenario("keypad::learned_and_used", keypad::learned_and_used),
    scenario("touch::libinput_agrees", touch::opinion::libinput_agrees),
    scenario("card::answers_what_it_is", card::answers_what_it_is),
    scenario("card::is_listed_and_told", card::is_listed_and_told),
    scenario("card::pulled_and_put_back", card::pulled_and_put_back),
    scenario("card::pulled_mid_command", card::pulled_mid_command),
    scenario("card::reader_back_within_a_second", card::reader_back_within_a_second),
    scenario("card::reader_pulled_mid_command", card::reader_pulled_mid_command),
    scenario("card::hot_plugging_leaks_nothing", card::hot_plugging_leaks_nothing),
    scenario("stripe::reads_through_hidraw", stripe::reads_through_hidraw),
    scenario("stripe::unplugged_and_found_again", stripe::unplugged_and_found_again),
    scenario("stripe::what_others_read_is_refused", stripe::what_others_read_is_refused),
    scenario("card::opensc_over_pcscd_agrees", card::opinion::opensc_over_pcscd_agrees),
    scenario("card::pcscd_has_the_reader_first", card::opinion::pcscd_has_the_reader_first),
    #[cfg(feature = "pcsc")]
    scenario("pcsc::same_answers_as_over_usb", card::pcsc::same_answers_as_over_usb),
    #[cfg(feature = "pcsc")]
    scenario("pcsc::pulled_and_put_back", card::pcsc::pulled_and_put_back),
    #[cfg(feature = "pcsc")]
    scenario("pcsc::pcscd_killed_and_started_again", card::pcsc::pcscd_killed_and_started_again),
    #[cfg(feature = "pcsc")]
    scenario("pcsc::reader_unplugged_and_back", card::pcsc::reader_unplugged_and_back),
    #[cfg(feature = "pcsc")]
    scenario("pcsc::a_wait_is_cancelled", card::pcsc::a_wait_is_cancelled),
    scenario("cycles::printer", cycles::printer),
    Scenario { name: "cycles::serial", limit: SERIAL_LIMIT, body: cycles::serial },
    scenario("cycles::keypad", cycles::keypad),
    full("full::printer_cycles", cycles::printer_full),
    full("full::serial_cycles", cycles::serial_full),
    full("full::keypad_cycles", cycles::keypad_full),
];

/// Scenarios whose name begins so take long and run only when they are named.
const FULL: &str = "full::";

/// Ends, when dropped, whatever programs a scenario left: this is process 1.
struct EndTheRest;

impl Drop for EndTheRest {
    fn drop(&mut self) {
        others::end_all();
    }
}

impl Scenario {
    /// Whether it is to run when scenarios named `filter` are asked for.
    pub(crate) fn is_chosen(&self, filter: &str) -> bool {
        self.name.contains(filter) && (filter.starts_with(FULL) || !self.name.starts_with(FULL))
    }

    /// Runs it in a process of its own.
    ///
    /// # Errors
    /// Why it did not pass, in one line.
    pub(crate) fn attend(&self) -> Result<()> {
        let mut child = Command::new("/proc/self/exe")
            .args([RUN, self.name])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("no process for it")?;
        let mut output = child.stdout.take().context("no pipe to it")?;
        let (told, ended) = channel();
        thread::spawn(move || {
            let mut reason = String::new();
            // What is not UTF-8 is no reason of ours; the exit status still tells.
            drop(output.read_to_string(&mut reason));
            drop(told.send(reason));
        });
        let _rest = EndTheRest;
        let reason = match ended.recv_timeout(self.limit) {
            Ok(reason) => reason,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                child.kill().context("it hangs and cannot be ended")?;
                child.wait().context("it hangs and does not end")?;
                bail!("no end within {} s", self.limit.as_secs());
            }
        };
        let status = child.wait().context("it cannot be waited for")?;
        if status.success() {
            return Ok(());
        }
        bail!(if reason.is_empty() { format!("it ended with {status}; see the console") } else { reason })
    }
}

/// Runs one scenario here; the reason of a failure goes to standard output, the log to the console.
pub(crate) fn run(name: &str) -> ExitCode {
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let Some(scenario) = ALL.iter().find(|scenario| scenario.name == name) else {
        print!("there is no such scenario");
        return ExitCode::FAILURE;
    };
    match (scenario.body)() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
