//! How many instructions each fixture takes, for `cargo xtask counts`. The names are those of the benchmarks.
//!
//! What is measured hands its result out, so that freeing it is not counted; inputs are leaked for the same reason.

use std::collections::HashSet;
use std::hint::black_box;

use bytes::Bytes;
use gungraun::prelude::*;
use gungraun::{Callgrind, main};
use http::{Request, Response};
use scim_benches::service::Served;
use scim_benches::{corpus, fixtures, ours};
use scim_filter::{Filter, Matcher};
use scim_patch::Outcome;
use scim_schema::{Resource, ResourceType, Value};

/// As many users as make the work inside an evaluation count, with the one that `f01` finds.
const USERS: std::ops::Range<usize> = 4000..4500;

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A filter whose like has been parsed before, so that what happens once has happened.
fn filter_text(id: &str) -> &'static str {
    let text = leak(fixtures::filter(id).text).as_str();
    drop(ours::parse_filter(text));
    text
}

#[library_benchmark(setup = filter_text)]
#[bench::f01_username_eq("f01_username_eq")]
#[bench::f02_okta_probe("f02_okta_probe")]
#[bench::f03_entra_external("f03_entra_external")]
#[bench::f04_present("f04_present")]
#[bench::f05_subattr_co("f05_subattr_co")]
#[bench::f06_date_gt("f06_date_gt")]
#[bench::f07_and_or_group("f07_and_or_group")]
#[bench::f08_not_group("f08_not_group")]
#[bench::f09_value_path("f09_value_path")]
#[bench::f10_value_path_or("f10_value_path_or")]
#[bench::f11_urn_path("f11_urn_path")]
#[bench::f12_long_nest("f12_long_nest")]
fn filter_parse(text: &'static str) -> Filter<'static> {
    ours::parse_filter(black_box(text))
}

fn filter_and_users(id: &str) -> (&'static Matcher, &'static [Resource]) {
    (leak(ours::matcher(&fixtures::filter(id).text)), leak(corpus::users(USERS)))
}

#[library_benchmark(setup = filter_and_users)]
#[bench::f01_username_eq("f01_username_eq")]
#[bench::f02_okta_probe("f02_okta_probe")]
#[bench::f03_entra_external("f03_entra_external")]
#[bench::f04_present("f04_present")]
#[bench::f05_subattr_co("f05_subattr_co")]
#[bench::f06_date_gt("f06_date_gt")]
#[bench::f07_and_or_group("f07_and_or_group")]
#[bench::f08_not_group("f08_not_group")]
#[bench::f09_value_path("f09_value_path")]
#[bench::f10_value_path_or("f10_value_path_or")]
#[bench::f11_urn_path("f11_urn_path")]
#[bench::f12_long_nest("f12_long_nest")]
fn filter_eval((matcher, users): (&'static Matcher, &'static [Resource])) -> usize {
    users.iter().filter(|user| matcher.matches("User", black_box(user))).count()
}

type UserPatch = (&'static Value, &'static Resource, &'static ResourceType);

fn user_patch(id: &str) -> UserPatch {
    let body = fixtures::patch_body(&fixtures::user_patch(id).operations);
    let (body, user) = (leak(Value::from(body)), leak(fixtures::stored_user()));
    drop(ours::patch_user(body, user, ours::user_type()));
    (body, user, ours::user_type())
}

#[library_benchmark(setup = user_patch)]
#[bench::p1_replace_active("p1_replace_active")]
#[bench::p2_add_email("p2_add_email")]
#[bench::p3_value_path_replace("p3_value_path_replace")]
#[bench::p4_pathless_replace("p4_pathless_replace")]
fn patch_user((body, user, user_type): UserPatch) -> Outcome {
    ours::patch_user(black_box(body), user, user_type)
}

type GroupPatch = (HashSet<String>, &'static Value, &'static ResourceType);

fn group_add(size: usize) -> GroupPatch {
    group(size, &fixtures::group_add(), ours::add_and_undo)
}

fn group_remove(size: usize) -> GroupPatch {
    let mut patch = group(size, &fixtures::group_remove(), ours::remove_and_undo);
    patch.0.insert(fixtures::NEW_MEMBER.to_owned());
    patch
}

fn group(
    size: usize,
    operations: &serde_json::Value,
    change: fn(&mut HashSet<String>, &Value, &ResourceType) -> usize,
) -> GroupPatch {
    let body = leak(Value::from(fixtures::patch_body(operations)));
    change(&mut HashSet::new(), body, ours::group_type());
    (fixtures::member_ids(size).collect(), body, ours::group_type())
}

#[library_benchmark(setup = group_add)]
#[bench::members_10(10)]
#[bench::members_1000(1000)]
#[bench::members_100000(100_000)]
fn patch_group_add((mut members, body, group_type): GroupPatch) -> HashSet<String> {
    ours::add_and_undo(&mut members, black_box(body), group_type);
    members
}

#[library_benchmark(setup = group_remove)]
#[bench::members_10(10)]
#[bench::members_1000(1000)]
#[bench::members_100000(100_000)]
fn patch_group_remove((mut members, body, group_type): GroupPatch) -> HashSet<String> {
    ours::remove_and_undo(&mut members, black_box(body), group_type);
    members
}

fn user_body() -> (&'static [u8], &'static ResourceType) {
    let body = leak(fixtures::user_body());
    drop(ours::read_user(body, ours::user_type()));
    (body, ours::user_type())
}

#[library_benchmark]
#[bench::user(user_body())]
fn resource_parse((body, user_type): (&'static [u8], &'static ResourceType)) -> Resource {
    ours::read_user(black_box(body), user_type)
}

fn stored_user() -> (&'static Resource, &'static ResourceType) {
    (leak(fixtures::stored_user()), ours::user_type())
}

#[library_benchmark]
#[bench::user(stored_user())]
fn resource_project((user, user_type): (&'static Resource, &'static ResourceType)) -> Vec<u8> {
    ours::project_user(black_box(user), user_type)
}

type Exchange = (&'static Served, Request<Bytes>);

/// A service with as many users as keep what their number alone costs out of the count, and a request to it.
fn served(request: fn(&Served) -> Request<Bytes>) -> Exchange {
    let served = leak(Served::new(20));
    let request = request(served);
    (served, request)
}

#[library_benchmark]
#[bench::user(served(|served| served.get(7)))]
fn service_get((served, request): Exchange) -> Response<Bytes> {
    served.answer(black_box(request))
}

#[library_benchmark]
#[bench::active(served(|served| served.patch(7, true)))]
fn service_patch((served, request): Exchange) -> Response<Bytes> {
    served.answer(black_box(request))
}

#[library_benchmark]
#[bench::user(served(Served::post_new))]
fn service_post((served, request): Exchange) -> Response<Bytes> {
    served.answer(black_box(request))
}

library_benchmark_group!(
    name = counts,
    benchmarks = [
        filter_parse,
        filter_eval,
        patch_user,
        patch_group_add,
        patch_group_remove,
        resource_parse,
        resource_project,
        service_get,
        service_patch,
        service_post
    ]
);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = counts
);
