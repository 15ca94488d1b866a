//! Signatures of many payloads, each of them verified by somebody else's library too.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, Verifier as _};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use scim_webhook::{
    Acknowledge, Delivery, KeyError, Outcome, Secret, Sender, SenderConfig, SigningKey, VerifyError,
    VerifyingKey, headers, sign, verify, verify_asymmetric,
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::{NOW, keep_all};

fn keys() -> (Secret, SigningKey) {
    (Secret::from_bytes(&[9; 32]).unwrap(), SigningKey::from_seed(&[7; 32]).unwrap())
}

/// JSON of any shape: non-ASCII text, floats, empty objects; pretty, compact, or with what is not ASCII escaped;
/// also empty, and text that is no JSON.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-zäß名🙂\u{200d}\u{0}]{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    });
    let text = (value, 0..3_u8).prop_map(|(value, form)| match form {
        0 => value.to_string(),
        1 => serde_json::to_string_pretty(&value).unwrap(),
        _ => value.to_string().chars().fold(String::new(), |mut text, c| {
            if c.is_ascii() {
                text.push(c);
            } else {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
            }
            text
        }),
    });
    // The other library takes UTF-8 only, which JSON is.
    let other = prop_oneof![Just(String::new()), ".{0,1000}", any::<String>()];
    prop_oneof![4 => text, 1 => other].prop_map(String::into_bytes)
}

// mission: M-14, M-15, M-71
#[tokio::test]
async fn what_is_signed_is_what_is_sent_and_others_verify_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let receiver = tokio::spawn(async move {
        // All over one connection, which is kept.
        let (stream, _) = listener.accept().await.unwrap();
        keep_all(stream).await
    });
    let mut runner = TestRunner::deterministic();
    let bodies: Vec<Vec<u8>> =
        (0..1_000).map(|_| payload().new_tree(&mut runner).unwrap().current()).collect();
    let now: i64 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap();
    let (secret, key) = keys();
    let sender = Sender::new(SenderConfig { allow_loopback_http: true, ..SenderConfig::default() }).unwrap();
    for (number, body) in bodies.iter().enumerate() {
        let delivery = Delivery {
            url: &url,
            id: &format!("evt_{number}"),
            timestamp: now,
            body: body.clone().into(),
            secrets: &[&secret],
            signing_keys: &[&key],
            headers: &[],
            acknowledge: Acknowledge::default(),
        };
        assert_eq!(sender.send(&delivery).await.outcome, Outcome::Delivered { status: 204 });
    }
    drop(sender);
    let received = receiver.await.unwrap();
    assert_eq!(received.len(), bodies.len());

    let theirs = standardwebhooks::Webhook::new(&secret.expose()).unwrap();
    let dalek = dalek(&key).verifying_key();
    for (number, (received, body)) in received.iter().zip(&bodies).enumerate() {
        assert_eq!(&received.body, body);
        let header = |name: &str| received.header(name);
        assert_eq!(verify(&secret, header, body, now).unwrap().id, format!("evt_{number}"));
        assert!(verify_asymmetric(&key.verifying_key(), header, body, now).is_ok());
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let map: http::HeaderMap = names
            .iter()
            .map(|name| (http::HeaderName::from_static(name), header(name).unwrap().parse().unwrap()))
            .collect();
        // It skips the v1a signature behind its own.
        assert!(theirs.verify(body, &map).is_ok());
        let message = [format!("evt_{number}.{now}.").as_bytes(), body].concat();
        let signature = header("webhook-signature").unwrap().split_once(" v1a,").unwrap().1;
        assert!(dalek.verify(&message, &signature_of(signature)).is_ok());
    }
}

fn dalek(key: &SigningKey) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(key.seed().try_into().unwrap())
}

fn signature_of(base64: &str) -> ed25519_dalek::Signature {
    let bytes = STANDARD.decode(base64).unwrap();
    ed25519_dalek::Signature::from_slice(&bytes).unwrap()
}

// mission: M-71
#[test]
fn what_others_sign_is_verified() {
    let (secret, key) = keys();
    let (theirs, dalek) = (standardwebhooks::Webhook::new(&secret.expose()).unwrap(), dalek(&key));
    let mut runner = TestRunner::deterministic();
    for number in 0..1_000 {
        let body = payload().new_tree(&mut runner).unwrap().current();
        let (id, timestamp) = (format!("msg_{number}"), NOW.to_string());
        let signed = [format!("{id}.{timestamp}.").as_bytes(), &body].concat();
        let asymmetric = STANDARD.encode(dalek.sign(&signed).to_bytes());
        let symmetric = theirs.sign(&id, NOW, &body).unwrap();
        let signatures = format!("{symmetric} v1a,{asymmetric}");
        assert_eq!(sign(&[&secret], &[&key], &id, NOW, &body), signatures);
        let header = |name: &str| match name {
            "webhook-id" => Some(id.as_str()),
            "webhook-timestamp" => Some(timestamp.as_str()),
            _ => Some(signatures.as_str()),
        };
        assert!(verify(&secret, header, &body, NOW).is_ok());
        assert!(verify_asymmetric(&key.verifying_key(), header, &body, NOW).is_ok());
    }
}

#[derive(serde::Deserialize)]
struct Vector {
    signing_key: String,
    verifying_key: String,
    id: String,
    timestamp: String,
    body: String,
    signature: String,
}

/// Made with OpenSSL from keys of RFC 8032 §7.1.
#[test]
fn asymmetric_signatures_are_those_of_the_vectors() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../data/asymmetric.json")).unwrap();
    assert_eq!(vectors.len(), 20);
    for v in vectors {
        let key = SigningKey::parse(&v.signing_key).unwrap();
        assert_eq!(key.expose(), v.signing_key);
        assert_eq!(key.verifying_key().to_string(), v.verifying_key);
        assert_eq!(VerifyingKey::parse(&v.verifying_key).unwrap(), key.verifying_key());
        let signature = sign(&[], &[&key], &v.id, v.timestamp.parse().unwrap(), v.body.as_bytes());
        assert_eq!(signature, v.signature);
    }
}

#[test]
fn keys_are_read_strictly_and_never_shown_by_accident() {
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let (written, public) = (key.expose(), key.verifying_key().to_string());
    assert_eq!(format!("{key:?}"), "SigningKey(…)");
    assert_eq!((written.len(), public.len()), (5 + 88, 5 + 44));
    let seed_only = format!("whsk_{}", STANDARD.encode([7; 32]));
    assert_eq!(SigningKey::parse(&seed_only).unwrap().expose(), written);
    let error = |text: &str| SigningKey::parse(text).unwrap_err();
    assert_eq!(error(&public), KeyError::Prefix("whsk_"));
    assert_eq!(error("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), KeyError::Prefix("whsk_"));
    assert_eq!(error(written.trim_end_matches('=')), KeyError::Base64);
    assert_eq!(error("whsk_AAEC"), KeyError::Length);
    assert_eq!(error(&format!("whsk_{}", STANDARD.encode([7; 33]))), KeyError::Length);
    assert_eq!(error(&format!("whsk_{}", STANDARD.encode([7; 64]))), KeyError::Halves);
    assert_eq!(SigningKey::from_seed(&[7; 31]).unwrap_err(), KeyError::Length);
    assert_eq!(VerifyingKey::parse(&written).unwrap_err(), KeyError::Prefix("whpk_"));
    assert_eq!(VerifyingKey::parse("whpk_AAEC").unwrap_err(), KeyError::Length);
}

/// A verifier of one of the two kinds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Symmetric,
    Asymmetric,
}

fn check(kind: Kind, sent: &[(&str, String)], body: &[u8], now: i64) -> Result<(), VerifyError> {
    let (secret, key) = keys();
    let header = |name: &str| sent.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
    match kind {
        Kind::Symmetric => verify(&secret, header, body, now).map(|_| ()),
        Kind::Asymmetric => verify_asymmetric(&key.verifying_key(), header, body, now).map(|_| ()),
    }
}

fn signed(kind: Kind, body: &[u8]) -> [(&'static str, String); 3] {
    let (secret, key) = keys();
    match kind {
        Kind::Symmetric => headers(&[&secret], &[], "evt_0198c1a2", NOW, body),
        Kind::Asymmetric => headers(&[], &[&key], "evt_0198c1a2", NOW, body),
    }
}

// mission: M-72
#[test]
fn ten_thousand_changed_bytes_are_refused() {
    let mut runner = TestRunner::deterministic();
    let mut refused = 0;
    for kind in [Kind::Symmetric, Kind::Asymmetric] {
        for _ in 0..1_250 {
            let mut body = payload().new_tree(&mut runner).unwrap().current();
            body.push(b'\n');
            let sent = signed(kind, &body);
            assert_eq!(check(kind, &sent, &body, NOW), Ok(()));
            // Id, timestamp and signature: another printable character somewhere.
            for header in 0..3 {
                let mut sent = sent.clone();
                let mut text = sent[header].1.clone().into_bytes();
                let change = (any::<prop::sample::Index>(), 1..94_u8);
                let (at, by) = change.new_tree(&mut runner).unwrap().current();
                let at = at.index(text.len());
                text[at] = b' ' + 1 + (text[at] - b' ' - 1 + by) % 94;
                sent[header].1 = String::from_utf8(text).unwrap();
                assert!(check(kind, &sent, &body, NOW).is_err(), "{kind:?} {sent:?}");
                refused += 1;
            }
            let change = (any::<prop::sample::Index>(), 1..=255_u8);
            let (at, by) = change.new_tree(&mut runner).unwrap().current();
            let at = at.index(body.len());
            body[at] = body[at].wrapping_add(by);
            assert_eq!(check(kind, &sent, &body, NOW), Err(VerifyError::NoMatch));
            refused += 1;
        }
    }
    assert_eq!(refused, 10_000);
}

// mission: M-72, M-85
#[test]
fn four_minutes_off_is_accepted_and_six_are_not() {
    for kind in [Kind::Symmetric, Kind::Asymmetric] {
        let sent = signed(kind, b"{}");
        for (off, expected) in [
            (240, Ok(())),
            (-240, Ok(())),
            (300, Ok(())),
            (-300, Ok(())),
            (301, Err(VerifyError::TooOld)),
            (-301, Err(VerifyError::TooNew)),
            (360, Err(VerifyError::TooOld)),
            (-360, Err(VerifyError::TooNew)),
            (i64::MAX - NOW, Err(VerifyError::TooOld)),
        ] {
            assert_eq!(check(kind, &sent, b"{}", NOW + off), expected, "{kind:?} {off}");
        }
        // Who replays an old delivery can't give it a new time: the time is signed.
        let mut newer = sent.to_vec();
        newer[1].1 = (NOW + 3600).to_string();
        assert_eq!(check(kind, &newer, b"{}", NOW + 3600), Err(VerifyError::NoMatch));
    }
}

// mission: M-71, M-86
#[test]
fn all_signatures_go_into_one_header_the_symmetric_ones_first() {
    let (secret, key) = keys();
    let (old, old_key) = (Secret::from_bytes(&[8; 24]).unwrap(), SigningKey::from_seed(&[6; 32]).unwrap());
    let value = sign(&[&secret, &old], &[&key, &old_key], "evt_1", NOW, b"{}");
    let entries: Vec<(&str, &str)> = value.split(' ').map(|e| e.split_once(',').unwrap()).collect();
    let versions: Vec<&str> = entries.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, ["v1", "v1", "v1a", "v1a"]);
    // Verifiers compare the length first, and some give up on a v1 signature that is not 32 bytes.
    assert!(entries.iter().all(|(version, text)| text.len() == if *version == "v1" { 44 } else { 88 }));
    let sent = headers(&[&secret, &old], &[&key, &old_key], "evt_1", NOW, b"{}");
    let header = |name: &str| sent.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
    for secret in [&secret, &old] {
        assert!(verify(secret, header, b"{}", NOW).is_ok());
    }
    for key in [&key, &old_key] {
        assert!(verify_asymmetric(&key.verifying_key(), header, b"{}", NOW).is_ok());
    }
    let other = SigningKey::from_seed(&[5; 32]).unwrap().verifying_key();
    assert_eq!(verify_asymmetric(&other, header, b"{}", NOW), Err(VerifyError::NoMatch));
    // A signature of the other version is none.
    let only_v1 = headers(&[&secret], &[], "evt_1", NOW, b"{}");
    assert_eq!(check(Kind::Asymmetric, &only_v1, b"{}", NOW), Err(VerifyError::NoMatch));
    let only_v1a = headers(&[], &[&key], "evt_1", NOW, b"{}");
    assert_eq!(check(Kind::Symmetric, &only_v1a, b"{}", NOW), Err(VerifyError::NoMatch));
}
