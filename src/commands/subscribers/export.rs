//! `subscribers export`: every subscriber as CSV, in bounded memory.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use csv::Writer;
use serde_json::json;
use sqlx::PgPool;

use crate::{
    commands::{database, note},
    domain::{
        staff::audit::Action,
        subscriber::{self, export},
    },
};

/// Writes the list to a file, or to standard output. A reader that closes the pipe (`| head`) is not an error.
pub async fn run(out: Option<&Path>) -> anyhow::Result<()> {
    // The database first: if it cannot be reached, an existing file stays unchanged.
    let pool = database().await?;
    let target: Box<dyn Write + Send> = match out {
        Some(path) => {
            Box::new(private_file(path).with_context(|| format!("{} cannot be written", path.display()))?)
        }
        None => Box::new(io::stdout()),
    };
    let mut db = pool.acquire().await?;
    let details = json!({ "subscribers": subscriber::count_all(&mut db).await? });
    note(&mut db, Action::SubscribersExported, "", &details).await?;
    drop(db);
    match write(&pool, target).await {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        written => written,
    }
}

/// A file that only its owner can read: it contains everybody's address.
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

async fn write(pool: &PgPool, target: Box<dyn Write + Send>) -> anyhow::Result<()> {
    let mut writer = Writer::from_writer(target);
    writer.write_record(export::COLUMNS)?;
    let mut after = None;
    loop {
        let page = export::page(&mut *pool.acquire().await?, after, export::PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.subscriber.id);
        for subscriber in &page {
            writer.write_record(export::line(subscriber))?;
        }
    }
    Ok(writer.flush()?)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of_csv = |error: &csv::Error| match error.kind() {
        csv::ErrorKind::Io(error) => error.kind() == io::ErrorKind::BrokenPipe,
        _ => false,
    };
    error.downcast_ref::<csv::Error>().is_some_and(of_csv)
        || error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
