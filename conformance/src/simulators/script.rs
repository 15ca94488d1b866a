//! A provider's requests as data, and the engine that makes them.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::expected::{Expected, ExpectedGroup, ExpectedUser};
use super::staff::Person;
use super::{Progress, SimulationError};
use crate::client::ScimClient;

/// Requests in their order, the headers they carry, and what exists after the last one.
///
/// `{{name}}` in a path or in any text of a body stands for the id that an earlier answer had.
#[derive(Debug)]
pub(super) struct Script {
    headers: &'static [(&'static str, &'static str)],
    content_type: &'static str,
    steps: Vec<Step>,
    expected: Expected,
}

#[derive(Debug)]
struct Step {
    title: String,
    method: Method,
    path: String,
    body: Option<Body>,
    accept: &'static [u16],
    save: Option<String>,
    /// How many resources a list must show.
    total: Option<u64>,
}

#[derive(Debug)]
enum Body {
    /// This text.
    Json(Value),
    /// The resource as the last answer to the name had it, with these attributes in place of its own.
    Fetched { name: String, changes: Value },
}

impl Script {
    /// A script whose requests carry these headers, and this content type where they have a body.
    pub(super) fn new(content_type: &'static str, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, content_type, steps: Vec::new(), expected: Expected::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn expected(&self) -> &Expected {
        &self.expected
    }

    // The requests.

    pub(super) fn get(&mut self, title: impl Into<String>, path: impl Into<String>) {
        self.push(title, Method::GET, path, None, &[200]);
    }

    /// Reads a resource; a later [`Script::put_fetched`] sends it back.
    pub(super) fn fetch(&mut self, title: impl Into<String>, endpoint: &str, name: &str) {
        let path = format!("{endpoint}/{{{{{name}}}}}");
        self.push(title, Method::GET, path, None, &[200]);
        self.save(name);
    }

    /// Asks for the resources that match; there must be `total` of them.
    pub(super) fn lookup(&mut self, title: impl Into<String>, endpoint: &str, filter: &str, total: u64) {
        self.lookup_with(title, endpoint, "", filter, total);
    }

    /// The same with further parameters such as `&startIndex=1&count=100`.
    pub(super) fn lookup_with(
        &mut self,
        title: impl Into<String>,
        endpoint: &str,
        more: &str,
        filter: &str,
        total: u64,
    ) {
        let filter = utf8_percent_encode(filter, NON_ALPHANUMERIC);
        self.push(title, Method::GET, format!("{endpoint}?filter={filter}{more}"), None, &[200]);
        if let Some(step) = self.steps.last_mut() {
            step.total = Some(total);
        }
    }

    /// Creates a resource and keeps its id under the name.
    pub(super) fn post(&mut self, title: impl Into<String>, endpoint: &str, name: &str, body: Value) {
        self.push(title, Method::POST, endpoint, Some(Body::Json(body)), &[201]);
        self.save(name);
    }

    pub(super) fn put(&mut self, title: impl Into<String>, endpoint: &str, name: &str, body: Value) {
        let path = format!("{endpoint}/{{{{{name}}}}}");
        self.push(title, Method::PUT, path, Some(Body::Json(body)), &[200]);
        self.save(name);
    }

    pub(super) fn put_fetched(
        &mut self,
        title: impl Into<String>,
        endpoint: &str,
        name: &str,
        changes: Value,
    ) {
        let path = format!("{endpoint}/{{{{{name}}}}}");
        let body = Body::Fetched { name: name.to_owned(), changes };
        self.push(title, Method::PUT, path, Some(body), &[200]);
        self.save(name);
    }

    /// A PATCH with these operations; 200 and 204 are both fine.
    #[expect(clippy::needless_pass_by_value, reason = "JSON is written where it is handed over")]
    pub(super) fn patch(&mut self, title: impl Into<String>, endpoint: &str, name: &str, operations: Value) {
        let path = format!("{endpoint}/{{{{{name}}}}}");
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations
        });
        self.push(title, Method::PATCH, path, Some(Body::Json(body)), &[200, 204]);
    }

    pub(super) fn delete(&mut self, title: impl Into<String>, endpoint: &str, name: &str) {
        self.push(title, Method::DELETE, format!("{endpoint}/{{{{{name}}}}}"), None, &[204]);
    }

    /// Reads what must no longer exist.
    pub(super) fn gone(&mut self, title: impl Into<String>, endpoint: &str, name: &str) {
        self.push(title, Method::GET, format!("{endpoint}/{{{{{name}}}}}"), None, &[404]);
    }

    // What exists after them.

    pub(super) fn expect_user(&mut self, user: ExpectedUser) {
        self.expected.users.push(user);
    }

    pub(super) fn expect_change(&mut self, user_name: &str, change: impl FnOnce(&mut ExpectedUser)) {
        if let Some(user) = self.expected.users.iter_mut().find(|user| user.user_name == user_name) {
            change(user);
        }
    }

    pub(super) fn expect_gone(&mut self, user_name: &str) {
        self.expected.users.retain(|user| user.user_name != user_name);
    }

    pub(super) fn expect_group(
        &mut self,
        display_name: &str,
        members: &[Person],
        user_name: impl Fn(&Person) -> String,
    ) {
        let mut members: Vec<String> = members.iter().map(user_name).collect();
        members.sort_unstable();
        self.expected.groups.push(ExpectedGroup { display_name: display_name.to_owned(), members });
    }

    fn push(
        &mut self,
        title: impl Into<String>,
        method: Method,
        path: impl Into<String>,
        body: Option<Body>,
        accept: &'static [u16],
    ) {
        let (title, path) = (title.into(), path.into());
        self.steps.push(Step { title, method, path, body, accept, save: None, total: None });
    }

    fn save(&mut self, name: &str) {
        if let Some(step) = self.steps.last_mut() {
            step.save = Some(name.to_owned());
        }
    }

    // The engine.

    pub(super) async fn run(
        &self,
        client: &dyn ScimClient,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<(), SimulationError> {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        for (index, step) in self.steps.iter().enumerate() {
            let answer = self.make(step, client, &known).await?;
            if let Some(name) = &step.save {
                if !answer.get("id").is_some_and(Value::is_string) {
                    return Err(step.lacks("the id"));
                }
                known.insert(name.clone(), answer);
            }
            progress(Progress { done: index.saturating_add(1), total: self.steps.len(), title: &step.title });
        }
        Ok(())
    }

    async fn make(
        &self,
        step: &Step,
        client: &dyn ScimClient,
        known: &BTreeMap<String, Value>,
    ) -> Result<Value, SimulationError> {
        let mut request = Request::builder().method(&step.method).uri(fill(&step.path, known));
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = client.token() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match &step.body {
            None => Bytes::new(),
            Some(body) => {
                request = request.header("content-type", self.content_type);
                Bytes::from(body.text(known))
            }
        };
        let no_answer = |source| SimulationError::NoAnswer { title: step.title.clone(), source };
        let request = request.body(body).map_err(|error| no_answer(error.into()))?;
        let response = client.send(request).await.map_err(no_answer)?;
        if !step.accept.contains(&response.status().as_u16()) {
            let body = String::from_utf8_lossy(response.body()).chars().take(400).collect();
            return Err(SimulationError::Status {
                title: step.title.clone(),
                status: response.status(),
                body,
            });
        }
        if response.body().is_empty() {
            return Ok(Value::Null);
        }
        let answer: Value = serde_json::from_slice(response.body()).map_err(|_| step.lacks("JSON"))?;
        let total = answer.get("totalResults").and_then(Value::as_u64);
        match step.total {
            Some(expected) if total != Some(expected) => Err(step.lacks(&format!("totalResults {expected}"))),
            _ => Ok(answer),
        }
    }
}

impl Step {
    fn lacks(&self, missing: &str) -> SimulationError {
        SimulationError::Body { title: self.title.clone(), missing: missing.to_owned() }
    }
}

impl Body {
    fn text(&self, known: &BTreeMap<String, Value>) -> String {
        match self {
            Self::Json(value) => fill(&value.to_string(), known),
            Self::Fetched { name, changes } => {
                let mut resource = known.get(name).cloned().unwrap_or_default();
                if let (Some(resource), Some(changes)) = (resource.as_object_mut(), changes.as_object()) {
                    resource.extend(changes.iter().map(|(name, value)| (name.clone(), value.clone())));
                }
                fill(&resource.to_string(), known)
            }
        }
    }
}

/// Ids need no escape, neither in JSON nor in a path.
fn fill(text: &str, known: &BTreeMap<String, Value>) -> String {
    known.iter().fold(text.to_owned(), |text, (name, resource)| {
        let id = resource.get("id").and_then(Value::as_str).unwrap_or_default();
        text.replace(&format!("{{{{{name}}}}}"), id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_ids() {
        let known = BTreeMap::from([("ada".to_owned(), json!({"id": "7"}))]);
        assert_eq!(fill("/Users/{{ada}}?x={{ben}}", &known), "/Users/7?x={{ben}}");
        let body = Body::Fetched { name: "ada".to_owned(), changes: json!({"manager": "{{ada}}"}) };
        assert_eq!(body.text(&known), r#"{"id":"7","manager":"7"}"#);
    }
}
