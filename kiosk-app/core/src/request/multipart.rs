//! `multipart/form-data`, RFC 7578 over RFC 2046 section 5.1.1.
//!
//! ```text
//! --kiosk-0123..ef\r\n
//! Content-Disposition: form-data; name="answers"\r\n
//! Content-Type: application/json\r\n
//! \r\n
//! { .. }\r\n
//! --kiosk-0123..ef\r\n
//! Content-Disposition: form-data; name="<question>"; filename="<name>"\r\n
//! Content-Type: image/jpeg\r\n
//! \r\n
//! <bytes>\r\n
//! --kiosk-0123..ef--\r\n
//! ```
//!
//! Quotes and line ends in names are percent-encoded (RFC 7578 section 2, as browsers do).

use super::{ANSWERS_PART, RequestError};
use crate::{
    form::{Answer, Answers, File},
    secret::{Secret, SecretBytes},
};
use zeroize::Zeroizing;

/// More than the lines around one part take.
const AROUND_BYTES: usize = 256;

pub(super) fn body(
    json: &[u8],
    answers: &Answers,
    random: [u8; 16],
) -> Result<(String, SecretBytes), RequestError> {
    let boundary = format!("kiosk-{:032x}", u128::from_be_bytes(random));
    let files: Vec<(&str, &File)> = answers
        .iter()
        .flat_map(|(name, answer)| files_of(answer).iter().map(|file| (name.as_str(), file)))
        .collect();
    let bytes = |file: &File| file.bytes.expose().len() + 3 * file.name.expose().len();
    let len: usize = files.iter().map(|(name, file)| bytes(file) + 3 * name.len() + AROUND_BYTES).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(len + json.len() + 2 * AROUND_BYTES));
    let head = |name: &str, rest: &str, media_type: &str| {
        let name = escaped(name);
        Zeroizing::new(format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"{rest}\r\nContent-Type: {media_type}\r\n\r\n",
            name.expose()
        ))
    };
    body.extend_from_slice(head(ANSWERS_PART, "", "application/json").as_bytes());
    body.extend_from_slice(json);
    body.extend_from_slice(b"\r\n");
    for (name, file) in files {
        if holds(file.bytes.expose(), boundary.as_bytes()) {
            return Err(RequestError::Boundary);
        }
        let filename = Zeroizing::new(format!("; filename=\"{}\"", escaped(file.name.expose()).expose()));
        body.extend_from_slice(head(name, &filename, media_type(&file.media_type)).as_bytes());
        body.extend_from_slice(file.bytes.expose());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let body = SecretBytes::new(std::mem::take(&mut *body));
    Ok((format!("multipart/form-data; boundary={boundary}"), body))
}

fn files_of(answer: &Answer) -> &[File] {
    match answer {
        Answer::Files(files) => files,
        Answer::Empty
        | Answer::Text(_)
        | Answer::Number(_)
        | Answer::YesNo(_)
        | Answer::One(_)
        | Answer::Many(_)
        | Answer::Date(_)
        | Answer::Month(_)
        | Answer::Address(_) => &[],
    }
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// A type that cannot break out of its header line.
fn media_type(claimed: &str) -> &str {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/+-._".contains(&b);
    if !claimed.is_empty() && claimed.bytes().all(plain) { claimed } else { "application/octet-stream" }
}

fn escaped(name: &str) -> Secret {
    let mut text = Zeroizing::new(String::with_capacity(3 * name.len()));
    for c in name.chars() {
        match c {
            '"' => text.push_str("%22"),
            '\r' => text.push_str("%0D"),
            '\n' => text.push_str("%0A"),
            c => text.push(c),
        }
    }
    Secret::from(text.as_str())
}
