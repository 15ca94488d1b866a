//! Receivers that ask (RFC 8936).

use std::time::Duration;

use scim_schema::DateTime;
use scim_set::{PollRequest, PollResponse, sign};
use scim_sql::params;

use super::queue;
use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::id::SetStreamId;

/// How many SETs an answer has at most.
const SETS: usize = 100;
/// How many bytes of claims an answer has at most, unless one SET alone has more.
const BYTES: usize = 4 << 20;

impl Directories {
    /// Takes note of what a receiver acknowledges and refuses, and answers the SETs that wait, the oldest first.
    /// Where there are none and the request does not ask for an answer at once, it waits for one as long as `wait`.
    ///
    /// A SET is in each answer until it is acknowledged or refused: an answer that is lost costs nothing. What is
    /// refused is kept beside the stream: see [`Directories::refused_sets`].
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without such a stream; [`DirectoryError::Disabled`].
    pub async fn poll_sets(
        &self,
        stream: &SetStreamId,
        request: PollRequest,
        issuer: &str,
        wait: Duration,
        now: DateTime,
    ) -> Result<PollResponse, DirectoryError> {
        let end = tokio::time::Instant::now() + wait;
        let limit = request.max_events.map_or(SETS, |max| usize::try_from(max).unwrap_or(SETS).min(SETS));
        let (at_once, acknowledges) = (request.return_immediately, request.only_acknowledges());
        self.settle(stream, request, now).await?;
        loop {
            let id = stream.clone();
            let written = self.events_written();
            let (audience, sets, more_available) = self
                .database()
                .read(move |session| {
                    let select = "SELECT number, audience, enabled FROM dir_set_streams
                        WHERE id = ?1 AND url IS NULL";
                    let found = session.first(select, params![id.as_str()], |row| {
                        Ok::<_, DirectoryError>((row.int(0)?, row.owned(1)?, row.flag(2)?))
                    })?;
                    let found = found.ok_or(DirectoryError::NotFound { what: "stream" })?;
                    let (number, audience, true) = found else {
                        return Err(DirectoryError::Disabled { what: "stream" });
                    };
                    let (sets, more) = queue::waiting(session, number, limit, BYTES)?;
                    Ok((audience, sets, more))
                })
                .await?;
            if sets.is_empty() && !at_once && !acknowledges && tokio::time::Instant::now() < end {
                tokio::time::timeout_at(end, written).await.unwrap_or_default();
                continue;
            }
            let mut response = PollResponse { more_available, ..PollResponse::default() };
            if !sets.is_empty() {
                let key = self.set_signing_key(now).await?;
                for set in sets {
                    let token = sign(&key, issuer, &audience, &set.claims)?;
                    response.sets.insert(set.id, token);
                }
            }
            return Ok(response);
        }
    }

    /// What the receiver has against SETs is noted first: one that is in both lists is refused.
    async fn settle(
        &self,
        stream: &SetStreamId,
        request: PollRequest,
        now: DateTime,
    ) -> Result<(), DirectoryError> {
        let PollRequest { mut ack, set_errs, .. } = request;
        // No name of ours has such a character, and none of the engines can look for it.
        ack.retain(|id| !id.contains('\0') && !set_errs.contains_key(id));
        if ack.is_empty() && set_errs.is_empty() {
            return Ok(());
        }
        let id = stream.clone();
        let (acknowledged, refused) = self
            .database()
            .write(move |session| {
                let select = "SELECT number FROM dir_set_streams WHERE id = ?1 AND url IS NULL";
                let number = session.first(select, params![id.as_str()], |row| row.int(0))?;
                let number = number.ok_or(DirectoryError::NotFound { what: "stream" })?;
                let mut refused = 0;
                for (id, error) in set_errs.iter().filter(|(id, _)| !id.contains('\0')) {
                    refused += usize::from(queue::refuse(session, number, id, error, now)?);
                }
                let acknowledged = queue::acknowledge(session, number, &ack, now)?;
                Ok::<_, DirectoryError>((acknowledged, refused))
            })
            .await?;
        tracing::debug!(%stream, acknowledged, refused, "security event tokens settled by poll");
        if refused > 0 {
            tracing::warn!(%stream, refused, "security event tokens were refused");
        }
        Ok(())
    }
}
