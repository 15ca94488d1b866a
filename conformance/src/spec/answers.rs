//! Answers to cases that come as lines of JSON, for comparison with other implementations.
//!
//! `conformance/peers/README.md` describes the lines.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use scim_filter::{Filter, MatchOptions, Matcher, Options};
use scim_patch::{PATCH_OP, PatchOptions, Plan};
use scim_schema::{Dialect, JsonLimits, Object, Report, Resource, ResourceType, Value, parse_json};

use super::folder::{build_types, list, members, text};

/// Reads a world from the first line and a case from each further one, and writes an answer to each case.
///
/// # Errors
/// When a line is not of the form that it must have, or reading or writing fails.
pub fn answer_lines(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut lines = input.lines();
    let first = lines.next().ok_or_else(|| io::Error::other("there is no line"))??;
    let world = World::new(&parsed(&first)?)?;
    for line in lines {
        let case = parsed(&line?)?;
        let mut answer = Object::new();
        answer.push("id", text(&case, "id"));
        let (name, found) = match world.answer(&case)? {
            Answer::Matches(names) => ("matches", Value::from(names)),
            Answer::Resource(resource) => ("resource", Value::Object(resource)),
            Answer::Refused(why) => ("refused", Value::from(why)),
        };
        answer.push(name, found);
        serde_json::to_writer(&mut output, &Value::Object(answer))?;
        output.write_all(b"\n")?;
    }
    output.flush()
}

enum Answer {
    /// The names of the documents that match.
    Matches(Vec<Value>),
    /// The resource after the PATCH.
    Resource(Object),
    /// Why the filter or the PATCH is no good.
    Refused(String),
}

struct World {
    types: Vec<Arc<ResourceType>>,
    /// Sets of documents by name; a document by name.
    documents: Vec<(String, Vec<(String, Resource)>)>,
}

impl World {
    fn new(world: &Value) -> io::Result<Self> {
        let types = build_types(list(world, "schemas")?, list(world, "resourceTypes")?)?;
        let mut documents = Vec::new();
        for (name, set) in members(world, "documents")?.iter() {
            let set = set.as_object().ok_or_else(|| io::Error::other("a set of documents is an object"))?;
            let set = set.iter().map(|(name, document)| (name.to_owned(), resource(Some(document))));
            documents.push((name.to_owned(), set.collect()));
        }
        Ok(Self { types, documents })
    }

    fn answer(&self, case: &Value) -> io::Result<Answer> {
        let dialect = match text(case, "dialect") {
            "strict" => Dialect::strict(),
            "lenient" => Dialect::default(),
            other => return Err(io::Error::other(format!("there is no dialect {other:?}"))),
        };
        if case.get("filter").is_some() {
            self.matching(case, &dialect)
        } else {
            self.patched(case, &dialect)
        }
    }

    fn matching(&self, case: &Value, dialect: &Dialect) -> io::Result<Answer> {
        let filter = match Filter::parse_with(text(case, "filter"), &Options::from(dialect)) {
            Ok(filter) => filter,
            Err(error) => return Ok(Answer::Refused(format!("syntax: {error}"))),
        };
        let matcher = match Matcher::new(&filter, &self.types, &MatchOptions::default()) {
            Ok(matcher) => matcher,
            Err(error) => return Ok(Answer::Refused(format!("type: {error}"))),
        };
        let name = text(case, "documents");
        let set = self.documents.iter().find(|(known, _)| known == name);
        let (_, set) = set.ok_or_else(|| io::Error::other(format!("there are no documents {name:?}")))?;
        let matching = set.iter().filter(|(_, document)| matcher.matches(type_name(document), document));
        Ok(Answer::Matches(matching.map(|(name, _)| Value::from(name.as_str())).collect()))
    }

    fn patched(&self, case: &Value, dialect: &Dialect) -> io::Result<Answer> {
        let before = resource(case.get("resource"));
        let name = type_name(&before);
        let resource_type = self.types.iter().find(|resource_type| resource_type.name() == name);
        let resource_type =
            resource_type.ok_or_else(|| io::Error::other(format!("there is no type {name:?}")))?;
        let mut body = Object::new();
        body.push("schemas", vec![Value::from(PATCH_OP)]);
        body.push("Operations", case.get("operations").cloned().unwrap_or_default());
        let options = PatchOptions { inline_members: true, ..PatchOptions::new(dialect) };
        let mut report = Report::default();
        let outcome = Plan::new(&Value::Object(body), resource_type, &options, &mut report)
            .and_then(|plan| plan.apply(&before, &mut report));
        Ok(match outcome {
            Ok(outcome) => Answer::Resource(outcome.resource.into_attributes()),
            Err(error) => {
                Answer::Refused(format!("{}: {error}", error.kind().scim_type().unwrap_or("no scimType")))
            }
        })
    }
}

fn parsed(line: &str) -> io::Result<Value> {
    parse_json(line.as_bytes(), JsonLimits { nodes: 1_000_000, ..JsonLimits::default() })
        .map_err(io::Error::other)
}

fn resource(document: Option<&Value>) -> Resource {
    Resource::from_canonical(document.and_then(Value::as_object).cloned().unwrap_or_default())
}

fn type_name(resource: &Resource) -> &str {
    resource.get("meta").map_or("", |meta| text(meta, "resourceType"))
}
