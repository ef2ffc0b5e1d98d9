//! Reads the catalogue's folder: one folder per service, `service.toml` and `form.<language>.json`.
//!
//! Promises: a service that cannot be shown whole stops the start, with file, place and reason.
//! Never: reads a file larger than [`FILE_BYTES_MAX`].

use crate::config::StartError;
use kiosk_core::catalogue::{Catalogue, Service};
use std::{collections::BTreeMap, fs, path::Path};

/// The largest file of a service.
const FILE_BYTES_MAX: u64 = 2 << 20;

/// Reads every service under `folder`, in name order.
///
/// # Errors
/// [`StartError`] for the first thing that is wrong.
pub fn read(folder: &Path) -> Result<Catalogue, StartError> {
    let wrong = |e: std::io::Error| StartError::new(folder, "", e);
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    let services = folders.iter().map(|path| service(path)).collect::<Result<Vec<_>, _>>()?;
    Catalogue::new(services).map_err(|e| StartError::new(folder, "", e))
}

fn service(folder: &Path) -> Result<Service, StartError> {
    let name = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let text = text_of(&folder.join("service.toml"))?;
    let mut forms = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|e| StartError::new(folder, "", e))? {
        let path = entry.map_err(|e| StartError::new(folder, "", e))?.path();
        let Some(file) = path.file_name().and_then(|n| n.to_str()).map(str::to_owned) else { continue };
        if let Some(language) = file.strip_prefix("form.").and_then(|rest| rest.strip_suffix(".json")) {
            forms.insert(language.to_owned(), (file.clone(), text_of(&path)?));
        }
    }
    Service::parse(name, &text, &forms)
        .map_err(|e| StartError::new(&folder.with_file_name(&e.file), e.place, e.reason))
}

fn text_of(path: &Path) -> Result<String, StartError> {
    let wrong = |e: std::io::Error| StartError::new(path, "", e);
    let size = fs::metadata(path).map_err(wrong)?.len();
    if size > FILE_BYTES_MAX {
        return Err(StartError::new(path, "", format!("{size} bytes; {FILE_BYTES_MAX} are allowed")));
    }
    fs::read_to_string(path).map_err(wrong)
}
