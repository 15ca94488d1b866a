//! Which database a URL names.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

/// The file of `sqlite://` and a path, or of a path alone.
pub(crate) fn database_path(url: &str) -> Result<PathBuf> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        bail!(
            "PostgreSQL comes with a later version; this one keeps its data in SQLite: sqlite:///path/to/file"
        );
    }
    let path = match url.split_once("://") {
        Some(("sqlite", path)) => path,
        Some(_) => bail!("the database URL must begin with sqlite://"),
        None => url.strip_prefix("sqlite:").unwrap_or(url),
    };
    ensure!(!path.is_empty(), "the database URL has no path: sqlite:///path/to/file");
    ensure!(!path.contains('?'), "the database URL must not have parameters: sqlite:///path/to/file");
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_urls() {
        assert_eq!(database_path("sqlite:///a/b.db").unwrap(), PathBuf::from("/a/b.db"));
        assert_eq!(database_path("sqlite://b.db").unwrap(), PathBuf::from("b.db"));
        assert_eq!(database_path("/a/b.db").unwrap(), PathBuf::from("/a/b.db"));
        for wrong in ["sqlite://", "mysql://x", "postgres://x/y", "sqlite:///a?mode=ro"] {
            assert!(database_path(wrong).is_err(), "{wrong}");
        }
    }
}
