//! `subscribers import`: reads a file line by line. Only people who must not be mailed are kept in memory.

mod file;
mod options;

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::{
    app::{
        change_publication,
        import_subscribers::{self, Reading},
    },
    commands::{Usage, database_with, output},
    config::{self, SecretKeys, Source},
    db::Pool,
    domain::{
        actor::Actor,
        import::{
            Imported, Row,
            lines::{LineProblem, Said},
            people::{self, People},
            presets::Preset,
            states::Listed,
            tally::Tally,
        },
        locale::Locale,
        publication::TimeZone,
    },
    mail::compose,
    telemetry::mask_addresses,
};

use self::file::SubscriberFile;

pub use self::options::Wanted;

/// Rows per transaction.
const BATCH: usize = 2_000;

/// Bad lines that are reported one by one; further ones are only counted.
const TOLD: u64 = 1_000;

/// Imports a file. Bad lines are reported and skipped.
pub async fn run(file: &Path, wanted: &Wanted, json: bool) -> anyhow::Result<()> {
    let keys = config::secret_keys(&Source::environment())?;
    // The file first: errors in it are reported without a database.
    SubscriberFile::open(file, wanted, Locale::default(), TimeZone::default())?;
    let pool = database_with(&keys).await?;
    let publication = change_publication::current(&pool).await?;
    let zone = publication.as_ref().map(|publication| publication.content.time_zone).unwrap_or_default();
    let locale = compose::default_locale(publication.as_ref());
    let now = Utc::now();
    let gone = not_to_be_mailed(SubscriberFile::open(file, wanted, locale, zone)?, now)?;
    let mut rows = SubscriberFile::open(file, wanted, locale, zone)?;
    let bringing = Bringing { pool, keys, gone, leaves_out: rows.plan().leaves_out };
    if rows.plan().preset.is_some_and(Preset::hides_who_left) {
        output::remark(
            "listmonk does not write who has left single lists: export only those whose subscription is confirmed",
        );
    }
    let name = mask_addresses(&file.file_name().unwrap_or_default().to_string_lossy());
    import_subscribers::begin_file(&bringing.pool, &Actor::Command, &name, Utc::now()).await?;
    let mut told = Told::default();
    let mut batch = Vec::with_capacity(BATCH);
    let ended = loop {
        let (line, said) = match rows.next(now) {
            Ok(Some(next)) => next,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        match said {
            Ok(Said::Row(row)) => batch.push(row),
            Ok(Said::NeverConfirmed) => told.tally.never_confirmed += 1,
            Err(problem) => told.bad(line, &with_way_out(&problem)),
        }
        if batch.len() == BATCH {
            bringing.bring_in(&batch, &mut told).await?;
            batch.clear();
        }
    };
    // Also if the file cannot be read to its end: what was read before is imported.
    bringing.bring_in(&batch, &mut told).await?;
    ended?;
    if json {
        return output::json(&told.tally);
    }
    output::line(&in_words(&told.tally));
    Ok(())
}

/// What the whole file says about people who must not be mailed. If the file cannot be read to its end, nobody after that
/// point is imported; a file with a heading over such people is refused as a whole.
fn not_to_be_mailed(mut file: SubscriberFile, now: DateTime<Utc>) -> anyhow::Result<People> {
    let mut gone = People::new();
    loop {
        let said = match file.next(now) {
            Ok(Some((_, said))) => said,
            Err(error) if error.is::<Usage>() => return Err(error),
            Ok(None) | Err(_) => return Ok(gone),
        };
        if let Ok(Said::Row(row)) = said
            && row.listed != Listed::Active
        {
            people::add(&mut gone, &row);
        }
    }
}

fn in_words(tally: &Tally) -> String {
    let words = format!(
        "{} added, {} already subscribed, {} had left and stay away, {} suppressed, {} bad lines",
        tally.added, tally.known, tally.left, tally.suppressed, tally.bad
    );
    let further = [
        (tally.listed_unsubscribed, "kept as unsubscribed, as the list says"),
        (tally.listed_bounced, "kept as bounced, as the list says"),
        (tally.listed_complained, "kept as complained, as the list says"),
        (tally.left_out, "left out, because they left, bounced or complained as the list says"),
        (tally.never_confirmed, "left out, because they never confirmed"),
        (
            tally.active_here,
            "active here, although the list says that they left, bounced or complained: unchanged",
        ),
    ];
    let further =
        further.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    std::iter::once(words).chain(further).collect::<Vec<_>>().join(", ")
}

/// What is wrong with a line, and which option helps where one does.
fn with_way_out(problem: &LineProblem) -> String {
    match problem {
        LineProblem::StateElsewhere { .. } => {
            format!("{problem}: --state-column reads it, --ignore-column passes over it")
        }
        _ => problem.to_string(),
    }
}

/// The result so far.
#[derive(Debug, Default)]
struct Told {
    tally: Tally,
    remarks: u64,
}

impl Told {
    fn bad(&mut self, line: u64, problem: &str) {
        self.tally.bad += 1;
        self.remark(line, problem);
    }

    fn remark(&mut self, line: u64, problem: &str) {
        self.remarks += 1;
        match self.remarks {
            ..=TOLD => output::remark(&format!("line {line}: {problem}")),
            remarks if remarks == TOLD + 1 => output::remark("further bad lines are only counted"),
            _ => {}
        }
    }
}

/// Imports rows.
struct Bringing {
    pool: Pool,
    keys: SecretKeys,
    gone: People,
    leaves_out: bool,
}

impl Bringing {
    async fn bring_in(&self, batch: &[Row], told: &mut Told) -> anyhow::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let reading = Reading { known: &self.gone, leaves_out: self.leaves_out };
        let (by, now) = (&Actor::Command, Utc::now());
        let outcomes = import_subscribers::bring_in(&self.pool, &self.keys, by, batch, reading, now).await?;
        for (line, outcome) in outcomes {
            told.tally.count(outcome);
            if outcome == Imported::ActiveHere {
                told.remark(
                    line,
                    "active here, although the list says that they left, bounced or complained; unchanged",
                );
            }
        }
        Ok(())
    }
}
