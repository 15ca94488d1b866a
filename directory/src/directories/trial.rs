//! One attempt at an endpoint, to see whether it works.

use scim_schema::DateTime;
use scim_webhook::Report;

use super::{Directories, number_of, signing};
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
        let (secrets, signing_keys) = self
            .database()
            .read(move |session| signing(session, &this, number_of(session, &row)?, row.as_str(), now))
            .await?;
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
