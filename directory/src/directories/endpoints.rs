//! Webhook endpoints.

use scim_schema::DateTime;
use scim_sql::rusqlite::{Connection, Row, params};
use scim_webhook::{Secret, check_url};

use super::Directories;
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
        let row = endpoint.clone();
        self.database().write_sqlite(move |tx| insert(tx, &row, &sealed)).await?;
        tracing::info!(endpoint = %endpoint.id, "webhook endpoint created");
        Ok(CreatedEndpoint { endpoint, secret })
    }

    /// All endpoints, in order of creation.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, DirectoryError> {
        let read = |db: &Connection| {
            let select = "SELECT id, url, event_types, organization, enabled, disabled_reason, created
                FROM dir_endpoints ORDER BY number";
            let mut select = db.prepare_cached(select)?;
            let rows = select.query_map([], read_endpoint)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database().read_sqlite(read).await
    }

    /// Starts or stops delivery to an endpoint. Deliveries that wait are kept while it is stopped; events
    /// that come meanwhile are not delivered to it.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`].
    pub async fn set_endpoint_enabled(&self, id: &EndpointId, enabled: bool) -> Result<(), DirectoryError> {
        let row = id.clone();
        self.database()
            .write_sqlite(move |tx| {
                let update = "UPDATE dir_endpoints SET enabled = ?2, disabled_reason = NULL WHERE id = ?1";
                match tx.prepare_cached(update)?.execute(params![row.as_str(), enabled])? {
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

fn insert(tx: &Connection, endpoint: &Endpoint, sealed: &[u8]) -> Result<(), DirectoryError> {
    if let Some(organization) = &endpoint.organization_id {
        let select = "SELECT EXISTS (SELECT 1 FROM dir_organizations WHERE id = ?1)";
        if !tx.query_row(select, [organization.as_str()], |row| row.get::<_, bool>(0))? {
            return Err(DirectoryError::NotFound { what: "organization" });
        }
    }
    let event_types: Vec<&str> = endpoint.event_types.iter().map(|t| t.as_str()).collect();
    let insert = "INSERT INTO dir_endpoints (id, url, event_types, organization, secret, enabled, created)
        VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)";
    tx.prepare_cached(insert)?.execute(params![
        endpoint.id.as_str(),
        endpoint.url,
        event_types.join(" "),
        endpoint.organization_id.as_ref().map(OrganizationId::as_str),
        sealed,
        endpoint.created.unix_micros()
    ])?;
    Ok(())
}

fn read_endpoint(row: &Row<'_>) -> Result<Endpoint, scim_sql::rusqlite::Error> {
    Ok(Endpoint {
        id: EndpointId::stored(row.get(0)?),
        url: row.get(1)?,
        event_types: read_event_types(&row.get::<_, String>(2)?),
        organization_id: row.get::<_, Option<String>>(3)?.map(OrganizationId::stored),
        enabled: row.get(4)?,
        disabled_reason: row.get(5)?,
        created: DateTime::from_unix_micros(row.get(6)?),
    })
}

/// The event types as the table holds them: names with a space between; none for all.
pub(crate) fn read_event_types(text: &str) -> Vec<EventType> {
    text.split(' ').filter_map(EventType::parse).collect()
}
