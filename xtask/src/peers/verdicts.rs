//! The verdicts on the differences: `conformance/peers/verdicts.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

pub(crate) const FILE: &str = "conformance/peers/verdicts.toml";

/// The verdicts in their order: the first one that fits a difference is its verdict.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verdicts {
    #[serde(rename = "verdict")]
    pub(crate) all: Vec<Verdict>,
}

/// One kind of difference, and who is right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verdict {
    pub(crate) id: String,
    pub(crate) right: Right,
    /// The section that decides, such as `7644 3.4.2.2`.
    #[serde(default)]
    pub(crate) section: Option<String>,
    /// The words of that section.
    #[serde(default)]
    pub(crate) quote: Option<String>,
    /// The choice of the ledger that decides where the RFC leaves the point open.
    #[serde(default)]
    pub(crate) choice: Option<String>,
    pub(crate) why: String,
    /// How many differences there are, by peer.
    pub(crate) peers: BTreeMap<String, usize>,
    /// What it fits: the difference must fit one of these.
    pub(crate) when: Vec<When>,
}

/// Who is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Right {
    /// We are.
    We,
    /// The peer is.
    They,
    /// The RFC allows both.
    Open,
}

/// Patterns with `*`; what is left out fits everything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// Of the peers of the verdict only this one.
    peer: Option<String>,
    /// Ids of cases.
    #[serde(default)]
    case: Vec<String>,
    /// Our answers.
    #[serde(default)]
    ours: Vec<String>,
    /// The peer's answers.
    #[serde(default)]
    theirs: Vec<String>,
}

impl Verdicts {
    /// Reads the project's verdicts.
    ///
    /// # Errors
    /// If the file is missing or malformed.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(FILE)).with_context(|| format!("cannot read {FILE}"))?;
        toml::from_str(&text).context(FILE)
    }

    /// The verdict on a difference: where in the list it stands.
    pub(crate) fn find(&self, peer: &str, case: &str, ours: &str, theirs: &str) -> Option<usize> {
        self.all.iter().position(|verdict| {
            verdict.peers.contains_key(peer)
                && verdict.when.iter().any(|when| when.fits(peer, case, ours, theirs))
        })
    }
}

impl When {
    fn fits(&self, peer: &str, case: &str, ours: &str, theirs: &str) -> bool {
        let any = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, text))
        };
        self.peer.as_ref().is_none_or(|own| own == peer)
            && any(&self.case, case)
            && any(&self.ours, ours)
            && any(&self.theirs, theirs)
    }
}

/// Whether a text fits a pattern, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("*", "abc"),
            ("a*", "a"),
            ("*c", "abc"),
            ("a*c", "ac"),
            ("a*b*c", "a1b2c"),
            ("*ab", "abab"),
            ("* eq *", "userName eq \"x\""),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "ab"),
            ("a", ""),
            ("", "a"),
            ("a*c", "abd"),
            ("a*b*c", "acb"),
            ("ab*ba", "aba"),
            ("*x*", "abc"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_verdict_that_fits_decides() {
        let verdicts: Verdicts = toml::from_str(
            r#"
            [[verdict]]
            id = "broken"
            right = "we"
            why = "a server must not break"
            peers = { b = 1 }
            when = [{ theirs = ["failed*"] }]
            [[verdict]]
            id = "other"
            right = "open"
            why = "both are allowed"
            peers = { a = 1, b = 1 }
            when = [{ case = ["x*"], ours = ["matches*"] }, { peer = "a", case = ["y"] }]
            "#,
        )
        .unwrap();
        assert_eq!(verdicts.find("b", "x", "matches +c -", "failed: TypeError"), Some(0));
        assert_eq!(verdicts.find("a", "x", "matches +c -", "failed: TypeError"), Some(1));
        assert_eq!(verdicts.find("a", "y", "resource", "refused: x"), Some(1));
        assert_eq!(verdicts.find("b", "y", "resource", "refused: x"), None);
        assert_eq!(verdicts.find("c", "x", "matches +c -", "matches +d -"), None);
    }
}
