//! Made-up users.

use scim_schema::{Resource, Value};
use serde_json::json;

use crate::Result;

const EXAMPLE: &str = include_str!("../../../../benches/data/user.json");
/// How many bytes of JSON a user is.
const SIZE: usize = 2700;

/// A user.
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) resource: Resource,
    /// The same as JSON.
    pub(crate) text: String,
}

/// Users that have not been there before.
#[derive(Default)]
pub(crate) struct Users {
    made: usize,
}

impl Users {
    pub(crate) fn next(&mut self, count: usize) -> Result<Vec<User>> {
        let first = self.made;
        self.made += count;
        let example: serde_json::Value = serde_json::from_str(EXAMPLE)?;
        (first..self.made).map(|number| user(&example, number)).collect()
    }
}

/// The example of the RFC as a store gets it, under another name, with a certificate that makes up the size.
fn user(example: &serde_json::Value, number: usize) -> Result<User> {
    let id = format!("{number:08}-1f64-4a0e-9a8f-8f4b0b0a9c11");
    let mut user = example.clone();
    let attributes = user.as_object_mut().ok_or("the example is not an object")?;
    for computed in ["meta", "groups", "password"] {
        attributes.remove(computed);
    }
    attributes.insert("id".into(), json!(id));
    attributes.insert("externalId".into(), json!(format!("ext-{number}")));
    attributes.insert("userName".into(), json!(format!("user.{number}@example.com")));
    attributes.insert(
        "emails".into(),
        json!([
            {"value": format!("user.{number}@example.com"), "type": "work", "primary": true},
            {"value": format!("user.{number}@home.example.org"), "type": "home"},
        ]),
    );
    attributes.insert("x509Certificates".into(), json!([{"value": ""}]));
    let size = serde_json::to_string(&user)?.len();
    if let Some(value) = user.pointer_mut("/x509Certificates/0/value") {
        *value = json!(certificate(number, SIZE.saturating_sub(size)));
    }
    let text = serde_json::to_string(&user)?;
    let value: Value = serde_json::from_str(&text)?;
    let attributes = value.as_object().cloned().ok_or("a user is an object")?;
    Ok(User { id, resource: Resource::from_canonical(attributes), text })
}

/// Base64 that does not compress well, as a certificate does not.
fn certificate(number: usize, length: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = number as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        LETTERS.get((state >> 58) as usize).map_or('A', |letter| char::from(*letter))
    };
    (0..length / 4 * 4).map(letter).collect()
}
