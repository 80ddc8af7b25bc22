//! `GET /files/{name}`: a file that staff share with their readers. Uploading and looking through them is for staff: see
//! `staff::files`.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    app::share_file,
    domain::shared_file::{FileName, SharedFile},
    web::{
        AppState,
        http::problem::Problem,
        public::{
            byte_range::{self, Asked},
            uploads,
        },
    },
};

/// `GET /files/{name}`: a file, to be saved. Whatever is in it, nobody's browser opens it as a page of ours: the type is
/// ours, it is offered for saving, and the policy lets it do nothing.
pub async fn file(
    State(state): State<AppState>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = FileName::parse(&name).ok_or(Problem::NotFound)?;
    let tag = format!("\"{name}\"");
    let common = uploads::headers(&tag);
    if uploads::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    let file = share_file::find(&state.app.pool, &name).await?.ok_or(Problem::NotFound)?;
    let length = u64::try_from(file.bytes).unwrap_or_default();
    // For other methods than GET a range is not defined (RFC 9110 §14.2).
    let asked = if method == Method::GET { byte_range::asked(&headers, &tag, length) } else { Asked::Whole };
    let (status, bytes) = match &asked {
        Asked::Whole => (StatusCode::OK, None),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(format!("{}-{}", part.start, part.end - 1))),
        Asked::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, Some("*".to_owned())),
    };
    let range = bytes.map(|bytes| [(header::CONTENT_RANGE, format!("bytes {bytes}/{length}"))]);
    let Some(part) = asked.of(length) else { return Ok((status, range, ()).into_response()) };
    let part_length = part.end - part.start;
    let pieces = match share_file::read(&state.images, &name, part).await {
        Ok(pieces) => pieces.ok_or(Problem::NotFound)?,
        Err(error) => {
            tracing::error!(%error, "a shared file cannot be read");
            return Err(Problem::Unavailable);
        }
    };
    let own = [
        (header::CONTENT_TYPE, file.format.media_type().to_owned()),
        (header::CONTENT_LENGTH, part_length.to_string()),
        (header::CONTENT_DISPOSITION, disposition(&file)),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    Ok((status, common, own, range, Body::from_stream(pieces)).into_response())
}

/// To be saved under its title (RFC 6266): for programs that know only ASCII, too.
fn disposition(file: &SharedFile) -> String {
    let name = format!("{}.{}", file.title, file.format.extension());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " -_.()".contains(c);
    let ascii: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    // RFC 8187 §3.2.1: what an attribute may hold as it is; all else as bytes.
    let encoded: String = name
        .bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::domain::{ids::SharedFileId, shared_file::Format};

    #[test]
    fn a_file_is_saved_under_its_title_and_nothing_in_it_ends_the_header() {
        let called = |title: &str| {
            disposition(&SharedFile {
                id: SharedFileId::new(),
                name: "a".repeat(26),
                format: Format::Pdf,
                title: title.to_owned(),
                bytes: 1,
                created_at: Utc::now(),
                kept_since: None,
            })
        };
        assert_eq!(
            called("Programm Frühjahr"),
            "attachment; filename=\"Programm Fr_hjahr.pdf\"; filename*=UTF-8''Programm%20Fr%C3%BChjahr.pdf"
        );
        assert_eq!(
            called("a\"; b\\"),
            "attachment; filename=\"a__ b_.pdf\"; filename*=UTF-8''a%22%3B%20b%5C.pdf"
        );
    }
}
