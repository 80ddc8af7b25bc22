//! `mailings check`: what is wrong with an update, before it is sent.

use anyhow::{anyhow, bail};

use crate::{
    config::Config,
    domain::{locale::Locale, publication},
    mail::preflight::{Finding, Level},
    web::{
        Pages,
        staff::{Surveyor, preflight::words},
    },
};

use super::super::{composer, database, output, updates};

/// Prints what was found; fails when something has to be mended.
pub async fn check(update: &str, json: bool) -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let (composer, pool) = (composer(&config)?, database().await?);
    let mut db = pool.acquire().await?;
    let publication = publication::current(&mut db)
        .await?
        .ok_or_else(|| anyhow!("there is no publication yet; run: rundbrief publication apply FILE.toml"))?;
    let update = updates::named(&mut db, update).await?;
    drop(db);
    let found = Surveyor::new(&config).survey(&pool, &composer, &publication, &update).await?;
    if json {
        output::json(&found)?;
    } else if found.is_empty() {
        output::line("Nothing was found.");
    } else {
        for line in lines(&found)? {
            output::line(&line);
        }
    }
    nothing_to_mend(&found)
}

/// What was found, in words.
pub fn lines(found: &[Finding]) -> anyhow::Result<Vec<String>> {
    let pages = Pages::load()?;
    let lines = found.iter().map(|finding| {
        let (text, fix) = words(&pages, Locale::En, finding);
        let level = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        let line = finding.line.map(|line| format!(" (line {line})")).unwrap_or_default();
        format!("{level}{line}: {text}\n  {fix}")
    });
    Ok(lines.collect())
}

/// Fails when something has to be mended before it is sent.
pub fn nothing_to_mend(found: &[Finding]) -> anyhow::Result<()> {
    match found.iter().filter(|finding| finding.level == Level::Error).count() {
        0 => Ok(()),
        1 => bail!("1 error has to be mended before it is sent"),
        errors => bail!("{errors} errors have to be mended before it is sent"),
    }
}
