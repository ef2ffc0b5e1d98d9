//! The worker: takes envelopes that are due, calls their service, writes what that brought.
//!
//! | the envelope is | and its service repeats | then |
//! |---|---|---|
//! | stored | | marker, call |
//! | calling (interrupted) | `idempotency-key` | marker, call with the same key |
//! | | `ask-open311` | ask; found: answered; not found: marker, call; no say: later, less and less often |
//! | | `never` | needs staff, `outcome-unknown` |
//!
//! | the call brought | then |
//! |---|---|
//! | 2xx | answered |
//! | 3xx, 4xx | needs staff; the citizen still gets the sealed reply |
//! | not taken: no connection | stored, later |
//! | unknown, and the service repeats by `idempotency-key` | calling, later |
//! | by `ask-open311` | calling, later, not before the call's deadline has passed on the service's side too |
//! | `never` | needs staff, `outcome-unknown`; also after a 429 or 503, see [`crate::call`] |
//!
//! *Later* is a back-off, and never before what `Retry-After` asks for.
//!
//! Promises: the marker is on stable storage before the first byte goes to the service; at most
//! [`CALLS_MAX`] calls at once, at most one per envelope, whatever other gateways do with the same database.
//! Never: gives up after a number of attempts, writes an answer in clear.

mod settle;

use crate::{
    call::Callers,
    keys::Keys,
    server::stopped,
    store::{OpenRecord, RecordKey, Store, StoreError},
};
use aws_lc_rs::rand;
use kiosk_core::policy::Backoff;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Notify, broadcast, watch},
    task::{Id, JoinSet},
    time::{sleep, timeout},
};

/// Calls at once.
const CALLS_MAX: usize = 16;
/// The longest the worker sleeps; catches an envelope whose sender went away while it was stored.
const IDLE_WAIT_MS: u64 = 15_000;
/// The pause after the store failed, so that a full disk is not met with a storm of calls.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// The longest a shutdown waits for calls; those cut off are resolved as interrupted ones.
const DRAIN_WAIT: Duration = Duration::from_secs(15);
/// Settlements that a slow listener may lag behind before it has to look into the store.
const SETTLED_QUEUE: usize = 1_024;

/// Everything the worker needs; shared with the API, which stores and listens.
pub(crate) struct Work {
    store: Store,
    keys: Arc<Keys>,
    callers: Callers,
    backoff: Backoff,
    wake: Notify,
    settled: broadcast::Sender<RecordKey>,
}

impl Work {
    pub(crate) fn new(store: Store, keys: Arc<Keys>, callers: Callers, backoff: Backoff) -> Self {
        let (settled, _) = broadcast::channel(SETTLED_QUEUE);
        Self { store, keys, callers, backoff, wake: Notify::new(), settled }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn callers(&self) -> &Callers {
        &self.callers
    }

    /// Says that there is a new envelope.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Hears every settlement from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<RecordKey> {
        self.settled.subscribe()
    }

    /// Works until `stop`, then lets running calls end.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut calls: JoinSet<()> = JoinSet::new();
        let mut busy: BTreeMap<Id, RecordKey> = BTreeMap::new();
        loop {
            let wait = match self.start_due(&mut calls, &mut busy).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "store");
                    STORE_PAUSE
                }
            };
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = self.wake.notified() => {}
                () = sleep(wait) => {}
                Some(ended) = calls.join_next_with_id(), if !calls.is_empty() => {
                    let id = match ended {
                        Ok((id, ())) => id,
                        Err(error) => {
                            tracing::error!(%error, "a call panicked");
                            error.id()
                        }
                    };
                    busy.remove(&id);
                }
            }
        }
        let drained = timeout(DRAIN_WAIT, async { while calls.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(open = calls.len(), "calls cut at shutdown");
        }
    }

    /// Starts what is due and fits; says how long until something else is due.
    async fn start_due(
        self: &Arc<Self>,
        calls: &mut JoinSet<()>,
        busy: &mut BTreeMap<Id, RecordKey>,
    ) -> Result<Duration, StoreError> {
        let now = self.store.now().await?;
        let due = self.store.due(now, CALLS_MAX + busy.len()).await?;
        for record in due {
            if calls.len() >= CALLS_MAX || busy.values().any(|key| *key == record.key) {
                continue;
            }
            let key = record.key.clone();
            let handle = calls.spawn(self.clone().work_on(record));
            busy.insert(handle.id(), key);
        }
        let next = self.store.next_due(now).await?;
        let wait_ms = next.map_or(IDLE_WAIT_MS, |due| due.saturating_sub(now)).min(IDLE_WAIT_MS);
        Ok(Duration::from_millis(wait_ms))
    }

    async fn work_on(self: Arc<Self>, record: OpenRecord) {
        let (key, service) = (record.key.clone(), record.service.clone());
        match self.settle(record).await {
            Ok(()) => {}
            Err(error @ StoreError::TakenOver) => {
                tracing::info!(%error, unit = key.unit, id = %key.id, %service, "left alone");
            }
            Err(error) => {
                tracing::warn!(%error, unit = key.unit, id = %key.id, %service, "store");
                sleep(STORE_PAUSE).await;
            }
        }
        // Nobody may be listening, which is fine.
        let _ = self.settled.send(key);
    }

    /// A back-off drawn for `attempts` earlier calls, milliseconds.
    fn wait_ms(&self, attempts: u32) -> u64 {
        let mut bytes = [0; 4];
        // Without random bytes the wait is the longest one, which is safe.
        let draw = rand::fill(&mut bytes).map_or(u32::MAX, |()| u32::from_be_bytes(bytes));
        self.backoff.wait_ms(attempts, draw)
    }
}

/// Wall-clock milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
