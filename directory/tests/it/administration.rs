//! Organizations, directories, tokens, endpoints, keys.

use std::time::Duration;

use scim_directory::{
    DirectoryError, DirectoryId, EndpointId, EventType, Keys, KeysError, NewDirectory, NewEndpoint,
    NewOrganization, Ordering, OrganizationId, Profile, Provider, Token, new_id,
};
use scim_sql::Engine;
use scim_webhook::UrlError;
use tempfile::TempDir;

use crate::support::{Site, on_both_engines};
use scim_directory::Clock as _;

on_both_engines! {
    organizations_and_directories_are_kept,
    a_token_opens_its_directory_until_it_ends,
    the_use_of_a_token_is_recorded_to_the_minute,
    endpoints_are_checked_and_kept,
    a_database_that_takes_no_writes_keeps_nobody_out,
}

// mission: M-73
async fn organizations_and_directories_are_kept(engine: Engine) {
    let site = Site::new(engine).await;
    let (directories, now) = (&site.directories, site.clock.now());
    let new = |name: &str, external: Option<&str>| NewOrganization {
        display_name: name.into(),
        external_id: external.map(Into::into),
    };
    let globex = directories.create_organization(new("Globex", Some("g-1")), now).await.unwrap();
    let taken = directories.create_organization(new("Other", Some("g-1")), now).await;
    assert!(matches!(taken, Err(DirectoryError::Taken { field: "external_id" })));
    for name in ["", "  ", "a\nb", &"x".repeat(257)] {
        let refused = directories.create_organization(new(name, None), now).await;
        assert!(matches!(refused, Err(DirectoryError::Invalid { field: "display_name", .. })));
    }
    let names: Vec<String> =
        directories.organizations().await.unwrap().into_iter().map(|o| o.display_name).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&"Globex".to_owned()));

    let entra = NewDirectory { name: "Entra".into(), provider: Provider::Entra };
    let directory = directories.create_directory(&globex.id, entra.clone(), now).await.unwrap();
    assert!(directory.enabled);
    assert_eq!(directories.directory(&directory.id).await.unwrap(), Some(directory.clone()));
    assert_eq!(directories.directories().await.unwrap(), [site.directory.clone(), directory.clone()]);
    directories.set_directory_enabled(&directory.id, false, now).await.unwrap();
    assert!(!directories.directory(&directory.id).await.unwrap().unwrap().enabled);

    let nobody = OrganizationId::parse("org_0000000000000000000000").unwrap();
    let refused = directories.create_directory(&nobody, entra, now).await;
    assert!(matches!(refused, Err(DirectoryError::NotFound { what: "organization" })));
    let nothing = DirectoryId::parse("dir_0000000000000000000000").unwrap();
    assert_eq!(directories.directory(&nothing).await.unwrap(), None);
    let refused = directories.set_directory_enabled(&nothing, true, now).await;
    assert!(matches!(refused, Err(DirectoryError::NotFound { what: "directory" })));
}

#[test]
fn ids_say_what_they_are() {
    let now = scim_core::DateTime::from_unix_micros(1_790_000_000_000_000);
    for (resource_type, prefix) in [("User", "diruser_"), ("Group", "dirgroup_"), ("Device", "dirres_")] {
        let id = new_id(resource_type, now);
        let rest = id.strip_prefix(prefix).unwrap();
        assert_eq!(rest.len(), 22);
        assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(id.len() <= 32);
    }
    assert_ne!(new_id("User", now), new_id("User", now));
    assert!(OrganizationId::parse("org_0123456789ABCDEFGHIJKL").is_some());
    for text in [
        "",
        "org_",
        "dir_0123456789ABCDEFGHIJKL",
        "org_0123456789ABCDEFGHIJK.",
        "org_0123456789ABCDEFGHIJKLM",
    ] {
        assert!(OrganizationId::parse(text).is_none(), "{text}");
    }
}

// ledger: 7644-2.1-002, 7644-7.3-001, 7644-7.4-003, 6750-5.2-001
async fn a_token_opens_its_directory_until_it_ends(engine: Engine) {
    let site = Site::new(engine).await;
    let (directories, now) = (&site.directories, site.clock.now());
    let issued = directories.issue_token(&site.directory.id, None, now).await.unwrap();
    let plain = issued.plain.expose().to_owned();
    // RFC 6750 §2.1, b64token.
    assert!(plain.starts_with("dst_") && plain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    assert!(plain.ends_with(&issued.token.suffix));
    // ledger: 7644-7.4-001
    // 43 characters of 62 are 256 bits.
    assert!(plain.rsplit('_').next().unwrap().len() >= 43);
    assert_eq!(issued.token.expires, now.plus_micros(365 * 24 * 3600 * 1_000_000));

    let access = directories.authenticate_token(&plain, now).await.unwrap().unwrap();
    assert_eq!(access.directory_id, site.directory.id);
    assert_eq!(access.organization_id, site.directory.organization_id);
    assert_eq!(access.token_id, issued.token.id);
    assert_eq!(access.tenant(), site.directory.tenant());
    assert!(access.enabled);
    // Nothing was written since: this time the answer is one that is known.
    assert_eq!(directories.authenticate_token(&plain, now).await.unwrap(), Some(access));

    directories.set_directory_enabled(&site.directory.id, false, site.clock.now()).await.unwrap();
    assert!(!directories.authenticate_token(&plain, now).await.unwrap().unwrap().enabled);

    // Each other text is nothing, whichever character differs.
    for at in 0..plain.len() {
        let mut other = plain.clone().into_bytes();
        other[at] = if other[at] == b'x' { b'y' } else { b'x' };
        let other = String::from_utf8(other).unwrap();
        assert_eq!(directories.authenticate_token(&other, now).await.unwrap(), None, "{at}");
    }
    for text in [
        "",
        "dst_",
        "dst__",
        "Bearer",
        plain.strip_suffix(|_| true).unwrap(),
        &format!("{plain}x"),
        "dst_é_é",
    ] {
        assert_eq!(directories.authenticate_token(text, now).await.unwrap(), None);
    }

    let last = issued.token.expires.plus_micros(-1);
    for _ in 0..2 {
        assert!(directories.authenticate_token(&plain, last).await.unwrap().is_some());
    }
    assert_eq!(directories.authenticate_token(&plain, issued.token.expires).await.unwrap(), None);

    assert!(directories.revoke_token(&issued.token.id, now).await.unwrap());
    assert!(!directories.revoke_token(&issued.token.id, now).await.unwrap());
    assert_eq!(directories.authenticate_token(&plain, now).await.unwrap(), None);
}

async fn the_use_of_a_token_is_recorded_to_the_minute(engine: Engine) {
    let site = Site::new(engine).await;
    let (directories, now) = (&site.directories, site.clock.now());
    let lifetime = Some(Duration::from_secs(3600));
    let issued = directories.issue_token(&site.directory.id, lifetime, now).await.unwrap();
    let tokens = || async { directories.tokens(&site.directory.id).await.unwrap() };
    assert_eq!(tokens().await, std::slice::from_ref(&issued.token));
    for (seconds, recorded) in [(0, 0), (59, 0), (60, 60), (90, 60)] {
        let time = now.plus_micros(seconds * 1_000_000);
        assert!(directories.authenticate_token(issued.plain.expose(), time).await.unwrap().is_some());
        let recorded = Some(now.plus_micros(recorded * 1_000_000));
        // Where the disk is slow it is not waited for.
        let begun = std::time::Instant::now();
        while tokens().await[0].last_used != recorded && begun.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(tokens().await[0].last_used, recorded);
    }
    assert_eq!(Token::LAST_USED_PRECISION.as_secs(), 60);
}

// ledger: 7643-9.2-002
#[tokio::test]
async fn the_database_file_does_not_hold_tokens_or_secrets() {
    let site = Site::new(Engine::Sqlite).await;
    let now = site.clock.now();
    let token = site.directories.issue_token(&site.directory.id, None, now).await.unwrap();
    let secret = site.endpoint("https://app.example.com/hooks", &[]).await;
    let plain = token.plain.expose().to_owned();
    let debug = format!("{token:?} {secret:?} {:?}", site.directories);
    assert!(!debug.contains(&plain) && !debug.contains(&secret.expose()));
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(site.place.folder.path()).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
    assert!(holds(b"https://app.example.com/hooks"), "the search finds what is there");
    assert!(!holds(plain.rsplit('_').next().unwrap().as_bytes()));
    assert!(!holds(secret.as_bytes()) && !holds(&secret.expose().as_bytes()[6..]));
}

// ledger: 7643-4.1.1-015
async fn endpoints_are_checked_and_kept(engine: Engine) {
    let site = Site::new(engine).await;
    let (directories, now) = (&site.directories, site.clock.now());
    let new = |url: &str| NewEndpoint::at(url);
    for (url, expected) in [
        ("http://app.example.com/", UrlError::Scheme),
        ("app.example.com", UrlError::Syntax),
        ("https://u:p@app.example.com/", UrlError::Credentials),
    ] {
        let refused = directories.create_endpoint(new(url), now).await;
        assert!(matches!(refused, Err(DirectoryError::Url(e)) if e == expected), "{url}");
    }
    let strict = directories.clone().with_loopback_http(false);
    let refused = strict.create_endpoint(new("http://127.0.0.1:1/"), now).await;
    assert!(matches!(refused, Err(DirectoryError::Url(UrlError::Scheme))));
    let long = format!("https://app.example.com/{}", "x".repeat(2048));
    let refused = directories.create_endpoint(new(&long), now).await;
    assert!(matches!(refused, Err(DirectoryError::Invalid { field: "url", .. })));

    let mut wanted = new("https://app.example.com/");
    wanted.settings.event_types =
        vec![EventType::UserDeleted, EventType::UserCreated, EventType::UserDeleted];
    wanted.settings.organization_ids = vec![site.directory.organization_id.clone()];
    wanted.settings.headers = vec![("x-api-key".into(), "hunter2".into())];
    (wanted.settings.rate, wanted.settings.concurrency) = (Some(50), Some(2));
    let created = directories.create_endpoint(wanted, now).await.unwrap();
    assert_eq!(created.secret.as_bytes().len(), 32);
    assert_eq!(created.endpoint.settings.event_types, [EventType::UserCreated, EventType::UserDeleted]);
    assert_eq!(directories.endpoints().await.unwrap(), std::slice::from_ref(&created.endpoint));
    let mut changed = created.endpoint.settings.clone();
    changed.directory_ids = vec![site.directory.id.clone()];
    (changed.ordering, changed.profile) = (Ordering::Strict, Profile::Scalekit);
    directories.update_endpoint(&created.endpoint.id, changed.clone(), now).await.unwrap();
    let there = directories.endpoint(&created.endpoint.id).await.unwrap().unwrap();
    assert_eq!(there.settings, changed);
    changed.concurrency = Some(0);
    let refused = directories.update_endpoint(&created.endpoint.id, changed, now).await;
    assert!(matches!(refused, Err(DirectoryError::Invalid { field: "concurrency", .. })));
    directories.delete_endpoint(&created.endpoint.id, now).await.unwrap();
    assert_eq!(directories.endpoints().await.unwrap(), []);
    let nothing = EndpointId::parse("we_0000000000000000000000").unwrap();
    let refused = directories.set_endpoint_enabled(&nothing, true, now).await;
    assert!(matches!(refused, Err(DirectoryError::NotFound { what: "endpoint" })));
}

#[test]
fn keys_are_made_once_and_for_their_owner_only() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keys");
    let keys = Keys::load_or_create(&path).unwrap();
    assert_eq!(format!("{keys:?}"), "Keys(…)");
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 64);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    Keys::load_or_create(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");

    std::fs::write(&path, b"short").unwrap();
    assert!(matches!(Keys::load_or_create(&path), Err(KeysError::Format { .. })));
    let missing = folder.path().join("no/such/folder/keys");
    assert!(matches!(Keys::load_or_create(&missing), Err(KeysError::Io { .. })));
}

async fn a_database_that_takes_no_writes_keeps_nobody_out(engine: Engine) {
    let site = Site::new(engine).await;
    let now = site.clock.now();
    let issued = site.directories.issue_token(&site.directory.id, None, now).await.unwrap();
    // A write that takes longer than any request would wait.
    let (begun, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let database = site.store.database().clone();
    let writing = tokio::spawn(async move {
        let work = move |session: &scim_sql::Session<'_>| {
            session.execute("UPDATE dir_tokens SET suffix = suffix", scim_sql::params![])?;
            begun.send(()).unwrap();
            ended.recv().unwrap();
            Ok::<_, scim_sql::DatabaseError>(())
        };
        database.write(work).await
    });
    waiting.recv().await.unwrap();
    let started = std::time::Instant::now();
    for _ in 0..20 {
        assert!(site.directories.authenticate_token(issued.plain.expose(), now).await.unwrap().is_some());
    }
    assert!(started.elapsed() < Duration::from_secs(4), "only the first one waits");
    end.send(()).unwrap();
    writing.await.unwrap().unwrap();
}
