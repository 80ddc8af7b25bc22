//! Pictures on the staff pages: uploading, using again, describing, removing.

use std::net::SocketAddr;

use axum::http::Method;
use chrono::Utc;
use image::ImageFormat;
use rundbrief::{
    app::{
        images::store::Store,
        public_web::PublicWeb,
        upload_image::{self, Processing, UploadError},
    },
    domain::{
        actor::Actor,
        publication::{self, Content, Logo},
        staff::Role,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;

use crate::{
    harness::{App, TestApp, browser::Browser},
    images::{photo, uploaded},
};

async fn editor(app: &TestApp) -> Browser<'_> {
    let member = app.member("eva@example.org", Role::Editor).await;
    app.browser_of(&member).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_uploads_and_is_told_what_there_is() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let file = photo(2400, 1200, 1, ImageFormat::WebP);
    // What it shows may be said later.
    let answer = browser.upload("/staff/images", &file, &[("credit", " Foto:\tJo ")], true).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (201, "application/json"));
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&told["width"], &told["height"]), (&1104.into(), &552.into()));
    assert_eq!((&told["alt"], &told["credit"]), (&"".into(), &"Foto: Jo".into()));
    let url = told["url"].as_str().unwrap();
    assert!(url.starts_with("https://brief.example.org/images/"), "{url}");
    assert_eq!(app.get(told["thumbnail"].as_str().unwrap()).await.status, 200);
    assert_eq!(app.actions().await.last().unwrap(), "image_added");

    // The same file again is the same picture; what is said about it now is added.
    let again = browser.upload("/staff/images", &file, &[("alt", "Ein See")], true).await;
    let again: serde_json::Value = serde_json::from_str(&again.body).unwrap();
    assert_eq!((&again["id"], &again["alt"]), (&told["id"], &"Ein See".into()));
    assert_eq!(app.count("select count(*) from images").await, 1);
    assert_eq!(std::fs::read_dir(&app.images.0).unwrap().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_the_web_is_taken_in_like_an_upload() {
    let app = App::new().without_worker().start().await;
    let member = app.member("eva@example.org", Role::Editor).await;
    let file = photo(600, 400, 1, ImageFormat::Jpeg);
    let server = serving(file.clone()).await;
    let web = PublicWeb::with(
        |_| Box::pin(async { Ok(vec!["93.184.216.34".parse().unwrap()]) }),
        move |_| server,
        Vec::new(),
    );
    let store = Store::new(&app.config.image_store);
    let address = || Url::parse("http://www.somewhere/see.jpg").unwrap();
    let take = async |by: &Actor| {
        let place = (&store, &Processing::default());
        upload_image::upload_from(&app.pool, &web, place, by, (address(), "Ein See".to_owned()), Utc::now())
            .await
    };
    let image = take(&member.actor()).await.unwrap();
    assert_eq!((image.alt.as_str(), image.width, image.height), ("Ein See", 600, 400));
    assert_eq!(app.actions().await.last().unwrap(), "image_added");
    let browser = app.browser_of(&member).await;
    let again = browser.upload("/staff/images", &file, &[], true).await;
    let again: serde_json::Value = serde_json::from_str(&again.body).unwrap();
    assert_eq!(again["id"], image.id.to_string(), "the same file is the same picture");
    assert!(matches!(take(&Actor::Service).await, Err(UploadError::NotAllowed(_))));
}

/// A web server that answers every request with this file.
async fn serving(file: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", file.len());
            let _ = stream.write_all(&[head.as_bytes(), &file].concat()).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_only_this_machine_sees_is_not_fetched() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    for address in
        ["http://127.0.0.1/see.jpg", "file:///etc/passwd", "see.jpg", "", "https://www.lok.example/see.jpg"]
    {
        let answer = browser
            .send(
                Method::POST,
                "/staff/images/fetch",
                &[("accept", "application/json")],
                &format!("address={address}"),
            )
            .await;
        assert_eq!(answer.status, 422, "{address}");
        assert!(answer.body.contains("Speichern Sie es dort auf Ihrem Rechner"), "{}", answer.body);
    }
    assert_eq!(app.count("select count(*) from images").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_a_script_leads_back_to_its_page() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let file = photo(600, 400, 1, ImageFormat::Png);
    let fields = [("alt", "Ein See"), ("next", "/staff/updates/x?lang=de")];
    let answer = browser.upload("/staff/images", &file, &fields, false).await;
    assert_eq!(answer.status, 303);
    let to = answer.header("location");
    assert!(to.starts_with("/staff/updates/x?lang=de&image="), "{to}");
    let file = photo(600, 400, 2, ImageFormat::Png);
    for next in ["https://evil.example", "//evil.example", "/staff/logout", ""] {
        let fields = [("alt", "Ein See"), ("next", next)];
        let to = browser.upload("/staff/images", &file, &fields, false).await;
        assert!(to.header("location").starts_with("/staff/images/"), "{next}: {}", to.header("location"));
    }
    let page = browser
        .get(browser.upload("/staff/images", &file, &fields[..1], false).await.header("location"))
        .await;
    assert!(page.body.contains("Das Bild ist hochgeladen."), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_file_is_reported_at_its_field_and_to_a_script_as_a_message() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let good = photo(600, 400, 1, ImageFormat::Jpeg);
    let long = "x".repeat(501);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    let svgz = b"\x1f\x8b\x08\0\0\0\0\0\0\x03zzzz";
    let cases: [(&[u8], &[(&str, &str)], &str, &str); 9] = [
        (b"", &[("alt", "x")], "image", "Bitte wählen Sie eine Bilddatei aus."),
        (svg, &[("alt", "x")], "image", "Speichern Sie es als JPEG, PNG oder WebP."),
        (svgz, &[("alt", "x")], "image", "Speichern Sie es als JPEG, PNG oder WebP."),
        (b"GIF89a\x01\0\x01\0\0\0\0;", &[("alt", "x")], "image", "GIF-Dateien nehmen wir nicht an"),
        (&good[..good.len() - 100], &[("alt", "x")], "image", "beschädigt oder unvollständig"),
        (&good[..300], &[("alt", "x")], "image", "beschädigt oder unvollständig"),
        (&good, &[("alt", " ")], "alt", "Bitte schreiben Sie, was das Bild zeigt."),
        (&good, &[("alt", &long)], "alt", "Erlaubt sind 500 Zeichen."),
        (&good, &[("alt", "x"), ("credit", &long)], "credit", "Erlaubt sind 200 Zeichen."),
    ];
    for (file, fields, field, why) in cases {
        let answer = browser.upload("/staff/images", file, fields, false).await;
        assert_eq!(answer.status, 422, "{why}");
        let at = answer
            .body
            .find(&format!("id=\"{field}-error\""))
            .unwrap_or_else(|| panic!("no error at {field}"));
        assert!(answer.body[at..at + 400].contains(why), "{why}: {}", &answer.body[at..at + 400]);
        if field != "alt" || fields[0].1 != " " {
            let answer = browser.upload("/staff/images", file, fields, true).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type")),
                (422, "application/problem+json")
            );
            assert!(answer.body.contains(why), "{}", answer.body);
        }
    }
    assert_eq!(app.count("select count(*) from images").await, 0);
    assert!(!app.images.0.exists(), "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megapixels_in_a_few_bytes_are_refused() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    // White, and so packed well: the file is small, and the picture is not.
    let white = image::GrayImage::from_pixel(10_000, 10_000, image::Luma([255]));
    let mut bomb = std::io::Cursor::new(Vec::new());
    white.write_to(&mut bomb, ImageFormat::Png).unwrap();
    let bomb = bomb.into_inner();
    assert!(bomb.len() < 1024 * 1024);
    let answer = browser.upload("/staff/images", &bomb, &[("alt", "x")], true).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("Megapixel"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_that_is_also_something_else_only_the_picture_is_served() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let mut file = photo(600, 400, 1, ImageFormat::Jpeg);
    file.extend(b"<!doctype html><script>alert(document.domain)</script>PK\x03\x04");
    let answer = browser.upload("/staff/images", &file, &[("alt", "x")], true).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let url = told["url"].as_str().unwrap();
    let served = app.get(&url[url.find("/images/").unwrap()..]).await;
    assert_eq!((served.status.as_u16(), served.header("content-type")), (200, "image/jpeg"));
    assert_eq!(served.header("x-content-type-options"), "nosniff");
    assert!(!served.body.contains("script") && !served.body.contains("PK\u{3}\u{4}"));

    // And the other way around: markup that begins like a picture is none.
    let gif = b"GIF89a/*<svg onload=alert(1)>*/=1;alert(document.domain)";
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    for file in [&gif[..], svg] {
        assert_eq!(browser.upload("/staff/images", file, &[("alt", "x")], true).await.status, 422);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_has_its_size_and_nobody_else_may_send_as_much() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let large = vec![0; 16 * 1024 * 1024];
    let answer = browser.upload("/staff/images", &large, &[("alt", "x")], true).await;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("15\u{a0}MB"), "{}", answer.body);
    // Below the limit, and above that of forms.
    let answer = browser.upload("/staff/images", &large[..1024 * 1024], &[("alt", "x")], true).await;
    assert_eq!(answer.status, 422);
    for (path, bytes) in [("/staff/account/name", 1024 * 1024), ("/subscribe", 16 * 1024)] {
        let form = format!("name={}", "x".repeat(bytes));
        assert_eq!(browser.send(Method::POST, path, &[], &form).await.status, 413, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_logged_in_and_a_form_on_another_site_upload_nothing() {
    let app = App::new().without_worker().start().await;
    let file = photo(600, 400, 1, ImageFormat::Jpeg);
    let answer = app.browser().upload("/staff/images", &file, &[("alt", "x")], true).await;
    assert_eq!(answer.status, 303);
    let browser = editor(&app).await;
    let headers = [("sec-fetch-site", "cross-site"), ("content-type", "multipart/form-data; boundary=x")];
    assert_eq!(browser.send(Method::POST, "/staff/images", &headers, "--x--").await.status, 403);
    assert_eq!(app.count("select count(*) from images").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_can_be_looked_through_and_nothing_in_them_is_markup() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let attack = "\"><script>alert(1)</script>]({{7*7}}";
    let file = photo(600, 400, 1, ImageFormat::Jpeg);
    let fields = [("alt", attack), ("credit", attack)];
    let answer = browser.upload("/staff/images", &file, &fields, true).await;
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let id = told["id"].as_str().unwrap();
    let title = "Die <i>Werkstatt</i>";
    let markdown = format!("![Zwei Menschen]({})", told["url"].as_str().unwrap());
    let update = app.update_with_body(title, &markdown).await;
    for path in ["/staff/images".to_owned(), format!("/staff/images/{id}")] {
        let page = browser.get(&path).await.body;
        assert!(!page.contains("<script>alert") && !page.contains("<i>Werk"), "{path}: {page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{path}");
    }
    let page = browser.get(&format!("/staff/images/{id}")).await.body;
    assert!(page.contains(&format!("href=\"/staff/updates/{update}\"")), "{page}");
    assert!(!page.contains("/remove\""), "used, and so it stays");
    assert!(browser.get("/staff/images").await.body.contains("in einem Update"));

    let refused = browser.upload("/staff/images", b"no", &fields, false).await;
    assert_eq!(refused.status, 422);
    assert!(!refused.body.contains("<script>alert"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_described_and_removed_and_both_are_written_down() {
    let app = App::new().without_worker().start().await;
    let (id, path) = uploaded(&app, 1).await;
    let browser = editor(&app).await;
    let page = format!("/staff/images/{id}");
    let answer = browser.post(&page, &[("alt", ""), ("credit", "x")]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("id=\"alt-error\""));
    let answer = browser.post(&page, &[("alt", "Ein  See"), ("credit", "")]).await;
    assert_eq!(answer.header("location"), format!("{page}?done=image_described"));
    let shown = browser.get(&page).await.body;
    assert!(
        shown.contains("value=\"Ein See\"") && shown.contains("![Ein See](https://brief.example.org/images/")
    );
    // Nothing new, and so no line.
    browser.post(&page, &[("alt", "Ein See"), ("credit", "")]).await;
    for _ in 0..2 {
        let answer = browser.post(&format!("{page}/remove"), &[]).await;
        assert_eq!(answer.header("location"), "/staff/images?done=image_removed");
    }
    assert_eq!(browser.get(&page).await.status, 404);
    assert_eq!(app.get(&path).await.status, 404);
    assert_eq!(std::fs::read_dir(&app.images.0).unwrap().count(), 0);
    let actions = app.actions().await;
    let of_images: Vec<&str> =
        actions.iter().map(String::as_str).filter(|action| action.starts_with("image")).collect();
    assert_eq!(of_images, ["image_added", "image_described", "image_removed"]);
    let told =
        "select kind || ' by ' || actor from events where ids = jsonb_build_object('image', $1) order by seq";
    let told: Vec<String> = sqlx::query_scalar(told).bind(id.0).fetch_all(&app.pool).await.unwrap();
    assert_eq!(told, ["image_added by member", "image_described by member", "image_removed by member"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_in_use_is_not_removed_and_the_page_says_why() {
    let app = App::new().without_worker().start().await;
    let (id, path) = uploaded(&app, 1).await;
    app.update_with_body("Eins", &format!("![x](https://brief.example.org{path})")).await;
    let answer = editor(&app).await.post(&format!("/staff/images/{id}/remove"), &[]).await;
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("Dieses Bild wird verwendet"), "{}", answer.body);
    assert_eq!(app.get(&path).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dark_logo_without_a_ground_is_told_of_on_its_page_and_before_a_mailing() {
    let app = App::new().without_worker().start().await;
    app.subscribers(1).await;
    let admin = app.member("admin@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    let logo = |red: u8| {
        let letter = move |x: u32| if x % 10 < 4 { [red, 20, 30, 255] } else { [0; 4] };
        let logo = image::RgbaImage::from_fn(180, 48, |x, _| image::Rgba(letter(x)));
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::DynamicImage::from(logo).write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let update = app.update("Werkstatt").await;
    for (red, is_lost) in [(20, true), (220, false)] {
        let answer = browser.upload("/staff/images", &logo(red), &[("alt", "Projekt")], true).await;
        let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let mut content = Content::parse(include_str!("../../publication.example.toml")).unwrap();
        let url = told["url"].as_str().unwrap().parse().unwrap();
        content.logo = Some(Logo { url, alt: "Projekt".into(), width: 180, height: 48 });
        let mut db = app.pool.acquire().await.unwrap();
        publication::apply(&mut db, &content, chrono::Utc::now()).await.unwrap();
        let page = browser.get("/staff/publication?lang=de").await;
        assert_eq!(page.body.contains("Dieses Logo ist dunkel"), is_lost, "{}", page.body);
        let page = browser.get(&format!("/staff/updates/{update}/preflight?lang=de")).await;
        let told = "in der dunklen Ansicht kaum zu sehen: Projekt";
        assert_eq!(page.body.contains(told), is_lost, "{}", page.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_has_its_size_in_the_mail_and_a_small_one_is_not_enlarged() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    let mut urls = Vec::new();
    for (width, height) in [(1200, 800), (120, 80)] {
        let file = photo(width, height, width, ImageFormat::Jpeg);
        let answer = browser.upload("/staff/images", &file, &[("alt", "Zwei Menschen")], true).await;
        let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        urls.push(told["url"].as_str().unwrap().to_owned());
    }
    let body = format!("![groß]({}) ![klein]({}).\n\n![fremd](https://example.org/a.jpg)", urls[0], urls[1]);
    let update = app.update_with_body("Eins", &body).await;
    sqlx::query("update updates set image = $1, image_alt = 'oben' where title = 'Eins'")
        .bind(&urls[1])
        .execute(&app.pool)
        .await
        .unwrap();
    let mail = browser.get(&format!("/staff/updates/{update}/mail.html?images=on")).await;
    for (alt, size) in [
        ("groß", "width=\"552\" height=\"368\""),
        ("klein", "width=\"120\" height=\"80\""),
        ("oben", "width=\"120\" height=\"80\""),
        ("fremd", "width=\"552\" style"),
    ] {
        let image =
            mail.body.split(&format!("alt=\"{alt}\"")).nth(1).unwrap_or_else(|| panic!("{}", mail.body));
        assert!(image.trim_start().starts_with(size), "{alt}: {}", &image[..120]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_is_searched_by_what_is_said_of_a_picture_by_a_script_too() {
    let app = App::new().without_worker().start().await;
    let browser = editor(&app).await;
    for (seed, alt, credit) in
        [(1, "Der Hafen", "Foto: Jo"), (2, "Ein Schweif_stern", "Foto: Ada"), (3, "", "")]
    {
        let file = photo(600, 400, seed, ImageFormat::Png);
        browser.upload("/staff/images", &file, &[("alt", alt), ("credit", credit)], true).await;
    }
    let listed = async |query: &str| {
        let path = format!("/staff/images?q={query}");
        let answer = browser.send(Method::GET, &path, &[("accept", "application/json")], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
        let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let images = told["images"].as_array().unwrap();
        images.iter().map(|image| image["alt"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, ["", "Ein Schweif_stern", "Der Hafen"]);
    assert_eq!(listed("hafen").await, ["Der Hafen"]);
    assert_eq!(listed("ADA").await, ["Ein Schweif_stern"]);
    assert_eq!(listed("%25").await, Vec::<String>::new(), "no sign stands for others");
    let page = browser.get("/staff/images?q=hafen").await.body;
    assert!(page.contains("Der Hafen") && !page.contains("Schweif_stern"), "{page}");
    assert!(
        browser.get("/staff/images?q=nichts").await.body.contains("Zu diesen Wörtern gibt es kein Bild.")
    );
}
