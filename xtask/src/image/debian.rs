//! Debian's packages, unpacked and set up by mmdebstrap into an archive, with what was taken written down.
//!
//! Packages are kept in `target/image/debs`; Debian's signature over its lists says what each must be, and apt
//! checks it. `packages` beside the archive has one line for each: name, version, architecture, SHA-256 of the file.
//!
//! Promises: what is kept belongs to the recipe in the stamp, which is written last. Never: a package that was only
//! recommended.

use super::{
    Places,
    lock::{self, Entry},
    recipe,
    tools::logged,
};
use crate::process::output_of;
use anyhow::{Context as _, Result, bail};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where packages come from, in apt's own words; a file of the recipe.
pub(super) const SOURCES: &str = "debian.list";
const SUITE: &str = "trixie";

const ARCHIVE: &str = "debian.tar";
const PACKAGES: &str = "packages";
const STAMP: &str = "debian.stamp";
const LIST: &str = "packages.list";
const UNPACKED: &str = "dpkg.conf";

/// What there is beside what was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Variant {
    /// Debian's essential packages.
    Essential,
    /// Those and apt.
    Apt,
}

/// The archive the root is made from; where it is kept.
pub(super) fn archive(places: &Places) -> PathBuf {
    places.build.join(ARCHIVE)
}

/// Makes the archive when it is not there, when the recipe has changed, or to `refresh` it; what is in it.
pub(super) fn ready(places: &Places, refresh: bool) -> Result<Vec<Entry>> {
    let list = places.board.join(LIST);
    let unpacked = places.board.join(UNPACKED);
    let sources = places.recipe.join(SOURCES);
    let wanted = [&list, &unpacked, &sources].map(|file| recipe::text(file));
    let wanted = wanted.into_iter().collect::<Result<String>>()?;
    let (stamp, packages) = (places.build.join(STAMP), places.build.join(PACKAGES));
    let kept = fs::read_to_string(&stamp).is_ok_and(|kept| kept == wanted) && archive(places).is_file();
    if refresh || !kept {
        println!("image: fetching Debian's packages and setting them up; minutes");
        // Gone first, so that nothing half made is taken for whole.
        drop(fs::remove_file(&stamp));
        let queried = places.build.join("packages.queried");
        // The only words that go through a shell; dpkg's own names for its own fields.
        let query = format!(
            "--customize-hook=chroot \"$1\" dpkg-query -W -f '${{Package}} ${{Version}} ${{Architecture}}\\n' > '{}'",
            quotable(&queried)?
        );
        let options = [format!("--dpkgopt={}", quotable(&unpacked)?), query];
        bootstrap(places, Variant::Essential, &recipe::list(&list)?, &archive(places), &options)?;
        let found = hashed(&places.shared.join("debs"), &recipe::text(&queried)?)?;
        fs::write(&packages, lock::write(&found))?;
        fs::write(stamp, wanted)?;
    } else {
        println!(
            "image: Debian's packages are kept from before; --refresh fetches what has been mended since"
        );
    }
    lock::read(&recipe::text(&packages)?)
}

/// Puts `packages` into an archive at `to`.
pub(super) fn bootstrap(
    places: &Places,
    variant: Variant,
    packages: &[String],
    to: &Path,
    more: &[String],
) -> Result<()> {
    let debs = places.shared.join("debs");
    fs::create_dir_all(&debs)?;
    let debs = quotable(&debs)?;
    let variant = match variant {
        Variant::Essential => "essential",
        Variant::Apt => "apt",
    };
    let mut command = Command::new("mmdebstrap");
    command.args(["--mode=auto", "--format=tar", &format!("--variant={variant}")]);
    command.args(["--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\""]);
    command.args(["--aptopt=Acquire::http::Timeout \"30\"", "--aptopt=Acquire::Retries \"3\""]);
    command.args([
        "--skip=download/empty,essential/unlink",
        "--setup-hook=mkdir -p \"$1\"/var/cache/apt/archives/",
    ]);
    command.arg(format!("--setup-hook=sync-in '{debs}' /var/cache/apt/archives/"));
    command.arg(format!("--customize-hook=sync-out /var/cache/apt/archives '{debs}'"));
    command.args(more).arg(format!("--include={}", packages.join(","))).arg(SUITE).arg(to);
    command.arg(places.recipe.join(SOURCES));
    logged(&places.build, &mut command, "mmdebstrap")
}

/// A path that stands in a hook of mmdebstrap's, which a shell reads.
fn quotable(path: &Path) -> Result<&str> {
    match path.to_str() {
        Some(text) if !text.contains('\'') => Ok(text),
        Some(_) | None => bail!("{} has a ' or no UTF-8 in it; build elsewhere", path.display()),
    }
}

/// Adds to dpkg's list the hash of each package's file in `debs`.
fn hashed(debs: &Path, queried: &str) -> Result<Vec<Entry>> {
    let mut entries = lock::queried(queried)?;
    let files = entries.iter().map(|entry| OsString::from(entry.file_name()));
    let sums = output_of(Command::new("sha256sum").arg("--").args(files).current_dir(debs))?;
    if sums.lines().count() != entries.len() {
        bail!("sha256sum read {} of {} packages", sums.lines().count(), entries.len());
    }
    for (entry, line) in entries.iter_mut().zip(sums.lines()) {
        let (sum, _) = line.split_once(' ').context("sha256sum wrote an unexpected line")?;
        sum.trim_start_matches('\\').clone_into(&mut entry.sha256);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_hashed_as_its_file() {
        let folder = std::env::temp_dir().join(format!("xtask-debian-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a_1%3a2-1_amd64.deb"), b"").unwrap();
        let found = hashed(&folder, "a 1:2-1 amd64\n").unwrap();
        let missing = hashed(&folder, "a 1:2-2 amd64\n");
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            found.first().unwrap().sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert!(missing.is_err());
    }

    #[test]
    fn a_path_that_a_shell_would_split_is_refused() {
        assert!(quotable(Path::new("/a b/c")).is_ok());
        assert!(quotable(Path::new("/it's")).is_err());
    }
}
