//! What it costs to be watched: mailings with and without somebody who reads the metrics, in turns.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::Args;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::{
    newsletter::Newsletter,
    pipeline::{self, Sent},
    server::Server,
    table::{Table, whole},
};

/// Size of the mail, in KB: the smaller, the more the rest shows.
const KILOBYTES: usize = 2;

/// What metrics cost a mailing at full speed.
#[derive(Args)]
pub struct Metrics {
    /// Recipients of each mailing.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(100..))]
    recipients: u32,
    /// Open SMTP connections.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=512))]
    connections: u32,
    /// Seconds from one reading to the next; Prometheus reads every 15 or 60.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Rounds of four mailings each: without, with, with, without, so that a machine that gets slower or faster favours
    /// neither.
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

impl Metrics {
    /// Sends them and prints the table.
    pub async fn run(&self, server: &Server) -> anyhow::Result<()> {
        let (mut unread, mut read) = (Vec::new(), Vec::new());
        let mut readings = 0;
        for _ in 0..self.rounds {
            for is_read in [false, true, true, false] {
                let mut newsletter = Newsletter::prepare(server, self.recipients, KILOBYTES).await?;
                let sent = if is_read {
                    let address = free_address().await?;
                    tokio::select! {
                        sent = pipeline::send(server, &mut newsletter, self.connections, Some(address)) => sent?,
                        failed = self.read_again_and_again(address, &mut readings) => failed?,
                    }
                } else {
                    pipeline::send(server, &mut newsletter, self.connections, None).await?
                };
                newsletter.discard(server).await?;
                eprintln!("{}: {} mails/s", name(is_read), whole(sent.rate()));
                if is_read { &mut read } else { &mut unread }.push(sent);
            }
        }
        ensure!(readings > 0, "nothing was read: the mailings were too short");
        println!(
            "{}; {} recipients, {} connections, {} rounds, {readings} readings, one every {} s\n\n{}",
            server.describe().await?,
            whole(self.recipients),
            self.connections,
            self.rounds,
            self.every,
            self.table(&unread, &read)
        );
        Ok(())
    }

    /// Ends only with an error.
    async fn read_again_and_again<T>(&self, address: SocketAddr, readings: &mut u32) -> anyhow::Result<T> {
        let every = Duration::from_secs(self.every);
        let mut clock = interval_at(Instant::now() + every, every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            // The listener opens a moment after the worker has started.
            let Ok(stream) = TcpStream::connect(address).await else { continue };
            let text = read_once(stream).await.context("the metrics could not be read")?;
            ensure!(text.contains("rundbrief_database_up 1"), "the metrics lack the database: {text}");
            *readings += 1;
        }
    }

    fn table(&self, unread: &[Sent], read: &[Sent]) -> Table {
        let micros = |used: Duration| format!("{:.1}", used.as_secs_f64() * 1e6 / f64::from(self.recipients));
        let mut table = Table::new(["", "mails/s", "worker, µs/mail", "Postgres, µs/mail"]);
        let mut rates = Vec::new();
        for (is_read, sent) in [(false, unread), (true, read)] {
            let rate = median(sent, Sent::rate);
            rates.push(rate);
            table.row([
                name(is_read).to_owned(),
                whole(rate),
                micros(Duration::from_secs_f64(median(sent, |sent| sent.used.worker.as_secs_f64()))),
                micros(Duration::from_secs_f64(median(sent, |sent| sent.used.postgres.as_secs_f64()))),
            ]);
        }
        table.row([
            "read ÷ unread".to_owned(),
            format!("{:.3}", rates[1] / rates[0]),
            String::new(),
            String::new(),
        ]);
        table
    }
}

fn name(is_read: bool) -> &'static str {
    if is_read { "metrics read" } else { "metrics unread" }
}

/// Of an even number: the mean of the two in the middle.
fn median(sent: &[Sent], of: impl Fn(&Sent) -> f64) -> f64 {
    let mut values: Vec<f64> = sent.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    f64::midpoint(values[middle], values[values.len() - 1 - middle])
}

/// Where nobody listens now.
async fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?)
}

async fn read_once(mut stream: TcpStream) -> anyhow::Result<String> {
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
