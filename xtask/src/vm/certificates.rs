//! The certificates of the machine's smart card, in a database as Mozilla's NSS has it.
//!
//! Made once with Debian's `certutil`: keys of this bench alone, signed by themselves, that open nothing.
//!
//! Promises: what is kept is whole: the folder gets its name last. Never: a key that leaves `target/vm`.

use super::outside::CERTIFICATES;
use crate::process::succeeds;
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Bytes of the system's random numbers that certutil stirs in.
const NOISE_BYTES: usize = 64;

/// As long as a bench lives, in months.
const VALID_MONTHS: &str = "600";

/// The database, from `folder` where it is kept.
pub(super) fn ready(folder: &Path) -> Result<PathBuf> {
    let (kept, half) = (folder.join("card"), folder.join("card.half"));
    if kept.is_dir() {
        return Ok(kept);
    }
    if half.exists() {
        fs::remove_dir_all(&half)?;
    }
    fs::create_dir_all(&half)?;
    certutil(&half, &["-N", "--empty-password"])?;
    let noise = half.join("noise");
    let noise_name = noise.to_str().context("the target folder's name is not UTF-8")?.to_owned();
    for (serial, name) in ["1", "2", "3"].iter().zip(CERTIFICATES) {
        let mut bytes = [0; NOISE_BYTES];
        fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes))?;
        fs::write(&noise, bytes)?;
        let subject = format!("CN={name} of a test card");
        let what = ["-S", "-x", "-s", &subject, "-n", name, "-t", "u,u,u", "-m", serial];
        let key = ["-k", "rsa", "-g", "2048", "-v", VALID_MONTHS, "-z", &noise_name];
        certutil(&half, &[what.as_slice(), key.as_slice()].concat())?;
    }
    fs::remove_file(&noise)?;
    fs::rename(&half, &kept)?;
    Ok(kept)
}

fn certutil(database: &Path, args: &[&str]) -> Result<()> {
    let mut command = Command::new("certutil");
    command.args(args).arg("-d").arg(format!("sql:{}", database.display()));
    // It draws a bar while it makes a key.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !succeeds(&mut command)? {
        bail!("certutil {} failed on {}", args.first().unwrap_or(&""), database.display());
    }
    Ok(())
}
