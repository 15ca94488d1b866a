//! Prints a key set, good tokens, and changed ones that must be refused, as JSON: for libraries of others.
//!
//! `cargo run -p scim-set --example vectors`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use scim_set::{KeyError, KeySet, SigningKey, sign};
use serde_json::{Value, json};

const ISSUER: &str = "https://scim.example.com";
const AUDIENCE: &str = "https://app.example.com/sets";

fn main() -> Result<(), KeyError> {
    let (old, new, unknown) = (SigningKey::generate()?, SigningKey::generate()?, SigningKey::generate()?);
    let keys: Value = serde_json::from_str(&KeySet::new([*new.public_key(), *old.public_key()]).to_json())
        .unwrap_or_default();
    let claims = json!({
        "jti": "evt_1.1",
        "iat": 1_767_225_600,
        "txn": "req_1",
        "sub_id": {"format": "scim", "uri": "/Users/7", "externalId": "ädä"},
        "events": {"urn:ietf:params:scim:event:prov:create:full": {"data": {"userName": "ada\u{1f98a}@example.com"}}},
    })
    .to_string();
    let good = sign(&new, ISSUER, AUDIENCE, &claims)?;
    let mut tokens = vec![
        vector("signed with the current key", &good, true),
        vector("signed with the key before", &sign(&old, ISSUER, AUDIENCE, &claims)?, true),
        vector("signed with an unknown key", &sign(&unknown, ISSUER, AUDIENCE, &claims)?, false),
        vector("of another issuer", &sign(&new, "https://evil.example.com", AUDIENCE, &claims)?, false),
        vector("for another audience", &sign(&new, ISSUER, "https://other.example.com", &claims)?, false),
    ];
    let parts: Vec<&str> = good.split('.').collect();
    if let [header, payload, signature] = parts.as_slice() {
        let other = sign(&new, ISSUER, AUDIENCE, &claims.replace("/Users/7", "/Users/8"))?;
        let other_payload = other.split('.').nth(1).unwrap_or_default();
        let none = URL_SAFE_NO_PAD.encode(r#"{"typ":"secevent+jwt","alg":"none"}"#);
        let reversed: String = signature.chars().rev().collect();
        tokens.extend([
            vector("with other claims", &format!("{header}.{other_payload}.{signature}"), false),
            vector("with another signature", &format!("{header}.{payload}.{reversed}"), false),
            vector("without a signature", &format!("{none}.{payload}."), false),
        ]);
    }
    println!("{}", json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks": keys, "tokens": tokens}));
    Ok(())
}

fn vector(name: &str, token: &str, is_good: bool) -> Value {
    json!({"name": name, "token": token, "expect": if is_good { "ok" } else { "fail" }})
}
