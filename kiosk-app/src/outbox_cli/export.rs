//! `kiosk outbox export`: what waits for the gateway, into a folder, signed.
//!
//! Promises: the outbox is only read. The folder holds a whole export or none: the manifest comes last, and
//! what is not finished is removed. A folder that holds an export already is left alone.
//! Never: exports what needs staff; the gateway has refused that.

use super::{
    Opened,
    folder::{ENVELOPES, MANIFEST, is_folder, write_whole},
    now, say,
};
use crate::config::StartError;
use kiosk_core::{ids::EnvelopeId, wire::Envelope};
use kiosk_outbox::{ExportWriter, OpenError};
use kiosk_uplink::{Listed, Manifest, UnitKey, UplinkError, manifest};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    process::ExitCode,
};

/// What the manifest says about the file of envelopes.
struct Written {
    bytes: u64,
    sha256: [u8; 32],
    envelopes: Vec<Listed>,
    damaged: Vec<EnvelopeId>,
}

/// Why the file of envelopes is not written.
#[derive(Debug, thiserror::Error)]
enum ExportFailed {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Outbox(#[from] OpenError),
    #[error("{0}")]
    Key(#[from] UplinkError),
}

/// Exports.
pub(super) fn run(opened: &Opened, to: &Path) -> anyhow::Result<ExitCode> {
    let Opened { file, config, reading } = opened;
    let key =
        UnitKey::read(&config.certificate, &config.key).map_err(|why| StartError::new(file, "key", why))?;
    is_folder(to)?;
    if to.join(MANIFEST).exists() {
        let reason = "holds an export already: deliver it, or take another folder";
        return Err(StartError::new(to, "", reason).into());
    }
    if reading.overview().queued == 0 {
        say("export: envelopes 0, bytes 0, damaged 0")?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = to.join(ENVELOPES);
    let written = write_whole(&path, |out| write(opened, &key, out))?;
    let Written { bytes, sha256, envelopes, damaged } = written;
    let (count, chain_head) = (envelopes.len(), reading.chain_head());
    let unit = key.name().to_owned();
    let version = manifest::VERSION;
    let manifest = Manifest { version, unit, made_at: now(config), chain_head, bytes, sha256, envelopes };
    let signed = manifest.sign(&key).map_err(|why| StartError::new(file, "key", why))?;
    if let Err(why) = write_whole(&to.join(MANIFEST), |out| out.write_all(&signed)) {
        // Without its manifest it is no export, and the folder is to be as it was.
        let _ = fs::remove_file(&path);
        return Err(why.into());
    }
    damaged.iter().try_for_each(|id| say(format_args!("damaged: {id}")))?;
    say(format_args!("export: envelopes {count}, bytes {bytes}, damaged {}", damaged.len()))?;
    Ok(if damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(opened: &Opened, key: &UnitKey, file: &mut File) -> Result<Written, ExportFailed> {
    let reading = &opened.reading;
    let counting = Counting { out: BufWriter::new(file), hasher: Sha256::new(), bytes: 0 };
    let mut writer = ExportWriter::new(counting, reading.chain_head());
    let mut envelopes = Vec::new();
    let damaged = reading.envelopes(|order, envelope: Envelope| -> Result<(), ExportFailed> {
        writer.write(order, &envelope)?;
        let sha256 = Sha256::digest(&envelope.sealed).into();
        envelopes.push(Listed { id: envelope.id, sha256, origin: key.sign_origin(&envelope)? });
        Ok(())
    })?;
    let mut counting = writer.into_inner();
    counting.flush()?;
    Ok(Written { bytes: counting.bytes, sha256: counting.hasher.finalize().into(), envelopes, damaged })
}

/// Counts and hashes what goes through.
struct Counting<W> {
    out: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
