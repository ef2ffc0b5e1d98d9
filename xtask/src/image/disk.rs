//! The disk: partitions of `repart.d`, root hashes, and a kernel image for each slot that names its slot's hash.
//!
//! ```text
//! esp   EFI/BOOT/BOOTX64.EFI, EFI/Linux/kiosk-a+3.efi, EFI/Linux/kiosk-b+3.efi, loader/loader.conf
//! A     root, hash tree; their partitions' ids are the two halves of the root hash, which is how they are found
//! B     the same root under another salt, so another root hash: one slot that rots leaves the other
//! state ext4
//! ```
//!
//! `+3` is how often systemd-boot starts a slot that never came up before it takes the other one.
//!
//! Promises: no loop device; the same root, recipe and version make the same disk. Never: a root of which the kernel
//! image does not know the hash.

use super::{Places, initial::Kernel, recipe, root, tools::Tools};
use anyhow::{Context as _, Result, bail};
use std::fs;

/// What is flashed.
pub(super) const IMAGE: &str = "kiosk-x86.raw";
/// Slot A's kernel image; B's is the same with another hash.
pub(super) const KERNEL_A: &str = "kiosk-a.efi";
const KERNEL_B: &str = "kiosk-b.efi";

const BOOT: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
/// Where every PC's firmware looks on a disk it does not know.
const FIRMWARE_STARTS: &str = "/build/esp/EFI/BOOT/BOOTX64.EFI";
/// No menu, and no way to change a command line.
const LOADER: &str = "timeout 0\neditor no\nauto-firmware no\nauto-entries no\n";

/// What makes the two slots' hashes differ, and the hash trees' names for themselves.
const SLOTS: [Slot; 2] = [
    Slot {
        name: "a",
        number: 2,
        salt: "7b1d8f02c45e4a6d9e30f7a1526cb8d4103f5e7a9b2c4d6e8f01a3b5c7d9e0f2",
        uuid: "0d7c3a5e-61b2-4f48-9c0d-5a1e7b3f2c64",
    },
    Slot {
        name: "b",
        number: 3,
        salt: "e2a94c6b18d75f3092ce4b7da650f1839b6d2e5c7f8a1042d3b4c5e6f7089a1b",
        uuid: "c1f4e8a2-3d75-4b96-8e2a-90b7d6c5a413",
    },
];

/// One of two.
struct Slot {
    name: &'static str,
    /// The first digit of its files in `repart.d`.
    number: u8,
    salt: &'static str,
    uuid: &'static str,
}

/// Partition ids are derived from it: the same on every unit, as the image is.
const SEED: &str = "--seed=3b1c52b9-2b54-4f0e-8a41-0f7a3c1d9e62";

/// The root hash of each slot, hexadecimal.
#[derive(Debug)]
pub(super) struct Hashes {
    pub(super) a: String,
    pub(super) b: String,
}

/// Makes the image.
pub(super) fn make(places: &Places, tools: &Tools, kernel: &Kernel, version: &str) -> Result<Hashes> {
    let image = format!("/build/{IMAGE}");
    tools.run(&["rm", "-rf", &image, "/build/esp", "/build/repart.d"])?;
    let [a, b] = &SLOTS;
    let hashes = Hashes { a: hash_tree(places, tools, a)?, b: hash_tree(places, tools, b)? };
    fs::write(places.build.join("roothash"), format!("a {}\nb {}\n", hashes.a, hashes.b))?;
    kernels(places, tools, kernel, version, &hashes)?;
    boot_partition(places, tools)?;
    let definitions = ["--definitions=/recipe/repart.d", "--definitions=/build/repart.d"];
    let mut words = vec!["systemd-repart"];
    words.extend(definitions);
    words.extend([
        "--empty=create",
        "--size=auto",
        "--sector-size=512",
        "--offline=yes",
        "--dry-run=no",
        SEED,
        &image,
    ]);
    tools.run(&words)?;
    Ok(hashes)
}

/// Makes a slot's hash tree and its partitions' ids; the root hash.
fn hash_tree(places: &Places, tools: &Tools, slot: &Slot) -> Result<String> {
    let (tree, file) = (format!("/build/verity-{}.img", slot.name), format!("roothash-{}", slot.name));
    tools.run(&["rm", "-f", &tree])?;
    let (salt, uuid) = (format!("--salt={}", slot.salt), format!("--uuid={}", slot.uuid));
    let hash_file = format!("--root-hash-file=/build/{file}");
    tools.run(&["veritysetup", "format", &salt, &uuid, &hash_file, "/build/root.erofs", &tree])?;
    let hash = recipe::text(&places.build.join(file))?.trim().to_owned();
    let [root, hashes] = ids(&hash)?;
    let Slot { name, number, .. } = slot;
    let parts = [(format!("{number}0-root-{name}"), root), (format!("{number}1-verity-{name}"), hashes)];
    for (part, id) in parts {
        let folder = places.build.join(format!("repart.d/{part}.conf.d"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("id.conf"), format!("[Partition]\nUUID={id}\n"))?;
    }
    Ok(hash)
}

/// The ids by which `systemd-veritysetup-generator` finds a root and its hash tree: the halves of the root hash.
fn ids(hash: &str) -> Result<[String; 2]> {
    if hash.len() != 64 || !hash.chars().all(|c| c.is_ascii_hexdigit()) {
        bail!("the root hash is '{hash}', not 64 hexadecimal digits");
    }
    let id = |from: usize| -> Result<String> {
        let part = |at: usize, length: usize| hash.get(from + at..from + at + length).context("a short hash");
        Ok([part(0, 8)?, part(8, 4)?, part(12, 4)?, part(16, 4)?, part(20, 12)?].join("-"))
    };
    Ok([id(0)?, id(32)?])
}

fn kernels(places: &Places, tools: &Tools, kernel: &Kernel, version: &str, hashes: &Hashes) -> Result<()> {
    let words = recipe::list(&places.board.join("cmdline"))?.join(" ");
    let names = recipe::text(&places.build.join("os-release"))?;
    // Of equals systemd-boot takes the one with the greater version: A before B.
    let slots = [(KERNEL_A, &hashes.a, version.to_owned()), (KERNEL_B, &hashes.b, format!("{version}~b"))];
    for (file, hash, version) in slots {
        let release = places.build.join("os-release.slot");
        fs::write(&release, root::os_release(&names, &version))?;
        let cmdline = format!("--cmdline=roothash={hash} {words}");
        let uname = format!("--uname={}", kernel.release);
        let output = format!("--output=/build/{file}");
        let fixed =
            ["--linux=/build/vmlinuz", "--initrd=/build/initrd.img", "--os-release=@/build/os-release.slot"];
        let mut command = vec!["ukify", "build"];
        command.extend(fixed);
        command.extend([cmdline.as_str(), uname.as_str(), output.as_str()]);
        tools.run(&command)?;
    }
    Ok(())
}

fn boot_partition(places: &Places, tools: &Tools) -> Result<()> {
    for folder in ["esp/EFI/BOOT", "esp/EFI/Linux", "esp/loader"] {
        fs::create_dir_all(places.build.join(folder))?;
    }
    tools.run(&["cp", BOOT, FIRMWARE_STARTS])?;
    let counted = [(KERNEL_A, "kiosk-a+3.efi"), (KERNEL_B, "kiosk-b+3.efi")];
    for (file, name) in counted {
        tools.run(&["cp", &format!("/build/{file}"), &format!("/build/esp/EFI/Linux/{name}")])?;
    }
    fs::write(places.build.join("esp/loader/loader.conf"), LOADER).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_halves_of_the_hash() {
        let hash = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";
        let expected = ["00112233-4455-6677-8899-aabbccddeeff", "01234567-89ab-cdef-0123-456789abcdef"];
        assert_eq!(ids(hash).unwrap(), expected);
        assert!(ids("0011").is_err() && ids(&"x".repeat(64)).is_err() && ids("").is_err());
    }

    #[test]
    fn slots_differ() {
        let [a, b] = &SLOTS;
        assert!(a.salt != b.salt && a.uuid != b.uuid && a.number != b.number);
    }
}
