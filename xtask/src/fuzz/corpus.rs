//! Corpora: the committed one, a file for each target; the working one, which libFuzzer wants as a folder for each
//! target; and the seeds, which are made of the data of `conformance/`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::workspace::walk;

/// Longer inputs are not committed: the limits they would test have tests of their own.
const LONGEST: usize = 1024;

/// Writes the committed corpus and the seeds of a target into its working corpus, and counts them.
pub(super) fn unpack(root: &Path, target: &str) -> Result<usize> {
    let folder = folder(root, target);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut inputs = BTreeSet::new();
    let packed = packed(root, target);
    if packed.exists() {
        let text =
            std::fs::read_to_string(&packed).with_context(|| format!("cannot read {}", packed.display()))?;
        for line in text.lines() {
            inputs.insert(decode(line).with_context(|| format!("{}: {line}", packed.display()))?);
        }
    }
    inputs.extend(seeds(target, &Data::read(root)?).into_iter().map(String::into_bytes));
    if target.ends_with("_naive") {
        inputs.extend((0..NOISE).map(noise));
    }
    for (number, input) in inputs.iter().enumerate() {
        std::fs::write(folder.join(format!("start-{number:05}")), input)?;
    }
    Ok(inputs.len())
}

/// Makes the working corpus of a target the committed one, and counts it.
pub(super) fn pack(root: &Path, target: &str) -> Result<usize> {
    let folder = folder(root, target);
    let mut inputs = BTreeSet::new();
    for file in std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let input = std::fs::read(file?.path())?;
        if input.len() <= LONGEST {
            inputs.insert((input.len(), input));
        }
    }
    let mut text = String::new();
    for (_, input) in &inputs {
        writeln!(text, "{}", encode(input)?)?;
    }
    let packed = packed(root, target);
    std::fs::write(&packed, text).with_context(|| format!("cannot write {}", packed.display()))?;
    Ok(inputs.len())
}

/// How many inputs without meaning the targets start from that make something of any bytes.
const NOISE: u64 = 200;

/// Bytes without meaning, the same each time.
fn noise(seed: u64) -> Vec<u8> {
    // A linear congruential generator (Knuth's MMIX); its upper bits are the good ones.
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes().first().copied().unwrap_or_default()
    };
    (0..256).map(|_| next()).collect()
}

fn folder(root: &Path, target: &str) -> PathBuf {
    root.join("fuzz/corpus").join(target)
}

fn packed(root: &Path, target: &str) -> PathBuf {
    folder(root, target).with_extension("jsonl")
}

/// An input as a JSON string, each byte a character, so that text can be read and anything can be kept.
fn encode(input: &[u8]) -> Result<String> {
    let characters: String = input.iter().copied().map(char::from).collect();
    Ok(serde_json::to_string(&characters)?)
}

fn decode(line: &str) -> Result<Vec<u8>> {
    let characters: String = serde_json::from_str(line)?;
    characters.chars().map(|c| u8::try_from(u32::from(c)).context("a character beyond U+00FF")).collect()
}

/// What seeds are made of.
#[derive(Debug, Default)]
struct Data {
    /// The specification's cases for filters and for PATCH.
    filter_cases: Value,
    patch_cases: Value,
    /// Recorded traffic of identity providers.
    traffic: Vec<Value>,
}

impl Data {
    fn read(root: &Path) -> Result<Self> {
        let data = root.join("conformance/data");
        let read = |path: PathBuf| -> Result<Value> {
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
        };
        let recorded = data.join("idp-corpus");
        let files = walk(&recorded)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"));
        Ok(Self {
            filter_cases: read(data.join("spec/filter-cases.json"))?,
            patch_cases: read(data.join("spec/patch-cases.json"))?,
            traffic: files.map(|path| read(recorded.join(path))).collect::<Result<_>>()?,
        })
    }

    fn filters(&self) -> Vec<String> {
        let mut filters: Vec<String> = each(&self.filter_cases, "cases")
            .filter_map(|case| Some(case.get("filter")?.as_str()?.to_owned()))
            .collect();
        let recorded = strings(&self.traffic);
        filters.extend(recorded.filter_map(|text| Some(unescape(text.split_once("filter=")?.1))));
        filters
    }

    fn operations(&self) -> Vec<&Value> {
        let cases = each(&self.patch_cases, "cases").filter_map(|case| case.get("operations"));
        cases.chain(values(&self.traffic).filter_map(|value| value.get("Operations"))).collect()
    }

    fn resources(&self) -> Vec<&Value> {
        let cases = each(&self.patch_cases, "cases").filter_map(|case| case.get("resource"));
        let is_resource =
            |value: &&Value| value.get("userName").is_some() || value.get("displayName").is_some();
        cases.chain(values(&self.traffic).filter(is_resource)).collect()
    }
}

fn each<'v>(value: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    value.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// All values in these, outermost first.
fn values(roots: &[Value]) -> impl Iterator<Item = &Value> {
    let mut open: Vec<&Value> = roots.iter().rev().collect();
    std::iter::from_fn(move || {
        let value = open.pop()?;
        match value {
            Value::Array(values) => open.extend(values.iter().rev()),
            Value::Object(members) => open.extend(members.values()),
            _ => {}
        }
        Some(value)
    })
}

fn strings(roots: &[Value]) -> impl Iterator<Item = &str> {
    values(roots).filter_map(Value::as_str)
}

/// The inputs that the data holds for a target, each once.
fn seeds(target: &str, data: &Data) -> BTreeSet<String> {
    match target {
        "filter_parse" | "filter_match" => data.filters().into_iter().collect(),
        "patch_path" => {
            let operations = data.operations().into_iter().filter_map(Value::as_array).flatten();
            operations.filter_map(|operation| Some(operation.get("path")?.as_str()?.to_owned())).collect()
        }
        "resource_json" => {
            let numbers = NUMBERS.iter().map(|number| format!("[{number}]"));
            data.resources().into_iter().map(ToString::to_string).chain(numbers).collect()
        }
        "router" => data
            .filters()
            .iter()
            .map(|filter| format!("GET /Users?filter={}", escape(filter)))
            .chain(data.operations().into_iter().map(patch_request))
            .chain(REQUESTS.iter().map(|request| (*request).to_owned()))
            .collect(),
        "patch_apply" => data.operations().into_iter().map(ToString::to_string).collect(),
        _ => BTreeSet::new(),
    }
}

/// Numbers at the edges of what 64 bits hold, and beyond.
const NUMBERS: &[&str] = &[
    "-0",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "9007199254740993.0",
    "1e308",
    "1e309",
    "-1e999",
    "4.9e-324",
    "2.4703282292062327e-324",
    "1e-999",
    "0.1",
];

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

/// The value of a query parameter that begins here: up to its end, without percent-encoding.
fn unescape(text: &str) -> String {
    let text = text.split('&').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(byte) = rest.bytes().next() {
        let code = rest.get(1..3).filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let length = if code.is_some() { 3 } else { 1 };
        bytes.push(code.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        rest = rest.get(length..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_bytes_are_one_line_and_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        let line = encode(&all).unwrap();
        assert_eq!(line.lines().count(), 1);
        assert_eq!(decode(&line).unwrap(), all);
        assert_eq!(encode(b"a eq \"b\"").unwrap(), r#""a eq \"b\"""#);
        assert!(decode("\"\u{20ac}\"").is_err());
    }

    #[test]
    fn noise_differs() {
        let all: BTreeSet<_> = (0..NOISE).map(noise).collect();
        assert_eq!(all.len(), 200);
        assert_eq!(noise(7), noise(7));
        let bytes: BTreeSet<u8> = noise(7).into_iter().collect();
        assert!(bytes.len() > 100, "all kinds of bytes");
    }

    #[test]
    fn a_corpus_is_packed_small_and_sorted_and_unpacked_with_the_seeds() {
        let root = tempfile::tempdir().unwrap();
        let spec = root.path().join("conformance/data/spec");
        std::fs::create_dir_all(&spec).unwrap();
        std::fs::create_dir_all(root.path().join("conformance/data/idp-corpus")).unwrap();
        std::fs::write(spec.join("filter-cases.json"), r#"{"cases": [{"filter": "seed pr"}]}"#).unwrap();
        std::fs::write(spec.join("patch-cases.json"), "{}").unwrap();
        let folder = folder(root.path(), "filter_parse");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("x"), "longer").unwrap();
        std::fs::write(folder.join("y"), "short").unwrap();
        std::fs::write(folder.join("z"), "a".repeat(LONGEST + 1)).unwrap();
        assert_eq!(pack(root.path(), "filter_parse").unwrap(), 2);
        let text = std::fs::read_to_string(packed(root.path(), "filter_parse")).unwrap();
        assert_eq!(text, "\"short\"\n\"longer\"\n");
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(unpack(root.path(), "filter_parse").unwrap(), 3);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
    }

    #[test]
    fn the_cases_and_the_traffic_are_seeds() {
        let operations = json!([{"op": "add", "path": "emails"}, {"op": "add"}]);
        let data = Data {
            filter_cases: json!({"cases": [{"filter": "a pr"}, {"filter": "a pr"}, {"filter": "b eq 1"}]}),
            patch_cases: json!({"cases": [{"resource": {"id": "1"}, "operations": operations}]}),
            traffic: vec![json!([
                {"url": "/Users?filter=c%20eq+%22%c3%a9%22&count=1"},
                {"body": {"Operations": [{"op": "remove", "path": "title"}]}},
                {"body": {"userName": "b"}},
            ])],
        };
        let found = |target| seeds(target, &data).into_iter().collect::<Vec<_>>();
        assert_eq!(found("filter_parse"), ["a pr", "b eq 1", "c eq \"é\""]);
        assert_eq!(found("patch_path"), ["emails", "title"]);
        assert_eq!(found("patch_apply").len(), 2);
        let resources = found("resource_json");
        assert_eq!(resources.len(), 2 + NUMBERS.len());
        assert!(resources.contains(&"{\"userName\":\"b\"}".to_owned()));
        let requests = found("router");
        assert_eq!(requests.len(), 5 + REQUESTS.len());
        assert!(requests.contains(&"GET /Users?filter=b%20eq%201".to_owned()));
    }
}
