//! Sends the requests of a scenario and judges the answers.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::RegexBuilder;
use scim_schema::{Object, Value};

use super::check::check;
use super::scenario::Expect;
use super::template::{Scope, plain};
use super::{Failure, Given, Scenario, Step};
use crate::ScimClient;

/// Plays a scenario. `run` becomes part of every name that it makes up, so that a scenario can be played
/// on a service that has been played on before. What it created is deleted at the end, as far as possible.
///
/// # Errors
/// [`Failure`] names the first step whose answer was not as expected, and why.
pub async fn replay(client: &dyn ScimClient, scenario: &Scenario, run: &str) -> Result<(), Failure> {
    let mut player = Player { client, scope: Scope::default(), created: Vec::new() };
    player.scope.set("run", run);
    player.scope.set("base", client.base_url());
    let outcome = player.play(scenario).await;
    for location in player.created.iter().rev() {
        let request = Player::request(Method::DELETE, location, client.token(), Bytes::new());
        let Ok(request) = request else { continue };
        if client.send(request).await.is_err() {
            break;
        }
    }
    outcome
}

struct Player<'c> {
    client: &'c dyn ScimClient,
    scope: Scope,
    /// Paths of what was created.
    created: Vec<String>,
}

/// An answer whose body is JSON, if it is.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    json: Option<Value>,
}

/// What may stand in a path as it is; `%` so that escapes stay as they are.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b':')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b'~')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'%');

/// What may stand in a query parameter as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

impl Player<'_> {
    async fn play(&mut self, scenario: &Scenario) -> Result<(), Failure> {
        for given in &scenario.given {
            self.give(given).await?;
        }
        for (number, step) in scenario.steps.iter().enumerate() {
            self.step(step).await.map_err(|Failure(why)| {
                let name = step.name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
                Failure(format!("step {} {} {}{name}: {why}", number + 1, step.method, step.path))
            })?;
        }
        Ok(())
    }

    async fn give(&mut self, given: &Given) -> Result<(), Failure> {
        for index in 0..given.repeat.unwrap_or(1) {
            let body = json_bytes(&self.scope.fill_at(index, &given.body)?)?;
            let mut request = Self::request(Method::POST, &given.path, self.client.token(), body)?;
            content_type(request.headers_mut());
            let answer = self.send(request).await?;
            let created = answer.json.filter(|json| answer.status == 201 && json.get("id").is_some());
            let Some(created) = created else {
                let body = shown(&answer.body);
                let (alias, path, status) = (&given.alias, &given.path, answer.status);
                return Err(Failure(format!("given {alias}: POST {path} gave {status} {body}")));
            };
            self.remember(&given.path, &created);
            if given.repeat.is_some() {
                self.scope.set(&format!("{}.{index}", given.alias), created.clone());
                self.scope.push(&format!("@{}", given.alias), created);
            } else {
                self.scope.set(&given.alias, created);
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), Failure> {
        let path = self.scope.fill_text(&step.path)?;
        let answer = self.send(self.request_of(step, &path)?).await?;
        if let Some(json) = answer.json.as_ref().filter(|_| step.method == "POST" && answer.status == 201) {
            self.remember(&path, json);
        }
        if let Some(alias) = &step.save {
            let mut saved = answer.json.clone().unwrap_or_else(|| Object::new().into());
            if let Some(members) = saved.as_object_mut() {
                let texts = answer
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), Value::from(value.to_str().unwrap_or_default())));
                members.insert("@headers", texts.collect::<Object>());
            }
            self.scope.set(alias, saved);
        }
        self.judge(&step.expect, &answer)
    }

    fn request_of(&self, step: &Step, path: &str) -> Result<Request<Bytes>, Failure> {
        let mut target = utf8_percent_encode(path, PATH).to_string();
        let query = match (&step.raw_query, &step.query) {
            (Some(raw), _) => self.scope.fill_text(raw)?,
            (None, Some(query)) => encoded(&self.scope.fill(query)?),
            (None, None) => String::new(),
        };
        if !query.is_empty() {
            target = format!("{target}?{query}");
        }
        let body = match (&step.raw_body, &step.body) {
            (Some(raw), _) => Some(Bytes::from(self.scope.fill_text(raw)?)),
            (None, Some(body)) => Some(json_bytes(&self.scope.fill(body)?)?),
            (None, None) => None,
        };
        let method = Method::from_bytes(step.method.as_bytes()).map_err(|_| unsendable("method"))?;
        let has_body = body.is_some();
        let mut request = Self::request(method, &target, self.client.token(), body.unwrap_or_default())?;
        let headers = request.headers_mut();
        if has_body {
            content_type(headers);
        }
        for (name, value) in &step.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable("header"))?;
            headers.remove(&name);
            if let Some(value) = value {
                let value = self.scope.fill_text(value)?;
                headers.insert(name, HeaderValue::from_str(&value).map_err(|_| unsendable("header"))?);
            }
        }
        Ok(request)
    }

    fn request(
        method: Method,
        target: &str,
        token: Option<&str>,
        body: Bytes,
    ) -> Result<Request<Bytes>, Failure> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::try_from(target).map_err(|_| unsendable("path or query"))?;
        let headers = request.headers_mut();
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/scim+json"));
        headers.insert(http::header::USER_AGENT, HeaderValue::from_static("scim-conformance"));
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| unsendable("token"))?;
            headers.insert(http::header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Answer, Failure> {
        let answer = self.client.send(request).await.map_err(|e| Failure(format!("no answer: {e}")))?;
        let (parts, body) = answer.into_parts();
        let json = serde_json::from_slice(&body).ok();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body, json })
    }

    fn remember(&mut self, path: &str, created: &Value) {
        if let Some(id) = created.get("id").and_then(Value::as_str) {
            self.created.push(format!("{}/{id}", path.trim_end_matches('/')));
        }
    }

    fn judge(&self, expect: &Expect, answer: &Answer) -> Result<(), Failure> {
        let status = answer.status;
        if !expect.status.contains(&status) {
            let body = shown(&answer.body);
            return Err(Failure(format!("status {status}, wanted {:?}; body {body}", expect.status)));
        }
        for (name, pattern) in &expect.headers {
            self.judge_header(name, pattern, answer)?;
        }
        // Checks of a body are for the answer that was hoped for; an error has a body of its own.
        let hoped_for = status < 400 || expect.status.iter().all(|accepted| *accepted >= 400);
        let common: &[Value] = if hoped_for { &expect.json } else { &[] };
        let own = expect.if_status.get(&status.to_string()).map_or(&[][..], |checks| checks);
        if status == 204 {
            return Ok(());
        }
        let any_of: &[Vec<Value>] = if hoped_for { &expect.any_of } else { &[] };
        if common.is_empty() && own.is_empty() && any_of.is_empty() {
            return Ok(());
        }
        let Some(json) = &answer.json else {
            return Err(Failure(format!("status {status} without a JSON body: {}", shown(&answer.body))));
        };
        self.all(json, common)?;
        self.all(json, own)?;
        let mut reasons = Vec::new();
        for checks in any_of {
            match self.all(json, checks) {
                Ok(()) => return Ok(()),
                Err(Failure(why)) => reasons.push(why),
            }
        }
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Failure(format!("none of the accepted outcomes: {}", reasons.join(" | "))))
    }

    fn judge_header(&self, name: &str, pattern: &str, answer: &Answer) -> Result<(), Failure> {
        let pattern = self.scope.fill_text(pattern)?;
        let regex = RegexBuilder::new(&pattern).case_insensitive(true).build();
        let regex = regex.map_err(|e| Failure(format!("bad pattern: {e}")))?;
        let values = answer.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let got = values.collect::<Vec<_>>().join(", ");
        if regex.is_match(&got) {
            return Ok(());
        }
        Err(Failure(format!("header {name}: {got:?} does not match {pattern:?}")))
    }

    fn all(&self, json: &Value, checks: &[Value]) -> Result<(), Failure> {
        checks.iter().try_for_each(|each| check(json, &self.scope.fill(each)?))
    }
}

fn content_type(headers: &mut HeaderMap) {
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
}

fn encoded(query: &Value) -> String {
    let encode = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let parameters = query.as_object().into_iter().flat_map(Object::iter);
    let pairs = parameters.map(|(name, value)| format!("{}={}", encode(name), encode(&plain(value))));
    pairs.collect::<Vec<_>>().join("&")
}

fn json_bytes(value: &Value) -> Result<Bytes, Failure> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|e| Failure(e.to_string()))
}

fn unsendable(what: &str) -> Failure {
    Failure(format!("the {what} can't be sent"))
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(200).collect()
}
