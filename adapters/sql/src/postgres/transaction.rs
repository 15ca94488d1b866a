//! One transaction. What it asks is sent by the calling thread, which waits for the answer.

use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{join, join_all};
use tokio::runtime::Runtime;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::connection::{Connection, Known};
use super::pool::Kind;
use super::{dialect, fault};
use crate::error::DatabaseError;
use crate::session::{Param, Statement};

/// How many rows of a long answer are in memory at once.
const CHUNK: usize = 256;
/// How much longer than the server the client waits for an answer.
const GRACE: Duration = Duration::from_secs(5);

/// A transaction that begins with its first statement.
pub(crate) struct PostgresTransaction<'t> {
    runtime: &'t Runtime,
    connection: &'t Connection,
    kind: Kind,
    begin: &'t str,
    /// How long to wait for an answer; `None` for as long as it takes.
    limit: Option<Duration>,
    shard: i64,
    state: RefCell<State>,
}

/// How a transaction fares.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Whether there is one.
    pub(super) begun: bool,
    /// The first error. Nothing more can be done then.
    pub(super) failed: Option<DatabaseError>,
    /// The same work may succeed in another transaction.
    pub(super) conflict: bool,
    /// The connection is of no more use.
    pub(super) lost: bool,
    /// It was lost under a statement that commits itself: nobody knows whether it did.
    pub(super) uncertain: bool,
    cursors: usize,
}

impl<'t> PostgresTransaction<'t> {
    pub(super) fn new(
        runtime: &'t Runtime,
        connection: &'t Connection,
        kind: Kind,
        begin: &'t str,
        statement_timeout: Option<Duration>,
        shard: i64,
    ) -> Self {
        let limit = statement_timeout.map(|timeout| timeout.saturating_add(GRACE));
        Self { runtime, connection, kind, begin, limit, shard, state: RefCell::default() }
    }

    pub(super) fn into_state(self) -> State {
        self.state.into_inner()
    }

    /// The shard of the counts that this writer adds to.
    pub(crate) fn shard(&self) -> i64 {
        self.shard
    }

    pub(crate) fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize, DatabaseError> {
        self.run(self.send(sql, params)).map(|(_, changed)| changed)
    }

    pub(crate) fn rows(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, DatabaseError> {
        self.run(self.send(sql, params)).map(|(rows, _)| rows)
    }

    /// Runs a statement that is a transaction of its own, unless this one has begun or the connection may be
    /// another for each transaction. `None`: it did not run, or a unique value is taken, and nothing was written.
    pub(crate) fn once(&self, sql: &str, params: &[Param<'_>]) -> Result<Option<Vec<Row>>, DatabaseError> {
        if self.state.borrow().begun || !self.connection.is_own() {
            return Ok(None);
        }
        match self.wait(self.send(sql, params)) {
            Ok((rows, _)) => Ok(Some(rows)),
            Err(Some(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(None),
            Err(error) => {
                let refused = error.as_ref().and_then(tokio_postgres::Error::code)
                    == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
                let error = self.failure(error);
                let mut state = self.state.borrow_mut();
                state.uncertain = state.lost && !refused;
                Err(error)
            }
        }
    }

    /// Statements that are sent together: of each its rows, and how many it changed.
    pub(crate) fn batch(
        &self,
        statements: &[Statement<'_>],
    ) -> Result<Vec<(Vec<Row>, usize)>, DatabaseError> {
        self.run(async {
            // Those that are not known yet are prepared first, so that all are sent in their order.
            let known = statements.iter().map(|s| self.connection.statement(s.sql, &s.params));
            let known = join_all(known).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            let sent = known.iter().zip(statements).map(|(known, s)| self.send_known(known, &s.params));
            join_all(sent).await.into_iter().collect()
        })
    }

    /// Statements without parameters.
    pub(crate) fn script(&self, sql: &str) -> Result<(), DatabaseError> {
        self.run(self.connection.client().batch_execute(sql))
    }

    /// Statements that define tables, in the SQL that both engines share.
    pub(crate) fn define(&self, sql: &str) -> Result<(), DatabaseError> {
        self.script(&dialect::definitions(sql))
    }

    /// Shows the rows of a long answer, some of which are in memory at a time.
    pub(crate) fn each<E: From<DatabaseError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut each: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let name = {
            let mut state = self.state.borrow_mut();
            state.cursors += 1;
            format!("scim_{}", state.cursors)
        };
        let declare = format!("DECLARE {name} NO SCROLL CURSOR FOR {}", dialect::numbered(sql));
        let fetch = format!("FETCH {CHUNK} FROM {name}");
        let declare = Known::Text(declare.into());
        let mut rows = self.run(async {
            let (declared, rows) =
                join(self.send_known(&declare, params), self.connection.client().query_typed(&fetch, &[]))
                    .await;
            declared.and(rows)
        })?;
        loop {
            for row in &rows {
                each(row)?;
            }
            if rows.len() < CHUNK {
                // The end of the transaction closes it.
                return Ok(());
            }
            rows = self.run(self.connection.client().query_typed(&fetch, &[]))?;
        }
    }

    async fn send(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<(Vec<Row>, usize), tokio_postgres::Error> {
        let known = self.connection.statement(sql, params).await?;
        self.send_known(&known, params).await
    }

    /// Sends a statement at the first poll.
    async fn send_known(
        &self,
        known: &Known,
        params: &[Param<'_>],
    ) -> Result<(Vec<Row>, usize), tokio_postgres::Error> {
        let client = self.connection.client();
        let rows = match known {
            Known::Prepared(statement) => client.query_raw(statement, params.iter().copied()).await?,
            Known::Text(text) => {
                let typed: Vec<(Param<'_>, Type)> = params.iter().map(|p| (*p, p.postgres_type())).collect();
                client.query_typed_raw(text, typed).await?
            }
        };
        let mut rows = std::pin::pin!(rows);
        let mut found = Vec::new();
        while let Some(row) = rows.next().await {
            found.push(row?);
        }
        let changed = usize::try_from(rows.rows_affected().unwrap_or(0)).unwrap_or(usize::MAX);
        Ok((found, changed))
    }

    /// Waits for an answer; the first time together with the beginning of the transaction.
    fn run<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        if self.state.borrow().failed.is_some() {
            return Err(DatabaseError::RolledBack);
        }
        let begun = std::mem::replace(&mut self.state.borrow_mut().begun, true);
        let both = async {
            if begun {
                return work.await;
            }
            let (began, answer) = join(self.connection.client().batch_execute(self.begin), work).await;
            began.and(answer)
        };
        self.wait(both).map_err(|error| self.failure(error))
    }

    /// Waits for an answer. The error is `None` where none comes.
    fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Option<tokio_postgres::Error>> {
        self.runtime.block_on(async {
            match self.limit {
                Some(limit) => tokio::time::timeout(limit, work).await.map_err(|_| None)?.map_err(Some),
                None => work.await.map_err(Some),
            }
        })
    }

    /// Notes what an error means for the transaction.
    fn failure(&self, error: Option<tokio_postgres::Error>) -> DatabaseError {
        let Some(error) = error else { return self.lose(DatabaseError::silent()) };
        self.state.borrow_mut().conflict |= fault::is_conflict(&error);
        let read_only = error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
        match DatabaseError::from(error) {
            // It was not the server that has become one which only reads.
            DatabaseError::Lost(source) if read_only && self.kind == Kind::Read => {
                self.fail(DatabaseError::Statement(source))
            }
            error @ DatabaseError::Lost(_) => self.lose(error),
            error => self.fail(error),
        }
    }

    fn lose(&self, error: DatabaseError) -> DatabaseError {
        self.state.borrow_mut().lost = true;
        self.fail(error)
    }

    fn fail(&self, error: DatabaseError) -> DatabaseError {
        self.state.borrow_mut().failed = Some(error.clone());
        error
    }
}
