//! What goes wrong.

use scim_sql::DatabaseError;

/// Why something about directories could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The database could not do it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The tables can't be brought up to date.
    #[error(transparent)]
    Open(#[from] scim_sql::OpenError),
    /// The change feed could not be read.
    #[error("the change feed can't be read")]
    Feed(#[from] scim_core::StoreError),
    /// Events could not be published.
    #[error("the outlet of events fails: {0}")]
    Outlet(#[source] scim_core::BoxError),
    /// There is no such thing.
    #[error("there is no such {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// What was asked for was forgotten, because it is old.
    #[error("the events behind this place are not kept any more: read the directory anew")]
    Forgotten,
    /// A value that must be unique is there already.
    #[error("the {field} is taken")]
    Taken {
        /// The field.
        field: &'static str,
    },
    /// It is not any more as it was seen.
    #[error("the {what} has changed since it was read")]
    Changed {
        /// What.
        what: &'static str,
    },
    /// A value is not allowed.
    #[error("{field} {problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong, as the rest of a sentence.
        problem: &'static str,
    },
    /// An endpoint's URL is not allowed.
    #[error(transparent)]
    Url(#[from] scim_webhook::UrlError),
    /// An endpoint's header fields are not allowed.
    #[error(transparent)]
    Header(#[from] scim_webhook::HeaderError),
    /// It is there, but switched off.
    #[error("the {what} is disabled")]
    Disabled {
        /// What was asked for.
        what: &'static str,
    },
    /// A security event token can't be signed.
    #[error(transparent)]
    SetKey(#[from] scim_set::KeyError),
    /// The keys are not those that the database was first used with.
    #[error("the key file is not the one that belongs to the database: put back the one that does")]
    WrongKeys,
}
