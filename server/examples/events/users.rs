//! The users that come, and how they are written over SCIM.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::scimd::Access;

/// How many users a page has.
const PAGE: usize = 1000;

/// The document of a user. `run` keeps the names of several loads apart.
pub(crate) fn document(run: &str, number: u64) -> Value {
    let name = format!("{run}.{number}@example.com");
    json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        ],
        "externalId": format!("{run}-{number:08}"),
        "userName": name,
        "name": {"givenName": "Grace", "familyName": format!("Hopper {number}")},
        "displayName": format!("Grace Hopper {number}"),
        "title": "Engineer",
        "active": true,
        "emails": [{"value": name, "type": "work", "primary": true}],
        "phoneNumbers": [{"value": "+1 555 0100", "type": "work"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": number.to_string(),
            "department": "Compilers"
        }
    })
}

/// A file for `scimd import`.
pub(crate) fn write_file(file: &Path, run: &str, count: u64) -> Result<()> {
    let mut text = String::new();
    for number in 0..count {
        writeln!(text, "{}", document(run, number))?;
    }
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Asks for what must be done.
pub(crate) async fn ask(
    connection: &mut Connection,
    access: &Access,
    method: Method,
    path: &str,
    body: Bytes,
    expected: StatusCode,
) -> Result<Bytes> {
    let (path, token) = (format!("{}{path}", access.path), format!("Bearer {}", access.token));
    let headers = [("authorization", token.as_str()), ("content-type", "application/scim+json")];
    let (status, body) = connection.ask(method, &path, &headers, body).await?;
    ensure!(status == expected, "scimd answered {status}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}

/// The ids of a directory's first users.
pub(crate) async fn ids(connection: &mut Connection, access: &Access, count: usize) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let path = format!("/Users?attributes=id&count={PAGE}&startIndex={}", ids.len() + 1);
        let page = ask(connection, access, Method::GET, &path, Bytes::new(), StatusCode::OK).await?;
        let page: Value = serde_json::from_slice(&page)?;
        let resources = page.get("Resources").and_then(Value::as_array).context("no page of users")?;
        ensure!(!resources.is_empty(), "there are {} of {count} users", ids.len());
        ids.extend(resources.iter().filter_map(|user| user.get("id")?.as_str().map(str::to_owned)));
    }
    ids.truncate(count);
    Ok(ids)
}
