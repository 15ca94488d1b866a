//! The arrows between crates: which may depend on which, and what the pure crates may not reach at all.

use anyhow::Result;

use super::Outcome;
use crate::workspace::Metadata;

/// The layers of the house, from the bottom. A crate may depend on crates of lower layers only.
const LAYERS: &[&[&str]] = &[
    &["testing/"],
    &["scim-schema"],
    &["scim-filter"],
    &["scim-patch"],
    &["scim-core"],
    &["adapters/"],
    &["conformance", "directory"],
    OUTLETS,
    &["server"],
    &["examples/", "benches", "fuzz/", "xtask"],
];

/// Adapters for the trait `Outlet` of `directory`, and not for one of `scim-core`.
const OUTLETS: &[&str] = &["adapters/nats"];

/// The crates that do no I/O, start no runtime, read no clock and draw no randomness.
pub(super) const PURE: &[&str] = &["scim-schema", "scim-filter", "scim-patch", "scim-core"];

/// What a pure crate must not reach through normal dependencies. `x*` stands for every name that begins with `x`.
const IMPURE: &[&str] = &[
    "actix*",
    "async-std",
    "axum*",
    "chrono",
    "diesel*",
    "fastrand",
    "getrandom",
    "hyper*",
    "mio",
    "postgres*",
    "rand",
    "reqwest",
    "rusqlite",
    "smol",
    "socket2",
    "sqlx*",
    "time",
    "tokio*",
    "tower",
    "tower-http",
    "ureq",
];

/// What `directory`, which does not know HTTP, must not name.
const HTTP: &[&str] = &["actix*", "axum*", "http", "http-body*", "hyper*", "reqwest", "tower*"];

/// How many crates the tree of `scim-core` may hold, itself and its siblings included.
const CORE_TREE: usize = 60;

/// Checks the declared dependencies between members. Development dependencies may point anywhere.
pub(super) fn check(metadata: &Metadata) -> Outcome {
    let mut outcome = Outcome::default();
    for package in &metadata.packages {
        let folder = metadata.folder(package);
        let Some(own) = layer(&folder) else {
            outcome
                .error(format!("{folder}: no layer; add the folder to LAYERS in xtask/src/tidy/arrows.rs"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev")) {
            if folder == "directory" && matches_any(&dependency.name, HTTP) {
                outcome.error(format!(
                    "{} does not know HTTP, but depends on {}",
                    package.name, dependency.name
                ));
            }
            let Some(target) = metadata.package(&dependency.name) else { continue };
            let target_folder = metadata.folder(target);
            if layer(&target_folder).is_none_or(|layer| layer >= own) {
                outcome.error(format!("{folder} must not depend on {target_folder}: arrows only point down"));
            }
        }
    }
    outcome.fact(format!("{} crates", metadata.packages.len()));
    outcome
}

/// Checks what the pure crates reach. `tree` names all normal dependencies of a package, itself included.
pub(super) fn purity(tree: impl Fn(&str) -> Result<Vec<String>>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for package in PURE {
        let names = tree(package)?;
        for name in names.iter().filter(|name| matches_any(name, IMPURE)) {
            outcome.error(format!(
                "{package} is pure, but reaches {name} (see `cargo tree -p {package} -e normal`)"
            ));
        }
        outcome.fact(format!("{package}: {} crates", names.len()));
        if *package == "scim-core" && names.len() > CORE_TREE {
            outcome.error(format!("{package} reaches {} crates, more than {CORE_TREE}", names.len()));
        }
    }
    Ok(outcome)
}

/// The layer that names the folder, or else the one that names the folder above it.
fn layer(folder: &str) -> Option<usize> {
    let named = LAYERS.iter().position(|layer| layer.contains(&folder));
    named.or_else(|| {
        let above = |entry: &&str| entry.ends_with('/') && folder.starts_with(entry);
        LAYERS.iter().position(|layer| layer.iter().any(above))
    })
}

fn matches_any(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Dependency, Package};

    /// The folder of a package and its dependencies with their kinds.
    type Member<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

    /// A workspace in which a package is named as the last part of its folder.
    fn workspace(members: &[Member<'_>]) -> Metadata {
        let packages = members.iter().map(|(folder, dependencies)| Package {
            name: folder.rsplit('/').next().unwrap_or(folder).to_owned(),
            manifest_path: format!("root/{folder}/Cargo.toml").into(),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency { name: (*name).into(), kind: kind.map(Into::into) })
                .collect(),
            targets: Vec::new(),
        });
        Metadata { packages: packages.collect(), workspace_root: "root".into() }
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        let good = workspace(&[
            ("scim-schema", &[]),
            ("scim-filter", &[("scim-schema", None), ("nom", None)]),
            ("scim-core", &[("scim-filter", None), ("conformance", Some("dev"))]),
            ("adapters/axum", &[("scim-core", None)]),
            ("adapters/sql", &[("scim-core", None), ("axum", Some("dev"))]),
            ("conformance", &[("scim-core", None)]),
            ("server", &[("axum", None), ("sql", None)]),
        ]);
        assert_eq!(check(&good).errors, [""; 0]);
    }

    #[test]
    fn an_arrow_up_is_refused() {
        let bad = workspace(&[("scim-schema", &[("scim-core", None)]), ("scim-core", &[])]);
        assert_eq!(check(&bad).errors, ["scim-schema must not depend on scim-core: arrows only point down"]);
        let bad = workspace(&[("scim-core", &[("sql", None)]), ("adapters/sql", &[])]);
        assert_eq!(check(&bad).errors.len(), 1);
    }

    #[test]
    fn adapters_do_not_depend_on_one_another() {
        let bad = workspace(&[("adapters/axum", &[("sql", None)]), ("adapters/sql", &[])]);
        assert_eq!(check(&bad).errors.len(), 1);
        let bad = workspace(&[("conformance", &[("directory", Some("build"))]), ("directory", &[])]);
        assert_eq!(check(&bad).errors.len(), 1);
    }

    #[test]
    fn an_adapter_of_the_domain_is_below_it() {
        let fine = workspace(&[
            ("directory", &[]),
            ("adapters/nats", &[("directory", None)]),
            ("server", &[("nats", None)]),
        ]);
        assert_eq!(check(&fine).errors, [""; 0]);
        let bad = workspace(&[("directory", &[("nats", None)]), ("adapters/nats", &[])]);
        assert_eq!(check(&bad).errors.len(), 1);
        let bad = workspace(&[("directory", &[]), ("adapters/axum", &[("directory", None)])]);
        assert_eq!(check(&bad).errors.len(), 1);
    }

    #[test]
    fn directory_does_not_know_http() {
        let bad = workspace(&[("directory", &[("reqwest", None)])]);
        assert_eq!(check(&bad).errors.len(), 1);
        let fine = workspace(&[("directory", &[("serde", None), ("reqwest", Some("dev"))])]);
        assert_eq!(check(&fine).errors.len(), 0);
    }

    #[test]
    fn a_new_folder_must_be_placed() {
        assert_eq!(check(&workspace(&[("attic", &[])])).errors.len(), 1);
    }

    #[test]
    fn a_pure_crate_reaches_no_runtime() {
        let tree = |extra: &'static str| move |package: &str| Ok(vec![package.to_owned(), extra.to_owned()]);
        assert_eq!(purity(tree("serde")).unwrap().errors.len(), 0);
        assert_eq!(purity(tree("tower-service")).unwrap().errors.len(), 0);
        for impure in ["tokio", "tokio-util", "axum-core", "getrandom", "rusqlite", "actix-web"] {
            assert_eq!(purity(tree(impure)).unwrap().errors.len(), PURE.len(), "{impure}");
        }
    }

    #[test]
    fn the_tree_of_the_core_stays_small() {
        let tree = |count: usize| move |_: &str| Ok((0..count).map(|n| format!("crate{n}")).collect());
        assert_eq!(purity(tree(CORE_TREE)).unwrap().errors.len(), 0);
        assert_eq!(purity(tree(CORE_TREE + 1)).unwrap().errors.len(), 1);
    }
}
