//! `subscribers import`: line by line, in bounded memory.

mod file;

use std::path::Path;

use chrono::Utc;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;

use crate::{
    commands::{database, note, output},
    config::{self, SecretKeys, Source},
    domain::{
        import::{self, Imported, Row},
        locale::Locale,
        publication,
        staff::audit::Action,
    },
    mail::compose,
};

use self::file::SubscriberFile;

/// Rows a transaction.
const BATCH: usize = 2_000;

/// Bad lines that are told one by one; further ones are only counted.
const TOLD: u64 = 1_000;

/// What came of a file.
#[derive(Debug, Default, Serialize)]
struct Summary {
    added: u64,
    known: u64,
    left: u64,
    suppressed: u64,
    bad: u64,
}

/// Brings in a file. A bad line is told and passed over; the others come in.
pub async fn run(file: &Path, json: bool) -> anyhow::Result<()> {
    let keys = config::secret_keys(&Source::environment())?;
    // First the file: one that is none is told without a database.
    SubscriberFile::open(file, Locale::default())?;
    let pool = database().await?;
    let publication = publication::current(&mut *pool.acquire().await?).await?;
    let mut rows = SubscriberFile::open(file, compose::default_locale(publication.as_ref()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    note(&mut *pool.acquire().await?, Action::ImportStarted, &name, &json!({})).await?;
    let mut summary = Summary::default();
    let mut batch = Vec::with_capacity(BATCH);
    let now = Utc::now();
    while let Some((line, parsed)) = rows.next(now)? {
        match parsed {
            Ok(row) => batch.push(row),
            Err(problem) => tell(&mut summary, line, &problem.to_string()),
        }
        if batch.len() == BATCH {
            bring_in(&pool, &keys, &batch, &mut summary).await?;
            batch.clear();
        }
    }
    bring_in(&pool, &keys, &batch, &mut summary).await?;
    if json {
        return output::json(&summary);
    }
    output::line(&format!(
        "{} added, {} already subscribed, {} had left and stay away, {} suppressed, {} bad lines",
        summary.added, summary.known, summary.left, summary.suppressed, summary.bad
    ));
    Ok(())
}

fn tell(summary: &mut Summary, line: u64, problem: &str) {
    summary.bad += 1;
    match summary.bad {
        ..=TOLD => output::remark(&format!("line {line}: {problem}")),
        bad if bad == TOLD + 1 => output::remark("further bad lines are only counted"),
        _ => {}
    }
}

async fn bring_in(
    pool: &PgPool,
    keys: &SecretKeys,
    batch: &[Row],
    summary: &mut Summary,
) -> anyhow::Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut transaction = pool.begin().await?;
    let outcomes = import::batch(&mut transaction, keys, batch, Utc::now()).await?;
    transaction.commit().await?;
    for (_, outcome) in outcomes {
        *match outcome {
            Imported::Added => &mut summary.added,
            Imported::Known => &mut summary.known,
            Imported::Left => &mut summary.left,
            Imported::Suppressed => &mut summary.suppressed,
        } += 1;
    }
    Ok(())
}
