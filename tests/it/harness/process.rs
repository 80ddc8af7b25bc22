//! The service and its workers as separate processes, which can be killed, suspended and resumed.

use std::{net::SocketAddr, time::Duration};

use axum::http::Method;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    TestApp,
    http::{self, Answer},
    program::{Memory, Program, Running},
};

/// A running process; killed when it is dropped.
pub struct Process {
    running: Running,
    /// Its working directory goes with it.
    _program: Program,
    address: Option<SocketAddr>,
}

/// Starts a worker on the database and relay of `app`.
pub fn worker(app: &TestApp, settings: &[(&'static str, &str)]) -> Process {
    start(Program::beside(app), "worker", settings)
}

/// Starts `serve` on a free port and waits until it answers.
pub async fn serve(app: &TestApp) -> Process {
    serve_as(Program::beside(app)).await
}

/// The same as a process that may have so many files open.
pub async fn serve_with_files(app: &TestApp, files: u32) -> Process {
    serve_as(Program::beside(app).open_files(files)).await
}

async fn serve_as(program: Program) -> Process {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut process = start(program, "serve", &[("LISTEN_ADDR", &free.to_string())]);
    process.address = Some(free);
    let up = async {
        while TcpStream::connect(free).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), up).await.expect("the program listens within 30 s");
    process
}

fn start(mut program: Program, command: &str, settings: &[(&'static str, &str)]) -> Process {
    program = program.setting("RUST_LOG", "debug,sqlx=warn,hyper=warn");
    for (name, value) in settings {
        program = program.setting(name, value);
    }
    Process { running: program.start(&[command]), _program: program, address: None }
}

impl Process {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("a process that serves")
    }

    /// Begins to measure how much memory it holds, where the system tells it.
    pub fn memory(&self) -> Option<Memory> {
        self.running.memory()
    }

    /// POST of a form to this process.
    pub async fn post(&self, path: &str, form: &str) -> Answer {
        let headers = [("accept-language", "de"), ("content-type", "application/x-www-form-urlencoded")];
        let address = self.address.expect("a process that serves");
        http::send(address, Method::POST, path, &headers, form.to_owned()).await
    }

    /// Kills it as the system does when memory runs out: at once, with no chance to tidy up. Answers everything it had
    /// logged.
    pub async fn kill_9(self) -> String {
        self.running.signal("KILL");
        let ran = self.running.ended().await;
        assert_eq!(ran.code, None, "a signal ended it");
        ran.stderr
    }

    /// Sends it a signal by its short name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        self.running.signal(name);
    }

    /// Ends it as SIGTERM does; answers everything it logged.
    pub async fn end(self) -> String {
        self.running.signal("TERM");
        let ran = self.running.ended().await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stderr
    }
}
