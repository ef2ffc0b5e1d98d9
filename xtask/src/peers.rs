//! `cargo xtask peers`: programs we did not write check our bytes, our pictures, our simulated printer.
//!
//! | peer | checks |
//! |---|---|
//! | python-escpos (PyPI) | that it writes the same bytes for the same commands |
//! | npos (npm) and zbarimg (Debian) | that they find text and QR code in a receipt of ours |
//! | receiptio (npm) and zbarimg | that, as a client of our simulated printer, it believes to have printed, and what is on the paper |
//!
//! The peers are fetched once, in pinned versions, into `target/peers/`; their small drivers are in
//! `tests/peers/`, our side is `hal/examples/peers.rs`.
//!
//! Promises: one line a check, the last line is `peers: N passed, M failed`; a check that cannot run fails.
//! Never: installs a peer outside `target/`.

use crate::{
    packages::{self, Purpose},
    process::{cargo, output_of, succeeds},
    workspace,
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

/// From PyPI.
const PYTHON_ESCPOS: &str = "python-escpos==3.1";
/// Where the simulated printer waits for receiptio, which knows port 9100 only.
const PRINTER: &str = "127.89.11.7";
/// What receiptio's QR code holds.
const CODE: &str = "HELLO-KIOSK";

/// What was found to agree, or what did not.
type Check = fn(&Bench) -> Result<String>;

const CHECKS: [(&str, Check); 3] = [
    ("python-escpos", Bench::same_bytes),
    ("npos and zbarimg", Bench::read_receipt),
    ("receiptio and zbarimg", Bench::serve_client),
];

/// Where everything is.
struct Bench {
    ours: PathBuf,
    scripts: PathBuf,
    fetched: PathBuf,
}

/// Fetches what is missing, then runs every check.
pub(crate) fn run() -> Result<ExitCode> {
    if !packages::ensure(&[Purpose::Build, Purpose::Text, Purpose::Peers], false)? {
        return Ok(ExitCode::FAILURE);
    }
    let workspace = workspace::load()?;
    let build = ["build", "-p", "hal", "--features", "sim", "--example", "peers"];
    if !succeeds(cargo(&build).current_dir(&workspace.root))? {
        println!("peers: the build failed; to repeat it: cargo {}", build.join(" "));
        return Ok(ExitCode::FAILURE);
    }
    let bench = Bench {
        ours: workspace.target.join("debug/examples/peers"),
        scripts: workspace.root.join("tests/peers"),
        fetched: workspace.target.join("peers"),
    };
    bench.fetch()?;
    let mut passed = 0;
    for (name, check) in CHECKS {
        match check(&bench) {
            Ok(found) => {
                passed += 1;
                println!("peers: {name}: {found}");
            }
            Err(why) => println!("peers: {name}: FAILED: {why:#}"),
        }
    }
    println!("peers: {passed} passed, {} failed", CHECKS.len() - passed);
    Ok(if passed == CHECKS.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Bench {
    /// The peers, unless these very versions are here.
    fn fetch(&self) -> Result<()> {
        let package = self.scripts.join("package.json");
        let wanted = format!("{PYTHON_ESCPOS}\n{}", fs::read_to_string(&package)?);
        let marker = self.fetched.join("fetched");
        if fs::read_to_string(&marker).is_ok_and(|here| here == wanted) {
            return Ok(());
        }
        fs::create_dir_all(&self.fetched)?;
        fs::copy(&package, self.fetched.join("package.json"))?;
        let venv = self.fetched.join("venv");
        ensure!(succeeds(Command::new("python3").arg("-m").arg("venv").arg(&venv))?, "no Python environment");
        let mut pip = Command::new(venv.join("bin/pip"));
        ensure!(
            succeeds(pip.args(["install", "--quiet", PYTHON_ESCPOS]))?,
            "pip did not fetch {PYTHON_ESCPOS}"
        );
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-package-lock", "--ignore-scripts"]).current_dir(&self.fetched);
        ensure!(succeeds(&mut npm)?, "npm did not fetch what {} names", package.display());
        fs::write(&marker, wanted).context("noting what was fetched")
    }

    fn same_bytes(&self) -> Result<String> {
        let ours = output_of(Command::new(&self.ours).arg("commands"))?;
        let qr = ours.lines().find_map(|line| line.strip_prefix("qr-text ")).context("our QR text")?;
        let mut python = Command::new(self.fetched.join("venv/bin/python"));
        let theirs = output_of(python.arg(self.scripts.join("escpos_bytes.py")).arg(qr))?;
        let ours: Vec<&str> = ours.lines().filter(|line| !line.starts_with("qr-text ")).collect();
        let theirs: Vec<&str> = theirs.lines().filter(|line| is_command(line)).collect();
        compare(&ours, &theirs)?;
        Ok(format!("{} commands, the same bytes", ours.len()))
    }

    fn read_receipt(&self) -> Result<String> {
        let ours = output_of(Command::new(&self.ours).arg("commands"))?;
        let qr = ours.lines().find_map(|line| line.strip_prefix("qr-text ")).context("our QR text")?;
        let receipt = self.fetched.join("receipt.bin");
        let bytes = Command::new(&self.ours).arg("receipt").output().context("our receipt")?;
        ensure!(bytes.status.success(), "our receipt: {}", String::from_utf8_lossy(&bytes.stderr));
        fs::write(&receipt, &bytes.stdout)?;
        let mut node = self.node("npos_decode.js");
        let found = output_of(node.arg(&receipt).arg(&self.fetched))?;
        for text in ["Your receipt", "Saved on this kiosk, not sent yet", "Keep this receipt."] {
            ensure!(found.lines().any(|line| line == format!("text {text}")), "no '{text}' in: {found}");
        }
        // The Arabic line and the QR code.
        ensure!(found.lines().any(|line| line == "pictures 2"), "not two pictures: {found}");
        let read = read_qr(&self.fetched.join("picture-1.pbm"))?;
        ensure!(read == qr, "the QR code says '{read}', not '{qr}'");
        Ok("3 lines of text and the QR code read back".to_owned())
    }

    fn serve_client(&self) -> Result<String> {
        let picture = self.fetched.join("receiptio.png");
        let mut printer = Command::new(&self.ours)
            .arg("serve")
            .arg(format!("{PRINTER}:9100"))
            .arg(&picture)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("our simulated printer")?;
        let mut says = BufReader::new(printer.stdout.take().context("what the printer says")?);
        let mut ready = String::new();
        says.read_line(&mut ready)?;
        let mut node = self.node("receiptio_print.js");
        let result = output_of(node.args([PRINTER, CODE]));
        // The end of its input tells the printer to end.
        drop(printer.stdin.take());
        let mut printed = String::new();
        says.read_to_string(&mut printed)?;
        ensure!(printer.wait()?.success() && ready.starts_with("ready"), "the simulated printer failed");
        let result = result?;
        ensure!(result.lines().any(|line| line == "result success"), "receiptio says: {result}");
        for text in ["printed RECEIPT", "cut"] {
            ensure!(printed.lines().any(|line| line == text), "no '{text}' in: {printed}");
        }
        let read = read_qr(&picture)?;
        ensure!(read == CODE, "the QR code says '{read}', not '{CODE}'");
        Ok("success, and its QR code is on the paper".to_owned())
    }

    /// Node with one of our drivers, where the fetched packages are found.
    fn node(&self, script: &str) -> Command {
        let mut node = Command::new("node");
        node.arg(self.scripts.join(script)).current_dir(&self.fetched);
        node
    }
}

/// `name hex`: the peers' libraries also print remarks.
fn is_command(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(_, hex)| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn compare(ours: &[&str], theirs: &[&str]) -> Result<()> {
    for (our, their) in ours.iter().zip(theirs) {
        ensure!(our == their, "ours '{our}', theirs '{their}'");
    }
    if ours.is_empty() || ours.len() != theirs.len() {
        bail!("{} commands of ours, {} of theirs", ours.len(), theirs.len());
    }
    Ok(())
}

/// What zbarimg reads out of a picture.
fn read_qr(picture: &Path) -> Result<String> {
    let text = output_of(Command::new("zbarimg").args(["--quiet", "--raw", "--nodbus"]).arg(picture));
    Ok(text.with_context(|| format!("no QR code in {}", picture.display()))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_and_a_missing_command_is_one() {
        assert!(compare(&["a 1b"], &["a 1b"]).is_ok());
        let why = compare(&["a 1b"], &["a 1c"]).unwrap_err().to_string();
        assert_eq!(why, "ours 'a 1b', theirs 'a 1c'");
        assert!(compare(&["a 1b", "b 1b"], &["a 1b"]).is_err());
        assert!(compare(&[], &[]).is_err());
    }

    #[test]
    fn remarks_are_no_commands() {
        assert!(is_command("feed 1b6403"));
        assert!(!is_command("The media.width.pixel field is not set"));
    }
}
