//! Cases that come as lines, as other implementations get them too.

use scim_conformance::spec::answer_lines;
use scim_schema::{GROUP, USER};
use serde_json::{Value, json};

/// The answers to some cases about one user, in a world of the standard types.
fn answers(cases: &[Value]) -> std::io::Result<Vec<Value>> {
    let schema = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let world = json!({
        "schemas": [
            schema(include_str!("../../data/spec/schemas/user.json")),
            schema(include_str!("../../data/spec/schemas/group.json")),
        ],
        "resourceTypes": [
            {"name": "User", "schema": USER, "schemaExtensions": []},
            {"name": "Group", "schema": GROUP, "schemaExtensions": []},
        ],
        "documents": {"one": {"ann": ann()}},
    });
    let lines: Vec<String> = std::iter::once(&world).chain(cases).map(Value::to_string).collect();
    let mut output = Vec::new();
    answer_lines(lines.join("\n").as_bytes(), &mut output)?;
    let output = String::from_utf8(output).unwrap();
    Ok(output.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn ann() -> Value {
    json!({"schemas": [USER], "id": "1", "userName": "ann", "active": true, "meta": {"resourceType": "User"}})
}

fn filter(text: &str, dialect: &str) -> Value {
    json!({"id": text, "dialect": dialect, "documents": "one", "filter": text})
}

#[test]
fn each_case_is_answered_in_turn() {
    let remove = |path: &str| {
        let operations = json!([{"op": "remove", "path": path}]);
        json!({"id": path, "dialect": "strict", "resource": ann(), "operations": operations})
    };
    let found = answers(&[
        filter("userName eq \"ANN\"", "strict"),
        filter("userName ne \"ann\"", "strict"),
        filter("userName eq", "strict"),
        filter("active gt true", "strict"),
        remove("active"),
        remove("userName"),
    ])
    .unwrap();
    assert_eq!(found[0], json!({"id": "userName eq \"ANN\"", "matches": ["ann"]}));
    assert_eq!(found[1]["matches"], json!([]));
    assert!(found[2]["refused"].as_str().unwrap().starts_with("syntax: "), "{}", found[2]);
    assert!(found[3]["refused"].as_str().unwrap().starts_with("type: "), "{}", found[3]);
    assert_eq!(found[4]["resource"]["userName"], "ann");
    assert_eq!(found[4]["resource"].get("active"), None);
    assert!(found[5]["refused"].as_str().unwrap().starts_with("mutability: "), "{}", found[5]);
}

#[test]
fn the_dialect_is_that_of_the_case() {
    let text = "emails[type eq \"work\"].value pr";
    let found = answers(&[filter(text, "strict"), filter(text, "lenient")]).unwrap();
    assert!(found[0].get("refused").is_some() && found[1].get("matches").is_some(), "{found:?}");
}

#[test]
fn lines_of_another_form_are_errors() {
    assert!(answers(&[json!({"id": "x", "dialect": "odd", "filter": "id pr", "documents": "one"})]).is_err());
    assert!(
        answers(&[json!({"id": "x", "dialect": "strict", "filter": "id pr", "documents": "none"})]).is_err()
    );
    assert!(answer_lines(&b""[..], Vec::new()).is_err());
}
