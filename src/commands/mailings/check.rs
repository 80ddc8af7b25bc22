//! `mailings check`: what is wrong with an update, before it is sent.

use anyhow::bail;
use chrono::Utc;

use crate::{
    app::preflight,
    mail::preflight::{Finding, Level},
    web::{Renderer, staff::updates::preflight::words},
};

use super::{
    super::{output, publication::current_publication, updates},
    app,
};

/// Prints the findings; fails when there are errors.
pub async fn check(update: &str, json: bool) -> anyhow::Result<()> {
    let app = app().await?;
    current_publication(&app.pool).await?;
    let update = updates::named(&app.pool, update).await?;
    let found = preflight::check(&app, &update, Utc::now()).await?.unwrap_or_default();
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

/// The findings in English.
pub fn lines(found: &[Finding]) -> anyhow::Result<Vec<String>> {
    let pages = Renderer::load()?;
    let lines = found.iter().map(|finding| {
        let (text, fix) = words(&pages, output::LANGUAGE, finding);
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

/// Fails when an error has to be corrected before the update is sent.
pub fn nothing_to_mend(found: &[Finding]) -> anyhow::Result<()> {
    match found.iter().filter(|finding| finding.level == Level::Error).count() {
        0 => Ok(()),
        1 => bail!("1 error has to be corrected before it is sent"),
        errors => bail!("{errors} errors have to be corrected before it is sent"),
    }
}
