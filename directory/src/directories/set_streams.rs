//! Streams of security event tokens.

use scim_schema::DateTime;
use scim_set::{Content, EventUri, SetError};
use scim_sql::{Row, Session, params};
use scim_webhook::{check_headers, check_url};

use super::credential::{Credential, fits, parts};
use super::endpoints::check_scope;
use super::{Directories, exclude, split};
use crate::endpoint::Health;
use crate::error::DirectoryError;
use crate::id::{DirectoryId, OrganizationId, SetStreamId};
use crate::set_stream::{CreatedSetStream, RefusedSet, SetDelivery, SetStream, SetStreamSettings};

const PREFIX: &str = "sst_";
/// How long a URL or an audience may be, in bytes.
const LIMIT: usize = 2048;
/// How many rows a transaction deletes, so that no other write waits for long.
const ROWS: i64 = 5_000;

impl Directories {
    /// Creates a stream. It gets the SETs of changes from now on. One by poll gets a token, which can't be had
    /// again.
    ///
    /// # Errors
    /// [`DirectoryError::Url`] or [`DirectoryError::Invalid`] when a setting is not allowed,
    /// [`DirectoryError::NotFound`] without an organization or directory that is named.
    pub async fn create_set_stream(
        &self,
        settings: SetStreamSettings,
        now: DateTime,
    ) -> Result<CreatedSetStream, DirectoryError> {
        let fresh = self.fresh_set_stream(settings, now).await?;
        let row = fresh.clone();
        self.database().write(move |session| row.insert(session)).await?;
        Ok(fresh.created())
    }

    /// Creates a stream unless there is one with this audience and URL, or without URL: then `None`. Of several
    /// processes that ask at the same time, one creates it.
    ///
    /// # Errors
    /// As [`Directories::create_set_stream`].
    pub async fn ensure_set_stream(
        &self,
        settings: SetStreamSettings,
        now: DateTime,
    ) -> Result<Option<CreatedSetStream>, DirectoryError> {
        let fresh = self.fresh_set_stream(settings, now).await?;
        let row = fresh.clone();
        let is_new = self
            .database()
            .write(move |session| {
                exclude(session)?;
                let select = "SELECT 1 FROM dir_set_streams
                    WHERE audience = ?1 AND coalesce(url, '') = ?2 LIMIT 1";
                let values = params![&row.stream.settings.audience, row.url().unwrap_or_default()];
                if session.first(select, values, |_| Ok::<_, DirectoryError>(()))?.is_some() {
                    return Ok::<_, DirectoryError>(false);
                }
                row.insert(session)?;
                Ok(true)
            })
            .await?;
        Ok(is_new.then(|| fresh.created()))
    }

    /// All streams, in order of creation.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn set_streams(&self) -> Result<Vec<SetStream>, DirectoryError> {
        let this = self.clone();
        self.database()
            .read(move |session| {
                let select = format!("{SELECT_STREAM} ORDER BY number");
                session.all(&select, params![], |row| this.read_set_stream(row))
            })
            .await
    }

    /// One stream.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn set_stream(&self, id: &SetStreamId) -> Result<Option<SetStream>, DirectoryError> {
        let (this, id) = (self.clone(), id.clone());
        self.database()
            .read(move |session| {
                let select = format!("{SELECT_STREAM} WHERE id = ?1");
                session.first(&select, params![id.as_str()], |row| this.read_set_stream(row))
            })
            .await
    }

    /// Starts or stops a stream. SETs that wait are kept while it is stopped; of changes that happen meanwhile
    /// none are made: a receiver that is started again has to read the resources once.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn set_set_stream_enabled(
        &self,
        id: &SetStreamId,
        enabled: bool,
    ) -> Result<(), DirectoryError> {
        let row = id.clone();
        self.database()
            .write(move |session| {
                // Its past does not count against it any more.
                let update = "UPDATE dir_set_streams SET enabled = ?2, disabled_reason = NULL, failures = 0,
                        failing_since = NULL, not_before = NULL
                    WHERE id = ?1";
                match session.execute(update, params![row.as_str(), enabled])? {
                    0 => Err(DirectoryError::NotFound { what: "stream" }),
                    _ => Ok(()),
                }
            })
            .await?;
        tracing::info!(stream = %id, enabled, "stream of security event tokens switched");
        self.tell_readers();
        Ok(())
    }

    /// Deletes a stream with the SETs that wait.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn delete_set_stream(&self, id: &SetStreamId) -> Result<(), DirectoryError> {
        self.set_set_stream_enabled(id, false).await?;
        loop {
            let row = id.clone();
            let rows = self.database().write(move |session| delete_some(session, &row)).await?;
            if rows == 0 {
                break;
            }
        }
        tracing::info!(stream = %id, "stream of security event tokens deleted");
        Ok(())
    }

    /// How many SETs of a stream wait for an acknowledgement.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn waiting_sets(&self, id: &SetStreamId) -> Result<u64, DirectoryError> {
        let id = id.clone();
        self.database()
            .read(move |session| {
                let select = "SELECT count(*) FROM dir_sets s JOIN dir_set_streams t ON t.number = s.stream
                    WHERE t.id = ?1 AND s.refused IS NULL";
                let count = session.first(select, params![id.as_str()], |row| row.unsigned(0))?;
                Ok::<_, DirectoryError>(count.unwrap_or_default())
            })
            .await
    }

    /// The SETs that the receiver of a stream did not take, the oldest first; of very many the latest thousand.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn refused_sets(&self, id: &SetStreamId) -> Result<Vec<RefusedSet>, DirectoryError> {
        let id = id.clone();
        self.database()
            .read(move |session| {
                let select = "SELECT s.jti, s.err, s.description, s.refused
                    FROM dir_sets s JOIN dir_set_streams t ON t.number = s.stream
                    WHERE t.id = ?1 AND s.refused IS NOT NULL ORDER BY s.position";
                session.all(select, params![id.as_str()], |row| {
                    let error = SetError { err: row.owned(1)?, description: row.owned(2)? };
                    let refused = DateTime::from_unix_micros(row.int(3)?);
                    Ok::<_, DirectoryError>(RefusedSet { id: row.owned(0)?, error, refused })
                })
            })
            .await
    }

    /// Delivers the SETs again that the receiver of a stream did not take, before all others: after it has been
    /// mended. Answers how many there are.
    ///
    /// # Errors
    /// When the database can't do it.
    pub async fn retry_refused_sets(&self, id: &SetStreamId) -> Result<usize, DirectoryError> {
        let row = id.clone();
        let count = self
            .database()
            .write(move |session| {
                let update = "UPDATE dir_sets SET refused = NULL, err = NULL, description = NULL
                    WHERE refused IS NOT NULL
                        AND stream = (SELECT number FROM dir_set_streams WHERE id = ?1)";
                Ok::<_, DirectoryError>(session.execute(update, params![row.as_str()])?)
            })
            .await?;
        self.tell_readers();
        Ok(count)
    }

    /// Whether a text is the token with which a stream is polled. Without such a stream, or for one by push, it is
    /// not, and the work is the same.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn authenticate_set_stream(
        &self,
        id: &SetStreamId,
        plain: &str,
    ) -> Result<bool, DirectoryError> {
        let (_, secret) = parts(PREFIX, plain);
        let row = id.clone();
        let hash = self
            .database()
            .look_up(move |session| {
                let select = "SELECT token_hash FROM dir_set_streams WHERE id = ?1";
                let hash = session.first(select, params![row.as_str()], |row| {
                    Ok::<_, DirectoryError>(row.bytes_or_null(0)?.map(<[u8]>::to_vec))
                })?;
                Ok::<_, DirectoryError>(hash.flatten())
            })
            .await?;
        Ok(fits(self.keys(), secret, hash.and_then(|hash| hash.try_into().ok())))
    }

    /// A stream that is not in the database yet. There is a key to sign with from then on, so that receivers can
    /// fetch the key set before the first SET.
    async fn fresh_set_stream(
        &self,
        settings: SetStreamSettings,
        now: DateTime,
    ) -> Result<FreshStream, DirectoryError> {
        let settings = self.checked_stream(settings)?;
        self.set_signing_key(now).await?;
        let id = SetStreamId::random();
        let (mut sealed, mut credential) = (None, None);
        match &settings.delivery {
            SetDelivery::Push { authorization: Some(authorization), .. } => {
                let bytes = self.keys().seal(authorization.as_bytes(), id.as_str());
                sealed = Some(bytes.ok_or(DirectoryError::WrongKeys)?);
            }
            SetDelivery::Push { authorization: None, .. } => {}
            SetDelivery::Poll => credential = Some(Credential::new(PREFIX, self.keys())),
        }
        let stream = SetStream {
            id,
            settings,
            enabled: true,
            disabled_reason: None,
            created: now,
            acknowledged: 0,
            health: Health::default(),
            last_error: None,
        };
        Ok(FreshStream { stream, sealed, credential })
    }

    fn checked_stream(&self, mut settings: SetStreamSettings) -> Result<SetStreamSettings, DirectoryError> {
        let invalid = |field, problem| Err(DirectoryError::Invalid { field, problem });
        if settings.audience.trim().is_empty() {
            return invalid("audience", "must not be empty");
        }
        if settings.audience.len() > LIMIT || settings.audience.chars().any(char::is_control) {
            return invalid("audience", "is longer than 2048 bytes or has control characters");
        }
        if let SetDelivery::Push { url, authorization } = &settings.delivery {
            if url.len() > LIMIT {
                return invalid("url", "is longer than 2048 bytes");
            }
            check_url(url, &self.endpoint_policy)?;
            if let Some(authorization) = authorization
                && check_headers(&[("authorization".to_owned(), authorization.clone())]).is_err()
            {
                return invalid("authorization", "is not the value of a header field");
            }
        }
        if settings.event_uris.iter().any(|uri| !EventUri::MADE.contains(uri)) {
            return invalid("event_uris", "names an event that is never made");
        }
        settings.event_uris.sort_unstable();
        settings.event_uris.dedup();
        settings.organization_ids.sort_unstable();
        settings.organization_ids.dedup();
        settings.directory_ids.sort_unstable();
        settings.directory_ids.dedup();
        Ok(settings)
    }

    fn read_set_stream(&self, row: &Row<'_>) -> Result<SetStream, DirectoryError> {
        let id = SetStreamId::stored(row.owned(0)?);
        let time = |column| Ok::<_, DirectoryError>(row.int_or_null(column)?.map(DateTime::from_unix_micros));
        let plain = row.bytes_or_null(3)?.and_then(|sealed| self.keys().open(sealed, id.as_str()));
        let authorization = plain.and_then(|plain| String::from_utf8(plain).ok());
        let delivery = match row.owned_or_null(2)? {
            Some(url) => SetDelivery::Push { url, authorization },
            None => SetDelivery::Poll,
        };
        let settings = SetStreamSettings {
            audience: row.owned(1)?,
            delivery,
            event_uris: read_event_uris(row.text(4)?),
            content: read_content(row.text(5)?),
            organization_ids: split(row.text(6)?).map(OrganizationId::stored).collect(),
            directory_ids: split(row.text(7)?).map(DirectoryId::stored).collect(),
        };
        let health = Health {
            failures: u32::try_from(row.unsigned(13)?).unwrap_or(u32::MAX),
            failing_since: time(14)?,
            not_before: time(15)?,
            is_slow: false,
            last_delivered: time(12)?,
        };
        Ok(SetStream {
            id,
            settings,
            enabled: row.flag(8)?,
            disabled_reason: row.owned_or_null(9)?,
            created: DateTime::from_unix_micros(row.int(10)?),
            acknowledged: row.unsigned(11)?,
            health,
            last_error: row.owned_or_null(16)?,
        })
    }
}

const SELECT_STREAM: &str =
    "SELECT id, audience, url, sealed, event_uris, content, organizations, directories, enabled,
        disabled_reason, created, acknowledged, last_acknowledged, failures, failing_since, not_before, last_error
    FROM dir_set_streams";

/// A stream that the database does not hold yet.
#[derive(Clone)]
struct FreshStream {
    stream: SetStream,
    /// The header field `Authorization`, as the database keeps it.
    sealed: Option<Vec<u8>>,
    credential: Option<Credential>,
}

impl FreshStream {
    fn url(&self) -> Option<&str> {
        match &self.stream.settings.delivery {
            SetDelivery::Push { url, .. } => Some(url),
            SetDelivery::Poll => None,
        }
    }

    fn insert(&self, session: &Session<'_>) -> Result<(), DirectoryError> {
        let settings = &self.stream.settings;
        check_scope(session, &settings.organization_ids, &settings.directory_ids)?;
        let joined = |texts: Vec<&str>| texts.join(" ");
        let event_uris = joined(settings.event_uris.iter().map(|uri| uri.as_str()).collect());
        let organizations = joined(settings.organization_ids.iter().map(OrganizationId::as_str).collect());
        let directories = joined(settings.directory_ids.iter().map(DirectoryId::as_str).collect());
        let content = match settings.content {
            Content::Full => FULL,
            Content::Notice => NOTICE,
        };
        let insert = "INSERT INTO dir_set_streams
                (id, audience, url, sealed, token_hash, event_uris, content, organizations, directories,
                 enabled, created, acknowledged, failures)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, 0, 0)";
        let values = params![
            self.stream.id.as_str(),
            &settings.audience,
            self.url(),
            self.sealed.as_deref(),
            self.credential.as_ref().map(|credential| credential.hash.as_slice()),
            &event_uris,
            content,
            &organizations,
            &directories,
            self.stream.created.unix_micros()
        ];
        session.execute(insert, values)?;
        Ok(())
    }

    fn created(self) -> CreatedSetStream {
        tracing::info!(stream = %self.stream.id, "stream of security event tokens created");
        CreatedSetStream { stream: self.stream, token: self.credential.map(|credential| credential.plain) }
    }
}

const FULL: &str = "full";
const NOTICE: &str = "notice";

/// The content as the table holds it.
pub(crate) fn read_content(text: &str) -> Content {
    if text == NOTICE { Content::Notice } else { Content::Full }
}

/// The event URIs as the table holds them.
pub(crate) fn read_event_uris(text: &str) -> Vec<EventUri> {
    text.split(' ').filter_map(EventUri::parse).collect()
}

/// Deletes some rows of a stream, the stream itself last. Answers how many.
fn delete_some(session: &Session<'_>, id: &SetStreamId) -> Result<usize, DirectoryError> {
    let delete = "DELETE FROM dir_sets WHERE position IN
        (SELECT position FROM dir_sets WHERE stream = (SELECT number FROM dir_set_streams WHERE id = ?1)
         ORDER BY position LIMIT ?2)";
    let rows = session.execute(delete, params![id.as_str(), ROWS])?;
    if rows > 0 {
        return Ok(rows);
    }
    Ok(session.execute("DELETE FROM dir_set_streams WHERE id = ?1", params![id.as_str()])?)
}
