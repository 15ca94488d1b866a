//! Made-up data, filters, orders and pages: the answers of `SqlStore` are those of `MemoryStore`.
//! `cargo xtask equivalence` does the same many more times.

use proptest::prelude::*;
use scim_conformance::differential::{DataSet, Entropy};
use scim_core::MemoryStore;
use scim_sql::{SqlStore, StoreOptions};

use crate::support::{Kind, Place};

/// How many queries are tried on a data set.
const QUESTIONS: usize = 40;

async fn differences(seed: u64, resources: usize) -> Result<usize, String> {
    let mut entropy = Entropy::seeded(seed);
    let set = DataSet::generate(&mut entropy, resources);
    let model = MemoryStore::new(std::sync::Arc::clone(set.registry()));
    set.load(&model).await.map_err(|e| e.to_string())?;
    let mut stores = Vec::new();
    let ways = [(Kind::Sqlite, false), (Kind::Sqlite, true), (Kind::Postgres, true)];
    for (kind, many) in ways {
        let mut options = StoreOptions::default();
        options.indexed.extend(set.some_paths(&mut entropy));
        let ways = &mut options.thresholds;
        if many {
            (ways.small, ways.read, ways.sorted, ways.far, ways.step) = (2, 3, 10, 2, 3);
        }
        let place = Place::new(kind);
        let registry = std::sync::Arc::clone(set.registry());
        let store = SqlStore::with_options(place.open().await, registry, &options);
        let store = store.await.unwrap();
        set.load(&store).await.map_err(|e| e.to_string())?;
        stores.push((format!("{kind:?}, many: {many}"), store, place));
    }
    let mut asked = 0;
    for _ in 0..QUESTIONS {
        let question = set.question(&mut entropy, &model).await.map_err(|e| e.to_string())?;
        let Some(question) = question else { continue };
        let expected = set.answer(&question, &model).await.map_err(|e| e.to_string())?;
        asked += 1;
        for (name, store, _) in &stores {
            set.compare(&question, &expected, name, store).await.map_err(|e| e.to_string())?;
        }
    }
    Ok(asked)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_the_model(seed in any::<u64>(), resources in 0..80usize) {
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        match rt.block_on(differences(seed, resources)) {
            Ok(asked) => prop_assert!(asked > QUESTIONS / 4, "hardly a question was one"),
            Err(difference) => prop_assert!(false, "{}", difference),
        }
    }
}
