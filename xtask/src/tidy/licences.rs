//! Every linked crate states a licence that `deny.toml` allows.
//!
//! Never: reads licence texts; that is `cargo deny`'s part. What a crate states is what counts here.

use super::{
    Finding, Source,
    dependencies::Policy,
    spdx::{self, Expression},
};
use crate::workspace::Linked;
use std::collections::BTreeSet;

/// Where the allow list is.
const LIST: &str = "allow = [";

/// Each linked crate against the allow list, and each exception against what is linked.
pub(super) fn check(deny: &Source, policy: &Policy, linked: &BTreeSet<Linked>) -> Vec<Finding> {
    let refused = linked.iter().filter_map(|linked| {
        let why = refusal(policy, linked)?;
        let remedy = format!("{} {} {why}; replace it or decide in deny.toml", linked.name, linked.version);
        Some(deny.finding(deny.line_of(LIST), "licence", remedy))
    });
    let unused = policy.licenses.exceptions.iter().filter_map(|exception| {
        if linked.iter().any(|linked| linked.name == exception.name) {
            return None;
        }
        let line = deny.line_of(&format!("\"{}\"", exception.name));
        let remedy = format!("remove the exception for {}; nothing links it", exception.name);
        Some(deny.finding(line, "licence", remedy))
    });
    refused.chain(unused).collect()
}

/// Why a crate may not be linked; `None` when it may.
fn refusal(policy: &Policy, linked: &Linked) -> Option<String> {
    if linked.licence.is_empty() {
        return Some("states no licence".into());
    }
    let expression = match spdx::parse(&linked.licence) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("states a licence that cannot be read ({error})")),
    };
    let exception = policy.licenses.exceptions.iter().filter(|exception| exception.name == linked.name);
    let mut allowed: Vec<&str> = policy.licenses.allow.iter().map(String::as_str).collect();
    allowed.extend(exception.flat_map(|exception| exception.allow.iter().map(String::as_str)));
    let fine = Expression::allows(&expression, &|licence| allowed.contains(&licence));
    (!fine).then(|| format!("is under {}", linked.licence))
}

#[cfg(test)]
mod tests {
    use super::{super::dependencies::tests::crates, *};

    const POLICY: &str = "[graph]\ntargets = []\n[licenses]\nallow = [\"MIT\", \"ISC\"]\n\
        exceptions = [{ crate = \"slint\", allow = [\"GPL-3.0-only\"] }]\n[bans]\n";

    fn found(list: &[(&str, &str)]) -> Vec<String> {
        let policy = Policy::parse(POLICY).unwrap();
        let deny = Source { path: "deny.toml".into(), text: POLICY.into() };
        let slint = ("slint", "GPL-3.0-only OR LicenseRef-Slint-Software-3.0");
        let linked: Vec<_> = list.iter().copied().chain([slint]).collect();
        check(&deny, &policy, &crates(&linked)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_allowed_passes() {
        assert!(found(&[("a", "MIT"), ("b", "Apache-2.0/MIT"), ("c", "ISC AND (MIT OR X)")]).is_empty());
    }

    #[test]
    fn what_is_not_allowed_is_found() {
        assert_eq!(
            found(&[("a", "AGPL-3.0-only")]),
            ["deny.toml:4: licence: a 1.0.0 is under AGPL-3.0-only; replace it or decide in deny.toml"]
        );
        assert_eq!(found(&[("a", "MIT AND Apache-2.0")]).len(), 1);
        assert_eq!(found(&[("a", "")]).len(), 1);
        assert_eq!(found(&[("a", "MIT OR")]).len(), 1);
    }

    #[test]
    fn an_exception_is_for_one_crate_only() {
        assert_eq!(found(&[("other", "GPL-3.0-only")]).len(), 1);
    }

    #[test]
    fn an_exception_nobody_needs_is_found() {
        let policy = Policy::parse(POLICY).unwrap();
        let deny = Source { path: "deny.toml".into(), text: POLICY.into() };
        let findings = check(&deny, &policy, &crates(&[("a", "MIT")]));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 5);
    }
}
