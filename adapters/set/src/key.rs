//! ES256 keys, and how receivers get them (RFC 7517, RFC 7518 §3.4).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// A coordinate of a point on the curve P-256, in bytes.
const COORDINATE: usize = 32;
/// What an uncompressed point begins with.
const UNCOMPRESSED: u8 = 4;

/// The transmitter's half of a key pair. `Debug` does not show it.
#[derive(Clone)]
pub struct SigningKey {
    pkcs8: Arc<[u8]>,
    pair: Arc<EcdsaKeyPair>,
    public: PublicKey,
}

impl SigningKey {
    /// A new key, from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] when there are none.
    pub fn generate() -> Result<Self, KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Self::from_pkcs8(document.map_err(|_| KeyError::Unusable)?.as_ref())
    }

    /// The key that [`SigningKey::to_pkcs8`] wrote.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] for what is no key of the curve P-256.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes);
        let pair = pair.map_err(|_| KeyError::Unusable)?;
        let public = PublicKey::from_point(pair.public_key().as_ref())?;
        Ok(Self { pkcs8: bytes.into(), pair: Arc::new(pair), public })
    }

    /// Its bytes, to be kept secret: PKCS #8 without encryption.
    pub fn to_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The receivers' half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Unusable)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.kid())
    }
}

/// The receivers' half of a key pair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    x: [u8; COORDINATE],
    y: [u8; COORDINATE],
}

impl PublicKey {
    /// From the uncompressed point: 65 bytes, of which the first is 4 (SEC 1 §2.3.3).
    ///
    /// # Errors
    /// [`KeyError::Unusable`] for other bytes.
    pub fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        let Some((&UNCOMPRESSED, coordinates)) = point.split_first() else { return Err(KeyError::Unusable) };
        let (x, y) = coordinates.split_at_checked(COORDINATE).ok_or(KeyError::Unusable)?;
        let read = |bytes: &[u8]| bytes.try_into().map_err(|_| KeyError::Unusable);
        Ok(Self { x: read(x)?, y: read(y)? })
    }

    /// The uncompressed point.
    pub fn to_point(&self) -> Vec<u8> {
        [&[UNCOMPRESSED], self.x.as_slice(), &self.y].concat()
    }

    /// Its name in tokens and key sets: the thumbprint (RFC 7638).
    pub fn kid(&self) -> String {
        let (x, y) = (encode(&self.x), encode(&self.y));
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        encode(digest(&SHA256, members.as_bytes()).as_ref())
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.to_point()).verify(message, signature).is_ok()
    }

    fn to_jwk(self) -> Jwk {
        Jwk {
            kty: "EC".to_owned(),
            crv: Some("P-256".to_owned()),
            x: Some(encode(&self.x)),
            y: Some(encode(&self.y)),
            kid: Some(self.kid()),
            usage: Some("sig".to_owned()),
            alg: Some("ES256".to_owned()),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid())
    }
}

/// The keys of an issuer: a JWK Set (RFC 7517 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    /// Each with the name that it has in the set.
    keys: Vec<(String, PublicKey)>,
}

impl KeySet {
    /// A set of these.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { keys: keys.into_iter().map(|key| (key.kid(), key)).collect() }
    }

    /// Reads one. Keys of other kinds, for other uses, or without a name are left out.
    ///
    /// # Errors
    /// [`KeyError::Syntax`] for what is no JWK Set.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let set: Jwks = serde_json::from_str(text).map_err(|_| KeyError::Syntax)?;
        let keys = set.keys.into_iter().filter_map(|jwk| serde_json::from_value::<Jwk>(jwk).ok());
        Ok(Self { keys: keys.filter_map(Jwk::into_key).collect() })
    }

    /// The set as text, of the media type `application/jwk-set+json`.
    pub fn to_json(&self) -> String {
        let keys = self.keys.iter().map(|(_, key)| serde_json::to_value(key.to_jwk()).unwrap_or_default());
        serde_json::to_string(&Jwks { keys: keys.collect() }).unwrap_or_default()
    }

    /// The key of that name.
    pub fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|(name, _)| name == kid).map(|(_, key)| key)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
}

impl Jwk {
    fn into_key(self) -> Option<(String, PublicKey)> {
        let is = |value: &Option<String>, wanted: &str| value.as_deref().is_none_or(|value| value == wanted);
        let fits = self.kty == "EC" && self.crv.as_deref() == Some("P-256");
        if !fits || !is(&self.usage, "sig") || !is(&self.alg, "ES256") {
            return None;
        }
        let coordinate = |text: Option<String>| decode(&text?)?.try_into().ok();
        Some((self.kid?, PublicKey { x: coordinate(self.x)?, y: coordinate(self.y)? }))
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Why a key can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is no key of the curve P-256, or the operating system has no random numbers.
    #[error("the key can't be used: it is not an EC key of the curve P-256, or there are no random numbers")]
    Unusable,
    /// It is no JWK Set.
    #[error("the key set is not a JSON object with an array of keys")]
    Syntax,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.3.
    #[test]
    fn the_rfc_s_own_signature_is_verified() {
        let set = r#"{"keys": [{"kty": "oct", "k": "AAAA", "kid": "2"}, {"kty": "EC", "crv": "P-256", "kid": "1",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
        let keys = KeySet::parse(set).unwrap();
        assert_eq!(keys.len(), 1, "keys of other kinds are left out");
        let key = keys.get("1").unwrap();
        let signed = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature =
            decode("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
        assert!(key.verifies(signed.as_bytes(), &signature.unwrap()));
    }

    #[test]
    fn keys_come_back_from_what_is_kept_of_them() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pkcs8(key.to_pkcs8()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(PublicKey::from_point(&key.public_key().to_point()).as_ref(), Ok(key.public_key()));
        assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.public_key().kid()));
        let other = SigningKey::generate().unwrap();
        let set = KeySet::new([*key.public_key(), *other.public_key()]);
        assert_eq!(KeySet::parse(&set.to_json()).unwrap(), set);
        assert_eq!(set.get(&other.public_key().kid()), Some(other.public_key()));
        for bytes in [&[][..], &[4], &[2; 65], &[4; 66]] {
            assert!(PublicKey::from_point(bytes).is_err());
        }
        assert_eq!(KeySet::parse("[]"), Err(KeyError::Syntax));
        assert!(SigningKey::from_pkcs8(b"nonsense").is_err());
    }
}
