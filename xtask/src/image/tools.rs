//! The image's tools: Debian's, in a folder of their own, run with that folder as their root.
//!
//! | inside | is |
//! |---|---|
//! | `/` | `target/image/tools` |
//! | `/recipe` | `image/`, to be read only |
//! | `/source/systemd`, `/source/udev` | the folders of these names, to be read only |
//! | `/build` | `target/image/x86` |
//!
//! Promises: the tools are those of `tools.list`; whatever they say goes to `build.log`, and its end is shown when
//! one of them fails. Never: a mount that outlives the program; a program of this machine's in their place.

use super::{
    Places,
    debian::{self, Variant},
    recipe,
};
use crate::process::succeeds;
use anyhow::{Context as _, Result, bail};
use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where the repository's folders are for the tools.
pub(super) const SOURCE: &str = "/source";
/// Those of which an image takes files.
const FOLDERS: [&str; 2] = ["systemd", "udev"];

const LIST: &str = "tools.list";
/// Which list the tools were made from; written last.
const STAMP: &str = "tools.stamp";
const LOG: &str = "build.log";
/// How much of the log a failure shows.
const LOG_LINES: usize = 20;

/// The tools, ready to run.
#[derive(Debug)]
pub(crate) struct Tools {
    root: PathBuf,
    source: PathBuf,
    recipe: PathBuf,
    build: PathBuf,
    epoch: String,
}

impl Tools {
    /// The tools, fetched when they are not there or their list has changed. What they date gets `epoch`.
    pub(crate) fn ready(places: &Places, epoch: &str) -> Result<Self> {
        let tools = Self {
            root: places.shared.join("tools"),
            source: places.source.clone(),
            recipe: places.recipe.clone(),
            build: places.build.clone(),
            epoch: epoch.to_owned(),
        };
        File::create(tools.build.join(LOG)).context(LOG)?;
        let (list, stamp) = (places.recipe.join(LIST), places.shared.join(STAMP));
        let wanted = recipe::text(&list)? + &recipe::text(&places.recipe.join(debian::SOURCES))?;
        if !fs::read_to_string(&stamp).is_ok_and(|kept| kept == wanted) {
            println!("image: fetching tools; minutes, once");
            // Gone first, so that nothing half made is taken for whole.
            drop(fs::remove_file(&stamp));
            let tar = places.shared.join("tools.tar");
            debian::bootstrap(places, Variant::Apt, &recipe::list(&list)?, &tar, &[])?;
            if tools.root.exists() {
                fs::remove_dir_all(&tools.root).context("removing the old tools")?;
            }
            fs::create_dir_all(&tools.root)?;
            let mut unpack = Command::new("tar");
            unpack.arg("-xpf").arg(&tar).arg("-C").arg(&tools.root).args(["--exclude=./dev/*"]);
            if !succeeds(&mut unpack)? {
                bail!("tar cannot unpack {}", tar.display());
            }
            fs::remove_file(tar)?;
            fs::write(stamp, wanted)?;
        }
        Ok(tools)
    }

    /// One of the tools with its arguments.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("bwrap");
        command
            .args(["--unshare-pid", "--unshare-ipc", "--die-with-parent", "--bind"])
            .arg(&self.root)
            .arg("/");
        command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
        command.arg("--ro-bind").arg(&self.recipe).arg("/recipe");
        for folder in FOLDERS {
            command.arg("--ro-bind").arg(self.source.join(folder)).arg(format!("{SOURCE}/{folder}"));
        }
        command.arg("--bind").arg(&self.build).arg("/build").args(["--chdir", "/build", "--clearenv"]);
        command.args(["--setenv", "PATH", "/usr/sbin:/usr/bin", "--setenv", "LC_ALL", "C.UTF-8"]);
        command.args(["--setenv", "SOURCE_DATE_EPOCH", &self.epoch, "--"]).args(words);
        command
    }

    /// Runs one of the tools to its end.
    ///
    /// # Errors
    /// With the end of what it said.
    pub(crate) fn run(&self, words: &[&str]) -> Result<()> {
        logged(&self.build, &mut self.command(words), &words.join(" "))
    }
}

/// Runs a program whose words go to the log in `folder`.
///
/// # Errors
/// With the end of the log, when it fails.
pub(super) fn logged(folder: &Path, command: &mut Command, what: &str) -> Result<()> {
    let path = folder.join(LOG);
    let log = OpenOptions::new().create(true).append(true).open(&path).context(LOG)?;
    let status = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).status();
    let status = status.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
    for line in last_lines(&text) {
        eprintln!("    {line}");
    }
    bail!("{what} ended with {status}; all it said is in {}", path.display())
}

fn last_lines(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_an_error_that_names_the_log() {
        let folder = std::env::temp_dir().join(format!("xtask-tools-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(logged(&folder, Command::new("echo").arg("said"), "echo").is_ok());
        let error = logged(&folder, &mut Command::new("false"), "false").unwrap_err().to_string();
        let log = fs::read_to_string(folder.join(LOG)).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.starts_with("false ended with") && error.ends_with(LOG), "{error}");
        assert_eq!(log, "said\n");
    }

    #[test]
    fn a_failure_shows_the_end() {
        let text: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert_eq!(last_lines(&text).first(), Some(&"80"));
        assert_eq!(last_lines("one\n"), ["one"]);
    }
}
