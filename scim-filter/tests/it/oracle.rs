//! Compiled filters against a plain recursive evaluation of the tree.

use proptest::prelude::*;
use scim_filter::{Expr, ExprRef, Filter, MatchOptions, Matcher};
use scim_schema::{Object, Resource, Value};

use crate::world;

const SIMPLE: [&str; 4] = ["title", "nickName", "displayName", "locale"];
const SUBS: [&str; 3] = ["type", "value", "display"];

fn filter_text() -> impl Strategy<Value = String> {
    let sub = prop::sample::select(SUBS.to_vec()).prop_map(|name| format!("{name} pr")).boxed();
    let value_path = logic(sub).prop_map(|inside| format!("emails[{inside}]"));
    let simple = prop::sample::select(SIMPLE.to_vec()).prop_map(|name| format!("{name} pr"));
    logic(prop_oneof![3 => simple, 1 => value_path].boxed())
}

fn logic(leaf: BoxedStrategy<String>) -> BoxedStrategy<String> {
    leaf.prop_recursive(5, 20, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} or {b}")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
    .boxed()
}

/// A user that has some of the attributes, and values of `emails` that have some of the sub-attributes.
fn user() -> impl Strategy<Value = Resource> {
    let names = |names: &'static [&'static str]| prop::sample::subsequence(names, 0..=names.len());
    (names(&SIMPLE), prop::collection::vec(names(&SUBS), 0..3)).prop_map(|(simple, emails)| {
        let object = |names: Vec<&str>| names.into_iter().map(|name| (name, "x")).collect::<Object>();
        let mut user = object(simple);
        user.insert("emails", emails.into_iter().map(|subs| Value::from(object(subs))).collect::<Vec<_>>());
        Resource::from_canonical(user)
    })
}

/// The meaning of the tree, word for word.
fn holds(expr: ExprRef<'_>, object: &Object) -> bool {
    match expr.expr() {
        Expr::And(left, right) => holds(left, object) && holds(right, object),
        Expr::Or(left, right) => holds(left, object) || holds(right, object),
        Expr::Not(inner) => !holds(inner, object),
        Expr::Present(path) => object.get(path.attribute).is_some(),
        Expr::ValuePath { path, filter } => {
            let values = object.get(path.attribute).and_then(Value::as_array).unwrap();
            values.iter().filter_map(Value::as_object).any(|value| !value.is_empty() && holds(filter, value))
        }
        Expr::Compare { .. } => panic!("no comparisons here"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    // ledger: 7644-3.4.2.2-011, 7644-3.4.2.2-013
    #[test]
    fn compiled_filters_mean_what_the_tree_says(text in filter_text(), users in prop::collection::vec(user(), 8)) {
        let filter = Filter::parse(&text).map_err(|e| TestCaseError::fail(e.with_caret(&text)))?;
        let registry = world::registry();
        let user = registry.resource_type("User").unwrap();
        let matcher = Matcher::new(&filter, [user], &MatchOptions::default()).unwrap();
        for user in &users {
            let expected = holds(filter.root(), user.attributes());
            prop_assert_eq!(matcher.matches("User", user), expected, "{:?}", user);
        }
    }
}
