//! Reading an uploaded list, step by step.
//!
//! [`step`] reads on from where the last step stood, in one transaction with what it brought in. So any process can do
//! any step, a process that is killed costs nothing, and none reads a line that another has read: the row is locked.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{config::SecretKeys, domain::ids::ImportId};

use super::{
    Imported, Row,
    lines::{Lines, Said},
    people,
    plan::Plan,
    tally::Tally,
    upload::{BadLine, Import, ImportState, PIECE, by_id, remove_file},
};

/// Bytes read at a step, and so what a line may have.
const WINDOW: usize = 2 * PIECE;
/// People brought in at a step.
const ROWS: usize = 2_000;
/// Bad lines that are kept of an import; further ones are only counted.
const PROBLEMS: i64 = 10_000;

/// What is so after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stepped {
    /// Where the import stood before it.
    pub before: ImportState,
    /// Where it stands now.
    pub after: ImportState,
    /// Whether anybody was brought in.
    pub has_added: bool,
}

/// What was read at a step.
#[derive(Debug, Default)]
struct Read {
    rows: Vec<Row>,
    bad: Vec<BadLine>,
    never_confirmed: u64,
    bytes: u64,
    lines: u64,
    failure: Option<&'static str>,
}

/// An import that is under way and that nobody else is just reading, for [`step`] in the same transaction.
pub async fn next(db: &mut PgConnection) -> sqlx::Result<Option<ImportId>> {
    // Passed over while another process is at it.
    sqlx::query_scalar!(
        r#"select id as "id: ImportId" from imports where state in ('checking', 'importing')
           order by created_at limit 1 for update skip locked"#
    )
    .fetch_optional(db)
    .await
}

/// Reads on in an import, in the transaction in which [`next`] gave it. Answers nothing when there is no such import.
///
/// # Errors
/// When the database fails. The transaction has to be given up then; the next step begins where this one did.
pub async fn step(
    db: &mut PgConnection,
    id: ImportId,
    keys: &SecretKeys,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Stepped>> {
    let Some(import) = by_id(&mut *db, id).await? else { return Ok(None) };
    let before = import.state;
    let from = u64::try_from(import.next_byte).unwrap_or_default();
    let size = u64::try_from(import.size_bytes).unwrap_or_default();
    let mut window = window(&mut *db, id, from).await?;
    let is_last = from + window.len() as u64 >= size;
    if is_last {
        window.push(import.plan.line_end());
    }
    let lines_before = u64::try_from(import.next_line - 1).unwrap_or_default();
    let read = read(&window, is_last, (lines_before, from == 0), &import.plan, now);
    if import.is_survey() {
        people::remember(&mut *db, id, &read.rows).await?;
        let after = advance(db, &import, &read, &Tally::default(), now).await?;
        return Ok(Some(Stepped { before, after, has_added: false }));
    }
    let known = people::remembered(&mut *db, id, &read.rows).await?;
    let leaves_out = import.plan.leaves_out;
    let outcomes = if import.state == ImportState::Importing {
        super::batch(&mut *db, keys, &read.rows, &known, leaves_out, now).await?
    } else {
        super::try_out(&mut *db, keys, &read.rows, &known, leaves_out).await?
    };
    let mut tally =
        Tally { never_confirmed: read.never_confirmed, bad: read.bad.len() as u64, ..Tally::default() };
    for (_, outcome) in &outcomes {
        tally.count(*outcome);
    }
    let told = outcomes.iter().filter(|(_, outcome)| *outcome == Imported::ActiveHere);
    let told = told.map(|(line, _)| BadLine { line: signed(*line), problem: "active_here".to_owned() });
    let listed: Vec<BadLine> = read.bad.iter().cloned().chain(told).collect();
    keep_problems(&mut *db, id, &listed).await?;
    let after = advance(db, &import, &read, &tally, now).await?;
    let is_new = |outcome: &Imported| matches!(outcome, Imported::Added | Imported::AddedAs(_));
    let has_added = before == ImportState::Importing && outcomes.iter().any(|(_, outcome)| is_new(outcome));
    Ok(Some(Stepped { before, after, has_added }))
}

/// The next bytes of the file.
async fn window(db: &mut PgConnection, id: ImportId, from: u64) -> sqlx::Result<Vec<u8>> {
    let piece = PIECE as u64;
    let first = i32::try_from(from / piece).unwrap_or(i32::MAX);
    let skipped = usize::try_from(from % piece).unwrap_or_default();
    let pieces = sqlx::query_scalar!(
        "select bytes from import_pieces where import_id = $1 and number between $2 and $2 + 2 order by number",
        id.0,
        first
    )
    .fetch_all(db)
    .await?;
    let mut bytes = pieces.concat();
    bytes.drain(..skipped.min(bytes.len()));
    bytes.truncate(WINDOW);
    Ok(bytes)
}

/// Reads lines out of a window. The last of it may go on behind the window, and is left for the next step then.
fn read(
    window: &[u8],
    is_last: bool,
    (lines_before, is_first): (u64, bool),
    plan: &Plan,
    now: DateTime<Utc>,
) -> Read {
    let mut read = Read::default();
    let line_end = plan.line_end();
    let mut lines = Lines::new(window, plan, lines_before);
    let mut is_header = is_first && plan.has_header;
    // A line that is longer than any may be: reading ends before it.
    while let Ok(found) = lines.read() {
        let Some(line) = found else {
            // Nothing but blank lines up to the end; what may be the beginning of one that is not is left.
            let last = || window.iter().rposition(|byte| *byte == line_end).map_or(0, |end| end + 1);
            let end = if is_last { window.len() } else { last() };
            read.bytes = read.bytes.max(end as u64);
            break;
        };
        let is_passed = line.number <= plan.skipped || std::mem::take(&mut is_header);
        let row = (!is_passed).then(|| line.said(plan, now));
        let number = line.number;
        if !is_last && lines.bytes_read() >= window.len() as u64 {
            break;
        }
        if !is_passed && line.heads_others(plan) {
            // Nobody knows of whom below it that is meant.
            read.failure = Some("others_below");
            read.bytes = lines.bytes_read();
            break;
        }
        read.bytes = lines.bytes_read();
        match row {
            Some(Ok(Said::Row(row))) => read.rows.push(row),
            Some(Ok(Said::NeverConfirmed)) => read.never_confirmed += 1,
            Some(Err(problem)) => {
                read.bad.push(BadLine { line: signed(number), problem: problem.key().to_owned() });
            }
            None => {}
        }
        if read.rows.len() + read.bad.len() >= ROWS {
            break;
        }
    }
    if read.bytes == 0 && read.failure.is_none() && !window.is_empty() {
        // A line as long as the window: a quote that is never closed, or no list at all.
        read.failure = Some(if window.contains(&line_end) { "open_quote" } else { "long_line" });
    }
    let done = usize::try_from(read.bytes).unwrap_or_default().min(window.len());
    read.lines = window[..done].split(|byte| *byte == line_end).count() as u64 - 1;
    if read.failure == Some("others_below") {
        // It is told by its own number.
        read.lines = read.lines.saturating_sub(1);
    }
    read
}

async fn keep_problems(db: &mut PgConnection, id: ImportId, bad: &[BadLine]) -> sqlx::Result<()> {
    if bad.is_empty() {
        return Ok(());
    }
    let lines: Vec<i64> = bad.iter().map(|bad| bad.line).collect();
    let problems: Vec<String> = bad.iter().map(|bad| bad.problem.clone()).collect();
    // The import finds what its dry run has found.
    sqlx::query!(
        "insert into import_problems (import_id, line, problem)
         select $1, line, problem from unnest($2::bigint[], $3::text[]) as bad (line, problem)
         limit greatest(0, $4 - (select count(*) from import_problems where import_id = $1))
         on conflict do nothing",
        id.0,
        &lines,
        &problems,
        PROBLEMS
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn advance(
    db: &mut PgConnection,
    import: &Import,
    read: &Read,
    tally: &Tally,
    now: DateTime<Utc>,
) -> sqlx::Result<ImportState> {
    let next_byte = (import.next_byte + i64::try_from(read.bytes).unwrap_or_default()).min(import.size_bytes);
    let is_over = next_byte >= import.size_bytes;
    if import.is_survey() && is_over && read.failure.is_none() {
        // From the beginning, to count.
        sqlx::query!(
            "update imports set is_surveyed = true, next_byte = 0, next_line = 1 where id = $1",
            import.id.0
        )
        .execute(db)
        .await?;
        return Ok(import.state);
    }
    let state = match (read.failure, is_over, import.state) {
        (Some(_), ..) => ImportState::Failed,
        (None, true, ImportState::Importing) => ImportState::Done,
        (None, true, _) => ImportState::Checked,
        (None, false, state) => state,
    };
    sqlx::query!(
        "update imports set state = $2, next_byte = $3, next_line = next_line + $4, added = added + $5,
             known = known + $6, had_left = had_left + $7, suppressed = suppressed + $8, bad = bad + $9, failure = $10,
             listed_unsubscribed = listed_unsubscribed + $13, listed_bounced = listed_bounced + $14,
             listed_complained = listed_complained + $15, left_out = left_out + $16,
             never_confirmed = never_confirmed + $17, active_here = active_here + $18,
             finished_at = case when $11 then $12::timestamptz end
         where id = $1",
        import.id.0,
        state as ImportState,
        next_byte,
        i64::try_from(read.lines).unwrap_or_default(),
        signed(tally.added),
        signed(tally.known),
        signed(tally.left),
        signed(tally.suppressed),
        signed(tally.bad),
        read.failure,
        state != import.state,
        now,
        signed(tally.listed_unsubscribed),
        signed(tally.listed_bounced),
        signed(tally.listed_complained),
        signed(tally.left_out),
        signed(tally.never_confirmed),
        signed(tally.active_here)
    )
    .execute(&mut *db)
    .await?;
    if state.is_over() {
        remove_file(db, import.id).await?;
    }
    Ok(state)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Ends an import that cannot go on, with its reason by key. One that somebody else has brought on or ended since stays as
/// it is; answers whether this one was ended now.
pub async fn fail(
    db: &mut PgConnection,
    id: ImportId,
    failure: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let ended = sqlx::query!(
        "update imports set state = 'failed', failure = $2, finished_at = $3
         where id = $1 and state in ('checking', 'importing')",
        id.0,
        failure,
        now
    )
    .execute(&mut *db)
    .await?;
    remove_file(db, id).await?;
    Ok(ended.rows_affected() > 0)
}
