//! How fast people get in and out: `POST /subscribe` and `POST /unsubscribe/…`, beside what the database alone could do.
//!
//!     make bench-signup
//!
//! Three processes share the machine: the real program as a web service ([`service`]), a private Postgres that waits for
//! the disk as in real life ([`server`]), and this one, which is the visitors ([`visitors`]). The floor is the same
//! transaction, by the same functions, over as many plain connections and without HTTP ([`floor`]).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it measured")]

mod floor;
#[path = "../common/program.rs"]
mod program;
#[expect(dead_code, reason = "the other bench also asks for the server's process")]
#[path = "../common/server.rs"]
mod server;
mod service;
#[path = "../common/subscribers.rs"]
mod subscribers;
#[path = "../common/table.rs"]
mod table;
mod visitors;

use std::{env, str::FromStr, time::Duration};

use anyhow::anyhow;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use clap::Parser;
use rundbrief::{
    config::SecretKeys,
    domain::{
        ids::SubscriberId,
        publication::{self, Content},
        token::{LinkPurpose, subscriber_token},
    },
};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{runtime::Runtime, signal::ctrl_c};

use crate::{
    floor::Work,
    server::Server,
    service::Service,
    table::{Table, whole},
    visitors::{Load, Measured, Post},
};

const DATABASE: &str = "bench";

/// How fast signups and unsubscribes are answered.
#[derive(Parser)]
#[command(name = "signup")]
struct Arguments {
    /// Sizes of the list.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1_000_u32, 1_000_000])]
    subscribers: Vec<u32>,
    /// Visitors at once.
    #[arg(long, value_name = "N", default_value_t = 64)]
    clients: u32,
    /// Signups a run.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    signups: u32,
}

fn main() -> anyhow::Result<()> {
    // Cargo tells every bench that it is one.
    let arguments = Arguments::parse_from(env::args_os().filter(|argument| argument != "--bench"));
    Runtime::new()?.block_on(async {
        let server = Server::start().await?;
        let measured = tokio::select! {
            measured = arguments.measure(&server) => measured,
            _ = ctrl_c() => Err(anyhow!("interrupted")),
        };
        measured.and(server.stop().await)
    })
}

impl Arguments {
    async fn measure(&self, server: &Server) -> anyhow::Result<()> {
        let mut table = Table::new([
            "what",
            "subscribers",
            "floor/s",
            "service/s",
            "ratio",
            "at half load: p50, ms",
            "p99, ms",
            "longest, ms",
        ]);
        for &subscribers in &self.subscribers {
            let list = List::prepare(server, subscribers).await?;
            let service = Service::start(server, &list.url).await?;
            table.row(self.signups(&list, &service).await?);
            table.row(self.unsubscribes(&list, &service).await?);
            service.end().await?;
            list.discard(server).await?;
        }
        println!("{}; {} visitors at once\n\n{table}", server.describe().await?, self.clients);
        Ok(())
    }

    async fn signups(&self, list: &List, service: &Service) -> anyhow::Result<Vec<String>> {
        let work = (0..self.signups).map(Work::Signup).collect();
        let floor = floor::measure(&list.url, self.clients, work).await?;
        let post = |number: u32, run: &str| Post {
            path: "/subscribe".into(),
            form: format!("email=visitor{number}.{run}%40example.org&locale=de"),
            expected: 303,
        };
        let posts = (0..self.signups).map(|number| post(number, "a")).collect();
        let most = visitors::send(service.address, self.clients, posts, Load::AsFastAsPossible).await?;
        let posts = (0..self.signups / 2).map(|number| post(number, "b")).collect();
        let half =
            visitors::send(service.address, self.clients, posts, Load::PerSecond(most.rate() / 2.0)).await?;
        Ok(cells("signup", list, floor, &most, &half))
    }

    async fn unsubscribes(&self, list: &List, service: &Service) -> anyhow::Result<Vec<String>> {
        // A quarter of the list for each run, and one that stays.
        let count = (list.ids.len() / 4).min(usize::try_from(self.signups / 2)?);
        let (first, rest) = list.ids.split_at(count);
        let (second, rest) = rest.split_at(count);
        let work = first.iter().copied().map(Work::Unsubscribe).collect();
        let floor = floor::measure(&list.url, self.clients, work).await?;
        let posts = |ids: &[SubscriberId]| {
            ids.iter()
                .map(|id| Post {
                    path: format!(
                        "/unsubscribe/{}",
                        subscriber_token(&list.keys, LinkPurpose::Unsubscribe, *id)
                    ),
                    form: "List-Unsubscribe=One-Click".into(),
                    expected: 200,
                })
                .collect::<Vec<Post>>()
        };
        let most =
            visitors::send(service.address, self.clients, posts(second), Load::AsFastAsPossible).await?;
        let load = Load::PerSecond(most.rate() / 2.0);
        let half = visitors::send(service.address, self.clients, posts(&rest[..count]), load).await?;
        Ok(cells("unsubscribe", list, floor, &most, &half))
    }
}

fn cells(what: &str, list: &List, floor: f64, most: &Measured, half: &Measured) -> Vec<String> {
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1_000.0);
    vec![
        what.to_owned(),
        whole(list.size),
        whole(floor),
        whole(most.rate()),
        format!("{:.2}", most.rate() / floor),
        ms(half.quantile(50)),
        ms(half.quantile(99)),
        ms(half.quantile(100)),
    ]
}

/// A database with a publication and subscribers.
struct List {
    size: u32,
    url: String,
    keys: SecretKeys,
    /// Some of the subscribers.
    ids: Vec<SubscriberId>,
}

fn secret_key() -> String {
    STANDARD.encode([7; 32])
}

impl List {
    async fn prepare(server: &Server, size: u32) -> anyhow::Result<Self> {
        let url = server.make_database(DATABASE).await?;
        let mut db: PgConnection = PgConnectOptions::from_str(&url)?.connect().await?;
        let content = Content::parse(include_str!("../../publication.example.toml"))?;
        publication::apply(&mut db, &content, Utc::now()).await?;
        subscribers::subscribe(&mut db, size).await?;
        let ids = sqlx::query_scalar("select id from subscribers order by md5(email) limit 100000")
            .fetch_all(&mut db)
            .await?;
        db.close().await?;
        Ok(Self { size, url, keys: SecretKeys::parse(&secret_key())?, ids })
    }

    async fn discard(self, server: &Server) -> anyhow::Result<()> {
        server.drop_database(DATABASE).await
    }
}
