//! The judge: what a whole reply proves. A pure function of the reply, the envelope and the pinned key.
//!
//! | status | and | is |
//! |---|---|---|
//! | 200 | `message/ohttp-res`, an outcome, a receipt that verifies | `Answered` |
//! | 202 | a receipt that verifies | `Stored` |
//! | 408, 429, 503 | | `Busy`, with `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3) |
//! | other 4xx | a problem of ours (RFC 9457) | `Refused` |
//! | other 5xx | | `Failed` |
//! | anything else | | `NotOurs` |
//!
//! Never: believes a 2xx without a receipt over the very bytes that were sent.

use crate::receipt::ReceiptVerifier;
use base64::{Engine, prelude::BASE64_STANDARD};
use kiosk_core::{
    policy::Reply,
    wire::{ClaimReply, Envelope, Problem, header},
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use std::time::SystemTime;

/// The longest a gateway may ask to be left alone.
const RETRY_AFTER_MS_MAX: u64 = 24 * 3_600_000;

/// The most of a refusal's sentence that is kept, in characters.
const DETAIL_CHARS_MAX: usize = 300;

/// A reply that arrived in full.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Whole {
    /// What the reply to `POST /v1/envelopes` proves.
    pub(super) fn judge_delivery(self, envelope: &Envelope, receipts: &ReceiptVerifier) -> Reply {
        match self.status {
            200 | 202 => self.signed(envelope, receipts).unwrap_or_else(|why| Reply::NotOurs { why }),
            _ => self.unsigned(),
        }
    }

    /// What the reply to `GET /v1/claims/{digest}` proves.
    pub(super) fn judge_claim(self) -> Result<Option<ClaimReply>, Reply> {
        if self.status == 200 {
            if !self.is("application/json") {
                return Err(Reply::NotOurs { why: "a 200 that is not JSON".into() });
            }
            let parsed = serde_json::from_slice(&self.body);
            return parsed.map(Some).map_err(|_| Reply::NotOurs { why: "a 200 that is no claim".into() });
        }
        if self.status == 404 && self.problem().is_some_and(|p| p.code() == "claim-unknown") {
            return Ok(None);
        }
        Err(self.unsigned())
    }

    fn signed(self, envelope: &Envelope, receipts: &ReceiptVerifier) -> Result<Reply, String> {
        let text = self.text(header::RECEIPT).ok_or("a 2xx without a receipt")?;
        let receipt = BASE64_STANDARD.decode(text).map_err(|_| "a receipt that is not base64")?;
        receipts.verify(&receipt, envelope.id, &envelope.sealed).map_err(|e| format!("receipt: {e}"))?;
        if self.status == 202 {
            return Ok(Reply::Stored { receipt });
        }
        if !self.is("message/ohttp-res") {
            return Err("an answer that is not message/ohttp-res".into());
        }
        let needs_staff = match self.text(header::OUTCOME) {
            Some("answered") => false,
            Some("needs-staff") => true,
            _ => return Err("an answer without an outcome".into()),
        };
        Ok(Reply::Answered { receipt, sealed: self.body, needs_staff })
    }

    fn unsigned(&self) -> Reply {
        match self.status {
            408 | 429 | 503 => Reply::Busy { retry_after_ms: self.retry_after_ms(SystemTime::now()) },
            400..=499 => match self.problem() {
                Some(problem) => refused(&problem),
                None => Reply::NotOurs { why: format!("a {} without a problem of ours", self.status) },
            },
            500..=599 => Reply::Failed { status: self.status },
            other => Reply::NotOurs { why: format!("an unexpected {other}") },
        }
    }

    /// The body as a problem of our gateway, if it is one.
    fn problem(&self) -> Option<Problem> {
        let problem: Problem = serde_json::from_slice(&self.body).ok()?;
        let ours = self.is("application/problem+json") && problem.kind.starts_with(Problem::PREFIX);
        ours.then_some(problem)
    }

    fn retry_after_ms(&self, now: SystemTime) -> Option<u64> {
        let text = self.text(RETRY_AFTER.as_str())?.trim();
        let wait_ms = match text.parse::<u64>() {
            Ok(seconds) => seconds.saturating_mul(1_000),
            Err(_) => {
                let wait = httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default();
                u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
            }
        };
        Some(wait_ms.min(RETRY_AFTER_MS_MAX))
    }

    /// Whether the media type is `expected`, parameters aside.
    fn is(&self, expected: &str) -> bool {
        let media = self.text(CONTENT_TYPE.as_str()).and_then(|t| t.split(';').next());
        media.is_some_and(|m| m.trim().eq_ignore_ascii_case(expected))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

fn refused(problem: &Problem) -> Reply {
    let sentence = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let detail = sentence.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS_MAX).collect();
    Reply::Refused { code: problem.code().to_owned(), detail }
}

#[cfg(test)]
mod tests;
