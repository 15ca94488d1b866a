//! Rows that are to be written: on SQLite one by one, on PostgreSQL as arrays, one for each column, because there each
//! statement is a message there and back.

use std::borrow::Cow;

use scim_sql::Param;

/// A value of a row.
#[derive(Debug)]
pub(crate) enum Cell<'c> {
    Null,
    Text(Cow<'c, str>),
    Number(i64),
}

impl Cell<'_> {
    /// The value for a statement that writes one row.
    pub(crate) fn param(&self) -> Param<'_> {
        match self {
            Self::Null => Param::Null,
            Self::Text(text) => Param::Text(text),
            Self::Number(number) => Param::Int(*number),
        }
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(number.to_string().into()),
        }
    }
}

impl<'c> From<&'c str> for Cell<'c> {
    fn from(text: &'c str) -> Self {
        Self::Text(text.into())
    }
}

impl<'c> From<Cow<'c, str>> for Cell<'c> {
    fn from(text: Cow<'c, str>) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Cell<'_> {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<'c, T: Into<Cell<'c>>> From<Option<T>> for Cell<'c> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The columns of rows that are equally long; numbers as texts.
#[derive(Debug)]
pub(crate) struct Columns<'c>(Vec<Vec<Option<Cow<'c, str>>>>);

impl<'c> Columns<'c> {
    pub(crate) fn of<const WIDTH: usize>(rows: &'c [[Cell<'_>; WIDTH]]) -> Self {
        let mut columns: Vec<Vec<_>> = (0..WIDTH).map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            for (column, cell) in columns.iter_mut().zip(row) {
                column.push(cell.text());
            }
        }
        Self(columns)
    }

    /// What arrays of a statement are made of.
    pub(crate) fn texts(&self) -> Vec<Vec<Option<&str>>> {
        self.0.iter().map(|column| column.iter().map(Option::as_deref).collect()).collect()
    }
}
