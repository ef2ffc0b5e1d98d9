//! The shell's side of the demo's hand, and the world behind the drawer.
//!
//! A touch goes the way of a real one: into hal's pointer channel, through the engine, into the window.
//!
//! Promises: a control is touched where it is drawn, and only when it is there; what was asked is
//! answered within [`FIND_LIMIT`].
//! Never: part of a unit's build (feature `demo`).

use super::{
    hand::{Do, Done},
    link::Link,
};
use crate::{
    screen::{App, headless::Headless},
    shell::{callbacks, engine, pdf::pdf},
};
use anyhow::{Context, Result};
use hal::keypad::{KeyMap, NavKey};
use hal::sim::{
    World,
    keyboard::Symbol,
    world::{CardKind, SheetKind},
};
use i_slint_backend_testing::{ElementHandle, ElementQuery};
use slint::{ComponentHandle, Weak};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    time::{Duration, Instant},
};

/// How long a control or a text may take to appear.
const FIND_LIMIT: Duration = Duration::from_secs(20);
/// Between looks.
const LOOK: Duration = Duration::from_millis(15);

thread_local! {
    /// The window's picture maker; lives on the screen's thread.
    static SCREEN: std::cell::RefCell<Option<Headless>> = const { std::cell::RefCell::new(None) };
}

/// Obeys whoever listens on `socket` until it hangs up.
///
/// # Errors
/// When nobody listens.
pub fn obey(socket: &Path, app: &App, screen: Option<Headless>, world: World) -> Result<()> {
    SCREEN.with(|slot| *slot.borrow_mut() = screen);
    let stream = UnixStream::connect(socket).with_context(|| format!("the hand at {}", socket.display()))?;
    let app = app.as_weak();
    std::thread::Builder::new().name("demo-hand".into()).spawn(move || {
        if let Err(why) = serve(stream, &app, &world) {
            tracing::error!("hand: {why:#}");
        }
        // Without the hand the demo's shell has nothing left to do.
        let _ = slint::quit_event_loop();
    })?;
    Ok(())
}

/// For the bench: says when it is, and ends the shell.
pub fn tell_time_and_quit() {
    let since =
        std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    println!("{}", since.as_secs_f64() * 1_000.0);
    // The loop is running: this is its work.
    let _ = slint::quit_event_loop();
}

fn serve(stream: UnixStream, app: &Weak<App>, world: &World) -> Result<()> {
    let mut writer = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let what: Do = serde_json::from_str(&line?)?;
        let done = do_it(what, app, world).unwrap_or_else(|why| Done::No(format!("{why:#}")));
        let mut answer = serde_json::to_vec(&done)?;
        answer.push(b'\n');
        writer.write_all(&answer)?;
    }
    Ok(())
}

fn do_it(what: Do, app: &Weak<App>, world: &World) -> Result<Done> {
    match what {
        Do::Touch(label) => touch(app, world, move |found| found == label)?,
        Do::TouchBeginning(label) => touch(app, world, move |found| found.starts_with(&label))?,
        Do::See(text) => {
            until(|| {
                on_screen(app, {
                    let text = text.clone();
                    move |app| Ok(labels(app).iter().any(|l| l.contains(&text)).then_some(()))
                })
            })
            .with_context(|| format!("'{text}' did not appear; there was: {}", seen(app)))?;
        }
        Do::Labels => return Ok(Done::Labels(on_screen(app, |app| Ok(labels(app)))?)),
        Do::Picture(path) => on_screen(app, move |_| picture(&path))?,
        Do::Resize(width, height) => on_screen(app, move |_| {
            SCREEN.with(|slot| slot.borrow().as_ref().map(|screen| screen.resize(width, height)));
            Ok(())
        })?,
        Do::InsertCard(number) => world.insert_card(CardKind::Library { number }),
        Do::PullCard => world.pull_card(),
        Do::Scan(text) => {
            anyhow::ensure!(world.scan(&Symbol::Text(text)), "the scanner did not read it");
        }
        Do::Key(name) => press_key(app, world, &name)?,
        Do::Focused => return Ok(Done::Focused(on_screen(app, |_| Ok(callbacks::spoken()))?)),
        Do::LaySheet => world.place_sheet(SheetKind::Letter),
        Do::TakeSheet => world.remove_sheet(),
        Do::PrinterBytes => return Ok(Done::Bytes(world.printer().take_bytes())),
        Do::ReceiptPdf(path) => on_screen(app, move |_| {
            let paper = engine::paper().context("no receipt was printed")?;
            Ok(std::fs::write(&path, pdf(&paper, "Receipt")?)?)
        })?,
        Do::Quit => slint::quit_event_loop()?,
    }
    Ok(Done::Yes)
}

/// Finds the control, then lets a finger down and up again in its middle.
fn touch(app: &Weak<App>, world: &World, fits: impl Fn(&str) -> bool + Clone + Send + 'static) -> Result<()> {
    let (x, y) = until(|| {
        let fits = fits.clone();
        on_screen(app, move |app| Ok(place_of(app, &fits)))
    })
    .with_context(|| format!("no such control; there was: {}", seen(app)))?;
    until_handled(app, "the touch", || world.touch(x, y))
}

/// Presses a key of the keypad and waits until the shell handled it.
fn press_key(app: &Weak<App>, world: &World, name: &str) -> Result<()> {
    let key = NavKey::named(name).context("no such key")?;
    let code = KeyMap::named("arrows")?.codes(key).next().context("the keypad has no such key")?;
    until_handled(app, "the key", || world.tap(code))
}

/// Lets the hand do something and waits until the shell handled it.
fn until_handled(app: &Weak<App>, what: &str, hand: impl Fn() -> bool) -> Result<()> {
    let before = on_screen(app, |_| Ok(engine::lifted()))?;
    anyhow::ensure!(hand(), "{what} is not taken");
    until(|| on_screen(app, move |_| Ok((engine::lifted() > before).then_some(()))))
        .with_context(|| format!("{what} got lost"))
}

/// The middle of the control whose label fits, as a share of the screen.
fn place_of(app: &App, fits: impl Fn(&str) -> bool) -> Option<(f32, f32)> {
    let window = app.window();
    let size = window.size().to_logical(window.scale_factor());
    let labelled = elements(app).into_iter().filter(|element| {
        element.accessible_label().is_some_and(|label| fits(&label))
            && element.accessible_enabled() != Some(false)
    });
    let middle = |element: &ElementHandle| {
        let (at, area) = (element.absolute_position(), element.size());
        ((at.x + area.width / 2.0) / size.width, (at.y + area.height / 2.0) / size.height)
    };
    // The last one is drawn on top.
    labelled.map(|element| middle(&element)).rfind(|(x, y)| (0.0..1.0).contains(x) && (0.0..1.0).contains(y))
}

fn elements(app: &App) -> Vec<ElementHandle> {
    ElementQuery::from_root(app).match_predicate(|e| e.accessible_label().is_some()).find_all()
}

fn labels(app: &App) -> Vec<String> {
    elements(app).iter().filter_map(|element| element.accessible_label()).map(String::from).collect()
}

fn seen(app: &Weak<App>) -> String {
    on_screen(app, |app| Ok(labels(app))).unwrap_or_default().join(" | ")
}

fn picture(path: &Path) -> Result<()> {
    SCREEN.with(|slot| {
        let slot = slot.borrow();
        let screen = slot.as_ref().context("this shell has no headless screen")?;
        for (name, width, height) in [("portrait", 1080, 1920), ("landscape", 1920, 1080)] {
            let file = PathBuf::from(format!("{}-{name}.png", path.display()));
            screen.picture(width, height).write(&file)?;
        }
        Ok(())
    })
}

/// Runs `work` on the screen's thread and waits for what it says.
fn on_screen<T: Send + 'static>(
    app: &Weak<App>,
    work: impl FnOnce(&App) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = sync_channel(1);
    app.upgrade_in_event_loop(move |app| {
        // The asker waits; it cannot have gone.
        let _ = sender.send(work(&app));
    })?;
    receiver.recv_timeout(FIND_LIMIT).context("the screen's thread does not answer")?
}

/// Looks again and again until something is there.
fn until<T>(look: impl Fn() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > FIND_LIMIT {
            anyhow::bail!("not within {FIND_LIMIT:?}");
        }
        std::thread::sleep(LOOK);
    }
}

/// Lets the drawer cut and mend the link: lines `link up` and `link down` on a unix socket.
///
/// # Errors
/// When the socket cannot be made.
pub fn listen_for_drawer(socket: &Path, link: Link) -> Result<PathBuf> {
    let listener = std::os::unix::net::UnixListener::bind(socket)?;
    std::thread::Builder::new().name("demo-world".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                match line.as_str() {
                    "link up" => link.set(true),
                    "link down" => link.set(false),
                    other => tracing::warn!("the drawer said '{other}'"),
                }
            }
        }
    })?;
    Ok(socket.to_owned())
}
