//! `cargo xtask image`: a disk to flash, from Debian's packages and this workspace.
//!
//! ```text
//! tools.list ------------------ mmdebstrap --> target/image/tools   kept until the list changes
//! x86/packages.list, dpkg.conf  mmdebstrap --> x86/debian.tar       kept until one of them changes, or --refresh
//! debian.tar + image/root + kiosk ------------> root.erofs          what is removed is in x86/remove.list
//! tools + x86/initrd.list ------- dracut -----> initrd.img
//! root.erofs ---------------- veritysetup ----> a hash tree and a root hash for each slot
//! kernel, initrd, cmdline, hash --- ukify ----> kiosk-a.efi, kiosk-b.efi
//! repart.d -------------- systemd-repart -----> kiosk-x86.raw, with packages, SPDX and licences beside it
//! ```
//!
//! Promises: nothing is mounted on this machine and no loop device is used; the same packages, recipe, binary and
//! commit make the same root hash; packages that are not the ones of `packages.lock` are named.
//!
//! Never: changes anything outside of `target/image` but the system packages it names and installs, and the lock
//! when it is asked to.

mod debian;
mod disk;
mod glob;
mod initial;
mod lock;
mod recipe;
mod root;
mod spdx;
mod tools;

use crate::{
    packages::{self, Purpose},
    process::{cargo, output_of, succeeds},
    workspace::{self, Workspace},
};
use anyhow::{Context as _, Result, bail};
use std::{
    env, fs,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Instant,
};

pub(crate) use tools::Tools;

/// How the unit's binary is built; the default features are the desk's and the demo's.
const KIOSK: [&str; 8] =
    ["build", "--release", "-p", "kiosk-app", "--no-default-features", "--features", "kms", "--quiet"];

/// Which machine an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Board {
    /// A PC that starts by UEFI.
    X86,
}

impl Board {
    /// Its folder, in the recipe and below `target/image`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86",
        }
    }
}

/// What `cargo xtask image` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which machine it is for.
    #[arg(long)]
    board: Board,
    /// Fetch Debian's packages again, with what Debian has mended since.
    #[arg(long)]
    refresh: bool,
    /// Stop when a package is not the one in packages.lock; a release is built so.
    #[arg(long, conflicts_with = "update_lock")]
    locked: bool,
    /// Write the packages of this build into packages.lock.
    #[arg(long)]
    update_lock: bool,
    /// Stop and list system packages that are missing instead of installing them.
    #[arg(long)]
    no_install: bool,
}

/// Where a build reads and writes.
#[derive(Debug)]
pub(crate) struct Places {
    /// The repository.
    pub(crate) source: PathBuf,
    /// `image/`.
    pub(crate) recipe: PathBuf,
    /// `image/x86/`.
    pub(crate) board: PathBuf,
    /// `target/image`: what all boards share.
    pub(crate) shared: PathBuf,
    /// `target/image/x86`.
    pub(crate) build: PathBuf,
}

impl Places {
    /// Those of `board` in this workspace.
    pub(crate) fn of(workspace: &Workspace, board: Board) -> Self {
        let recipe = workspace.root.join("image");
        let shared = workspace.target.join("image");
        let (name, board) = (board.name(), recipe.join(board.name()));
        Self { source: workspace.root.clone(), board, build: shared.join(name), recipe, shared }
    }

    /// What is flashed.
    pub(crate) fn image(&self) -> PathBuf {
        self.build.join(disk::IMAGE)
    }
}

/// `cargo xtask image`.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if !packages::ensure(&[Purpose::Build, Purpose::Image], options.no_install)? {
        return Ok(ExitCode::FAILURE);
    }
    let started = Instant::now();
    let workspace = workspace::load()?;
    let places = Places::of(&workspace, options.board);
    let built = build(&workspace, &places, options)?;
    let seconds = started.elapsed().as_secs();
    println!("image: {}", places.image().display());
    println!("image: root hash of slot A {}, of slot B {}", built.hashes.a, built.hashes.b);
    println!(
        "image: packages {}, differ {}, root MB {}, kernel MB {}, seconds {seconds}",
        built.packages, built.differ, built.root_mb, built.kernel_mb
    );
    Ok(ExitCode::SUCCESS)
}

/// Builds the image as it is built without options, for who wants to start it.
pub(crate) fn ready(board: Board) -> Result<(Places, Tools)> {
    let workspace = workspace::load()?;
    let places = Places::of(&workspace, board);
    let options = Options { board, refresh: false, locked: false, update_lock: false, no_install: true };
    build(&workspace, &places, &options)?;
    let tools = Tools::ready(&places, &epoch(&workspace)?)?;
    Ok((places, tools))
}

/// What came of a build.
struct Built {
    packages: usize,
    /// Not as in the lock.
    differ: usize,
    root_mb: u64,
    kernel_mb: u64,
    hashes: disk::Hashes,
}

fn build(workspace: &Workspace, places: &Places, options: &Options) -> Result<Built> {
    fs::create_dir_all(&places.build)?;
    let epoch = epoch(workspace)?;
    let kiosk = kiosk(workspace)?;
    let tools = Tools::ready(places, &epoch)?;
    let found = debian::ready(places, options.refresh)?;
    let lock_file = places.board.join("packages.lock");
    if options.update_lock {
        fs::write(&lock_file, lock::write(&found)).context("packages.lock")?;
    }
    let expected = lock::read(&recipe::text(&lock_file)?)?;
    let differences = lock::differences(&expected, &found);
    for difference in &differences {
        println!("image: {difference}");
    }
    if options.locked && !differences.is_empty() {
        bail!("{} packages are not those of packages.lock; --update-lock takes them", differences.len());
    }
    let version = workspace.version()?;
    println!("image: putting the root together");
    root::make(places, &tools, &kiosk, &version)?;
    spdx::write(places, &found, &kiosk, &version, &epoch)?;
    let kernel = initial::make(places, &tools)?;
    println!("image: packing the root, its hashes and the disk");
    let root_bytes = root::pack(places, &tools, &epoch)?;
    let hashes = disk::make(places, &tools, &kernel, &version)?;
    let kernel_bytes = fs::metadata(places.build.join(disk::KERNEL_A))?.len();
    Ok(Built {
        packages: found.len(),
        differ: differences.len(),
        root_mb: root_bytes.div_ceil(1_000_000),
        kernel_mb: kernel_bytes.div_ceil(1_000_000),
        hashes,
    })
}

/// The time everything in an image bears, seconds since 1970: `SOURCE_DATE_EPOCH`, or that of the last commit.
fn epoch(workspace: &Workspace) -> Result<String> {
    let told = env::var("SOURCE_DATE_EPOCH").ok();
    let text = match told {
        Some(told) => told,
        None => {
            output_of(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(&workspace.root))
                .context("no commit says how old this is; set SOURCE_DATE_EPOCH to seconds since 1970")?
        }
    };
    let text = text.trim();
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        bail!("SOURCE_DATE_EPOCH is '{text}'; it is seconds since 1970");
    }
    Ok(text.to_owned())
}

/// The unit's binary.
fn kiosk(workspace: &Workspace) -> Result<PathBuf> {
    println!("image: building kiosk");
    if !succeeds(cargo(&KIOSK).current_dir(&workspace.root))? {
        bail!("the build failed; to repeat it: cargo {}", KIOSK.join(" "));
    }
    Ok(workspace.target.join("release/kiosk"))
}
