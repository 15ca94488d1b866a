//! The store beside the model: what one is told the other is told, and what they answer is compared.

use scim_core::{
    Batch, ChangeFeed, Committed, FeedCursor, Include, MemoryStore, Page, Query, Store, StoreError, Stored,
};

use super::build::{STANDARD, acme, query, type_named};
use super::check::{Proof, Wrong, found, same};
use super::lab::Lab;

/// A store under trial and the model.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) lab: Lab,
    pub(super) model: MemoryStore,
}

impl Mirror {
    pub(super) fn new(lab: Lab) -> Self {
        Self { lab, model: MemoryStore::new(std::sync::Arc::clone(&STANDARD)) }
    }

    /// Commits to both; they must answer the same.
    pub(super) async fn commit(&self, batch: Batch) -> Proof {
        let expected = outcome(self.model.commit(&acme(), batch.clone()).await);
        let came = outcome(self.lab.store().commit(&acme(), batch.clone()).await);
        same(format!("the answer to {batch:?}"), came, expected)
    }

    /// Asks the store; the answer must be that of [`Query::answer`] over all that the model has.
    pub(super) async fn query(&self, query: &Query, what: &str) -> Result<Page, Wrong> {
        let expected = self.expected(query).await?;
        let came = self.lab.query(query).await.map_err(|error| Wrong::from(error).of(what))?;
        let ids = |page: &Page| (page.total, page.more_before, page.more_after, super::build::ids(page));
        same(format!("{what}: total, more before, more after, ids"), ids(&came), ids(&expected))?;
        for (came, expected) in came.resources.iter().zip(&expected.resources) {
            same(format!("{what}: the resource {}", expected.resource.id()), came, expected)?;
        }
        Ok(came)
    }

    async fn expected(&self, asked: &Query) -> Result<Page, Wrong> {
        let mut candidates = Vec::new();
        for stored in self.all().await? {
            let meta = stored.resource.get("meta").and_then(|meta| meta.get("resourceType"));
            let name = found("a resource type", meta.and_then(scim_schema::Value::as_str))?;
            candidates.push((type_named(name).as_ref(), stored));
        }
        Ok(asked.answer(candidates))
    }

    /// All resources of the model, with everything.
    pub(super) async fn all(&self) -> Result<Vec<Stored>, Wrong> {
        let mut all = query(&["User", "Group"], None)?;
        all.include = Include::ALL;
        all.page.count = usize::MAX;
        Ok(self.model.query(&acme(), &all).await?.resources)
    }

    /// What both have: resources by get, types, and the feed.
    pub(super) async fn compare(&self, ids: &[&str]) -> Proof {
        let owned: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
        let expected = self.model.types_of(&acme(), &owned).await?;
        same("types_of", self.lab.store().types_of(&acme(), &owned).await?, expected)?;
        for id in ids {
            for name in ["User", "Group"] {
                for include in [Include::ALL, Include::NONE] {
                    let expected = self.model.get(&acme(), type_named(name), id, include).await?;
                    same(format!("the {name} {id}"), self.lab.look_for(name, id, include).await?, expected)?;
                }
            }
        }
        if self.lab.handle.feed.is_some() {
            let expected = self.model.after(FeedCursor::START, usize::MAX).await?;
            let came = self.lab.entries().await?;
            same("how many entries", came.len(), expected.len())?;
            for (mut came, expected) in came.into_iter().zip(expected) {
                // Only the store can tell what its cursors mean.
                came.cursor = expected.cursor;
                same("an entry of the feed", came, expected)?;
            }
        }
        Ok(())
    }
}

/// What can be told of an error without its source.
fn outcome(answer: Result<Vec<Committed>, StoreError>) -> Result<Vec<Committed>, String> {
    answer.map_err(|error| error.to_string())
}
