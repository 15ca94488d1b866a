//! The coverage of the requirement ledger: each requirement of the RFCs is asserted by a test, or exempt with a reason.
//!
//! A test binds requirements by a comment above it or inside it: the word `ledger:` after two slashes, then ids
//! separated by commas; a list that ends a line with a comma goes on in the next comment line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Outcome;
use crate::workspace::Sources;

const LEDGER: &str = "conformance/data/spec/ledger.toml";
const EXEMPT: &str = "conformance/ledger-exempt.toml";
const MARK: &str = "// ledger:";

/// Reads the ledger and the list of exemptions and compares both with the tests.
pub(super) fn check(root: &Path, sources: &Sources) -> Result<Outcome> {
    let read =
        |name: &str| std::fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"));
    let ledger: Ledger = toml::from_str(&read(LEDGER)?).context(LEDGER)?;
    let exemptions: Exemptions = toml::from_str(&read(EXEMPT)?).context(EXEMPT)?;
    Ok(compare(&ledger, &exemptions, sources))
}

#[derive(Debug, Deserialize)]
struct Ledger {
    requirement: Vec<Requirement>,
}

#[derive(Debug, Deserialize)]
struct Requirement {
    id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exemptions {
    #[serde(default)]
    exempt: Vec<Exemption>,
}

/// A requirement that no test of this project can assert, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exemption {
    id: String,
    reason: String,
}

fn compare(ledger: &Ledger, exemptions: &Exemptions, sources: &Sources) -> Outcome {
    let mut outcome = Outcome::default();
    let known: BTreeSet<&str> =
        ledger.requirement.iter().map(|requirement| requirement.id.as_str()).collect();
    if known.len() != ledger.requirement.len() {
        outcome.error(format!("{LEDGER}: an id stands twice"));
    }

    let mut exempt = BTreeSet::new();
    for Exemption { id, reason } in &exemptions.exempt {
        if reason.trim().is_empty() {
            outcome.error(format!("{EXEMPT}: {id} has no reason"));
        }
        if !exempt.insert(id.as_str()) {
            outcome.error(format!("{EXEMPT}: {id} stands twice"));
        }
        if !known.contains(id.as_str()) {
            outcome.error(format!("{EXEMPT}: the ledger has no {id}"));
        }
    }

    let mut bound: BTreeSet<&str> = BTreeSet::new();
    let tests = sources.with_extension("rs").filter(|(name, _)| !name.starts_with("xtask/"));
    for (name, text) in tests {
        for Binding { line, id, in_test } in bindings(name, text) {
            if !known.contains(id) {
                outcome.error(format!("{name}:{line}: the ledger has no {id}"));
            } else if !in_test {
                outcome.error(format!("{name}:{line}: {id} is bound outside of a test"));
            } else {
                bound.insert(id);
            }
        }
    }

    for id in bound.intersection(&exempt) {
        outcome.warn(format!("{id} is bound by a test and exempt: delete the exemption"));
    }
    let unbound: Vec<&str> =
        known.iter().copied().filter(|id| !bound.contains(id) && !exempt.contains(id)).collect();
    outcome.fact(format!(
        "{} requirements: {} bound by tests, {} exempt, {} unbound",
        known.len(),
        bound.len(),
        exempt.iter().filter(|id| known.contains(*id) && !bound.contains(*id)).count(),
        unbound.len()
    ));
    for line in by_section(&unbound) {
        outcome.error(format!("unbound: {line}"));
    }
    outcome
}

struct Binding<'t> {
    /// From 1.
    line: usize,
    id: &'t str,
    in_test: bool,
}

/// Every id that a comment of the file binds.
fn bindings<'t>(name: &str, text: &'t str) -> Vec<Binding<'t>> {
    let mut found = Vec::new();
    let mut in_test = is_test_file(name);
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        in_test |= line.trim_start().starts_with("#[cfg(test)]");
        let list = match line.split_once(MARK) {
            Some((_, list)) => Some(list),
            None if goes_on => line.trim_start().strip_prefix("//"),
            None => None,
        };
        goes_on = list.is_some_and(|list| list.trim_end().ends_with(','));
        let ids = list.into_iter().flat_map(|list| list.split([',', ' '])).filter(|id| !id.is_empty());
        found.extend(ids.map(|id| Binding { line: index + 1, id, in_test }));
    }
    found
}

/// Integration tests, and the conformance crate, whose functions are tests that others call.
fn is_test_file(name: &str) -> bool {
    name.starts_with("conformance/src/")
        || name.starts_with("tests/")
        || name.contains("/tests/")
        || name.ends_with("/tests.rs")
}

/// Ids of one section on one line: `7644-3.5.2: 001 004`.
fn by_section(ids: &[&str]) -> Vec<String> {
    let mut sections: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for id in ids {
        let (section, number) = id.rsplit_once('-').unwrap_or((id, ""));
        sections.entry(section).or_default().push(number);
    }
    sections.into_iter().map(|(section, numbers)| format!("{section}: {}", numbers.join(" "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(exempt: &[(&str, &str)], files: &[(&str, &str)]) -> Outcome {
        let requirement = ["7643-2-001", "7644-3-001", "7644-3-002"].map(|id| Requirement { id: id.into() });
        let exempt =
            exempt.iter().map(|(id, reason)| Exemption { id: (*id).into(), reason: (*reason).into() });
        compare(
            &Ledger { requirement: requirement.into() },
            &Exemptions { exempt: exempt.collect() },
            &Sources::of(files),
        )
    }

    const ALL: &str = "// ledger: 7643-2-001, 7644-3-001, 7644-3-002\n#[test]\nfn t() {}\n";

    #[test]
    fn a_full_ledger_is_fine() {
        let all = outcome(&[], &[("a/tests/it/x.rs", ALL)]);
        assert_eq!(all.errors, [""; 0]);
        assert_eq!(all.facts, ["3 requirements: 3 bound by tests, 0 exempt, 0 unbound"]);
        let continued = "    // ledger: 7643-2-001,\n    // 7644-3-001, 7644-3-002\n    // and a word\n";
        assert_eq!(outcome(&[], &[("a/tests/it/x.rs", continued)]).errors, [""; 0]);
        let unit = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{ALL}}}\n");
        assert_eq!(outcome(&[], &[("a/src/x.rs", &unit)]).errors, [""; 0]);
        assert_eq!(outcome(&[], &[("conformance/src/http.rs", ALL)]).errors, [""; 0]);
    }

    #[test]
    fn unbound_ids_are_listed() {
        let some = outcome(&[("7643-2-001", "a rule for clients")], &[]);
        assert_eq!(some.errors, ["unbound: 7644-3: 001 002"]);
        assert_eq!(some.facts, ["3 requirements: 0 bound by tests, 1 exempt, 2 unbound"]);
    }

    #[test]
    fn unknown_ids_are_refused() {
        let typo = format!("{ALL}// ledger: 7644-3-0O2\n");
        assert_eq!(
            outcome(&[], &[("a/tests/x.rs", &typo)]).errors,
            ["a/tests/x.rs:4: the ledger has no 7644-3-0O2"]
        );
        assert_eq!(outcome(&[("1-1", "why")], &[("a/tests/x.rs", ALL)]).errors.len(), 1);
    }

    #[test]
    fn an_exemption_needs_a_reason_and_no_test() {
        let files: &[(&str, &str)] = &[("a/tests/x.rs", ALL)];
        assert_eq!(outcome(&[("7643-2-001", " ")], files).errors.len(), 1);
        assert_eq!(outcome(&[("7643-2-001", "why")], files).warnings.len(), 1);
        assert_eq!(outcome(&[("7643-2-001", "why"), ("7643-2-001", "why")], files).errors.len(), 1);
    }

    #[test]
    fn only_tests_bind() {
        assert_eq!(
            outcome(&[], &[("a/src/x.rs", ALL)]).errors.len(),
            3 + 2,
            "three places, two sections unbound"
        );
    }
}
