//! Memory budgets for what strangers, staff and the relay send. Measured as the peak of a separate process, so that
//! other load on the machine does not matter.

use std::{
    io::Cursor,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use image::{
    ExtendedColorType, ImageEncoder, ImageFormat,
    codecs::{
        png::{CompressionType, FilterType, PngEncoder},
        webp::WebPEncoder,
    },
};
use rundbrief::{
    app::images::memory::{LONGEST_FILE, MOST, MOST_OF_ALL, RECEIVED},
    delivery::LONGEST_REPLY,
    domain::staff::Role,
    web::{HELD_OF_A_LIST, HELD_OF_A_STRANGER},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    harness::{App, TestApp, browser::Browser, process},
    images::photo,
    pressure::{post, without_end},
};

const MEGABYTE: u64 = 1024 * 1024;

/// What a process takes for itself meanwhile: connections, pages, what its allocator keeps for the next time.
const FOR_ITSELF: u64 = 40 * MEGABYTE;

fn assert_within(more: u64, budget: u64) {
    let (held, most) = (more / MEGABYTE, (budget + FOR_ITSELF) / MEGABYTE);
    assert!(held < most, "{held} MB more were held, and the budget is {most} MB");
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_large_forms_of_strangers_are_not_held() {
    const FORMS: usize = 600;
    let app = App::new().without_worker().start().await;
    let service = process::serve(&app).await;
    service.post("/staff/login", "email=a&password=b").await;
    let Some(memory) = service.memory() else { return };
    let forged = "Cookie: __Host-rundbrief=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";
    let mut sending = JoinSet::new();
    for n in 0..FORMS {
        let (address, path) = (service.address(), ["/staff/login", "/staff/account/name"][n % 2]);
        // Of each half, one half says how much there is to come.
        let length = ["Content-Length: 1000000", "Transfer-Encoding: chunked"][n / 2 % 2];
        let head = post(path, length, forged);
        sending.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let begin = if length.starts_with('C') { "" } else { "f4240\r\n" };
            let body = [head.as_bytes(), begin.as_bytes(), &vec![b'a'; 900_000]].concat();
            let (mut reading, mut writing) = stream.split();
            let mut answer = [0; 12];
            let sent = async {
                let _ = writing.write_all(&body).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                read = reading.read_exact(&mut answer) => read.map(|_| String::from_utf8_lossy(&answer).into_owned()).ok(),
                () = sent => None,
            }
        });
    }
    let answers = sending.join_all().await;
    // A line that was reset has been refused too; none was kept until its time was over.
    assert!(
        answers
            .iter()
            .flatten()
            .all(|answer| answer.ends_with("413") || answer.ends_with("303") || answer.ends_with("503")),
        "{answers:?}"
    );
    assert_within(memory.more(), (FORMS * HELD_OF_A_STRANGER) as u64);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_form_with_a_file_nothing_is_held_that_is_not_needed() {
    let app = App::new().without_worker().start().await;
    let service = process::serve(&app).await;
    let admin = app.member("admin@example.org", Role::Admin).await;
    let browser = app.browser_of(&admin).await;
    let cookie = format!("Cookie: __Host-rundbrief={}\r\n", browser.cookie("__Host-rundbrief"));
    service.post("/staff/login", "email=a&password=b").await;
    let Some(memory) = service.memory() else { return };
    for begin in [
        "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n",
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"",
        "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n",
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nemail\r\n",
        "what stands before the first part",
    ] {
        let (_, answer) = without_end(service.address(), &cookie, begin).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}: {begin}");
        assert_within(memory.more(), HELD_OF_A_LIST as u64);
    }
    service.end().await;
}

/// A relay that sends this again and again, up to 400 MB a line. Counts the lines that have ended.
async fn relay_without_end(begin: &'static str, again: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, ended) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&ended);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let _ = stream.write_all(begin.as_bytes()).await;
                let piece = again.repeat(100_000 / again.len());
                for _ in 0..4_000 {
                    if stream.write_all(piece.as_bytes()).await.is_err() {
                        break;
                    }
                }
                count.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    (address, ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_says_something_without_end_is_not_listened_to() {
    for (begin, again) in [("220 ", "x"), ("", "220-x\r\n")] {
        let app = App::new().without_worker().start().await;
        let (address, ended) = relay_without_end(begin, again).await;
        let worker = process::worker(&app, &[("SMTP_URL", &format!("smtp://{address}"))]);
        let Some(memory) = worker.memory() else { return };
        assert_eq!(app.sign_up("maria@example.org").await.status, 303);
        let hung_up = async {
            while ended.load(Ordering::SeqCst) == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_mins(2), hung_up).await.expect("a line that ends");
        // Its own start is measured too.
        assert_within(memory.more(), LONGEST_REPLY + FOR_ITSELF);
        worker.kill_9().await;
    }
}

/// A grey JPEG: of each component this often sampled, in one scan or one each. Every block is a bit or two.
fn flat_jpeg(start: u8, (width, height): (u16, u16), components: u8, scans: u8) -> Vec<u8> {
    let is_progressive = start == 0xc2;
    let mut jpeg = [&b"\xff\xd8\xff\xdb\0\x43\0"[..], &[1; 64]].concat();
    jpeg.extend([0xff, start, 0, 8 + 3 * components, 8]);
    jpeg.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    jpeg.push(components);
    jpeg.extend((1..=components).flat_map(|id| [id, 0x11, 0]));
    for table in [0, 0x10] {
        jpeg.extend([&[0xff, 0xc4, 0, 20, table, 1][..], &[0; 16]].concat());
    }
    for scan in 0..scans {
        let within = if scans == 1 { 1..=components } else { scan + 1..=scan + 1 };
        let count = u8::try_from(within.clone().count()).unwrap();
        jpeg.extend([0xff, 0xda, 0, 6 + 2 * count, count]);
        jpeg.extend(within.flat_map(|id| [id, 0]));
        jpeg.extend([0, if is_progressive { 0 } else { 63 }, 0]);
        let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8) * usize::from(count);
        jpeg.resize(jpeg.len() + (blocks * if is_progressive { 1 } else { 2 }).div_ceil(8), 0);
    }
    jpeg.extend(b"\xff\xd9");
    jpeg
}

fn flat_png(width: u32, height: u32) -> Vec<u8> {
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::NoFilter)
        .write_image(&vec![0; (width * height * 4) as usize], width, height, ExtendedColorType::Rgba8)
        .unwrap();
    png
}

fn flat_webp(width: u32, height: u32) -> Vec<u8> {
    let mut webp = Cursor::new(Vec::new());
    WebPEncoder::new_lossless(&mut webp)
        .write_image(&vec![0; (width * height * 3) as usize], width, height, ExtendedColorType::Rgb8)
        .unwrap();
    webp.into_inner()
}

async fn upload(browser: &Browser<'_>, file: &[u8]) -> (u16, String) {
    let answer = browser.upload("/staff/images", file, &[("alt", "x")], true).await;
    (answer.status.as_u16(), answer.body)
}

async fn editor(app: &TestApp, address: SocketAddr) -> Browser<'_> {
    let member = app.member("eva@example.org", Role::Editor).await;
    app.browser_of(&member).await.at(address)
}

/// The most that a progressive JPEG with all its colours may have, in the longest file.
fn largest_progressive() -> Vec<u8> {
    let mut file = flat_jpeg(0xc2, (6048, 4032), 3, 1);
    // What stands behind its end is no picture, and counts all the same. A form stands around it.
    file.resize(LONGEST_FILE - 1024, 0);
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_takes_no_more_memory_than_it_may() {
    let app = App::new().without_worker().start().await;
    let service = process::serve(&app).await;
    let browser = editor(&app, service.address()).await;
    assert_eq!(upload(&browser, &photo(600, 400, 1, ImageFormat::Jpeg)).await.0, 201);

    let Some(memory) = service.memory() else { return };
    for (what, file, why) in [
        ("progressive", flat_jpeg(0xc2, (8660, 5773), 3, 1), "ohne „progressiv“"),
        ("progressive, four inks", flat_jpeg(0xc2, (8660, 5773), 4, 1), "ohne „progressiv“"),
        ("a component at a time", flat_jpeg(0xc0, (8660, 5773), 3, 3), "Verkleinern Sie es"),
        ("lossless, as three copies", flat_webp(8000, 6000), "Verkleinern Sie es"),
    ] {
        let (status, body) = upload(&browser, &file).await;
        assert!(status == 422 && body.contains(why), "{what}: {status} {body}");
    }
    // They were refused by their heads.
    assert_within(memory.more(), 0);

    for (what, file) in [
        ("progressive, in the longest file", largest_progressive()),
        ("a component at a time", flat_jpeg(0xc0, (6048, 4032), 3, 3)),
        ("high", flat_jpeg(0xc0, (4400, 11_360), 3, 1)),
        ("PNG", flat_png(8660, 5773)),
        ("WebP", flat_webp(6000, 4700)),
    ] {
        let (status, body) = upload(&browser, &file).await;
        assert_eq!(status, 201, "{what}: {body}");
        let more = memory.more();
        assert!(more < MOST + FOR_ITSELF, "{what}: {} MB more were held", more / MEGABYTE);
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_pictures_at_once_share_a_budget() {
    let app = App::new().without_worker().start().await;
    let service = process::serve(&app).await;
    let browser = editor(&app, service.address()).await;
    assert_eq!(upload(&browser, &photo(600, 400, 1, ImageFormat::Jpeg)).await.0, 201);
    let file = largest_progressive();
    let Some(memory) = service.memory() else { return };
    let (first, second, third, fourth, fifth, sixth) = tokio::join!(
        upload(&browser, &file),
        upload(&browser, &file),
        upload(&browser, &file),
        upload(&browser, &file),
        upload(&browser, &file),
        upload(&browser, &file),
    );
    let statuses = [first.0, second.0, third.0, fourth.0, fifth.0, sixth.0];
    let taken = statuses.iter().filter(|status| **status == 201).count();
    assert!(taken >= RECEIVED && statuses.iter().all(|status| [201, 503].contains(status)), "{statuses:?}");
    assert_within(memory.more(), MOST_OF_ALL);
    service.end().await;
}
