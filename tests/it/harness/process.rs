//! The real program as a process that can be killed, put to sleep and woken.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use axum::http::Method;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    TestApp, database,
    http::{self, Answer},
};

/// A running process; killed when it is dropped.
pub struct Running {
    child: Child,
    pid: u32,
    log: JoinHandle<String>,
    address: Option<SocketAddr>,
}

/// Starts the program beside `app`, on its database and relay.
pub fn start(app: &TestApp, arguments: &[&str], settings: &[(&str, &str)]) -> Running {
    let dir = database::scratch("cwd");
    std::fs::create_dir_all(&dir).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rundbrief"));
    command
        .args(arguments)
        .current_dir(&dir)
        .env_clear()
        .envs(app.settings.iter().map(|(name, value)| (*name, value.as_str())))
        .envs(settings.iter().copied())
        .env("RUST_LOG", "debug,sqlx=warn,hyper=warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("the program starts");
    let pid = child.id().unwrap();
    let stderr = child.stderr.take().unwrap();
    let log = tokio::spawn(async move {
        let mut text = String::new();
        let mut reader = BufReader::new(stderr);
        while reader.read_line(&mut text).await.is_ok_and(|read| read > 0) {}
        let _ = reader.read_to_string(&mut text).await;
        let _ = std::fs::remove_dir_all(dir);
        text
    });
    Running { child, pid, log, address: None }
}

/// Starts `serve` on a free port and waits until it answers.
pub async fn serve(app: &TestApp) -> Running {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut running = start(app, &["serve"], &[("LISTEN_ADDR", &free.to_string())]);
    running.address = Some(free);
    let up = async {
        while TcpStream::connect(free).await.is_err() {
            assert!(running.child.try_wait().unwrap().is_none(), "the program ended at once");
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), up).await.expect("the program listens within 30 s");
    running
}

impl Running {
    /// POST of a form to this process.
    pub async fn post(&self, path: &str, form: &str) -> Answer {
        let headers = [("accept-language", "de"), ("content-type", "application/x-www-form-urlencoded")];
        http::send(self.address.expect("a serving process"), Method::POST, path, &headers, form.to_owned())
            .await
    }

    /// Kills it as the system does when memory runs out: at once, with no chance to tidy up.
    pub async fn kill_9(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends it a signal by its short name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let sent =
            std::process::Command::new("kill").arg(format!("-{name}")).arg(self.pid.to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Ends it as SIGTERM does; answers everything it logged.
    pub async fn end(mut self) -> String {
        self.signal("TERM");
        let status = timeout(Duration::from_secs(15), self.child.wait()).await.expect("it ends").unwrap();
        assert!(status.success(), "{status}");
        self.log.await.unwrap()
    }
}
