//! The HTTP request a service expects, made from checked answers.
//!
//! `service.toml` says which of three kinds it is:
//!
//! ```toml
//! [request]
//! kind = "open311"                    # GeoReport v2: POST, form-urlencoded
//! path = "/open311/v2/requests.json"
//! service_code = "{kind}"             # templates: {question} stands for its answer
//! address_string = "{where}"
//! description = """
//! {what}
//! First noticed: {noticed}"""         # a line whose question was left open is left out
//! attributes = { NOTICED = "{noticed}" }
//! # kind = "xgov"       the GOV.UK form runner's webhook, as JSON
//! # kind = "multipart"  the same JSON as the part `answers`, and one part for each file
//! ```
//!
//! Promises: only answers on pages that are still on the route are sent; the same answers and the
//! same envelope give the same bytes; bodies are zeroed when dropped.
//! Never: opens a connection; leaves out a file in silence (a form with files must be `multipart`,
//! checked when the service is published).

mod multipart;
mod open311;
mod template;
mod xgov;

pub use open311::Open311;
pub use template::{Template, TemplateError};

use crate::{
    form::{Answers, Form, RouteEnd, route},
    ids::EnvelopeId,
    secret::SecretBytes,
    wire::SEALED_BYTES_MAX,
};

/// Room that sealing and headers take of [`SEALED_BYTES_MAX`].
const SEALING_BYTES: usize = 16 << 10;

/// The part of a multipart body that holds the JSON; no question may be called so.
pub const ANSWERS_PART: &str = "answers";

/// An HTTP request, ready to be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Always `POST` today.
    pub method: &'static str,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Lower-case names, in order. They hold no answers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: SecretBytes,
}

/// What a service wants to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSpec {
    /// Path and query, beginning with `/`.
    pub path: String,
    /// The shape of the body.
    pub body: BodySpec,
}

/// The shape of a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodySpec {
    /// Open311 GeoReport v2, `POST /requests`.
    Open311(Open311),
    /// The webhook of the GOV.UK form runner, JSON.
    Xgov,
    /// The same JSON and the files, RFC 7578.
    Multipart,
}

/// What a request is about, apart from the answers.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The id the request keeps for ever.
    pub envelope: EnvelopeId,
    /// The language the form was answered in, as a BCP 47 tag.
    pub language: &'a str,
    /// Random bytes for a multipart boundary.
    pub boundary: [u8; 16],
}

/// Why no request can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A question on the route has no answer: a fault of ours.
    #[error("the form is not finished")]
    Unfinished,
    /// More than fits an envelope.
    #[error("the answers are larger than {max} bytes")]
    TooLarge {
        /// The most a body may hold.
        max: usize,
    },
    /// Open311 takes 4000 characters of description.
    #[error("the description is longer than {max} characters")]
    DescriptionTooLong {
        /// The most it may hold.
        max: usize,
    },
    /// A file's bytes hold the boundary: draw again.
    #[error("the boundary occurs in a file")]
    Boundary,
}

/// Makes the request. `answers` may hold more than is sent.
///
/// # Errors
/// When the form is not finished, or the answers do not fit.
pub fn build(
    spec: &RequestSpec,
    form: &Form,
    answers: &Answers,
    context: Context<'_>,
) -> Result<Request, RequestError> {
    let way = route(form, answers);
    if way.end != RouteEnd::Summary {
        return Err(RequestError::Unfinished);
    }
    let answers = answers.on_route(form);
    let (content_type, body) = match &spec.body {
        BodySpec::Open311(open311) => {
            (open311::CONTENT_TYPE.to_owned(), open311.body(&answers, context.envelope)?)
        }
        BodySpec::Xgov => (xgov::CONTENT_TYPE.to_owned(), xgov::body(form, &way.pages, &answers, context)?),
        BodySpec::Multipart => {
            let json = xgov::body(form, &way.pages, &answers, context)?;
            multipart::body(json.expose(), &answers, context.boundary)?
        }
    };
    let max = SEALED_BYTES_MAX - SEALING_BYTES;
    if body.expose().len() > max {
        return Err(RequestError::TooLarge { max });
    }
    let header = |name: &str, value: String| (name.to_owned(), value);
    Ok(Request {
        method: "POST",
        path: spec.path.clone(),
        headers: vec![
            header("content-type", content_type),
            header("content-language", context.language.to_owned()),
            header("accept", "application/json".to_owned()),
            // An RFC 8941 string: the quotes belong to it.
            header("idempotency-key", format!("\"{}\"", context.envelope)),
        ],
        body,
    })
}
