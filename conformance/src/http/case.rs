//! Scenarios written in Rust.

#![expect(clippy::needless_pass_by_value, reason = "JSON is written where it is handed over")]

use scim_schema::Value;
use serde_json::{Value as Json, json};

use crate::replay::{Expect, Given, Kind, Scenario, Step};

pub(super) const USER: &str = scim_schema::USER;
pub(super) const GROUP: &str = scim_schema::GROUP;
pub(super) const ENTERPRISE: &str = scim_schema::ENTERPRISE_USER;
pub(super) const PATCH_OP: &str = scim_core::message::PATCH_OP;
pub(super) const SEARCH_REQUEST: &str = scim_core::message::SEARCH_REQUEST;
pub(super) const BULK_REQUEST: &str = scim_core::message::BULK_REQUEST;
pub(super) const BULK_RESPONSE: &str = scim_core::message::BULK_RESPONSE;
pub(super) const LIST_RESPONSE: &str = scim_core::message::LIST_RESPONSE;

/// A scenario without requests yet.
pub(super) fn case(id: &str, title: &str) -> Scenario {
    Scenario {
        id: id.to_owned(),
        provider: String::new(),
        title: title.to_owned(),
        kind: Kind::Push,
        needs: Vec::new(),
        given: Vec::new(),
        steps: Vec::new(),
    }
}

impl Scenario {
    /// A user that is there before, named after its alias.
    pub(super) fn user(self, alias: &str) -> Self {
        let body = json!({"schemas": [USER], "userName": format!("{alias}-{{{{run}}}}")});
        self.given(alias, "/Users", body)
    }

    /// A resource that is there before.
    pub(super) fn given(mut self, alias: &str, path: &str, body: Json) -> Self {
        let given = Given { alias: alias.into(), path: path.into(), body: body.into(), repeat: None };
        self.given.push(given);
        self
    }

    pub(super) fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

pub(super) fn get(path: &str) -> Step {
    step("GET", path)
}

pub(super) fn post(path: &str, body: Json) -> Step {
    step("POST", path).body(body).status(201)
}

pub(super) fn put(path: &str, body: Json) -> Step {
    step("PUT", path).body(body)
}

/// A PATCH with these operations.
pub(super) fn patch(path: &str, operations: Json) -> Step {
    step("PATCH", path).body(json!({"schemas": [PATCH_OP], "Operations": operations}))
}

pub(super) fn delete(path: &str) -> Step {
    step("DELETE", path).status(204)
}

/// A request that is expected to be answered 200.
pub(super) fn step(method: &str, path: &str) -> Step {
    Step {
        name: None,
        method: method.to_owned(),
        path: path.to_owned(),
        query: None,
        raw_query: None,
        headers: Default::default(),
        body: None,
        raw_body: None,
        save: None,
        expect: Expect { status: vec![200], ..Expect::default() },
    }
}

impl Step {
    pub(super) fn query(mut self, query: Json) -> Self {
        self.query = Some(query.into());
        self
    }

    pub(super) fn raw_query(mut self, query: &str) -> Self {
        self.raw_query = Some(query.into());
        self
    }

    pub(super) fn body(mut self, body: Json) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(super) fn raw_body(mut self, body: &str) -> Self {
        self.raw_body = Some(body.into());
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.into(), Some(value.into()));
        self
    }

    /// Leaves out a header that is sent otherwise.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.insert(name.into(), None);
        self
    }

    pub(super) fn save(mut self, alias: &str) -> Self {
        self.save = Some(alias.into());
        self
    }

    pub(super) fn status(mut self, status: u16) -> Self {
        self.expect.status = vec![status];
        self
    }

    pub(super) fn statuses(mut self, status: &[u16]) -> Self {
        self.expect.status = status.to_vec();
        self
    }

    /// An error, with its keyword where there is one.
    pub(super) fn error(self, status: u16, scim_type: Option<&str>) -> Self {
        let step = self.status(status).is("/status", json!(status.to_string()));
        match scim_type {
            Some(scim_type) => step.is("/scimType", json!(scim_type)),
            None => step.check("/scimType", "absent", json!(true)),
        }
    }

    /// The body has this value.
    pub(super) fn is(self, pointer: &str, value: Json) -> Self {
        self.check(pointer, "equals", value)
    }

    /// The body has no such value.
    pub(super) fn lacks(self, pointer: &str) -> Self {
        self.check(pointer, "absent", json!(true))
    }

    pub(super) fn check(mut self, pointer: &str, kind: &str, value: Json) -> Self {
        let check: Value = json!({"pointer": pointer, kind: value}).into();
        self.expect.json.push(check);
        self
    }

    /// The answer has a header field of this form.
    pub(super) fn answers(mut self, name: &str, pattern: &str) -> Self {
        self.expect.headers.insert(name.into(), pattern.into());
        self
    }
}
