use std::collections::HashMap;

use proptest::prelude::*;
use scim_webhook::{Secret, SecretError, VerifyError, headers, sign, verify};

#[derive(serde::Deserialize)]
struct Vector {
    name: String,
    secret: String,
    id: String,
    timestamp: String,
    body: String,
    signature: String,
    expect: String,
    now: Option<String>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../data/vectors.json")).unwrap()
}

fn check(secret: &Secret, sent: &[(&'static str, String)], body: &[u8], now: i64) -> Result<(), VerifyError> {
    let sent: HashMap<&str, &str> = sent.iter().map(|(n, v)| (*n, v.as_str())).collect();
    verify(secret, |name| sent.get(name).copied(), body, now).map(|_| ())
}

// mission: M-71, M-72
#[test]
fn each_vector_is_judged_as_by_the_known_libraries() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 17);
    for v in vectors {
        let secret = Secret::parse(&v.secret).unwrap();
        let sent = [
            ("webhook-id", v.id.clone()),
            ("webhook-timestamp", v.timestamp.clone()),
            ("webhook-signature", v.signature.clone()),
        ];
        let now = v.now.as_ref().unwrap_or(&v.timestamp).parse().unwrap();
        let verdict = check(&secret, &sent, v.body.as_bytes(), now);
        assert_eq!(verdict.is_ok(), v.expect == "ok", "{}: {verdict:?}", v.name);
    }
}

// mission: M-71
#[test]
fn signatures_are_those_of_the_vectors() {
    let simple =
        |v: &&Vector| v.expect == "ok" && v.signature.starts_with("v1,") && !v.signature.contains(' ');
    let vectors = vectors();
    let mut checked = 0;
    for v in vectors.iter().filter(simple) {
        let secret = Secret::parse(&v.secret).unwrap();
        let signature = sign(&[&secret], &[], &v.id, v.timestamp.parse().unwrap(), v.body.as_bytes());
        assert_eq!(signature, v.signature, "{}", v.name);
        checked += 1;
    }
    assert_eq!(checked, 8);
    let (new, old) = (secret(&bytes(32)), secret(&bytes(0)));
    let rotation = vectors.iter().find(|v| v.id == "msg_rot").unwrap();
    let signature = sign(&[&new, &old], &[], "msg_rot", 1_767_225_600, rotation.body.as_bytes());
    assert_eq!(signature, rotation.signature);
}

fn bytes(first: u8) -> Vec<u8> {
    (first..first + 32).collect()
}

fn secret(bytes: &[u8]) -> Secret {
    Secret::from_bytes(bytes).unwrap()
}

#[test]
fn secrets_are_read_strictly_and_never_shown_by_accident() {
    let written = secret(&bytes(0)).expose();
    assert_eq!(written, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    assert_eq!(Secret::parse(&written).unwrap().as_bytes(), bytes(0));
    assert_eq!(format!("{:?}", secret(&bytes(0))), "Secret(…)");
    let error = |text: &str| Secret::parse(text).unwrap_err();
    assert_eq!(error("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), SecretError::Prefix);
    assert_eq!(error("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), SecretError::Base64);
    assert_eq!(error("whsec_-_ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), SecretError::Base64);
    assert_eq!(error("whsec_AAEC"), SecretError::Length);
    assert_eq!(Secret::from_bytes(&[1; 23]).unwrap_err(), SecretError::Length);
    assert_eq!(Secret::from_bytes(&[1; 65]).unwrap_err(), SecretError::Length);
    assert!(Secret::from_bytes(&[1; 24]).is_ok() && Secret::from_bytes(&[1; 64]).is_ok());
}

// mission: M-72
#[test]
fn missing_and_broken_headers_are_refused() {
    let secret = secret(&bytes(0));
    let sent = headers(&[&secret], &[], "evt_1", 1000, b"{}");
    assert_eq!(check(&secret, &sent, b"{}", 1000), Ok(()));
    for left_out in 0..3 {
        let mut fewer = sent.to_vec();
        fewer.remove(left_out);
        assert_eq!(check(&secret, &fewer, b"{}", 1000), Err(VerifyError::MissingHeader));
    }
    let mut fraction = sent.to_vec();
    fraction[1].1.push_str(".5");
    assert_eq!(check(&secret, &fraction, b"{}", 1000), Err(VerifyError::Timestamp));
    assert_eq!(check(&secret, &sent, b"{}", 1301), Err(VerifyError::TooOld));
    assert_eq!(check(&secret, &sent, b"{}", 699), Err(VerifyError::TooNew));
}

// mission: M-15
#[test]
fn an_independent_library_accepts_what_is_signed_and_refuses_what_is_changed() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (old, new) = (secret(&bytes(0)), secret(&bytes(32)));
    let body = r#"{"name": "Zo\u00eb", "groups": ["a"]}"#.as_bytes();
    let sent = headers(&[&new, &old], &[], "evt_1", now.try_into().unwrap(), body);
    for secret in [&new, &old] {
        let theirs = standardwebhooks::Webhook::new(&secret.expose()).unwrap();
        assert!(theirs.verify(body, &header_map(&sent)).is_ok());
        assert!(theirs.verify(b"{}", &header_map(&sent)).is_err());
    }
    let theirs = standardwebhooks::Webhook::new(&new.expose()).unwrap();
    let signature = theirs.sign("evt_2", now.try_into().unwrap(), body).unwrap();
    let sent = [
        ("webhook-id", "evt_2".into()),
        ("webhook-timestamp", now.to_string()),
        ("webhook-signature", signature),
    ];
    assert_eq!(check(&new, &sent, body, now.try_into().unwrap()), Ok(()));
}

fn header_map(sent: &[(&'static str, String)]) -> http::HeaderMap {
    sent.iter().map(|(n, v)| (http::HeaderName::from_static(n), v.parse().unwrap())).collect()
}

proptest! {
    // mission: M-72
    #[test]
    fn one_changed_byte_is_refused(
        key in proptest::collection::vec(any::<u8>(), 24..=64),
        body in proptest::collection::vec(any::<u8>(), 1..200),
        at in any::<proptest::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let secret = Secret::from_bytes(&key).unwrap();
        let sent = headers(&[&secret], &[], "evt_1", 1_000_000, &body);
        prop_assert_eq!(check(&secret, &sent, &body, 1_000_000), Ok(()));
        let mut changed = body.clone();
        changed[at.index(body.len())] ^= 1 << bit;
        prop_assert_eq!(check(&secret, &sent, &changed, 1_000_000), Err(VerifyError::NoMatch));
        for header in 0..3 {
            let mut sent = sent.to_vec();
            let mut text = sent[header].1.clone().into_bytes();
            let at = at.index(text.len());
            text[at] = if text[at] == b'1' { b'2' } else { b'1' };
            sent[header].1 = String::from_utf8(text).unwrap();
            prop_assert!(check(&secret, &sent, &body, 1_000_000).is_err());
        }
    }
}
