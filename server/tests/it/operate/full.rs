//! A disk without space: reads go on, writes are 507, and when there is space again all is as before.

use std::process::Command;

use reqwest::{Method, StatusCode};

use super::{Engine, Place};
use crate::scimd::{Scimd, is_scim_error, user};

const ROUNDS: usize = 20;

/// No file of the process may grow beyond so many bytes; then writing fails as on a full disk.
fn limit(server: &Scimd, bytes: &str) {
    let status = Command::new("prlimit")
        .args(["--pid", &server.pid().to_string(), &format!("--fsize={bytes}:unlimited")])
        .status();
    assert!(status.unwrap().success(), "prlimit is part of util-linux");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_space_writes_are_507_until_there_is_some() {
    let place = Place::new(Engine::Sqlite);
    // The signal that such a limit brings would end the process; a full disk has none.
    let server = Scimd::demo_through(
        &["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\" 2>/dev/null"],
        &["--data", place.data().to_str().unwrap()],
    );
    let client = server.client(0);
    let id = client.create_user("first").await;
    let mut there = 1;
    for round in 0..ROUNDS {
        limit(&server, "4096");
        for attempt in 0..3 {
            let name = format!("full{round}-{attempt}");
            let (status, body) = client.send(Method::POST, "/Users", user(&name)).await;
            let is_full =
                [StatusCode::INSUFFICIENT_STORAGE, StatusCode::SERVICE_UNAVAILABLE].contains(&status);
            assert!(is_full, "round {round}: {status} {body}");
            assert!(is_scim_error(&body, status.as_u16()), "{body}");
            let (status, _) = client.get(&format!("/Users/{id}")).await;
            assert_eq!(status, 200, "reads go on");
        }
        limit(&server, "unlimited");
        client.create_user(&format!("user{round}")).await;
        there += 1;
        let (_, page) = client.get("/Users?count=0").await;
        assert_eq!(page["totalResults"], there, "what was refused is not there");
        // The receiver writes too.
        server.events_up_to(there).await;
    }
    Place::stop(server);
    place.is_well();
}
