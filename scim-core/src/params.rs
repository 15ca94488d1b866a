//! Query parameters, from a URL or from a SearchRequest (RFC 7644 §3.4.2, §3.4.3, §3.9).

use std::collections::HashSet;

use percent_encoding::percent_decode;
use scim_schema::{Dialect, Selection, Value};

use crate::error::{Error, ErrorKind};
use crate::message::{self, SEARCH_REQUEST};

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    pub(crate) selection: Selection,
    pub(crate) filter: Option<String>,
    pub(crate) sort_by: Option<String>,
    pub(crate) descending: bool,
    pub(crate) start_index: Option<i64>,
    pub(crate) count: Option<i64>,
    /// `Some("")` asks for the first page.
    pub(crate) cursor: Option<String>,
}

/// The parameters by name, before they are given meaning.
#[derive(Default)]
struct Raw {
    attributes: Option<Vec<String>>,
    excluded: Option<Vec<String>>,
    filter: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    cursor: Option<String>,
}

impl Params {
    /// From the query of a URL. Unknown parameters are ignored.
    ///
    /// # Errors
    /// 400 `invalidValue` for values that a parameter can't have, for parameters that exclude each other,
    /// for one given twice, and for bytes that are not UTF-8.
    pub(crate) fn from_query(query: Option<&str>, dialect: &Dialect) -> Result<Self, Error> {
        let mut raw = Raw::default();
        for pair in query.unwrap_or_default().split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            match name.as_str() {
                "attributes" => once(&mut raw.attributes, &name, list(&decode(value)?))?,
                "excludedAttributes" => once(&mut raw.excluded, &name, list(&decode(value)?))?,
                "filter" => once(&mut raw.filter, &name, decode(value)?)?,
                "sortBy" => once(&mut raw.sort_by, &name, decode(value)?)?,
                "sortOrder" => once(&mut raw.sort_order, &name, decode(value)?)?,
                "startIndex" => once(&mut raw.start_index, &name, integer(&decode(value)?, &name)?)?,
                "count" => once(&mut raw.count, &name, integer(&decode(value)?, &name)?)?,
                "cursor" => once(&mut raw.cursor, &name, decode(value)?)?,
                _ => {}
            }
        }
        raw.into_params(dialect)
    }

    /// From the body of a search by POST.
    ///
    /// # Errors
    /// 400 `invalidSyntax` for another body, `invalidValue` as for a query.
    pub(crate) fn from_search(body: &Value, dialect: &Dialect) -> Result<Self, Error> {
        let object = message::expect(body, SEARCH_REQUEST, dialect)?;
        let mut raw = Raw::default();
        let mut seen = HashSet::with_capacity(object.len());
        for (name, value) in object.iter() {
            let lower = name.to_ascii_lowercase();
            if !seen.insert(lower.clone()) {
                return Err(Error::new(ErrorKind::InvalidSyntax, "the body has a parameter twice"));
            }
            if value.is_null() {
                continue;
            }
            match lower.as_str() {
                "attributes" => raw.attributes = Some(names(value, "attributes")?),
                "excludedattributes" => raw.excluded = Some(names(value, "excludedAttributes")?),
                "filter" => raw.filter = Some(text(value, "filter")?),
                "sortby" => raw.sort_by = Some(text(value, "sortBy")?),
                "sortorder" => raw.sort_order = Some(text(value, "sortOrder")?),
                "startindex" => raw.start_index = Some(number(value, "startIndex")?),
                "count" => raw.count = Some(number(value, "count")?),
                "cursor" => raw.cursor = Some(text(value, "cursor")?),
                _ => {}
            }
        }
        raw.into_params(dialect)
    }
}

impl Raw {
    fn into_params(self, dialect: &Dialect) -> Result<Params, Error> {
        let non_empty = |names: Option<Vec<String>>| names.filter(|n| !n.is_empty());
        let selection = match (non_empty(self.attributes), non_empty(self.excluded)) {
            (Some(_), Some(_)) if !dialect.both_projections => {
                return Err(invalid("attributes and excludedAttributes exclude each other"));
            }
            (Some(only), _) => Selection::Only(only),
            (None, Some(except)) => Selection::Except(except),
            (None, None) => Selection::Default,
        };
        let descending = match self.sort_order.as_deref() {
            None | Some("") => false,
            Some(order) if order.eq_ignore_ascii_case("ascending") => false,
            Some(order) if order.eq_ignore_ascii_case("descending") => true,
            Some(_) => return Err(invalid("sortOrder must be ascending or descending")),
        };
        if self.cursor.is_some() && self.start_index.is_some() {
            return Err(invalid("cursor and startIndex exclude each other"));
        }
        Ok(Params {
            selection,
            filter: self.filter,
            sort_by: self.sort_by.filter(|s| !s.is_empty()),
            descending,
            start_index: self.start_index,
            count: self.count,
            cursor: self.cursor,
        })
    }
}

fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidValue, detail)
}

/// A parameter given twice has no one meaning.
fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid(format!("{name} is given twice"))),
    }
}

/// Form decoding, once: `+` is a space, `%XX` a byte.
fn decode(text: &str) -> Result<String, Error> {
    let spaced: Vec<u8> = text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect();
    let decoded = percent_decode(&spaced).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| invalid("the query string is not percent-encoded UTF-8"))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// A whole number; one that is out of range is as good as the end of the range.
fn integer(text: &str, name: &str) -> Result<i64, Error> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid(format!("{name} must be a whole number")));
    }
    Ok(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

fn names(value: &Value, name: &str) -> Result<Vec<String>, Error> {
    let strings: Option<Vec<&str>> = value.elements().iter().map(Value::as_str).collect();
    let strings = strings.ok_or_else(|| invalid(format!("{name} must be an array of strings")))?;
    Ok(strings.into_iter().flat_map(list).collect())
}

fn text(value: &Value, name: &str) -> Result<String, Error> {
    value.as_str().map(str::to_owned).ok_or_else(|| invalid(format!("{name} must be a string")))
}

fn number(value: &Value, name: &str) -> Result<i64, Error> {
    match value {
        Value::Number(n) if n.is_i64() => Ok(n.as_i64().unwrap_or_default()),
        Value::Number(n) if n.is_u64() => Ok(i64::MAX),
        Value::String(s) => integer(s, name),
        _ => Err(invalid(format!("{name} must be a whole number"))),
    }
}
