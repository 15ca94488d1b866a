//! Prints signed test vectors as JSON, for the verifiers of other libraries.
//!
//! Each vector has a secret, the three headers, a body and whether a verifier must accept it when its clock
//! shows `now` (without one: the timestamp).

use scim_webhook::{Secret, SigningKey, sign};
use serde_json::{Value, json};

const TIMESTAMP: i64 = 1_767_225_600;
const SMALL: &str = r#"{"test": 2432232314}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys: Vec<Vec<u8>> = vec![
        (0..32).collect(),
        (32..64).collect(),
        (100..124).collect(),
        (0..64).map(|i| i * 3 + 1).collect(),
    ];
    let secrets = keys.iter().map(|k| Secret::from_bytes(k)).collect::<Result<Vec<_>, _>>()?;
    let [a, b, short, long] = secrets.as_slice() else { return Err("four secrets".into()) };

    let mut vectors = Vec::new();
    let mut add = |name: &str, secret: &Secret, id: &str, body: &str, signature: String, expect: &str| {
        vectors.push(vector(name, secret, id, body, &signature, expect));
    };
    for (name, secret) in [("32-byte key", a), ("24-byte key", short), ("64-byte key", long)] {
        add(name, secret, "evt_1", SMALL, sign(&[secret], &[], "evt_1", TIMESTAMP, SMALL.as_bytes()), "ok");
    }
    for (name, body) in [
        ("escaped event", r#"{"type": "organization.directory.user_created", "data": {"name": "Zo\u00eb"}}"#),
        ("raw UTF-8", r#"{"name": "Zoë 名前 🙂"}"#),
        ("line breaks", "{\n  \"a\" : 1\n}\n"),
        ("empty object", "{}"),
    ] {
        add(name, a, "evt_2", body, sign(&[a], &[], "evt_2", TIMESTAMP, body.as_bytes()), "ok");
    }
    let both = sign(&[b, a], &[], "evt_3", TIMESTAMP, SMALL.as_bytes());
    add("rotation, new secret", b, "evt_3", SMALL, both.clone(), "ok");
    add("rotation, old secret", a, "evt_3", SMALL, both.clone(), "ok");
    add("rotation, neither secret", short, "evt_3", SMALL, both, "fail");
    let key = SigningKey::from_seed(&[7; 32])?;
    let mixed = sign(&[b, a], &[&key], "evt_6", TIMESTAMP, SMALL.as_bytes());
    add("Ed25519 behind, new secret", b, "evt_6", SMALL, mixed.clone(), "ok");
    add("Ed25519 behind, old secret", a, "evt_6", SMALL, mixed, "ok");
    let asymmetric = sign(&[], &[&key], "evt_7", TIMESTAMP, SMALL.as_bytes());
    add("Ed25519 only", a, "evt_7", SMALL, asymmetric, "fail");
    let single = sign(&[a], &[], "evt_4", TIMESTAMP, SMALL.as_bytes());
    add("body with one more space", a, "evt_4", &format!("{SMALL} "), single.clone(), "fail");
    add("another id", a, "evt_5", SMALL, single.clone(), "fail");
    for (offset, expect) in [(299, "ok"), (-299, "ok"), (301, "fail"), (-301, "fail")] {
        let mut vector = vector(&format!("{offset} s off"), a, "evt_4", SMALL, &single, expect);
        if let Some(object) = vector.as_object_mut() {
            object.insert("now".into(), (TIMESTAMP + offset).to_string().into());
        }
        vectors.push(vector);
    }
    println!("{}", serde_json::to_string_pretty(&vectors)?);
    Ok(())
}

fn vector(name: &str, secret: &Secret, id: &str, body: &str, signature: &str, expect: &str) -> Value {
    json!({
        "name": name,
        "secret": secret.expose(),
        "id": id,
        "timestamp": TIMESTAMP.to_string(),
        "body": body,
        "signature": signature,
        "expect": expect,
        "headers": {
            "webhook-id": id,
            "webhook-timestamp": TIMESTAMP.to_string(),
            "webhook-signature": signature,
        },
    })
}
