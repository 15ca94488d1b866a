//! What is too much, too slow or unknown.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use reqwest::Method;

use crate::scimd::{Scimd, answer, http, is_scim_error};

#[tokio::test]
async fn health_is_answered() {
    let scimd = Scimd::demo(&[]);
    let (status, body) = answer(http().get(format!("{}/healthz", scimd.root()))).await;
    assert_eq!((status.as_u16(), &body["status"], &body["panics"]), (200, &"ok".into(), &0.into()));
    let (status, body) = answer(http().get(format!("{}/readyz", scimd.root()))).await;
    assert_eq!((status.as_u16(), &body["status"]), (200, &"ready".into()));
}

#[tokio::test]
async fn unknown_routes_are_scim_errors() {
    let scimd = Scimd::demo(&[]);
    let client = scimd.client(0);
    for path in ["/Nothing", "/Users/x/y", "/Users/x/y/z"] {
        let (status, body) = client.get(path).await;
        assert_eq!(status, 404, "{path}");
        assert!(is_scim_error(&body, 404), "{body}");
    }
    for path in ["/scim", "/scim/v2", "/scim/v2/", "/scim/v2/nothing/Users", "/scim/v1/Users", "/nothing"] {
        let (status, body) = answer(http().get(format!("{}{path}", scimd.root()))).await;
        assert_eq!(status, 404, "{path}");
        assert!(is_scim_error(&body, 404), "{body}");
    }
    let (status, body) = client.send(Method::PATCH, "/Users", serde_json::json!({})).await;
    assert_eq!(status, 405);
    assert!(is_scim_error(&body, 405));
}

#[tokio::test]
async fn header_fields_have_a_number_and_a_size() {
    let scimd = Scimd::demo(&[]);
    let client = scimd.client(0);
    let with = |count: usize, value: &str| {
        (0..count).fold(client.request(Method::GET, "/Users"), |request, number| {
            request.header(format!("x-filler-{number}"), value)
        })
    };
    // The client adds a few of its own.
    assert_eq!(answer(with(90, "v")).await.0, 200);
    let (status, body) = answer(with(101, "v")).await;
    assert_eq!(status, 431);
    assert!(is_scim_error(&body, 431), "{body}");
    assert_eq!(answer(with(1, &"v".repeat(60_000))).await.0, 200);
    let (status, body) = answer(with(1, &"v".repeat(65_600))).await;
    assert_eq!(status, 431);
    assert!(is_scim_error(&body, 431), "{body}");
}

#[tokio::test]
async fn a_body_over_its_limit_is_413_and_the_connection_lives() {
    let scimd = Scimd::demo(&[]);
    let client = scimd.client(0);
    let request = client.request(Method::POST, "/Users").header("content-type", "application/scim+json");
    let (status, body) = answer(request.body(vec![b' '; 2 << 20])).await;
    assert_eq!(status, 413);
    assert!(is_scim_error(&body, 413), "{body}");
    client.create_user("ada@example.com").await;
}

#[test]
fn a_head_that_does_not_end_is_cut_off() {
    let scimd = Scimd::demo(&[]);
    let address = scimd.root().strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut buffer = [0; 4096];
    assert!(stream.read(&mut buffer).unwrap() > 0, "an answer");
    // Idle for longer than a head may take, then a head that comes drop by drop.
    std::thread::sleep(Duration::from_secs(11));
    let begun = Instant::now();
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(20), "the connection is still open");
        if stream.write_all(b"x").is_err() {
            break;
        }
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => panic!("there is nothing to answer"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    assert!(begun.elapsed() > Duration::from_secs(8), "cut off too early");
}
