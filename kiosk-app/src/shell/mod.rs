//! The shell: the screen, the devices, and the citizen in front of them.
//!
//! ```text
//!  screen callbacks ─┐                                   ┌─> adapter (the screen)
//!  hal's channel ────┼─> queue ─> kiosk_core::Kiosk ─────┼─> devices
//!  agent's line ─────┘   one input, then every command   └─> agent's line (ciphertext)
//! ```
//!
//! Promises: one thread, one order: an input is followed by all its commands before the next input.
//! Never: opens a network socket; writes a citizen's data anywhere but to the screen and, sealed, to
//! the agent.

mod adapter;
pub(crate) mod callbacks;
pub mod catalogue;
mod clock;
mod devices;
pub(crate) mod engine;
mod keypad;
mod line;
pub mod paper;
pub mod pdf;
mod pointer;
pub mod sealing;

pub use adapter::Adapter;

use crate::{
    config::{ShellConfig, StartError, load},
    screen::{App, Page, headless::Headless, pulse::Pulse, words},
};
use anyhow::Context;
use engine::Engine;
use hal::counters::Counters;
use kiosk_core::kiosk::Setup;
use slint::{ComponentHandle, Global};
use std::{path::PathBuf, process::ExitCode, sync::mpsc::sync_channel};

/// Device events waiting for the screen's thread.
const DEVICE_EVENTS_MAX: usize = 256;

/// `kiosk shell`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell's configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Draw into memory instead of onto a display: WIDTHxHEIGHT.
    #[arg(long, value_parser = size)]
    headless: Option<(u32, u32)>,
    /// Where the demo's outside world listens.
    #[cfg(feature = "demo")]
    #[arg(long)]
    hand: Option<PathBuf>,
    /// Where the demo's link is switched; shows the drawer beside the kiosk's screen.
    #[cfg(feature = "demo")]
    #[arg(long)]
    drawer: Option<PathBuf>,
    /// Print when the first frame was drawn (milliseconds since 1970) and end.
    #[cfg(feature = "demo")]
    #[arg(long, hide = true)]
    first_frame: bool,
}

/// Runs until the window closes or the demo ends it.
///
/// # Errors
/// [`StartError`] for anything wrong with the files; otherwise what display or operating system refused.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config: ShellConfig = load(&args.config)?;
    config.check(&args.config)?;
    let catalogue = catalogue::read(&config.services)?;
    catalogue_speaks(&config, &catalogue, &args)?;
    sealing::check_keys(&config.services, &catalogue)?;
    let clock = clock::Clock::new(&args.config, &config)?;
    // Everything a file can get wrong is found before the screen opens.
    let (sink, device_events) = sync_channel(DEVICE_EVENTS_MAX);
    let world = open_devices(&args, &config, &sink)?;
    let headless = args.headless.map(|(width, height)| Headless::install(width, height)).transpose()?;
    let app = App::new().context("opening the screen")?;
    Page::get(&app).set_place(config.place.as_str().into());
    Page::get(&app).set_help_line(config.help_line.as_str().into());
    words::offer(&app, config.languages.iter().map(String::as_str)).context("the screen's words")?;
    let setup = Setup {
        place: config.place.clone(),
        languages: config.languages.clone(),
        claim_url: config.claim_url.clone(),
        limits: config.session,
    };
    let counters = keep_counters(&config);
    engine::install(Engine::new(setup, catalogue, clock, app.as_weak(), (world.devices, counters.clone())));
    callbacks::connect(&app);
    engine::listen(device_events, counters.clone()).context("starting the device listener")?;
    let agent_uid = config.agent_uid.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    let line = line::Line::keep(config.socket.clone(), agent_uid, engine::hear_agent)
        .context("starting the line")?;
    engine::with(|engine| engine.connect(line));
    #[cfg(feature = "demo")]
    if let Some(socket) = &args.hand {
        crate::demo::remote::obey(socket, &app, headless.clone(), world.outside.clone())?;
    }
    #[cfg(feature = "demo")]
    let _drawer =
        args.drawer.as_ref().map(|socket| crate::demo::drawer::open(socket, world.outside)).transpose()?;
    #[cfg(feature = "demo")]
    if args.first_frame {
        // Posted work runs after the loop drew its first frame.
        slint::invoke_from_event_loop(crate::demo::remote::tell_time_and_quit)?;
    }
    drop(headless);
    let _pulse = Pulse::start(&app, "serving");
    tracing::info!("shell ready");
    app.show()?;
    slint::run_event_loop_until_quit()?;
    engine::uninstall();
    if let Some(counters) = counters {
        counters.save();
    }
    Ok(ExitCode::SUCCESS)
}

/// Counters in the folder the config names. A kiosk without them serves as well.
fn keep_counters(config: &ShellConfig) -> Option<Counters> {
    let opened = Counters::open(config.counters.as_deref()?, &config.devices);
    opened
        .inspect_err(|error| tracing::warn!("devices are not counted: {error}"))
        .ok()
        .map(|(counters, _)| counters)
}

/// Devices, and in the demo the world around them.
struct World {
    devices: hal::factory::Devices,
    #[cfg(feature = "demo")]
    outside: hal::sim::World,
}

fn open_devices(args: &Args, config: &ShellConfig, sink: &hal::EventSink) -> Result<World, StartError> {
    let wrong = |e: hal::factory::ConfigError| StartError::new(&args.config, e.what, e.reason);
    #[cfg(feature = "demo")]
    let outside = hal::sim::World::new();
    #[cfg(feature = "demo")]
    let site = hal::factory::Site { world: Some(outside.clone()) };
    #[cfg(not(feature = "demo"))]
    let site = hal::factory::Site::default();
    let devices = hal::factory::open(&config.devices, &site, sink).map_err(wrong)?;
    Ok(World {
        devices,
        #[cfg(feature = "demo")]
        outside,
    })
}

/// Each service must speak at least one language that the kiosk offers.
fn catalogue_speaks(
    config: &ShellConfig,
    catalogue: &kiosk_core::catalogue::Catalogue,
    args: &Args,
) -> Result<(), StartError> {
    for service in catalogue.services() {
        if !config.languages.iter().any(|language| service.languages.contains(language)) {
            let reason = format!("service '{}' speaks none of the languages offered", service.id);
            return Err(StartError::new(&args.config, "languages", reason));
        }
    }
    Ok(())
}

/// WIDTHxHEIGHT of a screen in memory.
pub(crate) fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides
        .filter(|(w, h)| *w >= 320 && *h >= 320)
        .ok_or_else(|| "write WIDTHxHEIGHT, such as 1080x1920".into())
}
