//! `subscribers export`: every subscriber as CSV, in bounded memory.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use csv::Writer;

use crate::{commands::database, domain::subscriber};

/// Subscribers read at once.
const PAGE: i64 = 5_000;

/// Writes the list to a file, or to standard output.
pub async fn run(out: Option<&Path>) -> anyhow::Result<()> {
    let target: Box<dyn Write + Send> = match out {
        Some(path) => {
            Box::new(File::create(path).with_context(|| format!("{} cannot be written", path.display()))?)
        }
        None => Box::new(io::stdout()),
    };
    let mut writer = Writer::from_writer(target);
    writer.write_record(["email", "locale", "state", "confirmed_at", "state_changed_at", "id"])?;
    let pool = database().await?;
    let mut after = None;
    loop {
        let page = subscriber::page(&mut *pool.acquire().await?, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for subscriber in page {
            let state = serde_json::to_value(subscriber.state)?;
            writer.write_record([
                harmless(subscriber.email.as_str()).as_ref(),
                subscriber.locale.tag(),
                state.as_str().unwrap_or_default(),
                &subscriber.confirmed_at.to_rfc3339(),
                &subscriber.state_changed_at.to_rfc3339(),
                &subscriber.id.to_string(),
            ])?;
        }
    }
    writer.flush()?;
    Ok(())
}

/// A field that no spreadsheet takes for a formula: an address may begin with `=` or `+`, and a program that opens
/// the file would run it (OWASP, "CSV Injection").
fn harmless(field: &str) -> Cow<'_, str> {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{field}").into()
    } else {
        field.into()
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_field_that_could_run_is_quoted() {
        assert_eq!(harmless("=cmd|x@example.org"), "'=cmd|x@example.org");
        assert_eq!(harmless("+49@example.org"), "'+49@example.org");
        assert_eq!(harmless("maria@example.org"), "maria@example.org");
    }
}
