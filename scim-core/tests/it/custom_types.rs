//! Resource types of one's own (RFC 7643 §3.2), among them Device (RFC 9944).

use scim_core::{Registry, RegistryBuilder};
use serde_json::{Value, json};

use crate::support::*;
use crate::things::below_base;

const DEVICE: &str = "urn:ietf:params:scim:schemas:core:2.0:Device";
const BLE: &str = "urn:ietf:params:scim:schemas:extension:ble:2.0:Device";
const FDO: &str = "urn:ietf:params:scim:schemas:extension:fido-device-onboard:2.0:Device";

/// The Device type with two of its extensions, as an application would write it down.
fn devices() -> Registry {
    let device = json!({"id": DEVICE, "name": "Device", "description": "Device account", "attributes": [
        {"name": "displayName", "description": "Label", "required": false},
        {"name": "active", "type": "boolean", "description": "Administrative state", "required": true},
        {"name": "mudUrl", "type": "reference", "description": "Usage description", "caseExact": true,
            "referenceTypes": ["external"]}]});
    let ble = json!({"id": BLE, "name": "bleExtension", "description": "Bluetooth Low Energy", "attributes": [
        {"name": "versionSupport", "multiValued": true, "required": true, "description": "Versions"},
        {"name": "deviceMacAddress", "required": true, "uniqueness": "server", "description": "Public MAC address"},
        {"name": "isRandom", "type": "boolean", "description": "Whether the address is random"},
        {"name": "mobility", "type": "boolean", "description": "Whether the device moves"}]});
    let fdo = json!({"id": FDO, "name": "FDOExtension", "description": "FIDO device onboarding", "attributes": [
        {"name": "fdoVoucher", "required": true, "caseExact": true, "mutability": "writeOnly", "returned": "never",
            "description": "Voucher"}]});
    let resource_type = json!({"name": "Device", "endpoint": "/Devices", "description": "Devices", "schema": DEVICE,
        "schemaExtensions": [{"schema": BLE, "required": false}, {"schema": FDO, "required": false}]});
    RegistryBuilder::standard()
        .schema_json(&device.to_string())
        .and_then(|b| b.schema_json(&ble.to_string()))
        .and_then(|b| b.schema_json(&fdo.to_string()))
        .and_then(|b| b.resource_type_json(&resource_type.to_string()))
        .and_then(RegistryBuilder::build)
        .unwrap()
}

fn sensor(mac: &str) -> Value {
    json!({"schemas": [DEVICE, BLE], "displayName": "Heart Monitor", "active": true,
        "mudUrl": "https://example.com/mud", BLE: {"versionSupport": ["5.3"], "deviceMacAddress": mac, "isRandom": false}})
}

// ledger: 7643-3.2-001, 9944-1-001
#[test]
fn a_type_of_one_s_own_has_all_verbs() {
    let scim = strict().registry(devices()).build();
    let made = scim.post("/Devices", sensor("2C:54:91:88:C9:E2")).is(201);
    let path = format!("/Devices/{}", made.id());
    assert_eq!(made.body["meta"]["resourceType"], "Device");
    assert_eq!(below_base(&made.body["meta"]["location"]), path);
    assert_eq!(made.body["schemas"], json!([DEVICE, BLE]));
    assert_eq!(scim.get(&path).is(200).body, made.body);

    let mut other = sensor("2C:54:91:88:C9:E3");
    other["displayName"] = json!("Thermometer");
    scim.post("/Devices", other).is(201);
    assert_eq!(scim.found("/Devices", r#"displayName sw "heart""#), ["Heart Monitor"]);
    let filter = format!(r#"{BLE}:deviceMacAddress eq "2c:54:91:88:c9:e3""#);
    assert_eq!(scim.found("/Devices", &filter), ["Thermometer"]);
    assert_eq!(scim.found("/", r#"meta.resourceType eq "Device""#).len(), 2);
    let search = json!({"schemas": [SEARCH], "sortBy": "displayName", "sortOrder": "descending"});
    assert_eq!(names(&scim.post("/Devices/.search", search).is(200)), ["Thermometer", "Heart Monitor"]);
    scim.post("/Devices", sensor("2C:54:91:88:C9:E2")).fails(409, "uniqueness");

    let change = json!([{"op": "replace", "path": "active", "value": false},
        {"op": "add", "path": format!("{BLE}:versionSupport"), "value": ["5.4"]}]);
    let changed = scim.patch(&path, change).is(200).body;
    assert_eq!(
        (&changed["active"], &changed[BLE]["versionSupport"]),
        (&json!(false), &json!(["5.3", "5.4"]))
    );
    let replaced = scim.put(&path, json!({"schemas": [DEVICE], "active": true})).is(200).body;
    assert_eq!(replaced["schemas"], json!([DEVICE]));
    assert!(replaced.get("displayName").is_none() && replaced.get(BLE).is_none());
    let operation =
        json!({"method": "POST", "path": "/Devices", "bulkId": "d", "data": sensor("2C:54:91:88:C9:E4")});
    let bulk = scim.post("/Bulk", json!({"schemas": [BULK], "Operations": [operation]})).is(200).body;
    assert_eq!(bulk["Operations"][0]["status"], "201");
    scim.delete(&path).is(204);
    scim.get(&path).fails(404, "");

    let listed = scim.get("/ResourceTypes/Device").is(200).body;
    assert_eq!((&listed["endpoint"], &listed["schema"]), (&json!("/Devices"), &json!(DEVICE)));
    let extensions = json!([{"schema": BLE, "required": false}, {"schema": FDO, "required": false}]);
    assert_eq!(listed["schemaExtensions"], extensions);
    for urn in [DEVICE, BLE, FDO] {
        assert_eq!(scim.get(&format!("/Schemas/{urn}")).is(200).body["id"], urn);
    }
}

// ledger: 9944-1-001
#[test]
fn devices_are_held_to_their_schemas() {
    let scim = strict().registry(devices()).build();
    let post = |body: Value| scim.post("/Devices", body);
    post(json!({"schemas": [DEVICE], "displayName": "no state"})).fails(400, "invalidValue");
    post(json!({"schemas": [DEVICE], "active": "perhaps"})).fails(400, "invalidValue");
    post(json!({"schemas": [DEVICE], "active": true, "mudUrl": "not a uri"})).fails(400, "invalidValue");
    post(json!({"schemas": [DEVICE, BLE], "active": true, BLE: {"isRandom": true}}))
        .fails(400, "invalidValue");
    post(json!({"schemas": [USER], "active": true})).fails(400, "invalidValue");
    // A group may have devices as members.
    let device = post(json!({"schemas": [DEVICE], "active": true})).is(201).id();
    let group = scim.group("Sensors", &[&device]).id();
    let member = scim.get(&format!("/Groups/{group}")).is(200).body["members"][0].clone();
    assert_eq!((&member["value"], &member["type"]), (&json!(device), &json!("Device")));
    assert_eq!(scim.get(&below_base(&member["$ref"])).is(200).id(), device);
}

// ledger: 9944-1-001, 7643-7-013
#[test]
fn an_onboarding_voucher_never_comes_back() {
    let scim = strict().registry(devices()).build();
    let body = json!({"schemas": [DEVICE, FDO], "active": true, FDO: {"fdoVoucher": "canary"}});
    let made = scim.post("/Devices", body).is(201);
    let path = format!("/Devices/{}?attributes={FDO}:fdoVoucher,{FDO}", made.id());
    for reply in [made, scim.get(&path).is(200), scim.get("/Devices").is(200)] {
        let text = String::from_utf8(reply.bytes.to_vec()).unwrap();
        assert!(!text.contains("canary") && !text.contains("fdoVoucher"), "{text}");
    }
    let filter = format!(r#"{FDO}:fdoVoucher eq "canary""#);
    scim.filter("/Devices", &filter).fails(400, "invalidFilter");
}
