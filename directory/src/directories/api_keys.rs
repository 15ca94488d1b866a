//! Keys of the programs that may ask for what is here.

use std::time::Duration;

use scim_schema::DateTime;
use scim_sql::{Row, Session, params};

use super::credential::{Credential, fits, parts};
use super::{Directories, check_name, exclude, split};
use crate::error::DirectoryError;
use crate::id::ApiKeyId;
use crate::model::{ApiKey, IssuedApiKey, Scope, Token};

const PREFIX: &str = "skc_";

impl Directories {
    /// Makes a key: `skc_<key id>_<secret>`. The text can't be had again. Without `lifetime` it has no end.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] for an empty or overlong name, or no scope.
    pub async fn create_api_key(
        &self,
        name: &str,
        scopes: &[Scope],
        lifetime: Option<Duration>,
        now: DateTime,
    ) -> Result<IssuedApiKey, DirectoryError> {
        let fresh = self.fresh_api_key(name, scopes, lifetime, now)?;
        let row = fresh.clone();
        self.database().write(move |session| row.insert(session)).await?;
        Ok(fresh.issued())
    }

    /// Makes a key that may do everything, if there has never been one. Of several processes that ask at the same
    /// time, one gets it.
    ///
    /// # Errors
    /// When the database can't do it.
    pub async fn create_first_api_key(
        &self,
        name: &str,
        now: DateTime,
    ) -> Result<Option<IssuedApiKey>, DirectoryError> {
        let fresh = self.fresh_api_key(name, Scope::ALL, None, now)?;
        let row = fresh.clone();
        let is_first = self
            .database()
            .write(move |session| {
                exclude(session)?;
                let select = "SELECT 1 FROM dir_api_keys LIMIT 1";
                if session.first(select, params![], |_| Ok::<_, DirectoryError>(()))?.is_some() {
                    return Ok::<_, DirectoryError>(false);
                }
                row.insert(session)?;
                Ok(true)
            })
            .await?;
        Ok(is_first.then(|| fresh.issued()))
    }

    /// Takes a key whose text was made elsewhere: `skc_`, 16 letters or digits, `_`, 43 letters or digits. Answers
    /// whether it is new. One that is known stays as it is, also if it was revoked.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] for a text that can't be a key's, an empty or overlong name, or no scope.
    pub async fn adopt_api_key(
        &self,
        plain: &str,
        name: &str,
        scopes: &[Scope],
        now: DateTime,
    ) -> Result<bool, DirectoryError> {
        let problem = "is not skc_, 16 letters or digits, _, and 43 letters or digits";
        let wrong = DirectoryError::Invalid { field: "the API key", problem };
        let credential = Credential::given(PREFIX, plain, self.keys()).ok_or(wrong)?;
        let made = self.fresh_api_key(name, scopes, None, now)?.key;
        let key = ApiKey { suffix: credential.suffix.clone(), ..made };
        let (id, row) = (key.id.clone(), FreshKey { key, credential });
        let is_new = self.database().write(move |session| row.insert(session)).await? > 0;
        if is_new {
            tracing::info!(key = %id, "API key taken over");
        }
        Ok(is_new)
    }

    /// All keys, the oldest first.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, DirectoryError> {
        self.database()
            .read(|session| {
                let select = format!("{SELECT} ORDER BY created, id");
                session.all(&select, params![], read)
            })
            .await
    }

    /// Ends a key, at once. Answers whether it was good until now.
    ///
    /// # Errors
    /// When the database can't do it.
    pub async fn revoke_api_key(&self, id: &ApiKeyId, now: DateTime) -> Result<bool, DirectoryError> {
        let row = id.clone();
        let ended = self.database().write(move |session| {
            let update = "UPDATE dir_api_keys SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL";
            Ok::<_, DirectoryError>(session.execute(update, params![row.as_str(), now.unix_micros()])?)
        });
        let revoked = ended.await? > 0;
        if revoked {
            tracing::info!(key = %id, "API key revoked");
        }
        Ok(revoked)
    }

    /// The key of that text; `None` for one that is unknown, expired or revoked. The work is the same in all these
    /// cases.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn authenticate_api_key(
        &self,
        plain: &str,
        now: DateTime,
    ) -> Result<Option<ApiKey>, DirectoryError> {
        let (key_id, secret) = parts(PREFIX, plain);
        let wanted = key_id.to_owned();
        let found = self
            .database()
            .look_up(move |session| {
                let select = format!("{SELECT} WHERE key_id = ?1");
                session.first(&select, params![&wanted], |row| {
                    // A hash of another length is that of no key.
                    let hash: [u8; 32] = row.bytes(8)?.try_into().unwrap_or([0; 32]);
                    Ok::<_, DirectoryError>((read(row)?, hash))
                })
            })
            .await?;
        let is_right = fits(self.keys(), secret, found.as_ref().map(|(_, hash)| *hash));
        let Some((key, _)) = found.filter(|_| is_right) else { return Ok(None) };
        if key.revoked.is_some() || key.expires.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        self.record_key_use(&key, now).await;
        Ok(Some(key))
    }

    /// Notes that a key was used; that it can't be noted keeps nobody out.
    async fn record_key_use(&self, key: &ApiKey, now: DateTime) {
        let precision = Token::LAST_USED_PRECISION.as_micros();
        let since = key.last_used.map(|time| now.unix_micros().abs_diff(time.unix_micros()));
        if since.is_some_and(|micros| u128::from(micros) < precision) {
            return;
        }
        let id = key.id.clone();
        let written = self.database().write_quietly(move |session| {
            let update = "UPDATE dir_api_keys SET last_used = ?2 WHERE id = ?1";
            session.execute(update, params![id.as_str(), now.unix_micros()])?;
            Ok::<_, DirectoryError>(())
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "the use of an API key was not recorded");
        }
    }

    fn fresh_api_key(
        &self,
        name: &str,
        scopes: &[Scope],
        lifetime: Option<Duration>,
        now: DateTime,
    ) -> Result<FreshKey, DirectoryError> {
        check_name("name", name)?;
        if scopes.is_empty() {
            return Err(DirectoryError::Invalid { field: "scopes", problem: "must name at least one" });
        }
        let credential = Credential::new(PREFIX, self.keys());
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let key = ApiKey {
            id: ApiKeyId::random(),
            name: name.to_owned(),
            suffix: credential.suffix.clone(),
            scopes,
            created: now,
            expires: lifetime.map(|time| now.plus(time)),
            last_used: None,
            revoked: None,
        };
        Ok(FreshKey { key, credential })
    }
}

#[derive(Clone)]
struct FreshKey {
    key: ApiKey,
    credential: Credential,
}

impl FreshKey {
    /// Answers 0 if there is one with the key id.
    fn insert(&self, session: &Session<'_>) -> Result<usize, DirectoryError> {
        let insert = "INSERT INTO dir_api_keys (key_id, id, name, hash, suffix, scopes, created, expires)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
        let scopes: Vec<&str> = self.key.scopes.iter().map(|scope| scope.as_str()).collect();
        let scopes = scopes.join(" ");
        let values = params![
            &self.credential.key_id,
            self.key.id.as_str(),
            &self.key.name,
            self.credential.hash.as_slice(),
            &self.key.suffix,
            &scopes,
            self.key.created.unix_micros(),
            self.key.expires.map(DateTime::unix_micros)
        ];
        Ok(session.execute(insert, values)?)
    }

    fn issued(self) -> IssuedApiKey {
        tracing::info!(key = %self.key.id, "API key made");
        IssuedApiKey { key: self.key, plain: self.credential.plain }
    }
}

const SELECT: &str =
    "SELECT id, name, suffix, scopes, created, expires, last_used, revoked, hash FROM dir_api_keys";

fn read(row: &Row<'_>) -> Result<ApiKey, DirectoryError> {
    let time = |column| Ok::<_, DirectoryError>(row.int_or_null(column)?.map(DateTime::from_unix_micros));
    Ok(ApiKey {
        id: ApiKeyId::stored(row.owned(0)?),
        name: row.owned(1)?,
        suffix: row.owned(2)?,
        scopes: split(row.text(3)?).filter_map(|scope| Scope::parse(&scope)).collect(),
        created: DateTime::from_unix_micros(row.int(4)?),
        expires: time(5)?,
        last_used: time(6)?,
        revoked: time(7)?,
    })
}
