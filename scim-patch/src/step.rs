//! What a plan is made of: edits of single attributes, in order.

use scim_filter::ElementMatcher;
use scim_schema::{Array, Attribute, Extension, Located, Value};

use crate::error::PatchError;

/// One edit; an operation without a path makes several.
#[derive(Clone, Debug)]
pub(crate) struct Step<'t> {
    /// The place of the operation in the request.
    pub(crate) operation: usize,
    pub(crate) edit: Edit<'t>,
}

#[derive(Clone, Debug)]
pub(crate) enum Edit<'t> {
    /// `schemas` gains the URNs of extensions.
    AddSchemas(Vec<&'t Extension>),
    /// `schemas` lists the base schema and these extensions; the values of others go.
    SetSchemas(Vec<&'t Extension>),
    /// An extension goes, with all its values.
    RemoveExtension(&'t Extension),
    /// An attribute (never a sub-attribute) is edited.
    Attribute(Located<'t>, AttributeEdit<'t>),
}

#[derive(Clone, Debug)]
pub(crate) enum AttributeEdit<'t> {
    /// A readOnly attribute in a value without path must have its present value.
    Same(Value),
    /// The whole value becomes this; `None` is unassigned.
    Set(Option<Value>),
    /// Parts of a singular complex value change.
    Merge(Vec<Part<'t>>),
    /// Values join a list, as far as it does not have them.
    Append(Array),
    /// The listed values leave a list.
    RemoveListed(Vec<Listed>),
    /// Some values of a list change, or the one value of a singular complex attribute.
    Select(Box<Selection<'t>>),
}

/// A change of a sub-attribute.
#[derive(Clone, Debug)]
pub(crate) struct Part<'t> {
    pub(crate) sub: &'t Attribute,
    pub(crate) edit: PartEdit,
}

#[derive(Clone, Debug)]
pub(crate) enum PartEdit {
    Set(Option<Value>),
    /// Values join a multi-valued sub-attribute.
    Append(Array),
}

/// A value named by a `remove` with a value list.
#[derive(Clone, Debug)]
pub(crate) enum Listed {
    /// By its `value` sub-attribute, or the simple value itself; a member that is given by its URI only, by the
    /// id at the end of it.
    Value(Value),
    /// By all sub-attributes of this object.
    Parts(Value),
}

/// Which values change, and how.
#[derive(Clone, Debug)]
pub(crate) struct Selection<'t> {
    /// `None` selects all.
    pub(crate) matcher: Option<ElementMatcher>,
    /// Where the filter is nothing but `value eq "…"` terms joined by `or`: those texts.
    pub(crate) values: Option<Vec<String>>,
    pub(crate) change: ElementChange<'t>,
    /// What happens if nothing is selected.
    pub(crate) otherwise: Otherwise,
}

#[derive(Clone, Debug)]
pub(crate) enum ElementChange<'t> {
    Remove,
    Replace(Value),
    Merge(Vec<Part<'t>>),
}

#[derive(Clone, Debug)]
pub(crate) enum Otherwise {
    Nothing,
    /// A value is created.
    Create(Value),
    Fail(PatchError),
}

impl<'t> AttributeEdit<'t> {
    /// The sub-attributes that change one by one.
    pub(crate) fn parts(&self) -> &[Part<'t>] {
        match self {
            Self::Merge(parts) => parts,
            Self::Select(selection) => match &selection.change {
                ElementChange::Merge(parts) => parts,
                ElementChange::Remove | ElementChange::Replace(_) => &[],
            },
            _ => &[],
        }
    }

    /// The values of a list that are given as wholes.
    pub(crate) fn values(&self) -> &[Value] {
        match self {
            Self::Set(Some(value)) => value.elements(),
            Self::Append(values) => values,
            Self::Select(selection) => match &selection.change {
                ElementChange::Replace(value) => std::slice::from_ref(value),
                ElementChange::Remove | ElementChange::Merge(_) => &[],
            },
            _ => &[],
        }
    }
}

impl<'t> Step<'t> {
    /// The attribute that the step is about, unless it is about extensions.
    pub(crate) fn base_attribute(&self) -> Option<&'t str> {
        match &self.edit {
            Edit::Attribute(located, _) if located.extension.is_none() => Some(located.attribute.name()),
            _ => None,
        }
    }

    /// Whether the step edits that attribute of the base schema.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        matches!(&self.edit, Edit::Attribute(l, _) if l.extension.is_none() && l.attribute.name() == name)
    }

    /// Whether the step only compares.
    pub(crate) fn is_comparison(&self) -> bool {
        matches!(&self.edit, Edit::Attribute(_, AttributeEdit::Same(_)))
    }

    /// Adds the canonical paths that the step gives values to.
    pub(crate) fn collect_set(&self, paths: &mut Vec<String>) {
        let Edit::Attribute(located, edit) = &self.edit else { return };
        for part in edit.parts().iter().filter(|p| !matches!(p.edit, PartEdit::Set(None))) {
            paths.push(Located { sub: Some(part.sub), ..*located }.path());
        }
        let whole = match edit {
            AttributeEdit::Set(value) => value.is_some(),
            AttributeEdit::Append(_) => true,
            AttributeEdit::Select(selection) => matches!(selection.change, ElementChange::Replace(_)),
            AttributeEdit::Same(_) | AttributeEdit::Merge(_) | AttributeEdit::RemoveListed(_) => false,
        };
        if whole {
            paths.push(located.path());
        }
    }
}
