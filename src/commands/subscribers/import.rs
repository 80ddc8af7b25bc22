//! `subscribers import`: line by line, in bounded memory.

use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use csv::{ReaderBuilder, StringRecord};
use serde::Serialize;
use sqlx::PgPool;

use crate::{
    commands::{Usage, database, output},
    config::{self, SecretKeys, Source},
    domain::{
        address::EmailAddress,
        import::{self, Imported, Row},
        locale::Locale,
        publication,
    },
    mail::compose,
};

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

/// Where the columns stand.
struct Columns {
    email: usize,
    consented_at: usize,
    consent_source: usize,
    locale: Option<usize>,
}

/// Brings in a file. A bad line is told and passed over; the others come in.
pub async fn run(file: &Path, json: bool) -> anyhow::Result<()> {
    let keys = config::secret_keys(&Source::environment())?;
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(file)
        .map_err(|error| Usage(format!("{} cannot be read: {error}", file.display())))?;
    let columns = columns(reader.headers().map_err(|error| Usage(error.to_string()))?)?;
    let pool = database().await?;
    let publication = publication::current(&mut *pool.acquire().await?).await?;
    let default_locale = compose::default_locale(publication.as_ref());
    let mut summary = Summary::default();
    let mut batch = Vec::with_capacity(BATCH);
    let now = Utc::now();
    for (index, record) in reader.records().enumerate() {
        let parsed = match &record {
            Ok(record) => row(record, &columns, default_locale, now),
            Err(error) => Err(error.to_string()),
        };
        match parsed {
            Ok(row) => batch.push(row),
            Err(problem) => {
                let line = record.ok().and_then(|record| record.position().map(csv::Position::line));
                let line = line.unwrap_or(index as u64 + 2);
                tell(&mut summary, line, &problem);
            }
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

fn columns(headers: &StringRecord) -> Result<Columns, Usage> {
    let find = |name: &str| {
        headers.iter().position(|header| header.trim_start_matches('\u{FEFF}').eq_ignore_ascii_case(name))
    };
    let required = |name: &str| {
        find(name).ok_or_else(|| {
            Usage(format!("the first line must name the columns email, consented_at and consent_source; {name} is missing"))
        })
    };
    Ok(Columns {
        email: required("email")?,
        consented_at: required("consented_at")?,
        consent_source: required("consent_source")?,
        locale: find("locale"),
    })
}

fn row(
    record: &StringRecord,
    columns: &Columns,
    default_locale: Locale,
    now: DateTime<Utc>,
) -> Result<Row, String> {
    let field = |column: usize| record.get(column).unwrap_or_default();
    let email = EmailAddress::parse(field(columns.email)).map_err(|error| format!("email: {error}"))?;
    let consented_at = time(field(columns.consented_at))
        .filter(|at| *at <= now)
        .ok_or("consented_at must be a time in the past, such as 2025-03-01 or 2025-03-01T10:00:00Z")?;
    let source = field(columns.consent_source);
    if source.is_empty() {
        return Err("consent_source is empty: say where this person agreed".into());
    }
    if source.chars().count() > 500 {
        return Err("consent_source is longer than 500 characters".into());
    }
    let locale = columns.locale.map(field).unwrap_or_default();
    let locale = match locale {
        "" => default_locale,
        tag => Locale::from_tag(tag).ok_or("locale must be de or en")?,
    };
    let line = record.position().map_or(0, csv::Position::line);
    Ok(Row { line, email, locale, consented_at, source: source.to_owned() })
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let exact = DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
    exact.or_else(|| text.parse::<NaiveDate>().ok().map(|date| date.and_time(NaiveTime::MIN).and_utc()))
}
