//! The test data and schemas that the project carries are exact copies.
//!
//! The project stands alone; where the folder they were taken from lies beside it, they are compared with it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use super::Outcome;
use crate::workspace::{slashes, walk};

/// A folder of the project and the folder that it must equal.
struct Copy {
    ours: &'static str,
    original: &'static str,
    /// What of the original is not carried: names of files, and folders with a slash.
    left_out: &'static [&'static str],
}

const COPIES: &[Copy] = &[
    Copy { ours: "scim-schema/schemas", original: "conformance/data/spec/schemas", left_out: &[] },
    Copy { ours: "scim-schema/schemas", original: "../shared/spec/schemas", left_out: &[] },
    Copy { ours: "conformance/data/spec", original: "../shared/spec", left_out: &["rfc/"] },
    Copy { ours: "conformance/data/idp-corpus", original: "../shared/idp-corpus", left_out: &["replay.py"] },
    Copy { ours: "benches/data", original: "../shared/perf/fixtures", left_out: &[] },
];

pub(super) fn check(root: &Path) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for Copy { ours, original, left_out } in COPIES {
        if original.starts_with("../") && !root.join(original).is_dir() {
            outcome.fact(format!("{ours}: {original} is not here, not compared"));
            continue;
        }
        let differences = differences(&root.join(ours), &root.join(original), left_out)?;
        outcome.fact(format!("{ours} against {original}: {} differences", differences.len()));
        for difference in differences {
            outcome.error(format!("{ours} against {original}: {difference}"));
        }
    }
    Ok(outcome)
}

/// Files that differ or exist on one side only, named relative to the folders.
fn differences(ours: &Path, original: &Path, left_out: &[&str]) -> Result<Vec<String>> {
    let carried = |name: &String| {
        !left_out.iter().any(|out| if out.ends_with('/') { name.starts_with(out) } else { name == out })
    };
    let ours_names: BTreeSet<String> = names(ours)?;
    let original_names: BTreeSet<String> = names(original)?.into_iter().filter(carried).collect();
    let mut found = Vec::new();
    for name in ours_names.union(&original_names) {
        match (ours_names.contains(name), original_names.contains(name)) {
            (true, false) => found.push(format!("{name} is only in the copy")),
            (false, _) => found.push(format!("{name} is missing in the copy")),
            (true, true) => {
                if read(&ours.join(name))? != read(&original.join(name))? {
                    found.push(format!("{name} differs"));
                }
            }
        }
    }
    Ok(found)
}

fn names(folder: &Path) -> Result<BTreeSet<String>> {
    Ok(walk(folder)?.iter().map(|path| slashes(path)).collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn equal_folders_have_no_differences() {
        let original =
            folder(&[("a.json", "1"), ("sub/b.json", "2"), ("rfc/7644.txt", "…"), ("run.py", "x")]);
        let copy = folder(&[("a.json", "1"), ("sub/b.json", "2")]);
        let found = differences(copy.path(), original.path(), &["rfc/", "run.py"]).unwrap();
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let original = folder(&[("a.json", "1"), ("b.json", "2")]);
        let copy = folder(&[("a.json", "1 "), ("c.json", "3")]);
        let found = differences(copy.path(), original.path(), &[]).unwrap();
        assert_eq!(found, ["a.json differs", "b.json is missing in the copy", "c.json is only in the copy"]);
    }

    #[test]
    fn a_project_alone_is_compared_with_itself_only() {
        let alone = folder(&[
            ("p/scim-schema/schemas/user.json", "1"),
            ("p/conformance/data/spec/schemas/user.json", "1"),
            ("p/conformance/data/idp-corpus/okta/01.json", "1"),
        ]);
        assert_eq!(check(&alone.path().join("p")).unwrap().errors, [""; 0]);
        std::fs::write(alone.path().join("p/scim-schema/schemas/user.json"), "2").unwrap();
        assert_eq!(check(&alone.path().join("p")).unwrap().errors.len(), 1);
        std::fs::create_dir_all(alone.path().join("shared/idp-corpus/okta")).unwrap();
        assert_eq!(check(&alone.path().join("p")).unwrap().errors.len(), 2);
    }
}
