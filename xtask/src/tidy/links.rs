//! Links between documents lead somewhere, headings included, and so do the paths that `ARCHITECTURE.md` names.

use std::collections::BTreeSet;

use super::Outcome;
use crate::workspace::Sources;

pub(super) fn check(sources: &Sources) -> Outcome {
    let mut outcome = Outcome::default();
    let mut count = 0;
    for (name, text) in sources.with_extension("md") {
        for link in links(text) {
            count += 1;
            if let Err(reason) = follow(sources, name, link) {
                outcome.error(format!("{name}: ({link}): {reason}"));
            }
        }
    }
    for path in sources.get("ARCHITECTURE.md").map(named_paths).unwrap_or_default() {
        count += 1;
        if !exists(sources, path) {
            outcome.error(format!("ARCHITECTURE.md: `{path}` does not exist"));
        }
    }
    outcome.fact(format!("{count} links and paths"));
    outcome
}

/// The targets of `[text](target)` outside of code, except those that lead out of the project.
fn links(markdown: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in prose(markdown) {
        let targets =
            line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        found.extend(targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")));
    }
    found
}

/// Lines outside of code blocks.
fn prose(markdown: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    markdown.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// Words in back quotes that look like a path from the root: `scim-core/src/router.rs`, `adapters/sql/`.
fn named_paths(markdown: &str) -> Vec<&str> {
    let words = prose(markdown).flat_map(|line| line.split('`').skip(1).step_by(2));
    words
        .filter(|word| {
            let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
            let path = word.ends_with(".rs") || word.ends_with(".toml") || word.ends_with('/');
            plain && path && word.contains('/') && !word.starts_with(['/', '.'])
        })
        .collect()
}

fn follow(sources: &Sources, from: &str, link: &str) -> Result<(), &'static str> {
    let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
    let target =
        if path.is_empty() { from.to_owned() } else { resolve(from, path).ok_or("leaves the project")? };
    if !exists(sources, &target) {
        return Err("no such file");
    }
    match (heading, sources.get(&target)) {
        (Some(heading), Some(text)) if target.ends_with(".md") && !headings(text).contains(heading) => {
            Err("no such heading")
        }
        _ => Ok(()),
    }
}

/// A path relative to the folder of `from`, as one from the root.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// A file, or a folder that holds one. Test data is not read, so its folder counts as there.
fn exists(sources: &Sources, path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    sources.get(path).is_some()
        || folder.starts_with("conformance/data/")
        || sources.iter().any(|(name, _)| name.starts_with(&folder))
}

/// The anchors of a document's headings: lower case, spaces as hyphens, punctuation dropped.
fn headings(markdown: &str) -> BTreeSet<String> {
    let lines = prose(markdown).filter(|line| line.starts_with('#'));
    lines
        .map(|line| {
            let text = line.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(name: &str, text: &str) -> Vec<String> {
        let rest = [("docs/a.md", "# Two Words: here\n"), ("scim-core/src/router.rs", "")];
        let mut files = vec![(name, text)];
        files.extend(rest);
        check(&Sources::of(&files)).errors
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        for good in [
            "[a](docs/a.md)",
            "[a](docs/a.md#two-words-here)",
            "[a](docs/)",
            "[out](https://example.com/x)",
            "# Here\n[a](#here)",
            "```text\n[a](gone.md)\n```",
        ] {
            assert_eq!(errors("README.md", good), [""; 0], "{good}");
        }
        assert_eq!(errors("docs/b.md", "[a](a.md) [r](../scim-core/src/router.rs)"), [""; 0]);
    }

    #[test]
    fn broken_links_are_found() {
        for bad in [
            "[a](gone.md)",
            "[a](docs/a.md#gone)",
            "[a](../outside.md)",
            "[a](#gone)",
            "[x](docs/a.md) [a](doc)",
        ] {
            assert_eq!(errors("README.md", bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn the_code_map_names_what_exists() {
        assert_eq!(errors("ARCHITECTURE.md", "see `scim-core/src/router.rs` and `scim-core/`"), [""; 0]);
        assert_eq!(
            errors("ARCHITECTURE.md", "`PATCH /Groups/{id}`, `x.rs`, `/Users/`, `cargo run`"),
            [""; 0]
        );
        assert_eq!(errors("ARCHITECTURE.md", "see `scim-core/src/gone.rs`").len(), 1);
        assert_eq!(errors("ARCHITECTURE.md", "see `scim-gone/`").len(), 1);
    }
}
