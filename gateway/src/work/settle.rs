//! One envelope, one step further: the two tables of [`super`].

use super::{Work, unix_ms};
use crate::{
    call::{Called, Caller},
    config::Repeat,
    failpoint::{Step, reach},
    open311::{self, Asked},
    refusal::Refusal,
    sealed::{Answer, Opened, Unopened},
    store::{OpenRecord, Settlement, State, StoreError},
};
use kiosk_core::wire::{Problem, reference};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use zeroize::Zeroizing;

/// How long after a call's deadline the service is given to finish on its own, milliseconds.
const AFTERMATH_MS: u64 = 500;

/// Why staff must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The service said no: this status.
    Refused(u16),
    /// The service sent the caller elsewhere: this status.
    Redirected(u16),
    /// Nobody knows whether the service acted, and it cannot be asked.
    OutcomeUnknown,
    /// Accepted once, cannot be served any more: a key or a service was taken out of the configuration.
    NotServable(Refusal),
}

impl Trouble {
    fn code(self) -> &'static str {
        match self {
            Self::Refused(_) => "service-refused",
            Self::Redirected(_) => "service-redirected",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::NotServable(refusal) => refusal.code(),
        }
    }

    fn detail(self) -> String {
        match self {
            Self::Refused(status) => format!("The service refused it with status {status}."),
            Self::Redirected(status) => format!("The service pointed elsewhere with status {status}."),
            Self::OutcomeUnknown => {
                "The service did not say what became of it; it may or may not have acted.".to_owned()
            }
            Self::NotServable(refusal) => refusal.title().to_owned(),
        }
    }

    /// What the citizen's shell finds when it opens the reply and the service gave none.
    fn answer(self) -> Answer {
        let problem = Problem {
            kind: format!("{}{}", Problem::PREFIX, self.code()),
            title: self.detail(),
            status: 502,
            detail: String::new(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        Answer {
            status: 502,
            headers,
            body: Zeroizing::new(serde_json::to_vec(&problem).unwrap_or_default()),
        }
    }
}

impl From<Unopened> for Refusal {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::KeyUnknown => Self::KeyUnknown,
            Unopened::CannotOpen => Self::CannotOpen,
            Unopened::TargetNotAllowed => Self::TargetNotAllowed,
        }
    }
}

impl Work {
    /// Takes `record` as far as it goes now.
    pub(super) async fn settle(&self, record: OpenRecord) -> Result<(), StoreError> {
        let Some(caller) = self.callers.get(&record.service) else {
            return self.to_staff(&record, None, Trouble::NotServable(Refusal::ServiceUnknown)).await;
        };
        let opened = match self.keys.open_for(&caller.service, &record.sealed) {
            Ok(opened) => opened,
            Err(why) => return self.to_staff(&record, None, Trouble::NotServable(why.into())).await,
        };
        match (record.state, caller.service.repeat) {
            (State::Calling, Repeat::Never) => {
                self.to_staff(&record, Some(opened), Trouble::OutcomeUnknown).await
            }
            (State::Calling, Repeat::AskOpen311) => {
                match open311::ask(caller, &opened, record.key.id, record.stored_at, unix_ms()).await {
                    Asked::Found(answer) => self.answered(&record, caller, opened, &answer).await,
                    Asked::NotFound => self.call(record, caller, opened).await,
                    Asked::Unknown { why, retry_after_ms } => {
                        let tries = record.attempts.saturating_add(1);
                        self.put_off(&record, State::Calling, tries, retry_after_ms, &why).await
                    }
                }
            }
            (State::Calling, Repeat::IdempotencyKey) | (State::Stored, _) => {
                self.call(record, caller, opened).await
            }
            (State::Answered | State::NeedsStaff, _) => Ok(()),
        }
    }

    async fn call(&self, mut record: OpenRecord, caller: &Caller, opened: Opened) -> Result<(), StoreError> {
        let deadline_ms = u64::try_from(caller.service.deadline.as_millis()).unwrap_or(u64::MAX);
        let aftermath_ms = deadline_ms.saturating_add(AFTERMATH_MS);
        let repeated = record.attempts > 0;
        let not_before = self.store.now().await?.saturating_add(aftermath_ms);
        self.store.begin_call(&mut record, not_before).await?;
        reach(Step::Calling);
        let tries = record.attempts;
        let called = caller.call(&opened, record.key.id, repeated).await;
        reach(Step::Called);
        match called {
            Called::Answer(answer) => match answer.status {
                200..=299 => self.answered(&record, caller, opened, &answer).await,
                300..=399 => self.refused(&record, opened, &answer, Trouble::Redirected(answer.status)).await,
                _ => self.refused(&record, opened, &answer, Trouble::Refused(answer.status)).await,
            },
            // An earlier call whose outcome is unknown stays one, whatever became of this one.
            Called::NotTaken { why } => self.put_off(&record, record.state, tries, 0, &why).await,
            Called::Unknown { why, retry_after_ms } => match caller.service.repeat {
                Repeat::Never => self.to_staff(&record, Some(opened), Trouble::OutcomeUnknown).await,
                Repeat::IdempotencyKey => {
                    self.put_off(&record, State::Calling, tries, retry_after_ms, &why).await
                }
                Repeat::AskOpen311 => {
                    let at_least_ms = aftermath_ms.max(retry_after_ms);
                    self.put_off(&record, State::Calling, tries, at_least_ms, &why).await
                }
            },
        }
    }

    async fn answered(
        &self,
        record: &OpenRecord,
        caller: &Caller,
        opened: Opened,
        answer: &Answer,
    ) -> Result<(), StoreError> {
        let reference = caller.service.reference.as_deref().and_then(|at| reference::read(&answer.body, at));
        let Some(reply) = opened.seal(answer) else {
            tracing::error!(unit = record.key.unit, id = %record.key.id, "a reply that cannot be sealed");
            return self.to_staff(record, None, Trouble::OutcomeUnknown).await;
        };
        tracing::info!(unit = record.key.unit, id = %record.key.id, service = %record.service, "answered");
        self.store.settle(record, Settlement::Answered { reply, reference }).await
    }

    async fn refused(
        &self,
        record: &OpenRecord,
        opened: Opened,
        answer: &Answer,
        trouble: Trouble,
    ) -> Result<(), StoreError> {
        self.needs_staff(record, opened.seal(answer), trouble).await
    }

    /// Hands `record` to staff; the citizen gets a reply that says so where one can be sealed.
    async fn to_staff(
        &self,
        record: &OpenRecord,
        opened: Option<Opened>,
        trouble: Trouble,
    ) -> Result<(), StoreError> {
        self.needs_staff(record, opened.and_then(|o| o.seal(&trouble.answer())), trouble).await
    }

    async fn needs_staff(
        &self,
        record: &OpenRecord,
        reply: Option<Vec<u8>>,
        trouble: Trouble,
    ) -> Result<(), StoreError> {
        let (code, detail) = (trouble.code(), trouble.detail());
        tracing::warn!(unit = record.key.unit, id = %record.key.id, service = %record.service, code, "needs staff");
        self.store.settle(record, Settlement::NeedsStaff { reply, code, detail }).await
    }

    /// Puts `record` off after so many `tries`, this one included.
    async fn put_off(
        &self,
        record: &OpenRecord,
        state: State,
        tries: u32,
        at_least_ms: u64,
        why: &str,
    ) -> Result<(), StoreError> {
        let wait_ms = self.wait_ms(tries.saturating_sub(1)).max(at_least_ms);
        tracing::warn!(
            unit = record.key.unit, id = %record.key.id, service = %record.service, wait_ms, why, "later"
        );
        let not_before = self.store.now().await?.saturating_add(wait_ms);
        self.store.put_off(record, state, tries, not_before).await
    }
}
