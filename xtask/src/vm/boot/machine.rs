//! A PC in QEMU with a firmware, a disk, a screen and a touch panel, and nothing else.
//!
//! It has no serial line and no network, so that what is known of it is what a person in front of it sees. It is
//! started with the firmware's variables as they come from the factory.
//!
//! Promises: it ends with us. Never: writes to the image that was built; it has a copy.

use super::{
    super::qmp::Qmp,
    screen::{Look, Picture},
};
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::{
    fs::{self, File},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const QEMU: &str = "qemu-system-x86_64";
const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
const MEMORY_MIB: &str = "1024";
/// An upright screen, as a kiosk's is.
const SCREEN: &str = "virtio-gpu-pci,xres=1080,yres=1920";

/// A screen tells nobody that it has changed: it is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a finger rests; the machine is slow.
const TOUCH: Duration = Duration::from_millis(300);
/// What QEMU's axes go to.
const AXIS_MAX: u32 = 0x7fff;

/// QEMU's word for a machine that starts again by itself.
const RESET: &str = "RESET";

/// A running machine.
#[derive(Debug)]
pub(super) struct Machine {
    child: Child,
    qmp: Qmp,
    folder: PathBuf,
    started: Instant,
    /// How often it started again by itself.
    resets: usize,
}

impl Machine {
    /// Switches it on with `disk`, which it may write; what belongs to it is in `folder`.
    pub(super) fn start(folder: &Path, disk: &Path) -> Result<Self> {
        let variables = folder.join("variables.fd");
        fs::copy(VARIABLES, &variables).context(VARIABLES)?;
        let (qmp, its_qmp) = UnixStream::pair()?;
        let mut command = qemu(&variables, disk)?;
        command
            .stdin(OwnedFd::from(its_qmp))
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("qemu.log"))?);
        let child = command.spawn().with_context(|| format!("cannot run {QEMU}"))?;
        // Its end is closed here, so that ours hears when it ends.
        drop(command);
        let started = Instant::now();
        let qmp = Qmp::greet(qmp)
            .with_context(|| format!("{} has its words", folder.join("qemu.log").display()))?;
        Ok(Self { child, qmp, folder: folder.to_owned(), started, resets: 0 })
    }

    /// How long it has been on.
    pub(super) fn on_for(&self) -> Duration {
        self.started.elapsed()
    }

    /// How often it has started again by itself.
    pub(super) fn resets(&self) -> usize {
        self.resets
    }

    /// What the screen looks like now.
    pub(super) fn look(&mut self) -> Result<Look> {
        let file = self.folder.join("now.ppm");
        self.dump(&file, "ppm")?;
        Ok(Picture::read(&fs::read(&file)?)?.look())
    }

    /// Waits until the screen looks like `wanted`, for at most `limit`.
    ///
    /// # Errors
    /// With what is there instead, which is kept as a picture.
    pub(super) fn wait_for(&mut self, wanted: Look, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        loop {
            let look = self.look()?;
            if look == wanted {
                return Ok(());
            }
            if Instant::now() >= until {
                self.save("instead")?;
                bail!(
                    "{wanted:?} is not on the screen within {} s, but what instead.png shows; {} resets",
                    limit.as_secs(),
                    self.resets
                );
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Keeps the screen as `name.png`.
    pub(super) fn save(&mut self, name: &str) -> Result<()> {
        let file = self.folder.join(format!("{name}.png"));
        self.dump(&file, "png")
    }

    /// Touches the screen at a point, in thousandths from the left and from above.
    pub(super) fn touch(&mut self, x: u32, y: u32) -> Result<()> {
        let axis = |axis: &str, at: u32| json!({ "type": "abs", "data": { "axis": axis, "value": at * AXIS_MAX / 1000 } });
        let finger = |down: bool| json!({ "type": "btn", "data": { "button": "left", "down": down } });
        self.tell("input-send-event", &json!({ "events": [axis("x", x), axis("y", y)] }))?;
        self.tell("input-send-event", &json!({ "events": [finger(true)] }))?;
        thread::sleep(TOUCH);
        self.tell("input-send-event", &json!({ "events": [finger(false)] }))
    }

    /// Pulls the plug, and waits until the disk is no longer written.
    pub(super) fn pull_the_plug(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn dump(&mut self, file: &Path, format: &str) -> Result<()> {
        self.tell("screendump", &json!({ "filename": file, "format": format }))
    }

    fn tell(&mut self, command: &str, arguments: &serde_json::Value) -> Result<()> {
        let resets = &mut self.resets;
        self.qmp.tell_and_hear(command, arguments, &mut |event| *resets += usize::from(event == RESET))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn qemu(variables: &Path, disk: &Path) -> Result<Command> {
    let text = |path: &Path| -> Result<String> {
        let text = path.to_str().context("a path is not UTF-8")?;
        // QEMU's own way to write a comma in a value.
        Ok(text.replace(',', ",,"))
    };
    let mut command = Command::new(QEMU);
    command.args(["-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", MEMORY_MIB]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none"]);
    command.args(["-drive", &format!("if=pflash,format=raw,readonly=on,file={FIRMWARE}")]);
    command.args(["-drive", &format!("if=pflash,format=raw,file={}", text(variables)?)]);
    command.args(["-drive", &format!("if=virtio,format=raw,cache=unsafe,file={}", text(disk)?)]);
    command.args(["-device", SCREEN, "-device", "virtio-tablet-pci", "-device", "virtio-rng-pci"]);
    // A socket it inherits: no path that could be too long.
    command.args(["-chardev", "socket,id=qmp,fd=0", "-mon", "chardev=qmp,mode=control"]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_no_line_out_but_its_screen() {
        let command = qemu(Path::new("v,1"), Path::new("d")).unwrap();
        let args: Vec<&str> = command.get_args().filter_map(|arg| arg.to_str()).collect();
        assert!(args.contains(&"-nodefaults") && args.iter().any(|arg| arg.ends_with("file=v,,1")));
        assert!(!args.iter().any(|arg| arg.contains("serial") || arg.contains("net")));
        assert!(!args.contains(&"-no-reboot"), "a slot is counted over resets");
    }
}
