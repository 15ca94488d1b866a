//! `filter_parse`, `filter_hostile` and `filter_eval`.

mod harness;

use std::hint::black_box;

use cpu_time::ThreadTime;
use harness::{Bencher, Group, Harness, each};
use scim_benches::fixtures::{FilterFixture, filters};
#[cfg(feature = "peers")]
use scim_benches::peers;
use scim_benches::{check, corpus, floor, hostile, ours};

fn main() {
    let mut harness = Harness::from_args();
    let mut group = harness.group("filter_parse", 250, 60);
    for fixture in filters() {
        parse(&mut group, &fixture);
        #[cfg(feature = "peers")]
        parse_peers(&mut group, &fixture);
    }
    drop(group);
    let mut group = harness.group("filter_hostile", 100, 60);
    for (id, text) in hostile::filters() {
        group.time(id, "floor", Ok(()), each(|| floor::scan(black_box(&text))));
        group.time(id, "ours", Ok(()), each(|| hostile::parse(black_box(&text)).is_ok()));
    }
    drop(group);
    let mut group = harness.group("filter_eval", 500, 40);
    let users = corpus::users(0..corpus::USERS);
    #[cfg(feature = "peers")]
    let json = corpus::users_json(0..corpus::USERS);
    for fixture in filters() {
        evaluate(&mut group, &fixture, &users);
        #[cfg(feature = "peers")]
        evaluate_peers(&mut group, &fixture, &json);
    }
    drop(group);
    harness.finish();
}

fn parse(group: &mut Group<'_>, fixture: &FilterFixture) {
    let (id, text) = (&*fixture.id, &*fixture.text);
    group.time(id, "floor", Ok(()), each(|| floor::scan(black_box(text))));
    let right = ours::parse_filter(text).to_string() == text;
    let checked = check::equal("as printed", right, true);
    group.time(id, "ours", checked, each(|| ours::parse_filter(black_box(text))));
}

#[cfg(feature = "peers")]
fn parse_peers(group: &mut Group<'_>, fixture: &FilterFixture) {
    let (id, text) = (&*fixture.id, &*fixture.text);
    {
        let checked = peers::rustauth::parse(text).map(drop);
        group.time(id, "rustauth-scim", checked, each(|| peers::rustauth::parse(black_box(text))));
    }
    {
        let checked = peers::scim_filter::parse(text).map(drop);
        group.time(id, "scim-filter", checked, each(|| peers::scim_filter::parse(black_box(text))));
    }
    {
        let checked = peers::scim_v2::parse(text).map(drop);
        group.time(id, "scim_v2", checked, each(|| peers::scim_v2::parse(black_box(text))));
    }
}

fn evaluate(group: &mut Group<'_>, fixture: &FilterFixture, users: &[scim_schema::Resource]) {
    let id = &*fixture.id;
    let predicate = floor::predicate(id);
    let found = users.iter().filter(|user| predicate(user)).count();
    let checked = check::equal("users match", found, fixture.matches);
    group.time(id, "floor", checked, per_item(users, |user| predicate(black_box(user))));

    let matcher = ours::matcher(&fixture.text);
    let found = users.iter().filter(|user| matcher.matches("User", user)).count();
    let checked = check::equal("users match", found, fixture.matches);
    group.time(id, "ours", checked, per_item(users, |user| matcher.matches("User", black_box(user))));
}

#[cfg(feature = "peers")]
fn evaluate_peers(group: &mut Group<'_>, fixture: &FilterFixture, json: &[serde_json::Value]) {
    let id = &*fixture.id;
    {
        use peers::scim_filter::{matches, parse};
        let filter = parse(&fixture.text);
        let checked = match &filter {
            Ok(filter) => peers::count(fixture, json, |user| matches(filter, user)),
            Err(unfit) => Err(unfit.clone()),
        };
        let test = |user: &_| matches!(&filter, Ok(filter) if matches(filter, black_box(user)) == Ok(true));
        group.time(id, "scim-filter", checked, per_item(json, test));
    }
    {
        use peers::rustauth::matches;
        let checked = peers::count(fixture, json, |user| matches(&fixture.text, user));
        let test = |user: &_| matches(&fixture.text, black_box(user)) == Ok(true);
        group.time(id, "rustauth-scim", checked, per_item(json, test));
    }
}

/// Times passes over a list and tells the time for one of its items.
fn per_item<I>(items: &[I], mut work: impl FnMut(&I) -> bool) -> impl FnMut(&mut Bencher<'_>) {
    move |bencher| {
        bencher.iter_custom(|passes| {
            let start = ThreadTime::now();
            for _ in 0..passes {
                let found = items.iter().filter(|item| work(item)).count();
                std::hint::black_box(found);
            }
            start.elapsed() / u32::try_from(items.len()).expect("a short list")
        });
    }
}
