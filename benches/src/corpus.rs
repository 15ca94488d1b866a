//! The 10,000 users that filters are evaluated on.

use scim_schema::{Object, Resource, Value};

/// How many users there are.
pub const USERS: usize = 10_000;

const FAMILY: [&str; 7] = ["Jensen", "O'Malley", "Smith", "Nguyen", "Garcia", "Kowalski", "Okafor"];

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The users of a range of numbers below [`USERS`], in order.
pub fn users(range: std::ops::Range<usize>) -> Vec<Resource> {
    let base = crate::fixtures::stored_user();
    range.map(|number| user(number, &base)).collect()
}

/// The users for those who work on `serde_json`'s values.
pub fn users_json(range: std::ops::Range<usize>) -> Vec<serde_json::Value> {
    users(range).iter().map(|user| serde_json::to_value(user).expect("JSON")).collect()
}

/// The fixture with what differs between users put in. Every number yields the same user everywhere.
fn user(number: usize, base: &Resource) -> Resource {
    let mut resource = base.clone();
    let user = resource.attributes_mut();
    differences(user, number);
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    let meta = part(user, "meta");
    meta.insert("created", format!("20{:02}-01-23T04:56:22Z", 5 + number % 10));
    meta.insert("lastModified", format!("2011-05-{:02}T04:42:34Z", 1 + number % 28));
    meta.insert("location", format!("https://example.com/v2/Users/{id}"));
    user.insert("id", id);
    resource
}

/// What differs in what a client says of users.
pub(crate) fn differences(user: &mut Object, number: usize) {
    let domain = if number.is_multiple_of(4) { "example.org" } else { "example.com" };
    let address = format!("user{number:05}@{domain}");
    user.insert("externalId", format!("8aeafa6a-5d3e-4f0b-9c52-{number:012x}"));
    user.insert("userName", if number == 4242 { "bjensen".to_owned() } else { address.clone() });
    part(user, "name").insert("familyName", FAMILY[number % 7]);
    let label = if number.is_multiple_of(10) { "Test User" } else { "User" };
    user.insert("displayName", format!("{label} {number}"));
    email(user, 0).insert("value", address);
    email(user, 1).insert("value", format!("user{number:05}@home.example.net"));
    user.insert("userType", ["Employee", "Contractor", "Intern"][number % 3]);
    user.insert("active", !number.is_multiple_of(5));
    if !number.is_multiple_of(2) {
        user.remove("title");
    }
    part(user, ENTERPRISE).insert("employeeNumber", (700_000 + number).to_string());
}

pub(crate) fn part<'u>(user: &'u mut Object, name: &str) -> &'u mut Object {
    user.get_mut(name).and_then(Value::as_object_mut).expect("a complex attribute")
}

fn email(user: &mut Object, at: usize) -> &mut Object {
    let emails = user.get_mut("emails").and_then(Value::as_array_mut).expect("emails");
    emails.as_mut_slice()[at].as_object_mut().expect("an email")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// The generator that the published figures were measured with writes these bytes, one user a line.
    #[test]
    fn the_corpus_is_the_one_of_the_published_figures() {
        let mut hash = Sha256::new();
        for user in users(0..USERS) {
            hash.update(serde_json::to_vec(&user).unwrap());
            hash.update(b"\n");
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "2eaa659541863923602b4381884bfa63909df6fc93c95208d91fd023013247fe");
    }
}
