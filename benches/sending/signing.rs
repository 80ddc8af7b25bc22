//! Signed mails (`DKIM_KEYS`) a second, beside what these processors sign when they do nothing else.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread::{available_parallelism, scope},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use clap::Args;
use rundbrief::{
    config::{DkimKey, DkimSecret},
    mail::dkim::{
        Signer,
        key::{KeyKind, generate},
    },
};

use crate::{
    measure::per_second,
    newsletter::Newsletter,
    pipeline,
    server::Server,
    table::{Table, whole},
};

/// Open SMTP connections.
const CONNECTIONS: u32 = 32;
/// Size of the mail, in KB: the smaller, the more of the time is the signature's.
const KILOBYTES: usize = 2;

/// The keys of a row.
const ROWS: [(&str, &[KeyKind]); 3] = [
    ("RSA-2048", &[KeyKind::Rsa]),
    ("Ed25519", &[KeyKind::Ed25519]),
    ("RSA-2048 and Ed25519", &[KeyKind::Rsa, KeyKind::Ed25519]),
];

/// Signed mails a second.
#[derive(Args)]
pub struct Signed {
    /// Recipients of each mailing.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..))]
    recipients: u32,
    /// Runs of each row; the one with the median ratio counts.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
}

impl Signed {
    /// Measures every row and prints the table.
    pub async fn run(&self, server: &Server) -> anyhow::Result<()> {
        let recipients = self.recipients;
        let mut table = Table::new(["signed with", "mails/s", "bare signing on all processors", "ratio"]);
        for (name, kinds) in ROWS {
            let mut runs = Vec::new();
            for run in 0..self.repeat {
                let (entries, signer) = keys(server.dir(), kinds, run)?;
                let mut newsletter = Newsletter::prepare(server, recipients, KILOBYTES).await?;
                newsletter.dkim_keys = entries;
                // Before and after: others may come and go.
                let before = bare(&signer, &newsletter.message, recipients)?;
                let sent = pipeline::send(server, &mut newsletter, CONNECTIONS, None).await?;
                let after = bare(&signer, &newsletter.message, recipients)?;
                newsletter.discard(server).await?;
                let floor = per_second(recipients, (before + after) / 2);
                eprintln!("{name}: {} signed mails/s, bare {}", whole(sent.rate()), whole(floor));
                runs.push((sent.rate() / floor, sent.rate(), floor));
            }
            runs.sort_by(|one, other| one.0.total_cmp(&other.0));
            let (ratio, rate, floor) = runs[runs.len() / 2];
            table.row([name.to_owned(), whole(rate), whole(floor), format!("{ratio:.2}")]);
        }
        let about = server.describe().await?;
        println!("{about}; {} recipients, {CONNECTIONS} connections\n\n{table}", whole(recipients));
        Ok(())
    }
}

/// New keys as `DKIM_KEYS` takes them, and what signs with them.
fn keys(folder: &Path, kinds: &[KeyKind], run: u32) -> anyhow::Result<(String, Signer)> {
    let (mut entries, mut keys) = (Vec::new(), Vec::new());
    for (number, kind) in kinds.iter().enumerate() {
        let pem = generate(*kind)?;
        let file = folder.join(format!("dkim-{kind:?}-{run}-{number}-{}", kinds.len()));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?.write_all(pem.as_bytes())?;
        let selector = format!("key{number}");
        entries.push(format!("{selector}:{}", file.display()));
        let secret = DkimSecret::from_pem(pem.as_bytes()).map_err(|problem| anyhow!("the key {problem}"))?;
        keys.push(DkimKey { selector, secret: secret.into() });
    }
    Ok((entries.join(","), Signer::new(&keys).context("there are keys")?))
}

/// How long it takes to sign the same message so many times, on all processors at once.
fn bare(signer: &Signer, message: &[u8], times: u32) -> anyhow::Result<Duration> {
    let processors = u32::try_from(available_parallelism()?.get())?;
    let begun = Instant::now();
    scope(|scope| {
        let threads: Vec<_> = (0..processors)
            .map(|at| {
                let share = times / processors + u32::from(at < times % processors);
                scope
                    .spawn(move || (0..share).try_for_each(|_| signer.sign("example.org", message).map(drop)))
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a thread has panicked"))??;
        }
        Ok(begun.elapsed())
    })
}
