//! Files: how many, how large, of which type.

use crate::form::{
    answer::Answer,
    draft::{Draft, File},
    problem::{Problem, ProblemCode},
};

const MEGABYTE: u64 = 1 << 20;

pub(super) fn files(
    draft: &Draft,
    files_min: u32,
    files_max: u32,
    bytes_max: u64,
    accept: &[String],
) -> Result<Answer, Problem> {
    let count = u32::try_from(draft.files.len()).unwrap_or(u32::MAX);
    if count == 0 || count < files_min {
        return Err(Problem::new(ProblemCode::FileRequired));
    }
    if count > files_max {
        return Err(Problem::new(ProblemCode::TooManyFiles).arg(files_max));
    }
    for file in &draft.files {
        let bytes = file.bytes.expose();
        if bytes.is_empty() {
            return Err(Problem::new(ProblemCode::FileRequired));
        }
        if u64::try_from(bytes.len()).is_ok_and(|len| len > bytes_max) {
            return Err(Problem::new(ProblemCode::FileTooLarge).arg(bytes_max / MEGABYTE));
        }
        if !accept.is_empty() && !accept.iter().any(|wanted| accepts(wanted, file)) {
            return Err(Problem::new(ProblemCode::FileType));
        }
    }
    Ok(Answer::Files(draft.files.clone()))
}

/// The rule of HTML's `accept`: a type, `type/*`, or an ending.
fn accepts(wanted: &str, file: &File) -> bool {
    if wanted.starts_with('.') {
        let name = file.name.expose();
        let start = name.len().checked_sub(wanted.len());
        return start.and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(wanted));
    }
    match wanted.strip_suffix("/*") {
        Some(family) => {
            file.media_type.split_once('/').is_some_and(|(kind, _)| kind.eq_ignore_ascii_case(family))
        }
        None => file.media_type.eq_ignore_ascii_case(wanted),
    }
}
