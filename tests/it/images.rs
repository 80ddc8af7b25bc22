//! Pictures as the public fetches them, and their retention.

use axum::http::Method;
use chrono::{TimeDelta, Utc};
use image::{ImageFormat, Rgb, RgbImage};
use rundbrief::{
    app::{images::store::Store, retention::remove_unused_images},
    domain::{
        ids::ImageId,
        image::{self as images, FileName},
        staff::Role,
    },
};

use crate::harness::{App, TestApp};

/// A photograph as a file; another one for every seed.
pub fn photo(width: u32, height: u32, seed: u32, format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let byte = |n: u32| u8::try_from(n % 256).unwrap();
        Rgb([byte(x * 3 + seed), byte(y * 5 + x / 7), byte(x * y / 11)])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Uploads a picture; answers its id and its path.
pub async fn uploaded(app: &TestApp, seed: u32) -> (ImageId, String) {
    let email = format!("upload{seed}@example.org");
    let member = app.member(&email, Role::Editor).await;
    let file = photo(1200, 800, seed, ImageFormat::Jpeg);
    let fields = [("alt", "Zwei Menschen"), ("credit", "Foto: Jo")];
    let answer = app.browser_of(&member).await.upload("/staff/images", &file, &fields, true).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let path = told["url"].as_str().unwrap().strip_prefix("https://brief.example.org").unwrap().to_owned();
    (told["id"].as_str().unwrap().parse().unwrap(), path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_kept_by_everybody_and_can_do_nothing() {
    let app = App::new().without_worker().start().await;
    let (_, path) = uploaded(&app, 1).await;
    let small = path.replace(".jpg", "-small.jpg");
    for path in [&path, &small] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 200);
        for (name, value) in [
            ("content-type", "image/jpeg"),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("content-security-policy", "sandbox; default-src 'none'"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
        assert!(answer.header("set-cookie").is_empty());
        let head = app.request(Method::HEAD, path, &[], "").await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (answer.status, answer.header("content-length"))
        );
        assert!(head.body.is_empty());
        let tag = answer.header("etag").to_owned();
        let again = app.request(Method::GET, path, &[("if-none-match", &tag)], "").await;
        assert_eq!(
            (again.status.as_u16(), again.header("etag"), again.body.as_str()),
            (304, tag.as_str(), "")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_store() {
    let app = App::new().without_worker().start().await;
    let (_, path) = uploaded(&app, 1).await;
    let secret = app.images.0.join("../secret.jpg");
    std::fs::write(app.images.0.join("secret.jpg"), "secret").unwrap();
    for name in [
        "/images/secret.jpg",
        "/images/../Cargo.toml",
        "/images/..%2f..%2fetc%2fpasswd",
        "/images/%2e%2e%2fsecret.jpg",
        "/images/..%5c..%5csecret.jpg",
        "/images/%00.jpg",
        "/images/",
        "/images",
        &format!("{path}%00"),
        &format!("{path}/"),
        &path.replace("/images/", "/images//"),
        &path.to_uppercase().replace("/IMAGES", "/images"),
        &format!("/images/{}.jpg", "a".repeat(26)),
        &format!("/images/{}", path.replace("/images/", "..%2fimages%2f")),
    ] {
        let answer = app.get(name).await;
        assert_eq!(answer.status, 404, "{name}");
        assert!(!answer.body.contains("secret"), "{name}");
    }
    assert!(!secret.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn webmail_that_fetches_the_pictures_of_many_people_is_not_slowed_down() {
    let app = App::new()
        .without_worker()
        .setting("REQUESTS_PER_CLIENT", "2")
        .setting("TRUSTED_PROXIES", "127.0.0.1")
        .start()
        .await;
    let headers = [("x-forwarded-for", "192.0.2.7")];
    let name = format!("/images/{}.jpg", "a".repeat(26));
    for _ in 0..10 {
        assert_eq!(app.request(Method::GET, &name, &headers, "").await.status, 404);
    }
    let mut limited = false;
    for _ in 0..4 {
        limited |= app.request(Method::GET, "/", &headers, "").await.status == 429;
    }
    assert!(limited, "other pages are");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_there_while_the_database_is_not() {
    let app = App::new().without_worker().start().await;
    let (_, path) = uploaded(&app, 1).await;
    app.pool.close().await;
    assert_eq!(app.get(&path).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_went_out_is_never_removed_and_one_that_nothing_used_goes_after_thirty_days() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    let (sent, sent_path) = uploaded(&app, 1).await;
    let (in_draft, draft_path) = uploaded(&app, 2).await;
    let (unused, unused_path) = uploaded(&app, 3).await;
    let (in_publication, logo_path) = uploaded(&app, 4).await;
    let show = |path: &str| format!("![Zwei Menschen](https://brief.example.org{path})");
    let update = app.update_with_body("Eins", &show(&sent_path)).await;
    app.trigger_update(update).await;
    app.update_with_body("Zwei", &show(&draft_path)).await;
    sqlx::query("insert into publications (applied_at, content, content_sha256) select now(), jsonb_set(content, '{logo}', $1::jsonb), sha256('x') from publications limit 1")
        .bind(format!(r#"{{"url":"https://brief.example.org{logo_path}","alt":"Logo","width":1,"height":1}}"#))
        .execute(&app.pool)
        .await
        .unwrap();

    let mut db = app.pool.acquire().await.unwrap();
    let now = Utc::now();
    let kept = async |id: ImageId, db: &mut sqlx::PgConnection| {
        images::by_id(db, id).await.unwrap().map(|image| image.kept_since.is_some())
    };
    assert_eq!(kept(sent, &mut db).await, Some(true));
    assert_eq!(kept(in_publication, &mut db).await, Some(true));
    assert_eq!(kept(in_draft, &mut db).await, Some(false));
    for id in [sent, in_draft, in_publication] {
        let mut transaction = app.pool.begin().await.unwrap();
        assert_eq!(images::remove(&mut transaction, id).await.unwrap(), images::Removed::InUse);
    }

    let store = Store::new(&app.config.image_store);
    let removed_after =
        async |days| remove_unused_images(&app.pool, &store, now + TimeDelta::days(days)).await.unwrap();
    assert_eq!(removed_after(29).await, 0);
    assert_eq!(removed_after(31).await, 1);
    assert_eq!(kept(unused, &mut db).await, None);
    // A year later, when nobody knows of the update any more.
    sqlx::query("update updates set body = 'nichts mehr'").execute(&mut *db).await.unwrap();
    assert_eq!(removed_after(31 + 31).await, 1);
    assert_eq!(kept(in_draft, &mut db).await, None);
    assert_eq!(kept(sent, &mut db).await, Some(true));
    let told = "select count(distinct ids) from events where kind = 'image_removed' and actor = 'service'";
    assert_eq!(app.count(told).await, 2);

    assert_eq!(app.get(&unused_path).await.status, 404);
    assert_eq!(app.get(&sent_path).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_written_is_told_and_stops_nothing_else() {
    // A file stands where the folder is to be.
    let blocked = std::env::temp_dir().join(format!("rb-blocked-{}", std::process::id()));
    std::fs::write(&blocked, "").unwrap();
    let app = App::new()
        .without_worker()
        .setting("IMAGE_STORE", &format!("file://{}/images", blocked.display()))
        .start()
        .await;
    assert!(Store::new(&app.config.image_store).check().await.is_err());
    let member = app.member("eva@example.org", Role::Editor).await;
    let browser = app.browser_of(&member).await;
    let file = photo(600, 400, 1, ImageFormat::Png);
    let answer = browser.upload("/staff/images", &file, &[("alt", "x")], true).await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("Bilderspeicher"), "{}", answer.body);
    assert_eq!(app.count("select count(*) from images").await, 0);
    assert_eq!(browser.get("/staff/images").await.status, 200);
    assert_eq!(app.get(&format!("/images/{}.jpg", "a".repeat(26))).await.status, 503);
    std::fs::remove_file(&blocked).unwrap();
    assert!(FileName::parse("x").is_none());
}
