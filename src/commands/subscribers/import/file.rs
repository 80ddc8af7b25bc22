//! A subscriber file on the disk: CSV with a header that names the columns as ours do.

use std::{
    fs::File,
    io::{Chain, Read},
    path::Path,
};

use chrono::{DateTime, Utc};

use crate::{
    commands::Usage,
    domain::{
        import::{
            Row,
            lines::{LineProblem, Lines},
            plan::{Plan, Separator},
        },
        locale::Locale,
    },
    mail::envelope,
};

/// An open file, behind its header.
pub struct SubscriberFile {
    /// With a line end behind the last line, so that lines can be counted by their ends.
    lines: Lines<Chain<File, &'static [u8]>>,
    plan: Plan,
}

impl SubscriberFile {
    /// Opens a file and reads its header.
    pub fn open(path: &Path, default_locale: Locale) -> Result<Self, Usage> {
        let unreadable =
            |error: &dyn std::fmt::Display| Usage(format!("{} cannot be read: {error}", path.display()));
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        let mut lines = Lines::new(file.chain(&b"\n"[..]), Separator::Comma.byte(), 0);
        let first = lines.read().map_err(|error| unreadable(&error))?;
        let header = first.map(|line| line.fields(&Plan::default())).unwrap_or_default();
        let header: Vec<String> =
            header.iter().map(|name| name.trim_start_matches('\u{FEFF}').trim().to_owned()).collect();
        let plan = Plan::by_name(&header, default_locale).map_err(|missing| {
            Usage(format!(
                "the first line must name the columns email, consented_at and consent_source, separated by commas; {missing} is missing"
            ))
        })?;
        Ok(Self { lines, plan })
    }

    /// The next line that is not blank, by its number, with what it says or what is wrong with it.
    pub fn next(&mut self, now: DateTime<Utc>) -> anyhow::Result<Option<(u64, Result<Row, LineProblem>)>> {
        let Some(line) = self.lines.read()? else { return Ok(None) };
        Ok(Some((line.number, line.row(&self.plan, envelope::parse, now))))
    }
}
