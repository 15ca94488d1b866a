//! Values brought to their canonical form (RFC 7643 §2.4 and §4.1.2).

use scim_schema::{Dialect, ReadOptions, Value};
use serde_json::json;

use crate::support::{create, user, value};

/// What becomes of values of an attribute of User.
fn canonical(attribute: &str, given: serde_json::Value) -> Value {
    read(attribute, given, true)
}

fn read(attribute: &str, given: serde_json::Value, canonicalize: bool) -> Value {
    let dialect = Dialect::strict();
    let options = ReadOptions { canonicalize, ..ReadOptions::new(&dialect) };
    let body = json!({"schemas": [scim_schema::USER], "userName": "b", attribute: given});
    create(body, &user(), &options).unwrap().get(attribute).unwrap().clone()
}

// ledger: 7643-2.4-006
#[test]
fn a_type_takes_the_spelling_of_the_schema() {
    let given = json!([{"value": "a@example.com", "type": "Work"}]);
    assert_eq!(
        canonical("emails", given.clone()),
        value(json!([{"value": "a@example.com", "type": "work"}]))
    );
    assert_eq!(read("emails", given.clone(), false), value(given));
    let own = json!([{"value": "a@example.com", "type": "Billing"}]);
    assert_eq!(canonical("emails", own.clone()), value(own), "values of the client's own stay");
}

// ledger: 7643-4.1.2-001
#[test]
fn the_domain_of_an_address_is_lower_case() {
    let shown = |address: &str| canonical("emails", json!([{"value": address}]));
    assert_eq!(shown("bj@EXAMPLE.COM"), value(json!([{"value": "bj@example.com"}])));
    assert_eq!(
        shown("B.J@Example.Com"),
        value(json!([{"value": "B.J@example.com"}])),
        "the local part is not ours"
    );
    assert_eq!(shown("\"a@B\"@C.org"), value(json!([{"value": "\"a@B\"@c.org"}])));
    assert_eq!(shown("no address"), value(json!([{"value": "no address"}])));
}

// ledger: 7643-4.1.2-002
#[test]
fn global_numbers_take_the_form_of_rfc_3966() {
    let shown = |number: &str| {
        canonical("phoneNumbers", json!([{"value": number}])).elements()[0].get("value").cloned().unwrap()
    };
    for kept in ["tel:+1-201-555-0123", "+1 201", "0711 123456", "ext. 12", "+1 201 555 01 ext 2"] {
        assert_eq!(shown(kept), value(json!(kept)));
    }
    for (given, expected) in [
        ("+1 201 555 0123", "tel:+1-201-555-0123"),
        (" +1 (201) 555-0123 ", "tel:+1-201-555-0123"),
        ("+12015550123", "tel:+12015550123"),
        ("+49.711.1234567", "tel:+49-711-1234567"),
    ] {
        assert_eq!(shown(given), value(json!(expected)), "{given}");
    }
}

// ledger: 7643-4.1.2-003
#[test]
fn instant_message_addresses_are_trimmed_and_lower_case() {
    let given = json!([{"value": "  SomeOne@Example ", "type": "XMPP"}]);
    assert_eq!(canonical("ims", given), value(json!([{"value": "someone@example", "type": "xmpp"}])));
    let services = user();
    let services =
        services.attribute("ims").unwrap().sub_attribute("type").unwrap().canonical_values().to_vec();
    assert_eq!(services, ["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]);
}

// ledger: 7643-7-009, 7643-7-008
#[test]
fn by_default_nothing_is_altered() {
    for (attribute, given) in [
        ("emails", json!([{"value": "BJ@EXAMPLE.COM", "type": "Work"}])),
        ("phoneNumbers", json!([{"value": "+1 201 555 0123", "type": "Mobile"}])),
        ("ims", json!([{"value": " SomeOne ", "type": "XMPP"}])),
        ("nickName", json!("BaBs")),
        ("externalId", json!("AbC")),
    ] {
        assert_eq!(read(attribute, given.clone(), false), value(given));
    }
    assert_eq!(canonical("externalId", json!("AbC")), value(json!("AbC")), "case-exact values never");
}
