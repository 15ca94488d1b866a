//! What endpoints sign with: secrets and Ed25519 keys, and how they change.

use std::collections::HashMap;
use std::time::Duration;

use scim_schema::DateTime;
use scim_sql::{Session, params};
use scim_webhook::{Secret, SigningKey, VerifyingKey};

use super::{Directories, number_of};
use crate::error::DirectoryError;
use crate::id::{EndpointId, random_bytes};

/// How many keys of a kind an endpoint may have whose time is not over, beside the current one.
const OLD_KEYS: i64 = 10;

impl Directories {
    /// Gives an endpoint a new secret to sign with. Until `overlap` is over, deliveries are signed with those
    /// before it too, so that the receiver can change in between: see [`Endpoint::OVERLAP`](crate::Endpoint::OVERLAP).
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`]; [`DirectoryError::Invalid`] when the endpoint would have more than ten old
    /// secrets whose time is not over. Without an overlap it does not come to have more.
    pub async fn rotate_secret(
        &self,
        id: &EndpointId,
        secret: Option<Secret>,
        overlap: Duration,
        now: DateTime,
    ) -> Result<Secret, DirectoryError> {
        let secret = secret.map_or_else(fresh_secret, Ok)?;
        let sealed = self.sealed(secret.as_bytes(), id)?;
        let row = id.clone();
        let end = now.plus(overlap);
        self.database().write(move |session| rotate(session, &row, Key::Secret, &sealed, (now, end))).await?;
        tracing::info!(endpoint = %id, overlap = overlap.as_secs(), "webhook secret rotated");
        Ok(secret)
    }

    /// Gives an endpoint an Ed25519 key to sign with beside the secret, as `v1a`: the first one, or another one.
    /// Until `overlap` is over, deliveries are signed with those before it too. The receiver needs the answer.
    ///
    /// # Errors
    /// As [`Directories::rotate_secret`].
    pub async fn rotate_signing_key(
        &self,
        id: &EndpointId,
        overlap: Duration,
        now: DateTime,
    ) -> Result<VerifyingKey, DirectoryError> {
        let key = SigningKey::from_seed(&random_bytes::<32>()).map_err(|_| DirectoryError::WrongKeys)?;
        let sealed = self.sealed(key.seed(), id)?;
        let row = id.clone();
        let end = now.plus(overlap);
        self.database()
            .write(move |session| rotate(session, &row, Key::Ed25519, &sealed, (now, end)))
            .await?;
        tracing::info!(endpoint = %id, overlap = overlap.as_secs(), "webhook signing key rotated");
        Ok(key.verifying_key())
    }

    /// Ends signing with Ed25519 keys at once.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn remove_signing_keys(&self, id: &EndpointId) -> Result<(), DirectoryError> {
        let id = id.clone();
        self.database()
            .write(move |session| {
                let delete = "DELETE FROM dir_endpoint_keys WHERE endpoint = ?1 AND kind = ?2";
                session.execute(delete, params![number_of(session, &id)?, Key::Ed25519.code()])?;
                Ok(())
            })
            .await
    }

    /// By what receivers verify the `v1a` signatures of an endpoint now, the newest first; none if it has none.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn verifying_keys(
        &self,
        id: &EndpointId,
        now: DateTime,
    ) -> Result<Vec<VerifyingKey>, DirectoryError> {
        let (this, id) = (self.clone(), id.clone());
        self.database()
            .read(move |session| {
                let keys = signing(session, &this, number_of(session, &id)?, id.as_str(), now)?.1;
                Ok(keys.iter().map(SigningKey::verifying_key).collect())
            })
            .await
    }

    /// As [`Directories::verifying_keys`], of all endpoints that have some.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn all_verifying_keys(
        &self,
        now: DateTime,
    ) -> Result<HashMap<EndpointId, Vec<VerifyingKey>>, DirectoryError> {
        let this = self.clone();
        self.database()
            .read(move |session| {
                let select = "SELECT e.id, k.sealed FROM dir_endpoint_keys k
                    JOIN dir_endpoints e ON e.number = k.endpoint
                    WHERE k.kind = ?1 AND (k.expires IS NULL OR k.expires > ?2) ORDER BY k.number DESC";
                let mut all: HashMap<EndpointId, Vec<VerifyingKey>> = HashMap::new();
                session.query(select, params![Key::Ed25519.code(), now.unix_micros()], |row| {
                    let id = EndpointId::stored(row.owned(0)?);
                    let seed = this.keys().open(row.bytes(1)?, id.as_str()).unwrap_or_default();
                    let keys = SigningKey::from_seed(&seed).map(|key| key.verifying_key());
                    all.entry(id).or_default().extend(keys);
                    Ok::<_, DirectoryError>(())
                })?;
                Ok(all)
            })
            .await
    }
}

/// What an endpoint signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// An HMAC secret.
    Secret,
    /// An Ed25519 key.
    Ed25519,
}

impl Key {
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Secret => 0,
            Self::Ed25519 => 1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Ed25519 => "signing_key",
        }
    }
}

pub(super) fn fresh_secret() -> Result<Secret, DirectoryError> {
    Secret::from_bytes(&random_bytes::<32>()).map_err(|_| DirectoryError::WrongKeys)
}

pub(super) fn insert_key(
    session: &Session<'_>,
    endpoint: i64,
    key: Key,
    sealed: &[u8],
    now: DateTime,
) -> Result<(), DirectoryError> {
    let insert = "INSERT INTO dir_endpoint_keys (endpoint, kind, sealed, created) VALUES (?1, ?2, ?3, ?4)";
    session.execute(insert, params![endpoint, key.code(), sealed, now.unix_micros()])?;
    Ok(())
}

/// Ends the current key of a kind at `end`, and makes another the current one at `now`.
fn rotate(
    session: &Session<'_>,
    endpoint: &EndpointId,
    key: Key,
    sealed: &[u8],
    (now, end): (DateTime, DateTime),
) -> Result<(), DirectoryError> {
    let number = number_of(session, endpoint)?;
    let kind = key.code();
    let update = "UPDATE dir_endpoint_keys SET expires = ?3
        WHERE endpoint = ?1 AND kind = ?2 AND expires IS NULL";
    session.execute(update, params![number, kind, end.unix_micros()])?;
    let delete = "DELETE FROM dir_endpoint_keys WHERE endpoint = ?1 AND kind = ?2 AND expires <= ?3";
    session.execute(delete, params![number, kind, now.unix_micros()])?;
    let count = "SELECT count(*) FROM dir_endpoint_keys WHERE endpoint = ?1 AND kind = ?2";
    let count = session.first(count, params![number, kind], |row| row.int(0))?.unwrap_or_default();
    if count > OLD_KEYS {
        let problem = "has ten earlier ones whose time is not over: wait, or rotate without an overlap";
        return Err(DirectoryError::Invalid { field: key.name(), problem });
    }
    insert_key(session, number, key, sealed, now)
}

/// What an endpoint is signed for with now: secrets and Ed25519 keys, the newest first.
pub(crate) fn signing(
    session: &Session<'_>,
    directories: &Directories,
    endpoint: i64,
    id: &str,
    now: DateTime,
) -> Result<(Vec<Secret>, Vec<SigningKey>), DirectoryError> {
    let select = "SELECT kind, sealed FROM dir_endpoint_keys
        WHERE endpoint = ?1 AND (expires IS NULL OR expires > ?2) ORDER BY number DESC";
    let (mut secrets, mut keys) = (Vec::new(), Vec::new());
    session.query(select, params![endpoint, now.unix_micros()], |row| {
        let opened = directories.keys().open(row.bytes(1)?, id).unwrap_or_default();
        if row.int(0)? == Key::Secret.code() {
            secrets.extend(Secret::from_bytes(&opened));
        } else {
            keys.extend(SigningKey::from_seed(&opened));
        }
        Ok::<_, DirectoryError>(())
    })?;
    Ok((secrets, keys))
}
