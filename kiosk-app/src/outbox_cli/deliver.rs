//! `kiosk outbox deliver`: an export through the gateway's own door, and its receipts home.
//!
//! 1. The folder is checked in full.
//! 2. Every envelope without a good receipt beside it is posted, with its unit's signature: the gateway files it
//!    under that unit, whoever brings it, and answers one it has from its row. Its receipt is verified and
//!    kept in the folder before the next is posted. No way through ends this step.
//! 3. What waits in the outbox here and has a receipt in the folder, over the very bytes that wait, is settled.
//!
//! Promises: run again it goes on where it ended, and doubles nothing.
//! Never: removes an envelope without a receipt that verifies; believes the folder about what waits here.

use super::{folder, read};
use crate::{
    agent,
    config::{AgentConfig, StartError},
};
use kiosk_core::{ids::EnvelopeId, policy::Reply, wire::Envelope};
use kiosk_outbox::{OpenError, Options, Outbox};
use kiosk_uplink::{ReceiptVerifier, Uplink};
use std::{fs, os::unix::fs::MetadataExt, path::Path, process::ExitCode};
use tokio::runtime::{Builder, Runtime};

/// What came of it.
#[derive(Default)]
struct Tally {
    delivered: usize,
    refused: usize,
    waiting: usize,
    settled: usize,
    unsettled: usize,
}

/// Delivers.
pub(super) fn run(file: &Path, config: &AgentConfig, dir: &Path) -> anyhow::Result<ExitCode> {
    let export = folder::open(dir)?;
    let uplink = agent::uplink(file, config)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut tally = Tally::default();
    let mut way = Way { dir, uplink: &uplink, runtime: &runtime, blocked: false };
    export.each(|envelope, _, origin| {
        match way.carry(envelope, origin)? {
            Carried::Delivered => tally.delivered += 1,
            Carried::Refused => tally.refused += 1,
            Carried::Waits => tally.waiting += 1,
        }
        Ok(())
    })?;
    settle(file, config, dir, uplink.receipts(), &mut tally)?;
    let Tally { delivered, refused, waiting, settled, unsettled } = tally;
    println!(
        "deliver: unit {}, envelopes {}, delivered {delivered}, refused {refused}, waiting {waiting}, \
         settled {settled}, unsettled {unsettled}",
        export.manifest().unit,
        export.manifest().envelopes.len()
    );
    let done = refused == 0 && waiting == 0 && unsettled == 0;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    fn carry(&mut self, envelope: &Envelope, origin: &str) -> Result<Carried, StartError> {
        let id = envelope.id;
        if good_receipt(self.dir, envelope, self.uplink.receipts()).is_some() {
            return Ok(Carried::Delivered);
        }
        if self.blocked {
            return Ok(Carried::Waits);
        }
        let why = match self.runtime.block_on(self.uplink.deliver_carried(envelope, origin)) {
            Reply::Stored { receipt } | Reply::Answered { receipt, .. } => {
                folder::keep_receipt(self.dir, id, &receipt)?;
                return Ok(Carried::Delivered);
            }
            Reply::Refused { code, detail } => {
                println!("refused: {id} {code} {detail}");
                return Ok(Carried::Refused);
            }
            Reply::Busy { .. } => "the gateway is busy".to_owned(),
            Reply::Failed { status } => format!("the gateway failed with {status}"),
            Reply::NotOurs { why } | Reply::Unreachable { why } | Reply::Lost { why } => why,
        };
        println!("no way through: {why}; run it again, what has a receipt is not sent again");
        self.blocked = true;
        Ok(Carried::Waits)
    }
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
            println!(
                "the agent runs: stop it and run this again, or leave it: it hears of these itself \
                 once its link is back"
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
                println!("not settled: {id} {why}");
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
