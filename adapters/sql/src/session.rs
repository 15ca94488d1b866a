//! What is asked of a database, whichever engine it is. Statements are written once, in the SQL that SQLite
//! and PostgreSQL share; parameters are `?1`, `?2`, ….

use std::fmt;

use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};

use crate::error::DatabaseError;
use crate::postgres::PostgresTransaction;
use crate::postgres::value;

/// The two engines, for the few statements that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever writes a statement must know them all")]
pub enum Engine {
    /// A file of this process.
    Sqlite,
    /// A server.
    Postgres,
}

/// A transaction, or one view of the data.
///
/// After a statement has failed, nothing more can be done in the transaction: return the error. What may
/// be there already is inserted with `ON CONFLICT DO NOTHING`, and the answer says whether it was.
pub struct Session<'s> {
    inner: Inner<'s>,
    /// What SQLite makes of each query, where a test wants to know.
    #[cfg(test)]
    plans: Option<&'s std::cell::RefCell<Vec<String>>>,
}

enum Inner<'s> {
    Sqlite(&'s rusqlite::Connection),
    Postgres(&'s PostgresTransaction<'s>),
}

impl<'s> Session<'s> {
    pub(crate) fn sqlite(connection: &'s rusqlite::Connection) -> Self {
        Self {
            inner: Inner::Sqlite(connection),
            #[cfg(test)]
            plans: None,
        }
    }

    /// The same, with a list to which the plan of each query is added.
    #[cfg(test)]
    pub(crate) fn explained<'e>(&'e self, plans: &'e std::cell::RefCell<Vec<String>>) -> Session<'e> {
        let inner = match &self.inner {
            Inner::Sqlite(connection) => Inner::Sqlite(connection),
            Inner::Postgres(transaction) => Inner::Postgres(transaction),
        };
        Session { inner, plans: Some(plans) }
    }

    #[cfg(test)]
    fn explain(&self, sql: &str, params: &[Param<'_>]) -> Result<(), DatabaseError> {
        let (Some(plans), Inner::Sqlite(connection)) = (self.plans, &self.inner) else { return Ok(()) };
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        let steps = explain.query_map(rusqlite::params_from_iter(params), |row| row.get::<_, String>(3))?;
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        plans.borrow_mut().push(steps.join("; "));
        Ok(())
    }

    pub(crate) fn postgres(transaction: &'s PostgresTransaction<'s>) -> Self {
        Self {
            inner: Inner::Postgres(transaction),
            #[cfg(test)]
            plans: None,
        }
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match self.inner {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// The function that says where in a text, its first argument, the second begins; 0 for nowhere.
    pub(crate) fn position_function(&self) -> &'static str {
        match self.engine() {
            Engine::Sqlite => "instr",
            Engine::Postgres => "strpos",
        }
    }

    /// Runs a statement and says how many rows it changed.
    ///
    /// # Errors
    /// What the database says.
    pub fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize, DatabaseError> {
        storable(params)?;
        match self.inner {
            Inner::Sqlite(connection) => {
                Ok(connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(params))?)
            }
            Inner::Postgres(transaction) => transaction.execute(sql, params),
        }
    }

    /// Inserts a row and answers its number, which is in the column `number`; `None` if what was in the way stays.
    ///
    /// On SQLite without `RETURNING`, for which a copy is made of each page that the statement changes.
    pub fn insert(
        &self,
        sql: &str,
        params: &[Param<'_>],
        number: &str,
    ) -> Result<Option<i64>, DatabaseError> {
        match self.inner {
            Inner::Sqlite(connection) => {
                let rows = self.execute(sql, params)?;
                Ok((rows > 0).then(|| connection.last_insert_rowid()))
            }
            Inner::Postgres(_) => self.first(&format!("{sql} RETURNING {number}"), params, |row| row.int(0)),
        }
    }

    /// Runs statements one after the other and says how many rows each changed. On PostgreSQL they are sent
    /// together and cost one round trip.
    ///
    /// # Errors
    /// That of the first statement which fails.
    pub fn batch(&self, statements: &[Statement<'_>]) -> Result<Vec<usize>, DatabaseError> {
        match self.inner {
            Inner::Sqlite(_) => statements.iter().map(|s| self.execute(s.sql, &s.params)).collect(),
            Inner::Postgres(transaction) => {
                statements.iter().try_for_each(|s| storable(&s.params))?;
                Ok(transaction.batch(statements)?.into_iter().map(|(_, changed)| changed).collect())
            }
        }
    }

    /// Runs statements one after the other and shows each row of their answers, which are few, with the place of its
    /// statement in the list. On PostgreSQL they are sent together and cost one round trip: all of them have run when
    /// `each` sees the first row. So work in which `each` fails should fail too.
    ///
    /// # Errors
    /// That of the first statement which fails, or the first error of `each`.
    pub fn batch_rows<E: From<DatabaseError>>(
        &self,
        statements: &[Statement<'_>],
        mut each: impl FnMut(usize, &Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.inner {
            Inner::Sqlite(_) => statements
                .iter()
                .enumerate()
                .try_for_each(|(place, s)| self.query(s.sql, &s.params, |row| each(place, row))),
            Inner::Postgres(transaction) => {
                statements.iter().try_for_each(|s| storable(&s.params))?;
                let answers = transaction.batch(statements)?;
                answers.iter().enumerate().try_for_each(|(place, (rows, _))| {
                    rows.iter().try_for_each(|row| each(place, &Row { inner: InnerRow::Postgres(row) }))
                })
            }
        }
    }

    /// Runs a query and shows each row as it comes. Other statements may be run meanwhile.
    ///
    /// # Errors
    /// What the database says, or the first error of `each`.
    pub fn query<E: From<DatabaseError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        storable(params)?;
        #[cfg(test)]
        self.explain(sql, params)?;
        match self.inner {
            Inner::Sqlite(connection) => {
                let failed = |e: rusqlite::Error| E::from(DatabaseError::from(e));
                let mut statement = connection.prepare_cached(sql).map_err(failed)?;
                let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(failed)?;
                while let Some(row) = rows.next().map_err(failed)? {
                    each(&Row { inner: InnerRow::Sqlite(row) })?;
                }
                Ok(())
            }
            Inner::Postgres(transaction) => {
                transaction.each(sql, params, |row| each(&Row { inner: InnerRow::Postgres(row) }))
            }
        }
    }

    /// The first row of a query that finds few, if there is one.
    ///
    /// # Errors
    /// What the database says, or the error of `read`.
    pub fn first<T, E: From<DatabaseError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let mut first = None;
        self.each(sql, params, |row| {
            if first.is_none() {
                first = Some(read(row)?);
            }
            Ok::<(), E>(())
        })?;
        Ok(first)
    }

    /// All rows of a query, which must have room in memory.
    ///
    /// # Errors
    /// What the database says, or the first error of `read`.
    pub fn all<T, E: From<DatabaseError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let mut all = Vec::new();
        self.each(sql, params, |row| {
            all.push(read(row)?);
            Ok::<(), E>(())
        })?;
        Ok(all)
    }

    /// As [`Session::query`], for few rows: they are fetched before the first is shown.
    fn each<E: From<DatabaseError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.inner {
            Inner::Sqlite(_) => self.query(sql, params, each),
            Inner::Postgres(transaction) => {
                storable(params)?;
                let rows = transaction.rows(sql, params)?;
                rows.iter().try_for_each(|row| each(&Row { inner: InnerRow::Postgres(row) }))
            }
        }
    }

    /// Runs a statement that is a transaction of its own, where that is possible: on PostgreSQL, before any other
    /// statement. The first row of its answer; `None` if there is none, and nothing was written then.
    ///
    /// The statement writes only where it answers with a row.
    pub(crate) fn once<T, E: From<DatabaseError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let Inner::Postgres(transaction) = self.inner else { return Ok(None) };
        storable(params)?;
        let rows = transaction.once(sql, params)?.unwrap_or_default();
        rows.first().map(|row| read(&Row { inner: InnerRow::Postgres(row) })).transpose()
    }

    /// Runs the statements of a migration.
    pub(crate) fn define(&self, sql: &str) -> Result<(), DatabaseError> {
        match self.inner {
            Inner::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Inner::Postgres(transaction) => transaction.define(sql),
        }
    }

    /// The shard of a tenant's counts to add to, so that writers do not wait for each other.
    pub(crate) fn shard(&self) -> i64 {
        match self.inner {
            Inner::Sqlite(_) => 0,
            Inner::Postgres(transaction) => transaction.shard(),
        }
    }

    /// Keeps other writers that come here out until the transaction ends. On SQLite there is one writer.
    pub(crate) fn exclude(&self) -> Result<(), DatabaseError> {
        match self.inner {
            Inner::Sqlite(_) => Ok(()),
            Inner::Postgres(transaction) => {
                // A lock of the transaction, not of the connection. The number is `SCIM` in ASCII.
                transaction.rows("SELECT pg_advisory_xact_lock(1396918605)", &[]).map(|_| ())
            }
        }
    }
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

/// A statement of a [`Session::batch`] or [`Session::batch_rows`].
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    pub(crate) sql: &'a str,
    pub(crate) params: Vec<Param<'a>>,
}

impl<'a> Statement<'a> {
    /// A statement with its parameters.
    pub fn new(sql: &'a str, params: impl Into<Vec<Param<'a>>>) -> Self {
        Self { sql, params: params.into() }
    }
}

/// One row of an answer.
pub struct Row<'r> {
    inner: InnerRow<'r>,
}

enum InnerRow<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl<'r> Row<'r> {
    /// An integer.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn int(&self, column: usize) -> Result<i64, DatabaseError> {
        match self.inner {
            InnerRow::Sqlite(row) => Ok(row.get(column)?),
            InnerRow::Postgres(row) => value::int(row, column),
        }
    }

    /// An integer or null.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn int_or_null(&self, column: usize) -> Result<Option<i64>, DatabaseError> {
        match self.inner {
            InnerRow::Sqlite(row) => Ok(row.get(column)?),
            InnerRow::Postgres(row) => value::int_or_null(row, column),
        }
    }

    /// A number that is never negative.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn unsigned(&self, column: usize) -> Result<u64, DatabaseError> {
        Ok(u64::try_from(self.int(column)?).unwrap_or_default())
    }

    /// A flag: whether an integer is not 0.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn flag(&self, column: usize) -> Result<bool, DatabaseError> {
        Ok(self.int(column)? != 0)
    }

    /// A text.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn text(&self, column: usize) -> Result<&'r str, DatabaseError> {
        match self.inner {
            InnerRow::Sqlite(row) => row.get_ref(column)?.as_str().map_err(wrong_type),
            InnerRow::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// A text or null.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn text_or_null(&self, column: usize) -> Result<Option<&'r str>, DatabaseError> {
        match self.inner {
            InnerRow::Sqlite(row) => row.get_ref(column)?.as_str_or_null().map_err(wrong_type),
            InnerRow::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// A text, as an owned string.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn owned(&self, column: usize) -> Result<String, DatabaseError> {
        Ok(self.text(column)?.to_owned())
    }

    /// A text or null, as an owned string.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn owned_or_null(&self, column: usize) -> Result<Option<String>, DatabaseError> {
        Ok(self.text_or_null(column)?.map(str::to_owned))
    }

    /// Bytes.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn bytes(&self, column: usize) -> Result<&'r [u8], DatabaseError> {
        match self.inner {
            InnerRow::Sqlite(row) => row.get_ref(column)?.as_blob().map_err(wrong_type),
            InnerRow::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    /// Bytes or null.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn bytes_or_null(&self, column: usize) -> Result<Option<&'r [u8]>, DatabaseError> {
        match self.inner {
            InnerRow::Sqlite(row) => row.get_ref(column)?.as_blob_or_null().map_err(wrong_type),
            InnerRow::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").finish_non_exhaustive()
    }
}

fn wrong_type(error: rusqlite::types::FromSqlError) -> DatabaseError {
    rusqlite::Error::from(error).into()
}

/// A value for a statement. Flags are the integers 0 and 1.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "what both engines have")]
pub enum Param<'a> {
    /// An integer.
    Int(i64),
    /// A text.
    Text(&'a str),
    /// Texts or nulls, as an array. PostgreSQL only.
    Texts(&'a [Option<&'a str>]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// No value.
    Null,
}

impl From<i32> for Param<'_> {
    fn from(n: i32) -> Self {
        Self::Int(i64::from(n))
    }
}

impl From<i64> for Param<'_> {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<u64> for Param<'_> {
    fn from(n: u64) -> Self {
        Self::Int(int(n))
    }
}

impl From<bool> for Param<'_> {
    fn from(flag: bool) -> Self {
        Self::Int(i64::from(flag))
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Param<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [Option<&'a str>]> for Param<'a> {
    fn from(texts: &'a [Option<&'a str>]) -> Self {
        Self::Texts(texts)
    }
}

impl<'a> From<&'a Vec<Option<&'a str>>> for Param<'a> {
    fn from(texts: &'a Vec<Option<&'a str>>) -> Self {
        Self::Texts(texts)
    }
}

impl<'a> From<&'a [u8]> for Param<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, T: Into<Param<'a>>> From<Option<T>> for Param<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// `params![a, b]`: each of them as a [`Param`].
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::Param::from($value)),*] };
}

/// PostgreSQL has no NUL in its texts; so there is none in those of SQLite either.
fn storable(params: &[Param<'_>]) -> Result<(), DatabaseError> {
    let good = params.iter().all(|param| match param {
        Param::Text(text) => is_storable(text),
        Param::Texts(texts) => texts.iter().flatten().all(|text| is_storable(text)),
        _ => true,
    });
    if good { Ok(()) } else { Err(DatabaseError::Nul) }
}

/// Whether the text has no NUL. One that has is equal to nothing that is stored.
pub(crate) fn is_storable(text: &str) -> bool {
    !text.as_bytes().contains(&0)
}

/// A count or version for a statement.
pub(crate) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Int(n) => ToSqlOutput::Owned(SqlValue::Integer(*n)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Texts(_) => {
                return Err(rusqlite::Error::ToSqlConversionFailure("SQLite has no arrays".into()));
            }
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Null => ToSqlOutput::Owned(SqlValue::Null),
        })
    }
}
