//! One attempt at an endpoint, to see whether it works.

use scim_schema::DateTime;
use scim_sql::{Session, params};
use scim_webhook::{Report, Secret, SigningKey};

use super::{Directories, Key, number_of};
use crate::error::DirectoryError;
use crate::event::EventType;
use crate::id::{EndpointId, EventId};
use crate::profile::render;
use crate::transport::{Attempt, Transport};

impl Directories {
    /// Sends a made-up event to an endpoint, once, signed as events are, also if the endpoint is disabled. It is in
    /// no log, and does not count for or against the endpoint. Answers the event's id and what became of it.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`]; [`DirectoryError::WrongKeys`] when the endpoint's secret can't be opened.
    pub async fn try_endpoint(
        &self,
        id: &EndpointId,
        event_type: EventType,
        transport: &dyn Transport,
        now: DateTime,
    ) -> Result<(EventId, Report), DirectoryError> {
        let endpoint = self.endpoint(id).await?.ok_or(DirectoryError::NotFound { what: "endpoint" })?;
        let (this, row) = (self.clone(), id.clone());
        let (secrets, signing_keys) =
            self.database().read(move |session| keys(session, &this, &row, now)).await?;
        if secrets.is_empty() && signing_keys.is_empty() {
            return Err(DirectoryError::WrongKeys);
        }
        let (event_id, body) = self.test_body(event_type, &endpoint, now);
        let attempt = Attempt {
            url: endpoint.settings.url,
            event_id: event_id.to_string(),
            secrets,
            signing_keys,
            headers: endpoint.settings.headers,
            acknowledge: endpoint.settings.acknowledge,
            body: render(&body, endpoint.settings.profile, None).into_owned().into(),
            time: now,
            number: 1,
        };
        Ok((event_id, transport.attempt(&attempt).await))
    }
}

/// What an endpoint is signed for with now, the newest first.
fn keys(
    session: &Session<'_>,
    directories: &Directories,
    id: &EndpointId,
    now: DateTime,
) -> Result<(Vec<Secret>, Vec<SigningKey>), DirectoryError> {
    let select = "SELECT kind, sealed FROM dir_endpoint_keys
        WHERE endpoint = ?1 AND (expires IS NULL OR expires > ?2) ORDER BY number DESC";
    let values = params![number_of(session, id)?, now.unix_micros()];
    let rows = session.all(select, values, |row| {
        Ok::<_, DirectoryError>((row.int(0)?, directories.keys().open(row.bytes(1)?, id.as_str())))
    })?;
    let (mut secrets, mut signing_keys) = (Vec::new(), Vec::new());
    for (kind, bytes) in rows {
        let bytes = bytes.unwrap_or_default();
        if kind == Key::Secret.code() {
            secrets.extend(Secret::from_bytes(&bytes));
        } else {
            signing_keys.extend(SigningKey::from_seed(&bytes));
        }
    }
    Ok((secrets, signing_keys))
}
