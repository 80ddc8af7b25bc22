//! The real program as a web service, without a worker.

use std::{env, net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{secret_key, server::Server};

/// A running service. Killed when it is dropped.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Service {
    /// Starts it and waits until it listens.
    pub async fn start(server: &Server, database_url: &str) -> anyhow::Result<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_rundbrief"));
        // In a folder without `.env`, and with no setting but ours.
        command.args(["serve", "--no-worker"]).current_dir(server.dir()).env_clear();
        for name in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("DATABASE_URL", database_url)
            .env("PUBLIC_URL", "https://brief.example.org")
            .env("SECRET_KEY", secret_key())
            .env("SMTP_URL", "smtp://127.0.0.1:9?tls=none")
            .env("LISTEN_ADDR", address.to_string())
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let child = command.spawn().context("the service could not be started")?;
        let listens = async {
            while TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(30), listens).await.context("the service does not listen")?;
        Ok(Self { address, child })
    }

    /// Ends it as an operator would, and waits for that.
    pub async fn end(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().context("the service has ended")?;
        // The shell has `kill` built in, wherever the program of that name is.
        let kill = format!("kill -TERM {pid}");
        let sent = Command::new("/bin/sh").args(["-c", &kill]).status().await?;
        ensure!(sent.success(), "{kill}: {sent}");
        let ended = timeout(Duration::from_secs(30), self.child.wait()).await;
        let status = ended.context("the service does not end")??;
        ensure!(status.success(), "the service failed: {status}");
        Ok(())
    }
}
