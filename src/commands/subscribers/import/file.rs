//! A subscriber file on disk: CSV with our column names, or the export of a known service.

use std::{
    fs::File,
    io::{Chain, Cursor, Read},
    path::Path,
};

use chrono::{DateTime, Utc};

use crate::{
    commands::Usage,
    domain::{
        import::{
            columns, dates,
            encoding::{Decoded, Encoding},
            lines::{LineProblem, Lines, Said, checked_source},
            plan::{Plan, Separator, StateColumn},
            presets::Preset,
            states::{Listed, Means},
        },
        locale::Locale,
        publication::TimeZone,
    },
};

use super::options::Wanted;

/// Bytes read to decide how to read a file.
const BEGINNING: u64 = 65_536;

type Source = Chain<Chain<Cursor<Vec<u8>>, Decoded<File>>, Cursor<[u8; 1]>>;

/// An open file, and how it is read.
pub struct SubscriberFile {
    /// With a line end after the last line, so that lines can be counted by their ends.
    lines: Lines<Source>,
    plan: Plan,
    is_behind_header: bool,
}

impl SubscriberFile {
    /// Opens a file and decides how to read it.
    pub fn open(path: &Path, wanted: &Wanted, locale: Locale, zone: TimeZone) -> Result<Self, Usage> {
        let unreadable =
            |error: &dyn std::fmt::Display| Usage(format!("{} cannot be read: {error}", path.display()));
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        let mut file = Decoded::new(file).map_err(|error| unreadable(&error))?;
        let mut beginning = Vec::new();
        file.by_ref().take(BEGINNING).read_to_end(&mut beginning).map_err(|error| unreadable(&error))?;
        let plan = plan(wanted, &beginning, locale, zone)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if plan.asks_of_everybody(&name) {
            return Err(Usage(format!(
                "{name} sounds like a list of people who must not be mailed, and no column says so: use --everybody left, \
                 bounced, complained or subscribed"
            )));
        }
        let end = if plan.ends_with_cr { [b'\r'] } else { [b'\n'] };
        let source = Cursor::new(beginning).chain(file).chain(Cursor::new(end));
        Ok(Self { lines: Lines::new(source, &plan, 0), plan, is_behind_header: false })
    }

    /// How it is read.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The next line that is not blank, by its number, with what it says or what is wrong with it.
    pub fn next(&mut self, now: DateTime<Utc>) -> anyhow::Result<Option<(u64, Result<Said, LineProblem>)>> {
        loop {
            let Some(line) = self.lines.read()? else { return Ok(None) };
            if line.number <= self.plan.skipped {
                continue;
            }
            if !std::mem::replace(&mut self.is_behind_header, true) {
                continue;
            }
            if line.heads_others(&self.plan) {
                return Err(Usage(format!(
                    "line {} sounds like a heading over people who must not be mailed; put the lines below it into a file of \
                     their own",
                    line.number
                ))
                .into());
            }
            return Ok(Some((line.number, line.said(&self.plan, now))));
        }
    }
}

/// How to read a file: as the flags say, and otherwise as its header names its columns.
fn plan(wanted: &Wanted, beginning: &[u8], locale: Locale, zone: TimeZone) -> Result<Plan, Usage> {
    let encoding = match wanted.encoding.as_deref() {
        None => Encoding::Utf8,
        Some(name) => Encoding::ALL
            .into_iter()
            .find(|encoding| encoding.name() == name)
            .ok_or_else(|| Usage("--encoding is utf8 or windows1252; UTF-16 is detected".to_owned()))?,
    };
    let preset = wanted.preset.as_deref().map(preset_of).transpose()?;
    let is_set = preset.is_some();
    let preset = preset.flatten();
    let mut plan = Plan::guess(beginning, encoding, locale, zone);
    if let Some(name) = &wanted.separator {
        plan.separator = Separator::from_name(name)
            .ok_or_else(|| Usage("--separator is comma, semicolon or tab".to_owned()))?;
    } else if plan.preset.is_none() && preset.is_none() && !starts_with_sep(beginning) {
        plan.separator = Separator::Comma;
    }
    plan.preset = preset;
    let mut plan = if is_set { plan.with_columns_of(beginning) } else { plan.with_service_of(beginning) };
    plan.leaves_out = wanted.leave_out;
    if let Some(name) = &wanted.everybody {
        let listed = Listed::from_name(name)
            .ok_or_else(|| Usage("--everybody is subscribed, left, bounced or complained".to_owned()))?;
        plan.listed_as = Some(listed);
    }
    if let Some(day) = &wanted.consented_at {
        let at = dates::past(day, zone, Utc::now())
            .map_err(|_| Usage("--consented-at must be a day in the past, such as 2025-03-01".to_owned()))?;
        plan.consented_at_of_all = Some(at);
    }
    if let Some(source) = &wanted.source {
        checked_source(source).map_err(|problem| Usage(format!("--source: {problem}")))?;
        source.clone_into(&mut plan.source_of_all);
    }
    let names = plan.names(beginning);
    let date = wanted.consented_at_column.as_deref().map(|name| column_of(&names, name)).transpose()?;
    let service = plan.preset;
    let mut plan = plan.by_name(beginning, date).map_err(|missing| match service {
        Some(service) if missing == "consented_at" => Usage(format!(
            "consented_at is missing: an export of {} does not say for certain when somebody agreed; that a row was made is no \
             consent. Say --consented-at DAY for everybody, or --consented-at-column NAME of a column that holds it",
            service.name()
        )),
        _ => Usage(format!(
            "the first line must name the columns email, consented_at and consent_source, separated by commas; {missing} is missing. \
             Of other files: --separator, --preset, --consented-at, --consented-at-column and --source say what it does not"
        )),
    })?;
    if !plan.has_header {
        return Err(Usage("the first line must name the columns; email is missing".to_owned()));
    }
    states(&mut plan, wanted, beginning)?;
    Ok(plan)
}

/// The service with this name; none for `none`.
fn preset_of(name: &str) -> Result<Option<Preset>, Usage> {
    let names = Preset::ALL.map(Preset::name).join(", ");
    match Preset::from_name(name) {
        None if name != "none" => Err(Usage(format!("--preset is one of {names}, or none"))),
        preset => Ok(preset),
    }
}

fn column_of(names: &[String], name: &str) -> Result<usize, Usage> {
    let column = names.iter().position(|known| known.trim().eq_ignore_ascii_case(name.trim()));
    column.ok_or_else(|| Usage(format!("the file has no column {name:?}")))
}

fn starts_with_sep(beginning: &[u8]) -> bool {
    let text = beginning.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(beginning);
    text.get(..4).is_some_and(|text| text.eq_ignore_ascii_case(b"sep="))
}

/// Which columns say who is not to be mailed. Nothing is passed over that looks like one.
fn states(plan: &mut Plan, wanted: &Wanted, beginning: &[u8]) -> Result<(), Usage> {
    let names = plan.names(beginning);
    for name in &wanted.state_column {
        // What it means may stand behind a colon; otherwise its name says it, or its words do.
        let meant = name.rsplit_once(':').and_then(|(name, means)| Some((name, Means::from_name(means)?)));
        let (name, means) = meant.unwrap_or_else(|| (name, columns::means(name).unwrap_or(Means::Words)));
        let column = column_of(&names, name)?;
        plan.states.retain(|state| state.column != column);
        plan.states.push(StateColumn { column, means });
    }
    for name in &wanted.ignore_column {
        let column = column_of(&names, name)?;
        plan.states.retain(|state| state.column != column);
        plan.ignored.push(column);
    }
    let asked = plan.asked(beginning);
    if asked.is_empty() {
        return Ok(());
    }
    let asked: Vec<&str> =
        asked.iter().map(|column| names.get(*column).map_or("?", String::as_str)).collect();
    Err(Usage(format!(
        "{} may say who has left: say --state-column NAME (or NAME:left, NAME:subscribed, NAME:confirmed, NAME:bounced, \
         NAME:complained for yes and no, or dates; NAME:remarks where only words such as \"unsubscribed\" among others count) or --ignore-column NAME for each",
        asked.join(", ")
    )))
}
