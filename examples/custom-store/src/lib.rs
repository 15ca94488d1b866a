#![doc = include_str!("../README.md")]

mod content;

use std::io::{Error as IoError, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use scim_core::{
    Batch, Capabilities, Committed, Include, Page, Query, Registry, ResourceType, Store, StoreError, Stored,
    TenantId,
};

use content::Content;

/// Keeps all resources in memory and in one JSON file, which every commit writes anew.
#[derive(Clone, Debug)]
pub struct FileStore {
    path: PathBuf,
    registry: Arc<Registry>,
    content: Arc<Mutex<Content>>,
}

impl FileStore {
    /// Opens the file, or begins with nothing where there is none.
    ///
    /// # Errors
    /// When the file can't be read, or is not one that this store wrote.
    pub fn open(path: &Path, registry: Registry) -> Result<Self, IoError> {
        let content = match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(error),
        };
        let content = Arc::new(Mutex::new(content));
        Ok(Self { path: path.to_owned(), registry: Arc::new(registry), content })
    }

    /// The content changes at the end of a commit only, so a panic before that has left it whole.
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on a copy, so that a batch that fails half way through leaves no trace.
    fn commit_now(&self, tenant: &TenantId, batch: Batch) -> Result<Vec<Committed>, StoreError> {
        let mut content = self.content();
        let mut next = content.clone();
        let committed = next.apply(tenant, batch)?;
        if committed.iter().any(|write| write.changed) {
            self.write(&next).map_err(|error| StoreError::Other { store: "file", source: error.into() })?;
            *content = next;
        }
        Ok(committed)
    }

    /// Once this returns, the content is on the disk whole, and at every moment before the old one is.
    fn write(&self, content: &Content) -> Result<(), IoError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(content)?)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        std::fs::File::open(folder)?.sync_all()
    }
}

#[async_trait]
impl Store for FileStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn get(
        &self,
        tenant: &TenantId,
        resource_type: &ResourceType,
        id: &str,
        include: Include,
    ) -> Result<Option<Stored>, StoreError> {
        Ok(self.content().get(tenant, resource_type, id, include, &self.registry))
    }

    async fn types_of(&self, tenant: &TenantId, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        let content = self.content();
        Ok(ids.iter().map(|id| content.type_of(tenant, id)).collect())
    }

    async fn query(&self, tenant: &TenantId, query: &Query) -> Result<Page, StoreError> {
        Ok(self.content().query(tenant, query, &self.registry))
    }

    async fn commit(&self, tenant: &TenantId, batch: Batch) -> Result<Vec<Committed>, StoreError> {
        // Writing a file blocks. On a thread of its own it also goes on when the client hangs up.
        let (store, tenant) = (self.clone(), tenant.clone());
        let committed = tokio::task::spawn_blocking(move || store.commit_now(&tenant, batch)).await;
        committed.unwrap_or_else(|error| Err(StoreError::Other { store: "file", source: error.into() }))
    }
}
