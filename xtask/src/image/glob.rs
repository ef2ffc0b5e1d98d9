//! Patterns of `remove.list`: `/usr/bin/*perl*`, a `*` or `?` within one name.
//!
//! Promises: what is found lies in the folder that was asked about. Never: follows a link; leaves the folder.

use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What in `root` matches `pattern`, which begins with `/`, as paths from `root`.
pub(super) fn find(root: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let Some(inside) = pattern.strip_prefix('/') else { bail!("'{pattern}' does not begin with /") };
    let mut found = vec![PathBuf::new()];
    for part in inside.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            bail!("'{pattern}' has a part '{part}'");
        }
        let mut next = Vec::new();
        for folder in found {
            let here = root.join(&folder);
            // A link may lead out of the root.
            let real = fs::symlink_metadata(&here).is_ok_and(|metadata| metadata.is_dir());
            if real {
                next.extend(matching(&here, part)?.into_iter().map(|name| folder.join(name)));
            }
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

fn matching(folder: &Path, part: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if matches(part.as_bytes(), name.as_bytes()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether a name is as a part of a pattern says.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, name) || name.split_first().is_some_and(|(_, shorter)| matches(pattern, shorter))
        }
        (Some((b'?', rest)), Some((_, shorter))) => matches(rest, shorter),
        (Some((p, rest)), Some((n, shorter))) => p == n && matches(rest, shorter),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_a_name() {
        let matches = |pattern: &str, name: &str| super::matches(pattern.as_bytes(), name.as_bytes());
        assert!(matches("*perl*", "perl") && matches("*perl*", "xperl5.40") && matches("rc?.d", "rc5.d"));
        assert!(matches("*", "") && matches("a*b*c", "a-b-b-c"));
        assert!(!matches("perl", "perl5") && !matches("rc?.d", "rc.d") && !matches("a*b", "a"));
    }

    #[test]
    fn what_is_found_lies_inside() {
        let root = std::env::temp_dir().join(format!("xtask-glob-{}", std::process::id()));
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::write(root.join("usr/bin/perl"), b"").unwrap();
        std::os::unix::fs::symlink("/usr", root.join("out")).unwrap();
        let found = find(&root, "/usr/*/perl*").unwrap();
        let outside = find(&root, "/out/*").unwrap();
        let link = find(&root, "/out").unwrap();
        let wrong = [find(&root, "usr"), find(&root, "/usr/../etc"), find(&root, "/")];
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, [PathBuf::from("usr/bin/perl")]);
        assert!(outside.is_empty() && link.len() == 1);
        assert!(wrong.iter().all(Result::is_err));
    }
}
