//! The bench of sending: how fast the service hands over a mailing, and how that changes with its size.
//!
//! ```text
//! cargo bench --bench sending -- speed    two sizes of mail over 1, 8 and 32 connections, beside a floor
//! cargo bench --bench sending -- signed   with DKIM_KEYS, beside bare signing on all processors
//! cargo bench --bench sending -- scale    10,000 recipients, 100,000, a million
//! cargo bench --bench sending -- metrics  with somebody who reads the metrics, and without
//! ```
//!
//! Four parties share the machine: the real program as a worker ([`pipeline`]), a private Postgres that waits for the
//! disk as in real life ([`server`]), an SMTP server that takes everything ([`sink`]), and this process, which sleeps
//! nearly all the time. What SMTP alone could do on the same machine is the [`floor`]: the same bytes, the same
//! client, no database. Commits are as slow as the disk under the folder for temporary files (`TMPDIR`); in memory they
//! would cost nothing, and the result would say nothing.
//!
//! Sink and floor are this program itself, started again with another first argument. CPU time and memory come from
//! `/proc`, so the bench runs on Linux alone.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unchecked_time_subtraction,
    reason = "a bench prints what it measured, its roles tell each other what they did, and time goes forward"
)]

mod floor;
mod measure;
mod metrics;
mod newsletter;
mod pipeline;
#[path = "../common/program.rs"]
mod program;
mod scale;
#[path = "../common/server.rs"]
mod server;
mod signing;
mod sink;
mod speed;
#[path = "../common/subscribers.rs"]
mod subscribers;
#[path = "../common/table.rs"]
mod table;

use std::{env, path::PathBuf};

use anyhow::anyhow;
use clap::{Parser, Subcommand};
use tokio::{runtime::Runtime, signal::ctrl_c};

use crate::{floor::Way, metrics::Metrics, scale::Scale, server::Server, signing::Signed, speed::Speed};

/// How fast the service hands over a mailing. Without a word on what to measure: its speed.
#[derive(Parser)]
#[command(name = "sending", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    speed: Speed,
}

/// What this process is.
#[derive(Subcommand)]
enum Role {
    #[command(flatten)]
    Bench(Bench),
    /// An SMTP server that takes every mail and keeps none; ends with its standard input.
    #[command(hide = true)]
    Sink {
        /// How many mails are expected.
        expected: u32,
    },
    /// A client that sends one message again and again, without a database.
    #[command(hide = true)]
    Floor {
        /// How it hands over a message.
        way: Way,
        /// The sink's port on 127.0.0.1.
        port: u16,
        /// Open connections.
        connections: u32,
        /// How many times, over all connections together.
        mails: u32,
        /// The file that holds the message.
        message: PathBuf,
    },
}

/// What there is to measure.
#[derive(Subcommand)]
enum Bench {
    /// Mails a second, by size and number of connections.
    Speed(Speed),
    /// Signed mails a second, beside bare signing.
    Signed(Signed),
    /// Whether ever larger mailings stay as fast, and as small in memory.
    Scale(Scale),
    /// What metrics cost a mailing at full speed.
    Metrics(Metrics),
}

fn main() -> anyhow::Result<()> {
    // Cargo tells every bench that it is one.
    let arguments = Arguments::parse_from(env::args_os().filter(|argument| argument != "--bench"));
    match arguments.role.unwrap_or(Role::Bench(Bench::Speed(arguments.speed))) {
        Role::Bench(bench) => Runtime::new()?.block_on(measure(bench)),
        Role::Sink { expected } => sink::serve(expected),
        Role::Floor { way, port, connections, mails, message } => {
            floor::send(way, port, connections, mails, &message)
        }
    }
}

/// Measures on a server of its own, and leaves nothing behind, not even after Ctrl-C.
async fn measure(bench: Bench) -> anyhow::Result<()> {
    let server = Server::start().await?;
    let measuring = async {
        match bench {
            Bench::Speed(speed) => speed.run(&server).await,
            Bench::Signed(signed) => signed.run(&server).await,
            Bench::Scale(scale) => scale.run(&server).await,
            Bench::Metrics(metrics) => metrics.run(&server).await,
        }
    };
    let measured = tokio::select! {
        measured = measuring => measured,
        _ = ctrl_c() => Err(anyhow!("interrupted")),
    };
    let stopped = server.stop().await;
    measured.and(stopped)
}
