//! Which system packages a newcomer's machine lacks, and how they get there.
//!
//! [`NEEDS`] is the whole list: a Debian package, why it is needed, for what purpose, and the file
//! that shows it is there. Looking is reading directories only: nothing is run, so it also works
//! where there is no dpkg.
//!
//! Promises: nothing is installed without one line saying what and why; `--no-install` installs
//! nothing, and then the exit status is 0 when nothing is missing and 1 when something is.
//!
//! Never: removes or upgrades a package; asks a question that nobody is there to answer.

use crate::process::{is_root, succeeds};
use anyhow::Result;
use std::{
    env, fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// What a package is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Compiling.
    Build,
    /// Drawing text, in a window or not.
    Text,
    /// A window on X11.
    X11,
    /// A window on Wayland.
    Wayland,
    /// Programs of other people that check ours.
    Peers,
    /// A virtual machine with a kernel of its own.
    Machine,
    /// A drive whose power can be cut.
    Disk,
    /// A database server.
    Server,
    /// Two networks with a packet filter between them.
    Network,
    /// What is flashed.
    Image,
    /// A virtual machine that starts as a PC does.
    Firmware,
}

/// How a package shows that it is there.
#[derive(Clone, Copy, Debug)]
enum Sign {
    /// A program in the path.
    Program(&'static str),
    /// A file in the C compiler's include directories.
    Header(&'static str),
    /// A shared library the loader would find.
    Library(&'static str),
    /// A font file whose name begins like this.
    Font(&'static str),
    /// PostgreSQL's `initdb`, of any version.
    Server,
    /// A file in one of the directories for data.
    Data(&'static str),
}

struct Need {
    package: &'static str,
    why: &'static str,
    purpose: Purpose,
    sign: Sign,
}

const fn need(package: &'static str, purpose: Purpose, sign: Sign, why: &'static str) -> Need {
    Need { package, why, purpose, sign }
}

/// Debian's names, the same in 12 and 13.
const NEEDS: &[Need] = &[
    need("gcc", Purpose::Build, Sign::Program("cc"), "compiles AWS-LC, SQLite and libusb, and links"),
    need("libc6-dev", Purpose::Build, Sign::Header("stdio.h"), "headers for what gcc compiles"),
    need("libfontconfig1", Purpose::Text, Sign::Library("libfontconfig.so.1"), "finds fonts at run time"),
    need(
        "fonts-noto-core",
        Purpose::Text,
        Sign::Font("NotoSans-Regular."),
        "draws Latin, Greek and Cyrillic",
    ),
    need("fonts-noto-core", Purpose::Text, Sign::Font("NotoSansArabic-Regular."), "draws Arabic"),
    need("libx11-6", Purpose::X11, Sign::Library("libX11.so.6"), "opens the demo's window"),
    need("libx11-xcb1", Purpose::X11, Sign::Library("libX11-xcb.so.1"), "opens the demo's window"),
    need("libxcursor1", Purpose::X11, Sign::Library("libXcursor.so.1"), "shows the pointer"),
    need("libxi6", Purpose::X11, Sign::Library("libXi.so.6"), "reads touch and mouse"),
    need("libxkbcommon-x11-0", Purpose::X11, Sign::Library("libxkbcommon-x11.so.0"), "reads the keyboard"),
    need("libwayland-client0", Purpose::Wayland, Sign::Library("libwayland-client.so.0"), "opens the window"),
    need("python3-venv", Purpose::Peers, Sign::Program("python3"), "runs python-escpos"),
    need("nodejs", Purpose::Peers, Sign::Program("node"), "runs npos and receiptio"),
    need("npm", Purpose::Peers, Sign::Program("npm"), "fetches npos and receiptio"),
    need("zbar-tools", Purpose::Peers, Sign::Program("zbarimg"), "reads QR codes out of pictures"),
    need("libxkbcommon0", Purpose::Wayland, Sign::Library("libxkbcommon.so.0"), "reads the keyboard"),
    need(
        "qemu-system-x86",
        Purpose::Machine,
        Sign::Program("qemu-system-x86_64"),
        "runs a kernel with devices of its own",
    ),
    need(
        "libnss3-tools",
        Purpose::Machine,
        Sign::Program("certutil"),
        "makes certificates for the machine's smart card",
    ),
    need("libpcsclite-dev", Purpose::Machine, Sign::Header("PCSC/winscard.h"), "hal's PC/SC driver"),
    need("pkgconf", Purpose::Machine, Sign::Program("pkg-config"), "finds libpcsclite"),
    need("xz-utils", Purpose::Machine, Sign::Program("xz"), "unpacks kernel modules"),
    need("e2fsprogs", Purpose::Disk, Sign::Program("mkfs.ext4"), "makes the file system that loses power"),
    need("postgresql", Purpose::Server, Sign::Server, "the database that several gateways share"),
    need("util-linux", Purpose::Server, Sign::Program("setpriv"), "runs it as its own user"),
    need("mount", Purpose::Disk, Sign::Program("mount"), "mounts it"),
    need(
        "iproute2",
        Purpose::Network,
        Sign::Program("ip"),
        "makes networks for the packet filter to be tried in",
    ),
    need(
        "debian-archive-keyring",
        Purpose::Network,
        Sign::Data("keyrings/debian-archive-keyring.gpg"),
        "checks Debian 13's systemd, which judges the units",
    ),
    need("mmdebstrap", Purpose::Image, Sign::Program("mmdebstrap"), "puts Debian's packages into a folder"),
    need("bubblewrap", Purpose::Image, Sign::Program("bwrap"), "runs the image's tools in that folder"),
    need(
        "debian-archive-keyring",
        Purpose::Image,
        Sign::Data("keyrings/debian-archive-keyring.gpg"),
        "checks who signed the packages",
    ),
    need(
        "qemu-system-x86",
        Purpose::Firmware,
        Sign::Program("qemu-system-x86_64"),
        "runs the image as a machine would",
    ),
    need("ovmf", Purpose::Firmware, Sign::Data("OVMF/OVMF_CODE_4M.fd"), "starts it as a PC's firmware would"),
];

/// How deep font directories are searched.
const FONT_DEPTH_MAX: usize = 4;

/// How long apt-get waits for another apt-get, in seconds.
const APT_LOCK: &str = "DPkg::Lock::Timeout=120";

/// How long apt-get waits for a silent mirror, in seconds.
const APT_HTTP: &str = "Acquire::http::Timeout=30";

/// Directories in which the signs are looked for.
struct Places {
    programs: Vec<PathBuf>,
    headers: Vec<PathBuf>,
    libraries: Vec<PathBuf>,
    fonts: Vec<PathBuf>,
    servers: PathBuf,
    data: Vec<PathBuf>,
}

impl Places {
    fn of_this_machine() -> Self {
        let multiarch = format!("{}-linux-gnu", env::consts::ARCH);
        let paths = |variable: &str| -> Vec<PathBuf> {
            env::var_os(variable).map(|v| env::split_paths(&v).collect()).unwrap_or_default()
        };
        let mut libraries = paths("LD_LIBRARY_PATH");
        for base in ["/usr/lib", "/lib", "/usr/local/lib", "/usr/lib64", "/lib64"] {
            libraries.push(base.into());
            libraries.push(Path::new(base).join(&multiarch));
        }
        let mut headers = paths("C_INCLUDE_PATH");
        headers.extend(["/usr/include", "/usr/local/include"].map(PathBuf::from));
        let mut fonts: Vec<PathBuf> =
            ["/usr/share/fonts", "/usr/local/share/fonts"].map(PathBuf::from).into();
        if let Some(home) = env::var_os("HOME") {
            fonts.push(Path::new(&home).join(".local/share/fonts"));
            fonts.push(Path::new(&home).join(".fonts"));
        }
        let mut programs = paths("PATH");
        // What root starts is found there by root, whoever asks.
        programs.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
        let data = ["/usr/share", "/usr/local/share"].map(PathBuf::from).into();
        Self { programs, headers, libraries, fonts, servers: "/usr/lib/postgresql".into(), data }
    }

    fn shows(&self, sign: Sign) -> bool {
        let has = |places: &[PathBuf], file: &str| places.iter().any(|place| place.join(file).is_file());
        match sign {
            Sign::Program(name) => has(&self.programs, name),
            Sign::Header(name) => has(&self.headers, name),
            Sign::Library(name) => has(&self.libraries, name),
            Sign::Server => fs::read_dir(&self.servers).is_ok_and(|mut versions| {
                versions.any(|v| v.is_ok_and(|v| v.path().join("bin/initdb").is_file()))
            }),
            Sign::Data(name) => has(&self.data, name),
            Sign::Font(begins) => self.fonts.iter().any(|place| has_font(place, begins, FONT_DEPTH_MAX)),
        }
    }
}

fn has_font(directory: &Path, begins: &str, depth: usize) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return depth > 0 && has_font(&path, begins, depth - 1);
        }
        entry.file_name().to_string_lossy().starts_with(begins)
    })
}

/// The window systems this session has.
pub(crate) fn window() -> Vec<Purpose> {
    let named = |variable: &str| env::var_os(variable).is_some_and(|value| !value.is_empty());
    let x11 = named("DISPLAY").then_some(Purpose::X11);
    let wayland = named("WAYLAND_DISPLAY").then_some(Purpose::Wayland);
    x11.into_iter().chain(wayland).collect()
}

/// `cargo xtask packages`: everything the other commands may need on this machine.
pub(crate) fn run(no_install: bool) -> Result<ExitCode> {
    let mut purposes = vec![
        Purpose::Build,
        Purpose::Text,
        Purpose::Machine,
        Purpose::Disk,
        Purpose::Server,
        Purpose::Network,
        Purpose::Image,
        Purpose::Firmware,
    ];
    purposes.extend(window());
    let complete = ensure(&purposes, no_install)?;
    if complete {
        println!("packages: nothing missing");
    }
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what is missing for `purposes` and installs it, unless told not to. Whether all is there now.
pub(crate) fn ensure(purposes: &[Purpose], no_install: bool) -> Result<bool> {
    let places = Places::of_this_machine();
    let lacking = missing(&places, purposes);
    for need in &lacking {
        println!("packages: {} is missing: {}", need.package, need.why);
    }
    let names = package_names(&lacking);
    if names.is_empty() {
        return Ok(true);
    }
    if no_install {
        println!("packages: to install them: {}", by_hand(&names));
        return Ok(false);
    }
    let Some(prefix) = privilege(&places) else {
        println!("packages: cannot install here; as root: {}", by_hand(&names));
        return Ok(false);
    };
    if !install(&prefix, &names)? {
        println!("packages: apt-get failed; by hand: {}", by_hand(&names));
        return Ok(false);
    }
    let still = package_names(&missing(&places, purposes));
    if !still.is_empty() {
        println!("packages: apt-get succeeded, yet not found: {}", still.join(" "));
    }
    Ok(still.is_empty())
}

fn missing(places: &Places, purposes: &[Purpose]) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| purposes.contains(&need.purpose) && !places.shows(need.sign)).collect()
}

fn package_names(needs: &[&Need]) -> Vec<&'static str> {
    let mut names: Vec<&str> = needs.iter().map(|need| need.package).collect();
    names.dedup();
    names
}

fn by_hand(names: &[&str]) -> String {
    format!("apt-get install --no-install-recommends {}", names.join(" "))
}

/// What to put before a program that takes root: nothing for root, sudo for others; `None` where neither is.
pub(crate) fn privilege_here() -> Option<Vec<&'static str>> {
    privilege(&Places::of_this_machine())
}

/// What to put before apt-get: nothing for root, sudo for others; `None` where neither can work.
fn privilege(places: &Places) -> Option<Vec<&'static str>> {
    if !places.shows(Sign::Program("apt-get")) {
        return None;
    }
    let root = is_root();
    if root {
        return Some(Vec::new());
    }
    // Without a terminal nobody can type a password: sudo then fails at once instead of waiting.
    let sudo = if std::io::stdin().is_terminal() { vec!["sudo"] } else { vec!["sudo", "-n"] };
    places.shows(Sign::Program("sudo")).then_some(sudo)
}

/// Fetches the lists of what Debian has now. Whether that worked.
pub(crate) fn update_lists() -> Result<bool> {
    let Some(prefix) = privilege(&Places::of_this_machine()) else {
        println!("packages: cannot fetch package lists here; as root: apt-get update");
        return Ok(false);
    };
    succeeds(&mut apt_get(&prefix, &["update", "-qq"]))
}

fn install(prefix: &[&str], names: &[&str]) -> Result<bool> {
    println!("packages: installing {} with apt-get", names.join(" "));
    if !update_lists()? {
        println!("packages: apt-get update failed; trying with the lists that are here");
    }
    let mut command = apt_get(prefix, &["install", "-qq", "--yes", "--no-install-recommends"]);
    succeeds(command.args(names))
}

fn apt_get(prefix: &[&str], args: &[&str]) -> Command {
    let words = prefix.iter().chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    let words: Vec<&str> = words.chain(&["-o", APT_LOCK, "-o", APT_HTTP]).chain(args).copied().collect();
    let (program, rest) = words.split_first().map_or(("env", &[][..]), |(first, rest)| (*first, rest));
    let mut command = Command::new(program);
    command.args(rest);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Purpose; 11] = [
        Purpose::Build,
        Purpose::Text,
        Purpose::X11,
        Purpose::Wayland,
        Purpose::Peers,
        Purpose::Machine,
        Purpose::Disk,
        Purpose::Server,
        Purpose::Network,
        Purpose::Image,
        Purpose::Firmware,
    ];

    fn empty() -> Places {
        Places {
            programs: vec![],
            headers: vec![],
            libraries: vec![],
            fonts: vec![],
            servers: PathBuf::new(),
            data: vec![],
        }
    }

    #[test]
    fn a_bare_machine_lacks_everything_and_each_package_is_named_once() {
        let lacking = missing(&empty(), &ALL);
        assert_eq!(lacking.len(), NEEDS.len());
        let names = package_names(&lacking);
        assert_eq!(names.iter().filter(|name| **name == "fonts-noto-core").count(), 1);
        assert!(missing(&empty(), &[]).is_empty());
    }

    #[test]
    fn files_are_the_signs() {
        let root = env::temp_dir().join(format!("xtask-packages-{}", std::process::id()));
        let noto = root.join("fonts/truetype/noto");
        fs::create_dir_all(&noto).unwrap();
        fs::write(noto.join("NotoSans-Regular.ttf"), b"").unwrap();
        fs::write(root.join("cc"), b"").unwrap();
        let places = Places {
            programs: vec![root.clone()],
            headers: vec![root.clone()],
            libraries: vec![root.clone()],
            fonts: vec![root.join("fonts")],
            servers: PathBuf::new(),
            data: vec![root.clone()],
        };
        assert!(places.shows(Sign::Data("fonts/truetype/noto/NotoSans-Regular.ttf")));
        assert!(places.shows(Sign::Program("cc")));
        assert!(!places.shows(Sign::Header("stdio.h")));
        assert!(places.shows(Sign::Font("NotoSans-Regular.")));
        let lacking: Vec<&str> =
            missing(&places, &[Purpose::Build, Purpose::Text]).iter().map(|need| need.why).collect();
        fs::remove_dir_all(&root).unwrap();
        let expected = ["headers for what gcc compiles", "finds fonts at run time", "draws Arabic"];
        assert_eq!(lacking, expected);
    }

    #[test]
    fn installing_asks_nothing_and_has_limits() {
        let command = apt_get(&["sudo", "-n"], &["install", "--yes"]);
        let words: Vec<&str> = command.get_args().filter_map(|arg| arg.to_str()).collect();
        assert_eq!(command.get_program(), "sudo");
        assert!(words.starts_with(&["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]));
        assert!(words.contains(&APT_LOCK) && words.contains(&APT_HTTP));
    }

    #[test]
    fn without_apt_get_nothing_is_tried() {
        assert_eq!(privilege(&empty()), None);
    }
}
