//! Users and groups in the order in which they changed.

use std::time::Duration;

use scim_directory::{Clock as _, UpdatePlace};
use scim_schema::{DateTime, Value};
use scim_sql::{Engine, Migration};
use serde_json::json;

use crate::support::{Site, on_both_engines};

on_both_engines! {
    what_changed_is_listed_and_so_is_whose_groups_changed,
    who_changes_between_pages_is_not_skipped_even_when_the_clock_is_set_back,
    what_was_there_before_the_third_migration_has_the_time_of_its_last_event,
}

/// The ids of a list.
fn ids(list: &[(UpdatePlace, Value)]) -> Vec<&str> {
    let shown = list.iter().map(|(_, value)| value.get("id").and_then(Value::as_str).unwrap());
    assert!(shown.eq(list.iter().map(|(place, _)| place.id.as_str())), "a place is of what it comes with");
    list.iter().map(|(place, _)| place.id.as_str()).collect()
}

async fn users(site: &Site, after: &UpdatePlace, limit: usize) -> Vec<(UpdatePlace, Value)> {
    site.directories.updated_users(&site.directory.id, after, limit).await.unwrap()
}

async fn groups(site: &Site, after: &UpdatePlace) -> Vec<(UpdatePlace, Value)> {
    site.directories.updated_groups(&site.directory.id, after, 100).await.unwrap()
}

// mission: M-66
async fn what_changed_is_listed_and_so_is_whose_groups_changed(engine: Engine) {
    let site = Site::new(engine).await;
    let (ann, bob, eve) = (site.user("ann").await, site.user("bob").await, site.user("eve").await);
    let inner = site.group("inner", &[&bob]).await;
    let outer = site.group("outer", &[]).await;
    site.catch_up().await;
    let all = UpdatePlace::after(DateTime::from_unix_micros(0));
    assert_eq!(ids(&users(&site, &all, 100).await), [&ann, &eve, &bob], "bob came to a group at last");
    assert_eq!(ids(&groups(&site, &all).await), [&inner, &outer]);

    let later = || UpdatePlace::after(site.clock.now());
    let time = later();
    assert_eq!((ids(&users(&site, &time, 100).await).len(), groups(&site, &time).await.len()), (0, 0));
    site.set(&format!("/Users/{eve}"), "title", json!("Lead")).await;
    site.set(&format!("/Users/{ann}"), "active", json!(false)).await;
    site.catch_up().await;
    assert_eq!(ids(&users(&site, &time, 100).await), [&eve, &ann]);
    // Strictly later: whose last change was at that time is not listed.
    let (place, _) = users(&site, &time, 1).await.remove(0);
    let at_eve = UpdatePlace::after(DateTime::from_unix_micros(place.updated));
    assert_eq!(ids(&users(&site, &at_eve, 100).await), [&ann]);

    // Through a group in a group, and by its new name.
    for rename in [false, true] {
        let time = later();
        if rename {
            site.set(&format!("/Groups/{inner}"), "displayName", json!("other")).await;
        } else {
            site.add_members(&outer, &[&inner]).await;
        }
        site.catch_up().await;
        assert_eq!(ids(&users(&site, &time, 100).await), [&bob]);
        assert_eq!(ids(&groups(&site, &time).await), [if rename { &inner } else { &outer }]);
    }
    let time = later();
    site.delete(&format!("/Groups/{outer}")).await;
    site.delete(&format!("/Users/{eve}")).await;
    site.catch_up().await;
    assert_eq!(ids(&users(&site, &time, 100).await), [&bob], "who was deleted is not listed");
    assert_eq!(groups(&site, &time).await.len(), 0);
}

// mission: M-66
async fn who_changes_between_pages_is_not_skipped_even_when_the_clock_is_set_back(engine: Engine) {
    let site = Site::new(engine).await;
    let mut expected = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        expected.push(site.user(name).await);
    }
    site.catch_up().await;
    let mut place = UpdatePlace::after(DateTime::from_unix_micros(0));
    let mut seen = Vec::new();
    site.clock.advance(Duration::from_secs(60));
    for round in 0.. {
        let page = users(&site, &place, 2).await;
        let Some((last, _)) = page.last() else { break };
        place = last.clone();
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        match round {
            // One that was seen, and one that was not, in a change that is told as of an hour ago.
            0 => {
                site.clock.set_back(Duration::from_secs(3600));
                site.group("Late", &[&expected[0], &expected[4]]).await;
                site.clock.advance(Duration::from_secs(3600));
            }
            // And one of now.
            1 => site.set(&format!("/Users/{}", expected[5]), "title", json!("Lead")).await,
            _ => {}
        }
        site.catch_up().await;
    }
    assert_eq!(seen, expected);
}

async fn what_was_there_before_the_third_migration_has_the_time_of_its_last_event(engine: Engine) {
    let site = Site::new(engine).await;
    let (ann, bob) = (site.user("ann").await, site.user("bob").await);
    site.group("Staff", &[&ann]).await;
    site.catch_up().await;
    let all = UpdatePlace::after(DateTime::from_unix_micros(0));
    let before = (users(&site, &all, 100).await, groups(&site, &all).await);
    assert_eq!(ids(&before.0), [&bob, &ann]);
    let step = Migration { up: "", down: "" };
    let third = Migration {
        down: "DROP INDEX dir_subjects_by_update; ALTER TABLE dir_subjects DROP COLUMN updated;
            ALTER TABLE dir_endpoints DROP COLUMN disabled_behind;
            ALTER TABLE dir_deliveries DROP COLUMN told_since;",
        ..step
    };
    site.store.database().migrate_to("directory", &[step, step, third], 2).await.unwrap();
    let site = site.restarted().await;
    assert_eq!((users(&site, &all, 100).await, groups(&site, &all).await), before);
}
