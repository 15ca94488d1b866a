//! Tokens as they were found in the database, while nothing has been committed since.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::tokens::TokenRow;

/// How many are kept.
const LIMIT: usize = 10_000;

/// What is known without asking the database, and is as true as its answer.
#[derive(Default)]
pub(super) struct KnownTokens {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// After how many commits the tokens were looked up.
    commits: u64,
    by_key_id: HashMap<String, Arc<TokenRow>>,
}

impl KnownTokens {
    /// A token that was found when there were as many commits as there are now.
    pub(super) fn get(&self, commits: u64, key_id: &str) -> Option<Arc<TokenRow>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.by_key_id.get(key_id).filter(|_| state.commits == commits).cloned()
    }

    /// Keeps a token that was looked up after the commits were counted.
    pub(super) fn insert(&self, commits: u64, key_id: String, token: Arc<TokenRow>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.commits != commits || state.by_key_id.len() >= LIMIT {
            *state = State { commits, by_key_id: HashMap::new() };
        }
        state.by_key_id.insert(key_id, token);
    }
}

/// Hashes of tokens stay out of it.
impl fmt::Debug for KnownTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownTokens").finish_non_exhaustive()
    }
}
