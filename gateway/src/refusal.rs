//! Every refusal, once: its code, status and sentence (RFC 9457).
//!
//! Promises: a refused envelope is not stored. Never: quotes what was sent.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use kiosk_core::wire::Problem;

/// How long a kiosk is asked to wait when the gateway is busy or its disk is full, seconds.
const RETRY_AFTER_S: u64 = 15;

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    HeaderMissing(&'static str),
    HeaderMalformed(&'static str),
    NotSealed,
    TooLarge,
    TooSlow,
    IdReused,
    ServiceUnknown,
    KeyUnknown,
    CannotOpen,
    TargetNotAllowed,
    MarkerMissing,
    OriginUnproven,
    ClaimUnknown,
    Busy,
    Storage,
}

impl Refusal {
    fn parts(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        match self {
            Self::HeaderMissing(name) => {
                (StatusCode::BAD_REQUEST, "header-missing", "A header is missing.", name)
            }
            Self::HeaderMalformed(name) => {
                (StatusCode::BAD_REQUEST, "header-malformed", "A header cannot be read.", name)
            }
            Self::NotSealed => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-sealed",
                "An envelope is sent as message/ohttp-req.",
                "",
            ),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The envelope is larger than 4 MiB.", "")
            }
            Self::TooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "too-slow", "The body did not arrive in time.", "")
            }
            Self::IdReused => {
                (unprocessable, "id-reused", "This envelope id was used for another envelope.", "")
            }
            Self::ServiceUnknown => (unprocessable, "service-unknown", "No such service here.", ""),
            Self::KeyUnknown => (unprocessable, "key-unknown", "No such key here.", ""),
            Self::CannotOpen => (unprocessable, "cannot-open", "The envelope does not open.", ""),
            Self::TargetNotAllowed => {
                (unprocessable, "target-not-allowed", "The envelope is addressed to somewhere else.", "")
            }
            Self::MarkerMissing => (
                unprocessable,
                "marker-missing",
                "The description does not end with [kiosk <envelope id>].",
                "",
            ),
            Self::OriginUnproven => {
                (unprocessable, "origin-unproven", "The unit's signature over the envelope does not fit.", "")
            }
            Self::ClaimUnknown => (StatusCode::NOT_FOUND, "claim-unknown", "No such claim here.", ""),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many requests at once.", ""),
            Self::Storage => {
                (StatusCode::SERVICE_UNAVAILABLE, "storage", "The gateway cannot store now.", "")
            }
        }
    }

    /// The short code, as after [`Problem::PREFIX`].
    pub(crate) fn code(self) -> &'static str {
        self.parts().1
    }

    /// The sentence.
    pub(crate) fn title(self) -> &'static str {
        self.parts().2
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, title, detail) = self.parts();
        let problem = Problem {
            kind: format!("{}{code}", Problem::PREFIX),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: if detail.is_empty() { String::new() } else { format!("{title} ({detail})") },
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
        }
        response
    }
}
