//! What is asked for.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use scim_benches::population::{Population, external_id, user_name};
use scim_benches::random::Random;

use crate::Server;
use crate::connection::Answer;

/// The shortest answer that has a user in it.
const LEAST: usize = 2000;
/// How many users a page of `list` has.
const PAGE: usize = 1000;
/// The user whose body is changed into those of others. No other part of the body has these digits.
const SAMPLE: usize = 7_654_321;

/// The kind of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A user by id, another one each time
    Get,
    /// A user by `userName`, another one each time
    Filter,
    /// A new user each time
    Post,
    /// PATCH of `active`, in a way that changes it, to one user after the other
    Patch,
    /// A page of 1,000 users, another one each time
    List,
}

/// Makes requests.
#[derive(Debug)]
pub(crate) struct Work {
    kind: Kind,
    /// What comes before the rest of the path.
    path: String,
    /// The header fields of each request.
    fields: String,
    ids: Vec<String>,
    users: usize,
    random: Random,
    made: usize,
    template: Template,
    body: Vec<u8>,
}

impl Work {
    pub(crate) fn new(kind: Kind, server: &Server, ids: Vec<String>, users: usize, run: &str) -> Result<Self> {
        let needs_ids = matches!(kind, Kind::Get | Kind::Patch);
        ensure!(!needs_ids || !ids.is_empty(), "this needs the ids of users");
        ensure!(users > 0, "this needs the number of users");
        let fields = format!(
            "Host: scim.example.com\r\nAuthorization: Bearer {}\r\nAccept: application/scim+json\r\n\
             User-Agent: load\r\n",
            server.token
        );
        Ok(Self {
            kind,
            path: server.path.clone(),
            fields,
            ids,
            users,
            random: Random::new(1),
            made: 0,
            template: Template::new(run),
            body: Vec::new(),
        })
    }

    /// How many requests must come first, so that each later one is of the same kind: users are made inactive
    /// that may be active or not.
    pub(crate) fn preparation(&self) -> usize {
        if self.kind == Kind::Patch { self.ids.len() } else { 0 }
    }

    /// Writes the next request.
    pub(crate) fn write(&mut self, request: &mut Vec<u8>) {
        use std::io::Write as _;
        request.clear();
        let number = self.made;
        self.made += 1;
        let (path, fields) = (&self.path, &self.fields);
        let written = match self.kind {
            Kind::Get => {
                let id = &self.ids[self.random.below(self.ids.len())];
                write!(request, "GET {path}/Users/{id} HTTP/1.1\r\n{fields}\r\n")
            }
            Kind::Filter => {
                let name = user_name(self.random.below(self.users));
                write!(request, "GET {path}/Users?filter=userName%20eq%20%22{name}%22 HTTP/1.1\r\n{fields}\r\n")
            }
            Kind::List => {
                let start = self.random.below(self.users.saturating_sub(PAGE).max(1)) + 1;
                write!(request, "GET {path}/Users?startIndex={start}&count={PAGE} HTTP/1.1\r\n{fields}\r\n")
            }
            Kind::Post => {
                self.template.fill(number, &mut self.body);
                self.write_body(request, "POST", "")
            }
            Kind::Patch => {
                let id = &self.ids[number % self.ids.len()];
                let active = (number / self.ids.len()) % 2 == 1;
                self.body.clear();
                let body = write!(
                    self.body,
                    "{{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":[{{\
                     \"op\":\"replace\",\"path\":\"active\",\"value\":{active}}}]}}"
                );
                body.and_then(|()| self.write_body(request, "PATCH", id))
            }
        };
        written.expect("memory takes all");
    }

    fn write_body(&self, request: &mut Vec<u8>, method: &str, id: &str) -> std::io::Result<()> {
        use std::io::Write as _;
        let (path, fields, length) = (&self.path, &self.fields, self.body.len());
        let slash = if id.is_empty() { "" } else { "/" };
        write!(
            request,
            "{method} {path}/Users{slash}{id} HTTP/1.1\r\n{fields}Content-Type: application/scim+json\r\n\
             Content-Length: {length}\r\n\r\n"
        )?;
        request.write_all(&self.body)
    }

    /// An error if the answer is not the right one.
    pub(crate) fn check(&self, answer: &Answer<'_>) -> Result<()> {
        let right = if self.kind == Kind::Post { 201 } else { 200 };
        let Answer { status, body } = answer;
        let shown = || String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        ensure!(*status == right, "{:?} is answered {status}: {}", self.kind, shown());
        ensure!(body.len() >= LEAST, "{:?} is answered without a user: {}", self.kind, shown());
        Ok(())
    }
}

/// Bodies of users that differ in all that tells users apart, made faster than from scratch.
#[derive(Debug)]
struct Template {
    /// What is the same, with a number between every two of them.
    parts: Vec<Vec<u8>>,
}

impl Template {
    /// `run` tells the users of one run from those of others.
    fn new(run: &str) -> Self {
        let text = String::from_utf8(Population::default().user(SAMPLE)).expect("JSON");
        let text = text.replace(&external_id(SAMPLE), &format!("{run}-{SAMPLE}"));
        let text = text.replace(&user_name(SAMPLE), &format!("{run}-user{SAMPLE}@example.com"));
        let parts = text.split(&SAMPLE.to_string()).map(|part| part.as_bytes().to_vec()).collect();
        Self { parts }
    }

    fn fill(&self, number: usize, body: &mut Vec<u8>) {
        use std::io::Write as _;
        body.clear();
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                write!(body, "{number:07}").expect("memory takes all");
            }
            body.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_a_template_differ_in_what_is_unique() {
        let (template, mut body) = (Template::new("run1"), Vec::new());
        template.fill(42, &mut body);
        let user: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(user["userName"], "run1-user0000042@example.com");
        assert_eq!(user["externalId"], "run1-0000042");
        assert_eq!(user["emails"][0]["value"], "user0000042@example.com");
    }
}
