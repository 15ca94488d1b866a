//! Deliveries, as they came and changed, and what libraries say of them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::bench::table;

/// A secret that nobody has.
const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What a receiver got.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Delivery {
    pub(super) id: String,
    #[serde(default)]
    pub(super) timestamp: String,
    #[serde(default)]
    pub(super) signature: String,
    #[serde(default)]
    pub(super) body: String,
    /// What the receiver answered.
    pub(super) status: u16,
}

impl Delivery {
    pub(super) fn has_signatures(&self, count: usize) -> bool {
        self.signature.split(' ').filter(|signature| signature.starts_with("v1,")).count() == count
    }
}

/// A delivery, or what was made of one, and what libraries must say of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Vector {
    name: String,
    secret: String,
    id: String,
    timestamp: String,
    body: String,
    signature: String,
    expect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<String>,
}

/// Each delivery with each valid secret, and its changed copies.
pub(super) fn of(deliveries: &[Delivery], secrets: &[&str], name: &str) -> Vec<Vector> {
    deliveries.iter().flat_map(|delivery| of_one(delivery, secrets, name)).collect()
}

fn of_one(delivery: &Delivery, secrets: &[&str], name: &str) -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for secret in secrets {
        let live = Vector {
            name: format!("{}, {name}", delivery.id),
            secret: (*secret).to_owned(),
            id: delivery.id.clone(),
            timestamp: delivery.timestamp.clone(),
            body: delivery.body.clone(),
            signature: delivery.signature.clone(),
            expect: "ok",
            now: None,
        };
        let changed = |what: &str, change: &dyn Fn(&mut Vector)| {
            let mut vector =
                Vector { name: format!("{}, {what}", live.name), expect: "fail", ..live.clone() };
            change(&mut vector);
            vector
        };
        let time: i64 = delivery.timestamp.parse().unwrap_or_default();
        vectors.extend([
            changed("body with a space more", &|v| v.body.push(' ')),
            changed("body of another user", &|v| {
                v.body = v.body.replacen("\"subject\": \"", "\"subject\": \"x", 1);
            }),
            changed("other id", &|v| v.id.push('x')),
            changed("other time", &|v| v.timestamp = (time + 1).to_string()),
            changed("301 s late", &|v| v.now = Some((time + 301).to_string())),
            changed("other secret", &|v| v.secret = OTHER.to_owned()),
            changed("signatures without version", &|v| v.signature = v.signature.replace("v1,", "")),
            changed("signatures of an unknown version", &|v| v.signature = v.signature.replace("v1,", "v0,")),
        ]);
        vectors.push(live);
    }
    vectors
}

/// What the libraries said.
#[derive(Debug, Default)]
pub(super) struct Tally {
    libraries: BTreeMap<String, Counts>,
    wrong: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    accepted: usize,
    refused: usize,
    wrong: usize,
}

impl Tally {
    /// Each line is an array of name, library, expected, said, why.
    pub(super) fn read(lines: &str) -> Result<Self> {
        let mut tally = Self::default();
        for line in lines.lines() {
            let (name, library, expected, said, why): (String, String, String, String, String) =
                serde_json::from_str(line).with_context(|| format!("unexpected line of a check: {line}"))?;
            let counts = tally.libraries.entry(library.clone()).or_default();
            match (expected == said, said.as_str()) {
                (true, "ok") => counts.accepted += 1,
                (true, _) => counts.refused += 1,
                (false, _) => {
                    counts.wrong += 1;
                    tally.wrong.push(format!("{library}: {name}: {said}, not {expected}. {why}"));
                }
            }
        }
        let mut counts = tally.libraries.values().map(|c| c.accepted + c.refused + c.wrong);
        let first = counts.next().context("no library said anything")?;
        ensure!(counts.all(|count| count == first), "not every library was asked about every delivery");
        Ok(tally)
    }

    pub(super) fn print(&self) {
        let head = ["library", "accepted", "refused, changed", "wrong"].map(str::to_owned).to_vec();
        let rows = self.libraries.iter().map(|(library, counts)| {
            let Counts { accepted, refused, wrong } = counts;
            vec![library.clone(), accepted.to_string(), refused.to_string(), wrong.to_string()]
        });
        let rows: Vec<_> = [head].into_iter().chain(rows).collect();
        println!("\n{}", table::lines(&rows, &[1, 2, 3]));
        for wrong in &self.wrong {
            println!("WRONG  {wrong}");
        }
    }

    /// Whether all said what they should, and each accepted something.
    pub(super) fn is_good(&self) -> bool {
        self.wrong.is_empty() && self.libraries.values().all(|counts| counts.accepted > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery() -> Delivery {
        Delivery {
            id: "evt_1".into(),
            timestamp: "1000".into(),
            signature: "v1,AAA= v1,BBB=".into(),
            body: r#"{"subject": "7"}"#.into(),
            status: 200,
        }
    }

    #[test]
    fn each_delivery_is_there_with_each_secret_and_changed_in_each_way() {
        let vectors = of(&[delivery()], &["whsec_a", "whsec_b"], "two");
        let accepted: Vec<&str> =
            vectors.iter().filter(|v| v.expect == "ok").map(|v| v.secret.as_str()).collect();
        assert_eq!(accepted, ["whsec_a", "whsec_b"]);
        let live = vectors.iter().find(|v| v.expect == "ok").unwrap();
        for changed in vectors.iter().filter(|v| v.expect == "fail" && v.secret != "whsec_b") {
            let same = Vector { name: live.name.clone(), expect: "ok", ..changed.clone() };
            assert_ne!(same, *live, "{}", changed.name);
        }
        let bodies: Vec<&str> = vectors.iter().map(|v| v.body.as_str()).collect();
        assert!(bodies.contains(&r#"{"subject": "x7"}"#));
    }

    #[test]
    fn what_a_library_should_not_say_is_wrong() {
        let good =
            Tally::read("[\"a\", \"x\", \"ok\", \"ok\", \"\"]\n[\"b\", \"x\", \"fail\", \"fail\", \"E\"]\n");
        let good = good.unwrap();
        assert!(good.is_good());
        assert_eq!(good.libraries["x"], Counts { accepted: 1, refused: 1, wrong: 0 });
        assert!(!Tally::read("[\"a\", \"x\", \"fail\", \"ok\", \"\"]").unwrap().is_good());
        assert!(
            !Tally::read("[\"a\", \"x\", \"fail\", \"fail\", \"\"]").unwrap().is_good(),
            "nothing accepted"
        );
        assert!(Tally::read("").is_err());
        let uneven = "[\"a\", \"x\", \"ok\", \"ok\", \"\"]\n[\"a\", \"y\", \"ok\", \"ok\", \"\"]\n[\"b\", \"y\", \"ok\", \"ok\", \"\"]";
        assert!(Tally::read(uneven).is_err());
    }
}
