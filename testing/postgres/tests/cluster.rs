//! The servers come, and go with whoever started them.

#![cfg(unix)]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scim_test_postgres::{Cluster, Durability};

#[test]
fn databases_are_apart() {
    let cluster = Cluster::shared().unwrap();
    let (one, other) = (cluster.database().unwrap(), cluster.database().unwrap());
    assert_ne!(one, other);
    let name = one.rsplit('/').next().unwrap();
    cluster.sql(name, "CREATE TABLE t (n INTEGER)").unwrap();
    assert_eq!(cluster.sql(name, "SELECT count(*) FROM t").unwrap(), "0");
    let other = other.rsplit('/').next().unwrap();
    assert!(cluster.sql(other, "SELECT count(*) FROM t").unwrap_err().to_string().contains("does not exist"));
}

#[test]
fn a_server_can_be_stopped_killed_and_started_again() {
    let cluster = Cluster::start(Durability::Full).unwrap();
    cluster.sql("postgres", "CREATE TABLE t (n INTEGER)").unwrap();
    for (n, end) in [Cluster::stop, Cluster::kill, Cluster::kill].into_iter().enumerate() {
        cluster.sql("postgres", &format!("INSERT INTO t VALUES ({n})")).unwrap();
        end(&cluster).unwrap();
        assert!(cluster.sql("postgres", "SELECT 1").is_err());
        cluster.resume().unwrap();
        assert_eq!(cluster.sql("postgres", "SELECT count(*) FROM t").unwrap(), (n + 1).to_string());
    }
    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert!(!folder.exists());
}

#[test]
fn kept_data_is_there_again() {
    let home = tempfile::TempDir::new().unwrap();
    // Where root starts it, the server runs as another user, who must get through.
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let data = home.path().join("data");
    let cluster = Cluster::keep(&data, Durability::Full).unwrap();
    cluster.sql("postgres", "CREATE TABLE t AS SELECT 7 AS n").unwrap();
    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert!(!folder.exists());
    let cluster = Cluster::keep(&data, Durability::Full).unwrap();
    assert_eq!(cluster.sql("postgres", "SELECT n FROM t").unwrap(), "7");
}

/// A process that dies leaves nothing behind. This test runs itself once more in a process that it kills.
#[test]
fn nothing_stays_when_the_process_is_killed() {
    const CHILD: &str = "SCIM_TEST_POSTGRES_CHILD";
    if let Some(place) = std::env::var_os(CHILD) {
        let cluster = Cluster::start(Durability::None).unwrap();
        let part = Path::new(&place).with_extension("part");
        std::fs::write(&part, cluster.folder().to_str().unwrap()).unwrap();
        std::fs::rename(part, place).unwrap();
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let place = folder.path().join("place");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_stays_when_the_process_is_killed"])
        .env(CHILD, &place)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| place.exists());
    let cluster = std::fs::read_to_string(&place).unwrap();
    let server = std::fs::read_to_string(Path::new(&cluster).join("data/postmaster.pid")).unwrap();
    let server = Path::new("/proc").join(server.lines().next().unwrap());
    assert!(Path::new(&cluster).exists());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until(|| !Path::new(&cluster).exists() && !server.exists());
}

fn wait_until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(50), "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}
