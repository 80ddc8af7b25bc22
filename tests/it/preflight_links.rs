//! The link check of the preflight, against servers that misbehave in every way; and that no text makes the service
//! connect to internal addresses.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rundbrief::{
    app::{
        preflight::links::{LinkState, Links},
        public_web::{FetchError, NotReached, PublicWeb},
    },
    config::PublicUrl,
    domain::hosted::Hosted,
    mail::preflight::{Code, Place, Target},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use url::Url;

use crate::harness::tls::{self, Begins};

/// A server of the public internet: what it was asked, line by line.
type Asked = Arc<Mutex<Vec<String>>>;

async fn server() -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let lines = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&lines)));
        }
    });
    (address, asked)
}

async fn answer(mut stream: TcpStream, asked: Asked) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
        // Encrypted, which is not spoken here.
        if head == [0x16] {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return;
        }
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    asked.lock().unwrap().push(head.clone());
    let (method, path) = (line.split(' ').next().unwrap(), line.split(' ').nth(1).unwrap());
    let to = |location: &str| format!("302 Found\r\nlocation: {location}");
    let status = match path {
        "/gone" => "404 Not Found".to_owned(),
        "/no-head" if method == "HEAD" => "405 Method Not Allowed".to_owned(),
        "/forbidden" => "403 Forbidden".to_owned(),
        "/moved" => to("/ok"),
        "/round" => to("/round"),
        "/to-loopback" => to("http://127.0.0.1/"),
        "/to-metadata" => to("http://169.254.169.254/latest/meta-data/"),
        "/to-intern" => to("http://intern.somewhere/"),
        "/to-file" => to("file:///etc/passwd"),
        "/to-port" => to("http://www.somewhere:22/"),
        "/garbage" => {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH\r\n").await;
            return;
        }
        "/slow" => {
            sleep(Duration::from_mins(1)).await;
            return;
        }
        _ => "200 OK".to_owned(),
    };
    // More than anybody would want to read.
    let body = if method == "GET" { "x".repeat(100_000) } else { String::new() };
    let _ = stream
        .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 100000\r\n\r\n{body}").as_bytes())
        .await;
}

const PUBLIC: &str = "93.184.216.34";

/// A web that knows these names, and reaches that server wherever it connects to; and where that was.
fn web(names: &[(&str, &[&str])], server: SocketAddr) -> (PublicWeb, Arc<Mutex<Vec<SocketAddr>>>) {
    let names: HashMap<String, Vec<IpAddr>> = names
        .iter()
        .map(|(name, ips)| ((*name).to_owned(), ips.iter().map(|ip| ip.parse().unwrap()).collect()))
        .collect();
    let dialled = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&dialled);
    let web = PublicWeb::with(
        move |host| {
            let found = names.get(&host).cloned().ok_or_else(|| io::Error::other("no such host"));
            Box::pin(async move { found })
        },
        move |address| {
            seen.lock().unwrap().push(address);
            server
        },
        Vec::new(),
    );
    (web, dialled)
}

fn links(names: &[(&str, &[&str])], server: SocketAddr) -> (Links, Arc<Mutex<Vec<SocketAddr>>>) {
    let (web, dialled) = web(names, server);
    (Links::new(web), dialled)
}

const NAMES: &[(&str, &[&str])] = &[
    ("www.somewhere", &[PUBLIC]),
    ("intern.somewhere", &["10.0.0.5"]),
    ("mixed.somewhere", &[PUBLIC, "127.0.0.1"]),
    ("localhost", &["127.0.0.1", "::1"]),
    ("metadata.somewhere", &["fd00:ec2::254"]),
];

async fn ask(url: &str) -> LinkState {
    let (server, _) = server().await;
    links(NAMES, server).0.ask(&Url::parse(url).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_answers_are_told_apart() {
    for (path, state) in [
        ("/ok", LinkState::Fine),
        ("/gone", LinkState::Dead(404)),
        ("/no-head", LinkState::Fine),
        ("/moved", LinkState::Fine),
        ("/forbidden", LinkState::Uncertain(403)),
        ("/round", LinkState::Loop),
        ("/garbage", LinkState::Unreachable("answer")),
        ("/to-port", LinkState::Unasked),
        ("/to-file", LinkState::NoHost),
    ] {
        assert_eq!(ask(&format!("http://www.somewhere{path}")).await, state, "{path}");
    }
    assert_eq!(ask("http://nowhere.somewhere/").await, LinkState::NoHost);
    assert_eq!(ask("http://www.somewhere:8080/").await, LinkState::Unasked);
    assert_eq!(ask("https://www.somewhere/").await, LinkState::Unreachable("answer"));
    assert_eq!(ask("https://www.lok-lausitz.example/a").await, LinkState::Example);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_must_be_one_that_is_trusted_and_of_this_name() {
    let (server, asked) = server().await;
    let front = tls::front(server, Begins::Encrypted).await;
    let port = front.port;
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(&front.certificate).unwrap().map(Result::unwrap).collect();
    let links = |trusted| {
        let resolve = |_| -> std::pin::Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
            Box::pin(async { Ok(vec![PUBLIC.parse().unwrap()]) })
        };
        Links::new(PublicWeb::with(resolve, move |_| SocketAddr::from(([127, 0, 0, 1], port)), trusted))
    };
    let ask = async |host: &str, trusted| {
        links(trusted).ask(&Url::parse(&format!("https://{host}/ok")).unwrap()).await
    };
    assert_eq!(ask("localhost", Vec::new()).await, LinkState::Unreachable("certificate"));
    assert_eq!(ask("www.somewhere", certificates.clone()).await, LinkState::Unreachable("certificate"));
    assert!(asked.lock().unwrap().is_empty());
    assert_eq!(ask("localhost", certificates).await, LinkState::Fine);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_that_is_not_public_is_ever_connected_to() {
    let (server, asked) = server().await;
    let (links, dialled) = links(NAMES, server);
    for url in [
        "http://127.0.0.1/",
        "http://127.0.0.1:22/",
        "http://[::1]/",
        "http://[::]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://0/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://10.1.2.3/",
        "http://100.64.0.1/",
        "http://192.168.0.1/",
        "http://[fd12::1]/",
        "http://[fe80::1]/",
        "http://224.0.0.1/",
        "http://localhost/",
        "http://localhost./",
        "http://LOCALHOST/",
        "http://intern.somewhere/",
        "http://mixed.somewhere/",
        "http://metadata.somewhere/",
        "http://user:pass@127.0.0.1/",
        "http://１２７.0.0.1/",
    ] {
        assert_eq!(links.ask(&Url::parse(url).unwrap()).await, LinkState::Private, "{url}");
    }
    assert!(dialled.lock().unwrap().is_empty() && asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_leads_no_further_than_a_link_would() {
    for path in ["/to-loopback", "/to-metadata", "/to-intern"] {
        let (server, asked) = server().await;
        let (links, dialled) = links(NAMES, server);
        let url = Url::parse(&format!("http://www.somewhere{path}")).unwrap();
        assert_eq!(links.ask(&url).await, LinkState::Private, "{path}");
        assert_eq!(asked.lock().unwrap().len(), 1);
        let public: SocketAddr = format!("{PUBLIC}:80").parse().unwrap();
        assert_eq!(*dialled.lock().unwrap(), [public]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_a_moment_later_changes_nothing() {
    let (server, _) = server().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let dialled = Arc::new(Mutex::new(Vec::new()));
    let (counted, seen) = (Arc::clone(&asked), Arc::clone(&dialled));
    let web = PublicWeb::with(
        move |_| {
            // Public when it is looked at, and this machine when it would be looked up again to connect.
            let ip = if counted.fetch_add(1, Ordering::SeqCst) == 0 { PUBLIC } else { "127.0.0.1" };
            Box::pin(async move { Ok(vec![ip.parse().unwrap()]) })
        },
        move |address| {
            seen.lock().unwrap().push(address.ip());
            server
        },
        Vec::new(),
    );
    let links = Links::new(web);
    // Two requests: HEAD is not taken.
    assert_eq!(links.ask(&Url::parse("http://www.somewhere/no-head").unwrap()).await, LinkState::Fine);
    let public: IpAddr = PUBLIC.parse().unwrap();
    assert_eq!(*dialled.lock().unwrap(), [public, public]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_is_public_and_no_longer_than_it_may_be() {
    let (server, asked) = server().await;
    let (web, dialled) = web(NAMES, server);
    let fetch = async |url: &str, most| {
        web.fetch(Url::parse(url).unwrap(), most, "Test").await.map(|body| body.len())
    };
    assert_eq!(fetch("http://www.somewhere/moved", 100_000).await, Ok(100_000));
    assert_eq!(fetch("http://www.somewhere/ok", 99_999).await, Err(NotReached::Failed("answer").into()));
    assert_eq!(fetch("http://www.somewhere/gone", 100_000).await, Err(FetchError::Status(404)));
    assert_eq!(fetch("http://www.somewhere/round", 100_000).await, Err(FetchError::Loop));
    assert_eq!(fetch("http://www.somewhere:8080/", 100_000).await, Err(NotReached::NotAsked.into()));
    for (url, connects) in [
        ("http://127.0.0.1/", 0),
        ("http://[::ffff:169.254.169.254]/", 0),
        ("http://mixed.somewhere/", 0),
        ("http://www.somewhere/to-loopback", 1),
        ("http://www.somewhere/to-metadata", 1),
    ] {
        dialled.lock().unwrap().clear();
        asked.lock().unwrap().clear();
        assert_eq!(fetch(url, 100_000).await, Err(NotReached::Private.into()), "{url}");
        assert_eq!(
            (dialled.lock().unwrap().len(), asked.lock().unwrap().len()),
            (connects, connects),
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_holds_nobody_up_for_long() {
    assert_eq!(ask("http://www.somewhere/slow").await, LinkState::Unreachable("slow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_learn_who_asks_and_nothing_of_any_reader_and_are_asked_once() {
    let (server, asked) = server().await;
    let (links, _) = links(NAMES, server);
    for url in ["http://www.somewhere/ok?a=1#part", "http://www.somewhere/ok?a=1#other"] {
        assert_eq!(links.ask(&Url::parse(url).unwrap()).await, LinkState::Fine);
    }
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let mut lines: Vec<&str> = asked[0].trim().lines().collect();
    assert_eq!(lines.remove(0), "HEAD /ok?a=1 HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(lines[0], "accept: */*");
    assert_eq!(lines[1..3], ["connection: close", "host: www.somewhere"]);
    assert!(lines[3].starts_with("user-agent: Rundbrief/") && lines.len() == 4, "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_addresses_are_not_requested_and_each_finding_says_where_to_correct_it() {
    let (server, asked) = server().await;
    let (links, _) = links(NAMES, server);
    let target = |url: &str, place, line| Target { url: Url::parse(url).unwrap(), place, line };
    let targets = vec![
        target("https://brief.example.org/?lang=en", Place::Body, Some(1)),
        target("http://www.somewhere/gone", Place::Link, None),
        target("http://www.somewhere/forbidden", Place::Body, Some(7)),
        target("http://10.0.0.1/", Place::Image, None),
        target("http://www.somewhere:25/", Place::Body, Some(8)),
    ];
    let own = PublicUrl::parse("https://brief.example.org").unwrap();
    let found = links.check(targets, &own, &Hosted::default()).await;
    let found: Vec<_> = found.iter().map(|finding| (finding.code, finding.place, finding.line)).collect();
    assert_eq!(
        found,
        [
            (Code::LinkDead, Place::Link, None),
            (Code::LinkUncertain, Place::Body, Some(7)),
            (Code::LinkPrivate, Place::Image, None),
            (Code::LinksUnchecked, Place::Body, None),
        ]
    );
    assert!(asked.lock().unwrap().iter().all(|head| !head.contains("brief.example.org")));
}
