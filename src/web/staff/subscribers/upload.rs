//! A file on its way into the database: taken as it comes, a piece at a time, and looked at whether it can be a list.

use axum::{
    body::Bytes,
    extract::multipart::{Field, Multipart},
};
use chrono::Utc;

use crate::{
    app::uploaded_lists::{ListError, Upload, begin_upload, complete_upload},
    db::{Pool, statement::StatementResult},
    domain::{
        actor::Actor,
        ids::ImportId,
        import::{
            encoding::{Scan, Utf16},
            plan::Plan,
            upload::{self, LONGEST_FILE, PIECE},
        },
        locale::Locale,
        publication::TimeZone,
    },
    telemetry::mask_addresses,
    web::{
        http::long_part::LongPart,
        staff::{logged_in::Member, staff_problem::StaffProblem},
    },
};

/// Characters that are kept of a file's name.
const LONGEST_NAME: usize = 120;

/// Why a file was not taken: keys of `staff.error`.
type Refused = &'static str;

/// Takes the file of a form. Nothing stays of one that is refused.
pub async fn receive_file(
    pool: &Pool,
    member: &Member,
    form: &mut Multipart,
    part: &LongPart,
    locale: Locale,
    zone: TimeZone,
) -> Result<Result<ImportId, Refused>, StaffProblem> {
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => return Ok(Err("file_missing")),
            Err(_) => return Ok(Err("upload_broke")),
        };
        if field.name() == Some("file") && field.file_name().is_some_and(|name| !name.is_empty()) {
            return keep(pool, member, (field, part), (locale, zone)).await;
        }
    }
}

async fn keep(
    pool: &Pool,
    member: &Member,
    (mut field, part): (Field<'_>, &LongPart),
    of_all: (Locale, TimeZone),
) -> Result<Result<ImportId, Refused>, StaffProblem> {
    let (name, by) = (name_of(field.file_name().unwrap_or_default()), member.actor());
    let mut file = Incoming::new(begin_upload(pool, &by, &name, Utc::now()).await?);
    let refused = loop {
        match field.chunk().await {
            Ok(Some(bytes)) => {
                part.took(bytes.len());
                match file.add(bytes).await {
                    Ok(None) => {}
                    Ok(Some(refused)) => break Some(refused),
                    Err(error) => {
                        forget(&file.list).await;
                        return Err(error.into());
                    }
                }
            }
            Ok(None) => break None,
            Err(_) => break Some("upload_broke"),
        }
    };
    let ended = match refused {
        Some(refused) => Err(refused),
        None => file.end(&by, of_all).await?,
    };
    if ended.is_err() {
        forget(&file.list).await;
        // Browsers read the answer only when they have sent everything.
        while let Ok(Some(bytes)) = field.chunk().await {
            part.took(bytes.len());
        }
    }
    Ok(ended.map(|()| file.list.id))
}

/// What cannot be removed now goes with the next day's forgetting.
async fn forget(list: &Upload) {
    if let Err(error) = list.forget().await {
        tracing::warn!(%error, "an upload that was refused could not be removed yet");
    }
}

/// The last part of a path, in so many characters that are seen. An address in it is masked: the name stands in the audit
/// log, which cannot be changed.
fn name_of(sent: &str) -> String {
    let name = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    mask_addresses(name).chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

struct Incoming {
    list: Upload,
    piece: Vec<u8>,
    /// Bytes that came.
    size: u64,
    /// Bytes that are kept.
    kept: u64,
    beginning: Vec<u8>,
    /// What came before it was known what the file is.
    head: Option<Vec<u8>>,
    utf16: Option<Utf16>,
    scan: Scan,
}

/// Bytes by which it is known what a file is.
const HEAD: usize = 4096;

impl Incoming {
    fn new(list: Upload) -> Self {
        let piece = Vec::with_capacity(PIECE);
        let (beginning, head, scan) = (Vec::new(), Some(Vec::new()), Scan::default());
        Self { list, piece, size: 0, kept: 0, beginning, head, utf16: None, scan }
    }

    /// Takes what has come; answers why no more is taken.
    async fn add(&mut self, bytes: Bytes) -> StatementResult<Option<Refused>> {
        self.size += bytes.len() as u64;
        if self.size > LONGEST_FILE {
            return Ok(Some("file_too_large"));
        }
        if let Some(head) = &mut self.head {
            head.extend_from_slice(&bytes);
            return if head.len() < HEAD { Ok(None) } else { self.recognise().await };
        }
        self.decode(&bytes, false).await?;
        Ok(None)
    }

    /// Looks at what has come first.
    async fn recognise(&mut self) -> StatementResult<Option<Refused>> {
        let Some(head) = self.head.take() else { return Ok(None) };
        self.utf16 = Utf16::of(&head[..head.len().min(HEAD)]);
        if self.utf16.is_none()
            && let Some(refused) = no_list(&head)
        {
            return Ok(Some(refused));
        }
        self.decode(&head, false).await?;
        Ok(None)
    }

    async fn decode(&mut self, bytes: &[u8], is_last: bool) -> StatementResult<()> {
        match &mut self.utf16 {
            Some(utf16) => {
                let text = utf16.decode(bytes, is_last);
                self.keep(text.as_bytes()).await
            }
            None => self.keep(bytes).await,
        }
    }

    async fn keep(&mut self, mut bytes: &[u8]) -> StatementResult<()> {
        self.scan.feed(bytes);
        self.kept += bytes.len() as u64;
        self.beginning.extend(bytes.iter().take(PIECE - self.beginning.len().min(PIECE)));
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() == PIECE {
                self.keep_piece().await?;
            }
        }
        Ok(())
    }

    async fn keep_piece(&mut self) -> StatementResult<()> {
        self.list.keep_piece(&self.piece).await?;
        self.piece.clear();
        Ok(())
    }

    async fn end(
        &mut self,
        by: &Actor,
        (locale, zone): (Locale, TimeZone),
    ) -> Result<Result<(), Refused>, StaffProblem> {
        if let Some(refused) = self.recognise().await? {
            return Ok(Err(refused));
        }
        self.decode(&[], true).await?;
        if self.beginning.iter().all(u8::is_ascii_whitespace) {
            return Ok(Err("file_empty"));
        }
        if !self.piece.is_empty() {
            self.keep_piece().await?;
        }
        let plan = Plan::guess(
            &upload::whole_lines(std::mem::take(&mut self.beginning)),
            std::mem::take(&mut self.scan).end(),
            locale,
            zone,
        );
        let size = i64::try_from(self.kept).unwrap_or(i64::MAX);
        complete_upload(&self.list, by, size, &plan, Utc::now()).await?;
        Ok(Ok(()))
    }
}

impl From<ListError> for StaffProblem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::NotAllowed(_) => Self::no_gate(),
            ListError::Database(error) => error.into(),
        }
    }
}

/// Why a file that begins like this is no list.
fn no_list(beginning: &[u8]) -> Option<Refused> {
    match beginning {
        // The workbooks of spreadsheets are archives (ZIP), or of the old kind (OLE).
        [b'P', b'K', 3 | 5, ..] | [0xD0, 0xCF, 0x11, 0xE0, ..] => Some("file_workbook"),
        _ if beginning.iter().take(4096).any(|byte| *byte == 0) => Some("file_binary"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_known_by_its_beginning() {
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
