//! Unique values that are longer than an entry of an index.

use scim_core::{Store as _, StoreError};
use serde_json::json;

use crate::support::*;

on_all_kinds! { long_values_are_unique_too }

async fn long_values_are_unique_too(kind: Kind) {
    let f = fixture(kind).await;
    // Text that can't be compressed, longer than an entry of an index may be.
    let mut state = 7u64;
    let mut letters = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    let name: String = (0..4000).map(|_| letters()).collect();
    let named = |id: &str, name: &str| insert("User", id, json!({"userName": name, "displayName": name}));
    commit(&f.store, named("a", &name), 0).await.unwrap();
    commit(&f.store, named("b", &format!("{name}b")), 1).await.unwrap();
    let error = commit(&f.store, named("c", &name.to_uppercase()), 2).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict { attribute } if attribute == "userName"), "{error:?}");
    for (filter, expected) in [
        (format!("userName eq \"{name}\""), vec!["a"]),
        (format!("userName sw \"{name}\""), vec!["a", "b"]),
        (format!("displayName eq \"{name}b\""), vec!["b"]),
    ] {
        let page = f.store.query(&acme(), &query(&["User"], Some(&filter))).await.unwrap();
        let ids: Vec<&str> = page.resources.iter().map(|stored| stored.resource.id()).collect();
        assert_eq!(ids, expected);
    }
    commit(&f.store, replace("User", "a", json!({"userName": "short"})), 3).await.unwrap();
    commit(&f.store, named("c", &name), 4).await.unwrap();
    commit(&f.store, delete("User", "c"), 5).await.unwrap();
    commit(&f.store, named("c", &name), 6).await.unwrap();
}
