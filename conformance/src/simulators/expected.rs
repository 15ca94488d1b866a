//! What must exist when a provider is done, and how to hold a service to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, AUTHORIZATION};
use serde_json::Value;

use super::SimulationError;
use crate::client::ScimClient;

/// All users and groups of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expected {
    /// The users, in the order of their creation.
    pub users: Vec<ExpectedUser>,
    /// The groups, in the order of their creation.
    pub groups: Vec<ExpectedGroup>,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpectedUser {
    /// `userName`.
    pub user_name: String,
    /// `name.givenName`.
    pub given_name: String,
    /// `name.familyName`.
    pub family_name: String,
    /// `title`.
    pub title: Option<String>,
    /// `department` of the enterprise extension.
    pub department: Option<String>,
    /// `emails.value`.
    pub emails: Vec<String>,
    /// `active`.
    pub active: bool,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpectedGroup {
    /// `displayName`.
    pub display_name: String,
    /// The members' userName, sorted.
    pub members: Vec<String>,
}

const ENTERPRISE: &str = "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PAGE: usize = 100;

impl Expected {
    /// Reads the directory through SCIM and says in one sentence each what is missing, different or too
    /// much. An empty list: all is as it must be.
    ///
    /// # Errors
    /// [`SimulationError`] when the directory can't be read.
    pub async fn differences(&self, client: &dyn ScimClient) -> Result<Vec<String>, SimulationError> {
        let users = read_all(client, "/Users").await?;
        let groups = read_all(client, "/Groups").await?;
        let names: BTreeMap<&str, &str> =
            users.iter().map(|user| (text(user, "/id"), text(user, "/userName"))).collect();
        let found_users: BTreeMap<String, ExpectedUser> =
            users.iter().map(|user| (text(user, "/userName").to_owned(), user_of(user))).collect();
        let found_groups: BTreeMap<String, ExpectedGroup> = groups
            .iter()
            .map(|group| (text(group, "/displayName").to_owned(), group_of(group, &names)))
            .collect();
        let mut sentences = Vec::new();
        if users.len() != self.users.len() {
            sentences.push(format!("{} users were expected, {} exist.", self.users.len(), users.len()));
        }
        if groups.len() != self.groups.len() {
            sentences.push(format!("{} groups were expected, {} exist.", self.groups.len(), groups.len()));
        }
        for user in &self.users {
            compare(&user.user_name, "user", user, found_users.get(&user.user_name), &mut sentences);
        }
        for group in &self.groups {
            compare(
                &group.display_name,
                "group",
                group,
                found_groups.get(&group.display_name),
                &mut sentences,
            );
        }
        self.check_inverse(&users, &mut sentences);
        Ok(sentences)
    }

    /// `groups` of each user names the groups that have the user as a member, and no other.
    fn check_inverse(&self, users: &[Value], sentences: &mut Vec<String>) {
        for user in users {
            let name = text(user, "/userName");
            let mut shown: Vec<&str> = list(user, "/groups").iter().map(|g| text(g, "/display")).collect();
            shown.sort_unstable();
            let has = |group: &&ExpectedGroup| group.members.iter().any(|member| member == name);
            let mut expected: Vec<&str> =
                self.groups.iter().filter(has).map(|group| group.display_name.as_str()).collect();
            expected.sort_unstable();
            if shown != expected {
                sentences
                    .push(format!("User {name} shows the groups {shown:?}, expected were {expected:?}."));
            }
        }
    }
}

fn compare<T: PartialEq + std::fmt::Debug>(
    name: &str,
    kind: &str,
    expected: &T,
    found: Option<&T>,
    sentences: &mut Vec<String>,
) {
    match found {
        None => sentences.push(format!("The {kind} {name} is missing.")),
        Some(found) if found != expected => {
            sentences.push(format!("The {kind} {name} is {found:?}, expected was {expected:?}."));
        }
        Some(_) => {}
    }
}

/// Every resource of an endpoint, page by page.
async fn read_all(client: &dyn ScimClient, endpoint: &str) -> Result<Vec<Value>, SimulationError> {
    let mut all = Vec::new();
    loop {
        let start = all.len().saturating_add(1);
        let title = format!("read {endpoint} from {start}");
        let fail = |source| SimulationError::NoAnswer { title: title.clone(), source };
        let mut request = Request::get(format!("{endpoint}?startIndex={start}&count={PAGE}"))
            .header(ACCEPT, "application/scim+json");
        if let Some(token) = client.token() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Bytes::new()).map_err(|error| fail(error.into()))?;
        let response = client.send(request).await.map_err(fail)?;
        let body = String::from_utf8_lossy(response.body());
        if !response.status().is_success() {
            let body = body.chars().take(400).collect();
            return Err(SimulationError::Status { title, status: response.status(), body });
        }
        let body: Value = serde_json::from_str(&body)
            .map_err(|_| SimulationError::Body { title: title.clone(), missing: "JSON".to_owned() })?;
        let page = list(&body, "/Resources");
        all.extend(page.iter().cloned());
        let total = body.pointer("/totalResults").and_then(Value::as_u64);
        let total = usize::try_from(total.unwrap_or(0)).unwrap_or(usize::MAX);
        if page.is_empty() || all.len() >= total {
            return Ok(all);
        }
    }
}

fn user_of(user: &Value) -> ExpectedUser {
    let optional = |pointer: &str| user.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    ExpectedUser {
        user_name: text(user, "/userName").to_owned(),
        given_name: text(user, "/name/givenName").to_owned(),
        family_name: text(user, "/name/familyName").to_owned(),
        title: optional("/title"),
        department: optional(&format!("{ENTERPRISE}/department")),
        emails: list(user, "/emails").iter().map(|email| text(email, "/value").to_owned()).collect(),
        active: user.pointer("/active").and_then(Value::as_bool).unwrap_or(true),
    }
}

fn group_of(group: &Value, names: &BTreeMap<&str, &str>) -> ExpectedGroup {
    let name = |member: &Value| {
        let id = text(member, "/value");
        names.get(id).map_or_else(|| format!("unknown {id}"), |name| (*name).to_owned())
    };
    let mut members: Vec<String> = list(group, "/members").iter().map(name).collect();
    members.sort_unstable();
    ExpectedGroup { display_name: text(group, "/displayName").to_owned(), members }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
