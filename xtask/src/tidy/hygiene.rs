//! House rules that can be seen in the text: nothing unfinished, no path of somebody's machine, files of readable length.

use super::Outcome;
use crate::workspace::Sources;

/// Files that every checkout has.
const REQUIRED: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "COMPARE.md",
    "CONTRIBUTING.md",
    "DESIGN.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "deny.toml",
];

/// What Rust code must not hold, beside what Clippy refuses. This file names them and is left out.
const UNFINISHED: &[&str] = &["todo!(", "#[ignore", "// TODO", "// FIXME"];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: &[&str] = &["/home/", "/root/", "/tmp/"];

/// The drivers of databases, and the only crate that uses them. Benchmarks compare with them, tests and what measures
/// the program from outside look into files.
const DRIVERS: &[&str] = &["rusqlite::", "tokio_postgres::"];
const SQL: &str = "adapters/sql/";
const MEASURED: &str = "server/examples/events/";

/// From this length on, look for the seam.
const LONG: usize = 600;

pub(super) fn check(sources: &Sources) -> Outcome {
    let mut outcome = Outcome::default();
    for name in REQUIRED.iter().filter(|name| sources.get(name).is_none()) {
        outcome.error(format!("{name} is missing"));
    }
    for (name, text) in sources.iter().filter(|(name, _)| !name.ends_with("tidy/hygiene.rs")) {
        for (number, line) in text.lines().enumerate() {
            for found in MACHINE_PATHS.iter().filter(|path| line.contains(*path)) {
                outcome.error(format!("{name}:{}: a path of one machine ({found}…)", number + 1));
            }
        }
    }
    let rust = || sources.with_extension("rs").filter(|(name, _)| !name.ends_with("tidy/hygiene.rs"));
    for (name, text) in rust() {
        for (number, line) in text.lines().enumerate() {
            for found in UNFINISHED.iter().filter(|unfinished| line.contains(*unfinished)) {
                outcome.error(format!("{name}:{}: {found}", number + 1));
            }
        }
    }
    let may_not = |name: &str| {
        !name.starts_with(SQL)
            && !name.starts_with("benches/")
            && !name.starts_with(MEASURED)
            && !is_test(name)
    };
    for (name, text) in rust().filter(|(name, _)| may_not(name)) {
        for (number, line) in text.lines().enumerate() {
            for found in DRIVERS.iter().filter(|driver| line.contains(*driver)) {
                outcome.error(format!("{name}:{}: {found} outside of {SQL}", number + 1));
            }
        }
    }
    for (name, text) in rust().filter(|(name, _)| !is_test(name)) {
        let lines = text.lines().count();
        if lines > LONG {
            outcome.warn(format!("{name} has {lines} lines: look for the seam"));
        }
    }
    outcome.fact(format!(
        "{} Rust files, {} lines",
        rust().count(),
        rust().map(|(_, t)| t.lines().count()).sum::<usize>()
    ));
    outcome
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.starts_with("fuzz/") || name.contains("benches/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, text: &str) -> Outcome {
        let mut files: Vec<(&str, &str)> = REQUIRED.iter().map(|name| (*name, "")).collect();
        files.push((name, text));
        check(&Sources::of(&files))
    }

    #[test]
    fn clean_code_is_fine() {
        assert_eq!(with("a/src/lib.rs", "fn f() {}\n").errors, [""; 0]);
        assert_eq!(with("a/src/lib.rs", "// /Users/{id}, /scim/v2/Me\n").errors, [""; 0]);
    }

    #[test]
    fn unfinished_work_is_found() {
        for bad in UNFINISHED {
            assert_eq!(with("a/src/lib.rs", &format!("    {bad}\n")).errors.len(), 1, "{bad}");
        }
    }

    #[test]
    fn machine_paths_are_found_in_any_file() {
        for bad in MACHINE_PATHS {
            assert_eq!(with("docs/x.md", &format!("see {bad}me/file\n")).errors.len(), 1, "{bad}");
        }
    }

    #[test]
    fn drivers_are_used_in_one_crate() {
        for driver in DRIVERS {
            let code = format!("use scim_sql::{driver}Row;\n");
            assert_eq!(with("directory/src/x.rs", &code).errors.len(), 1, "{driver}");
            assert_eq!(with("adapters/sql/src/x.rs", &code).errors, [""; 0]);
        }
    }

    #[test]
    fn long_files_are_pointed_at_and_tests_are_not() {
        let long = "\n".repeat(LONG + 1);
        assert_eq!(with("a/src/lib.rs", &long).warnings.len(), 1);
        assert_eq!(with("a/tests/it/x.rs", &long).warnings.len(), 0);
        assert_eq!(with("a/src/lib.rs", &"\n".repeat(LONG)).warnings.len(), 0);
    }

    #[test]
    fn missing_documents_are_found() {
        assert_eq!(check(&Sources::default()).errors.len(), REQUIRED.len());
    }
}
