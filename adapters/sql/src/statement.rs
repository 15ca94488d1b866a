//! Statements that are put together from parts.

use crate::session::Param;

/// A statement with its parameters, as far as it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statement {
    sql: String,
    values: Vec<Value>,
}

/// A value in a statement. Values never become text of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Int(i64),
    Text(String),
}

impl Statement {
    /// Writes SQL in which `{}` stands for the values, in order.
    pub(crate) fn push<const N: usize>(&mut self, sql: &str, values: [Value; N]) -> &mut Self {
        let mut values = values.into_iter();
        let mut parts = sql.split("{}");
        self.sql.push_str(parts.next().unwrap_or_default());
        for part in parts {
            if let Some(value) = values.next() {
                self.bind(value);
            }
            self.sql.push_str(part);
        }
        self
    }

    /// Writes SQL without values.
    pub(crate) fn text(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Writes the parameter for a value. What comes again has the number that it has.
    pub(crate) fn bind(&mut self, value: Value) -> &mut Self {
        let at = self.values.iter().position(|known| *known == value).unwrap_or_else(|| {
            self.values.push(value);
            self.values.len() - 1
        });
        self.sql.push_str(&format!("?{}", at + 1));
        self
    }

    /// Writes several parts with something between them.
    pub(crate) fn join<I: IntoIterator>(
        &mut self,
        between: &str,
        parts: I,
        mut write: impl FnMut(&mut Self, I::Item),
    ) -> &mut Self {
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                self.sql.push_str(between);
            }
            write(self, part);
        }
        self
    }

    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    pub(crate) fn params(&self) -> Vec<Param<'_>> {
        let param = |value| match value {
            &Value::Int(n) => Param::Int(n),
            Value::Text(text) => Param::Text(text),
        };
        self.values.iter().map(param).collect()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_as_they_come_and_never_written() {
        let mut statement = Statement::default();
        statement.push("a = {} AND b > {}", ["x' --".into(), 7.into()]).text(" AND c IN (");
        statement.join(", ", ["y", "x' --"], |s, v| {
            s.bind(v.into());
        });
        statement.text(")");
        assert_eq!(statement.sql(), "a = ?1 AND b > ?2 AND c IN (?3, ?1)");
        assert_eq!(statement.params().len(), 3);
    }
}
