//! Statements in one transaction.

use scim_sql::{DatabaseError, Migration, Session, Statement, params};

use crate::support::*;

on_all_kinds! {
    statements_of_a_batch_see_those_before_them_and_answer_in_their_places,
    of_a_batch_of_which_one_fails_nothing_stays,
}

const NOTES: &[Migration] = &[Migration {
    up: "CREATE TABLE notes (n INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);",
    down: "DROP TABLE notes;",
}];
const INSERT: &str = "INSERT INTO notes (text) VALUES (?1)";
const SELECT: &str = "SELECT text FROM notes WHERE text > ?1 ORDER BY text";

/// What the statements of a batch answer: places and texts.
fn answers(
    session: &Session<'_>,
    statements: &[Statement<'_>],
) -> Result<Vec<(usize, String)>, DatabaseError> {
    let mut answers = Vec::new();
    session.batch_rows(statements, |place, row| {
        answers.push((place, row.owned(0)?));
        Ok::<_, DatabaseError>(())
    })?;
    Ok(answers)
}

async fn statements_of_a_batch_see_those_before_them_and_answer_in_their_places(kind: Kind) {
    let place = Place::new(kind);
    let database = place.open().await;
    database.migrate("notes", NOTES).await.unwrap();
    let work = |session: &Session<'_>| {
        let statements = [
            Statement::new(INSERT, params!["a"]),
            Statement::new(SELECT, params![""]),
            Statement::new(INSERT, params!["b"]),
            Statement::new(SELECT, params!["b"]),
            Statement::new(SELECT, params![""]),
        ];
        assert_eq!(session.batch(&statements[..1])?, [1]);
        answers(session, &statements[1..])
    };
    let found = database.write(work).await.unwrap();
    let found: Vec<(usize, &str)> = found.iter().map(|(place, text)| (*place, text.as_str())).collect();
    assert_eq!(found, [(0, "a"), (3, "a"), (3, "b")]);
    assert_eq!(database.read(|session| answers(session, &[])).await.unwrap(), []);
}

async fn of_a_batch_of_which_one_fails_nothing_stays(kind: Kind) {
    let place = Place::new(kind);
    let database = place.open().await;
    database.migrate("notes", NOTES).await.unwrap();
    let twice = |session: &Session<'_>| {
        let statements = [
            Statement::new(INSERT, params!["a"]),
            Statement::new(INSERT, params!["a"]),
            Statement::new(SELECT, params![""]),
        ];
        answers(session, &statements)
    };
    let error = database.write(twice).await.unwrap_err();
    assert!(matches!(error, DatabaseError::NotUnique(_)), "{error:?}");
    let nul = |session: &Session<'_>| answers(session, &[Statement::new(SELECT, params!["\0"])]);
    assert!(matches!(database.read(nul).await.unwrap_err(), DatabaseError::Nul));
    let all = |session: &Session<'_>| answers(session, &[Statement::new(SELECT, params![""])]);
    assert_eq!(database.read(all).await.unwrap(), []);
}
