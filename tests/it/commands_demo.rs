//! The demo: one command, no configuration, and nothing left running afterwards.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use axum::http::Method;
use tokio::time::{sleep, timeout};

use crate::harness::{
    Answer,
    database::scratch,
    http,
    program::{Program, Running},
};

/// A demo's folder; goes away in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(scratch("demo"))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }

    /// Whether a database server lives in it.
    fn has_server(&self) -> bool {
        let postgres = self.0.join("postgres");
        postgres.join(".s.PGSQL.5432").exists() || postgres.join("data/postmaster.pid").exists()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts the demo and waits until it has introduced itself; answers what it said.
async fn start(program: &Program, port: u16, folder: &Folder) -> (Running, String) {
    let mut demo = program.start(&["demo", "--port", &port.to_string(), "--dir", folder.path()]);
    let said = demo.says("Ctrl-C").await;
    (demo, said)
}

async fn get(port: u16, path: &str) -> Answer {
    http::send(SocketAddr::from(([127, 0, 0, 1], port)), Method::GET, path, &[], "").await
}

/// The word behind a text.
fn word_after<'a>(text: &'a str, before: &str) -> &'a str {
    let rest = text.split(before).nth(1).expect("the text stands there");
    rest.split_whitespace().next().expect("a word behind it")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_does_the_whole_job_and_stops_with_nothing_left_running() {
    let (folder, port) = (Folder::new(), free_port());
    let program = Program::alone();
    let (demo, said) = start(&program, port, &folder).await;
    for address in [format!("http://127.0.0.1:{port}/\n"), format!("http://127.0.0.1:{port}/inbox\n")] {
        assert!(said.contains(&address), "{address} in {said}");
    }
    for page in ["/", "/inbox"] {
        assert_eq!(get(port, page).await.status, 200, "{page}");
    }

    // The command it prints, in "another terminal".
    let (env, update) = (word_after(&said, "--env-file "), word_after(&said, "mailings trigger "));
    let other = Program::alone();
    let trigger = ["--env-file", env, "mailings", "trigger", update, "--yes", "--json"];
    assert_eq!(other.run(&trigger).await.json()["audience"], 5);
    let all_came = async {
        while get(port, "/inbox/5").await.status != 200 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(30), all_came).await.expect("five mails in the inbox");
    let source = get(port, "/inbox/5/source").await;
    assert!(source.body.contains("List-Unsubscribe:"), "{}", source.body);
    for view in ["/inbox/5/text", "/inbox/5/body.html", "/inbox/pictures/seenland.png"] {
        assert_eq!(get(port, view).await.status, 200, "{view}");
    }
    assert!(get(port, "/inbox").await.body.contains("an anna.becker@example.org"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    for host in ["evil.example", "evil.example:80", "localhost.evil.example"] {
        for page in ["/inbox", "/inbox/5", "/inbox/5/source", "/inbox/5/body.html"] {
            let answer = http::send(address, Method::GET, page, &[("host", host)], "").await;
            assert_eq!(answer.status, 421, "{page}");
            assert!(!answer.body.contains("becker"), "{page}");
        }
    }
    assert_eq!(http::send(address, Method::GET, "/inbox", &[("host", "localhost")], "").await.status, 200);

    // One folder, one demo.
    let second = other.run(&["demo", "--port", &free_port().to_string(), "--dir", folder.path()]).await;
    assert!(second.refused(1).contains("--dir"), "{second:?}");

    assert!(folder.has_server());
    demo.signal("INT");
    let ended = demo.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!folder.has_server(), "the database server goes with it");

    // What was done is there the next time, on the same port.
    let (demo, said) = start(&program, port, &folder).await;
    assert_eq!(get(port, "/").await.status, 200);
    let list = ["--env-file", word_after(&said, "--env-file "), "mailings", "list", "--json"];
    let is_done = async {
        while other.run(&list).await.json()[0]["state"] != "done" {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(30), is_done).await.expect("the mailing of the last time is there, and done");
    demo.signal("TERM");
    assert_eq!(demo.ended().await.code, Some(0));
    assert!(!folder.has_server());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_told_with_the_way_out_before_anything_is_started() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = Program::alone().run(&["demo", "--port", &port, "--dir", folder.path()]).await;
    let told = ran.refused(1);
    assert!(told.contains(&format!("port {port} is taken")) && told.contains("--port"), "{told}");
    assert!(!Path::new(folder.path()).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_killed_with_9_takes_its_database_with_it_and_starts_again() {
    let (folder, port) = (Folder::new(), free_port());
    let program = Program::alone();
    let (demo, _) = start(&program, port, &folder).await;
    demo.signal("KILL");
    assert_eq!(demo.ended().await.code, None);
    let server_ends = async {
        while folder.has_server() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), server_ends).await.expect("the database server ends by itself");

    let (demo, _) = start(&program, port, &folder).await;
    assert_eq!(get(port, "/").await.status, 200);
    demo.signal("INT");
    assert_eq!(demo.ended().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_killed_with_9_can_be_started_again_at_once() {
    let (folder, port) = (Folder::new(), free_port());
    let program = Program::alone();
    let (mut demo, _) = start(&program, port, &folder).await;
    // More than once: whether the old database server is still stopping is a matter of milliseconds.
    for _ in 0..4 {
        demo.signal("KILL");
        assert_eq!(demo.ended().await.code, None);
        (demo, _) = start(&program, port, &folder).await;
        assert_eq!(get(port, "/").await.status, 200);
    }
    // It stands on a server of its own: the old one's end is not its end.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(get(port, "/health/ready").await.status, 200);
    demo.signal("INT");
    assert_eq!(demo.ended().await.code, Some(0));
}
