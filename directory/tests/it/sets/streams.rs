//! Streams, what they want, and the keys.

use std::time::Duration;

use scim_directory::{DirectoryError, NewDirectory, SetDelivery, SetStream, SetStreamSettings};
use scim_set::{Content, EventUri, Expected, PollRequest, Verified, verify};
use scim_sql::Engine;
use serde_json::json;

use super::{AUDIENCE, ISSUER, believed, keys, names, now, payload, polled, push_to};
use crate::support::{Site, on_both_engines};

on_both_engines! {
    streams_get_what_they_ask_for_under_names_of_their_own,
    settings_that_are_not_allowed_are_refused,
    streams_are_made_once_and_keep_their_secrets,
    keys_are_replaced_and_the_old_ones_still_verify,
}

async fn sets_of(site: &Site, stream: &SetStream) -> Vec<Verified> {
    let keys = keys(site).await;
    let request = PollRequest { return_immediately: true, ..PollRequest::default() };
    let answer =
        site.directories.poll_sets(&stream.id, request, ISSUER, Duration::ZERO, now(site)).await.unwrap();
    answer.sets.values().map(|token| believed(token, &keys)).collect()
}

// ledger: 9967-2.2-001, 9967-2.2-003
async fn streams_get_what_they_ask_for_under_names_of_their_own(engine: Engine) {
    let site = Site::new(engine).await;
    let elsewhere = NewDirectory { name: "Elsewhere".into(), ..NewDirectory::default() };
    let organization = &site.directory.organization_id;
    let elsewhere = site.directories.create_directory(organization, elsewhere, now(&site)).await.unwrap();
    let all =
        site.set_stream(SetStreamSettings { organization_ids: vec![organization.clone()], ..polled() }).await;
    let notices = site.set_stream(SetStreamSettings { content: Content::Notice, ..polled() }).await;
    // A notice is asked for, and a full event counts alike.
    let event_uris = vec![EventUri::Deactivate, EventUri::Delete, EventUri::CreateNotice];
    let few = site.set_stream(SetStreamSettings { event_uris, ..polled() }).await;
    let none = site.set_stream(SetStreamSettings { directory_ids: vec![elsewhere.id], ..polled() }).await;
    let user = site.user("ann").await;
    site.set(&format!("/Users/{user}"), "active", json!(false)).await;
    site.catch_up().await;

    let events = |sets: &[Verified]| sets.iter().map(names).collect::<Vec<_>>();
    let all = sets_of(&site, &all).await;
    assert_eq!(events(&all), [vec!["prov:create:full"], vec!["prov:patch:full", "prov:deactivate"]]);
    let notices = sets_of(&site, &notices).await;
    assert_eq!(events(&notices), [vec!["prov:create:notice"], vec!["prov:patch:notice", "prov:deactivate"]]);
    assert_eq!(payload(&notices[1])["attributes"], json!(["active"]));
    assert!(payload(&notices[0]).get("data").is_none());
    let few = sets_of(&site, &few).await;
    assert_eq!(events(&few), [vec!["prov:create:full"], vec!["prov:deactivate"]]);
    assert!(sets_of(&site, &none).await.is_empty());
    assert_eq!(all[0].transaction(), notices[0].transaction(), "one request");
    assert_ne!(all[0].id(), notices[0].id(), "two SETs");
}

// ledger: 9967-5-001
async fn settings_that_are_not_allowed_are_refused(engine: Engine) {
    let site = Site::new(engine).await;
    let refused = |settings| {
        let (directories, time) = (site.directories.clone(), now(&site));
        async move { directories.create_set_stream(settings, time).await.unwrap_err().to_string() }
    };
    let with = |authorization: &str| {
        let url = "http://127.0.0.1:9/".to_owned();
        let delivery = SetDelivery::Push { url, authorization: Some(authorization.to_owned()) };
        SetStreamSettings { delivery, ..polled() }
    };
    let audience = |audience: String| SetStreamSettings { audience, ..polled() };
    assert_eq!(refused(audience(" ".into())).await, "audience must not be empty");
    assert!(refused(audience("x".repeat(2049))).await.starts_with("audience is longer"));
    assert!(refused(push_to("http://app.example.com/")).await.contains("https://"));
    assert!(refused(push_to("https://10.0.0.1/")).await.contains("URL"));
    assert_eq!(refused(with("a\r\nb: c")).await, "authorization is not the value of a header field");
    let event_uris = vec![EventUri::AsyncResponse];
    let never = refused(SetStreamSettings { event_uris, ..polled() }).await;
    assert_eq!(never, "event_uris names an event that is never made");
    let directory_ids = vec![scim_directory::DirectoryId::parse("dir_0000000000000000000000").unwrap()];
    let missing = refused(SetStreamSettings { directory_ids, ..polled() }).await;
    assert_eq!(missing, "there is no such directory");
    assert!(site.directories.set_streams().await.unwrap().is_empty());
}

async fn streams_are_made_once_and_keep_their_secrets(engine: Engine) {
    let site = Site::new(engine).await;
    let ensure = |settings| site.directories.ensure_set_stream(settings, now(&site));
    let (one, other) = tokio::join!(ensure(polled()), ensure(polled()));
    assert_eq!([one.unwrap(), other.unwrap()].iter().flatten().count(), 1);
    assert!(ensure(push_to("https://app.example.com/sets")).await.unwrap().is_some());
    assert!(ensure(push_to("https://app.example.com/sets")).await.unwrap().is_none());
    let streams = site.directories.set_streams().await.unwrap();
    assert_eq!(streams.len(), 2);
    let SetDelivery::Push { authorization, .. } = &streams[1].settings.delivery else { panic!("by push") };
    assert_eq!(authorization.as_deref(), Some("Bearer push-7"));
    assert!(!format!("{streams:?}").contains("push-7"));
    let sealed = |session: &scim_sql::Session<'_>| {
        session.first(
            "SELECT sealed FROM dir_set_streams WHERE sealed IS NOT NULL",
            scim_sql::params![],
            |row| Ok(row.bytes(0)?.to_vec()),
        )
    };
    let sealed = site.store.database().read::<_, scim_sql::DatabaseError, _>(sealed).await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("push-7"));
}

async fn keys_are_replaced_and_the_old_ones_still_verify(engine: Engine) {
    let site = Site::new(engine).await;
    assert!(site.directories.set_keys().await.unwrap().is_empty());
    let stream = site.set_stream(polled()).await;
    let first = keys(&site).await;
    assert_eq!(first.len(), 1, "there is a key before the first SET");
    site.user("ann").await;
    site.catch_up().await;
    let poll = || {
        let request = PollRequest { return_immediately: true, ..PollRequest::default() };
        site.directories.poll_sets(&stream.id, request, ISSUER, Duration::ZERO, now(&site))
    };
    let token = |answer: scim_set::PollResponse| answer.sets.into_values().next().unwrap();
    let before = token(poll().await.unwrap());
    // Another process replaces the key, where there may be another.
    let other = match engine {
        Engine::Sqlite => site.directories.clone(),
        Engine::Postgres => site.place.open().await.1,
    };
    let kid = other.rotate_set_key(now(&site)).await.unwrap();
    let after = token(poll().await.unwrap());
    let both = keys(&site).await;
    assert_eq!(both.len(), 2);
    assert!(both.get(&kid).is_some() && first.get(&kid).is_none());
    let expected = Expected { issuer: ISSUER, audience: AUDIENCE };
    assert!(verify(&after, &first, expected).is_err());
    assert_eq!(believed(&before, &both).claims(), believed(&after, &both).claims());

    assert!(
        matches!(other.withdraw_set_key(&kid).await, Err(DirectoryError::NotFound { .. })),
        "it is in use"
    );
    let kept = |session: &scim_sql::Session<'_>| {
        session.all(
            "SELECT kid, sealed IS NULL FROM dir_set_keys ORDER BY number",
            scim_sql::params![],
            |row| Ok((row.owned(0)?, row.flag(1)?)),
        )
    };
    let kept = site.store.database().read::<_, scim_sql::DatabaseError, _>(kept).await.unwrap();
    assert_eq!(kept.iter().map(|(_, is_forgotten)| *is_forgotten).collect::<Vec<_>>(), [true, false]);
    other.withdraw_set_key(&kept[0].0).await.unwrap();
    assert!(verify(&before, &keys(&site).await, expected).is_err());
    believed(&after, &keys(&site).await);
}
