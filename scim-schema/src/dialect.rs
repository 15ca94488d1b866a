//! Leniency toward clients, as one value.

use std::fmt;

/// What a server accepts beyond the text of the RFCs.
///
/// A dialect is data that belongs to a caller, never a build option. Two are given:
/// [`Dialect::strict`] is the RFC with the choices of the ledger, [`Dialect::default`] takes
/// all of what the big identity providers send.
///
/// ```
/// use scim_schema::Dialect;
/// assert!(Dialect::default().upsert_on_replace);
/// assert!(!Dialect::strict().upsert_on_replace);
/// let mine = Dialect { group_patch_no_content: false, ..Dialect::default() };
/// # let _ = mine;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each switch is independent of the others")]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct Dialect {
    /// A body without `schemas` means the base schema; a body that carries an extension's object
    /// without its URN in `schemas` means that URN too. Strict: 400 `invalidSyntax`.
    pub infer_schemas: bool,
    /// URNs in `schemas` that the resource type does not know are dropped. Strict: 400 `invalidValue`.
    pub drop_unknown_schemas: bool,
    /// Attributes that no schema defines are left out of POST and PUT bodies. Strict: 400 `invalidSyntax`.
    pub ignore_unknown_attributes: bool,
    /// PATCH operations on targets that no schema defines are skipped, the others are done.
    /// Strict: 400 `invalidPath`.
    pub ignore_unknown_targets: bool,
    /// A number or boolean for a string attribute becomes its text. Strict: 400 `invalidValue`.
    pub scalars_as_strings: bool,
    /// A string that is a number in JSON's form is taken for integer and decimal attributes.
    pub strings_as_numbers: bool,
    /// An empty string for an attribute that can't be empty (optional date, reference, binary, boolean,
    /// number) means unassigned.
    pub empty_string_is_unassigned: bool,
    /// A string for a value of a multi-valued complex attribute sets its `value`. (For a singular
    /// complex attribute every dialect does: ledger choice `complex-from-string`.)
    pub strings_as_values: bool,
    /// A `value` that is the text of a JSON object with a `value` of its own (Entra ID's
    /// `AppRoleAssignmentsComplex`) is unwrapped.
    pub unwrap_stringified_values: bool,
    /// Only the first of several `primary: true` values in a POST or PUT keeps the mark. Strict: 400 `invalidValue`.
    pub demote_extra_primaries: bool,
    /// `attr[filter].sub op value` in search filters (Entra ID).
    pub filter_value_path_sub_attribute: bool,
    /// PATCH `replace` on `attr[filter]` that matches nothing creates the value from the filter's
    /// `eq` terms, as `add` does. Strict: 400 `noTarget`.
    pub upsert_on_replace: bool,
    /// A readOnly target of a PATCH operation is skipped instead of refused.
    pub ignore_read_only_targets: bool,
    /// PATCH of a resource type with members answers 204 unless attributes were asked for.
    pub group_patch_no_content: bool,
    /// A PATCH, search or bulk body may lack its message URN.
    pub infer_message_schema: bool,
    /// A search filter or order on an attribute that is never returned is 403 `sensitive`. Strict: 400
    /// `invalidFilter` (ledger choice `password-filter`).
    pub hidden_is_sensitive: bool,
    /// Both `attributes` and `excludedAttributes`: the latter is ignored. Strict: 400 `invalidValue`.
    pub both_projections: bool,
}

impl Dialect {
    /// The RFCs, with the ledger's choices where they are open.
    pub fn strict() -> Self {
        Self {
            infer_schemas: false,
            drop_unknown_schemas: false,
            ignore_unknown_attributes: false,
            ignore_unknown_targets: false,
            scalars_as_strings: false,
            strings_as_numbers: false,
            empty_string_is_unassigned: false,
            strings_as_values: false,
            unwrap_stringified_values: false,
            demote_extra_primaries: false,
            filter_value_path_sub_attribute: false,
            upsert_on_replace: false,
            ignore_read_only_targets: false,
            group_patch_no_content: false,
            infer_message_schema: false,
            hidden_is_sensitive: false,
            both_projections: false,
        }
    }
}

/// What the big identity providers send is accepted.
impl Default for Dialect {
    fn default() -> Self {
        Self {
            infer_schemas: true,
            drop_unknown_schemas: true,
            ignore_unknown_attributes: true,
            ignore_unknown_targets: true,
            scalars_as_strings: true,
            strings_as_numbers: true,
            empty_string_is_unassigned: true,
            strings_as_values: true,
            unwrap_stringified_values: true,
            demote_extra_primaries: false,
            filter_value_path_sub_attribute: true,
            upsert_on_replace: true,
            ignore_read_only_targets: false,
            group_patch_no_content: false,
            infer_message_schema: true,
            hidden_is_sensitive: true,
            both_projections: false,
        }
    }
}

/// One kind of thing that a dialect did with a request beyond the RFCs' text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Leniency {
    /// A `schemas` URI was added that the body lacked.
    SchemaInferred,
    /// A `schemas` URI was dropped that the resource type does not know.
    SchemaDropped,
    /// An attribute was left out that no schema defines.
    AttributeIgnored,
    /// A readOnly value was left out, as RFC 7644 §3.3 and §3.5.1 ask.
    ReadOnlyIgnored,
    /// A PATCH operation was skipped.
    TargetIgnored,
    /// A value was brought to the attribute's type.
    Coerced,
    /// A value that stood for "unassigned" was dropped.
    Cleared,
    /// A JSON text inside a string was unwrapped.
    Unwrapped,
    /// A value was created that a filter named and that did not exist.
    Created,
    /// A second `primary` mark was taken away.
    PrimaryDemoted,
    /// A member was left out that does not exist.
    MemberIgnored,
    /// An equal value was dropped from a multi-valued attribute.
    DuplicateDropped,
    /// Only the listed values were removed, where the RFC's text would empty the attribute.
    RemovedListed,
    /// A photo was kept whose URI is not that of an image file (RFC 7643 §4.1.2).
    NotAnImage,
}

impl Leniency {
    /// A stable name, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SchemaInferred => "schema_inferred",
            Self::SchemaDropped => "schema_dropped",
            Self::AttributeIgnored => "attribute_ignored",
            Self::ReadOnlyIgnored => "read_only_ignored",
            Self::TargetIgnored => "target_ignored",
            Self::Coerced => "coerced",
            Self::Cleared => "cleared",
            Self::Unwrapped => "unwrapped",
            Self::Created => "created",
            Self::PrimaryDemoted => "primary_demoted",
            Self::MemberIgnored => "member_ignored",
            Self::DuplicateDropped => "duplicate_dropped",
            Self::RemovedListed => "removed_listed",
            Self::NotAnImage => "not_an_image",
        }
    }
}

/// What a dialect did with one request: the explanation that an operator can be shown.
///
/// Keeps at most [`Report::MAX_NOTES`] notes; further ones are only counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    notes: Vec<Note>,
    dropped: usize,
}

/// One entry of a [`Report`]: what was done, and to which attribute path. Never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// What was done.
    pub kind: Leniency,
    /// The attribute path it was done to; client text is cut at 128 characters.
    pub path: String,
}

impl Report {
    /// How many notes are kept.
    pub const MAX_NOTES: usize = 64;

    /// Adds a note.
    pub fn note(&mut self, kind: Leniency, path: impl fmt::Display) {
        if self.notes.len() >= Self::MAX_NOTES {
            self.dropped += 1;
            return;
        }
        let mut path = path.to_string();
        if let Some((at, _)) = path.char_indices().nth(128) {
            path.truncate(at);
        }
        self.notes.push(Note { kind, path });
    }

    /// The notes in order.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// How many notes there were in all, kept or not.
    pub fn len(&self) -> usize {
        self.notes.len() + self.dropped
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }
}
