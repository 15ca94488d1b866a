//! Who is let in where.

use reqwest::Method;

use crate::scimd::{Scimd, answer, is_scim_error, user};

const ROUTES: [(&str, &str); 9] = [
    ("GET", "/Users"),
    ("POST", "/Users"),
    ("GET", "/Users/ID"),
    ("PUT", "/Users/ID"),
    ("PATCH", "/Users/ID"),
    ("DELETE", "/Users/ID"),
    ("GET", "/Groups"),
    ("POST", "/Bulk"),
    ("POST", "/.search"),
];

#[tokio::test]
async fn a_token_opens_its_own_directory_only() {
    let scimd = Scimd::demo(&["--directories", "2"]);
    let (mine, other) = (scimd.client(0), scimd.client(1));
    let id = mine.create_user("ada@example.com").await;
    for (method, path) in ROUTES {
        let path = path.replace("ID", &id);
        let method: Method = method.parse().unwrap();
        let url = format!("{}{path}", mine.base_url);
        let foreign = mine.http.request(method.clone(), &url).bearer_auth(&other.token);
        let (status, body) = answer(foreign).await;
        assert_eq!(status, 401, "{method} {path} with the token of another directory");
        assert!(is_scim_error(&body, 401), "{body}");
        let (status, _) = answer(mine.http.request(method.clone(), &url)).await;
        assert_eq!(status, 401, "{method} {path} without a token");
        let (status, _) = answer(mine.http.request(method.clone(), &url).bearer_auth("wrong")).await;
        assert_eq!(status, 401, "{method} {path} with a wrong token");
    }
    // In one's own directory the id of another is as unknown as any.
    let unknown = format!("/Users/{}", id.chars().rev().collect::<String>());
    let (status, foreign) = other.get(&format!("/Users/{id}")).await;
    let (_, nobody) = other.get(&unknown).await;
    assert_eq!(status, 404);
    assert_eq!(foreign["detail"], nobody["detail"]);
    let (status, _) = other.send(Method::DELETE, &format!("/Users/{id}"), serde_json::Value::Null).await;
    assert_eq!(status, 404);
    assert_eq!(mine.get(&format!("/Users/{id}")).await.0, 200, "still there");
}

#[tokio::test]
async fn discovery_is_public_and_unknown_directories_are_404() {
    let scimd = Scimd::demo(&[]);
    let client = scimd.client(0);
    for endpoint in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
        let (status, _) = answer(client.http.get(format!("{}{endpoint}", client.base_url))).await;
        assert_eq!(status, 200, "{endpoint}");
        let unknown = format!("{}/scim/v2/dir_0000000000000000000000{endpoint}", scimd.root());
        let (status, body) = answer(client.http.get(&unknown)).await;
        assert_eq!(status, 404, "{endpoint}");
        assert!(is_scim_error(&body, 404), "{body}");
    }
    let unknown = format!("{}/scim/v2/dir_0000000000000000000000/Users", scimd.root());
    let (status, _) = answer(client.http.get(&unknown).bearer_auth(&client.token)).await;
    assert_eq!(status, 401, "nobody learns which directories there are");
}

#[tokio::test]
async fn locations_come_from_the_configuration() {
    let scimd = Scimd::demo(&[]);
    let client = scimd.client(0);
    let request = client
        .request(Method::POST, "/Users")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("content-type", "application/scim+json")
        .body(user("ada@example.com").to_string());
    let (status, body) = answer(request).await;
    assert_eq!(status, 201);
    let location = body["meta"]["location"].as_str().unwrap();
    assert_eq!(location, format!("{}/Users/{}", client.base_url, body["id"].as_str().unwrap()));
}
