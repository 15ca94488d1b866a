//! Reading a request: what can be said about it without the resource.

use serde_json::{Map, Value};

use super::ScimType;
use super::step::{Op, Step};
use super::value;
use crate::naive::filter::{Expr, Fault, parse_bracketed};
use crate::naive::matching::check_values;
use crate::naive::schema::{
    AttributePath, Extension, Kind, Located, Mutability, ResourceType, Target, is_name,
};

/// The URN of the message (RFC 7644 §3.5.2).
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// How many operations a request may have.
const MAX_OPERATIONS: usize = 1000;
/// The longest path, in bytes.
const MAX_PATH: usize = 1024;

/// The steps that a body asks for.
pub(super) fn read<'t>(body: &Value, resource_type: &'t ResourceType) -> Result<Vec<Step<'t>>, ScimType> {
    let schemas = body.get("schemas").and_then(Value::as_array);
    if !schemas.is_some_and(|urns| urns.iter().any(|urn| urn.as_str() == Some(PATCH_OP))) {
        return Err(ScimType::InvalidSyntax);
    }
    let operations = body.get("Operations").and_then(Value::as_array).ok_or(ScimType::InvalidSyntax)?;
    // Ledger choice `patch-body-errors`.
    if operations.is_empty() || operations.len() > MAX_OPERATIONS {
        return Err(ScimType::InvalidSyntax);
    }
    let mut read = Vec::new();
    for operation in operations {
        let word = operation.get("op").and_then(Value::as_str).ok_or(ScimType::InvalidSyntax)?;
        // Ledger choice `op-case`.
        let op = match word.to_ascii_lowercase().as_str() {
            "add" => Op::Add,
            "remove" => Op::Remove,
            "replace" => Op::Replace,
            _ => return Err(ScimType::InvalidSyntax),
        };
        read.push((op, operation.get("path"), operation.get("value")));
    }
    let mut reader = Reader { resource_type, steps: Vec::new() };
    for (op, path, value) in read {
        match path {
            None | Some(Value::Null) => reader.without_path(op, value)?,
            Some(Value::String(path)) => reader.with_path(op, path, value, false)?,
            Some(_) => return Err(ScimType::InvalidPath),
        }
    }
    Ok(reader.steps)
}

struct Reader<'t> {
    resource_type: &'t ResourceType,
    steps: Vec<Step<'t>>,
}

impl<'t> Reader<'t> {
    /// The target is the resource itself: each member of the value is an operation of its own.
    fn without_path(&mut self, op: Op, value: Option<&Value>) -> Result<(), ScimType> {
        if op == Op::Remove {
            return Err(ScimType::NoTarget);
        }
        // Ledger choice `missing-value`.
        let members = value.and_then(Value::as_object).ok_or(ScimType::InvalidValue)?;
        check_doubled(members)?;
        // Ledger choice `dotted-keys`.
        members.iter().try_for_each(|(key, value)| self.with_path(op, key, Some(value), true))
    }

    /// `pathless` tells a key of a value without path from the path of an operation.
    fn with_path(
        &mut self,
        op: Op,
        text: &str,
        value: Option<&Value>,
        pathless: bool,
    ) -> Result<(), ScimType> {
        let (path, filter) = parse_path(text)?;
        let target = self.resource_type.resolve(&path).ok_or(ScimType::InvalidPath)?;
        match target {
            Target::Extension(_) if filter.is_some() => Err(ScimType::InvalidPath),
            Target::Extension(extension) => self.extension(op, extension, value),
            Target::Attribute(located) => self.attribute(op, located, filter, value, pathless),
        }
    }

    /// Ledger choice `extension-path`.
    fn extension(&mut self, op: Op, extension: &'t Extension, value: Option<&Value>) -> Result<(), ScimType> {
        let clears = match (op, value) {
            (Op::Remove, _) => true,
            (_, None) => return Err(ScimType::InvalidValue),
            (_, Some(value)) => is_null(value),
        };
        if clears {
            if op == Op::Add {
                return Ok(());
            }
            if extension.required {
                return Err(ScimType::Mutability);
            }
            self.steps.push(Step::DropExtension(extension));
            return Ok(());
        }
        let members = value.and_then(Value::as_object).ok_or(ScimType::InvalidValue)?;
        check_doubled(members)?;
        for (key, value) in members {
            // An extension inside an extension is no path.
            if key.contains(':') {
                return Err(ScimType::InvalidPath);
            }
            let path = format!("{}:{key}", extension.schema.urn);
            self.with_path(op, &path, Some(value), true)?;
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        op: Op,
        located: Located<'t>,
        filter: Option<Expr>,
        value: Option<&Value>,
        pathless: bool,
    ) -> Result<(), ScimType> {
        let attribute = located.attribute;
        if located.extension.is_none() && attribute.name == "schemas" {
            return self.schemas(op, filter, value, pathless);
        }
        if let Some(filter) = &filter {
            // Ledger choice `value-path-on-simple`.
            if attribute.kind != Kind::Complex && !attribute.multi_valued {
                return Err(ScimType::InvalidPath);
            }
            check_values(filter, attribute).map_err(|_| ScimType::InvalidFilter)?;
        }
        let leaf = located.sub.unwrap_or(attribute);
        if attribute.mutability == Mutability::ReadOnly || leaf.mutability == Mutability::ReadOnly {
            // Ledger choice `read-only-in-pathless`.
            if !pathless {
                return Err(ScimType::Mutability);
            }
            if attribute.name != "meta" {
                let value = value.cloned().unwrap_or_default();
                self.steps.push(Step::MustBe { located, value });
            }
            return Ok(());
        }
        if op == Op::Remove {
            let listed = match value {
                Some(value) if filter.is_none() && leaf.multi_valued && !is_null(value) => Some(value),
                _ => None,
            };
            // RFC 7644 §3.5.2.2: what is required can't be taken away.
            let all = listed.is_none() && (filter.is_none() || located.sub.is_some());
            if all && leaf.required {
                return Err(ScimType::Mutability);
            }
            let listed = listed.map(|value| value::listed(value, leaf)).transpose()?;
            self.steps.push(Step::Remove { located, filter, listed });
            return Ok(());
        }
        let value = value.ok_or(ScimType::InvalidValue)?;
        if is_null(value) {
            // Ledger choices `add-empty-list`, `null-required`.
            if op == Op::Replace {
                let all = filter.is_none() || located.sub.is_some();
                if all && leaf.required {
                    return Err(ScimType::Mutability);
                }
                self.steps.push(Step::Clear { located, filter });
            }
            return Ok(());
        }
        let is_member = located.extension.is_none()
            && self.resource_type.members.as_ref() == Some(&attribute.name)
            && located.sub.is_none();
        let given = value::read(value, leaf, filter.is_some() && located.sub.is_none(), is_member)?;
        self.steps.push(Step::Set { op, located, filter, given, is_member });
        Ok(())
    }

    /// Ledger choice `schemas-patch`.
    fn schemas(
        &mut self,
        op: Op,
        filter: Option<Expr>,
        value: Option<&Value>,
        pathless: bool,
    ) -> Result<(), ScimType> {
        if filter.is_some() && op != Op::Remove {
            return Err(ScimType::InvalidPath);
        }
        let attribute = self.resource_type.attribute("schemas").ok_or(ScimType::InvalidPath)?;
        if let Some(filter) = filter {
            check_values(&filter, attribute).map_err(|_| ScimType::InvalidFilter)?;
            self.steps.push(Step::UnlistMatching(filter));
            return Ok(());
        }
        let empty = value.is_none_or(is_null);
        match op {
            Op::Remove if empty => return Err(ScimType::Mutability),
            Op::Replace if value.is_some() && empty && !pathless => return Err(ScimType::Mutability),
            _ if value.is_none() => return Err(ScimType::InvalidValue),
            _ => {}
        }
        let elements = match value {
            Some(Value::Array(elements)) => elements.clone(),
            Some(Value::Null) | None => Vec::new(),
            Some(single) => vec![single.clone()],
        };
        let mut extensions = Vec::new();
        let mut base = false;
        for element in elements.iter().filter(|e| !e.is_null()) {
            let urn = element.as_str().ok_or(ScimType::InvalidValue)?;
            if urn.eq_ignore_ascii_case(&self.resource_type.base.urn) {
                base = true;
                continue;
            }
            match self.resource_type.extension(urn) {
                Some(extension) => extensions.push(extension),
                None if op == Op::Remove => {}
                None => return Err(ScimType::InvalidValue),
            }
        }
        match op {
            Op::Remove if base => return Err(ScimType::Mutability),
            Op::Remove => self.steps.push(Step::Unlist(extensions)),
            Op::Replace if !pathless && !base => return Err(ScimType::InvalidValue),
            // In a value without path, `schemas` takes nothing away.
            Op::Replace if !pathless => self.steps.push(Step::ListOnly(extensions)),
            _ => self.steps.push(Step::List(extensions)),
        }
        Ok(())
    }
}

/// Null and the empty list are the same (RFC 7643 §2.5).
fn is_null(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// One name twice, in different letter case.
fn check_doubled(members: &Map<String, Value>) -> Result<(), ScimType> {
    let mut names: Vec<String> = members.keys().map(|key| key.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() == members.len() { Ok(()) } else { Err(ScimType::InvalidSyntax) }
}

/// `PATH = attrPath / valuePath [subAttr]` (RFC 7644 figure 7). Unbalanced brackets are `invalidPath`, other
/// faults in them `invalidFilter` (ledger choice `empty-value-filter`).
fn parse_path(text: &str) -> Result<(AttributePath, Option<Expr>), ScimType> {
    if text.len() > MAX_PATH {
        return Err(ScimType::InvalidPath);
    }
    let Some((attribute, inside)) = text.split_once('[') else {
        return Ok((AttributePath::parse(text).ok_or(ScimType::InvalidPath)?, None));
    };
    let mut path = AttributePath::parse(attribute).ok_or(ScimType::InvalidPath)?;
    if path.sub.is_some() || !inside.contains(']') {
        return Err(ScimType::InvalidPath);
    }
    let (filter, rest) = parse_bracketed(inside).map_err(|fault| match fault {
        Fault::Unclosed => ScimType::InvalidPath,
        Fault::Malformed => ScimType::InvalidFilter,
    })?;
    if !rest.is_empty() {
        let sub = rest.strip_prefix('.').filter(|sub| is_name(sub)).ok_or(ScimType::InvalidPath)?;
        path.sub = Some(sub.to_owned());
    }
    Ok((path, Some(filter)))
}
