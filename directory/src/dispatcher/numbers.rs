//! Lists of numbers, each as one parameter of a statement.

use scim_sql::{Engine, Session};

/// A list of numbers as the engine reads it.
pub(super) fn list(session: &Session<'_>, numbers: impl IntoIterator<Item = i64>) -> String {
    let (open, close) = match session.engine() {
        Engine::Sqlite => ('[', ']'),
        Engine::Postgres => ('{', '}'),
    };
    let mut text = String::from(open);
    for (at, number) in numbers.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&number.to_string());
    }
    text.push(close);
    text
}

/// That a number is among those of the list which is the first parameter.
pub(super) fn among_the_first(session: &Session<'_>) -> &'static str {
    match session.engine() {
        Engine::Sqlite => "IN (SELECT value FROM json_each(?1))",
        Engine::Postgres => "= ANY(CAST(?1 AS BIGINT[]))",
    }
}
