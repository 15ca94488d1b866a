//! What PostgreSQL's errors mean.

use std::error::Error;
use std::sync::Arc;

use tokio_postgres::error::SqlState;

use crate::error::{DatabaseError, OpenError, Source};

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(code) = error.code().cloned() else {
            let lost = error.is_closed() || error.source().is_some_and(<dyn Error>::is::<std::io::Error>);
            let error: Source = Arc::new(error);
            return if lost { Self::Lost(error) } else { Self::Statement(error) };
        };
        let error: Source = Arc::new(error);
        match code {
            SqlState::UNIQUE_VIOLATION | SqlState::EXCLUSION_VIOLATION => Self::NotUnique(error),
            SqlState::DISK_FULL => Self::Full(error),
            SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::LOCK_NOT_AVAILABLE
            | SqlState::QUERY_CANCELED
            | SqlState::OUT_OF_MEMORY
            | SqlState::INSUFFICIENT_RESOURCES => Self::Busy(error),
            SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => Self::Damaged(error),
            SqlState::IO_ERROR => Self::Io(error),
            SqlState::IN_FAILED_SQL_TRANSACTION => Self::RolledBack,
            // The server is going, coming, or has become one that only reads.
            SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::DATABASE_DROPPED
            | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | SqlState::TOO_MANY_CONNECTIONS
            | SqlState::READ_ONLY_SQL_TRANSACTION => Self::Lost(error),
            code if code.code().starts_with("08") => Self::Lost(error),
            _ => Self::Statement(error),
        }
    }
}

/// Whether the same work may succeed when it is done again at once.
pub(super) fn is_conflict(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED))
}

/// Why the first connection did not come about.
pub(super) fn open_error(place: &str, error: tokio_postgres::Error) -> OpenError {
    let place = place.to_owned();
    match error.as_db_error().map(|e| (e.code().clone(), e.message().to_owned())) {
        Some((code, message))
            if code != SqlState::CANNOT_CONNECT_NOW && code != SqlState::TOO_MANY_CONNECTIONS =>
        {
            let problem = message.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
            OpenError::Refused { place, problem }
        }
        _ => OpenError::Unreachable { place, source: error.into() },
    }
}
