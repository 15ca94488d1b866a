//! Resources that have a value in common with others.

use scim_core::{Store as _, StoreError};
use scim_schema::Resource;
use scim_sql::Alike;
use serde_json::{Value, json};

use crate::support::*;

on_all_kinds! { each_value_finds_none_one_or_several }

fn like(attributes: Value) -> Resource {
    Resource::from_canonical(serde_json::from_value(attributes).unwrap())
}

async fn each_value_finds_none_one_or_several(kind: Kind) {
    let f = fixture(kind).await;
    let named = |id: &str, display: &str| insert("User", id, json!({"userName": id, "displayName": display}));
    let writes = vec![named("a", "Same"), named("b", "same"), named("c", "Other"), group("g", &["a"])];
    f.store.commit(&acme(), batch(writes, 0)).await.unwrap();
    for (attribute, wanted, expected) in [
        ("userName", ["A", "nobody", "c", "A"], ["a", "-", "c", "a"]),
        ("displayName", ["other", "SAME", "The g", "other"], ["c", "several", "-", "c"]),
    ] {
        let wanted: Vec<Resource> = wanted.iter().map(|value| like(json!({attribute: value}))).collect();
        let store = f.store.clone();
        let found = f.store.database().read(move |session| {
            let user = type_named("User");
            let whole = store.alike_in(session, &acme(), &user, attribute, &wanted)?;
            let ids = store.ids_alike_in(session, &acme(), &user, attribute, &wanted)?;
            Ok::<_, StoreError>((whole, ids))
        });
        let (whole, ids) = found.await.unwrap();
        let told = |alike: &Alike<String>| match alike {
            Alike::None => "-".to_owned(),
            Alike::One(id) => id.clone(),
            Alike::Several => "several".to_owned(),
        };
        assert_eq!(ids.iter().map(told).collect::<Vec<_>>(), expected);
        let ids_of_whole: Vec<Alike<String>> = whole
            .into_iter()
            .map(|alike| match alike {
                Alike::None => Alike::None,
                Alike::One(stored) => Alike::One(stored.resource.id().to_owned()),
                Alike::Several => Alike::Several,
            })
            .collect();
        assert_eq!(ids_of_whole, ids);
    }
    let ids = ["a", "g", "nobody", "a"].map(str::to_owned);
    let types = f.store.types_of(&acme(), &ids).await.unwrap();
    let types: Vec<Option<&str>> = types.iter().map(Option::as_deref).collect();
    assert_eq!(types, [Some("User"), Some("Group"), None, Some("User")]);
}
