//! The filter cases of the specification suite, run under the strict dialect.

use std::io;
use std::path::Path;
use std::sync::Arc;

use scim_filter::{Filter, MatchOptions, Matcher, Options};
use scim_schema::{Resource, ResourceType, Value};

use super::folder::{flag, list, members, read, resource_types, text};
use crate::Outcome;

/// Runs `filter-cases.json` over `filter-docs.json` of a folder.
///
/// # Errors
/// When a file can't be read or is not of the form that the cases have.
pub fn run_filter_cases(dir: &Path) -> io::Result<Outcome> {
    let docs = read(&dir.join("filter-docs.json"))?;
    let types = resource_types(dir, &docs)?;
    let documents: Vec<(&str, Resource)> = members(&docs, "docs")?
        .iter()
        .map(|(name, doc)| (name, Resource::from_canonical(doc.as_object().cloned().unwrap_or_default())))
        .collect();
    let cases = read(&dir.join("filter-cases.json"))?;
    let mut outcome = Outcome::default();
    for case in list(&cases, "cases")? {
        outcome.record(text(case, "id"), run_case(case, &types, &documents));
    }
    Ok(outcome)
}

fn run_case(case: &Value, types: &[Arc<ResourceType>], documents: &[(&str, Resource)]) -> Result<(), String> {
    let valid = flag(case, "valid");
    let parsed = Filter::parse_with(text(case, "filter"), &Options::strict());
    // A case refused for a limit conforms to the grammar all the same.
    let by_limit = !valid && text(case, "choice") == "filter-depth";
    let syntax_ok = valid || flag(case, "syntax_ok");
    let filter = match parsed {
        Ok(filter) if !syntax_ok || by_limit => {
            return Err(format!("accepted as {}", filter.to_s_expression()));
        }
        Ok(filter) => filter,
        Err(_) if !syntax_ok || by_limit => return Ok(()),
        Err(error) => return Err(format!("refused: {error}")),
    };
    let ast = text(case, "ast");
    if filter.to_s_expression() != ast {
        return Err(format!("parsed as {} instead of {ast}", filter.to_s_expression()));
    }
    let matcher = match (Matcher::new(&filter, types, &MatchOptions::default()), valid) {
        (Ok(matcher), true) => matcher,
        (Ok(_), false) => return Err("typed, though it is no valid filter".into()),
        (Err(_), false) => return Ok(()),
        (Err(error), true) => return Err(format!("refused: {error}")),
    };
    for (name, resource) in documents {
        let resource_type = resource.get("meta").map_or("", |meta| text(meta, "resourceType"));
        let expected = case.get("matches").is_some_and(|matches| flag(matches, name));
        if matcher.matches(resource_type, resource) != expected {
            let found = if expected { "does not match" } else { "matches" };
            return Err(format!("{found} {name}"));
        }
    }
    Ok(())
}
