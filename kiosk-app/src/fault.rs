//! `kiosk fault`: one page with a code, when the shell cannot be started any more.
//!
//! ```text
//!  kiosk-shell.service fails for good -> systemd starts kiosk-fault.service and says why
//!  MONITOR_SERVICE_RESULT, MONITOR_EXIT_STATUS -> a code -> the out-of-service page
//! ```
//!
//! | what happened | code |
//! |---|---|
//! | nobody says | K-110 |
//! | the shell ended again and again | K-111 |
//! | one of its files is wrong (exit status 2); the log names it | K-112 |
//! | it painted no frame for too long | K-113 |
//! | it took more memory than it may | K-114 |
//! | it was not ready in time, or could not be put into its sandbox | K-115 |
//! | the boot went wrong before there was a shell (`--code`, systemd's emergency unit) | K-120 |
//!
//! Promises: needs no file and no device but the display, so that a wrong file cannot keep it from showing.
//! Never: restarts anything; when it ends is the unit's to say (`--minutes`), what then, systemd's.

use crate::screen::{App, Page, Screen, headless::Headless, pulse::Pulse, words};
use anyhow::Context;
use slint::{ComponentHandle, Global, Timer};
use std::{process::ExitCode, time::Duration};

/// The exit status of a shell that found a file wrong.
const WRONG_FILE: &str = "2";

/// `kiosk fault`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The code to show; without it, the one for what systemd says of the unit that failed.
    #[arg(long, value_parser = code)]
    code: Option<String>,
    /// End after this many minutes, with success; without it the page stays.
    #[arg(long)]
    minutes: Option<u16>,
    /// The language of the page.
    #[arg(long, default_value = words::FIRST)]
    language: String,
    /// Draw into memory instead of onto a display: WIDTHxHEIGHT.
    #[arg(long, value_parser = crate::shell::size)]
    headless: Option<(u32, u32)>,
}

/// Shows the page until it is time, or until somebody ends it.
///
/// # Errors
/// When there is no display.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let said = |name: &str| std::env::var(name).unwrap_or_default();
    let found = code_of(&said("MONITOR_SERVICE_RESULT"), &said("MONITOR_EXIT_STATUS"));
    let code = args.code.as_deref().unwrap_or(found);
    let _headless = args.headless.map(|(width, height)| Headless::install(width, height)).transpose()?;
    let app = App::new().context("opening the screen")?;
    show(&app, code, &args.language);
    let _pulse = Pulse::start(&app, "showing why the kiosk is out of service");
    let timer = Timer::default();
    if let Some(minutes) = args.minutes {
        let stay = Duration::from_secs(60 * u64::from(minutes));
        timer.start(slint::TimerMode::SingleShot, stay, || {
            if let Err(error) = slint::quit_event_loop() {
                tracing::error!("the page does not end: {error}");
            }
        });
    }
    tracing::error!(code, "out of service");
    app.show()?;
    slint::run_event_loop_until_quit()?;
    Ok(ExitCode::SUCCESS)
}

fn show(app: &App, code: &str, language: &str) {
    if let Err(error) = words::select(app, language) {
        tracing::warn!(language, "no translation: {error}");
    }
    let page = Page::get(app);
    page.set_out_of_service(code.into());
    page.set_screen(Screen::OutOfService);
}

/// The code for what systemd says of a unit that failed (systemd.exec(5), `$MONITOR_SERVICE_RESULT`).
fn code_of(result: &str, exit_status: &str) -> &'static str {
    match (result, exit_status) {
        ("exit-code", WRONG_FILE) => "K-112",
        ("watchdog", _) => "K-113",
        ("oom-kill", _) => "K-114",
        ("timeout" | "protocol" | "resources" | "exec-condition", _) => "K-115",
        ("exit-code" | "signal" | "core-dump" | "start-limit-hit" | "success", _) => "K-111",
        (_other, _) => "K-110",
    }
}

/// A code as staff know them: `K-` and three digits.
fn code(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("K-").unwrap_or_default();
    let fits = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err("write K- and three digits, such as K-111".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_says_becomes_a_code() {
        assert_eq!(code_of("exit-code", "2"), "K-112");
        assert_eq!(code_of("exit-code", "1"), "K-111");
        assert_eq!(code_of("signal", "SEGV"), "K-111");
        assert_eq!(code_of("watchdog", ""), "K-113");
        assert_eq!(code_of("oom-kill", "KILL"), "K-114");
        assert_eq!(code_of("timeout", ""), "K-115");
        assert_eq!(code_of("", ""), "K-110");
    }

    #[test]
    fn a_code_is_a_code() {
        assert_eq!(code("K-111"), Ok("K-111".to_owned()));
        for wrong in ["", "K-", "K-11", "K-1111", "111", "K-1a1", "<b>"] {
            assert!(code(wrong).is_err(), "{wrong}");
        }
    }

    #[cfg(feature = "demo")]
    #[test]
    fn the_page_shows_the_code_and_what_to_do() {
        let screen = Headless::install(600, 1000).unwrap();
        let app = App::new().unwrap();
        app.show().unwrap();
        show(&app, "K-112", "en");
        screen.settle();
        let shown = |label: &str| {
            i_slint_backend_testing::ElementHandle::find_by_accessible_label(&app, label).count()
        };
        assert_eq!(shown("Code for staff: K-112"), 1);
        assert_eq!(shown("This kiosk is not working at the moment."), 1);
    }
}
