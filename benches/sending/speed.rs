//! Speed: mails a second by size of mail and number of connections, beside what SMTP alone could do.

use std::{fs, str::FromStr, time::Duration};

use clap::Args;

use crate::{
    floor::{self, Way},
    measure::per_second,
    newsletter::Newsletter,
    pipeline::{self, Sent},
    server::Server,
    table::{Table, whole},
};

/// Mails a second, by size and number of connections.
#[derive(Args)]
pub struct Speed {
    /// Recipients of each mailing.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..))]
    recipients: u32,
    /// One case alone: size of the mail in KB, and connections, such as 2:32.
    #[arg(long, value_name = "KB:CONNECTIONS")]
    only: Option<Case>,
    /// Runs of each case; the one with the median ratio counts.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
}

/// What is varied.
#[derive(Clone, Copy)]
struct Case {
    /// Size of a mail, of 1,024 bytes each.
    kilobytes: usize,
    /// Open SMTP connections.
    connections: u32,
}

const CASES: [Case; 6] = [
    Case { kilobytes: 2, connections: 1 },
    Case { kilobytes: 2, connections: 8 },
    Case { kilobytes: 2, connections: 32 },
    Case { kilobytes: 20, connections: 1 },
    Case { kilobytes: 20, connections: 8 },
    Case { kilobytes: 20, connections: 32 },
];

impl FromStr for Case {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once(':').and_then(|(kilobytes, connections)| {
            Some(Self { kilobytes: kilobytes.parse().ok()?, connections: connections.parse().ok()? })
        });
        parsed.filter(|case| (1..=512).contains(&case.connections)).ok_or("write it as 2:32")
    }
}

/// One measurement of one case.
struct Run {
    case: Case,
    /// Real size of the mail in bytes.
    bytes: usize,
    recipients: u32,
    /// How long SMTP alone took, pipelined.
    floor: Duration,
    /// How long it took with lettre's own `send`.
    plain: Duration,
    sent: Sent,
}

impl Speed {
    /// Measures every case and prints the table.
    pub async fn run(&self, server: &Server) -> anyhow::Result<()> {
        let mut table = Table::new([
            "mail, bytes",
            "connections",
            "mails/s",
            "with trigger and fan-out",
            "pipelined floor",
            "ratio",
            "lettre's send",
            "ratio to that",
            "worker, µs/mail",
            "Postgres, µs/mail",
            "sink, µs/mail",
            "worker's peak, MiB",
        ]);
        for case in self.only.map_or_else(|| CASES.to_vec(), |only| vec![only]) {
            let mut runs = Vec::new();
            for _ in 0..self.repeat {
                let run = self.measure(server, case).await?;
                eprintln!("{}", run.cells().join("  "));
                runs.push(run);
            }
            runs.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
            table.row(runs[runs.len() / 2].cells());
        }
        println!("{}; {} recipients\n\n{table}", server.describe().await?, whole(self.recipients));
        Ok(())
    }

    async fn measure(&self, server: &Server, case: Case) -> anyhow::Result<Run> {
        let recipients = self.recipients;
        let mut newsletter = Newsletter::prepare(server, recipients, case.kilobytes).await?;
        let file = server.dir().join("message.eml");
        fs::write(&file, &newsletter.message)?;
        let floor = floor::measure(Way::Pipelined, &file, recipients, case.connections).await?;
        let plain = floor::measure(Way::Plain, &file, recipients, case.connections).await?;
        let sent = pipeline::send(server, &mut newsletter, case.connections, None).await?;
        let bytes = newsletter.message.len();
        newsletter.discard(server).await?;
        Ok(Run { case, bytes, recipients, floor, plain, sent })
    }
}

impl Run {
    /// What part of the pipelined floor's speed the service reaches.
    fn ratio(&self) -> f64 {
        self.sent.rate() / per_second(self.recipients, self.floor)
    }

    fn ratio_to_plain(&self) -> f64 {
        self.sent.rate() / per_second(self.recipients, self.plain)
    }

    fn cells(&self) -> Vec<String> {
        let micros = |used: Duration| (used / self.recipients).as_micros().to_string();
        vec![
            whole(self.bytes),
            self.case.connections.to_string(),
            whole(self.sent.rate()),
            whole(self.sent.rate_of_all()),
            whole(per_second(self.recipients, self.floor)),
            format!("{:.2}", self.ratio()),
            whole(per_second(self.recipients, self.plain)),
            format!("{:.2}", self.ratio_to_plain()),
            micros(self.sent.used.worker),
            micros(self.sent.used.postgres),
            micros(self.sent.used.sink),
            whole(self.sent.peak),
        ]
    }
}
