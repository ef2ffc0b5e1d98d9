//! Draws every page in every language and both orientations into `target/gallery/*.png`.
//!
//! Prints `gallery: pictures N, languages 4`. With arguments: only pictures whose name contains one.

#[path = "gallery/sample.rs"]
mod sample;

use anyhow::Context;
use kiosk_app::screen::{App, Page, headless::Headless, words};
use slint::{ComponentHandle, Global};
use std::path::{Path, PathBuf};

const PORTRAIT: (u32, u32) = (1080, 1920);
const LANDSCAPE: (u32, u32) = (1920, 1080);

fn main() -> anyhow::Result<()> {
    let only: Vec<String> = std::env::args().skip(1).collect();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let folder = target.join("gallery");
    std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    let screen = Headless::install(PORTRAIT.0, PORTRAIT.1)?;
    let app = App::new()?;
    app.show()?;
    words::offer(&app, words::LANGUAGES.iter().map(|(code, _)| *code))?;
    let mut pictures = 0;
    for (language, _) in words::LANGUAGES {
        words::select(&app, language)?;
        for page in sample::PAGES {
            let mut draw = |suffix: &str| -> anyhow::Result<()> {
                let name = format!("{}-{language}{suffix}", page.name);
                if only.is_empty() || only.iter().any(|part| name.contains(part)) {
                    pictures += draw_both(&screen, &app, page, language, &folder, &name)?;
                }
                Ok(())
            };
            draw("")?;
            if page.aids {
                Page::get(&app).set_large_text(true);
                draw("-large")?;
                Page::get(&app).set_large_text(false);
                Page::get(&app).set_high_contrast(true);
                draw("-contrast")?;
                Page::get(&app).set_high_contrast(false);
            }
        }
    }
    println!("gallery: pictures {pictures}, languages {}", words::LANGUAGES.len());
    Ok(())
}

/// Draws one page in both orientations; how many pictures that made.
fn draw_both(
    screen: &Headless,
    app: &App,
    page: &sample::Sample,
    language: &str,
    folder: &Path,
    name: &str,
) -> anyhow::Result<usize> {
    for (width, height, orientation) in
        [(PORTRAIT.0, PORTRAIT.1, "portrait"), (LANDSCAPE.0, LANDSCAPE.1, "landscape")]
    {
        screen.resize(width, height);
        sample::clear(app);
        screen.settle();
        sample::fill(app, page.shows, language);
        screen.settle();
        let path = folder.join(format!("{name}-{orientation}.png"));
        screen.frame().write(&path).with_context(|| format!("{}", path.display()))?;
    }
    Ok(2)
}
