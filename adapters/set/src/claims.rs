//! The claims of a SET (RFC 8417 §2.2, RFC 9967 §2.1 and §2.2).

use scim_schema::{Object, Value, write_json};

use crate::event::SetEvent;

/// Whom a SET is about: the `sub_id` (RFC 9493) of the format `scim`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the members that the RFC names")]
pub struct SubjectId {
    /// The path below the base URL of the service: `/Users/2819c223`.
    pub uri: String,
    /// The resource's `externalId`.
    pub external_id: Option<String>,
}

impl SubjectId {
    fn to_object(&self) -> Object {
        let mut object = Object::with_capacity(3);
        object.push("format", "scim");
        object.push("uri", self.uri.as_str());
        if let Some(external_id) = &self.external_id {
            object.push("externalId", external_id.as_str());
        }
        object
    }

    /// `None` where the claim is missing or of another format.
    pub(crate) fn of(claims: &Object) -> Option<Self> {
        let subject = claims.get("sub_id")?;
        let text = |name: &str| subject.get(name).and_then(Value::as_str).map(str::to_owned);
        if text("format")? != "scim" {
            return None;
        }
        Some(Self { uri: text("uri")?, external_id: text("externalId") })
    }
}

/// What a SET says, whoever it goes to: [`sign`](crate::sign()) adds `iss` and `aud`.
///
/// There is no `sub`, which a SET must not have, and no `exp`, which it should not.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the claims that the RFC names")]
pub struct Claims {
    /// `jti`: the name of the SET, the same on each attempt, and of no other SET.
    pub id: String,
    /// `iat`, in seconds since 1970-01-01T00:00:00Z.
    pub issued_at: i64,
    /// `txn`: the same for all SETs that came of one request, to whomever they go.
    pub transaction: Option<String>,
    /// `sub_id`.
    pub subject: SubjectId,
    /// `events`: one at least, all of them about this subject and transaction.
    pub events: Vec<SetEvent>,
    /// Claims of one's own.
    pub more: Vec<(&'static str, String)>,
}

impl Claims {
    /// The claims as JSON text.
    pub fn to_json(&self) -> String {
        let mut claims = Object::with_capacity(8);
        claims.push("jti", self.id.as_str());
        claims.push("iat", self.issued_at);
        if let Some(transaction) = &self.transaction {
            claims.push("txn", transaction.as_str());
        }
        for (name, value) in &self.more {
            claims.push(name, value.as_str());
        }
        claims.push("sub_id", self.subject.to_object());
        let mut events = Object::with_capacity(self.events.len());
        for event in &self.events {
            events.push(event.uri.as_str(), event.payload.clone());
        }
        claims.push("events", events);
        write_json(&claims).unwrap_or_default()
    }
}
