//! The real program as a web service, without a worker.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::{
    net::TcpStream,
    process::Child,
    time::{sleep, timeout},
};

use crate::{program, secret_key, server::Server};

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
        let mut command = program::command(server.dir(), &["serve", "--no-worker"]);
        command
            .env("DATABASE_URL", database_url)
            .env("PUBLIC_URL", "https://brief.example.org")
            .env("SECRET_KEY", secret_key())
            .env("SMTP_URL", "smtp://127.0.0.1:9?tls=none")
            .env("LISTEN_ADDR", address.to_string())
            // As everywhere it is watched whether there is a surge, and then a signup would have to bring a proof of
            // work. What is measured here is signups that need none.
            .env("SIGNUPS_IN_ALL", "1000000")
            .env("SIGNUPS_PER_CLIENT", "1000000")
            .env("SIGNUPS_PER_RANGE", "1000000")
            .env("REQUESTS_PER_CLIENT", "0");
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
    pub async fn end(self) -> anyhow::Result<()> {
        program::end(self.child).await
    }
}
