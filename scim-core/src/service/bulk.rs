//! Bulk operations (RFC 7644 §3.7).
//!
//! Each operation is a transaction of its own and goes through the same door as a single request. An
//! operation that refers to another by `bulkId` comes after it, whatever their order in the job; creates
//! that refer to one another in a circle get their ids first and are committed together.

use std::collections::{BTreeSet, HashMap};

use http::{Method, StatusCode};
use scim_schema::{Object, Selection, Value, etag};

use super::references::Pending;
use super::write::PreparedCreate;
use super::{Answer, Exchange, Inner, location};
use crate::error::{Error, ErrorKind};
use crate::etag::Preconditions;
use crate::message::{BULK_REQUEST, BULK_RESPONSE, expect};
use crate::render::error_body;
use crate::router::{Operation, route};
use crate::store::{Change, StoreError, Write};

const BULK_ID: &str = "bulkId:";

/// One operation of a job, as it was sent.
struct Step {
    method: Method,
    path: String,
    bulk_id: Option<String>,
    version: Option<String>,
    data: Option<Value>,
}

/// What became of an operation.
struct Outcome {
    location: Option<String>,
    version: Option<u64>,
    result: Result<StatusCode, Error>,
}

/// The ids that bulkIds stand for; `Err` for those whose create failed.
type Resolved = HashMap<String, Result<String, ()>>;

impl Inner {
    pub(super) async fn bulk(&self, body: &Value, exchange: &mut Exchange) -> Result<Answer, Error> {
        let message = expect(body, BULK_REQUEST, &exchange.caller.dialect)?;
        let fail_on_errors = fail_on_errors(message)?;
        let steps = self.steps(message)?;
        let groups = order(&steps);
        let mut outcomes: Vec<Option<Outcome>> = steps.iter().map(|_| None).collect();
        let mut resolved = Resolved::new();
        let mut errors = 0;
        for group in groups {
            if fail_on_errors.is_some_and(|limit| errors >= limit) {
                break;
            }
            for (at, outcome) in self.run(&group, &steps, &mut resolved, exchange).await {
                errors += u64::from(outcome.result.is_err());
                if let Some(slot) = outcomes.get_mut(at) {
                    *slot = Some(outcome);
                }
            }
        }
        let results: Vec<Value> = steps
            .iter()
            .zip(outcomes)
            .filter_map(|(step, outcome)| Some(result(step, outcome?, &exchange.request_id)))
            .collect();
        let mut response = Object::new();
        response.push("schemas", vec![Value::from(BULK_RESPONSE)]);
        response.push("Operations", results);
        Ok(Answer::json(StatusCode::OK, &response))
    }

    fn steps(&self, message: &Object) -> Result<Vec<Step>, Error> {
        let syntax = |detail: &str| Error::new(ErrorKind::InvalidSyntax, detail);
        let operations = message
            .get_ignore_case("Operations")
            .and_then(Value::as_array)
            .ok_or_else(|| syntax("Operations must be an array"))?;
        let limit = self.config.max_bulk_operations;
        if operations.len() > limit {
            return Err(Error::too_large("the number of operations (maxOperations)", limit, "operations"));
        }
        operations.iter().map(step).collect()
    }

    /// Runs operations that depend on one another: mostly one, several where creates form a circle.
    async fn run(
        &self,
        group: &[usize],
        steps: &[Step],
        resolved: &mut Resolved,
        exchange: &mut Exchange,
    ) -> Vec<(usize, Outcome)> {
        let circle = match group {
            [at] => steps
                .get(*at)
                .is_some_and(|s| s.bulk_id.as_ref().is_some_and(|id| references(s).contains(id))),
            _ => true,
        };
        if circle {
            return self.run_circle(group, steps, resolved, exchange).await;
        }
        let mut outcomes = Vec::new();
        for at in group {
            let Some(step) = steps.get(*at) else { continue };
            let duplicate = step.bulk_id.as_ref().is_some_and(|id| {
                step.method == Method::POST && steps.iter().take(*at).any(|s| s.bulk_id.as_ref() == Some(id))
            });
            let outcome = if duplicate {
                failed(Error::new(ErrorKind::InvalidSyntax, "the bulkId is used by an operation before"))
            } else {
                let outcome = self.run_step(step, resolved, exchange).await;
                if step.method == Method::POST
                    && let Some(bulk_id) = &step.bulk_id
                {
                    let id = match (&outcome.result, &outcome.location) {
                        (Ok(_), Some(location)) => {
                            Ok(location.rsplit('/').next().unwrap_or_default().to_owned())
                        }
                        _ => Err(()),
                    };
                    resolved.insert(bulk_id.clone(), id);
                }
                outcome
            };
            outcomes.push((*at, outcome));
        }
        outcomes
    }

    async fn run_step(&self, step: &Step, resolved: &Resolved, exchange: &mut Exchange) -> Outcome {
        let prepared = self.prepare_step(step, resolved);
        let (operation, path, data) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return failed(error),
        };
        let target = format!("{}{path}", exchange.base);
        let done = self.perform_step(operation, step, data, exchange).await;
        match done {
            Ok(answer) => Outcome {
                location: answer.location.or(Some(target)),
                version: answer.version,
                result: Ok(answer.status),
            },
            Err(error) => {
                // Where a create failed there is nothing to point at (RFC 7644 §3.7).
                let location = (step.method != Method::POST).then_some(target);
                Outcome { location, version: None, result: Err(error) }
            }
        }
    }

    fn prepare_step(
        &self,
        step: &Step,
        resolved: &Resolved,
    ) -> Result<(Operation, String, Option<Value>), Error> {
        let path = substitute_path(&step.path, resolved)?;
        let operation = self.route_step(&step.method, &path)?;
        if matches!(operation, Operation::Create(_)) && step.bulk_id.is_none() {
            return Err(Error::new(ErrorKind::InvalidSyntax, "a POST operation needs a bulkId"));
        }
        let mut data = step.data.clone();
        if let Some(data) = &mut data {
            substitute(data, resolved)?;
        }
        if data.is_none() && step.method != Method::DELETE {
            return Err(Error::new(ErrorKind::InvalidSyntax, "the operation needs data"));
        }
        Ok((operation, path, data))
    }

    fn route_step(&self, method: &Method, path: &str) -> Result<Operation, Error> {
        let operation = route(method, path, &self.registry)?;
        match operation {
            Operation::Create(_) | Operation::Replace(..) | Operation::Patch(..) | Operation::Delete(..) => {
                Ok(operation)
            }
            _ => Err(Error::new(
                ErrorKind::InvalidValue,
                "path must be the endpoint of a resource type for POST, and a resource for other methods",
            )),
        }
    }

    async fn perform_step(
        &self,
        operation: Operation,
        step: &Step,
        data: Option<Value>,
        exchange: &mut Exchange,
    ) -> Result<Answer, Error> {
        let preconditions = step.version.as_deref().map(Preconditions::from_version).unwrap_or_default();
        let all = Selection::Default;
        match (operation, data) {
            (Operation::Create(t), Some(data)) => self.create(&t, data, &all, exchange).await,
            (Operation::Replace(t, id), Some(data)) => {
                self.replace(&t, &id, data, &all, &preconditions, exchange).await
            }
            (Operation::Patch(t, id), Some(data)) => {
                self.patch(&t, &id, data, &all, &preconditions, exchange).await
            }
            (Operation::Delete(t, id), _) => self.delete(&t, &id, &preconditions, exchange).await,
            _ => Err(Error::new(ErrorKind::InvalidSyntax, "the operation needs data")),
        }
    }

    /// Creates that refer to one another: the ids are chosen first, then all are committed at once
    /// (RFC 7644 §3.7.1).
    async fn run_circle(
        &self,
        group: &[usize],
        steps: &[Step],
        resolved: &mut Resolved,
        exchange: &mut Exchange,
    ) -> Vec<(usize, Outcome)> {
        let mut pending = Pending::new();
        let mut ids = Vec::new();
        for at in group {
            let Some(step) = steps.get(*at) else { continue };
            let (Ok(Operation::Create(t)), Some(bulk_id)) =
                (self.route_step(&step.method, &step.path), &step.bulk_id)
            else {
                continue;
            };
            let id = self.environment.new_id(t.name());
            pending.insert(id.clone(), t.name().to_owned());
            resolved.insert(bulk_id.clone(), Ok(id.clone()));
            ids.push((*at, t, id));
        }
        let mut writes = Vec::new();
        let mut broken: Option<(usize, Error)> = None;
        for (at, resource_type, id) in &ids {
            let prepared = match steps.get(*at).map(|s| self.prepare_step(s, resolved)) {
                Some(Ok((_, _, Some(data)))) => {
                    self.prepare_create(resource_type, id.clone(), data, &pending, exchange).await
                }
                Some(Err(error)) => Err(error),
                _ => Err(Error::new(ErrorKind::InvalidSyntax, "the operation needs data")),
            };
            match prepared {
                Ok(PreparedCreate { write, .. }) => writes.push(write),
                Err(error) => {
                    broken = Some((*at, error));
                    break;
                }
            }
        }
        let committed = match broken {
            Some(broken) => Err(broken),
            None if ids.len() < group.len() => Err((usize::MAX, conflict())),
            None => self.commit_circle(&writes, exchange).await.map_err(|e| (usize::MAX, e)),
        };
        let mut own_error = match committed {
            Ok(versions) => return circle_outcomes(&ids, &versions, exchange),
            Err(broken) => Some(broken),
        };
        let mut outcomes = Vec::new();
        for at in group {
            if let Some(bulk_id) = steps.get(*at).and_then(|s| s.bulk_id.clone()) {
                resolved.insert(bulk_id, Err(()));
            }
            let error = match &own_error {
                // The operation at fault gets the error; one of the whole commit goes to the first.
                Some((culprit, _)) if culprit == at || *culprit == usize::MAX => {
                    own_error.take().map_or_else(conflict, |(_, error)| error)
                }
                _ => conflict(),
            };
            outcomes.push((*at, failed(error)));
        }
        outcomes
    }

    async fn commit_circle(&self, writes: &[Write], exchange: &Exchange) -> Result<Vec<u64>, Error> {
        let committed = self.commit(writes.to_vec(), exchange).await?;
        if committed.len() != writes.len() {
            let source = "a commit answered fewer writes than it was given".into();
            return Err(StoreError::Other { store: "configured", source }.into());
        }
        for (write, committed) in writes.iter().zip(&committed) {
            debug_assert!(matches!(write.change, Change::Insert { .. }), "a circle holds creates only");
            self.tell_sink(write, committed, None, exchange).await;
        }
        Ok(committed.iter().map(|c| c.version).collect())
    }
}

type Created = (usize, std::sync::Arc<scim_schema::ResourceType>, String);

fn circle_outcomes(ids: &[Created], versions: &[u64], exchange: &Exchange) -> Vec<(usize, Outcome)> {
    let outcome = |((at, resource_type, id), version): (&Created, &u64)| {
        let outcome = Outcome {
            location: Some(location(resource_type, id, &exchange.base)),
            version: Some(*version),
            result: Ok(StatusCode::CREATED),
        };
        (*at, outcome)
    };
    ids.iter().zip(versions).map(outcome).collect()
}

fn failed(error: Error) -> Outcome {
    Outcome { location: None, version: None, result: Err(error) }
}

fn conflict() -> Error {
    Error::new(ErrorKind::Conflict, "an operation that this one refers to by bulkId failed")
}

fn fail_on_errors(message: &Object) -> Result<Option<u64>, Error> {
    match message.get_ignore_case("failOnErrors") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(n)) => match n.as_u64() {
            Some(0) => Ok(None),
            Some(limit) => Ok(Some(limit)),
            None => Err(Error::new(ErrorKind::InvalidSyntax, "failOnErrors must be a whole number")),
        },
        Some(_) => Err(Error::new(ErrorKind::InvalidSyntax, "failOnErrors must be a whole number")),
    }
}

fn step(value: &Value) -> Result<Step, Error> {
    let syntax = |detail: &str| Error::new(ErrorKind::InvalidSyntax, detail);
    let object = value.as_object().ok_or_else(|| syntax("each operation must be an object"))?;
    let text = |name: &str| match object.get_ignore_case(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => Ok(Some(s.to_string())),
        Some(_) => Err(syntax("method, path, bulkId and version of an operation must be strings")),
    };
    let method = text("method")?.ok_or_else(|| syntax("an operation has no method"))?;
    let method = match method.to_ascii_uppercase().as_str() {
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        _ => return Err(syntax("the method of an operation must be POST, PUT, PATCH or DELETE")),
    };
    let path = text("path")?.filter(|p| !p.is_empty()).ok_or_else(|| syntax("an operation has no path"))?;
    let data = object.get_ignore_case("data").filter(|d| !d.is_null()).cloned();
    Ok(Step {
        method,
        path,
        bulk_id: text("bulkId")?.filter(|b| !b.is_empty()),
        version: text("version")?,
        data,
    })
}

/// The bulkIds that an operation refers to.
fn references(step: &Step) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    find(&step.path, &mut found);
    if let Some(data) = &step.data {
        collect(data, &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(s) => find(s, found),
        Value::Array(items) => items.iter().for_each(|v| collect(v, found)),
        Value::Object(object) => object.iter().for_each(|(_, v)| collect(v, found)),
        _ => {}
    }
}

fn find(text: &str, found: &mut BTreeSet<String>) {
    found.extend(occurrences(text).map(str::to_owned));
}

/// The bulkIds in a text: the whole text, the last segment of a path, or a quoted string inside a PATCH
/// path.
fn occurrences(text: &str) -> impl Iterator<Item = &str> {
    text.split(['/', '"']).filter_map(|part| part.strip_prefix(BULK_ID)).filter(|id| !id.is_empty())
}

fn substitute(value: &mut Value, resolved: &Resolved) -> Result<(), Error> {
    match value {
        Value::String(s) => {
            if s.contains(BULK_ID) {
                *s = substitute_path(s, resolved)?.into();
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|v| substitute(v, resolved)),
        Value::Object(object) => object.iter_mut().try_for_each(|(_, v)| substitute(v, resolved)),
        _ => Ok(()),
    }
}

fn substitute_path(text: &str, resolved: &Resolved) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(['/', '"']) {
        let (body, separator) = match part.strip_suffix(['/', '"']) {
            Some(body) => (body, part.strip_prefix(body).unwrap_or_default()),
            None => (part, ""),
        };
        match body.strip_prefix(BULK_ID).filter(|id| !id.is_empty()) {
            None => out.push_str(body),
            Some(bulk_id) => match resolved.get(bulk_id) {
                Some(Ok(id)) => out.push_str(id),
                Some(Err(())) => return Err(conflict()),
                None => {
                    let detail = "a bulkId is referred to that no operation of the job creates";
                    return Err(Error::new(ErrorKind::InvalidValue, detail));
                }
            },
        }
        out.push_str(separator);
    }
    Ok(out)
}

/// The order of execution: groups of operations that must be done together, each after those it refers
/// to, otherwise in the order of the job. (Strongly connected components after Tarjan, without recursion.)
fn order(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut creators: HashMap<&str, usize> = HashMap::new();
    for (at, step) in steps.iter().enumerate() {
        if let (Some(id), true) = (&step.bulk_id, step.method == Method::POST) {
            creators.entry(id).or_insert(at);
        }
    }
    let needs: Vec<Vec<usize>> = steps
        .iter()
        .map(|s| references(s).iter().filter_map(|id| creators.get(id.as_str()).copied()).collect())
        .collect();
    let mut search = Search { needs, state: vec![Visit::default(); steps.len()], ..Search::default() };
    for at in 0..steps.len() {
        search.from(at);
    }
    search.groups
}

#[derive(Clone, Copy, Default)]
struct Visit {
    /// 0: not visited yet.
    number: usize,
    lowest: usize,
    open: bool,
}

#[derive(Default)]
struct Search {
    needs: Vec<Vec<usize>>,
    state: Vec<Visit>,
    visited: usize,
    stack: Vec<usize>,
    groups: Vec<Vec<usize>>,
}

impl Search {
    fn visit(&self, at: usize) -> Visit {
        self.state.get(at).copied().unwrap_or_default()
    }

    fn enter(&mut self, at: usize) {
        self.visited += 1;
        let number = self.visited;
        if let Some(state) = self.state.get_mut(at) {
            *state = Visit { number, lowest: number, open: true };
        }
        self.stack.push(at);
    }

    fn lower(&mut self, at: usize, to: usize) {
        if let Some(state) = self.state.get_mut(at) {
            state.lowest = state.lowest.min(to);
        }
    }

    fn from(&mut self, root: usize) {
        if self.visit(root).number != 0 {
            return;
        }
        self.enter(root);
        let mut path = vec![(root, 0)];
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            let need = self.needs.get(at).and_then(|n| n.get(*next)).copied();
            *next += 1;
            match need {
                Some(need) if self.visit(need).number == 0 => {
                    self.enter(need);
                    path.push((need, 0));
                }
                Some(need) => {
                    if self.visit(need).open {
                        self.lower(at, self.visit(need).number);
                    }
                }
                None => {
                    path.pop();
                    self.close(at);
                    if let Some((parent, _)) = path.last() {
                        self.lower(*parent, self.visit(at).lowest);
                    }
                }
            }
        }
    }

    /// When `at` begins a group, the group is what lies above it on the stack.
    fn close(&mut self, at: usize) {
        let visit = self.visit(at);
        if visit.lowest != visit.number {
            return;
        }
        let mut group = Vec::new();
        while let Some(member) = self.stack.pop() {
            if let Some(state) = self.state.get_mut(member) {
                state.open = false;
            }
            group.push(member);
            if member == at {
                break;
            }
        }
        group.sort_unstable();
        self.groups.push(group);
    }
}

/// The result of one operation (RFC 7644 §3.7.3). Successful ones have no `response` (ledger choice
/// `bulk-success-body`).
fn result(step: &Step, outcome: Outcome, request_id: &str) -> Value {
    let mut object = Object::new();
    if let Some(location) = outcome.location {
        object.push("location", location);
    }
    object.push("method", step.method.as_str());
    if let Some(bulk_id) = &step.bulk_id {
        object.push("bulkId", bulk_id.as_str());
    }
    if let Some(version) = outcome.version {
        object.push("version", etag(version));
    }
    match outcome.result {
        Ok(status) => object.push("status", status.as_str()),
        Err(error) => {
            object.push("status", error.kind().status().as_str());
            object.push("response", error_body(&error, request_id));
        }
    }
    Value::Object(object)
}
