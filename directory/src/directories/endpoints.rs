//! Webhook endpoints.

use scim_schema::DateTime;
use scim_sql::{Row, Session, params};
use scim_webhook::{Secret, check_url};

use super::{Directories, exclude};
use crate::error::DirectoryError;
use crate::event::EventType;
use crate::id::{EndpointId, OrganizationId, random_bytes};
use crate::model::{CreatedEndpoint, Endpoint, NewEndpoint};

/// How long an endpoint's URL may be, in bytes.
const URL_LIMIT: usize = 2048;

impl Directories {
    /// Creates a webhook endpoint. It gets the events from now on.
    ///
    /// # Errors
    /// [`DirectoryError::Url`] or [`DirectoryError::Invalid`] when the URL is not allowed,
    /// [`DirectoryError::NotFound`] without the organization.
    pub async fn create_endpoint(
        &self,
        new: NewEndpoint,
        now: DateTime,
    ) -> Result<CreatedEndpoint, DirectoryError> {
        let (created, sealed) = self.fresh_endpoint(new, now)?;
        let row = created.endpoint.clone();
        self.database().write(move |session| insert(session, &row, &sealed)).await?;
        tracing::info!(endpoint = %created.endpoint.id, "webhook endpoint created");
        Ok(created)
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
        let (created, sealed) = self.fresh_endpoint(new, now)?;
        let row = created.endpoint.clone();
        let is_new = self
            .database()
            .write(move |session| {
                exclude(session)?;
                let select = "SELECT 1 FROM dir_endpoints WHERE url = ?1 LIMIT 1";
                if session.first(select, params![&row.url], |_| Ok::<_, DirectoryError>(()))?.is_some() {
                    return Ok::<_, DirectoryError>(false);
                }
                insert(session, &row, &sealed)?;
                Ok(true)
            })
            .await?;
        Ok(is_new.then_some(created))
    }

    /// A checked endpoint, and its secret as the database keeps it.
    fn fresh_endpoint(
        &self,
        new: NewEndpoint,
        now: DateTime,
    ) -> Result<(CreatedEndpoint, Vec<u8>), DirectoryError> {
        if new.url.len() > URL_LIMIT {
            return Err(DirectoryError::Invalid { field: "url", problem: "is longer than 2048 bytes" });
        }
        check_url(&new.url, self.allow_loopback_http)?;
        let secret = match new.secret {
            Some(secret) => secret,
            None => Secret::from_bytes(&random_bytes::<32>()).map_err(|_| DirectoryError::WrongKeys)?,
        };
        let mut event_types = new.event_types;
        event_types.sort_unstable();
        event_types.dedup();
        let endpoint = Endpoint {
            id: EndpointId::random(),
            url: new.url,
            event_types,
            organization_id: new.organization_id,
            enabled: true,
            disabled_reason: None,
            created: now,
        };
        let sealed =
            self.keys().seal(secret.as_bytes(), endpoint.id.as_str()).ok_or(DirectoryError::WrongKeys)?;
        Ok((CreatedEndpoint { endpoint, secret }, sealed))
    }

    /// All endpoints, in order of creation.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, DirectoryError> {
        self.database()
            .read(|session| {
                let select = "SELECT id, url, event_types, organization, enabled, disabled_reason, created
                    FROM dir_endpoints ORDER BY number";
                session.all(select, params![], read_endpoint)
            })
            .await
    }

    /// Starts or stops delivery to an endpoint. Deliveries that wait are kept while it is stopped; events
    /// that come meanwhile are not delivered to it.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn set_endpoint_enabled(&self, id: &EndpointId, enabled: bool) -> Result<(), DirectoryError> {
        let row = id.clone();
        self.database()
            .write(move |session| {
                let update = "UPDATE dir_endpoints SET enabled = ?2, disabled_reason = NULL WHERE id = ?1";
                match session.execute(update, params![row.as_str(), enabled])? {
                    0 => Err(DirectoryError::NotFound { what: "endpoint" }),
                    _ => Ok(()),
                }
            })
            .await?;
        tracing::info!(endpoint = %id, enabled, "webhook endpoint switched");
        self.new_deliveries().notify_one();
        Ok(())
    }
}

fn insert(session: &Session<'_>, endpoint: &Endpoint, sealed: &[u8]) -> Result<(), DirectoryError> {
    let organization = endpoint.organization_id.as_ref().map(OrganizationId::as_str);
    if let Some(organization) = organization {
        let select = "SELECT 1 FROM dir_organizations WHERE id = ?1";
        let found = session.first(select, params![organization], |_| Ok::<_, DirectoryError>(()))?;
        found.ok_or(DirectoryError::NotFound { what: "organization" })?;
    }
    let event_types: Vec<&str> = endpoint.event_types.iter().map(|t| t.as_str()).collect();
    let insert = "INSERT INTO dir_endpoints (id, url, event_types, organization, secret, enabled, created)
        VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)";
    session.execute(
        insert,
        params![
            endpoint.id.as_str(),
            &endpoint.url,
            &event_types.join(" "),
            organization,
            sealed,
            endpoint.created.unix_micros()
        ],
    )?;
    Ok(())
}

fn read_endpoint(row: &Row<'_>) -> Result<Endpoint, DirectoryError> {
    Ok(Endpoint {
        id: EndpointId::stored(row.owned(0)?),
        url: row.owned(1)?,
        event_types: read_event_types(row.text(2)?),
        organization_id: row.owned_or_null(3)?.map(OrganizationId::stored),
        enabled: row.flag(4)?,
        disabled_reason: row.owned_or_null(5)?,
        created: DateTime::from_unix_micros(row.int(6)?),
    })
}

/// The event types as the table holds them: names with a space between; none for all.
pub(crate) fn read_event_types(text: &str) -> Vec<EventType> {
    text.split(' ').filter_map(EventType::parse).collect()
}
