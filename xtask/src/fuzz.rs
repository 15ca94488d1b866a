//! `cargo xtask fuzz`: each target of `fuzz/` for a short while, from seeds made of the specification's cases.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::requirements::{self, Purpose};
use crate::workspace::command;

/// The longest input, in bytes: beyond the limits of every parser, so that the limits are met too.
const MAX_LEN: u32 = 32 * 1024;

/// The most memory a target may take, in MiB.
const MAX_RSS: u32 = 1024;

/// The longest one input may take, in seconds. Generous, as CI machines are shared.
const MAX_TIME: u32 = 10;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long each target runs
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// The target to run; all of them where it is left out
    target: Option<String>,
}

/// Builds and runs the targets. A finding ends the run and is kept under `fuzz/artifacts/`.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Fuzzing)?;
    let manifest =
        std::fs::read_to_string(root.join("fuzz/Cargo.toml")).context("cannot read fuzz/Cargo.toml")?;
    let targets = targets(&manifest)?;
    let chosen: Vec<&String> = targets
        .iter()
        .filter(|target| options.target.as_ref().is_none_or(|wanted| wanted == *target))
        .collect();
    if chosen.is_empty() {
        bail!("no such target; there are: {}", targets.join(", "));
    }
    for target in chosen {
        build(root, target)?;
        let seeds = write_seeds(root, target)?;
        println!("fuzzing {target} for {} s from {seeds} seeds", options.seconds);
        if !fuzz(root, target, options.seconds)? {
            println!("{target}: a finding; the input is in fuzz/artifacts/{target}");
            return Ok(false);
        }
    }
    Ok(true)
}

/// The names of the `[[bin]]` tables, in order.
fn targets(manifest: &str) -> Result<Vec<String>> {
    let manifest: toml::Table = manifest.parse().context("fuzz/Cargo.toml")?;
    let bins =
        manifest.get("bin").and_then(toml::Value::as_array).context("fuzz/Cargo.toml has no targets")?;
    Ok(bins.iter().filter_map(|bin| bin.get("name")?.as_str().map(str::to_owned)).collect())
}

fn build(root: &Path, target: &str) -> Result<()> {
    if !cargo_fuzz(root, "build", target, &[])? {
        bail!("{target} does not build");
    }
    Ok(())
}

fn fuzz(root: &Path, target: &str, seconds: u32) -> Result<bool> {
    let seconds = format!("-max_total_time={seconds}");
    let max_len = format!("-max_len={MAX_LEN}");
    let rss = format!("-rss_limit_mb={MAX_RSS}");
    let timeout = format!("-timeout={MAX_TIME}");
    let options = ["--", &seconds, &max_len, &rss, &timeout, "-verbosity=0", "-print_final_stats=1"];
    cargo_fuzz(root, "run", target, &options)
}

/// Runs a subcommand of cargo-fuzz on a target and says whether it succeeded.
fn cargo_fuzz(root: &Path, subcommand: &str, target: &str, options: &[&str]) -> Result<bool> {
    // The code under test is safe Rust: the address sanitizer would only make it slower.
    let fixed =
        ["run", "nightly", "cargo", "fuzz", subcommand, "--fuzz-dir=fuzz", "--sanitizer=none", target];
    let args = [&fixed, options].concat();
    let status = command(root, "rustup", &args).status().context("cannot start cargo fuzz")?;
    Ok(status.success())
}

/// Writes the seeds of a target into its corpus, where finds of earlier runs may lie, and counts them.
fn write_seeds(root: &Path, target: &str) -> Result<usize> {
    let corpus = root.join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus).with_context(|| format!("cannot create {}", corpus.display()))?;
    let spec = |name: &str| -> Result<Value> {
        let path = root.join("conformance/data/spec").join(name);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
    };
    let seeds = seeds(target, &spec("filter-cases.json")?, &spec("patch-cases.json")?);
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(corpus.join(format!("spec-{number:04}")), seed)?;
    }
    Ok(seeds.len())
}

/// The inputs that the specification's cases hold for a target, each once.
fn seeds(target: &str, filter_cases: &Value, patch_cases: &Value) -> BTreeSet<String> {
    let filters = filter_cases.pointer("/cases").and_then(Value::as_array).into_iter().flatten();
    let patches = patch_cases.pointer("/cases").and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match target {
        "filter_parse" | "filter_match" => filters.filter_map(|case| text(case.get("filter")?)).collect(),
        "patch_path" => patches
            .flat_map(|case| case.get("operations").and_then(Value::as_array).into_iter().flatten())
            .filter_map(|operation| text(operation.get("path")?))
            .collect(),
        "resource_json" => patches.filter_map(|case| Some(case.get("resource")?.to_string())).collect(),
        "router" => filters
            .filter_map(|case| Some(format!("GET /Users?filter={}", escape(case.get("filter")?.as_str()?))))
            .chain(patches.filter_map(|case| Some(patch_request(case.get("operations")?))))
            .chain(REQUESTS.iter().map(|request| (*request).to_owned()))
            .collect(),
        "patch_apply" => patches.filter_map(|case| Some(case.get("operations")?.to_string())).collect(),
        _ => BTreeSet::new(),
    }
}

/// Requests to the directory of the `router` target, which holds the user `User1` in the group `Group2`.
const REQUESTS: &[&str] = &[
    "GET /Users?startIndex=1&count=1&sortBy=userName&sortOrder=descending&attributes=userName",
    "GET /Groups/Group2?excludedAttributes=members",
    "GET /Users?count=1&cursor",
    "GET /?filter=meta.resourceType%20eq%20%22User%22",
    "GET /ResourceTypes/User",
    "GET /Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
    "GET /ServiceProviderConfig",
    "GET /Users/User1\nif-none-match: W/\"1\"",
    "DELETE /Users/User1\nif-match: W/\"1\"",
    "PUT /Users/User1\n\n{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":\"b\"}",
    "POST /Users/.search\n\n{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:SearchRequest\"],\"filter\":\"active eq true\"}",
    "PATCH /Groups/Group2\n\n{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":[{\"op\":\"remove\",\"path\":\"members[value eq \\\"User1\\\"]\"}]}",
    "POST /Bulk\n\n{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:BulkRequest\"],\"Operations\":[{\"method\":\"POST\",\"path\":\"/Groups\",\"bulkId\":\"a\",\"data\":{\"displayName\":\"A\",\"members\":[{\"value\":\"bulkId:b\"}]}},{\"method\":\"POST\",\"path\":\"/Groups\",\"bulkId\":\"b\",\"data\":{\"displayName\":\"B\",\"members\":[{\"value\":\"bulkId:a\"}]}}]}",
];

fn patch_request(operations: &Value) -> String {
    format!(
        "PATCH /Users/User1\n\n{{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":{operations}}}"
    )
}

/// Percent-encodes what is not a letter or digit.
fn escape(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn targets_are_read_from_the_manifest() {
        let manifest = "[package]\nname = \"fuzz\"\n[[bin]]\nname = \"a\"\n[[bin]]\nname = \"b\"\n";
        assert_eq!(targets(manifest).unwrap(), ["a", "b"]);
        assert!(targets("[package]\nname = \"fuzz\"\n").is_err());
    }

    #[test]
    fn the_cases_are_seeds() {
        let filters = json!({"cases": [{"filter": "a pr"}, {"filter": "a pr"}, {"filter": "b eq 1"}]});
        let operations = json!([{"op": "add", "path": "emails"}, {"op": "add"}]);
        let patches = json!({"cases": [{"resource": {"id": "1"}, "operations": operations}]});
        assert_eq!(seeds("filter_parse", &filters, &patches).len(), 2);
        assert_eq!(seeds("patch_path", &filters, &patches).into_iter().collect::<Vec<_>>(), ["emails"]);
        assert_eq!(
            seeds("resource_json", &filters, &patches).into_iter().collect::<Vec<_>>(),
            ["{\"id\":\"1\"}"]
        );
        assert_eq!(seeds("patch_apply", &filters, &patches).len(), 1);
        let requests = seeds("router", &filters, &patches);
        assert_eq!(requests.len(), 3 + REQUESTS.len());
        assert!(requests.contains("GET /Users?filter=b%20eq%201"));
    }
}
