//! Reads the catalogue's folder: one folder per service, `service.toml` and `form.<language>.json`.
//!
//! Promises: a service that cannot be shown whole stops the start, with file, place and reason.
//! Never: reads a file larger than [`read_text`] allows.

use crate::config::{StartError, read_text};
use kiosk_core::catalogue::{Catalogue, Service};
use std::{collections::BTreeMap, fs, path::Path};

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
    let text = read_text(&folder.join("service.toml"))?;
    let mut forms = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|e| StartError::new(folder, "", e))? {
        let path = entry.map_err(|e| StartError::new(folder, "", e))?.path();
        let Some(file) = path.file_name().and_then(|n| n.to_str()).map(str::to_owned) else { continue };
        if let Some(language) = file.strip_prefix("form.").and_then(|rest| rest.strip_suffix(".json")) {
            forms.insert(language.to_owned(), (file.clone(), read_text(&path)?));
        }
    }
    Service::parse(name, &text, &forms)
        .map_err(|e| StartError::new(&folder.with_file_name(&e.file), e.place, e.reason))
}
