//! The folder that is carried: an export, and the receipts that come back.
//!
//! ```text
//! DIR/envelopes.kob            the sealed envelopes, see `kiosk_outbox`'s export
//! DIR/manifest.cbor            signed by the unit; written last, so an interrupted copy has none
//! DIR/receipts/<id>.cose       the gateway's receipt for one envelope
//! ```
//!
//! Promises: a file here is whole or absent: written under another name, synced, renamed, its folder synced.
//! A folder that [`open`] gives was checked in full: signature, length, hash, every record, every origin.
//! Never: changes a folder that does not check.

use crate::config::StartError;
use kiosk_core::{ids::EnvelopeId, wire::Envelope};
use kiosk_outbox::ExportReader;
use kiosk_uplink::{Listed, Manifest, manifest::MANIFEST_BYTES_MAX, origin_header};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

/// The file of envelopes.
pub(super) const ENVELOPES: &str = "envelopes.kob";
/// The manifest.
pub(super) const MANIFEST: &str = "manifest.cbor";
const RECEIPTS: &str = "receipts";
const RECEIPT_BYTES_MAX: u64 = 64 << 10;

/// A folder whose every byte was checked.
pub(super) struct Export {
    dir: PathBuf,
    manifest: Manifest,
    chain: Vec<Vec<u8>>,
}

/// Checks the export in `dir`.
///
/// # Errors
/// What is wrong, with the file's name.
pub(super) fn open(dir: &Path) -> Result<Export, StartError> {
    is_folder(dir)?;
    let path = dir.join(MANIFEST);
    let wrong = |reason: &dyn std::fmt::Display| StartError::new(&path, "", reason);
    let bytes = match read_at_most(&path, u64::try_from(MANIFEST_BYTES_MAX).unwrap_or(u64::MAX)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(wrong(
                &"is missing: nothing was exported to this folder, or the copy was interrupted",
            ));
        }
        Err(error) => return Err(wrong(&error)),
    };
    let (manifest, chain) = Manifest::open(&bytes).map_err(|why| wrong(&why))?;
    let export = Export { dir: dir.to_owned(), manifest, chain };
    export.check_file()?;
    export.each(|_, _, _| Ok(()))?;
    Ok(export)
}

/// Refuses what is not a folder that is there.
pub(super) fn is_folder(dir: &Path) -> Result<(), StartError> {
    match fs::metadata(dir) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(StartError::new(dir, "", "is not a folder")),
        Err(error) => Err(StartError::new(dir, "", error)),
    }
}

impl Export {
    /// What the unit signed.
    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Calls `each` with every envelope, its line in the manifest and its origin's header.
    ///
    /// # Errors
    /// What `each` says; or that the file is not what was signed.
    pub(super) fn each(
        &self,
        mut each: impl FnMut(&Envelope, &Listed, &str) -> Result<(), StartError>,
    ) -> Result<(), StartError> {
        let path = self.dir.join(ENVELOPES);
        let wrong = |reason: &dyn std::fmt::Display| StartError::new(&path, "", reason);
        let file = File::open(&path).map_err(|error| wrong(&error))?;
        let mut reader = ExportReader::new(BufReader::new(file), self.manifest.chain_head);
        for listed in &self.manifest.envelopes {
            let next = reader.next_envelope().map_err(|why| wrong(&why))?;
            let (_, envelope) = next.ok_or_else(|| wrong(&"has fewer envelopes than its manifest"))?;
            let hash: [u8; 32] = Sha256::digest(&envelope.sealed).into();
            if envelope.id != listed.id || hash != listed.sha256 {
                return Err(wrong(&format!("{} is not the one in the manifest", listed.id)));
            }
            let header = origin_header(&envelope, &listed.origin, &self.chain)
                .ok_or_else(|| wrong(&format!("{} is not signed by {}", listed.id, self.manifest.unit)))?;
            each(&envelope, listed, &header)?;
        }
        match reader.next_envelope() {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => Err(wrong(&"holds more than its manifest says")),
        }
    }

    fn check_file(&self) -> Result<(), StartError> {
        let path = self.dir.join(ENVELOPES);
        let wrong = |reason: &dyn std::fmt::Display| StartError::new(&path, "", reason);
        let mut file = File::open(&path).map_err(|error| wrong(&error))?;
        let len = file.metadata().map_err(|error| wrong(&error))?.len();
        if len != self.manifest.bytes {
            let expected = self.manifest.bytes;
            return Err(wrong(&format!("{len} bytes of {expected}: the copy was interrupted or changed")));
        }
        let mut hasher = Sha256::new();
        io::copy(&mut file, &mut hasher).map_err(|error| wrong(&error))?;
        let hash: [u8; 32] = hasher.finalize().into();
        if hash == self.manifest.sha256 {
            Ok(())
        } else {
            Err(wrong(&"its bytes are not the ones that were signed: copy it again"))
        }
    }
}

/// The receipt kept in `dir` for an envelope, if any; it is not verified.
pub(super) fn receipt(dir: &Path, id: EnvelopeId) -> Option<Vec<u8>> {
    read_at_most(&receipt_path(dir, id), RECEIPT_BYTES_MAX).ok()
}

/// Keeps a receipt.
///
/// # Errors
/// What the file system says, with the file's name.
pub(super) fn keep_receipt(dir: &Path, id: EnvelopeId, receipt: &[u8]) -> Result<(), StartError> {
    let folder = dir.join(RECEIPTS);
    match fs::create_dir(&folder) {
        Ok(()) => sync_folder(dir).map_err(|error| StartError::new(dir, "", error))?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StartError::new(&folder, "", error)),
    }
    write_whole(&receipt_path(dir, id), |file| file.write_all(receipt))
}

fn receipt_path(dir: &Path, id: EnvelopeId) -> PathBuf {
    dir.join(RECEIPTS).join(format!("{id}.cose"))
}

/// Writes a file whole: `write` fills another one beside it, which then gets the name. Nothing is left when
/// that fails.
///
/// # Errors
/// What the file system says, or `write`; with the file's name.
pub(super) fn write_whole<T, E: ToString + From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, StartError> {
    let draft = path.with_extension("new");
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&draft)?;
        let value = write(&mut file)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        sync_folder(folder)?;
        Ok::<T, E>(value)
    })();
    written.map_err(|error| {
        // What cannot be removed has no name that anybody reads.
        let _ = fs::remove_file(&draft);
        StartError::new(path, "", error.to_string())
    })
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn read_at_most(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len <= bytes_max) {
        Ok(bytes)
    } else {
        Err(io::Error::other(format!("is larger than {bytes_max} bytes")))
    }
}
