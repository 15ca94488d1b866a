//! The servers come, and go with whoever started them.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scim_test_nats::Server;

/// What a server says of itself when somebody connects.
fn greeting(port: u16) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(TcpStream::connect(("127.0.0.1", port))?).read_line(&mut line)?;
    Ok(line)
}

#[test]
fn a_server_can_be_stopped_killed_and_started_again() {
    let server = Server::start().unwrap();
    for end in [Server::stop, Server::kill, Server::kill] {
        assert!(greeting(server.port()).unwrap().contains("\"jetstream\":true"));
        end(&server).unwrap();
        assert!(greeting(server.port()).is_err());
        server.resume().unwrap();
    }
    assert!(server.folder().join("store/jetstream").is_dir());
    let folder = server.folder().to_owned();
    drop(server);
    assert!(!folder.exists());
}

#[test]
fn servers_are_apart_and_configured() {
    let one = Server::with("max_payload: 4096").unwrap();
    let other = Server::without_jetstream().unwrap();
    assert_ne!(one.port(), other.port());
    assert!(greeting(one.port()).unwrap().contains("\"max_payload\":4096"));
    assert!(!greeting(other.port()).unwrap().contains("\"jetstream\":true"));
    let wrong = Server::with("max_payload: nonsense").unwrap_err().to_string();
    assert!(wrong.contains("does not start"), "{wrong}");
}

/// A process that dies leaves nothing behind. This test runs itself once more in a process that it kills.
#[test]
fn nothing_stays_when_the_process_is_killed() {
    const CHILD: &str = "SCIM_TEST_NATS_CHILD";
    if let Some(place) = std::env::var_os(CHILD) {
        let server = Server::start().unwrap();
        let part = Path::new(&place).with_extension("part");
        std::fs::write(&part, format!("{}\n{}", server.port(), server.folder().display())).unwrap();
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
    let text = std::fs::read_to_string(&place).unwrap();
    let (port, server) = text.split_once('\n').unwrap();
    let port = port.parse().unwrap();
    assert!(Path::new(server).exists() && greeting(port).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until(|| !Path::new(server).exists() && greeting(port).is_err());
}

fn wait_until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(50), "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}
