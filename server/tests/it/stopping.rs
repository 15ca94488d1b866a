//! SIGTERM.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::scimd::{Scimd, answer, http};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sigterm_under_load_cuts_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut scimd = Scimd::demo_in(folder.path(), &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let created = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    for writer in 0..4 {
        let (client, stop, created) = (scimd.client(0), Arc::clone(&stop), Arc::clone(&created));
        writers.push(tokio::spawn(async move {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let body = crate::scimd::user(&format!("u{writer}-{number}@example.com"));
                let request = client.request(reqwest::Method::POST, "/Users");
                let request = request.header("content-type", "application/scim+json").body(body.to_string());
                match request.send().await {
                    Ok(response) => {
                        assert_eq!(response.status(), 201);
                        created.fetch_add(1, Ordering::Relaxed);
                    }
                    // Nobody listens any more: the request was not taken. Anything else was cut.
                    Err(error) => {
                        assert!(error.is_connect(), "cut: {error:?}");
                        return;
                    }
                }
            }
        }));
    }
    while created.load(Ordering::Relaxed) < 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (root, probe) = (scimd.root(), http());
    assert_eq!(answer(probe.get(format!("{root}/readyz"))).await.0, 200);
    let begun = Instant::now();
    scimd.terminate();
    while answer(probe.get(format!("{root}/readyz"))).await.0 != 503 {
        assert!(begun.elapsed() < Duration::from_secs(1), "ready all the time");
    }
    assert!(scimd.exit(Duration::from_secs(10)).success());
    assert!(begun.elapsed() < Duration::from_secs(10));
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let again = Scimd::demo_in(folder.path(), &[]);
    let (_, list) = again.client(0).get("/Users?count=0").await;
    assert_eq!(list["totalResults"], created.load(Ordering::Relaxed), "all that was acknowledged is there");
}

#[test]
fn a_stuck_client_does_not_keep_the_process() {
    let mut scimd = Scimd::demo(&[]);
    let client = scimd.client(0);
    let address = scimd.root().strip_prefix("http://").unwrap().to_owned();
    let path = client.base_url.strip_prefix(&scimd.root()).unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {path}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/scim+json\r\nContent-Length: 1000\r\n\r\n{{",
        client.token
    );
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    scimd.terminate();
    scimd.exit(Duration::from_secs(25));
    assert!(begun.elapsed() >= Duration::from_secs(5), "it was given time");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
}
