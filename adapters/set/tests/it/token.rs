//! Signing and verifying.

use proptest::prelude::*;
use scim_set::{Expected, KeySet, SigningKey, VerifyError, sign, sign_as, verify};

const EXPECTED: Expected<'static> =
    Expected { issuer: "https://scim.example.com", audience: "https://app.example.com" };
const CLAIMS: &str = r#"{"jti": "evt_1", "iat": 5, "txn": "req_1",
    "sub_id": {"format": "scim", "uri": "/Users/7"}, "events": {"urn:ietf:params:scim:event:prov:delete": {}}}"#;

fn key() -> (SigningKey, KeySet) {
    let key = SigningKey::generate().unwrap();
    let keys = KeySet::new([*key.public_key()]);
    (key, keys)
}

fn signed(key: &SigningKey, claims: &str) -> String {
    sign(key, EXPECTED.issuer, EXPECTED.audience, claims).unwrap()
}

/// A token of these two parts, signed as they are.
fn forged(key: &SigningKey, header: &str, claims: &str) -> String {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.to_pkcs8()).unwrap();
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

// ledger: 8417-2.2-001, 8417-2.2-002, 9967-5-004
#[test]
fn what_was_signed_is_verified_and_has_the_claims_of_a_set() {
    let (key, keys) = key();
    let set = verify(&signed(&key, CLAIMS), &keys, EXPECTED).unwrap();
    assert_eq!(
        (set.id(), set.transaction(), set.subject().uri.as_str()),
        ("evt_1", Some("req_1"), "/Users/7")
    );
    let names: Vec<&str> = set.claims().keys().collect();
    assert_eq!(names, ["iss", "aud", "jti", "iat", "txn", "sub_id", "events"]);
    let events: Vec<_> = set.events().collect();
    assert_eq!(events.len(), 1);
    assert!(events[0].1.is_empty());
    let through_text = KeySet::parse(&keys.to_json()).unwrap();
    assert!(verify(&format!(" {}\n", signed(&key, CLAIMS)), &through_text, EXPECTED).is_ok());
}

#[test]
fn a_token_of_another_type_is_no_set_though_its_key_is_the_same() {
    let (key, keys) = key();
    let token = signed(&key, CLAIMS);
    let payload = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
    let claims = String::from_utf8(claims).unwrap();
    assert!(verify(&sign_as(&key, "secevent+jwt", &claims).unwrap(), &keys, EXPECTED).is_ok());
    let other = sign_as(&key, "audit+jwt", &claims).unwrap();
    assert_eq!(verify(&other, &keys, EXPECTED), Err(VerifyError::Type));
}

#[test]
fn what_is_not_as_it_must_be_is_refused_with_the_code_of_the_rfc() {
    let (key, keys) = key();
    let token = signed(&key, CLAIMS);
    let check = |token: &str, expected| verify(token, &keys, expected).unwrap_err();
    let code = |error: VerifyError| error.to_set_error().err;
    assert_eq!(check(&token, Expected { issuer: "x", ..EXPECTED }), VerifyError::Issuer);
    assert_eq!(check(&token, Expected { audience: "x", ..EXPECTED }), VerifyError::Audience);
    assert_eq!(code(VerifyError::Issuer), "invalid_issuer");
    assert_eq!(code(VerifyError::Audience), "invalid_audience");
    let other = SigningKey::generate().unwrap();
    assert_eq!(check(&signed(&other, CLAIMS), EXPECTED), VerifyError::UnknownKey);
    assert_eq!(code(VerifyError::UnknownKey), "invalid_key");
    for token in ["", "a.b", "a.b.c", "..", &token.replace('.', "~")] {
        assert_eq!(check(token, EXPECTED), VerifyError::Syntax, "{token}");
    }
    assert_eq!(code(VerifyError::Syntax), "invalid_request");

    let kid = key.public_key().kid();
    let header = |typ: &str, alg: &str, more: &str| {
        format!(r#"{{"typ": "{typ}", "alg": "{alg}", "kid": "{kid}"{more}}}"#)
    };
    let whole = format!(
        r#"{{"iss": "{}", "aud": "{}", {}"#,
        EXPECTED.issuer,
        EXPECTED.audience,
        CLAIMS.trim_start_matches('{')
    );
    let with = |header: &str, claims: &str| verify(&forged(&key, header, claims), &keys, EXPECTED);
    assert!(with(&header("application/SecEvent+JWT", "ES256", ""), &whole).is_ok());
    assert_eq!(with(&header("JWT", "ES256", ""), &whole), Err(VerifyError::Type));
    assert_eq!(with(&header("secevent+jwt", "none", ""), &whole), Err(VerifyError::Algorithm));
    assert_eq!(with(&header("secevent+jwt", "HS256", ""), &whole), Err(VerifyError::Algorithm));
    let crit = header("secevent+jwt", "ES256", r#", "crit": ["b64"], "b64": false"#);
    assert_eq!(with(&crit, &whole), Err(VerifyError::Algorithm));
    let sound = header("secevent+jwt", "ES256", "");
    for (found, wrong, claim) in [
        (r#""jti": "evt_1""#, r#""jti": """#, "jti"),
        (r#""iat": 5"#, r#""iat": "5""#, "iat"),
        (r#""iat": 5"#, r#""iat": 5, "sub": "7""#, "sub"),
        (r#""format": "scim""#, r#""format": "email""#, "sub_id"),
        (r#""uri""#, r#""url""#, "sub_id"),
        (r#"{"urn:ietf:params:scim:event:prov:delete": {}}"#, "{}", "events"),
        (r#":prov:delete": {}"#, r#":prov:delete": []"#, "events"),
    ] {
        assert!(whole.contains(found), "{found}");
        assert_eq!(with(&sound, &whole.replace(found, wrong)), Err(VerifyError::Claim(claim)), "{wrong}");
    }
}

#[test]
fn claims_do_not_name_issuer_and_audience_themselves() {
    let (key, keys) = key();
    let claims = format!(r#"{{"iss": "evil", "aud": ["evil"], {}"#, CLAIMS.trim_start_matches('{'));
    assert!(verify(&signed(&key, &claims), &keys, EXPECTED).is_ok());
}

#[test]
fn no_changed_character_goes_unnoticed() {
    let (key, keys) = key();
    let token = signed(&key, CLAIMS);
    proptest!(|(at in 0..token.len(), to in "[A-Za-z0-9_.-]")| {
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        // The last character of a signature has two bits that say nothing; decoders refuse them if they are not 0.
        prop_assert_eq!(verify(&changed, &keys, EXPECTED).is_ok(), changed == token);
    });
}
