//! Imports through the staff pages: the file lies in the database, and is read a piece at a time.
//!
//! ```text
//! uploading ─▶ uploaded ──check──▶ checking ─▶ checked ──run──▶ importing ─▶ done
//!                  ▲                  │           │                 │
//!                  └── another plan ──┴───────────┘                 └──▶ cancelled, failed
//! ```
//!
//! [`step`] reads on from where the last step stood, in one transaction with what it brought in. So any process can do
//! any step, a process that is killed costs nothing, and none reads a line that another has read: the row is locked.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::{PgConnection, types::Json};

use crate::{
    config::SecretKeys,
    domain::{
        ids::ImportId,
        staff::audit::{self, Action, Actor},
    },
};

use super::{
    Imported, Row,
    lines::{Lines, ParseAddress},
    plan::Plan,
};

/// Bytes of a file that are kept, and read, together.
pub const PIECE: usize = 256 * 1024;
/// Bytes a file may have: a million lines and then some.
pub const LONGEST_FILE: u64 = 100 * 1024 * 1024;
/// Bytes read at a step, and so what a line may have.
const WINDOW: usize = 2 * PIECE;
/// People brought in at a step.
const ROWS: usize = 2_000;
/// Bad lines that are kept of an import; further ones are only counted.
const PROBLEMS: i64 = 10_000;
/// How long a file is kept that nobody brings in.
const FILE_LIVES: Duration = Duration::days(7);
/// How long it is known what came of an import.
const REPORT_LIVES: Duration = Duration::days(90);

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize)]
#[sqlx(type_name = "import_state", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    /// The file is on its way here.
    Uploading,
    /// It is here.
    Uploaded,
    /// The dry run is under way.
    Checking,
    /// It is over; nobody was brought in yet.
    Checked,
    /// People are brought in.
    Importing,
    /// All of them are.
    Done,
    /// The file cannot be read to its end.
    Failed,
    /// Staff ended it. Who was brought in before stays.
    Cancelled,
}

impl ImportState {
    /// Whether it goes on by itself.
    #[must_use]
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Checking | Self::Importing)
    }

    /// Whether it is over for good.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// An import.
#[derive(Debug, Clone)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// Where it stands.
    pub state: ImportState,
    /// When the file came.
    pub created_at: DateTime<Utc>,
    /// Who brought it.
    pub staff_email: String,
    /// What the file was called there.
    pub file_name: String,
    /// Its size.
    pub size_bytes: i64,
    /// How to read it.
    pub plan: Json<Plan>,
    /// How many bytes were read.
    pub next_byte: i64,
    /// The number of the line that comes next.
    pub next_line: i64,
    /// New subscribers; in a dry run, those that would be.
    pub added: i64,
    /// Those who are subscribed already.
    pub known: i64,
    /// Those who had left, and stay away.
    pub had_left: i64,
    /// Those who must not be mailed.
    pub suppressed: i64,
    /// Lines that cannot come in.
    pub bad: i64,
    /// Why it failed, by key.
    pub failure: Option<String>,
    /// When the step under way, or the last one, began.
    pub begun_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Import {
    /// How much of the file was read, in hundredths.
    #[must_use]
    pub fn percent(&self) -> i64 {
        if self.size_bytes == 0 { 100 } else { (self.next_byte * 100 / self.size_bytes).clamp(0, 100) }
    }
}

/// Begins an upload.
///
/// # Errors
/// When the database fails.
pub async fn begin(
    db: &mut PgConnection,
    by_email: &str,
    file_name: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<ImportId> {
    let id = ImportId::new();
    sqlx::query!(
        "insert into imports (id, created_at, staff_email, file_name) values ($1, $2, $3, $4)",
        id.0,
        now,
        by_email,
        file_name
    )
    .execute(db)
    .await?;
    Ok(id)
}

/// Keeps a piece of the file. All have [`PIECE`] bytes, but for the last.
///
/// # Errors
/// When the database fails.
pub async fn keep_piece(db: &mut PgConnection, id: ImportId, number: i32, bytes: &[u8]) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into import_pieces (import_id, number, bytes) values ($1, $2, $3)",
        id.0,
        number,
        bytes
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The file is here as a whole.
///
/// # Errors
/// When the database fails.
pub async fn complete(
    db: &mut PgConnection,
    by: &Actor,
    id: ImportId,
    size_bytes: i64,
    plan: &Plan,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let file_name = sqlx::query_scalar!(
        "update imports set state = 'uploaded', size_bytes = $2, plan = $3 where id = $1 returning file_name",
        id.0,
        size_bytes,
        Json(plan) as _
    )
    .fetch_one(&mut *db)
    .await?;
    let details = serde_json::json!({ "bytes": size_bytes });
    audit::record(db, by, Action::ImportUploaded, &file_name, &details, now).await
}

/// Forgets an import as if its file had never come.
///
/// # Errors
/// When the database fails.
pub async fn forget(db: &mut PgConnection, id: ImportId) -> sqlx::Result<()> {
    sqlx::query!("delete from imports where id = $1", id.0).execute(db).await?;
    Ok(())
}

/// An import by its id.
///
/// # Errors
/// When the database fails.
pub async fn by_id(db: &mut PgConnection, id: ImportId) -> sqlx::Result<Option<Import>> {
    sqlx::query_as!(
        Import,
        r#"select id as "id: ImportId", state as "state: ImportState", created_at, staff_email, file_name, size_bytes,
             plan as "plan: Json<Plan>", next_byte, next_line, added, known, had_left, suppressed, bad, failure,
             begun_at, finished_at
           from imports where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// The latest imports.
///
/// # Errors
/// When the database fails.
pub async fn list(db: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Import>> {
    sqlx::query_as!(
        Import,
        r#"select id as "id: ImportId", state as "state: ImportState", created_at, staff_email, file_name, size_bytes,
             plan as "plan: Json<Plan>", next_byte, next_line, added, known, had_left, suppressed, bad, failure,
             begun_at, finished_at
           from imports where state <> 'uploading' order by created_at desc limit $1"#,
        limit
    )
    .fetch_all(db)
    .await
}

/// The beginning of the file, up to a line end.
///
/// # Errors
/// When the database fails.
pub async fn beginning(db: &mut PgConnection, id: ImportId) -> sqlx::Result<Vec<u8>> {
    let bytes = sqlx::query_scalar!(
        r#"select substring(bytes for 65536) as "bytes!" from import_pieces where import_id = $1 and number = 0"#,
        id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(whole_lines(bytes.unwrap_or_default()))
}

/// Without the line that has no end, if there is another one.
#[must_use]
pub fn whole_lines(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(65_536);
    if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') {
        bytes.truncate(end + 1);
    }
    bytes
}

/// Keeps how a file is read, for the form that says what stands in which column.
///
/// # Errors
/// When the database fails.
pub async fn keep_plan(db: &mut PgConnection, id: ImportId, plan: &Plan) -> sqlx::Result<()> {
    sqlx::query!(
        "update imports set state = 'uploaded', plan = $2 where id = $1 and state in ('uploaded', 'checked')",
        id.0,
        Json(plan) as _
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps a plan, and begins the dry run with it. Answers whether that was possible.
///
/// # Errors
/// When the database fails.
pub async fn check(
    db: &mut PgConnection,
    id: ImportId,
    plan: &Plan,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let begun = sqlx::query!(
        "update imports set state = 'checking', plan = $2, next_byte = 0, next_line = 1, added = 0, known = 0,
             had_left = 0, suppressed = 0, bad = 0, begun_at = $3, finished_at = null
         where id = $1 and state in ('uploaded', 'checking', 'checked')",
        id.0,
        Json(plan) as _,
        now
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("delete from import_problems where import_id = $1", id.0).execute(db).await?;
    Ok(begun.rows_affected() > 0)
}

/// Begins to bring people in, as the dry run has shown. Answers whether that was possible.
///
/// # Errors
/// When the database fails.
pub async fn run(db: &mut PgConnection, by: &Actor, id: ImportId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let begun = sqlx::query!(
        "update imports set state = 'importing', next_byte = 0, next_line = 1, added = 0, known = 0, had_left = 0,
             suppressed = 0, bad = 0, begun_at = $2, finished_at = null
         where id = $1 and state = 'checked' returning file_name",
        id.0,
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(begun) = begun else { return Ok(false) };
    audit::record(db, by, Action::ImportStarted, &begun.file_name, &serde_json::json!({}), now).await?;
    Ok(true)
}

/// Ends an import, and removes its file. Who was brought in stays. Answers whether there was something to end.
///
/// # Errors
/// When the database fails.
pub async fn cancel(
    db: &mut PgConnection,
    by: &Actor,
    id: ImportId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let ended = sqlx::query!(
        "update imports set state = 'cancelled', finished_at = $2
         where id = $1 and state in ('uploaded', 'checking', 'checked', 'importing') returning file_name, added",
        id.0,
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(ended) = ended else { return Ok(false) };
    remove_file(db, id).await?;
    audit::record(db, by, Action::ImportCancelled, &ended.file_name, &serde_json::json!({}), now).await?;
    Ok(true)
}

async fn remove_file(db: &mut PgConnection, id: ImportId) -> sqlx::Result<()> {
    sqlx::query!("delete from import_pieces where import_id = $1", id.0).execute(db).await?;
    Ok(())
}

/// A bad line, as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct BadLine {
    /// Its number.
    pub line: i64,
    /// What is wrong with it: [`key`](super::lines::LineProblem::key).
    pub problem: String,
}

/// Bad lines of an import, in their order.
///
/// # Errors
/// When the database fails.
pub async fn problems(db: &mut PgConnection, id: ImportId, limit: i64) -> sqlx::Result<Vec<BadLine>> {
    sqlx::query_as!(
        BadLine,
        "select line, problem from import_problems where import_id = $1 order by line limit $2",
        id.0,
        limit
    )
    .fetch_all(db)
    .await
}

/// What a step came to.
#[derive(Debug, Default)]
struct Read {
    rows: Vec<Row>,
    bad: Vec<BadLine>,
    bytes: u64,
    lines: u64,
    failure: Option<&'static str>,
}

/// An import that is under way and that nobody else is just reading, for [`step`] in the same transaction.
///
/// # Errors
/// When the database fails.
pub async fn next(db: &mut PgConnection) -> sqlx::Result<Option<ImportId>> {
    // Passed over while another process is at it.
    sqlx::query_scalar!(
        r#"select id as "id: ImportId" from imports where state in ('checking', 'importing')
           order by created_at limit 1 for update skip locked"#
    )
    .fetch_optional(db)
    .await
}

/// Reads on in an import, in the transaction in which [`next`] gave it.
///
/// # Errors
/// When the database fails. The transaction has to be given up then; the next step begins where this one did.
pub async fn step(
    db: &mut PgConnection,
    id: ImportId,
    keys: &SecretKeys,
    parse: ParseAddress,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let Some(import) = by_id(&mut *db, id).await? else { return Ok(()) };
    let from = u64::try_from(import.next_byte).unwrap_or_default();
    let size = u64::try_from(import.size_bytes).unwrap_or_default();
    let mut window = window(&mut *db, id, from).await?;
    let is_last = from + window.len() as u64 >= size;
    if is_last {
        window.push(b'\n');
    }
    let lines_before = u64::try_from(import.next_line - 1).unwrap_or_default();
    let read = read(&window, is_last, (lines_before, from == 0), &import.plan, parse, now);
    let outcomes = if import.state == ImportState::Importing {
        super::batch(&mut *db, keys, &read.rows, now).await?
    } else {
        super::try_out(&mut *db, keys, &read.rows).await?
    };
    keep_problems(&mut *db, id, &read.bad).await?;
    advance(db, &import, &read, &outcomes, now).await
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
    parse: ParseAddress,
    now: DateTime<Utc>,
) -> Read {
    let mut read = Read::default();
    let mut lines = Lines::new(window, plan.separator.byte(), lines_before);
    let mut is_header = is_first && plan.has_header;
    loop {
        // Reading out of memory does not fail.
        let Ok(Some(line)) = lines.read() else {
            // Nothing but blank lines up to the end; what may be the beginning of one that is not is left.
            let line_end = || window.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let end = if is_last { window.len() } else { line_end() };
            read.bytes = read.bytes.max(end as u64);
            break;
        };
        let row = (!std::mem::take(&mut is_header)).then(|| line.row(plan, parse, now));
        let number = line.number;
        if !is_last && lines.bytes_read() >= window.len() as u64 {
            break;
        }
        read.bytes = lines.bytes_read();
        match row {
            Some(Ok(row)) => read.rows.push(row),
            Some(Err(problem)) => {
                let line = i64::try_from(number).unwrap_or(i64::MAX);
                read.bad.push(BadLine { line, problem: problem.key().to_owned() });
            }
            None => {}
        }
        if read.rows.len() + read.bad.len() >= ROWS {
            break;
        }
    }
    if read.bytes == 0 && !window.is_empty() {
        // A line as long as the window: a quote that is never closed, or no list at all.
        read.failure = Some(if window.contains(&b'\n') { "open_quote" } else { "long_line" });
    }
    let done = usize::try_from(read.bytes).unwrap_or_default().min(window.len());
    read.lines = window[..done].split(|byte| *byte == b'\n').count() as u64 - 1;
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
    outcomes: &[(u64, Imported)],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let count = |wanted| number(outcomes.iter().filter(|(_, outcome)| *outcome == wanted).count());
    let next_byte = (import.next_byte + i64::try_from(read.bytes).unwrap_or_default()).min(import.size_bytes);
    let is_over = next_byte >= import.size_bytes;
    let state = match (read.failure, is_over, import.state) {
        (Some(_), ..) => ImportState::Failed,
        (None, true, ImportState::Importing) => ImportState::Done,
        (None, true, _) => ImportState::Checked,
        (None, false, state) => state,
    };
    sqlx::query!(
        "update imports set state = $2, next_byte = $3, next_line = next_line + $4, added = added + $5,
             known = known + $6, had_left = had_left + $7, suppressed = suppressed + $8, bad = bad + $9, failure = $10,
             finished_at = case when $11 then $12::timestamptz end
         where id = $1",
        import.id.0,
        state as ImportState,
        next_byte,
        i64::try_from(read.lines).unwrap_or_default(),
        count(Imported::Added),
        count(Imported::Known),
        count(Imported::Left),
        count(Imported::Suppressed),
        number(read.bad.len()),
        read.failure,
        state != import.state,
        now
    )
    .execute(&mut *db)
    .await?;
    if state.is_over() { remove_file(db, import.id).await } else { Ok(()) }
}

/// Ends an import that cannot go on, with its reason by key. One that somebody else has brought on or ended since stays as
/// it is.
///
/// # Errors
/// When the database fails.
pub async fn fail(
    db: &mut PgConnection,
    id: ImportId,
    failure: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update imports set state = 'failed', failure = $2, finished_at = $3
         where id = $1 and state in ('checking', 'importing')",
        id.0,
        failure,
        now
    )
    .execute(&mut *db)
    .await?;
    remove_file(db, id).await
}

/// Removes what is over: files after a week, whatever became of them, and reports after three months. Answers how much.
///
/// # Errors
/// When the database fails.
pub async fn forget_old(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    // An upload takes minutes; one of yesterday broke off.
    let removed = sqlx::query!(
        "delete from imports where created_at < $1 or (state = 'uploading' and created_at < $2)",
        now - REPORT_LIVES,
        now - Duration::days(1)
    )
    .execute(&mut *db)
    .await?;
    let ended = sqlx::query!(
        "with ended as (
             update imports set state = 'cancelled', finished_at = $2
             where state in ('uploaded', 'checking', 'checked', 'importing') and created_at < $1 returning id)
         delete from import_pieces p using ended where p.import_id = ended.id",
        now - FILE_LIVES,
        now
    )
    .execute(db)
    .await?;
    Ok(removed.rows_affected() + ended.rows_affected())
}
