//! Documents name only commands and flags that exist, and the README names the two that matter.
//!
//! What exists is asked of the command line itself, so a renamed flag is found in every document.
//!
//! Never: runs a command it finds.

use super::{Finding, Source};
use crate::Cli;
use clap::CommandFactory as _;

/// What a newcomer must find in the README.
const IN_README: [&str; 2] = ["demo", "test"];

const CALL: &str = "cargo xtask ";

/// A command and its long flags.
#[derive(Debug)]
pub(super) struct Known {
    name: String,
    flags: Vec<String>,
}

/// The commands of this program.
pub(super) fn commands() -> Vec<Known> {
    let cli = Cli::command();
    let known = cli.get_subcommands().map(|command| Known {
        name: command.get_name().to_owned(),
        flags: command.get_arguments().filter_map(|arg| arg.get_long()).map(|f| format!("--{f}")).collect(),
    });
    known.collect()
}

/// Every `cargo xtask NAME --flag` in a document exists; `README.md` is there and names [`IN_README`].
pub(super) fn check(sources: &[Source], known: &[Known]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for document in sources.iter().filter(|s| s.has_extension("md")) {
        for (n, line) in document.text.lines().enumerate() {
            let calls = line.match_indices(CALL).filter_map(|(at, _)| line.get(at + CALL.len()..));
            let wrong = calls.filter_map(|call| wrong_call(call, known));
            findings.extend(wrong.map(|remedy| document.finding(n + 1, "readme", remedy)));
        }
    }
    findings.extend(check_readme(sources));
    findings
}

/// What is wrong with the words after `cargo xtask `, as far as the command goes.
fn wrong_call(call: &str, known: &[Known]) -> Option<String> {
    let end = call.find(['`', '#', ';', '&', '|', '\'', '"']).unwrap_or(call.len());
    let mut words = call.get(..end)?.split_whitespace();
    let name = words.next()?.trim_end_matches(['.', ',', ':', ')']);
    let Some(command) = known.iter().find(|known| known.name == name) else {
        let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
        return Some(format!("there is no `{CALL}{name}`; there are {}", names.join(", ")));
    };
    let flags =
        words.take_while(|word| *word != "--").map(|word| word.trim_matches(['[', ']', '.', ',', ')']));
    let wrong = flags.filter(|word| word.starts_with("--")).find(|flag| {
        let flag = flag.split('=').next().unwrap_or(flag);
        flag != "--help" && !command.flags.iter().any(|known| known == flag)
    })?;
    Some(format!("`{CALL}{name}` has no flag {wrong}"))
}

fn check_readme(sources: &[Source]) -> Vec<Finding> {
    let Some(readme) = sources.iter().find(|source| source.path == "README.md") else {
        let readme = Source { path: "README.md".into(), text: String::new() };
        return vec![readme.finding(1, "readme", "write it: what this is, how to try it, how to test it")];
    };
    let missing = IN_README.iter().filter(|name| !readme.text.contains(&format!("{CALL}{name}")));
    missing.map(|name| readme.finding(1, "readme", format!("say what `{CALL}{name}` does"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "Try `cargo xtask demo`, check with `cargo xtask test --fast`.\n";

    fn found(text: &str) -> Vec<String> {
        let readme = Source { path: "README.md".into(), text: README.into() };
        let other = Source { path: "docs/a.md".into(), text: text.into() };
        check(&[readme, other], &commands()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn commands_that_exist_pass() {
        assert!(found("").is_empty());
        assert!(found("Run cargo xtask demo [--script] [--form FILE].\n").is_empty());
        assert!(found("    cargo xtask bench shell -- --anything   # a comment --here\n").is_empty());
        assert!(found("cargo xtask tidy, then cargo xtask audit.\n").is_empty());
    }

    #[test]
    fn commands_that_do_not_exist_are_found() {
        let findings = found("one\nrun `cargo xtask fly`\n");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("docs/a.md:2: readme: there is no `cargo xtask fly`"));
        assert_eq!(found("`cargo xtask demo --warp`\n").len(), 1);
        assert_eq!(found("`cargo xtask tidy` and `cargo xtask fly`\n").len(), 1);
    }

    #[test]
    fn a_readme_that_is_silent_or_missing_is_found() {
        let silent = Source { path: "README.md".into(), text: "cargo xtask demo".into() };
        let findings = check(&[silent], &commands());
        assert_eq!(findings.len(), 1);
        assert!(findings[0].remedy.contains("cargo xtask test"));
        assert_eq!(check(&[], &commands()).len(), 1);
    }
}
