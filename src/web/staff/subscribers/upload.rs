//! A file on its way into the database: taken as it comes, a piece at a time, and looked at whether it can be a list.

use axum::{
    body::Bytes,
    extract::multipart::{Field, Multipart},
};
use chrono::Utc;
use sqlx::PgPool;

use crate::domain::{
    ids::ImportId,
    import::{
        plan::Plan,
        upload::{self, LONGEST_FILE, PIECE},
    },
    locale::Locale,
    staff::audit::Actor,
};

use super::super::{access::Member, problems::StaffProblem};

/// Characters that are kept of a file's name.
const LONGEST_NAME: usize = 120;

/// Why a file was not taken: keys of `staff.error`.
type Refused = &'static str;

/// Takes the file of a form. Nothing stays of one that is refused.
pub async fn take(
    pool: &PgPool,
    member: &Member,
    form: &mut Multipart,
    locale: Locale,
) -> Result<Result<ImportId, Refused>, StaffProblem> {
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => return Ok(Err("file_missing")),
            Err(_) => return Ok(Err("upload_broke")),
        };
        if field.name() == Some("file") && field.file_name().is_some_and(|name| !name.is_empty()) {
            return keep(pool, member, field, locale).await;
        }
    }
}

async fn keep(
    pool: &PgPool,
    member: &Member,
    mut field: Field<'_>,
    locale: Locale,
) -> Result<Result<ImportId, Refused>, StaffProblem> {
    let name = name_of(field.file_name().unwrap_or_default());
    let id = upload::begin(&mut *pool.acquire().await?, &member.0.email, &name, Utc::now()).await?;
    let mut file = Incoming::new(id);
    let refused = loop {
        match field.chunk().await {
            Ok(Some(bytes)) => match file.take(pool, bytes).await {
                Ok(None) => {}
                Ok(Some(refused)) => break Some(refused),
                Err(error) => {
                    forget(pool, id).await;
                    return Err(error.into());
                }
            },
            Ok(None) => break None,
            Err(_) => break Some("upload_broke"),
        }
    };
    let ended = match refused {
        Some(refused) => Err(refused),
        None => file.end(pool, &member.actor(), locale).await?,
    };
    if ended.is_err() {
        forget(pool, id).await;
        // Browsers read the answer only when they have sent everything.
        while let Ok(Some(_)) = field.chunk().await {}
    }
    Ok(ended.map(|()| id))
}

/// What cannot be removed now goes with the next day's forgetting.
async fn forget(pool: &PgPool, id: ImportId) {
    let forgotten = async { upload::forget(&mut *pool.acquire().await?, id).await };
    if let Err(error) = forgotten.await {
        tracing::warn!(%error, "an upload that was refused could not be removed yet");
    }
}

/// The last part of a path, in so many characters that are seen.
fn name_of(sent: &str) -> String {
    let name = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

struct Incoming {
    id: ImportId,
    piece: Vec<u8>,
    pieces: i32,
    size: u64,
    beginning: Vec<u8>,
    /// Bytes of a character whose rest is still to come, as long as everything was UTF-8.
    utf8: Option<Vec<u8>>,
}

impl Incoming {
    fn new(id: ImportId) -> Self {
        let piece = Vec::with_capacity(PIECE);
        Self { id, piece, pieces: 0, size: 0, beginning: Vec::new(), utf8: Some(Vec::new()) }
    }

    /// Takes what has come; answers why no more is taken.
    async fn take(&mut self, pool: &PgPool, bytes: Bytes) -> sqlx::Result<Option<Refused>> {
        self.size += bytes.len() as u64;
        if self.size > LONGEST_FILE {
            return Ok(Some("file_too_large"));
        }
        self.utf8 = self.utf8.take().and_then(|before| still_utf8(before, &bytes));
        if self.pieces == 0 && self.piece.len() < PIECE {
            self.beginning.extend(bytes.iter().take(PIECE - self.beginning.len().min(PIECE)));
            if self.beginning.len() >= 4
                && let Some(refused) = no_list(&self.beginning)
            {
                return Ok(Some(refused));
            }
        }
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() == PIECE {
                self.keep_piece(pool).await?;
            }
        }
        Ok(None)
    }

    async fn keep_piece(&mut self, pool: &PgPool) -> sqlx::Result<()> {
        upload::keep_piece(&mut *pool.acquire().await?, self.id, self.pieces, &self.piece).await?;
        self.pieces += 1;
        self.piece.clear();
        Ok(())
    }

    async fn end(
        mut self,
        pool: &PgPool,
        by: &Actor,
        locale: Locale,
    ) -> Result<Result<(), Refused>, StaffProblem> {
        if let Some(refused) = no_list(&self.beginning) {
            return Ok(Err(refused));
        }
        if self.beginning.iter().all(u8::is_ascii_whitespace) {
            return Ok(Err("file_empty"));
        }
        if !self.piece.is_empty() {
            self.keep_piece(pool).await?;
        }
        let is_utf8 = self.utf8.is_some_and(|rest| rest.is_empty());
        let plan = Plan::guess(&upload::whole_lines(self.beginning), is_utf8, locale);
        let size = i64::try_from(self.size).unwrap_or(i64::MAX);
        let mut transaction = pool.begin().await?;
        upload::complete(&mut transaction, by, self.id, size, &plan, Utc::now()).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    }
}

/// Why a file that begins like this is no list.
fn no_list(beginning: &[u8]) -> Option<Refused> {
    match beginning {
        // With its mark; or without, when every other byte of a Latin text is zero.
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [_, 0, _, 0, ..] | [0, _, 0, _, ..] => Some("file_utf16"),
        // The workbooks of spreadsheets are archives (ZIP), or of the old kind (OLE).
        [b'P', b'K', 3 | 5, ..] | [0xD0, 0xCF, 0x11, 0xE0, ..] => Some("file_workbook"),
        _ if beginning.iter().take(4096).any(|byte| *byte == 0) => Some("file_binary"),
        _ => None,
    }
}

/// What is left over of a character at the end of these bytes; nothing when they are not UTF-8.
fn still_utf8(mut before: Vec<u8>, bytes: &[u8]) -> Option<Vec<u8>> {
    let joined = if before.is_empty() {
        bytes
    } else {
        before.extend_from_slice(bytes);
        &before
    };
    match str::from_utf8(joined) {
        Ok(_) => Some(Vec::new()),
        Err(error) if error.error_len().is_none() => Some(joined[error.valid_up_to()..].to_vec()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_may_come_in_two_parts() {
        let text = "Grüße, 你好 €".as_bytes();
        for at in 0..=text.len() {
            let rest = still_utf8(Vec::new(), &text[..at]).and_then(|rest| still_utf8(rest, &text[at..]));
            assert_eq!(rest, Some(Vec::new()), "{at}");
        }
        assert_eq!(still_utf8(Vec::new(), b"M\xFCller"), None);
    }

    #[test]
    fn what_is_no_list_is_known_by_its_beginning() {
        assert_eq!(no_list(b"\xFF\xFEe\0m\0"), Some("file_utf16"));
        assert_eq!(no_list(b"e\0m\0a\0"), Some("file_utf16"));
        assert_eq!(no_list(b"PK\x03\x04rest"), Some("file_workbook"));
        assert_eq!(no_list(b"GIF89a\0\x01"), Some("file_binary"));
        assert_eq!(no_list("email\nä@example.org".as_bytes()), None);
        assert_eq!(no_list(b""), None);
    }

    #[test]
    fn a_files_name_is_a_name() {
        assert_eq!(name_of("C:\\Users\\mia\\liste.csv"), "liste.csv");
        assert_eq!(name_of("../../etc/pass\r\nwd"), "passwd");
        assert_eq!(name_of(&"x".repeat(500)).len(), LONGEST_NAME);
    }
}
