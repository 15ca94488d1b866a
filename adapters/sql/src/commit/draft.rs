//! What is written of documents, made before the transaction begins: meanwhile others can write.

use std::collections::BTreeSet;
use std::sync::Arc;

use scim_core::{Batch, Change, Write};

use crate::index::Index;
use crate::rows;

/// The document of a write as the tables have it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The document.
    pub(super) text: String,
    /// Its unique values.
    pub(super) unique: String,
    /// Its rows in the index: name and key.
    pub(super) values: BTreeSet<(Arc<str>, String)>,
}

/// For each write of a batch the draft of its document, if it has one.
pub(crate) fn drafts(index: &Index, batch: &Batch) -> Vec<Option<Draft>> {
    batch.writes.iter().map(|write| draft(index, write)).collect()
}

/// The draft of a write's document, if it has one.
pub(crate) fn draft(index: &Index, write: &Write) -> Option<Draft> {
    let document = match &write.change {
        Change::Insert { document, .. } => document,
        Change::Update { document: Some(document), .. } => document,
        _ => return None,
    };
    Some(Draft {
        text: document.resource.text().into_owned(),
        unique: rows::unique_to_text(&document.unique),
        values: index.values(write.resource_type.name(), &document.resource),
    })
}
