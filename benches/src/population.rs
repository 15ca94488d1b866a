//! The users and groups that servers and stores are loaded with, as many as are wanted, each told by its number.

use scim_schema::{Object, Value};

use crate::corpus;
use crate::random::Random;

/// How long a user's certificate is, which makes a user 2.7 KB long.
const CERTIFICATE: usize = 560;

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// What every user has in common.
#[derive(Clone, Debug)]
pub struct Population {
    base: Object,
}

impl Default for Population {
    fn default() -> Self {
        let mut base = crate::fixtures::stored_user().attributes().clone();
        // The server says these.
        for name in ["id", "meta", "groups"] {
            base.remove(name);
        }
        Self { base }
    }
}

impl Population {
    /// The body of a POST of a user, about 2.7 KB.
    pub fn user(&self, number: usize) -> Vec<u8> {
        serde_json::to_vec(&self.object(number)).expect("JSON")
    }

    /// What a server answers for such a user.
    pub fn shown(&self, number: usize) -> Vec<u8> {
        let mut user = self.object(number);
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        let meta = [
            ("resourceType", "User".to_owned()),
            ("created", "2026-01-23T04:56:22.123456Z".to_owned()),
            ("lastModified", "2026-01-23T04:56:22.123456Z".to_owned()),
            ("location", format!("https://scim.example.com/scim/v2/Users/{id}")),
            ("version", "W/\"1\"".to_owned()),
        ];
        let mut parts = Object::new();
        for (name, value) in meta {
            parts.insert(name, value);
        }
        user.insert("id", id);
        user.insert("meta", Value::from(parts));
        serde_json::to_vec(&user).expect("JSON")
    }

    fn object(&self, number: usize) -> Object {
        let mut user = self.base.clone();
        corpus::differences(&mut user, number);
        user.insert("userName", user_name(number));
        user.insert("externalId", external_id(number));
        corpus::part(&mut user, "name").insert("formatted", format!("Barbara J Jensen the {number}th"));
        let certificates = user.get_mut("x509Certificates").and_then(Value::as_array_mut).expect("a list");
        let certificate = certificates.as_mut_slice()[0].as_object_mut().expect("a certificate");
        certificate.insert("value", base64(number, CERTIFICATE));
        user
    }
}

/// The `userName` of a user.
pub fn user_name(number: usize) -> String {
    format!("user{number:07}@example.com")
}

/// The `externalId` of a user.
pub fn external_id(number: usize) -> String {
    format!("8aeafa6a-5d3e-4f0b-9c52-{number:012x}")
}

/// A group as a line for `scimd import`, which finds members by their `externalId`: so many users that follow each
/// other, other ones for each group.
pub fn group(number: usize, members: usize, users: usize) -> Vec<u8> {
    let first = number * members;
    let members: Vec<_> = (first..first + members)
        .map(|member| serde_json::json!({"externalId": external_id(member % users)}))
        .collect();
    let group = serde_json::json!({
        "schemas": [GROUP],
        "externalId": format!("group-{number:05}"),
        "displayName": format!("Group {number:05}"),
        "members": members,
    });
    serde_json::to_vec(&group).expect("JSON")
}

/// Text as of an encoded certificate: no two users have the same, and it does not compress to nothing.
fn base64(seed: usize, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = Random::new(seed as u64);
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let number = random.number();
        let letters = (0..10).map(|at| char::from(LETTERS[(number >> (6 * at) & 63) as usize]));
        text.extend(letters.take(length - text.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use scim_schema::{Dialect, Intent, JsonLimits, ReadOptions, Registry, Report};

    #[test]
    fn users_are_valid_and_of_the_size_of_the_corpus() {
        let population = Population::default();
        let registry = Registry::standard();
        let user_type = registry.resource_type("User").unwrap();
        for number in [0, 1, 4242, 999_999] {
            let text = population.user(number);
            assert!((2650..2850).contains(&text.len()), "{}", text.len());
            let body = scim_schema::parse_json(&text, JsonLimits { depth: 32, nodes: 10_000 }).unwrap();
            let (dialect, mut report) = (Dialect::default(), Report::default());
            let options = ReadOptions::new(&dialect);
            scim_schema::read(body, user_type, Intent::Create, &options, &mut report).unwrap();
        }
    }

    #[test]
    fn numbers_tell_users_apart() {
        let population = Population::default();
        assert_eq!(population.user(7), population.user(7));
        assert_ne!(population.user(7), population.user(8));
        assert_eq!(base64(1, 100).len(), 100);
    }

    #[test]
    fn groups_take_different_users_as_long_as_there_are_some() {
        let members = |number| {
            let group: serde_json::Value = serde_json::from_slice(&group(number, 3, 5)).unwrap();
            let ids = group["members"].as_array().unwrap().clone();
            ids.into_iter().map(|member| member["externalId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(members(0), [0, 1, 2].map(external_id));
        assert_eq!(members(1), [3, 4, 0].map(external_id));
    }
}
