//! The keys that security event tokens and audit exports are signed with.

use std::sync::PoisonError;

use scim_schema::DateTime;
use scim_set::{KeySet, PublicKey, SigningKey};
use scim_sql::{Session, params};

use super::{Directories, exclude};
use crate::error::DirectoryError;

impl Directories {
    /// The public keys of the issuer, the current one first: what receivers verify SETs with. Keys that were
    /// replaced stay, so that what they signed can still be verified.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn set_keys(&self) -> Result<KeySet, DirectoryError> {
        let points = self
            .database()
            .read(|session| {
                let select = "SELECT point FROM dir_set_keys ORDER BY number DESC";
                session.all(select, params![], |row| Ok::<_, DirectoryError>(row.bytes(0)?.to_vec()))
            })
            .await?;
        Ok(KeySet::new(points.iter().filter_map(|point| PublicKey::from_point(point).ok())))
    }

    /// Signs with a new key from now on, and forgets the private half of the one before. Answers the new key's
    /// name. Receivers find its public half in the key set when they first meet it.
    ///
    /// # Errors
    /// When the database can't do it.
    pub async fn rotate_set_key(&self, now: DateTime) -> Result<String, DirectoryError> {
        let key = self.new_set_key(now, true).await?;
        let kid = key.public_key().kid();
        tracing::info!(kid, "key of security event tokens replaced");
        Ok(kid)
    }

    /// Takes a replaced key out of the key set: after it became known to others, nothing that it signed may be
    /// believed.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] for the current key and one that is not there.
    pub async fn withdraw_set_key(&self, kid: &str) -> Result<(), DirectoryError> {
        let row = kid.to_owned();
        self.database()
            .write(move |session| {
                let delete = "DELETE FROM dir_set_keys WHERE kid = ?1 AND retired IS NOT NULL";
                match session.execute(delete, params![&row])? {
                    0 => Err(DirectoryError::NotFound { what: "replaced key" }),
                    _ => Ok(()),
                }
            })
            .await?;
        tracing::info!(kid, "key of security event tokens withdrawn");
        Ok(())
    }

    /// The key to sign with, SETs and what else is verified with [`Directories::set_keys`]; made when it is first needed.
    ///
    /// # Errors
    /// When the database can't answer, or the keys do not open it.
    pub async fn set_signing_key(&self, now: DateTime) -> Result<SigningKey, DirectoryError> {
        let known = self.inner.set_key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let current = self.database().look_up(current).await?;
        let Some((kid, sealed)) = current else { return self.new_set_key(now, false).await };
        if let Some(key) = known.filter(|key| key.public_key().kid() == kid) {
            return Ok(key);
        }
        let key = self.opened(&kid, &sealed)?;
        *self.inner.set_key.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        Ok(key)
    }

    /// Makes a key; without `replace` only if there is none. Of several processes that ask at the same time, one
    /// makes it.
    async fn new_set_key(&self, now: DateTime, replace: bool) -> Result<SigningKey, DirectoryError> {
        let fresh = SigningKey::generate()?;
        let kid = fresh.public_key().kid();
        let sealed = self.keys().seal(fresh.to_pkcs8(), &kid).ok_or(DirectoryError::WrongKeys)?;
        let (point, name) = (fresh.public_key().to_point(), kid.clone());
        let (kid, sealed) = self
            .database()
            .write(move |session| {
                exclude(session)?;
                if let Some(there) = current(session)?.filter(|_| !replace) {
                    return Ok::<_, DirectoryError>(there);
                }
                let update = "UPDATE dir_set_keys SET retired = ?1, sealed = NULL WHERE retired IS NULL";
                session.execute(update, params![now.unix_micros()])?;
                let insert = "INSERT INTO dir_set_keys (kid, sealed, point, created) VALUES (?1, ?2, ?3, ?4)";
                let values = params![&name, sealed.as_slice(), point.as_slice(), now.unix_micros()];
                session.execute(insert, values)?;
                Ok((name.clone(), sealed.clone()))
            })
            .await?;
        self.opened(&kid, &sealed)
    }

    fn opened(&self, kid: &str, sealed: &[u8]) -> Result<SigningKey, DirectoryError> {
        let plain = self.keys().open(sealed, kid).ok_or(DirectoryError::WrongKeys)?;
        Ok(SigningKey::from_pkcs8(&plain)?)
    }
}

/// Name and sealed bytes of the current key.
fn current(session: &Session<'_>) -> Result<Option<(String, Vec<u8>)>, DirectoryError> {
    let select = "SELECT kid, sealed FROM dir_set_keys WHERE retired IS NULL ORDER BY number DESC LIMIT 1";
    session.first(select, params![], |row| Ok((row.owned(0)?, row.bytes(1)?.to_vec())))
}
