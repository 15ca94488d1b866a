//! Reading a request: what can be said about it without the resource.

use serde_json::{Map, Value};

use super::ScimType;
use super::step::{Op, Step};
use super::value::{self, Given, Wanted};
use crate::naive::filter::{Expr, Fault, Literal, Operator, parse_bracketed};
use crate::naive::matching::{check_values, matches_value};
use crate::naive::schema::{
    AttributePath, Extension, Kind, Located, Mutability, ResourceType, Target, is_name,
};

/// The URN of the message (RFC 7644 §3.5.2).
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// How many operations a request may have.
const MAX_OPERATIONS: usize = 1000;
/// The longest path, in bytes.
const MAX_PATH: usize = 1024;

/// The steps that a body asks for, and what is wrong with it.
pub(super) fn read<'t>(body: &Value, resource_type: &'t ResourceType) -> (Vec<Step<'t>>, Vec<ScimType>) {
    let mut reader = Reader { resource_type, steps: Vec::new(), faults: Vec::new() };
    let schemas = body.get("schemas").and_then(Value::as_array);
    let is_message = schemas.is_some_and(|urns| urns.iter().any(|urn| urn.as_str() == Some(PATCH_OP)));
    // Ledger choice `patch-body-errors`.
    match body.get("Operations").and_then(Value::as_array) {
        Some(operations) if is_message && !operations.is_empty() && operations.len() <= MAX_OPERATIONS => {
            operations.iter().for_each(|operation| reader.operation(operation));
        }
        _ => reader.faults.push(ScimType::InvalidSyntax),
    }
    (reader.steps, reader.faults)
}

struct Reader<'t> {
    resource_type: &'t ResourceType,
    steps: Vec<Step<'t>>,
    faults: Vec<ScimType>,
}

impl<'t> Reader<'t> {
    fn operation(&mut self, operation: &Value) {
        // Ledger choice `op-case`.
        let word = operation.get("op").and_then(Value::as_str).unwrap_or_default();
        let op = match word.to_ascii_lowercase().as_str() {
            "add" => Op::Add,
            "remove" => Op::Remove,
            "replace" => Op::Replace,
            _ => return self.faults.push(ScimType::InvalidSyntax),
        };
        let (path, value) = (operation.get("path").filter(|path| !path.is_null()), operation.get("value"));
        // Ledger choice `missing-value`.
        if op != Op::Remove && value.is_none() {
            self.faults.push(ScimType::InvalidValue);
        }
        match path {
            None if op == Op::Remove => self.faults.push(ScimType::NoTarget),
            None => match value.map(Value::as_object) {
                Some(Some(members)) => self.members(op, members, None),
                _ => self.faults.push(ScimType::InvalidValue),
            },
            Some(Value::String(path)) => self.target(op, path, value, false),
            Some(_) => self.faults.push(ScimType::InvalidPath),
        }
    }

    /// The target is the resource itself, or an extension as a whole: each member of the value is an
    /// operation of its own (ledger choice `dotted-keys`).
    fn members(&mut self, op: Op, members: &Map<String, Value>, extension: Option<&Extension>) {
        if is_doubled(members) {
            self.faults.push(ScimType::InvalidSyntax);
        }
        for (key, value) in members {
            match extension {
                None => self.target(op, key, Some(value), true),
                // An extension inside an extension is no path.
                Some(_) if key.contains(':') => self.faults.push(ScimType::InvalidPath),
                Some(extension) => {
                    self.target(op, &format!("{}:{key}", extension.schema.urn), Some(value), true);
                }
            }
        }
    }

    /// `pathless` tells a key of a value without path from the path of an operation.
    fn target(&mut self, op: Op, text: &str, value: Option<&Value>, pathless: bool) {
        let (path, filter) = match parse_path(text) {
            Ok(parsed) => parsed,
            Err(fault) => return self.faults.push(fault),
        };
        match self.resource_type.resolve(&path) {
            None => self.faults.push(ScimType::InvalidPath),
            Some(Target::Extension(_)) if filter.is_some() => self.faults.push(ScimType::InvalidPath),
            Some(Target::Extension(extension)) => self.extension(op, extension, value),
            Some(Target::Attribute(located))
                if located.extension.is_none() && located.attribute.name == "schemas" =>
            {
                if let Err(fault) = self.schemas(op, filter, value, pathless) {
                    self.faults.push(fault);
                }
            }
            Some(Target::Attribute(located)) => self.attribute(op, located, filter, value, pathless),
        }
    }

    /// Ledger choice `extension-path`.
    fn extension(&mut self, op: Op, extension: &'t Extension, value: Option<&Value>) {
        let clears = op == Op::Remove || value.is_some_and(|v| v.is_null() || *v == Value::Array(Vec::new()));
        match value {
            _ if clears && op == Op::Add => {}
            _ if clears && extension.required => self.faults.push(ScimType::Mutability),
            _ if clears => self.steps.push(Step::DropExtension(extension)),
            Some(Value::Object(members)) => self.members(op, members, Some(extension)),
            _ => self.faults.push(ScimType::InvalidValue),
        }
    }

    fn attribute(
        &mut self,
        op: Op,
        located: Located<'t>,
        filter: Option<Expr>,
        value: Option<&Value>,
        pathless: bool,
    ) {
        let attribute = located.attribute;
        let leaf = located.sub.unwrap_or(attribute);
        let faults = self.faults.len();
        if attribute.mutability == Mutability::ReadOnly || leaf.mutability == Mutability::ReadOnly {
            // Ledger choice `read-only-in-pathless`.
            if pathless && attribute.name == "meta" && located.extension.is_none() {
                return;
            }
            if pathless && filter.is_none() && located.sub.is_none() {
                self.steps.push(Step::MustBe { located, value: value.cloned().unwrap_or_default() });
                return;
            }
            self.faults.push(ScimType::Mutability);
        }
        // Ledger choice `value-path-on-simple`.
        if filter.is_some() && attribute.kind != Kind::Complex && !attribute.multi_valued {
            return self.faults.push(ScimType::InvalidPath);
        }
        if filter.as_ref().is_some_and(|filter| check_values(filter, attribute).is_err()) {
            self.faults.push(ScimType::InvalidFilter);
        }
        let one = filter.is_some() && located.sub.is_none();
        let all = !one
            && (op == Op::Replace && value.is_some_and(|v| value::is_null(v, leaf, one)) || op == Op::Remove);
        // Ledger choice `remove-with-value` is about attributes; it says nothing about parts of them.
        let filtered = filter.is_some() || located.sub.is_some();
        let is_member =
            located.extension.is_none() && self.resource_type.members.as_ref() == Some(&attribute.name);
        let step = match (op, value) {
            (Op::Remove, value) => {
                let names = |v: &&Value| !v.is_null() && **v != Value::Array(Vec::new());
                let listed = value.filter(|v| !filtered && leaf.multi_valued && names(v));
                let all = all && listed.is_none();
                match listed.map(|value| value::listed(value, leaf)).transpose() {
                    // RFC 7644 §3.5.2.2: what is required can't be taken away.
                    Ok(_) if all && leaf.required => Err(ScimType::Mutability),
                    Ok(Some(listed)) if listed.is_empty() => return,
                    Ok(listed) => Ok(Step::Remove { located, filter: filter.clone(), listed, is_member }),
                    Err(fault) => Err(fault),
                }
            }
            (_, None) => Err(ScimType::InvalidValue),
            // Ledger choice `add-empty-list`.
            (Op::Add, Some(value)) if value::is_null(value, leaf, one) => return,
            // Ledger choice `null-required`.
            (Op::Replace, Some(value)) if value::is_null(value, leaf, one) => {
                if all && leaf.required {
                    Err(ScimType::Mutability)
                } else {
                    Ok(Step::Clear { located, filter: filter.clone() })
                }
            }
            (op, Some(value)) => {
                let wanted = match op {
                    _ if !one => Wanted::All,
                    Op::Add => Wanted::Parts,
                    _ => Wanted::One,
                };
                let given = value::read(value, leaf, wanted, is_member && located.sub.is_none());
                let empty = leaf.required
                    && !leaf.multi_valued
                    && located.sub.is_some()
                    && value.as_str() == Some("");
                if empty {
                    self.faults.push(ScimType::InvalidValue);
                }
                match given {
                    // What is left of the value may be nothing.
                    Ok(Given::Parts(parts)) if parts.is_empty() && filter.is_none() => return,
                    Ok(Given::List(values)) if values.is_empty() && op == Op::Add => return,
                    Ok(Given::List(values)) if values.is_empty() && leaf.required => {
                        Err(ScimType::Mutability)
                    }
                    Ok(Given::List(values)) if values.is_empty() => {
                        Ok(Step::Clear { located, filter: filter.clone() })
                    }
                    Ok(given) => Ok(Step::Set { op, located, filter: filter.clone(), given, is_member }),
                    Err(fault) => Err(fault),
                }
            }
        };
        match step {
            Ok(step) if self.faults.len() == faults => self.steps.push(step),
            Ok(_) => {}
            Err(fault) => {
                self.faults.push(fault);
                self.steps.push(Step::Probe { op, located, filter });
            }
        }
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
            if !names_urns(&filter) {
                return Err(ScimType::InvalidFilter);
            }
            let is_named = |urn: &str| matches_value(&filter, attribute, &Value::from(urn));
            if is_named(&self.resource_type.base.urn) {
                return Err(ScimType::Mutability);
            }
            let named =
                self.resource_type.extensions.iter().filter(|extension| is_named(&extension.schema.urn));
            return self.unlist(named.collect());
        }
        let empty = value.is_none_or(|v| v.is_null() || *v == Value::Array(Vec::new()));
        let names = |v: &Value| match v {
            Value::Array(urns) => urns.iter().any(Value::is_string),
            single => single.is_string(),
        };
        match op {
            Op::Remove if empty || !value.is_some_and(names) => return Err(ScimType::Mutability),
            Op::Replace if value.is_some() && empty && !pathless => return Err(ScimType::Mutability),
            _ if value.is_none() => return Err(ScimType::InvalidValue),
            _ => {}
        }
        let elements = match value {
            Some(Value::Array(elements)) => elements.clone(),
            Some(Value::Null) | None => Vec::new(),
            Some(single) => vec![single.clone()],
        };
        let mut listed = Vec::new();
        let mut base = false;
        for element in &elements {
            let urn = match element.as_str() {
                Some(urn) => urn,
                None if op == Op::Remove => continue,
                None => return Err(ScimType::InvalidValue),
            };
            match self.resource_type.extension(urn) {
                _ if urn.eq_ignore_ascii_case(&self.resource_type.base.urn) => base = true,
                Some(extension) => listed.push(extension),
                None if op == Op::Remove => {}
                None => return Err(ScimType::InvalidValue),
            }
        }
        match op {
            Op::Remove if base => Err(ScimType::Mutability),
            Op::Remove => self.unlist(listed),
            Op::Replace if !pathless && !base => Err(ScimType::InvalidValue),
            // In a value without path, `schemas` takes nothing away.
            Op::Replace if !pathless => {
                let is_listed =
                    |extension: &Extension| listed.iter().any(|l| l.schema.urn == extension.schema.urn);
                let others = self.resource_type.extensions.iter().filter(|extension| !is_listed(extension));
                let others = others.collect();
                self.steps.push(Step::List(listed));
                self.unlist(others)
            }
            _ => {
                self.steps.push(Step::List(listed));
                Ok(())
            }
        }
    }

    fn unlist(&mut self, extensions: Vec<&'t Extension>) -> Result<(), ScimType> {
        if extensions.iter().any(|extension| extension.required) {
            return Err(ScimType::Mutability);
        }
        self.steps.push(Step::Unlist(extensions));
        Ok(())
    }
}

/// Whether a filter on `schemas` is nothing but `value eq "urn"`, or several of them joined by `or`.
fn names_urns(filter: &Expr) -> bool {
    match filter {
        Expr::Or(any) => any.iter().all(names_urns),
        Expr::Compare(_, Operator::Eq, Literal::Text(_)) => true,
        _ => false,
    }
}

/// Whether there is one name twice, in different letter case.
fn is_doubled(members: &Map<String, Value>) -> bool {
    let mut names: Vec<String> = members.keys().map(|key| key.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    names.len() < members.len()
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
