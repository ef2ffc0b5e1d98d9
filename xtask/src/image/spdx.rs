//! What the image is made of, for whoever has to know: `kiosk-x86.spdx.json`, SPDX 2.3.
//!
//! Debian's packages with version and hash, the kiosk's binary with its own hash, the crates linked into that with the
//! licences they state. Debian states no licence in a form a program reads; each package's copyright file is in
//! `licences/` under its name.
//!
//! Source: SPDX Specification 2.3, clauses 6, 7 and 11.
//!
//! Never: a licence that was guessed.

use super::{Places, lock::Entry};
use crate::{
    process::output_of,
    workspace::{Linked, linked},
};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

const FILE: &str = "kiosk-x86.spdx.json";
const UNKNOWN: &str = "NOASSERTION";
const IMAGE_ID: &str = "SPDXRef-image";
const KIOSK_ID: &str = "SPDXRef-kiosk";

/// What cargo is asked for: the features of the unit's binary.
const TREE: [&str; 7] =
    ["--package", "kiosk-app", "--no-default-features", "--features", "kms", "--edges", "normal"];

/// Writes the list beside the image.
pub(super) fn write(
    places: &Places,
    packages: &[Entry],
    kiosk: &Path,
    version: &str,
    epoch: &str,
) -> Result<()> {
    let created =
        output_of(Command::new("date").args(["-u", "-d", &format!("@{epoch}"), "+%Y-%m-%dT%H:%M:%SZ"]))?;
    let sum = output_of(Command::new("sha256sum").arg(kiosk))?;
    let sum = sum.split_whitespace().next().context("sha256sum wrote nothing")?;
    let crates: Vec<Linked> =
        linked(&TREE)?.into_iter().filter(|linked| linked.name != "kiosk-app").collect();
    let document = document(packages, &crates, (version, sum), created.trim());
    let text = serde_json::to_string_pretty(&document)? + "\n";
    fs::write(places.build.join(FILE), text).context(FILE)
}

fn document(
    packages: &[Entry],
    crates: &[Linked],
    (version, kiosk_sum): (&str, &str),
    created: &str,
) -> Value {
    let mut all = vec![
        json!({ "SPDXID": IMAGE_ID, "name": "kiosk-image", "versionInfo": version, "downloadLocation": UNKNOWN }),
        json!({
            "SPDXID": KIOSK_ID, "name": "kiosk", "versionInfo": version, "downloadLocation": UNKNOWN,
            "licenseDeclared": "GPL-3.0-only", "checksums": [{ "algorithm": "SHA256", "checksumValue": kiosk_sum }],
            "comment": "Without what a debugger reads the image's file is smaller; the hash is that of the whole."
        }),
    ];
    let mut relations =
        vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE_ID), relation(IMAGE_ID, "CONTAINS", KIOSK_ID)];
    for entry in packages {
        let id = id("debian", &entry.name, &entry.version);
        relations.push(relation(IMAGE_ID, "CONTAINS", &id));
        all.push(json!({
            "SPDXID": id, "name": entry.name, "versionInfo": entry.version, "downloadLocation": UNKNOWN,
            "supplier": "Organization: Debian", "licenseDeclared": UNKNOWN,
            "comment": format!("Its copyright file is licences/{}.", entry.name),
            "checksums": [{ "algorithm": "SHA256", "checksumValue": entry.sha256 }],
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": format!(
                    "pkg:deb/debian/{}@{}?arch={}", entry.name, percent(&entry.version), entry.architecture
                ),
            }],
        }));
    }
    for linked in crates {
        let id = id("crate", &linked.name, &linked.version);
        relations.push(relation(KIOSK_ID, "STATIC_LINK", &id));
        let licence = if linked.licence.is_empty() { UNKNOWN } else { &linked.licence };
        all.push(json!({
            "SPDXID": id, "name": linked.name, "versionInfo": linked.version,
            "downloadLocation": UNKNOWN, "licenseDeclared": licence.replace('/', " OR "),
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": format!("pkg:cargo/{}@{}", linked.name, percent(&linked.version)),
            }],
        }));
    }
    json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "kiosk-image",
        "documentNamespace": format!("https://spdx.org/spdxdocs/kiosk-image-{version}-{kiosk_sum}"),
        "creationInfo": { "created": created, "creators": ["Tool: cargo-xtask-image"] },
        "packages": all, "relationships": relations,
    })
}

fn relation(from: &str, how: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": how, "relatedSpdxElement": to })
}

/// An id has letters, digits, dots and hyphens only.
fn id(kind: &str, name: &str, version: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
    };
    format!("SPDXRef-{kind}-{}-{}", plain(name), plain(version))
}

/// A version in a package URL.
fn percent(version: &str) -> String {
    let escaped = version.chars().map(|c| match c {
        ':' => "%3A".to_owned(),
        '+' => "%2B".to_owned(),
        '~' | '.' | '-' | '_' => c.to_string(),
        c if c.is_ascii_alphanumeric() => c.to_string(),
        c => format!("%{:02X}", u32::from(c)),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn everything_has_an_id_of_its_own_and_a_place() {
        let entry = |name: &str| Entry { name: name.into(), version: "1:2+3".into(), ..Entry::default() };
        let crates = [Linked { name: "x".into(), version: "1.0.0".into(), licence: "MIT/Apache-2.0".into() }];
        let document = document(&[entry("a"), entry("b+")], &crates, ("0.1.0", "00"), "2026-01-01T00:00:00Z");
        let packages = document["packages"].as_array().unwrap();
        let ids: BTreeSet<&str> =
            packages.iter().map(|package| package["SPDXID"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 5);
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        assert!(ids.iter().all(|id| id.starts_with("SPDXRef-") && id.chars().all(allowed)));
        let related = document["relationships"].as_array().unwrap();
        let reached: BTreeSet<&str> =
            related.iter().map(|relation| relation["relatedSpdxElement"].as_str().unwrap()).collect();
        assert_eq!(reached, ids, "each is in something");
        assert_eq!(packages[4]["licenseDeclared"], "MIT OR Apache-2.0");
        assert_eq!(packages[2]["externalRefs"][0]["referenceLocator"], "pkg:deb/debian/a@1%3A2%2B3?arch=");
    }
}
