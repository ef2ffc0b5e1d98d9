//! Sealing: the finished request becomes ciphertext, and only this process can open the answer.
//!
//! Promises: the context that opens an answer lives in memory until the session ends, and no longer;
//! the envelope that was handed over is kept as it was, so that it can be sent again unchanged.
//! Never: writes a plaintext anywhere.

use crate::config::StartError;
use anyhow::{Context, Result};
use kiosk_core::{
    catalogue::Catalogue,
    ids::EnvelopeId,
    kiosk::{Answered, Submission},
    wire::Envelope,
};
use kiosk_uplink::seal::{HttpRequest, ReplyOpener, ServiceKey, seal};
use std::{collections::BTreeMap, path::Path};

struct Open {
    envelope: Envelope,
    opener: Option<ReplyOpener>,
}

/// Whether every service has a key that works: a citizen must not find out at the end.
///
/// # Errors
/// [`StartError`] naming the service's file.
pub fn check_keys(folder: &Path, catalogue: &Catalogue) -> Result<(), StartError> {
    for service in catalogue.services() {
        let file = folder.join(service.id.as_str()).join("service.toml");
        let wrong = |why: &dyn std::fmt::Display| StartError::new(&file, "target.key", why);
        let key = service.target.key.as_ref().ok_or_else(|| wrong(&"missing: nothing can be sealed"))?;
        ServiceKey::parse(&key.config).map_err(|why| wrong(&why))?;
    }
    Ok(())
}

/// The envelopes of the running session.
#[derive(Default)]
pub struct Sealing {
    open: BTreeMap<EnvelopeId, Open>,
}

impl Sealing {
    /// Seals a submission to its service's key.
    ///
    /// # Errors
    /// When the service is not in the catalogue or its key does not work.
    pub fn seal(&mut self, submission: Submission, catalogue: &Catalogue) -> Result<Envelope> {
        let Submission { id, service: name, claim, made_at, request } = submission;
        let target = &catalogue.service(&name).context("no such service")?.target;
        let key = ServiceKey::parse(&target.key.as_ref().context("the service has no key")?.config)?;
        let http = HttpRequest {
            method: request.method.to_owned(),
            scheme: target.scheme.as_str().to_owned(),
            authority: target.authority.clone(),
            path: request.path,
            headers: request.headers,
            body: request.body,
        };
        let (sealed, opener) = seal(&key, &http)?;
        let envelope = Envelope { id, service: name, claim, key: key.id(), made_at, sealed };
        self.open.insert(id, Open { envelope: envelope.clone(), opener: Some(opener) });
        Ok(envelope)
    }

    /// The very envelope that was sealed for `id`.
    #[must_use]
    pub fn again(&self, id: EnvelopeId) -> Option<Envelope> {
        self.open.get(&id).map(|open| open.envelope.clone())
    }

    /// Opens the answer to `id`; an answer opens once.
    ///
    /// # Errors
    /// When there is no context for it or it was altered on the way.
    pub fn open(&mut self, id: EnvelopeId, sealed: &[u8], catalogue: &Catalogue) -> Result<Answered> {
        let open = self.open.get_mut(&id).context("no context for this answer")?;
        let opener = open.opener.take().context("this answer was opened before")?;
        let reply = opener.open(sealed)?;
        let service = catalogue.service(&open.envelope.service);
        let reference = service.and_then(|service| service.reference_in(reply.body.expose()));
        Ok(Answered { status: reply.status, reference })
    }

    /// Forgets everything.
    pub fn wipe(&mut self) {
        self.open.clear();
    }
}
