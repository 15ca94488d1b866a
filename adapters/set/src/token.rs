//! Signing and verifying: JWS compact serialisation (RFC 7515 §7.1) of the type `secevent+jwt` (RFC 8417 §2.3).

use scim_schema::{JsonLimits, Object, Value, parse_json, write_json};

use crate::claims::SubjectId;
use crate::error::{ErrorCode, SetError};
use crate::key::{KeyError, KeySet, SigningKey, decode, encode};

/// The `typ` of a SET.
const TYPE: &str = "secevent+jwt";
const ALGORITHM: &str = "ES256";

/// Signs claims, as [`Claims::to_json`](crate::Claims::to_json) wrote them, for one receiver.
///
/// # Errors
/// [`KeyError`] when the key can't sign.
pub fn sign(key: &SigningKey, issuer: &str, audience: &str, claims: &str) -> Result<String, KeyError> {
    let mut signed = Object::with_capacity(10);
    signed.push("iss", issuer);
    signed.push("aud", vec![Value::from(audience)]);
    if let Ok(claims) = serde_json::from_str::<Object>(claims) {
        for (name, value) in claims {
            if !matches!(name.as_str(), "iss" | "aud") {
                signed.push(&name, value);
            }
        }
    }
    sign_as(key, TYPE, &write_json(&signed).unwrap_or_default())
}

/// Signs claims, which are a JSON object, as a token of a type of one's own, with a key that SETs are signed with: by
/// its type it is told from a SET (RFC 8725 §3.11).
///
/// # Errors
/// [`KeyError`] when the key can't sign.
pub fn sign_as(key: &SigningKey, typ: &str, claims: &str) -> Result<String, KeyError> {
    let mut header = Object::with_capacity(3);
    header.push("typ", typ);
    header.push("alg", ALGORITHM);
    header.push("kid", key.public_key().kid());
    let header = write_json(&header).unwrap_or_default();
    let mut token = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&encode(&signature));
    Ok(token)
}

/// Whose SETs a receiver takes.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be written by callers")]
pub struct Expected<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The receiver's own name.
    pub audience: &'a str,
}

/// What a genuine SET says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    claims: Object,
    id: String,
    subject: SubjectId,
}

impl Verified {
    /// The `jti`, by which a receiver tells a SET that it has already.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The `txn`.
    pub fn transaction(&self) -> Option<&str> {
        self.claims.get("txn").and_then(Value::as_str)
    }

    /// Whom it is about.
    pub fn subject(&self) -> &SubjectId {
        &self.subject
    }

    /// The events: their URIs and payloads.
    pub fn events(&self) -> impl Iterator<Item = (&str, &Object)> {
        let events = self.claims.get("events").and_then(Value::as_object);
        events.into_iter().flat_map(Object::iter).filter_map(|(uri, event)| Some((uri, event.as_object()?)))
    }

    /// All claims.
    pub fn claims(&self) -> &Object {
        &self.claims
    }
}

/// Checks a SET as a receiver must before it believes it: type, algorithm, signature, issuer, audience, and that
/// the claims are there which a SET of the SCIM profile has.
///
/// Only ES256 is believed, whatever the token says of itself. There is no check of time: a SET tells of the past,
/// and comes again until it is acknowledged.
///
/// # Errors
/// [`VerifyError`]; [`VerifyError::to_set_error`] is what to answer.
pub fn verify(token: &str, keys: &KeySet, expected: Expected<'_>) -> Result<Verified, VerifyError> {
    let token = token.trim_ascii();
    let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::Syntax)?;
    let (header, payload) = signed.split_once('.').ok_or(VerifyError::Syntax)?;
    let header = object(header).ok_or(VerifyError::Syntax)?;
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let typ = text("typ").unwrap_or_default();
    let typ = typ.strip_prefix("application/").unwrap_or(typ);
    if !typ.eq_ignore_ascii_case(TYPE) {
        return Err(VerifyError::Type);
    }
    if text("alg") != Some(ALGORITHM) || header.contains("crit") {
        return Err(VerifyError::Algorithm);
    }
    let key = text("kid").and_then(|kid| keys.get(kid)).ok_or(VerifyError::UnknownKey)?;
    let signature = decode(signature).ok_or(VerifyError::Syntax)?;
    if !key.verifies(signed.as_bytes(), &signature) {
        return Err(VerifyError::Signature);
    }
    let claims = object(payload).ok_or(VerifyError::Syntax)?;
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err(VerifyError::Issuer);
    }
    let names = |value: &Value| value.as_str() == Some(expected.audience);
    let is_named = |aud: &Value| names(aud) || aud.as_array().is_some_and(|all| all.iter().any(names));
    if !claims.get("aud").is_some_and(is_named) {
        return Err(VerifyError::Audience);
    }
    let id = claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty());
    let id = id.ok_or(VerifyError::Claim("jti"))?.to_owned();
    if claims.get("iat").and_then(Value::as_i64).is_none() {
        return Err(VerifyError::Claim("iat"));
    }
    if claims.contains("sub") {
        return Err(VerifyError::Claim("sub"));
    }
    let subject = SubjectId::of(&claims).ok_or(VerifyError::Claim("sub_id"))?;
    let events = claims.get("events").and_then(Value::as_object);
    let sound = |events: &&Object| !events.is_empty() && events.iter().all(|(_, e)| e.as_object().is_some());
    events.filter(sound).ok_or(VerifyError::Claim("events"))?;
    Ok(Verified { claims, id, subject })
}

fn object(part: &str) -> Option<Object> {
    match parse_json(&decode(part)?, JsonLimits::default()) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// Why a SET is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It is not three parts of base64url with JSON objects in the first two.
    #[error("the SET is not a signed token")]
    Syntax,
    /// It is a token of another type, such as an access token.
    #[error("the token's type is not secevent+jwt")]
    Type,
    /// It is signed in another way, or asks for extensions of the signature.
    #[error("the SET is not signed with ES256")]
    Algorithm,
    /// The key set does not have the key: read it again, once.
    #[error("the SET is signed with an unknown key")]
    UnknownKey,
    /// The signature is not of this key and text.
    #[error("the signature does not match")]
    Signature,
    /// It is of another issuer.
    #[error("the SET is of another issuer")]
    Issuer,
    /// It is for another receiver.
    #[error("the SET is for another receiver")]
    Audience,
    /// A claim is missing, of another form, or must not be there.
    #[error("the claim {0} is not as it must be")]
    Claim(&'static str),
}

impl VerifyError {
    /// What to answer to the transmitter.
    pub fn to_set_error(self) -> SetError {
        let code = match self {
            Self::UnknownKey | Self::Signature => ErrorCode::InvalidKey,
            Self::Issuer => ErrorCode::InvalidIssuer,
            Self::Audience => ErrorCode::InvalidAudience,
            _ => ErrorCode::InvalidRequest,
        };
        SetError::new(code, self.to_string())
    }
}
