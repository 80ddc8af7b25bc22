//! `bounces`: what comes back about mails.

use std::{fs::File, io::Read, path::PathBuf};

use anyhow::{Context, bail};
use chrono::Utc;
use clap::Subcommand;
use serde::Serialize;

use crate::{
    app::take_bounce::{self, Addressee, Recognition, Taken},
    config::{self, Source},
    domain::bounce::Consequence,
    mail::{
        incoming::{self, Kind, Report},
        return_path::ReturnPaths,
    },
};

use super::{BringAgain, database, database_with, output};

/// Bytes that are read of a file: no mail server takes longer messages.
const MOST: u64 = 64 * 1024 * 1024;

/// What comes back about mails.
#[derive(Subcommand)]
pub enum Bounces {
    /// Say what a message that came back means. Reads the files alone; changes nothing.
    Explain {
        /// Messages as they arrived, each in a file of its own; - is standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print one JSON value for each file.
        #[arg(long)]
        json: bool,
    },
    /// Take in messages that came back: record them, and end mail to addresses that take none. For a pipe from the mail
    /// server, and for files. The same message again changes nothing.
    Take {
        /// Messages as they arrived, each in a file of its own; without any, one on standard input.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print one JSON value for each message.
        #[arg(long)]
        json: bool,
    },
    /// Print a message that was taken in, as it came, as long as it is kept.
    Show {
        /// Its number in the list.
        id: i64,
    },
    /// List what came back, the newest first.
    List {
        /// Only this kind: hard, soft, policy, complaint, delayed, `auto_reply` or unrecognised. The last one is also what nobody
        /// can tell whose mail it is about.
        #[arg(long, value_parser = kind)]
        kind: Option<Kind>,
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::from_name(text).ok_or_else(|| {
        "must be hard, soft, policy, complaint, delayed, auto_reply or unrecognised".to_owned()
    })
}

impl Bounces {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Bounces::Explain { files, json } => explain(files, json),
            Bounces::Take { files, json } => {
                take(files, json).await.map_err(|error| BringAgain(format!("{error:#}")).into())
            }
            Bounces::Show { id } => show(id).await,
            Bounces::List { kind, limit, json } => list(kind, limit, json).await,
        }
    }
}

fn explain(files: Vec<PathBuf>, json: bool) -> anyhow::Result<()> {
    for file in files {
        let name = file.display().to_string();
        let report = incoming::read(&read(&file).with_context(|| format!("{name} cannot be read"))?);
        if json {
            output::json(&report)?;
        } else {
            tell(&name, &report);
        }
    }
    Ok(())
}

/// What became of one file.
#[derive(Serialize)]
struct TakenFile {
    file: String,
    #[serde(flatten)]
    taken: Taken,
}

/// Each message is recorded before the next one is read. A pipe keeps the message and brings it again when this fails.
async fn take(mut files: Vec<PathBuf>, json: bool) -> anyhow::Result<()> {
    let source = Source::environment();
    let keys = config::secret_keys(&source)?;
    let address = config::bounce_address(&source)?;
    let return_paths = ReturnPaths::of_setting(&keys, address.as_ref()).context("BOUNCE_ADDRESS")?;
    let recognition = Recognition { keys, return_paths, public_url: config::public_url(&source)? };
    let pool = database_with(&recognition.keys).await?;
    if files.is_empty() {
        files.push(PathBuf::from("-"));
    }
    let mut unread = 0;
    for file in &files {
        let name = file.display().to_string();
        let message = match read(file) {
            Ok(message) => message,
            Err(error) => {
                output::error(&format!("{name} cannot be read: {error}"));
                unread += 1;
                continue;
            }
        };
        let taking = take_bounce::take_bounce(&pool, &recognition, Addressee::Anybody, message, Utc::now());
        let taken = match taking.await {
            Ok(taken) => taken,
            Err(error) => {
                output::error(&format!("{name} cannot be recorded: {error}"));
                unread += 1;
                continue;
            }
        };
        if json {
            output::json(&TakenFile { file: name, taken })?;
        } else {
            output::line(&format!("{name}: {}; {}", meaning(taken.kind), came_to(taken)));
        }
    }
    if unread > 0 {
        bail!("{unread} of {} could not be taken in; the others are recorded", files.len());
    }
    Ok(())
}

fn came_to(taken: Taken) -> &'static str {
    match (taken.is_known, taken.is_recognised, taken.consequence) {
        (true, _, _) => "it was taken in before",
        (_, false, _) => "nobody can tell whose mail it is about: it waits for you under unrecognised",
        (_, _, Consequence::None) => "recorded",
        (_, _, Consequence::Bounced) => "recorded, and the subscriber gets no more mail",
        (_, _, Consequence::Complained) => "recorded, and the subscriber never gets mail again",
    }
}

async fn show(id: i64) -> anyhow::Result<()> {
    let Some(report) = take_bounce::report(&database().await?, id).await? else {
        bail!("there is no such message, or it is not kept any more");
    };
    output::line(&String::from_utf8_lossy(&report));
    Ok(())
}

async fn list(kind: Option<Kind>, limit: i64, json: bool) -> anyhow::Result<()> {
    let listed = take_bounce::list(&database().await?, kind, limit).await?;
    if json {
        return output::json(&listed);
    }
    if listed.is_empty() {
        output::remark("Nothing has come back.");
    }
    for bounce in listed {
        let said = [bounce.status, bounce.diagnostic].into_iter().flatten().collect::<Vec<_>>().join(" ");
        output::line(&format!(
            "{:>6}  {}  {:<12}  {}  {said}",
            bounce.id,
            bounce.received_at.format("%Y-%m-%d %H:%M"),
            bounce.kind.name(),
            bounce.address.as_deref().unwrap_or("nobody known"),
        ));
    }
    Ok(())
}

fn read(file: &PathBuf) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(MOST).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(MOST).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn tell(name: &str, report: &Report) {
    output::line(&format!("{name}: {}", meaning(report.kind)));
    for recipient in &report.recipients {
        let said = [&recipient.action, &recipient.status, &recipient.diagnostic];
        let said: Vec<&str> = said.into_iter().flatten().map(String::as_str).collect();
        output::line(&format!("  {}  {}", recipient.address, said.join("  ")));
    }
    let about = [("about the mail", &report.message_id), ("refused by", &report.remote_mta)];
    for (what, value) in about {
        if let Some(value) = value {
            output::line(&format!("  {what}: {value}"));
        }
    }
}

fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Hard => "hard: the address does not exist or takes no mail",
        Kind::Soft => "soft: not delivered, for a reason that may pass",
        Kind::Policy => "policy: refused because of the mail or its sender",
        Kind::Complaint => "complaint: reported as spam by its reader",
        Kind::Delayed => "delayed: not delivered yet, tried again",
        Kind::AutoReply => "auto_reply: a program answered in somebody's name",
        Kind::Unrecognised => "unrecognised: none of the above for certain",
    }
}
