//! What the store asks of an SQL engine. The statements are written once, in the SQL that SQLite and
//! PostgreSQL share; parameters are `?1`, `?2`, ….

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};

use crate::error::DatabaseError;

/// A transaction, or one view of the data.
pub(crate) trait Tx {
    /// Runs a statement and says how many rows it changed.
    fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize, DatabaseError>;

    /// The function that says where in a text, its first argument, the second begins; 0 for nowhere.
    fn position(&self) -> &'static str;

    /// Runs a query and shows each row as it comes.
    fn query<E: From<DatabaseError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: impl FnMut(&dyn Row) -> Result<(), E>,
    ) -> Result<(), E>;

    /// The first row of a query, if there is one.
    fn first<T, E: From<DatabaseError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let mut first = None;
        self.query(sql, params, |row| {
            if first.is_none() {
                first = Some(read(row)?);
            }
            Ok::<(), E>(())
        })?;
        Ok(first)
    }

    /// All rows of a query.
    fn all<T, E: From<DatabaseError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let mut all = Vec::new();
        self.query(sql, params, |row| {
            all.push(read(row)?);
            Ok::<(), E>(())
        })?;
        Ok(all)
    }
}

/// One row of an answer.
pub(crate) trait Row {
    /// An integer.
    fn int(&self, column: usize) -> Result<i64, DatabaseError>;
    /// A text.
    fn text(&self, column: usize) -> Result<&str, DatabaseError>;
    /// A text or null.
    fn text_or_null(&self, column: usize) -> Result<Option<&str>, DatabaseError>;

    /// A text or null, as an owned string.
    fn owned(&self, column: usize) -> Result<Option<String>, DatabaseError> {
        Ok(self.text_or_null(column)?.map(str::to_owned))
    }

    /// A number that is never negative.
    fn unsigned(&self, column: usize) -> Result<u64, DatabaseError> {
        Ok(u64::try_from(self.int(column)?).unwrap_or_default())
    }
}

/// A value for a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Param<'a> {
    Int(i64),
    Text(&'a str),
    Null,
}

impl From<i64> for Param<'_> {
    fn from(n: i64) -> Self {
        Self::Int(n)
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

impl<'a> From<Option<&'a str>> for Param<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// `params![a, b]`: each of them as a [`Param`].
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::engine::Param::from($value)),*] };
}
pub(crate) use params;

/// A count or version for a statement.
pub(crate) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Tx for Connection {
    fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize, DatabaseError> {
        Ok(self.prepare_cached(sql)?.execute(rusqlite::params_from_iter(params))?)
    }

    fn position(&self) -> &'static str {
        "instr"
    }

    fn query<E: From<DatabaseError>>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut each: impl FnMut(&dyn Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |e: rusqlite::Error| E::from(DatabaseError::from(e));
        let mut statement = self.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(row)?;
        }
        Ok(())
    }
}

impl Row for rusqlite::Row<'_> {
    fn int(&self, column: usize) -> Result<i64, DatabaseError> {
        Ok(self.get(column)?)
    }

    fn text(&self, column: usize) -> Result<&str, DatabaseError> {
        let value = self.get_ref(column)?;
        value.as_str().map_err(|e| DatabaseError::from(rusqlite::Error::from(e)))
    }

    fn text_or_null(&self, column: usize) -> Result<Option<&str>, DatabaseError> {
        match self.get_ref(column)? {
            ValueRef::Null => Ok(None),
            _ => self.text(column).map(Some),
        }
    }
}

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Int(n) => ToSqlOutput::Owned(SqlValue::Integer(*n)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Null => ToSqlOutput::Owned(SqlValue::Null),
        })
    }
}
