//! Scenario files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use scim_core::BoxError;
use scim_schema::Value;
use serde::Deserialize;

/// One sequence of requests with what is expected of their answers.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Scenario {
    /// Its name.
    pub id: String,
    /// Whose habits these are.
    #[serde(default)]
    pub provider: String,
    /// What happens, in one line.
    #[serde(default)]
    pub title: String,
    /// Who asks whom.
    #[serde(default)]
    pub kind: Kind,
    /// What the service must offer: `auth` (bearer tokens are enforced), `etag`, `bulk`, `sort`.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Resources that are there before.
    #[serde(default)]
    pub given: Vec<Given>,
    /// The requests.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// Who asks whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A provider sends SCIM requests to a service.
    #[default]
    Push,
    /// A client of ours asks a directory that does not speak SCIM. There is nothing to send to a service.
    Pull,
}

/// A resource, or several, created before the steps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Given {
    /// How templates call it.
    pub alias: String,
    /// Where it is created.
    #[serde(default = "users")]
    pub path: String,
    /// The body to POST.
    pub body: Value,
    /// How many there are.
    #[serde(default)]
    pub repeat: Option<usize>,
}

fn users() -> String {
    "/Users".into()
}

/// One request and what is expected of its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Step {
    /// What the step is about.
    #[serde(default)]
    pub name: Option<String>,
    /// The HTTP method.
    pub method: String,
    /// The path below the base URL.
    pub path: String,
    /// Query parameters, not encoded.
    #[serde(default)]
    pub query: Option<Value>,
    /// The query as it is sent.
    #[serde(default)]
    pub raw_query: Option<String>,
    /// Header fields beside the usual ones, or `null` for a usual one that is not sent.
    #[serde(default)]
    pub headers: BTreeMap<String, Option<String>>,
    /// The body, as JSON.
    #[serde(default)]
    pub body: Option<Value>,
    /// The body as it is sent.
    #[serde(default)]
    pub raw_body: Option<String>,
    /// The alias for the answer's body.
    #[serde(default)]
    pub save: Option<String>,
    #[serde(default)]
    pub(crate) expect: Expect,
}

/// What an answer must look like.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    #[serde(default = "ok")]
    pub(crate) status: Vec<u16>,
    #[serde(default)]
    pub(crate) json: Vec<Value>,
    #[serde(default)]
    pub(crate) any_of: Vec<Vec<Value>>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) if_status: BTreeMap<String, Vec<Value>>,
}

fn ok() -> Vec<u16> {
    vec![200]
}

/// Why scenario files could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct LoadError {
    path: PathBuf,
    source: BoxError,
}

/// All scenarios of a folder and the folders in it, in the order of their paths. JSON files of another
/// kind are passed over.
///
/// # Errors
/// When a file can't be read, is not JSON, is a malformed scenario, or has the id of another.
pub fn load(folder: &Path) -> Result<Vec<Scenario>, LoadError> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    paths.sort();
    let mut scenarios: Vec<Scenario> = Vec::new();
    for path in paths {
        let failed = |source: BoxError| LoadError { path: path.clone(), source };
        let text = fs::read(&path).map_err(|e| failed(e.into()))?;
        let value: Value = serde_json::from_slice(&text).map_err(|e| failed(e.into()))?;
        if value.get("id").is_none() || (value.get("steps").is_none() && value.get("kind").is_none()) {
            continue;
        }
        let scenario: Scenario = serde_json::from_slice(&text).map_err(|e| failed(e.into()))?;
        if scenarios.iter().any(|other| other.id == scenario.id) {
            return Err(failed("another file has the same id".into()));
        }
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let failed = |e: std::io::Error| LoadError { path: folder.to_owned(), source: e.into() };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    Ok(())
}
