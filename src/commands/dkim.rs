//! `dkim`: the keys with which the service signs mails itself.

use std::path::{PathBuf, absolute};

use anyhow::{Context, anyhow};
use clap::Subcommand;
use serde::Serialize;

use crate::{
    app::{change_publication, read_signature},
    config::{self, DkimSecret, Source, parse_selector},
    mail::dkim::{
        key::{KeyKind, generate},
        record,
    },
};

use super::{database, output};

/// The keys with which mails are signed here, where the relay does not do it.
#[derive(Subcommand)]
pub enum Dkim {
    /// Make a key, and print the DNS record that belongs to it. A file that is there is never written over.
    New {
        /// The name under which receivers find the public key, such as mail2026; each key has its own.
        #[arg(long, value_name = "NAME", value_parser = parse_selector)]
        selector: String,
        /// rsa: every receiver verifies it. ed25519: little work, but not verified everywhere, so beside an RSA key.
        #[arg(long, value_name = "KIND", default_value = "rsa", value_parser = kind)]
        algorithm: KeyKind,
        /// Where to write the private key; nobody else may read the file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
    /// Print the DNS records of the keys in `DKIM_KEYS`.
    Show {
        /// The domain of the sender's address; without it, that of the publication.
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
        /// Print one JSON value.
        #[arg(long)]
        json: bool,
    },
}

fn kind(text: &str) -> Result<KeyKind, String> {
    text.parse().map_err(|_| "must be rsa or ed25519".to_owned())
}

/// A record as it is shown.
#[derive(Serialize)]
struct Record {
    /// The DNS name. Without a domain it ends in `._domainkey`.
    name: String,
    r#type: &'static str,
    value: String,
}

impl Record {
    fn new(name: String, secret: &DkimSecret) -> Self {
        Self { name, r#type: "TXT", value: record::text(secret) }
    }
}

impl Dkim {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Dkim::New { selector, algorithm, out, json } => {
                let pem = generate(algorithm)?;
                let secret = DkimSecret::from_pem(pem.as_bytes())
                    .map_err(|problem| anyhow!("the new key {problem}"))?;
                output::new_private_file(&out, &pem)?;
                let record = Record::new(format!("{selector}._domainkey"), &secret);
                if json {
                    return output::json(&record);
                }
                print(&record, "");
                let file = absolute(&out).unwrap_or(out);
                output::remark(&format!(
                    "\nThe name stands below the domain of the sender\u{2019}s address. Add the record, wait until the DNS shows \
                     it, then set:\n\n    DKIM_KEYS={selector}:{}\n",
                    file.display()
                ));
                Ok(())
            }
            Dkim::Show { domain, json } => show(domain, json).await,
        }
    }
}

async fn show(domain: Option<String>, json: bool) -> anyhow::Result<()> {
    let keys = config::dkim_keys(&Source::environment())?;
    let domain = match domain {
        Some(domain) => idna::domain_to_ascii(&domain).with_context(|| format!("{domain} is no domain"))?,
        None => sender_domain().await?,
    };
    let records: Vec<Record> =
        keys.iter().map(|key| Record::new(record::name(&key.selector, &domain), &key.secret)).collect();
    if json {
        return output::json(&records);
    }
    for record in &records {
        // A name that is whole ends in a dot there.
        print(record, ".");
    }
    Ok(())
}

async fn sender_domain() -> anyhow::Result<String> {
    let publication = change_publication::current(&database().await?).await?;
    read_signature::sender_domain(publication.as_ref())
        .context("the publication has no sender address yet; name the domain with --domain")
}

/// The value whole, as forms of providers take it, and as strings of a zone file, where `end` follows the name.
fn print(record: &Record, end: &str) {
    output::line(&format!("name   {}", record.name));
    output::line(&format!("type   {}", record.r#type));
    output::line(&format!("value  {}", record.value));
    output::line(&format!("zone   {}{end} IN TXT {}", record.name, record::zone_strings(&record.value)));
}
