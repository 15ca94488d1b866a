//! What a client sends: the fields of a body and the parameters of a query, each of which is known or refused.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use scim_schema::{DateTime, JsonLimits, Object, Value, parse_json};

use super::problem::{FieldError, Problem};

/// How deep a body may be nested. What is asked for needs 3.
const JSON: JsonLimits = JsonLimits { depth: 8, nodes: 4_096 };
/// How much of the name of an unknown field is repeated, in characters.
const NAME: usize = 64;

/// The fields of a body. What is wrong with them is gathered, and said at the end.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    object: Object,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Reads a body. An empty one has no fields.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let value = if body.iter().all(u8::is_ascii_whitespace) {
            Value::Object(Object::new())
        } else {
            parse_json(body, JSON).map_err(|error| Problem::malformed(error.to_string()))?
        };
        match value {
            Value::Object(object) => Ok(Self { object, errors: Vec::new() }),
            _ => Err(Problem::malformed("the body must be a JSON object")),
        }
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let value = self.object.remove(name)?;
        let text = value.as_str().map(str::to_owned);
        self.expect(text, name, "must be a text")
    }

    /// A text that must be there.
    pub(crate) fn required_text(&mut self, name: &str) -> String {
        if !self.object.contains(name) {
            self.refuse(name, "must be there");
        }
        self.text(name).unwrap_or_default()
    }

    /// Whether the field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.contains(name)
    }

    /// True or false.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.object.remove(name)?;
        self.expect(value.as_bool(), name, "must be true or false")
    }

    /// A whole number up to `most`; null is none.
    pub(crate) fn number(&mut self, name: &str, most: u32) -> Option<Option<u32>> {
        let value = self.object.remove(name)?;
        if value.is_null() {
            return Some(None);
        }
        let number = value.as_i64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= most);
        self.expect(number, name, &format!("must be a whole number from 0 to {most}")).map(Some)
    }

    /// One of some texts.
    pub(crate) fn one_of<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        texts: &[&str],
    ) -> Option<T> {
        let value = self.object.remove(name)?;
        let chosen = value.as_str().and_then(parse);
        self.expect(chosen, name, &format!("must be one of {}", texts.join(", ")))
    }

    /// An array of texts of some kind; null is an empty one.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.object.remove(name)?;
        if value.is_null() {
            return Some(Vec::new());
        }
        let Some(elements) = value.as_array() else {
            self.refuse(name, &format!("must be an array of {what}"));
            return None;
        };
        let mut list = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            match element.as_str().and_then(&parse) {
                Some(element) => list.push(element),
                None => self.refuse(&format!("{name}/{index}"), &format!("is none of {what}")),
            }
        }
        Some(list)
    }

    /// An object of texts; null is an empty one.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<(String, String)>> {
        let value = self.object.remove(name)?;
        if value.is_null() {
            return Some(Vec::new());
        }
        let texts = value.as_object().and_then(|object| {
            let pair = |(name, value): (&str, &Value)| Some((name.to_owned(), value.as_str()?.to_owned()));
            object.iter().map(pair).collect()
        });
        self.expect(texts, name, "must be an object whose values are texts")
    }

    /// A time (RFC 3339).
    pub(crate) fn time(&mut self, name: &str) -> Option<DateTime> {
        let value = self.object.remove(name)?;
        let time = value.as_str().and_then(DateTime::parse);
        self.expect(time, name, "must be a time as 2026-01-31T12:00:00Z")
    }

    /// A time that must be there.
    pub(crate) fn required_time(&mut self, name: &str) -> DateTime {
        if !self.has(name) {
            self.refuse(name, "must be there");
        }
        self.time(name).unwrap_or(DateTime::from_unix_micros(0))
    }

    /// Says that a field is wrong.
    pub(crate) fn refuse(&mut self, name: &str, detail: &str) {
        self.errors.push(FieldError::new(format!("/{name}"), detail));
    }

    /// Refuses the request if a field is wrong or not known.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let unknown: Vec<String> = self.object.keys().map(shown).collect();
        for name in unknown {
            self.refuse(&name, "is not known");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }

    fn expect<T>(&mut self, value: Option<T>, name: &str, detail: &str) -> Option<T> {
        if value.is_none() {
            self.refuse(name, detail);
        }
        value
    }
}

/// The parameters of a query.
#[derive(Debug)]
pub(crate) struct Query {
    values: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Query {
    /// Reads the query of a URL. A parameter that comes twice is a list.
    pub(crate) fn parse(query: &str) -> Self {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name), decoded(value));
            match values.get_mut(&name) {
                Some(there) => {
                    there.push(',');
                    there.push_str(&value);
                }
                None => {
                    values.insert(name, value);
                }
            }
        }
        Self { values, errors: Vec::new() }
    }

    /// A parameter as it is. An empty one is none.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).filter(|value| !value.is_empty())
    }

    /// One value of some kind.
    pub(crate) fn one<T>(
        &mut self,
        name: &str,
        detail: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.errors.push(FieldError::new(name, detail));
        }
        value
    }

    /// A number from `least` to `most`.
    pub(crate) fn number(&mut self, name: &str, least: usize, most: usize) -> Option<usize> {
        let detail = format!("must be a whole number from {least} to {most}");
        self.one(name, &detail, |text| text.parse().ok().filter(|n| (least..=most).contains(n)))
    }

    /// Values of some kind, with commas between.
    pub(crate) fn list<T>(&mut self, name: &str, what: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let detail = format!("must be {what}, with commas between");
        let all = |text: &str| text.split(',').map(&parse).collect();
        self.one(name, &detail, all).unwrap_or_default()
    }

    /// Refuses the request if a parameter is wrong or not known.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        self.errors.extend(self.values.keys().map(|name| FieldError::new(shown(name), "is not known")));
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// A name that a client made up, as far as it is repeated.
fn shown(name: &str) -> String {
    name.chars().take(NAME).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(body: &str, read: impl Fn(&mut Fields)) -> String {
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        read(&mut fields);
        format!("{:?}", fields.finish())
    }

    #[test]
    fn fields_are_read_by_kind_and_every_mistake_is_named() {
        let mut fields =
            Fields::parse(br#"{"a": "x", "b": null, "c": [], "d": 7, "e": {"k": "v"}}"#).unwrap();
        assert_eq!(fields.text("a").as_deref(), Some("x"));
        assert_eq!(fields.number("b", 9), Some(None));
        assert_eq!(fields.list("c", "ids", |text| Some(text.to_owned())), Some(Vec::new()));
        assert_eq!(fields.number("d", 9), Some(Some(7)));
        assert_eq!(fields.texts("e"), Some(vec![("k".to_owned(), "v".to_owned())]));
        assert_eq!(fields.text("f"), None);
        fields.finish().unwrap();
        let wrong = errors(r#"{"a": "secret", "b": 10, "c": ["hidden"], "z": "canary"}"#, |fields| {
            assert_eq!(fields.flag("a"), None);
            assert_eq!(fields.number("b", 9), None);
            fields.list("c", "ids", |_| None::<()>);
            fields.required_text("d");
        });
        for named in ["/a", "/b", "/c/0", "/d", "/z"] {
            assert!(wrong.contains(&format!("\"{named}\"")), "{named} in {wrong}");
        }
        for value in ["secret", "hidden", "canary"] {
            assert!(!wrong.contains(value), "{value} in {wrong}");
        }
    }

    #[test]
    fn a_body_is_an_object_without_doubled_names_and_not_deep() {
        Fields::parse(b"").unwrap().finish().unwrap();
        Fields::parse(b" \r\n").unwrap().finish().unwrap();
        for body in ["[]", "{", "{\"a\":1,\"a\":2}", "null", "{}{}"] {
            assert!(Fields::parse(body.as_bytes()).is_err(), "{body}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(9), "]".repeat(9));
        assert!(format!("{:?}", Fields::parse(deep.as_bytes())).contains("deeper than 8"));
    }

    #[test]
    fn parameters_are_decoded_gathered_and_known() {
        let mut query = Query::parse("a=1%2C2&b=x+y&a=3&c=&limit=0&odd=1");
        assert_eq!(query.list("a", "numbers", |text| text.parse::<u8>().ok()), [1, 2, 3]);
        assert_eq!(query.text("b").as_deref(), Some("x y"));
        assert_eq!(query.text("c"), None);
        assert_eq!(query.number("limit", 1, 100), None);
        let problem = format!("{:?}", query.finish());
        assert!(problem.contains("\"limit\"") && problem.contains("\"odd\""), "{problem}");
    }
}
