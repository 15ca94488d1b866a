//! Tokens of directories.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use scim_schema::DateTime;
use scim_sql::{Row, Session, params};

use super::credential::{Credential, fits, parts};
use super::{Directories, exclude};
use crate::error::DirectoryError;
use crate::id::{DirectoryId, OrganizationId, TokenId};
use crate::model::{DirectoryAccess, IssuedToken, Token};

const PREFIX: &str = "dst_";
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
        let fresh = self.fresh_token(directory, lifetime, now);
        let row = fresh.clone();
        self.database()
            .write(move |session| match row.insert(session)? {
                0 => Err(DirectoryError::NotFound { what: "directory" }),
                _ => Ok(()),
            })
            .await?;
        Ok(fresh.issued())
    }

    /// Issues the first token of a directory; `None` if it has had one. Of several processes that ask at the
    /// same time, one gets it.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the directory.
    pub async fn issue_first_token(
        &self,
        directory: &DirectoryId,
        now: DateTime,
    ) -> Result<Option<IssuedToken>, DirectoryError> {
        let fresh = self.fresh_token(directory, None, now);
        let row = fresh.clone();
        let is_first = self
            .database()
            .write(move |session| {
                exclude(session)?;
                let select = "SELECT 1 FROM dir_tokens t JOIN dir_directories d ON d.number = t.directory
                    WHERE d.id = ?1 LIMIT 1";
                let directory = params![row.token.directory_id.as_str()];
                if session.first(select, directory, |_| Ok::<_, DirectoryError>(()))?.is_some() {
                    return Ok(false);
                }
                match row.insert(session)? {
                    0 => Err(DirectoryError::NotFound { what: "directory" }),
                    _ => Ok(true),
                }
            })
            .await?;
        Ok(is_first.then(|| fresh.issued()))
    }

    fn fresh_token(&self, directory: &DirectoryId, lifetime: Option<Duration>, now: DateTime) -> FreshToken {
        let credential = Credential::new(PREFIX, self.keys());
        let token = Token {
            id: TokenId::random(),
            directory_id: directory.clone(),
            suffix: credential.suffix.clone(),
            created: now,
            expires: now.plus(lifetime.unwrap_or(Token::LIFETIME)),
            last_used: None,
            revoked: None,
        };
        FreshToken { token, credential }
    }

    /// The tokens of a directory, the oldest first.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn tokens(&self, directory: &DirectoryId) -> Result<Vec<Token>, DirectoryError> {
        let directory = directory.clone();
        self.database()
            .read(move |session| {
                let select = "SELECT t.id, d.id, t.suffix, t.created, t.expires, t.last_used, t.revoked
                    FROM dir_tokens t JOIN dir_directories d ON d.number = t.directory
                    WHERE d.id = ?1 ORDER BY t.created, t.id";
                session.all(select, params![directory.as_str()], read_token)
            })
            .await
    }

    /// Ends a token, at once. Answers whether it was good until now.
    ///
    /// # Errors
    /// When the database can't do it.
    pub async fn revoke_token(&self, id: &TokenId, now: DateTime) -> Result<bool, DirectoryError> {
        let row = id.clone();
        let ended = self.database().write(move |session| {
            let update = "UPDATE dir_tokens SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL";
            Ok::<_, DirectoryError>(session.execute(update, params![row.as_str(), now.unix_micros()])?)
        });
        let revoked = ended.await? > 0;
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
        let (key_id, secret) = parts(PREFIX, plain);
        let row = self.find_token(key_id).await?;
        let is_right = fits(self.keys(), secret, row.as_ref().map(|row| row.hash));
        let Some(row) = row.filter(|_| is_right) else { return Ok(None) };
        if row.revoked || row.expires <= now {
            return Ok(None);
        }
        self.record_use(key_id, row.last_used, now).await;
        Ok(Some(row.access.clone()))
    }

    async fn find_token(&self, key_id: &str) -> Result<Option<Arc<TokenRow>>, DirectoryError> {
        let known = &self.inner.known_tokens;
        // Counted before the look: a commit meanwhile makes what was found worth nothing.
        let commits = self.database().commit_count();
        if let Some(row) = commits.and_then(|commits| known.get(commits, key_id)) {
            return Ok(Some(row));
        }
        let key = key_id.to_owned();
        let row = self.database().look_up(move |session| find(session, &key)).await?.map(Arc::new);
        if let (Some(commits), Some(row)) = (commits, &row) {
            known.insert(commits, key_id.to_owned(), Arc::clone(row));
        }
        Ok(row)
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
        let write = self.database().write_quietly(move |session| {
            // Another process may have noted a later use.
            let update = "UPDATE dir_tokens SET last_used = ?2
                WHERE key_id = ?1 AND (last_used IS NULL OR last_used < ?2)";
            session.execute(update, params![&key_id, now.unix_micros()])?;
            Ok::<_, DirectoryError>(())
        });
        let written = tokio::time::timeout(RECORD_TIME, write).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!("the use of a token was not recorded");
            no_records_until.store(now.unix_micros().saturating_add(precision), Ordering::Relaxed);
        }
    }
}

/// A token that the database does not hold yet.
#[derive(Clone)]
struct FreshToken {
    token: Token,
    credential: Credential,
}

impl FreshToken {
    /// Answers 0 if there is no such directory.
    fn insert(&self, session: &Session<'_>) -> Result<usize, DirectoryError> {
        let insert = "INSERT INTO dir_tokens (key_id, id, directory, hash, suffix, created, expires)
            SELECT ?1, ?2, number, ?4, ?5, ?6, ?7 FROM dir_directories WHERE id = ?3";
        let token = &self.token;
        let values = params![
            &self.credential.key_id,
            token.id.as_str(),
            token.directory_id.as_str(),
            self.credential.hash.as_slice(),
            &token.suffix,
            token.created.unix_micros(),
            token.expires.unix_micros()
        ];
        Ok(session.execute(insert, values)?)
    }

    fn issued(self) -> IssuedToken {
        tracing::info!(token = %self.token.id, directory = %self.token.directory_id, "token issued");
        IssuedToken { token: self.token, plain: self.credential.plain }
    }
}

/// A token as it stands in the database.
pub(super) struct TokenRow {
    hash: [u8; 32],
    expires: DateTime,
    last_used: Option<DateTime>,
    revoked: bool,
    access: DirectoryAccess,
}

fn find(session: &Session<'_>, key_id: &str) -> Result<Option<TokenRow>, DirectoryError> {
    let select =
        "SELECT t.hash, t.expires, t.last_used, t.revoked IS NOT NULL, t.id, d.id, d.organization, d.enabled
        FROM dir_tokens t JOIN dir_directories d ON d.number = t.directory WHERE t.key_id = ?1";
    session.first(select, params![key_id], |row| {
        Ok(TokenRow {
            // A hash of another length is that of no token.
            hash: row.bytes(0)?.try_into().unwrap_or([0; 32]),
            expires: DateTime::from_unix_micros(row.int(1)?),
            last_used: row.int_or_null(2)?.map(DateTime::from_unix_micros),
            revoked: row.flag(3)?,
            access: DirectoryAccess {
                token_id: TokenId::stored(row.owned(4)?),
                directory_id: DirectoryId::stored(row.owned(5)?),
                organization_id: OrganizationId::stored(row.owned(6)?),
                enabled: row.flag(7)?,
            },
        })
    })
}

fn read_token(row: &Row<'_>) -> Result<Token, DirectoryError> {
    Ok(Token {
        id: TokenId::stored(row.owned(0)?),
        directory_id: DirectoryId::stored(row.owned(1)?),
        suffix: row.owned(2)?,
        created: DateTime::from_unix_micros(row.int(3)?),
        expires: DateTime::from_unix_micros(row.int(4)?),
        last_used: row.int_or_null(5)?.map(DateTime::from_unix_micros),
        revoked: row.int_or_null(6)?.map(DateTime::from_unix_micros),
    })
}
