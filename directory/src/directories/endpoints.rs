//! Webhook endpoints.

use scim_schema::DateTime;
use scim_sql::{Param, Row, Session, params};
use scim_webhook::{Acknowledge, Secret, check_headers, check_url};

use super::endpoint_keys::{Key, fresh_secret, insert_key};
use super::{Directories, check_name, exclude};
use crate::endpoint::{CreatedEndpoint, Endpoint, EndpointSettings, Health, NewEndpoint, Ordering, Profile};
use crate::error::DirectoryError;
use crate::event::EventType;
use crate::id::{DirectoryId, EndpointId, OrganizationId};
use crate::lock::Lock;

/// How long an endpoint's URL may be, in bytes.
const URL_LIMIT: usize = 2048;
/// How many rows a transaction deletes, so that no other write waits for long.
const ROWS: i64 = 5_000;

impl Directories {
    /// Creates a webhook endpoint. It gets the events from now on.
    ///
    /// # Errors
    /// [`DirectoryError::Url`] or [`DirectoryError::Invalid`] when a setting is not allowed,
    /// [`DirectoryError::NotFound`] without an organization or directory that is named.
    pub async fn create_endpoint(
        &self,
        new: NewEndpoint,
        now: DateTime,
    ) -> Result<CreatedEndpoint, DirectoryError> {
        let fresh = self.fresh_endpoint(new, now)?;
        let row = fresh.clone();
        self.database().write(move |session| row.insert(session)).await?;
        tracing::info!(endpoint = %fresh.endpoint.id, "webhook endpoint created");
        Ok(fresh.created())
    }

    /// Creates a webhook endpoint unless there is one with the URL: then `None`. Of several processes that ask
    /// at the same time, one creates it.
    ///
    /// # Errors
    /// As [`Directories::create_endpoint`].
    pub async fn ensure_endpoint(
        &self,
        new: NewEndpoint,
        now: DateTime,
    ) -> Result<Option<CreatedEndpoint>, DirectoryError> {
        let fresh = self.fresh_endpoint(new, now)?;
        let row = fresh.clone();
        let is_new = self
            .database()
            .write(move |session| {
                exclude(session)?;
                let select = "SELECT 1 FROM dir_endpoints WHERE url = ?1 LIMIT 1";
                let url = params![&row.endpoint.settings.url];
                if session.first(select, url, |_| Ok::<_, DirectoryError>(()))?.is_some() {
                    return Ok::<_, DirectoryError>(false);
                }
                row.insert(session)?;
                Ok(true)
            })
            .await?;
        Ok(is_new.then(|| fresh.created()))
    }

    /// All endpoints, in order of creation.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, DirectoryError> {
        let this = self.clone();
        self.database()
            .read(move |session| {
                let select = format!("{SELECT_ENDPOINT} ORDER BY number");
                session.all(&select, params![], |row| read_endpoint(&this, row))
            })
            .await
    }

    /// One endpoint.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn endpoint(&self, id: &EndpointId) -> Result<Option<Endpoint>, DirectoryError> {
        let (this, id) = (self.clone(), id.clone());
        self.database()
            .read(move |session| {
                let select = format!("{SELECT_ENDPOINT} WHERE id = ?1");
                session.first(&select, params![id.as_str()], |row| read_endpoint(&this, row))
            })
            .await
    }

    /// Gives an endpoint other settings. Deliveries that wait go by the new ones; events that were recorded
    /// before do not come to it because of them. With another URL, earlier failures do not count against it any more.
    ///
    /// # Errors
    /// As [`Directories::create_endpoint`].
    pub async fn update_endpoint(
        &self,
        id: &EndpointId,
        settings: EndpointSettings,
        now: DateTime,
    ) -> Result<(), DirectoryError> {
        self.update_endpoint_seen(id, settings, None, now).await
    }

    /// As [`Directories::update_endpoint`], if the endpoint has not been changed since `seen`, when it was last
    /// changed before it was read.
    ///
    /// # Errors
    /// As [`Directories::create_endpoint`]; [`DirectoryError::Changed`].
    pub async fn update_endpoint_seen(
        &self,
        id: &EndpointId,
        settings: EndpointSettings,
        seen: Option<DateTime>,
        now: DateTime,
    ) -> Result<(), DirectoryError> {
        let settings = self.checked(settings)?;
        let row = id.clone();
        let headers = self.sealed_headers(&settings, id)?;
        self.database()
            .write(move |session| {
                check_scope(session, &settings.organization_ids, &settings.directory_ids)?;
                if let Some(seen) = seen {
                    check_seen(session, &row, seen)?;
                }
                // What failed at another URL says nothing of this one.
                let update = "UPDATE dir_endpoints
                    SET failures = CASE WHEN url = ?2 THEN failures ELSE 0 END,
                        failing_since = CASE WHEN url = ?2 THEN failing_since END,
                        not_before = CASE WHEN url = ?2 THEN not_before END,
                        is_slow = CASE WHEN url = ?2 THEN is_slow ELSE 0 END,
                        url = ?2, description = ?3, event_types = ?4, organizations = ?5, directories = ?6,
                        profile = ?7, acknowledge = ?8, ordering = ?9, headers = ?10, rate = ?11,
                        concurrency = ?12, updated = ?13
                    WHERE id = ?1";
                let lists = Lists::of(&settings);
                let values = settings_values(&row, &settings, &lists, headers.as_deref(), now);
                match session.execute(update, &values)? {
                    0 => Err(DirectoryError::NotFound { what: "endpoint" }),
                    _ => Ok(()),
                }
            })
            .await?;
        tracing::info!(endpoint = %id, "webhook endpoint changed");
        self.new_deliveries().notify_one();
        Ok(())
    }

    /// Starts or stops delivery to an endpoint. Deliveries that wait are kept while it is stopped, as long
    /// as events are kept; events that come meanwhile are not delivered to it, unless they are replayed.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn set_endpoint_enabled(
        &self,
        id: &EndpointId,
        enabled: bool,
        now: DateTime,
    ) -> Result<(), DirectoryError> {
        let row = id.clone();
        self.database()
            .write(move |session| {
                // Its past does not count against it any more.
                let update = "UPDATE dir_endpoints
                    SET enabled = ?2, disabled_reason = NULL, disabled_at = ?3, updated = ?4,
                        failures = 0, failing_since = NULL, not_before = NULL, is_slow = 0,
                        disabled_behind = CASE WHEN ?2 = 1 THEN disabled_behind
                            ELSE (SELECT coalesce(max(position), 0) FROM dir_events) END
                    WHERE id = ?1 AND enabled <> ?2";
                let at = (!enabled).then(|| now.unix_micros());
                let values = params![row.as_str(), enabled, at, now.unix_micros()];
                if session.execute(update, values)? == 0 {
                    number_of(session, &row)?;
                }
                Ok::<_, DirectoryError>(())
            })
            .await?;
        tracing::info!(endpoint = %id, enabled, "webhook endpoint switched");
        self.new_deliveries().notify_one();
        Ok(())
    }

    /// Deletes an endpoint with all that is known of its deliveries.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn delete_endpoint(&self, id: &EndpointId, now: DateTime) -> Result<(), DirectoryError> {
        self.set_endpoint_enabled(id, false, now).await?;
        let row = id.clone();
        let number = self.database().read(move |session| number_of(session, &row)).await?;
        loop {
            let rows = self.database().write(move |session| delete_some(session, number)).await?;
            if rows == 0 {
                break;
            }
        }
        tracing::info!(endpoint = %id, "webhook endpoint deleted");
        Ok(())
    }

    fn fresh_endpoint(&self, new: NewEndpoint, now: DateTime) -> Result<FreshEndpoint, DirectoryError> {
        let settings = self.checked(new.settings)?;
        let secret = new.secret.map_or_else(fresh_secret, Ok)?;
        let id = EndpointId::random();
        let (sealed, headers) = (self.sealed(secret.as_bytes(), &id)?, self.sealed_headers(&settings, &id)?);
        let endpoint = Endpoint {
            id,
            settings,
            enabled: true,
            disabled_reason: None,
            disabled_at: None,
            created: now,
            updated: now,
            health: Health::default(),
        };
        Ok(FreshEndpoint { endpoint, secret, sealed, headers })
    }

    /// Settings that are allowed, in the form in which they are kept.
    fn checked(&self, mut settings: EndpointSettings) -> Result<EndpointSettings, DirectoryError> {
        if settings.url.len() > URL_LIMIT {
            return Err(DirectoryError::Invalid { field: "url", problem: "is longer than 2048 bytes" });
        }
        check_url(&settings.url, &self.endpoint_policy)?;
        settings.headers = check_headers(&settings.headers)?;
        if !settings.description.is_empty() {
            check_name("description", &settings.description)?;
        }
        for (field, value) in [("rate", settings.rate), ("concurrency", settings.concurrency)] {
            if value == Some(0) {
                return Err(DirectoryError::Invalid { field, problem: "must not be 0" });
            }
        }
        settings.event_types.sort_unstable();
        settings.event_types.dedup();
        settings.organization_ids.sort_unstable();
        settings.organization_ids.dedup();
        settings.directory_ids.sort_unstable();
        settings.directory_ids.dedup();
        Ok(settings)
    }

    /// Header fields may hold credentials.
    fn sealed_headers(
        &self,
        settings: &EndpointSettings,
        id: &EndpointId,
    ) -> Result<Option<Vec<u8>>, DirectoryError> {
        if settings.headers.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_vec(&settings.headers).unwrap_or_default();
        self.sealed(&text, id).map(Some)
    }

    /// Encrypts what belongs to an endpoint.
    pub(super) fn sealed(&self, plain: &[u8], id: &EndpointId) -> Result<Vec<u8>, DirectoryError> {
        self.keys().seal(plain, id.as_str()).ok_or(DirectoryError::WrongKeys)
    }
}

#[derive(Clone, Debug)]
struct FreshEndpoint {
    endpoint: Endpoint,
    secret: Secret,
    /// As the database keeps it.
    sealed: Vec<u8>,
    headers: Option<Vec<u8>>,
}

impl FreshEndpoint {
    fn insert(&self, session: &Session<'_>) -> Result<(), DirectoryError> {
        let Endpoint { id, settings, created, .. } = &self.endpoint;
        check_scope(session, &settings.organization_ids, &settings.directory_ids)?;
        let insert = "INSERT INTO dir_endpoints
                (id, url, description, event_types, organizations, directories, profile, acknowledge,
                 ordering, headers, rate, concurrency, updated, created, enabled, failures, is_slow)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, 1, 0, 0)";
        let lists = Lists::of(settings);
        session.execute(insert, &settings_values(id, settings, &lists, self.headers.as_deref(), *created))?;
        insert_key(session, number_of(session, id)?, Key::Secret, &self.sealed, *created)
    }

    fn created(self) -> CreatedEndpoint {
        CreatedEndpoint { endpoint: self.endpoint, secret: self.secret }
    }
}

/// Lists as the table holds them: entries with a space between.
struct Lists {
    event_types: String,
    organizations: String,
    directories: String,
}

impl Lists {
    fn of(settings: &EndpointSettings) -> Self {
        let types: Vec<&str> = settings.event_types.iter().map(|t| t.as_str()).collect();
        let organizations: Vec<&str> = settings.organization_ids.iter().map(OrganizationId::as_str).collect();
        let directories: Vec<&str> = settings.directory_ids.iter().map(DirectoryId::as_str).collect();
        Self {
            event_types: types.join(" "),
            organizations: organizations.join(" "),
            directories: directories.join(" "),
        }
    }
}

/// From `?1`, the id, to `?13`, the time of the change.
fn settings_values<'a>(
    id: &'a EndpointId,
    settings: &'a EndpointSettings,
    lists: &'a Lists,
    headers: Option<&'a [u8]>,
    now: DateTime,
) -> [Param<'a>; 13] {
    [
        id.as_str().into(),
        settings.url.as_str().into(),
        settings.description.as_str().into(),
        lists.event_types.as_str().into(),
        lists.organizations.as_str().into(),
        lists.directories.as_str().into(),
        settings.profile.as_str().into(),
        settings.acknowledge.as_str().into(),
        settings.ordering.as_str().into(),
        headers.into(),
        settings.rate.map(i64::from).into(),
        settings.concurrency.map(i64::from).into(),
        now.unix_micros().into(),
    ]
}

/// That the organizations and directories exist which an endpoint or a stream names.
pub(super) fn check_scope(
    session: &Session<'_>,
    organizations: &[OrganizationId],
    directories: &[DirectoryId],
) -> Result<(), DirectoryError> {
    let there = |select: &str, id: &str, what| {
        let found = session.first(select, params![id], |_| Ok::<_, DirectoryError>(()))?;
        found.ok_or(DirectoryError::NotFound { what })
    };
    for id in organizations {
        there("SELECT 1 FROM dir_organizations WHERE id = ?1", id.as_str(), "organization")?;
    }
    for id in directories {
        there("SELECT 1 FROM dir_directories WHERE id = ?1", id.as_str(), "directory")?;
    }
    Ok(())
}

/// That an endpoint is as it was when it was last changed at that time.
fn check_seen(session: &Session<'_>, id: &EndpointId, seen: DateTime) -> Result<(), DirectoryError> {
    let lock = Lock::Wait.words(session);
    let select = format!("SELECT updated FROM dir_endpoints WHERE id = ?1{lock}");
    match session.first(&select, params![id.as_str()], |row| row.int(0))? {
        Some(updated) if updated == seen.unix_micros() => Ok(()),
        Some(_) => Err(DirectoryError::Changed { what: "endpoint" }),
        None => Err(DirectoryError::NotFound { what: "endpoint" }),
    }
}

/// The number by which other tables know an endpoint.
pub(crate) fn number_of(session: &Session<'_>, id: &EndpointId) -> Result<i64, DirectoryError> {
    let select = "SELECT number FROM dir_endpoints WHERE id = ?1";
    let number = session.first(select, params![id.as_str()], |row| row.int(0))?;
    number.ok_or(DirectoryError::NotFound { what: "endpoint" })
}

/// Deletes some rows of an endpoint, the endpoint itself last. Answers how many.
fn delete_some(session: &Session<'_>, number: i64) -> Result<usize, DirectoryError> {
    let positions = "SELECT position FROM dir_deliveries WHERE endpoint = ?1 ORDER BY position LIMIT ?2";
    let delete = format!("DELETE FROM dir_attempts WHERE delivery IN ({positions})");
    session.execute(&delete, params![number, ROWS])?;
    let delete = format!("DELETE FROM dir_deliveries WHERE position IN ({positions})");
    let rows = session.execute(&delete, params![number, ROWS])?;
    if rows > 0 {
        return Ok(rows);
    }
    session.execute("DELETE FROM dir_endpoint_keys WHERE endpoint = ?1", params![number])?;
    Ok(session.execute("DELETE FROM dir_endpoints WHERE number = ?1", params![number])?)
}

const SELECT_ENDPOINT: &str =
    "SELECT id, url, description, event_types, organizations, directories, profile, acknowledge, ordering,
        headers, rate, concurrency, enabled, disabled_reason, disabled_at, created, updated, failures,
        failing_since, not_before, is_slow, last_delivered
    FROM dir_endpoints";

fn read_endpoint(directories: &Directories, row: &Row<'_>) -> Result<Endpoint, DirectoryError> {
    let id = EndpointId::stored(row.owned(0)?);
    let number =
        |column| Ok::<_, DirectoryError>(row.int_or_null(column)?.and_then(|n| u32::try_from(n).ok()));
    let time = |column| Ok::<_, DirectoryError>(row.int_or_null(column)?.map(DateTime::from_unix_micros));
    let settings = EndpointSettings {
        url: row.owned(1)?,
        description: row.owned(2)?,
        event_types: read_event_types(row.text(3)?),
        organization_ids: split(row.text(4)?).map(OrganizationId::stored).collect(),
        directory_ids: split(row.text(5)?).map(DirectoryId::stored).collect(),
        profile: Profile::parse(row.text(6)?).unwrap_or_default(),
        acknowledge: Acknowledge::parse(row.text(7)?).unwrap_or_default(),
        ordering: Ordering::parse(row.text(8)?).unwrap_or_default(),
        headers: open_headers(directories, row.bytes_or_null(9)?, id.as_str()),
        rate: number(10)?,
        concurrency: number(11)?,
    };
    Ok(Endpoint {
        id,
        settings,
        enabled: row.flag(12)?,
        disabled_reason: row.owned_or_null(13)?,
        disabled_at: time(14)?,
        created: DateTime::from_unix_micros(row.int(15)?),
        updated: DateTime::from_unix_micros(row.int(16)?),
        health: Health {
            failures: number(17)?.unwrap_or_default(),
            failing_since: time(18)?,
            not_before: time(19)?,
            is_slow: row.flag(20)?,
            last_delivered: time(21)?,
        },
    })
}

/// Header fields as [`Directories::sealed_headers`] keeps them.
pub(crate) fn open_headers(
    directories: &Directories,
    sealed: Option<&[u8]>,
    id: &str,
) -> Vec<(String, String)> {
    let plain = sealed.and_then(|sealed| directories.keys().open(sealed, id));
    plain.and_then(|plain| serde_json::from_slice(&plain).ok()).unwrap_or_default()
}

/// The event types as the table holds them.
pub(crate) fn read_event_types(text: &str) -> Vec<EventType> {
    text.split(' ').filter_map(EventType::parse).collect()
}

/// The entries of a list as the table holds it.
pub(crate) fn split(text: &str) -> impl Iterator<Item = String> {
    text.split(' ').filter(|entry| !entry.is_empty()).map(str::to_owned)
}
