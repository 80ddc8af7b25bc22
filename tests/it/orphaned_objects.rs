//! Files in the store and their rows have no transaction together; whatever fails between them, neither is left alone for long.

use chrono::{TimeDelta, Utc};
use image::ImageFormat;
use rundbrief::{
    app::{
        images::{record::remove_left_behind, store::Store},
        retention::{remove_unused_files, remove_unused_images},
    },
    config::ImageStore,
    domain::staff::Role,
};

use crate::{
    harness::{App, TestApp},
    images::photo,
};

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n";

/// Uploads a picture and a file; answers the status of both.
async fn upload(app: &TestApp) -> [u16; 2] {
    let member = app.member("eva@example.org", Role::Editor).await;
    let browser = app.browser_of(&member).await;
    let picture = photo(300, 200, 1, ImageFormat::Png);
    let picture = browser.upload("/staff/images", &picture, &[("alt", "x")], true).await;
    let file = browser.upload("/staff/files", PDF, &[("filename", "plan.pdf")], true).await;
    [picture.status.as_u16(), file.status.as_u16()]
}

/// How many files lie in the store.
fn stored(app: &TestApp) -> usize {
    let files = |folder: std::path::PathBuf| {
        let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
        entries.filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_file()).count()
    };
    files(app.images.0.clone()) + files(app.images.0.join("files"))
}

/// Removes what was left behind, this long from now; answers how many files that were.
async fn removed_after(app: &TestApp, store: &Store, hours: i64) -> usize {
    remove_left_behind(&app.pool, store, Utc::now() + TimeDelta::hours(hours)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_files_of_an_upload_that_was_never_recorded_go_and_recorded_ones_stay() {
    let app = App::new().without_worker().start().await;
    let store = Store::new(&app.config.image_store);
    for refuse in [
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$",
        "create trigger refuse before insert on images execute function refuse()",
        "create trigger refuse before insert on shared_files execute function refuse()",
    ] {
        sqlx::query(refuse).execute(&app.pool).await.unwrap();
    }
    assert!(upload(&app).await.iter().all(|status| *status >= 500));
    assert_eq!(stored(&app), 3, "two of the picture, one file");
    assert_eq!(removed_after(&app, &store, 0).await, 0, "they could be on their way");
    assert_eq!(removed_after(&app, &store, 2).await, 3);
    assert_eq!(stored(&app), 0);

    sqlx::query("drop function refuse cascade").execute(&app.pool).await.unwrap();
    let member = app.member("jo@example.org", Role::Editor).await;
    let browser = app.browser_of(&member).await;
    let file = browser.upload("/staff/files", PDF, &[("filename", "plan.pdf")], true).await;
    assert_eq!(file.status, 201);
    assert_eq!(removed_after(&app, &store, 2).await, 0);
    assert_eq!(stored(&app), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_takes_longer_than_retention_waits_is_not_recorded_without_its_bytes() {
    let app = App::new().without_worker().start().await;
    // As if retention came between the store and the row.
    for between in [
        "create function take_away() returns trigger language plpgsql as
         $$ begin new.since = new.since - interval '2 hours'; return new; end $$",
        "create trigger take_away before insert on orphaned_objects for each row execute function take_away()",
    ] {
        sqlx::query(between).execute(&app.pool).await.unwrap();
    }
    assert_eq!(upload(&app).await, [503, 503]);
    assert_eq!(app.count("select count(*) from images").await, 0);
    assert_eq!(app.count("select count(*) from shared_files").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_removed_from_the_store_now_are_removed_later() {
    let app = App::new().without_worker().start().await;
    assert_eq!(upload(&app).await, [201, 201]);
    // A file stands where the folder is to be.
    let blocked = std::env::temp_dir().join(format!("rb-away-{}", std::process::id()));
    std::fs::write(&blocked, "").unwrap();
    let away = Store::new(&ImageStore::Folder(blocked.join("images")));
    let later = Utc::now() + TimeDelta::days(31);
    assert_eq!(remove_unused_images(&app.pool, &away, later).await.unwrap(), 1);
    assert_eq!(remove_unused_files(&app.pool, &away, later).await.unwrap(), 1);
    assert_eq!(stored(&app), 3);
    let store = Store::new(&app.config.image_store);
    assert_eq!(removed_after(&app, &away, 31 * 24 + 2).await, 3, "tried");
    assert_eq!(removed_after(&app, &store, 31 * 24 + 2).await, 0, "somebody else is at it");
    assert_eq!(removed_after(&app, &store, 31 * 24 + 4).await, 3);
    assert_eq!(stored(&app), 0);
    assert_eq!(app.count("select count(*) from orphaned_objects").await, 0);
    std::fs::remove_file(&blocked).unwrap();
}
