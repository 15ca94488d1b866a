//! The verdicts on the differences from other implementations rest on something: on words that the RFC has, or on a
//! choice that the ledger has.
//!
//! The RFCs are not part of the project; where their folder lies beside it, the quotes are looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Outcome;
use crate::peers::verdicts::{FILE, Right, Verdicts};

const LEDGER: &str = "conformance/data/spec/ledger.toml";
const RFCS: &str = "../shared/spec/rfc";

#[derive(Debug, Deserialize)]
struct Ledger {
    choice: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    id: String,
}

pub(super) fn check(root: &Path) -> Result<Outcome> {
    let verdicts = Verdicts::read(root)?;
    let ledger =
        std::fs::read_to_string(root.join(LEDGER)).with_context(|| format!("cannot read {LEDGER}"))?;
    let ledger: Ledger = toml::from_str(&ledger).context(LEDGER)?;
    let mut rfcs = BTreeMap::new();
    for number in ["7643", "7644"] {
        let path = root.join(RFCS).join(format!("rfc{number}.txt"));
        if path.is_file() {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            rfcs.insert(number, running_text(&text));
        }
    }
    Ok(judge(&verdicts, &ledger, &rfcs))
}

fn judge(verdicts: &Verdicts, ledger: &Ledger, rfcs: &BTreeMap<&str, String>) -> Outcome {
    let mut outcome = Outcome::default();
    let choices: BTreeSet<&str> = ledger.choice.iter().map(|choice| choice.id.as_str()).collect();
    let mut ids = BTreeSet::new();
    let (mut quotes, mut found) = (0, 0);
    for verdict in &verdicts.all {
        let id = &verdict.id;
        if !ids.insert(id.as_str()) {
            outcome.error(format!("{FILE}: {id} stands twice"));
        }
        if verdict.why.trim().is_empty() || verdict.peers.is_empty() || verdict.when.is_empty() {
            outcome.error(format!("{FILE}: {id} lacks a reason, peers, or what it fits"));
        }
        if verdict.peers.values().any(|count| *count == 0) {
            outcome.error(format!("{FILE}: {id} names a peer without differences"));
        }
        if let Some(choice) = &verdict.choice
            && !choices.contains(choice.as_str())
        {
            outcome.error(format!("{FILE}: {id}: the ledger has no choice {choice}"));
        }
        match (&verdict.section, &verdict.quote) {
            (Some(section), Some(quote)) => {
                quotes += 1;
                let number = section.split(' ').next().unwrap_or_default();
                match rfcs.get(number) {
                    Some(text) if text.contains(&words(quote)) => found += 1,
                    Some(_) => outcome.error(format!("{FILE}: {id}: RFC {number} does not say: {quote}")),
                    None if !rfcs.is_empty() => outcome.error(format!("{FILE}: {id}: no RFC {number}")),
                    None => {}
                }
            }
            (None, None) if verdict.choice.is_some() || verdict.right == Right::Open => {}
            _ => outcome.error(format!("{FILE}: {id} must quote a section, or name a choice of the ledger")),
        }
    }
    let looked_up = if rfcs.is_empty() { format!("{RFCS} is not here") } else { format!("{found} found") };
    outcome.fact(format!("{} verdicts, {quotes} quotes: {looked_up}", verdicts.all.len()));
    outcome
}

/// The text of an RFC without page breaks and with single spaces; tables once more, column by column.
fn running_text(text: &str) -> String {
    let lines = text.lines().filter(|line| {
        let page = line.contains("[Page ") || (line.starts_with("RFC ") && line.ends_with("2015"));
        !page
    });
    let mut prose = String::new();
    let mut columns: BTreeMap<usize, String> = BTreeMap::new();
    for line in lines {
        prose.push_str(line);
        prose.push(' ');
        if line.trim_start().starts_with('|') {
            for (place, cell) in line.trim().split('|').enumerate() {
                let column = columns.entry(place).or_default();
                column.push_str(cell);
                column.push(' ');
            }
        }
    }
    let columns: Vec<String> = columns.into_values().map(|column| words(&column)).collect();
    [words(&prose), columns.join(" ")].join(" ")
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC: &str = "   A client MUST\n   not panic.\n\nHunt, et al.      Standards Track   [Page 9]\n\u{c}\n\
         RFC 7644      SCIM Protocol Specification        September 2015\n\n   It SHALL\n   stay calm.\n\
         \n   | gt | greater | If the value is  |\n   |    | than    | more than that.  |\n";

    fn errors(fields: &str) -> Vec<String> {
        let verdict = format!(
            "[[verdict]]\nid = \"a\"\nright = \"we\"\nwhy = \"so\"\npeers = {{ p = 1 }}\nwhen = [{{}}]\n{fields}"
        );
        let ledger = Ledger { choice: vec![Choice { id: "known".into() }] };
        let rfcs = BTreeMap::from([("7644", running_text(RFC))]);
        judge(&toml::from_str(&verdict).unwrap(), &ledger, &rfcs).errors
    }

    #[test]
    fn a_quote_must_be_in_the_rfc() {
        for quote in ["A client MUST not panic. It SHALL stay calm.", "If the value is more than that."] {
            assert_eq!(errors(&format!("section = \"7644 1\"\nquote = \"{quote}\"")), [""; 0], "{quote}");
        }
        assert_eq!(errors("section = \"7644 1\"\nquote = \"It SHALL panic.\"").len(), 1);
        assert_eq!(errors("section = \"7643 1\"\nquote = \"It SHALL stay calm.\"").len(), 1);
    }

    #[test]
    fn a_verdict_rests_on_something() {
        assert_eq!(errors("choice = \"known\""), [""; 0]);
        assert_eq!(errors("choice = \"unknown\"").len(), 1);
        assert_eq!(errors("").len(), 1);
        assert_eq!(errors("section = \"7644 1\"").len(), 1);
    }
}
