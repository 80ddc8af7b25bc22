//! Pictures in a bucket: signed requests over HTTP, with the settings of `.env.example` only.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use image::ImageFormat;
use rundbrief::domain::staff::Role;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::{harness::App, images::photo};

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// As much of S3 as storing files takes. Requests that are not signed are refused.
async fn bucket(
    State(objects): State<Objects>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let scope = "/eu-central-1/s3/aws4_request";
    let signature = header("authorization");
    let is_signed =
        signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIATEST/") && signature.contains(scope);
    let said = header("x-amz-content-sha256");
    if !is_signed || (said != "UNSIGNED-PAYLOAD" && said != hex::encode(Sha256::digest(&body))) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut objects = objects.lock().unwrap();
    let about = [("etag", "\"1\""), ("last-modified", "Thu, 26 Nov 2026 00:00:00 GMT")];
    match method {
        Method::PUT => {
            objects.insert(uri.path().to_owned(), body);
            (about, "").into_response()
        }
        Method::GET => match objects.get(uri.path()) {
            Some(bytes) => (about, bytes.clone()).into_response(),
            None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
        },
        Method::DELETE => {
            objects.remove(uri.path());
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn start() -> (SocketAddr, Objects) {
    let objects = Objects::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(bucket).with_state(Arc::clone(&objects));
    let (stop, stopping) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        rundbrief::web::serve(listener, router, stopping).await;
        drop(stop);
    });
    (address, objects)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_holds_pictures_as_a_folder_does() {
    let (address, objects) = start().await;
    let app = App::new()
        .without_worker()
        .setting("IMAGE_STORE", &format!("s3://brief/bilder?region=eu-central-1&endpoint=http://{address}"))
        .setting("AWS_ACCESS_KEY_ID", "AKIATEST")
        .setting("AWS_SECRET_ACCESS_KEY", "geheim")
        .start()
        .await;
    rundbrief::app::images::store::Store::new(&app.config.image_store).check().await.unwrap();
    assert!(objects.lock().unwrap().is_empty(), "what was written to try it is gone");

    let member = app.member("eva@example.org", Role::Editor).await;
    let browser = app.browser_of(&member).await;
    let file = photo(1200, 800, 1, ImageFormat::Jpeg);
    let answer = browser.upload("/staff/images", &file, &[("alt", "Bild")], true).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let path = told["url"].as_str().unwrap().strip_prefix("https://brief.example.org").unwrap().to_owned();
    let names: Vec<String> = objects.lock().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.starts_with("/brief/bilder/")), "{names:?}");
    assert_eq!(app.get(&path).await.status, 200);
    assert_eq!(app.get(&format!("/images/{}.jpg", "a".repeat(26))).await.status, 404);

    let id = told["id"].as_str().unwrap();
    assert_eq!(browser.post(&format!("/staff/images/{id}/remove"), &[]).await.status, 303);
    assert!(objects.lock().unwrap().is_empty());
    assert_eq!(app.get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_refuses_is_told_before_anybody_uploads() {
    let (address, _) = start().await;
    let app = App::new()
        .without_worker()
        .setting("IMAGE_STORE", &format!("s3://brief?region=eu-central-1&endpoint=http://{address}"))
        .setting("AWS_ACCESS_KEY_ID", "SOMEBODY-ELSE")
        .setting("AWS_SECRET_ACCESS_KEY", "geheim")
        .start()
        .await;
    let error = rundbrief::app::images::store::Store::new(&app.config.image_store).check().await.unwrap_err();
    assert!(!error.to_string().contains("geheim"), "{error}");
    assert_eq!(app.get(&format!("/images/{}.jpg", "a".repeat(26))).await.status, 503);
}
