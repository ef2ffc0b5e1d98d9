//! Rules about single files: length, module documentation, unfinished code, paths of a machine.
//!
//! Never: follows a link, reads build output, or reads what git would not (hidden directories other
//! than `.ci` and `.cargo`).

use super::{Finding, Source};
use anyhow::{Context as _, Result};
use std::{fs, path::Path};

/// Above this a source file needs a reason.
const LINES_MAX: usize = 500;

/// Up to this a Rust file needs no `//!`.
const LINES_PLAIN: usize = 25;

/// A larger file is data, not text of ours.
const BYTES_MAX: u64 = 4 << 20;

/// What is read.
const EXTENSIONS: &[&str] =
    &["rs", "slint", "toml", "md", "sh", "po", "json", "service", "socket", "rules", "conf", "sql", "yml"];

/// How a long file gives its reason.
const REASONS: [&str; 2] = ["//! Long because ", "// Long because "];

// Split, so that this file does not find itself.
const UNFINISHED: [(&str, &str); 4] = [
    (concat!("todo", "!("), "write it, or return an error that says what cannot be done"),
    (concat!("unimplemented", "!("), "write it, or return an error that says what cannot be done"),
    (concat!("#[", "ignore"), "make the test run, or remove it"),
    (concat!("dbg", "!("), "remove it"),
];
const OWN_PATHS: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Every text file of ours, in a stable order.
pub(super) fn read_all(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    read_into(root, root, &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn read_into(root: &Path, directory: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci" && name != ".cargo";
            let built = path.join("CACHEDIR.TAG").is_file() || (directory == root && name == "target");
            if !hidden && !built {
                read_into(root, &path, sources)?;
            }
        } else if kind.is_file() && is_text(&path, directory) && entry.metadata()?.len() <= BYTES_MAX {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let path = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            sources.push(Source { path, text });
        }
    }
    Ok(())
}

fn is_text(path: &Path, directory: &Path) -> bool {
    let known = path.extension().is_some_and(|e| EXTENSIONS.iter().any(|known| e == *known));
    known || directory.file_name().is_some_and(|name| name == ".ci")
}

/// `.rs` and `.slint` files stay under [`LINES_MAX`] lines or say why not.
pub(super) fn check_length(sources: &[Source]) -> Vec<Finding> {
    let code = sources.iter().filter(|s| s.has_extension("rs") || s.has_extension("slint"));
    let long = code.filter(|s| s.text.lines().count() > LINES_MAX && !gives_a_reason(&s.text));
    long.map(|s| {
        let remedy = format!("split it under {LINES_MAX} lines, or say `{}...`", REASONS[1]);
        s.finding(LINES_MAX + 1, "long", remedy)
    })
    .collect()
}

fn gives_a_reason(text: &str) -> bool {
    text.lines().any(|line| {
        REASONS.iter().any(|begin| line.strip_prefix(begin).is_some_and(|why| !why.trim().is_empty()))
    })
}

/// Rust files over [`LINES_PLAIN`] lines begin with `//!`, inner attributes aside.
pub(super) fn check_module_doc(sources: &[Source]) -> Vec<Finding> {
    let rust = sources.iter().filter(|s| s.has_extension("rs") && s.text.lines().count() > LINES_PLAIN);
    let bare = rust.filter(|s| {
        let mut lines = s.text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("#!["));
        !lines.next().is_some_and(|first| first.starts_with("//!"))
    });
    bare.map(|s| s.finding(1, "module doc", "say in `//!` what it owns, promises and never does")).collect()
}

/// No code left to do, no switched-off test, no debug print.
pub(super) fn check_unfinished(sources: &[Source]) -> Vec<Finding> {
    let rust = sources.iter().filter(|s| s.has_extension("rs"));
    rust.flat_map(|s| {
        s.text.lines().enumerate().flat_map(move |(n, line)| {
            let hits = UNFINISHED.iter().filter(move |(word, _)| line.contains(word));
            hits.map(move |(word, remedy)| s.finding(n + 1, "unfinished", format!("`{word}`: {remedy}")))
        })
    })
    .collect()
}

/// No absolute path that exists on somebody's machine only.
pub(super) fn check_own_paths(sources: &[Source]) -> Vec<Finding> {
    let lines = sources.iter().flat_map(|s| s.text.lines().enumerate().map(move |(n, line)| (s, n, line)));
    lines
        .filter_map(|(s, n, line)| {
            let path = OWN_PATHS.iter().find(|path| begins_a_path(line, path))?;
            Some(s.finding(n + 1, "own path", format!("`{path}` exists on one machine; make it relative")))
        })
        .collect()
}

/// Whether `path` stands in `line` as the beginning of a path, not in the middle of one.
fn begins_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~}*".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_long_file_needs_a_reason() {
        let long = "//! A.\n".to_owned() + &"x\n".repeat(LINES_MAX);
        assert_eq!(check_length(&[source("a.rs", &long)]).len(), 1);
        assert_eq!(check_length(&[source("a.slint", &long)]).len(), 1);
        assert_eq!(check_length(&[source("a.md", &long)]), []);
        assert_eq!(check_length(&[source("a.rs", &"x\n".repeat(LINES_MAX))]), []);
        let with_reason = long.clone() + "// Long because it is one table.\n";
        assert_eq!(check_length(&[source("a.rs", &with_reason)]), []);
        let without = long + "// Long because \n";
        assert_eq!(check_length(&[source("a.rs", &without)]).len(), 1);
    }

    #[test]
    fn a_module_says_what_it_is() {
        let body = "fn f() {}\n".repeat(LINES_PLAIN);
        assert_eq!(check_module_doc(&[source("a.rs", &format!("use x;\n{body}"))]).len(), 1);
        assert_eq!(check_module_doc(&[source("a.rs", &format!("//! A.\n{body}"))]), []);
        assert_eq!(check_module_doc(&[source("a.rs", &format!("#![no_main]\n//! A.\n{body}"))]), []);
        assert_eq!(check_module_doc(&[source("a.rs", &body)]), []);
        assert_eq!(check_module_doc(&[source("a.md", &format!("x\n{body}"))]), []);
    }

    #[test]
    fn unfinished_code_is_found_at_its_line() {
        for (word, _) in UNFINISHED {
            let found = check_unfinished(&[source("a.rs", &format!("//! A.\n    {word}\n"))]);
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(found[0].line, 2);
        }
        assert_eq!(check_unfinished(&[source("a.rs", "let todo = 1;\n")]), []);
    }

    #[test]
    fn a_path_of_a_machine_is_found_and_a_part_of_a_path_is_not() {
        for path in OWN_PATHS {
            assert_eq!(check_own_paths(&[source("a.md", &format!("see `{path}me/x`\n"))]).len(), 1, "{path}");
            assert_eq!(check_own_paths(&[source("a.md", &format!("see a{path}x and .{path}y\n"))]), []);
        }
    }

    #[test]
    fn build_output_and_hidden_directories_are_not_read() {
        let root = std::env::temp_dir().join(format!("xtask-files-{}", std::process::id()));
        for directory in ["a", "target", ".hidden", ".ci", "built"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for file in [
            "a/a.rs",
            "a/a.bin",
            "target/b.rs",
            ".hidden/c.rs",
            ".ci/run",
            "built/d.rs",
            "built/CACHEDIR.TAG",
        ] {
            fs::write(root.join(file), "x").unwrap();
        }
        let paths: Vec<String> = read_all(&root).unwrap().into_iter().map(|s| s.path).collect();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(paths, [".ci/run", "a/a.rs"]);
    }
}
