//! The bodies over the saved corpus, so that any Rust compiler finds again what the fuzzer once found.

#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};

use scim_fuzz::{TARGETS, on_a_small_stack};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The inputs of a target: each line is a JSON string, each character a byte.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let path = fuzz().join("corpus").join(target).with_extension("jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let line = |line: &str| {
        let characters: String = serde_json::from_str(line).expect("a line is a JSON string");
        characters.chars().map(|c| u8::try_from(u32::from(c)).expect("a character is a byte")).collect()
    };
    text.lines().map(line).collect()
}

/// A panic of a body shows the promise that it broke; this shows the input too.
fn run(target: &str) {
    let (_, body) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let inputs = corpus(target);
    assert!(inputs.len() >= 50, "{target}: {} inputs are hardly a corpus", inputs.len());
    for input in inputs {
        let outcome = std::panic::catch_unwind(|| on_a_small_stack(*body, &input));
        assert!(outcome.is_ok(), "{target} fails on b\"{}\"", input.escape_ascii());
    }
}

#[test]
fn filter_parse() {
    run("filter_parse");
}

#[test]
fn filter_match() {
    run("filter_match");
}

#[test]
fn filter_naive() {
    run("filter_naive");
}

#[test]
fn patch_path() {
    run("patch_path");
}

#[test]
fn patch_apply() {
    run("patch_apply");
}

#[test]
fn patch_naive() {
    run("patch_naive");
}

#[test]
fn resource_json() {
    run("resource_json");
}

#[test]
fn router() {
    run("router");
}

#[test]
fn webhook_url() {
    run("webhook_url");
}

/// Every body has its target, its corpus and its test.
#[test]
fn nothing_is_left_out() {
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let bins: Vec<&str> =
        manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap()).collect();
    let bodies: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(bins, bodies);
    for name in bodies {
        assert!(include_str!("main.rs").contains(&format!("run(\"{name}\")")), "{name} has no test");
        let target = fuzz().join("fuzz_targets").join(name).with_extension("rs");
        let source = std::fs::read_to_string(target).unwrap();
        assert!(source.contains(&format!("on_a_small_stack(scim_fuzz::{name}, data)")), "{name}");
    }
}
