//! A CSV file: its header names attributes by the paths of PATCH, each record is a resource.

use anyhow::{Context as _, Result, bail, ensure};
use csv::ByteRecord;
use scim_filter::{Expr, ExprRef, Literal, Operator, Path};
use scim_schema::{Object, Value};

/// What the columns are.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    columns: Vec<Column>,
}

/// Where the value of a column goes.
#[derive(Clone, Debug)]
struct Column {
    /// The extension, if it is an attribute of one.
    urn: Option<String>,
    attribute: String,
    /// What else the element of a list has: `type` is `work`.
    element: Option<Vec<(String, Value)>>,
    sub: Option<String>,
}

impl Columns {
    /// Reads the header.
    pub(super) fn new(headers: &ByteRecord) -> Result<Self> {
        let mut columns = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for header in headers {
            let name = std::str::from_utf8(header).context("the header is not UTF-8")?;
            let name = name.trim_start_matches('\u{feff}').trim();
            let column = Column::new(name).with_context(|| {
                format!("the column {name:?} is not an attribute path such as name.givenName")
            })?;
            ensure!(!names.iter().any(|n| n.eq_ignore_ascii_case(name)), "the column {name} is there twice");
            names.push(name.to_owned());
            columns.push(column);
        }
        ensure!(!columns.is_empty(), "the file has no header");
        Ok(Self { columns })
    }

    /// A record as the body of a POST. Empty fields are no values.
    pub(super) fn body(&self, record: &ByteRecord) -> Result<Value, String> {
        let expected = self.columns.len();
        if record.len() != expected {
            return Err(format!("the record has {} fields, the header {expected}", record.len()));
        }
        let mut body = Object::new();
        for (column, field) in self.columns.iter().zip(record) {
            let Ok(field) = std::str::from_utf8(field) else { return Err("the record is not UTF-8".into()) };
            let field = field.trim();
            if !field.is_empty() {
                column.put(field, &mut body);
            }
        }
        if body.is_empty() {
            return Err("the record is empty".into());
        }
        Ok(Value::Object(body))
    }
}

impl Column {
    fn new(name: &str) -> Result<Self> {
        let path = Path::parse(name)?;
        let at = path.attribute_path();
        let element = path.filter().map(|filter| fixed(filter.root())).transpose()?;
        let sub = at.sub.map(str::to_owned).or_else(|| element.is_some().then(|| "value".to_owned()));
        Ok(Self { urn: at.urn.map(str::to_owned), attribute: at.attribute.to_owned(), element, sub })
    }

    fn put(&self, field: &str, body: &mut Object) {
        let holder = match &self.urn {
            // The base schema may be named too; its attributes stand beside the extensions.
            Some(urn) if !urn.to_ascii_lowercase().starts_with("urn:ietf:params:scim:schemas:core:") => {
                object_at(body, urn)
            }
            _ => Some(body),
        };
        let Some(holder) = holder else { return };
        match (&self.element, &self.sub) {
            (None, None) => {
                holder.insert(&self.attribute, field);
            }
            // `emails.value`: the one element of a list; `name.givenName`: a part.
            (None, Some(sub)) => {
                if let Some(part) = object_at(holder, &self.attribute) {
                    part.insert(sub, field);
                }
            }
            (Some(fixed), sub) => {
                let sub = sub.as_deref().unwrap_or("value");
                put_in_list(holder, &self.attribute, fixed, sub, field);
            }
        }
    }
}

/// Puts a value into the element that has the fixed parts.
fn put_in_list(holder: &mut Object, attribute: &str, fixed: &[(String, Value)], sub: &str, field: &str) {
    let list = holder.get(attribute).map(Value::elements).unwrap_or_default();
    let mut list: Vec<Value> = list.to_vec();
    let has = |element: &Value| fixed.iter().all(|(name, value)| element.get(name) == Some(value));
    if !list.iter().any(has) {
        let mut element = Object::new();
        fixed.iter().for_each(|(name, value)| element.push(name, value.clone()));
        list.push(Value::Object(element));
    }
    if let Some(element) = list.iter_mut().find(|e| has(e)).and_then(Value::as_object_mut) {
        element.insert(sub, field);
    }
    holder.insert(attribute, list);
}

fn object_at<'o>(holder: &'o mut Object, name: &str) -> Option<&'o mut Object> {
    if !holder.contains(name) {
        holder.push(name, Object::new());
    }
    holder.get_mut(name).and_then(Value::as_object_mut)
}

/// `type eq "work" and primary eq true`, as parts that are given.
fn fixed(filter: ExprRef<'_>) -> Result<Vec<(String, Value)>> {
    let (mut parts, mut open) = (Vec::new(), vec![filter]);
    while let Some(at) = open.pop() {
        match at.expr() {
            Expr::And(left, right) => open.extend([right, left]),
            Expr::Compare { path, operator: Operator::Eq, value } => {
                let value = match value {
                    Literal::String(text) => Value::from(text),
                    Literal::Bool(flag) => Value::from(flag),
                    _ => bail!("only texts, true and false may stand in the brackets"),
                };
                parts.push((path.to_string(), value));
            }
            _ => bail!("only comparisons by eq, joined by and, may stand in the brackets"),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(header: &[&str], record: &[&str]) -> String {
        let columns = Columns::new(&ByteRecord::from(header.to_vec())).unwrap();
        serde_json::to_string(&columns.body(&ByteRecord::from(record.to_vec())).unwrap()).unwrap()
    }

    #[test]
    fn headers_are_paths() {
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let header = [
            "\u{feff}userName",
            "name.givenName",
            "emails[type eq \"work\"].value",
            "emails[type eq \"work\"].primary",
            "emails[type eq \"home\" and primary eq false].value",
            &format!("{enterprise}:department"),
            "title",
        ];
        assert_eq!(
            body(&header, &["bj", "Babs", "b@example.com", "true", "h@example.com", "Tours", " "]),
            format!(
                "{{\"userName\":\"bj\",\"name\":{{\"givenName\":\"Babs\"}},\"emails\":[\
                 {{\"type\":\"work\",\"value\":\"b@example.com\",\"primary\":\"true\"}},\
                 {{\"type\":\"home\",\"primary\":false,\"value\":\"h@example.com\"}}],\
                 \"{enterprise}\":{{\"department\":\"Tours\"}}}}"
            )
        );
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for header in ["", "user name", "emails[type ne \"work\"].value", "emails[type eq"] {
            assert!(Columns::new(&ByteRecord::from(vec![header])).is_err(), "{header}");
        }
        assert!(Columns::new(&ByteRecord::from(vec!["title", "Title"])).is_err());
    }

    #[test]
    fn a_record_must_fit_the_header() {
        let columns = Columns::new(&ByteRecord::from(vec!["userName", "title"])).unwrap();
        let short = columns.body(&ByteRecord::from(vec!["a"])).unwrap_err();
        assert_eq!(short, "the record has 1 fields, the header 2");
        assert!(columns.body(&ByteRecord::from(vec!["", " "])).is_err());
        let mut broken = ByteRecord::from(vec!["a"]);
        broken.push_field(b"\xff");
        assert_eq!(columns.body(&broken).unwrap_err(), "the record is not UTF-8");
    }
}
