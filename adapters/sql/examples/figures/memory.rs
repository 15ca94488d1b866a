//! How much memory the memory store takes. The process does nothing else before.

use std::sync::Arc;

use scim_core::MemoryStore;
use scim_schema::Registry;
use serde_json::json;

use crate::Result;
use crate::documents::{User, Users};
use crate::figures::Figures;
use crate::ours::Ours;

/// How many users are made at once.
const BATCH: usize = 100;

pub(crate) async fn measure(count: usize, figures: &mut Figures) -> Result<()> {
    println!("{count} users in the memory store");
    let registry = Arc::new(Registry::standard());
    let ours = Ours::of(Arc::new(MemoryStore::new(Arc::clone(&registry))), &registry, "acme")?;
    let mut users = Users::default();
    // What the first users need beside their own memory is there then.
    load(&ours, users.next(BATCH)?).await?;
    let (before, mut json_bytes, mut loaded) = (resident()?, 0, 0);
    while loaded < count {
        let some = users.next(BATCH)?;
        json_bytes += some.iter().map(|user| user.text.len()).sum::<usize>();
        loaded += some.len();
        load(&ours, some).await?;
    }
    let grown = resident()?.saturating_sub(before);
    let each = |bytes: usize| bytes / loaded.max(1);
    figures.note(json!({"bench": "memory", "impl": "ours", "bytes_each": each(grown), "users": loaded}));
    figures
        .note(json!({"bench": "memory", "impl": "floor", "bytes_each": each(json_bytes), "users": loaded}));
    Ok(())
}

async fn load(ours: &Ours, users: Vec<User>) -> Result<()> {
    for user in users {
        ours.commit(vec![ours.insertion(user)]).await?;
    }
    Ok(())
}

/// How many bytes of the process are in memory.
fn resident() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|error| format!("the system does not say how much memory is used: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok());
    Ok(kib.ok_or("the system does not say how much memory is used")? * 1024)
}
