//! `kiosk outbox deliver`: an export through the gateway's own door, and its receipts home.
//!
//! 1. The folder is checked in full.
//! 2. Every envelope without a good receipt beside it is posted, with its unit's signature: the gateway files it
//!    under that unit, whoever brings it, and answers one it has from its row. Its receipt is verified and
//!    kept in the folder before the next is posted. No way through ends this step.
//! 3. What waits in the outbox here and has a receipt in the folder, over the very bytes that wait, is settled.
//!
//! Whatever fails once something may have been posted is told beside the numbers, with exit status 1.
//!
//! Promises: run again it goes on where it ended, and doubles nothing.
//! Never: removes an envelope without a receipt that verifies; believes the folder about what waits here.

use super::{folder, read, say};
use crate::{
    agent,
    config::{AgentConfig, StartError},
};
use kiosk_core::{ids::EnvelopeId, policy::Reply, wire::Envelope};
use kiosk_outbox::{OpenError, Options, Outbox};
use kiosk_uplink::{ReceiptVerifier, Uplink};
use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt, path::Path, process::ExitCode};
use tokio::runtime::{Builder, Runtime};

/// What came of it.
#[derive(Default)]
struct Tally {
    delivered: usize,
    refused: usize,
    settled: usize,
    unsettled: usize,
}

/// Delivers.
pub(super) fn run(file: &Path, config: &AgentConfig, dir: &Path) -> anyhow::Result<ExitCode> {
    let export = folder::open(dir)?;
    let uplink = agent::uplink(file, config)?;
    may_settle(file, config, &export)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut tally = Tally::default();
    let mut way = Way { dir, uplink: &uplink, runtime: &runtime, blocked: false };
    let carried = export.each(|envelope, _, origin| {
        match way.carry(envelope, origin) {
            Carried::Delivered => tally.delivered += 1,
            Carried::Refused => tally.refused += 1,
            Carried::Waits => {}
        }
        Ok(())
    });
    // From here on something may be with the gateway: what fails is told beside what was done.
    let ended = carried.and_then(|()| settle(file, config, dir, uplink.receipts(), &mut tally));
    if let Err(why) = &ended {
        say(format_args!("not finished: {why}"))?;
    }
    let Tally { delivered, refused, settled, unsettled } = tally;
    let (unit, envelopes) = (&export.manifest().unit, export.manifest().envelopes.len());
    let waiting = envelopes.saturating_sub(delivered + refused);
    say(format_args!(
        "deliver: unit {unit}, envelopes {envelopes}, delivered {delivered}, refused {refused}, \
         waiting {waiting}, settled {settled}, unsettled {unsettled}"
    ))?;
    let done = ended.is_ok() && refused == 0 && waiting == 0 && unsettled == 0;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Before anything is posted: what of the export waits here can be settled by whoever runs this.
fn may_settle(file: &Path, config: &AgentConfig, export: &folder::Export) -> Result<(), StartError> {
    let reading = match read(&config.state) {
        Ok(reading) => reading,
        Err(OpenError::NoOutbox { .. }) => return Ok(()),
        Err(why) => return Err(StartError::new(file, "state", why)),
    };
    let listed: BTreeSet<EnvelopeId> = export.manifest().envelopes.iter().map(|listed| listed.id).collect();
    if reading.entries().iter().any(|entry| listed.contains(&entry.id)) { own(&config.state) } else { Ok(()) }
}

/// The outbox must stay its owner's: a file made here by somebody else would lock the agent out.
fn own(state: &Path) -> Result<(), StartError> {
    let owner = fs::metadata(state).map_err(|error| StartError::new(state, "", error))?.uid();
    if owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let reason = format!("belongs to user {owner}: run this as that user, nothing was settled");
    Err(StartError::new(state, "", reason))
}

enum Carried {
    Delivered,
    Refused,
    Waits,
}

/// The way to the gateway, as long as there is one.
struct Way<'a> {
    dir: &'a Path,
    uplink: &'a Uplink,
    runtime: &'a Runtime,
    blocked: bool,
}

impl Way<'_> {
    fn carry(&mut self, envelope: &Envelope, origin: &str) -> Carried {
        let id = envelope.id;
        if good_receipt(self.dir, envelope, self.uplink.receipts()).is_some() {
            return Carried::Delivered;
        }
        if self.blocked {
            return Carried::Waits;
        }
        let why = match self.runtime.block_on(self.uplink.deliver_carried(envelope, origin)) {
            Reply::Stored { receipt } | Reply::Answered { receipt, .. } => {
                match folder::keep_receipt(self.dir, id, &receipt) {
                    Ok(()) => return Carried::Delivered,
                    Err(why) => format!("the gateway has {id}, its receipt is not kept: {why}"),
                }
            }
            Reply::Refused { code, detail } => {
                remark(format_args!("refused: {id} {code} {detail}"));
                return Carried::Refused;
            }
            Reply::Busy { .. } => "the gateway is busy".to_owned(),
            Reply::Failed { status } => format!("the gateway failed with {status}"),
            Reply::NotOurs { why } | Reply::Unreachable { why } | Reply::Lost { why } => why,
        };
        remark(format_args!("no way through: {why}; run it again, what has a receipt is not sent again"));
        self.blocked = true;
        Carried::Waits
    }
}

/// A line on the way. Where nobody hears it nobody hears the last one either, and that one counts.
fn remark(line: impl std::fmt::Display) {
    let _ = say(line);
}

/// The receipt in the folder that verifies for these very bytes.
fn good_receipt(dir: &Path, envelope: &Envelope, receipts: &ReceiptVerifier) -> Option<Vec<u8>> {
    let receipt = folder::receipt(dir, envelope.id)?;
    receipts.verify(&receipt, envelope.id, &envelope.sealed).is_ok().then_some(receipt)
}

/// Settles what waits here and has a receipt in the folder.
fn settle(
    file: &Path,
    config: &AgentConfig,
    dir: &Path,
    receipts: &ReceiptVerifier,
    tally: &mut Tally,
) -> Result<(), StartError> {
    let wrong = |why: OpenError| StartError::new(file, "state", why);
    let reading = match read(&config.state) {
        Ok(reading) => reading,
        Err(OpenError::NoOutbox { .. }) => return Ok(()),
        Err(why) => return Err(wrong(why)),
    };
    let mut proven: Vec<(EnvelopeId, Vec<u8>)> = Vec::new();
    let keep = |_, envelope: Envelope| {
        proven.extend(good_receipt(dir, &envelope, receipts).map(|receipt| (envelope.id, receipt)));
        Ok(())
    };
    reading.envelopes(keep).map_err(wrong)?;
    if proven.is_empty() {
        return Ok(());
    }
    own(&config.state)?;
    let outbox = match Outbox::open(&config.state, Options::default()) {
        Ok((outbox, _)) => outbox,
        Err(OpenError::InUse { .. }) => {
            remark(
                "the agent runs: stop it and run this again, or leave it: it hears of these itself \
                 once its link is back",
            );
            tally.unsettled = proven.len();
            return Ok(());
        }
        Err(why) => return Err(wrong(why)),
    };
    for (id, receipt) in proven {
        match outbox.settle(id, receipt) {
            Ok(()) => tally.settled += 1,
            Err(why) => {
                remark(format_args!("not settled: {id} {why}"));
                tally.unsettled += 1;
            }
        }
    }
    outbox.close();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::own;
    use rustix::{
        fs::{Gid, Uid, chown},
        process::geteuid,
    };
    use std::path::Path;

    #[test]
    fn an_outbox_of_another_user_is_refused_and_our_own_is_not() {
        let ours = tempfile::tempdir().unwrap();
        assert!(own(ours.path()).is_ok());
        let (theirs, owner) = if geteuid().is_root() {
            chown(ours.path(), Some(Uid::from_raw(65_533)), Some(Gid::from_raw(65_533))).unwrap();
            (ours.path(), 65_533)
        } else {
            // Everybody but root is a stranger there.
            (Path::new("/proc/1"), 0)
        };
        let line = own(theirs).unwrap_err().to_string();
        let said = format!("belongs to user {owner}: run this as that user, nothing was settled");
        assert!(line.starts_with(theirs.to_str().unwrap()) && line.ends_with(&said), "{line}");
    }
}
