//! The recipe's files: lists of words, one on each line.
//!
//! ```text
//! # a comment
//! word
//! ```
//!
//! Promises: a file that cannot be read is named. Never: an empty list.

use anyhow::{Context as _, Result, bail};
use std::{fs, path::Path};

/// A file of the recipe.
///
/// # Errors
/// With its name.
pub(super) fn text(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The words of a list.
///
/// # Errors
/// With its name, also when it has none.
pub(super) fn list(file: &Path) -> Result<Vec<String>> {
    let words = words(&text(file)?);
    if words.is_empty() {
        bail!("{} names nothing", file.display());
    }
    Ok(words)
}

fn words(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_no_words() {
        assert_eq!(words("# why\n\n a \n#b\nc d\n"), ["a", "c d"]);
        assert!(words("# nothing\n").is_empty());
    }
}
