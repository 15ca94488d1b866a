//! What waits to be delivered, endpoint by endpoint.

use scim_schema::DateTime;
use scim_sql::params;

use super::Directories;
use crate::error::DirectoryError;
use crate::id::EndpointId;

/// What waits for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// Whether it is delivered to.
    pub enabled: bool,
    /// How many deliveries wait for an attempt.
    pub pending: u64,
    /// When the change happened that waits the longest.
    pub oldest: Option<DateTime>,
}

impl Directories {
    /// What waits for each endpoint, in order of their creation. The work grows with what waits, not with what was
    /// delivered.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, DirectoryError> {
        self.database()
            .read(|session| {
                let select = "SELECT p.id, p.enabled, w.pending, e.occurred_at FROM dir_endpoints p
                    LEFT JOIN (
                        SELECT endpoint, count(*) AS pending, min(event) AS oldest FROM dir_deliveries
                        WHERE state = 0 GROUP BY endpoint
                    ) w ON w.endpoint = p.number
                    LEFT JOIN dir_events e ON e.position = w.oldest
                    ORDER BY p.number";
                session.all(select, params![], |row| {
                    Ok::<_, DirectoryError>(Waiting {
                        endpoint_id: EndpointId::stored(row.owned(0)?),
                        enabled: row.flag(1)?,
                        pending: row.int_or_null(2)?.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
                        oldest: row.int_or_null(3)?.map(DateTime::from_unix_micros),
                    })
                })
            })
            .await
    }
}
