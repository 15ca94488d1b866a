//! Operations on `schemas`.

use scim_filter::Filter;
use scim_schema::{Leniency, Located, Value};

use super::build::{Builder, value_terms};
use crate::body::Op;
use crate::error::{PatchError, PatchErrorKind};
use crate::step::Edit;

impl<'t> Builder<'t, '_, '_> {
    /// Ledger choice `schemas-patch`. In a value without path `schemas` only adds: clients repeat there
    /// what they know of the resource, and an extension that they don't know must not go.
    pub(super) fn schemas(
        &mut self,
        op: Op,
        located: &Located<'t>,
        filter: Option<&Filter<'_>>,
        value: &Value,
        by_path: bool,
    ) -> Result<(), PatchError> {
        let base = self.resource_type.schema().id();
        let kept =
            || PatchError::new(PatchErrorKind::Mutability, "schemas", "the base schema can't be taken away");
        if op == Op::Remove {
            let urns: Vec<String> = match filter {
                Some(filter) => value_terms(filter, located.attribute).ok_or_else(|| {
                    let reason = "the filter must name URNs with eq";
                    PatchError::new(PatchErrorKind::InvalidFilter, "schemas", reason)
                })?,
                None => value.elements().iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            };
            if urns.is_empty() || urns.iter().any(|u| u.eq_ignore_ascii_case(base)) {
                return Err(kept());
            }
            for urn in urns {
                if let Some(extension) = self.resource_type.extension(&urn) {
                    self.extension(Op::Remove, extension, &Value::Null)?;
                }
            }
            return Ok(());
        }
        if filter.is_some() {
            return Err(PatchError::new(
                PatchErrorKind::InvalidPath,
                "schemas",
                "URNs are not replaced one by one",
            ));
        }
        let mut has_base = false;
        let mut extensions = Vec::new();
        for urn in value.elements() {
            let urn = urn.as_str().unwrap_or_default();
            if urn.eq_ignore_ascii_case(base) {
                has_base = true;
            } else if let Some(extension) = self.resource_type.extension(urn) {
                extensions.push(extension);
            } else if self.options.read.dialect.drop_unknown_schemas {
                self.report.note(Leniency::SchemaDropped, urn);
            } else {
                let reason = "lists a URN that the resource type does not have";
                return Err(PatchError::new(PatchErrorKind::InvalidValue, "schemas", reason));
            }
        }
        if op == Op::Add || !by_path {
            self.push(Edit::AddSchemas(extensions));
            return Ok(());
        }
        if !has_base && value.elements().is_empty() {
            return Err(kept());
        }
        if !has_base {
            let reason = "lacks the URN of the base schema";
            return Err(PatchError::new(PatchErrorKind::InvalidValue, "schemas", reason));
        }
        if let Some(missing) = self
            .resource_type
            .extensions()
            .iter()
            .find(|e| e.required() && !extensions.iter().any(|known| std::ptr::eq(*known, *e)))
        {
            let reason = "a required extension can't be taken away";
            return Err(PatchError::new(PatchErrorKind::Mutability, missing.schema().id(), reason));
        }
        self.push(Edit::SetSchemas(extensions));
        Ok(())
    }
}
