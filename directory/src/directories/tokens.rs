//! Tokens of directories.

use std::sync::atomic::Ordering;
use std::time::Duration;

use scim_schema::DateTime;
use scim_sql::rusqlite::{Connection, OptionalExtension as _, Row, params};
use subtle::ConstantTimeEq as _;

use super::Directories;
use crate::error::DirectoryError;
use crate::id::{DirectoryId, OrganizationId, TokenId, random_text};
use crate::model::{DirectoryAccess, IssuedToken, PlainToken, Token};

const PREFIX: &str = "dst_";
/// The public part, by which a token is found: 16 characters of base 62 are 95 bits.
const KEY_ID: usize = 16;
/// The secret part: 43 characters of base 62 are 256 bits.
const SECRET: usize = 43;
/// How long a request waits at most for the use of its token to be recorded.
const RECORD_TIME: Duration = Duration::from_millis(250);

impl Directories {
    /// Issues a token of a directory: `dst_<key id>_<secret>`. The text can't be had again.
    ///
    /// `lifetime` is [`Token::LIFETIME`] if not given.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the directory.
    pub async fn issue_token(
        &self,
        directory: &DirectoryId,
        lifetime: Option<Duration>,
        now: DateTime,
    ) -> Result<IssuedToken, DirectoryError> {
        let (key_id, secret) = (random_text(KEY_ID), random_text(SECRET));
        let lifetime = lifetime.unwrap_or(Token::LIFETIME).as_micros();
        let token = Token {
            id: TokenId::random(),
            directory_id: directory.clone(),
            suffix: secret.chars().skip(SECRET - 4).collect(),
            created: now,
            expires: now.plus_micros(i64::try_from(lifetime).unwrap_or(i64::MAX)),
            last_used: None,
            revoked: None,
        };
        let plain = PlainToken(format!("{PREFIX}{key_id}_{secret}"));
        let hash = self.keys().hash(&secret);
        let row = token.clone();
        self.database()
            .write_sqlite(move |tx| {
                let insert = "INSERT INTO dir_tokens (key_id, id, directory, hash, suffix, created, expires)
                    SELECT ?1, ?2, number, ?4, ?5, ?6, ?7 FROM dir_directories WHERE id = ?3";
                let values = params![
                    key_id,
                    row.id.as_str(),
                    row.directory_id.as_str(),
                    hash,
                    row.suffix,
                    row.created.unix_micros(),
                    row.expires.unix_micros()
                ];
                match tx.prepare_cached(insert)?.execute(values)? {
                    0 => Err(DirectoryError::NotFound { what: "directory" }),
                    _ => Ok(()),
                }
            })
            .await?;
        tracing::info!(token = %token.id, directory = %token.directory_id, "token issued");
        Ok(IssuedToken { token, plain })
    }

    /// The tokens of a directory, the oldest first.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn tokens(&self, directory: &DirectoryId) -> Result<Vec<Token>, DirectoryError> {
        let directory = directory.clone();
        let read = move |db: &Connection| {
            let select = "SELECT t.id, d.id, t.suffix, t.created, t.expires, t.last_used, t.revoked
                FROM dir_tokens t JOIN dir_directories d ON d.number = t.directory
                WHERE d.id = ?1 ORDER BY t.created, t.id";
            let mut select = db.prepare_cached(select)?;
            let rows = select.query_map([directory.as_str()], read_token)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database().read_sqlite(read).await
    }

    /// Ends a token, at once. Answers whether it was good until now.
    ///
    /// # Errors
    /// When the database can't do it.
    pub async fn revoke_token(&self, id: &TokenId, now: DateTime) -> Result<bool, DirectoryError> {
        let row = id.clone();
        let write = move |tx: &Connection| {
            let update = "UPDATE dir_tokens SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL";
            Ok::<_, DirectoryError>(
                tx.prepare_cached(update)?.execute(params![row.as_str(), now.unix_micros()])?,
            )
        };
        let revoked = self.database().write_sqlite(write).await? > 0;
        if revoked {
            tracing::info!(token = %id, "token revoked");
        }
        Ok(revoked)
    }

    /// What a token opens; `None` for one that is unknown, expired or revoked. The work is the same in all
    /// these cases.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn authenticate_token(
        &self,
        plain: &str,
        now: DateTime,
    ) -> Result<Option<DirectoryAccess>, DirectoryError> {
        let (key_id, secret) = split(plain).unwrap_or_default();
        let given = self.keys().hash(secret);
        let key = key_id.to_owned();
        let row = self.database().read_sqlite(move |db: &Connection| find(db, &key)).await?;
        let expected = row.as_ref().map_or([0; 32], |r| r.hash);
        let matches: bool = given.ct_eq(&expected).into();
        let Some(row) = row.filter(|_| matches) else { return Ok(None) };
        if row.revoked || row.expires <= now {
            return Ok(None);
        }
        self.record_use(key_id, row.last_used, now).await;
        Ok(Some(row.access))
    }

    /// Notes that a token was used. That it can't be noted, on a full disk or behind a lock, keeps nobody out
    /// and waiting; then it is not tried again for a while.
    async fn record_use(&self, key_id: &str, last_used: Option<DateTime>, now: DateTime) {
        let precision = i64::try_from(Token::LAST_USED_PRECISION.as_micros()).unwrap_or(i64::MAX);
        let is_recorded =
            last_used.is_some_and(|t| now.unix_micros().abs_diff(t.unix_micros()) < precision.unsigned_abs());
        let no_records_until = &self.inner.no_records_until;
        if is_recorded || now.unix_micros() < no_records_until.load(Ordering::Relaxed) {
            return;
        }
        let key_id = key_id.to_owned();
        let write = move |tx: &Connection| {
            let update = "UPDATE dir_tokens SET last_used = ?2 WHERE key_id = ?1";
            tx.prepare_cached(update)?.execute(params![key_id, now.unix_micros()])?;
            Ok::<_, DirectoryError>(())
        };
        let written = tokio::time::timeout(RECORD_TIME, self.database().write_sqlite(write)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!("the use of a token was not recorded");
            no_records_until.store(now.unix_micros().saturating_add(precision), Ordering::Relaxed);
        }
    }
}

struct TokenRow {
    hash: [u8; 32],
    expires: DateTime,
    last_used: Option<DateTime>,
    revoked: bool,
    access: DirectoryAccess,
}

fn find(db: &Connection, key_id: &str) -> Result<Option<TokenRow>, DirectoryError> {
    let select =
        "SELECT t.hash, t.expires, t.last_used, t.revoked IS NOT NULL, t.id, d.id, d.organization, d.enabled
        FROM dir_tokens t JOIN dir_directories d ON d.number = t.directory WHERE t.key_id = ?1";
    let read = |row: &Row<'_>| {
        Ok(TokenRow {
            hash: row.get(0)?,
            expires: DateTime::from_unix_micros(row.get(1)?),
            last_used: row.get::<_, Option<i64>>(2)?.map(DateTime::from_unix_micros),
            revoked: row.get(3)?,
            access: DirectoryAccess {
                token_id: TokenId::stored(row.get(4)?),
                directory_id: DirectoryId::stored(row.get(5)?),
                organization_id: OrganizationId::stored(row.get(6)?),
                enabled: row.get(7)?,
            },
        })
    };
    Ok(db.prepare_cached(select)?.query_row([key_id], read).optional()?)
}

fn read_token(row: &Row<'_>) -> Result<Token, scim_sql::rusqlite::Error> {
    Ok(Token {
        id: TokenId::stored(row.get(0)?),
        directory_id: DirectoryId::stored(row.get(1)?),
        suffix: row.get(2)?,
        created: DateTime::from_unix_micros(row.get(3)?),
        expires: DateTime::from_unix_micros(row.get(4)?),
        last_used: row.get::<_, Option<i64>>(5)?.map(DateTime::from_unix_micros),
        revoked: row.get::<_, Option<i64>>(6)?.map(DateTime::from_unix_micros),
    })
}

/// Key id and secret of a text that may be a token.
fn split(plain: &str) -> Option<(&str, &str)> {
    let (key_id, secret) = plain.strip_prefix(PREFIX)?.split_once('_')?;
    (key_id.len() == KEY_ID && secret.len() == SECRET).then_some((key_id, secret))
}
