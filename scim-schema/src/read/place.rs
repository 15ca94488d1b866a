//! Where a value stands, for messages.

use std::fmt;

use crate::attribute::Attribute;
use crate::resource_type::Extension;

/// The path of an attribute, written out only when there is something to say about it.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    above: Above<'p>,
    name: &'p str,
}

#[derive(Clone, Copy)]
enum Above<'p> {
    Nothing,
    Extension(&'p str),
    Attribute(&'p Place<'p>),
}

impl<'p> Place<'p> {
    /// The place of an attribute of the base schema or of an extension.
    pub(super) fn of(extension: Option<&'p Extension>, attribute: &'p Attribute) -> Self {
        let above = extension.map_or(Above::Nothing, |e| Above::Extension(e.schema().id()));
        Self { above, name: attribute.name() }
    }

    /// The place of a part of this attribute.
    pub(super) fn part(&'p self, name: &'p str) -> Self {
        Self { above: Above::Attribute(self), name }
    }

    /// Whether the path, written out, is this one.
    pub(super) fn is(&self, path: &str) -> bool {
        let Some(rest) = path.strip_suffix(self.name) else { return false };
        match self.above {
            Above::Nothing => rest.is_empty(),
            Above::Extension(urn) => rest.strip_suffix(':') == Some(urn),
            Above::Attribute(place) => rest.strip_suffix('.').is_some_and(|rest| place.is(rest)),
        }
    }
}

/// Goes as deep as schemas do, which is three levels at most.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.above {
            Above::Nothing => {}
            Above::Extension(urn) => write!(f, "{urn}:")?,
            Above::Attribute(place) => write!(f, "{place}.")?,
        }
        f.write_str(self.name)
    }
}
