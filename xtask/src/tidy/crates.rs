//! What each crate owes: the workspace's lints, documentation that opens with an example, and, of the pure crates, a
//! `clippy.toml` that bans the clock and random ids.

use super::Outcome;
use super::arrows::PURE;
use crate::workspace::{Metadata, Sources};

/// What the `clippy.toml` of a pure crate must ban.
const BANNED: &[&str] = &[
    "std::time::SystemTime::now",
    "std::time::Instant::now",
    "uuid::Uuid::new_v4",
    "uuid::Uuid::now_v7",
    "getrandom::fill",
];

/// Within how many lines of a crate's documentation its first example begins.
const OPENING: usize = 25;

pub(super) fn check(metadata: &Metadata, sources: &Sources) -> Outcome {
    let mut outcome = Outcome::default();
    if !forbids_unsafe(sources) {
        outcome.error("Cargo.toml: [workspace.lints.rust] must say unsafe_code = \"forbid\"");
    }
    for package in &metadata.packages {
        let folder = metadata.folder(package);
        let file = |name: &str| sources.get(&format!("{folder}/{name}"));
        if !file("Cargo.toml").is_some_and(inherits_lints) {
            outcome.error(format!("{folder}/Cargo.toml: [lints] must say workspace = true"));
        }
        if PURE.contains(&folder.as_str()) {
            let own = file("clippy.toml").unwrap_or_default();
            for missing in missing_bans(own, sources.get("clippy.toml").unwrap_or_default()) {
                outcome.error(format!("{folder}/clippy.toml: must hold {missing}"));
            }
        }
        let documentation = |name: &str| file(name).map(|text| documentation(text, file("README.md")));
        // An example is one.
        let is_library = package.has_target("lib") && !folder.starts_with("examples/");
        if is_library {
            if !documentation("src/lib.rs").is_some_and(|text| opens_with_example(&text)) {
                outcome
                    .error(format!("{folder}: the crate documentation must open with an example that runs"));
            }
        } else if package.has_target("bin") && documentation("src/main.rs").is_none_or(|text| text.is_empty())
        {
            outcome.error(format!("{folder}/src/main.rs: no documentation"));
        }
    }
    outcome
}

fn forbids_unsafe(sources: &Sources) -> bool {
    let manifest = sources.get("Cargo.toml").and_then(|text| text.parse::<toml::Table>().ok());
    let level = manifest.as_ref().and_then(|manifest| {
        let lints = manifest.get("workspace")?.get("lints")?;
        lints.get("rust")?.get("unsafe_code")?.as_str()
    });
    level == Some("forbid")
}

/// What the `clippy.toml` of a pure crate lacks: bans, and lines of the root's file, which Clippy does not read beside it.
fn missing_bans<'a>(own: &str, root: &'a str) -> Vec<&'a str> {
    let settings = root.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let missing_settings = settings.filter(|setting| !own.lines().any(|line| line == *setting));
    missing_settings.chain(BANNED.iter().copied().filter(|ban| !own.contains(ban))).collect()
}

fn inherits_lints(manifest: &str) -> bool {
    let manifest = manifest.parse::<toml::Table>();
    let inherits = manifest.ok().and_then(|manifest| manifest.get("lints")?.get("workspace")?.as_bool());
    inherits == Some(true)
}

/// The inner documentation at the head of a crate: its `//!` lines, with an included README put in.
fn documentation(source: &str, readme: Option<&str>) -> String {
    let mut text = String::new();
    for line in source.lines().map(str::trim) {
        if let Some(line) = line.strip_prefix("//!") {
            text.push_str(line);
        } else if line.starts_with("#![doc = include_str!") {
            text.push_str(readme.unwrap_or_default());
        } else if !line.is_empty() && !line.starts_with("#!") && !line.starts_with("//") {
            break;
        }
        text.push('\n');
    }
    if text.trim().is_empty() { String::new() } else { text }
}

/// Whether the first code block is Rust that rustdoc runs, and begins early.
fn opens_with_example(documentation: &str) -> bool {
    let fences = documentation.lines().take(OPENING).map(str::trim);
    let first = fences.filter_map(|line| line.strip_prefix("```")).next();
    first.is_some_and(|info| matches!(info.trim(), "" | "rust"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Package, Target};

    const ROOT: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
    const MANIFEST: &str = "[lints]\nworkspace = true\n";
    const LIB: &str = "//! A crate.\n//!\n//! ```\n//! assert!(true);\n//! ```\n\npub mod x;\n";

    fn errors(kind: &str, files: &[(&str, &str)]) -> Vec<String> {
        let package = Package {
            name: "a".into(),
            manifest_path: "root/a/Cargo.toml".into(),
            dependencies: Vec::new(),
            targets: vec![Target { kind: vec![kind.into()] }],
        };
        let metadata = Metadata { packages: vec![package], workspace_root: "root".into() };
        check(&metadata, &Sources::of(files)).errors
    }

    #[test]
    fn good_crates_are_fine() {
        let files = [("Cargo.toml", ROOT), ("a/Cargo.toml", MANIFEST), ("a/src/lib.rs", LIB)];
        assert_eq!(errors("lib", &files), [""; 0]);
        let included = "#![doc = include_str!(\"../README.md\")]\n";
        let readme = "# A\n\n```rust\nlet a = 1;\n```\n";
        let files = [
            ("Cargo.toml", ROOT),
            ("a/Cargo.toml", MANIFEST),
            ("a/src/lib.rs", included),
            ("a/README.md", readme),
        ];
        assert_eq!(errors("lib", &files), [""; 0]);
        let files = [("Cargo.toml", ROOT), ("a/Cargo.toml", MANIFEST), ("a/src/main.rs", "//! A program.\n")];
        assert_eq!(errors("bin", &files), [""; 0]);
    }

    #[test]
    fn a_crate_without_an_example_is_found() {
        for lib in [
            "pub mod x;\n",
            "//! Only words.\npub mod x;\n",
            "//! ```text\n//! a picture\n//! ```\n",
            "//! ```ignore\n//! never()\n//! ```\n",
            &format!("{}{LIB}", "//! long\n".repeat(OPENING)),
        ] {
            let files = [("Cargo.toml", ROOT), ("a/Cargo.toml", MANIFEST), ("a/src/lib.rs", lib)];
            assert_eq!(errors("lib", &files).len(), 1, "{lib}");
        }
        let files = [("Cargo.toml", ROOT), ("a/Cargo.toml", MANIFEST), ("a/src/main.rs", "fn main() {}\n")];
        assert_eq!(errors("bin", &files).len(), 1);
    }

    #[test]
    fn a_pure_crate_bans_the_clock_and_keeps_the_settings_of_all() {
        let root = "# Settings.\nallow-unwrap-in-tests = true\n";
        let own = format!("allow-unwrap-in-tests = true\ndisallowed-methods = {BANNED:?}\n");
        assert_eq!(missing_bans(&own, root), [""; 0]);
        assert_eq!(missing_bans(&own.replace("true", "false"), root), ["allow-unwrap-in-tests = true"]);
        assert_eq!(missing_bans(&own.replace("getrandom", ""), root), ["getrandom::fill"]);
        assert_eq!(missing_bans("", "").len(), BANNED.len());
    }

    #[test]
    fn lints_are_forbidden_to_vanish() {
        let files = [("Cargo.toml", ""), ("a/Cargo.toml", MANIFEST), ("a/src/lib.rs", LIB)];
        assert_eq!(errors("lib", &files).len(), 1);
        let files = [("Cargo.toml", ROOT), ("a/Cargo.toml", "[lints.rust]\n"), ("a/src/lib.rs", LIB)];
        assert_eq!(errors("lib", &files).len(), 1);
    }
}
