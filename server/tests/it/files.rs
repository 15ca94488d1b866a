//! Databases that can't be used: one sentence at start.

use crate::scimd::{Scimd, failure};

#[test]
fn a_damaged_database_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut first = Scimd::demo_in(folder.path(), &["--idp", "okta"]);
    first.terminate();
    first.exit(std::time::Duration::from_secs(20));
    let database = folder.path().join("scimd.db");
    let mut bytes = std::fs::read(&database).unwrap();
    assert!(bytes.len() > 32_768);
    for byte in &mut bytes[8192..32_768] {
        *byte = 0xa5;
    }
    std::fs::write(&database, bytes).unwrap();
    let sentence = failure(&["demo", "--json", "--data", data]);
    assert!(sentence.contains("damaged"), "{sentence}");
    assert!(sentence.contains("scimd.db"), "{sentence}");
}

#[test]
fn another_file_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    std::fs::write(&file, "Dear Ada, this is no database but a letter to you. ".repeat(40)).unwrap();
    let before = std::fs::read(&file).unwrap();
    std::fs::write(folder.path().join("keys"), [1; 64]).unwrap();
    let url = format!("sqlite://{}", file.display());
    let data = folder.path().to_str().unwrap();
    let sentence = failure(&["demo", "--json", "--data", data, "--database", &url]);
    assert!(sentence.contains("is not an SQLite database"), "{sentence}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_database_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Scimd::demo_in(folder.path(), &[]);
    let sentence = failure(&["demo", "--json", "--data", folder.path().to_str().unwrap()]);
    assert!(sentence.contains("in use by another process"), "{sentence}");
}

#[test]
fn missing_folders_ports_and_keys_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = format!("sqlite://{}/missing/scimd.db", folder.path().display());
    let sentence = failure(&["demo", "--json", "--database", &missing]);
    assert!(sentence.contains("missing does not exist"), "{sentence}");
    let nobody = format!("postgres://scimd:hunter2@{}/scimd", nowhere());
    let sentence = failure(&["demo", "--json", "--database", &nobody]);
    assert!(sentence.contains("can't be reached") && !sentence.contains("hunter2"), "{sentence}");
    let sentence = failure(&["demo", "--json", "--database", "mysql://scimd:hunter2@db/scimd"]);
    assert!(sentence.contains("postgres://") && !sentence.contains("hunter2"), "{sentence}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let sentence = failure(&["demo", "--json", "--listen", &address]);
    assert!(sentence.contains(&address) && sentence.contains("taken"), "{sentence}");
    let mut demo = Scimd::demo_in(folder.path(), &[]);
    demo.kill();
    std::fs::remove_file(folder.path().join("keys")).unwrap();
    let sentence = failure(&["demo", "--json", "--data", folder.path().to_str().unwrap()]);
    assert!(sentence.contains("keys is missing"), "{sentence}");
}

/// An address where nobody listens.
fn nowhere() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}
