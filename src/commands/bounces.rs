//! `bounces`: what comes back about mails.

use std::{fs::File, io::Read, path::PathBuf};

use anyhow::Context;
use clap::Subcommand;

use crate::mail::incoming::{self, Kind, Report};

use super::output;

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
}

impl Bounces {
    pub fn run(self) -> anyhow::Result<()> {
        let Bounces::Explain { files, json } = self;
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
