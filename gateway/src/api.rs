//! What a unit may ask, over a connection that proved its name.
//!
//! | request | reply |
//! |---|---|
//! | `POST /v1/envelopes` | as drawn in `kiosk_core::wire`; refusals in [`Refusal`] |
//! | `GET /v1/claims/{digest}` | `ClaimReply`, or 404 `claim-unknown` |
//! | `GET /v1/healthz` | 200 and how many envelopes wait, or 503 |
//!
//! Promises: a receipt leaves only after the row is committed; the same envelope is answered from its row.
//! An envelope is the unit's that brings it; with [`header::ORIGIN`] it is the unit's that signed it.
//! Never: looks at an envelope of another unit, takes one as another unit's on anybody's word.

use crate::{
    config::Repeat,
    failpoint::{Step, reach},
    keys::Keys,
    open311,
    origin::Origins,
    refusal::Refusal,
    server::{Unit, stopped},
    store::{NewRecord, Record, RecordKey, State as RecordState, StoreError},
    work::{Work, unix_ms},
};
use axum::{
    Extension, Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header as http_header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, ServiceId},
    wire::{
        SEALED_BYTES_MAX, header,
        origin::{HEADER_BYTES_MAX, Origin},
    },
};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, broadcast, watch},
    time::{Instant, timeout, timeout_at},
};

/// The longest an envelope's body takes to arrive.
const BODY_WAIT: Duration = Duration::from_secs(60);
/// How often a held POST looks for itself, where another gateway may have had the answer.
const SHARED_LOOK: Duration = Duration::from_millis(250);
/// Envelopes at once; each may hold 4 MiB.
const ENVELOPES_MAX: usize = 256;

/// What the handlers share.
pub(crate) struct Api {
    work: Arc<Work>,
    keys: Arc<Keys>,
    origins: Origins,
    answer_wait: Duration,
    stop: watch::Receiver<bool>,
    room: Semaphore,
}

impl Api {
    pub(crate) fn new(
        work: Arc<Work>,
        keys: Arc<Keys>,
        origins: Origins,
        answer_wait: Duration,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { work, keys, origins, answer_wait, stop, room: Semaphore::new(ENVELOPES_MAX) }
    }
}

/// The routes; a request needs the [`Unit`] extension.
pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/envelopes", post(take))
        .route("/v1/claims/{digest}", get(claim))
        .route("/v1/healthz", get(health))
        .with_state(api)
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "store");
        Self::Storage
    }
}

/// The headers of an envelope.
struct Labels {
    id: EnvelopeId,
    service: ServiceId,
    claim: ClaimDigest,
    made_at: u64,
    /// The signature of the unit it is from, when that is not proven by the connection.
    origin: Option<Vec<u8>>,
}

impl Labels {
    fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let text = |name: &'static str| {
            let value = headers.get(name).ok_or(Refusal::HeaderMissing(name))?;
            value.to_str().map_err(|_| Refusal::HeaderMalformed(name))
        };
        let malformed = Refusal::HeaderMalformed;
        // An RFC 8941 string; an envelope id holds nothing that would need escaping.
        let quoted = text(header::IDEMPOTENCY_KEY)?.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        let id = quoted.and_then(|t| t.parse().ok()).ok_or(malformed(header::IDEMPOTENCY_KEY))?;
        let service = text(header::SERVICE)?.parse().map_err(|_| malformed(header::SERVICE))?;
        let claim = text(header::CLAIM)?.parse().map_err(|_| malformed(header::CLAIM))?;
        let made_at = text(header::MADE_AT)?.parse().map_err(|_| malformed(header::MADE_AT))?;
        if text(http_header::CONTENT_TYPE.as_str())? != "message/ohttp-req" {
            return Err(Refusal::NotSealed);
        }
        let origin = headers.get(header::ORIGIN).map(|value| decode_origin(value.as_bytes())).transpose()?;
        Ok(Self { id, service, claim, made_at, origin })
    }
}

fn decode_origin(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    let malformed = Refusal::HeaderMalformed(header::ORIGIN);
    if text.len() > HEADER_BYTES_MAX {
        Err(malformed)
    } else {
        BASE64_STANDARD.decode(text).map_err(|_| malformed)
    }
}

async fn take(
    State(api): State<Arc<Api>>,
    Extension(Unit(unit)): Extension<Unit>,
    request: Request,
) -> Result<Response, Refusal> {
    let labels = Labels::read(request.headers())?;
    let _place = api.room.try_acquire().map_err(|_| Refusal::Busy)?;
    let sealed = match timeout(BODY_WAIT, to_bytes(request.into_body(), SEALED_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(Refusal::TooLarge),
        Err(_) => return Err(Refusal::TooSlow),
    };
    let sha256: [u8; 32] = Sha256::digest(&sealed).into();
    let key = RecordKey { unit: api.origin_or(unit, &labels, sha256)?, id: labels.id };
    let same = |r: &Record| (r.sha256, &r.service, r.claim) == (sha256, &labels.service, labels.claim);
    let record = match api.work.store().find(&key).await? {
        Some(record) => record,
        None => api.store(&key, &labels, sha256, &sealed).await?,
    };
    if !same(&record) {
        return Err(Refusal::IdReused);
    }
    Ok(answer(api.settled(&key, record).await?))
}

impl Api {
    /// The unit an envelope is from: the one that signed it, else the one that brings it.
    fn origin_or(&self, carrier: String, labels: &Labels, sha256: [u8; 32]) -> Result<String, Refusal> {
        let Some(signed) = &labels.origin else { return Ok(carrier) };
        let Labels { id, claim, made_at: made_ms, .. } = *labels;
        let said = Origin { id, service: &labels.service, claim, made_ms, sha256 };
        let unit = self.origins.unit(signed, &said).ok_or(Refusal::OriginUnproven)?;
        tracing::info!(%id, unit, carrier, "carried by hand");
        Ok(unit)
    }

    /// Checks that the envelope can be served, stores it, wakes the worker.
    async fn store(
        &self,
        key: &RecordKey,
        labels: &Labels,
        sha256: [u8; 32],
        sealed: &[u8],
    ) -> Result<Record, Refusal> {
        let caller = self.work.callers().get(&labels.service).ok_or(Refusal::ServiceUnknown)?;
        let opened = self.keys.open_for(&caller.service, sealed).map_err(Refusal::from)?;
        if caller.service.repeat == Repeat::AskOpen311 && !open311::is_marked(&opened, key.id) {
            return Err(Refusal::MarkerMissing);
        }
        drop(opened);
        let stored_at = unix_ms();
        let receipt = self.keys.sign_receipt(key.id, &sha256, stored_at);
        let new = NewRecord {
            key,
            service: &labels.service,
            claim: labels.claim,
            sha256,
            made_at: labels.made_at,
            stored_at,
            receipt: &receipt,
            sealed,
        };
        if self.work.store().insert(&new).await? {
            reach(Step::Stored);
            tracing::info!(unit = key.unit, id = %key.id, service = %labels.service, "stored");
        }
        // Whoever came first, this row is the envelope now.
        self.work.store().find(key).await?.ok_or(Refusal::Storage)
    }

    /// Waits for the answer as long as configured; gives the record as it is then.
    async fn settled(&self, key: &RecordKey, record: Record) -> Result<Record, Refusal> {
        let is_open = |r: &Record| matches!(r.state, RecordState::Stored | RecordState::Calling);
        let until = Instant::now() + self.answer_wait;
        let mut settlements = self.work.listen();
        let mut stop = self.stop.clone();
        let mut record = record;
        self.work.wake();
        // Between storing and listening the worker may have been quick.
        while is_open(&record) {
            record = self.work.store().find(key).await?.ok_or(Refusal::Storage)?;
            if !is_open(&record) {
                break;
            }
            let look =
                if self.work.store().is_shared() { until.min(Instant::now() + SHARED_LOOK) } else { until };
            let heard = tokio::select! {
                () = stopped(&mut stop) => break,
                heard = timeout_at(look, hear(&mut settlements, key)) => heard,
            };
            if heard.is_err() && Instant::now() >= until {
                break;
            }
        }
        Ok(record)
    }
}

/// Ends when `key` may have been settled.
async fn hear(settlements: &mut broadcast::Receiver<RecordKey>, key: &RecordKey) {
    loop {
        match settlements.recv().await {
            Ok(settled) if settled != *key => {}
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            // The worker is gone; the time limit ends this wait.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn answer(record: Record) -> Response {
    let receipt = (header::RECEIPT, BASE64_STANDARD.encode(&record.receipt));
    let outcome = match record.state {
        RecordState::Answered => "answered",
        RecordState::NeedsStaff => "needs-staff",
        RecordState::Stored | RecordState::Calling => {
            return (StatusCode::ACCEPTED, [receipt]).into_response();
        }
    };
    let outcome = (header::OUTCOME, outcome.to_owned());
    match record.reply {
        Some(reply) => {
            let kind = (http_header::CONTENT_TYPE.as_str(), "message/ohttp-res".to_owned());
            (StatusCode::OK, [kind, receipt, outcome], Body::from(reply)).into_response()
        }
        // Nothing could be sealed for it any more: the claim lookup tells.
        None => (StatusCode::ACCEPTED, [receipt]).into_response(),
    }
}

async fn claim(State(api): State<Arc<Api>>, Path(digest): Path<String>) -> Result<Response, Refusal> {
    let digest: ClaimDigest = digest.parse().map_err(|_| Refusal::ClaimUnknown)?;
    let reply = api.work.store().claim(&digest).await?.ok_or(Refusal::ClaimUnknown)?;
    Ok(Json(reply).into_response())
}

async fn health(State(api): State<Arc<Api>>) -> Result<Response, Refusal> {
    Ok(Json(api.work.store().counts().await?).into_response())
}
