//! The PatchOp message (RFC 7644 §3.5.2): from a JSON body to operations.

use scim_schema::{Leniency, Object, Report, Value};

use crate::error::{PatchError, PatchErrorKind};
use crate::plan::PatchOptions;

/// The URN of the message.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Remove,
    Replace,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<'b> {
    pub(crate) op: Op,
    pub(crate) path: Option<&'b Value>,
    /// `None` if there is no such member; `null` is a value.
    pub(crate) value: Option<&'b Value>,
}

impl Operation<'_> {
    /// How many attributes it is about, as far as its form tells.
    pub(crate) fn targets(&self) -> usize {
        match (self.path, self.value) {
            (None, Some(Value::Object(keys))) => keys.len(),
            _ => 1,
        }
    }
}

/// The operations of a body, in order.
pub(crate) fn operations<'b>(
    body: &'b Value,
    options: &PatchOptions<'_>,
    report: &mut Report,
) -> Result<Vec<Operation<'b>>, PatchError> {
    let Value::Object(body) = body else { return Err(syntax("the body must be a JSON object")) };
    let schemas = body.get_ignore_case("schemas").map(Value::elements).unwrap_or_default();
    let is_patch_op =
        |urn: &Value| urn.as_str().is_some_and(|u| u == PATCH_OP || u.eq_ignore_ascii_case(PATCH_OP));
    if !schemas.iter().any(is_patch_op) {
        if !schemas.is_empty() || !options.read.dialect.infer_message_schema {
            return Err(syntax(format!("`schemas` must be [\"{PATCH_OP}\"]")));
        }
        report.note(Leniency::SchemaInferred, PATCH_OP);
    }
    let Some(Value::Array(items)) = only(body, "Operations")? else {
        return Err(syntax("`Operations` must be an array of operations"));
    };
    if items.is_empty() {
        return Err(syntax("`Operations` must have at least one operation"));
    }
    if items.len() > options.max_operations {
        let reason = format!("the request has more than {} operations", options.max_operations);
        let error = PatchError::new(PatchErrorKind::TooManyOperations, "", reason);
        return Err(error.in_operation(options.max_operations));
    }
    let mut operations = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        operations.push(operation(item).map_err(|e| e.in_operation(index))?);
    }
    Ok(operations)
}

fn operation(item: &Value) -> Result<Operation<'_>, PatchError> {
    let Value::Object(object) = item else { return Err(syntax("an operation must be an object")) };
    let [mut op, mut path, mut value] = [None, None, None];
    for (key, given) in object.iter() {
        let slot = match key {
            k if k.eq_ignore_ascii_case("op") => &mut op,
            k if k.eq_ignore_ascii_case("path") => &mut path,
            k if k.eq_ignore_ascii_case("value") => &mut value,
            _ => continue,
        };
        if slot.replace(given).is_some() {
            return Err(syntax("`op`, `path` and `value` can be given once"));
        }
    }
    let op = match op.and_then(Value::as_str) {
        Some(op) if op.eq_ignore_ascii_case("add") => Op::Add,
        Some(op) if op.eq_ignore_ascii_case("remove") => Op::Remove,
        Some(op) if op.eq_ignore_ascii_case("replace") => Op::Replace,
        _ => return Err(syntax("`op` must be add, remove or replace")),
    };
    Ok(Operation { op, path: path.filter(|p| !p.is_null()), value })
}

/// The member of that name in any letter case; it must not be there twice.
fn only<'b>(object: &'b Object, name: &str) -> Result<Option<&'b Value>, PatchError> {
    let mut found = None;
    for (key, value) in object.iter() {
        if key.eq_ignore_ascii_case(name) && found.replace(value).is_some() {
            return Err(syntax(format!("`{name}` can be given once")));
        }
    }
    Ok(found)
}

fn syntax(reason: impl Into<String>) -> PatchError {
    PatchError::new(PatchErrorKind::InvalidSyntax, "", reason)
}
