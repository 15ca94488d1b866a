//! The product against the naive interpreter, on made-up input.

use proptest::prelude::*;
use scim_conformance::differential::{
    Entropy, FilterTally, Form, PatchTally, World, compare_filter, compare_patch,
};

// ledger: 7644-3.4.2.2-002
#[test]
fn filters_of_fixed_seeds() {
    let mut tally = FilterTally::default();
    for seed in 0..100 {
        let mut entropy = Entropy::seeded(seed);
        let world = World::generate(&mut entropy, Form::Raw, 5);
        for _ in 0..40 {
            let text = world.filter(&mut entropy);
            match world.compare_filter(&text, entropy.chance(50)) {
                Ok(one) => tally.add(one),
                Err(difference) => panic!("seed {seed}: {difference}"),
            }
        }
    }
    // What is always refused, or never matches, would prove little.
    assert!(tally.filters > 2000 && tally.refused > 500, "{tally:?}");
    assert!(tally.matched > tally.evaluations / 10, "{tally:?}");
}

// ledger: 7644-3.5.2-013
#[test]
fn requests_of_fixed_seeds() {
    let mut tally = PatchTally::default();
    for seed in 0..100 {
        let mut entropy = Entropy::seeded(seed);
        let world = World::generate(&mut entropy, Form::Stored, 5);
        for _ in 0..40 {
            let sample = entropy.choose(world.samples()).unwrap();
            let body = world.request(&mut entropy, sample);
            match world.compare_patch(sample, &body) {
                Ok(one) => tally.add(one),
                Err(difference) => panic!("seed {seed}: {difference}"),
            }
        }
    }
    assert!(tally.changed > 800 && tally.unchanged > 200 && tally.deltas > 100, "{tally:?}");
}

#[test]
fn a_difference_tells_all_that_is_needed_to_see_it_again() {
    let mut entropy = Entropy::seeded(7);
    let world = World::generate(&mut entropy, Form::Stored, 3);
    // A resource that the product does not have shows what a difference looks like.
    let mut sample = world.samples()[0].clone();
    sample.json["id"] = "other".into();
    let operation = |path: &str| serde_json::json!({"op": "remove", "path": path});
    let body = serde_json::json!({
        "schemas": [scim_patch::PATCH_OP], "Operations": [operation("externalId"), operation("externalId")]});
    let difference = world.compare_patch(&sample, &body).unwrap_err();
    let shown = difference.to_string();
    for part in ["document: {", "resource: {", "input:    {", "product:", "naive:"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(difference.input.matches("remove").count() <= 1, "as few operations as show it: {shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_filter(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let compared = compare_filter(&mut Entropy::bytes(&bytes));
        prop_assert!(compared.is_ok(), "{}", compared.unwrap_err());
    }

    #[test]
    fn any_request(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let compared = compare_patch(&mut Entropy::bytes(&bytes));
        prop_assert!(compared.is_ok(), "{}", compared.unwrap_err());
    }
}
