//! Further filters over the documents of the spec cases, under the strict dialect: each operator with each
//! kind of attribute, names, literals, brackets and spaces. Each row holds a filter and the documents that
//! match, or `!syntax`, or `!type` where the grammar accepts it and the schemas do not.

use scim_filter::{Filter, MatchOptions, Matcher, Options};

use crate::spec_cases::types_and_documents;
use crate::world::spec_dir;

// ledger: 7644-3.4.2.2-002, 7644-3.4.2.2-003, 7644-3.4.2.2-004, 7644-3.4.2.2-005
#[test]
fn every_filter_finds_what_it_should() {
    let rows: Vec<(String, String)> = serde_json::from_str(include_str!("data/more-cases.json")).unwrap();
    let (types, documents) = types_and_documents(&spec_dir()).unwrap();
    let mut failures = Vec::new();
    for (text, expected) in &rows {
        let found = match Filter::parse_with(text, &Options::strict()) {
            Err(_) => "!syntax".to_owned(),
            Ok(filter) => match Matcher::new(&filter, &types, &MatchOptions::default()) {
                Err(_) => "!type".to_owned(),
                Ok(matcher) => {
                    let matching = documents.iter().filter(|(_, document)| {
                        let meta = document.get("meta").unwrap();
                        matcher.matches(meta.get("resourceType").unwrap().as_str().unwrap(), document)
                    });
                    matching.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
                }
            },
        };
        if found != *expected {
            failures.push(format!("{text}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(rows.len() > 600);
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}
