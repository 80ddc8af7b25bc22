//! Scale: whether a mailing to a million is sent as one to ten thousand, mail by mail.

use std::time::Duration;

use clap::Args;
use sqlx::PgConnection;
use tokio::time::sleep;

use crate::{
    measure::per_second,
    newsletter::Newsletter,
    pipeline::{self, Sent},
    server::Server,
    table::{Table, whole},
};

/// Size of the mail, in KB.
const KILOBYTES: usize = 2;

/// The tables that a mailing is sent from.
const TABLES: [&str; 2] = ["deliveries", "batches"];

/// Whether ever larger mailings stay as fast, and as small in memory.
#[derive(Args)]
pub struct Scale {
    /// Open SMTP connections.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=512))]
    connections: u32,
    /// Recipients of the largest mailing.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..))]
    most: u32,
}

/// A mailing, and what it left in the database.
struct Step {
    recipients: u32,
    sent: Sent,
    /// In the order of [`TABLES`].
    traces: Vec<Traces>,
}

/// The state of a table: numbers of rows, and sizes in MiB.
#[derive(sqlx::FromRow)]
struct Traces {
    live: i64,
    dead: i64,
    updated: i64,
    /// Updates that stayed on their page and touched no index.
    hot: i64,
    table_size: f64,
    index_size: f64,
    total_size: f64,
}

impl Scale {
    /// Sends ever larger mailings and prints the table, a column each.
    pub async fn run(&self, server: &Server) -> anyhow::Result<()> {
        let smaller = [10_000, 100_000].into_iter().filter(|recipients| *recipients < self.most);
        let mut steps = Vec::new();
        for recipients in smaller.chain([self.most]) {
            eprintln!("{} recipients …", whole(recipients));
            let step = self.measure(server, recipients).await?;
            eprintln!("{} recipients: {} mails/s", whole(recipients), whole(step.sent.rate()));
            steps.push(step);
        }
        println!("{}; {} connections\n\n{}", server.describe().await?, self.connections, table(&steps));
        Ok(())
    }

    async fn measure(&self, server: &Server, recipients: u32) -> anyhow::Result<Step> {
        let mut newsletter = Newsletter::prepare(server, recipients, KILOBYTES).await?;
        let sent = pipeline::send(server, &mut newsletter, self.connections, None).await?;
        // Before Postgres 15, statistics take half a second on their way.
        sleep(Duration::from_secs(1)).await;
        let mut traces = Vec::new();
        for table in TABLES {
            traces.push(traces_in(&mut newsletter.db, table).await?);
        }
        newsletter.discard(server).await?;
        Ok(Step { recipients, sent, traces })
    }
}

async fn traces_in(db: &mut PgConnection, table: &str) -> sqlx::Result<Traces> {
    sqlx::query_as(
        "select n_live_tup as live, n_dead_tup as dead, n_tup_upd as updated, n_tup_hot_upd as hot,
             round(pg_table_size(relid) / 1048576.0, 1)::float8 as table_size,
             round(pg_indexes_size(relid) / 1048576.0, 1)::float8 as index_size,
             round(pg_total_relation_size(relid) / 1048576.0, 1)::float8 as total_size
         from pg_stat_user_tables where relname = $1",
    )
    .bind(table)
    .fetch_one(db)
    .await
}

fn table(steps: &[Step]) -> Table {
    let head = steps.iter().map(|step| whole(step.recipients));
    let mut table = Table::new(["recipients".to_owned()].into_iter().chain(head));
    let mut row = |what: &str, cell: &dyn Fn(&Step) -> String| {
        table.row([what.to_owned()].into_iter().chain(steps.iter().map(cell)));
    };
    row("trigger, ms", &|step| whole(step.sent.trigger.as_millis()));
    row("fan-out, s", &|step| format!("{:.2}", step.sent.fan_out.as_secs_f64()));
    row("fan-out, rows/s", &|step| whole(per_second(step.recipients, step.sent.fan_out)));
    row("sending, s", &|step| format!("{:.1}", step.sent.sending.as_secs_f64()));
    row("mails/s", &|step| whole(step.sent.rate()));
    for tenth in 1..=10 {
        row(&format!("mails/s, tenth {tenth}"), &|step| whole(step.sent.rate_of_tenth(tenth)));
    }
    row("last ÷ first tenth", &|step| {
        format!("{:.2}", step.sent.rate_of_tenth(10) / step.sent.rate_of_tenth(1))
    });
    for tenth in 1..=10 {
        row(&format!("worker, MiB, after tenth {tenth}"), &|step| whole(step.sent.tenths[tenth].memory));
    }
    row("worker's peak, MiB", &|step| whole(step.sent.peak));
    for (at, name) in TABLES.into_iter().enumerate() {
        row(&format!("{name}: live rows"), &|step| whole(step.traces[at].live));
        row(&format!("{name}: dead rows"), &|step| whole(step.traces[at].dead));
        row(&format!("{name}: updates"), &|step| whole(step.traces[at].updated));
        row(&format!("{name}: updates that touched no index, %"), &|step| {
            let Traces { hot, updated, .. } = step.traces[at];
            whole(100 * hot / updated.max(1))
        });
        row(&format!("{name}: table, MiB"), &|step| format!("{:.1}", step.traces[at].table_size));
        row(&format!("{name}: indexes, MiB"), &|step| format!("{:.1}", step.traces[at].index_size));
        row(&format!("{name}: in all, MiB"), &|step| format!("{:.1}", step.traces[at].total_size));
    }
    table
}
