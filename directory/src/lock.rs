//! Locks of rows, where several processes write.

use scim_sql::{Engine, Session};

/// How a statement locks the rows that it reads, until its transaction ends. SQLite has one writer and needs
/// no locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Waits for rows that another transaction has locked.
    Wait,
    /// As `Wait`, but rows may be referred to meanwhile.
    WaitReferable,
    /// Leaves rows out that another transaction has locked; rows may be referred to meanwhile.
    SkipReferable,
}

impl Lock {
    /// The end of the statement.
    pub(crate) fn words(self, session: &Session<'_>) -> &'static str {
        match (session.engine(), self) {
            (Engine::Sqlite, _) => "",
            (Engine::Postgres, Self::Wait) => " FOR UPDATE",
            (Engine::Postgres, Self::WaitReferable) => " FOR NO KEY UPDATE",
            (Engine::Postgres, Self::SkipReferable) => " FOR NO KEY UPDATE SKIP LOCKED",
        }
    }
}
