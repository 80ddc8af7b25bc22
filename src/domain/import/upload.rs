//! Imports through the staff pages: the file lies in the database, and is read a piece at a time.
//!
//! ```text
//! uploading ─▶ uploaded ──check──▶ checking ─▶ checked ──run──▶ importing ─▶ done
//!                  ▲                  │           │                 │
//!                  └── another plan ──┴───────────┘                 └──▶ cancelled, failed
//! ```
//!
//! What is checking or importing is read by [`steps`](super::steps).

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::{PgConnection, types::Json};

use crate::domain::{address::NormalizedAddress, ids::ImportId};

use super::{people, plan::Plan};

/// Bytes of a file that are kept, and read, together.
pub const PIECE: usize = 256 * 1024;
/// Bytes a file may have: a million lines and then some.
pub const LONGEST_FILE: u64 = 100 * 1024 * 1024;
/// How long a file is kept that nobody brings in.
const FILE_LIVES: Duration = Duration::days(7);
/// How long it is known what came of an import.
const REPORT_LIVES: Duration = Duration::days(90);

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize, strum::IntoStaticStr)]
#[sqlx(type_name = "import_state", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    /// Its name in the database, and in the texts of pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

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
    pub id: ImportId,
    /// Where it stands.
    pub state: ImportState,
    /// When the file came.
    pub created_at: DateTime<Utc>,
    /// Who brought it.
    pub staff_email: String,
    /// What they are called, where they are a member today.
    pub staff_name: Option<String>,
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
    /// Kept as having left, as the list says.
    pub listed_unsubscribed: i64,
    /// Kept as bounced, as the list says.
    pub listed_bounced: i64,
    /// Kept as having complained, as the list says.
    pub listed_complained: i64,
    /// Left out, as was chosen, because the list says that they are not to be mailed.
    pub left_out: i64,
    /// Left out, because they never confirmed.
    pub never_confirmed: i64,
    /// Active here, although the list says otherwise.
    pub active_here: i64,
    /// Whether people are brought in, or were; otherwise the file was only tried out.
    pub brings_in: bool,
    /// Whether the dry run has read the file once, to learn what the whole of it says of each person.
    pub is_surveyed: bool,
    /// Why it failed, by key.
    pub failure: Option<String>,
    /// When the step under way, or the last one, began.
    pub begun_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Import {
    /// Whether the dry run reads the file for the first time.
    #[must_use]
    pub fn is_survey(&self) -> bool {
        self.state == ImportState::Checking && !self.is_surveyed
    }

    /// How much is done, in hundredths. The dry run reads the file twice.
    #[must_use]
    pub fn percent(&self) -> i64 {
        let read =
            if self.size_bytes == 0 { 100 } else { (self.next_byte * 100 / self.size_bytes).clamp(0, 100) };
        match self.state {
            ImportState::Checking if self.is_surveyed => 50 + read / 2,
            ImportState::Checking => read / 2,
            _ => read,
        }
    }
}

/// Begins an upload.
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

/// The file is here as a whole. Answers its name.
pub async fn complete(
    db: &mut PgConnection,
    id: ImportId,
    size_bytes: i64,
    plan: &Plan,
) -> sqlx::Result<String> {
    sqlx::query_scalar!(
        "update imports set state = 'uploaded', size_bytes = $2, plan = $3 where id = $1 returning file_name",
        id.0,
        size_bytes,
        Json(plan) as _
    )
    .fetch_one(db)
    .await
}

/// Forgets an import as if its file had never come.
pub async fn forget(db: &mut PgConnection, id: ImportId) -> sqlx::Result<()> {
    sqlx::query!("delete from imports where id = $1", id.0).execute(db).await?;
    Ok(())
}

/// An import by its id.
pub async fn by_id(db: &mut PgConnection, id: ImportId) -> sqlx::Result<Option<Import>> {
    sqlx::query_as!(
        Import,
        r#"select id as "id: ImportId", state as "state: ImportState", created_at, staff_email,
             (select s.name from staff s where s.email = staff_email) as staff_name, file_name, size_bytes,
             plan as "plan: Json<Plan>", next_byte, next_line, added, known, had_left, suppressed, bad, failure,
             listed_unsubscribed, listed_bounced, listed_complained, left_out, never_confirmed, active_here, brings_in,
             is_surveyed, begun_at, finished_at
           from imports where id = $1"#,
        id.0
    )
    .fetch_optional(db)
    .await
}

/// The latest imports.
pub async fn list(db: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Import>> {
    sqlx::query_as!(
        Import,
        r#"select id as "id: ImportId", state as "state: ImportState", created_at, staff_email,
             (select s.name from staff s where s.email = staff_email) as staff_name, file_name, size_bytes,
             plan as "plan: Json<Plan>", next_byte, next_line, added, known, had_left, suppressed, bad, failure,
             listed_unsubscribed, listed_bounced, listed_complained, left_out, never_confirmed, active_here, brings_in,
             is_surveyed, begun_at, finished_at
           from imports where state <> 'uploading' order by created_at desc limit $1"#,
        limit
    )
    .fetch_all(db)
    .await
}

/// The beginning of the file, up to a line end.
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
    let line_end = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
    if let Some(end) = bytes.iter().rposition(|byte| *byte == line_end) {
        bytes.truncate(end + 1);
    }
    bytes
}

/// Keeps how a file is read, for the form that says what stands in which column.
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

/// Keeps a plan, and begins the dry run with it. Answers the name of the file; nothing when that was not possible.
pub async fn check(
    db: &mut PgConnection,
    id: ImportId,
    plan: &Plan,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<String>> {
    let begun = sqlx::query!(
        "update imports set state = 'checking', brings_in = false, plan = $2, next_byte = 0, next_line = 1, added = 0, known = 0,
             had_left = 0, suppressed = 0, bad = 0, listed_unsubscribed = 0, listed_bounced = 0,
             listed_complained = 0, left_out = 0, never_confirmed = 0, active_here = 0, is_surveyed = false,
             begun_at = $3, finished_at = null
         where id = $1 and state in ('uploaded', 'checking', 'checked') returning file_name",
        id.0,
        Json(plan) as _,
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(begun) = begun else { return Ok(None) };
    sqlx::query!("delete from import_problems where import_id = $1", id.0).execute(&mut *db).await?;
    people::forget(&mut *db, id).await?;
    Ok(Some(begun.file_name))
}

/// Begins to bring people in, as the dry run has shown. Answers the name of the file; nothing when that was not possible.
pub async fn run(db: &mut PgConnection, id: ImportId, now: DateTime<Utc>) -> sqlx::Result<Option<String>> {
    let begun = sqlx::query!(
        "update imports set state = 'importing', brings_in = true, next_byte = 0, next_line = 1, added = 0, known = 0, had_left = 0,
             suppressed = 0, bad = 0, listed_unsubscribed = 0, listed_bounced = 0, listed_complained = 0,
             left_out = 0, never_confirmed = 0, active_here = 0, begun_at = $2, finished_at = null
         where id = $1 and state = 'checked' returning file_name",
        id.0,
        now
    )
    .fetch_optional(db)
    .await?;
    Ok(begun.map(|begun| begun.file_name))
}

/// Ends an import, and removes its file. Who was brought in stays. Answers the name of the file; nothing when there was nothing to
/// end.
pub async fn cancel(db: &mut PgConnection, id: ImportId, now: DateTime<Utc>) -> sqlx::Result<Option<String>> {
    let ended = sqlx::query!(
        "update imports set state = 'cancelled', finished_at = $2
         where id = $1 and state in ('uploaded', 'checking', 'checked', 'importing') returning file_name, added",
        id.0,
        now
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(ended) = ended else { return Ok(None) };
    remove_file(db, id).await?;
    Ok(Some(ended.file_name))
}

/// Removes the files that name one of these addresses, as a whole, because everything about them is to go. An import under way ends with
/// it, and says why; who was brought in stays. Answers how many there were.
pub async fn remove_lists_with(
    db: &mut PgConnection,
    addresses: &[NormalizedAddress],
    now: DateTime<Utc>,
) -> sqlx::Result<u64> {
    // One that is still on its way here is no list yet.
    let lists = sqlx::query_scalar!(
        r#"select id as "id: ImportId" from imports i
           where state <> 'uploading' and exists (select from import_pieces p where p.import_id = i.id) order by id"#
    )
    .fetch_all(&mut *db)
    .await?;
    let needles: Vec<Vec<u8>> = addresses.iter().flat_map(needles).collect();
    let mut removed = 0;
    for id in lists {
        if !names(&mut *db, id, &needles).await? {
            continue;
        }
        sqlx::query!(
            "update imports set state = 'failed', failure = 'erased', finished_at = $2
             where id = $1 and state in ('uploaded', 'checking', 'checked', 'importing')",
            id.0,
            now
        )
        .execute(&mut *db)
        .await?;
        remove_file(&mut *db, id).await?;
        removed += 1;
    }
    Ok(removed)
}

/// Whether the file of an import has one of these, read piece by piece.
async fn names(db: &mut PgConnection, id: ImportId, needles: &[Vec<u8>]) -> sqlx::Result<bool> {
    let longest = needles.iter().map(Vec::len).max().unwrap_or_default();
    let (mut number, mut window) = (0, Vec::new());
    loop {
        let piece = sqlx::query_scalar!(
            "select bytes from import_pieces where import_id = $1 and number = $2",
            id.0,
            number
        )
        .fetch_optional(&mut *db)
        .await?;
        let Some(piece) = piece else { return Ok(false) };
        window.extend(piece.to_ascii_lowercase());
        if needles.iter().any(|needle| has_address(&window, needle)) {
            return Ok(true);
        }
        // What may go on in the next piece, and what stands around it.
        window.drain(..window.len().saturating_sub(longest + 2));
        number += 1;
    }
}

/// An address as it may stand in a file: with its domain in letters or as it goes over the wire, in either encoding a file
/// is kept in.
fn needles(address: &NormalizedAddress) -> Vec<Vec<u8>> {
    let mut all = vec![address.as_str().as_bytes().to_vec()];
    let written = address.written();
    if written != address.as_str() {
        // Windows-1252, where each of these letters is one byte.
        let single: Option<Vec<u8>> = written.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        all.extend(single);
        all.push(written.into_bytes());
    }
    all
}

/// Whether an address stands in a text in lower case, and not as a part of a longer one.
fn has_address(text: &[u8], address: &[u8]) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-.".contains(&byte);
    let Some(first) = address.first() else { return false };
    let mut from = 0;
    while let Some(found) = text[from..].iter().position(|byte| byte == first) {
        let (start, end) = (from + found, from + found + address.len());
        if text[start..].starts_with(address) {
            // An apostrophe is a quotation mark more often than a part of a name.
            let is_longer = start > 0 && is_atext(text[start - 1]) && text[start - 1] != b'\'';
            let goes_on = match text.get(end..) {
                Some([b'-', ..]) => true,
                Some([b'.', after, ..] | [after, ..]) => after.is_ascii_alphanumeric(),
                _ => false,
            };
            if !is_longer && !goes_on {
                return true;
            }
        }
        from = start + 1;
    }
    false
}

/// Removes the file of an import that is over.
pub(super) async fn remove_file(db: &mut PgConnection, id: ImportId) -> sqlx::Result<()> {
    sqlx::query!("delete from import_pieces where import_id = $1", id.0).execute(&mut *db).await?;
    people::forget(db, id).await
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

/// Removes what is over: files after a week, whatever became of them, and reports after three months. Answers how much.
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
             where state in ('uploaded', 'checking', 'checked', 'importing') and created_at < $1 returning id),
         forgotten as (delete from import_people p using ended where p.import_id = ended.id)
         delete from import_pieces p using ended where p.import_id = ended.id",
        now - FILE_LIVES,
        now
    )
    .execute(db)
    .await?;
    Ok(removed.rows_affected() + ended.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::EmailAddress;

    #[test]
    fn an_address_is_found_in_every_spelling_and_not_within_a_longer_one() {
        let address = EmailAddress::parse("Mia.Muster@straße.example").unwrap().normalized();
        let needles = needles(&address);
        let has = |text: &[u8]| {
            let text = text.to_ascii_lowercase();
            needles.iter().any(|needle| has_address(&text, needle))
        };
        for text in [
            "Mia.Muster@straße.example",
            "x;MIA.MUSTER@straße.example;y",
            "\"mia.muster@xn--strae-oqa.example\"",
            "'mia.muster@xn--strae-oqa.example'",
            "<mia.muster@xn--strae-oqa.example>.",
            "mia.mia.muster@straße.example, mia.muster@straße.example",
        ] {
            assert!(has(text.as_bytes()), "{text}");
        }
        assert!(has(b"x;mia.muster@stra\xdfe.example"), "as Windows writes it");
        for text in [
            "",
            "mia",
            "a.mia.muster@straße.example",
            "x+mia.muster@straße.example",
            "mia.muster@straße.example.org",
            "mia.muster@straße.example-x",
            "mia.muster@straße.exampl",
        ] {
            assert!(!has(text.as_bytes()), "{text}");
        }
    }
}
