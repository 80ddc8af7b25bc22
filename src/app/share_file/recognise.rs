//! What an uploaded file is, by what is in it: its name and what the browser says of it count for nothing.

use rawzip::{CompressionMethod, ZipArchive, ZipSliceArchive};

use crate::domain::shared_file::Format;

/// Why a file is not shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Refused {
    /// It is none of the formats.
    Kind,
    /// It holds macros: programs that run where it is opened.
    Macros,
    /// A format of Office before 2007, or a newer one with a password.
    Old,
    /// It ends too early, or is broken.
    Damaged,
}

impl Refused {
    /// The key of its text in `staff.files`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Kind => "refused_kind",
            Self::Macros => "refused_macros",
            Self::Old => "refused_old",
            Self::Damaged => "refused_damaged",
        }
    }
}

/// The formats of Office, each with the main part of its files. A number may stand behind it: `document2.xml` is what Office
/// in a browser writes.
const OFFICE: [(&[u8], Format); 3] =
    [(b"word/document", Format::Docx), (b"xl/workbook", Format::Xlsx), (b"ppt/presentation", Format::Pptx)];

/// Bytes of a media type, at most. What is longer is none, however many parts say so.
const MEDIA_TYPE: usize = 128;

/// What is in a file.
///
/// # Errors
/// [`Refused`].
pub fn recognise(file: &[u8]) -> Result<Format, Refused> {
    // Compound File Binary: Office before 2007, and whatever has a password since.
    if file.starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
        return Err(Refused::Old);
    }
    if file.starts_with(b"PK\x03\x04") {
        let archive = ZipArchive::from_slice(file).map_err(|_| Refused::Damaged)?;
        return in_archive(&archive);
    }
    // Last, because an archive may hold a PDF: the header may stand anywhere in the first 1,024 bytes (ISO 32000-1, annex H,
    // note 13).
    let begin = find(&file[..file.len().min(1_024)], b"%PDF-").ok_or(Refused::Kind)?;
    let tail = &file[begin.max(file.len().saturating_sub(2_048))..];
    if find(tail, b"%%EOF").is_some() { Ok(Format::Pdf) } else { Err(Refused::Damaged) }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn in_archive(archive: &ZipSliceArchive<&[u8]>) -> Result<Format, Refused> {
    let (mut format, mut has_types, mut has_macros, mut mimetype) = (None, false, false, None);
    let mut entries = archive.entries();
    while let Some(entry) = entries.next_entry().map_err(|_| Refused::Damaged)? {
        let path = entry.file_path();
        let name: &[u8] = path.as_ref();
        has_types |= name == b"[Content_Types].xml";
        format = format.or_else(|| office(name));
        has_macros |= is_macro(name);
        // The only part that says what the whole is; never compressed (ISO/IEC 26300-3, 3.3).
        if mimetype.is_none() && name == b"mimetype" && entry.compression_method() == CompressionMethod::STORE
        {
            let stored = archive.get_entry(entry.wayfinder()).map_err(|_| Refused::Damaged)?;
            mimetype = Some(open_document(stored.data()));
        }
    }
    let format = mimetype.flatten().or(format.filter(|_| has_types)).ok_or(Refused::Kind)?;
    if has_macros { Err(Refused::Macros) } else { Ok(format) }
}

/// The format whose main part this is.
fn office(part: &[u8]) -> Option<Format> {
    let is_main = |begin: &[u8]| {
        let number = part.strip_prefix(begin).and_then(|rest| rest.strip_suffix(b".xml"));
        number.is_some_and(|number| number.iter().all(u8::is_ascii_digit))
    };
    OFFICE.iter().find(|(begin, _)| is_main(begin)).map(|(_, format)| *format)
}

fn open_document(mimetype: &[u8]) -> Option<Format> {
    if mimetype.len() > MEDIA_TYPE {
        return None;
    }
    let formats = [Format::Odt, Format::Ods, Format::Odp];
    formats.into_iter().find(|format| format.media_type().as_bytes() == mimetype.trim_ascii())
}

/// A part that holds programs: of Visual Basic, or of LibreOffice.
fn is_macro(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(b"vbaproject.bin") || name.starts_with(b"basic/") || name.starts_with(b"scripts/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of these parts, not compressed.
    fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
        use std::io::Write as _;
        let mut file = Vec::new();
        let mut archive = rawzip::ZipArchiveWriter::new(&mut file);
        for (name, bytes) in parts {
            let (mut entry, config) = archive.new_file(name).start().unwrap();
            let mut writer = config.wrap(&mut entry);
            writer.write_all(bytes).unwrap();
            let (_, descriptor) = writer.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
        archive.finish().unwrap();
        file
    }

    const TYPES: (&str, &[u8]) = ("[Content_Types].xml", b"<Types/>");

    #[test]
    fn a_file_is_what_is_in_it() {
        assert_eq!(recognise(b"%PDF-1.7\n...\n%%EOF\n"), Ok(Format::Pdf));
        assert_eq!(recognise(b"\xEF\xBB\xBF\n%PDF-1.4 ... %%EOF"), Ok(Format::Pdf));
        for (part, format) in [
            ("word/document.xml", Format::Docx),
            ("xl/workbook.xml", Format::Xlsx),
            ("ppt/presentation.xml", Format::Pptx),
            ("word/document2.xml", Format::Docx),
        ] {
            assert_eq!(recognise(&archive(&[TYPES, (part, b"<x/>")])), Ok(format));
        }
        let odt = archive(&[("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"")]);
        assert_eq!(recognise(&odt), Ok(Format::Odt));
        assert_eq!(recognise(&[vec![b' '; 900], b"%PDF-1.7 %%EOF".to_vec()].concat()), Ok(Format::Pdf));
    }

    #[test]
    fn whatever_else_a_file_is_called_it_is_refused() {
        assert_eq!(recognise(b""), Err(Refused::Kind));
        assert_eq!(recognise(b"<html>%PDF"), Err(Refused::Kind));
        assert_eq!(recognise(b"MZ\x90\x00"), Err(Refused::Kind));
        assert_eq!(recognise(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1...."), Err(Refused::Old));
        assert_eq!(recognise(b"%PDF-1.7\nhalf of it"), Err(Refused::Damaged));
        assert_eq!(recognise(b"PK\x03\x04half of it"), Err(Refused::Damaged));
        assert_eq!(recognise(&archive(&[("a.txt", b"a")])), Err(Refused::Kind), "any archive");
        assert_eq!(
            recognise(&archive(&[("word/document.xml", b"a")])),
            Err(Refused::Kind),
            "without its types"
        );
        assert_eq!(recognise(&archive(&[TYPES, ("xl/workbook.bin", b"a")])), Err(Refused::Kind), "xlsb");
        let of_pdfs = archive(&[("a.pdf", b"%PDF-1.7 %%EOF"), ("b.pdf", b"%PDF-1.7 %%EOF")]);
        assert_eq!(recognise(&of_pdfs), Err(Refused::Kind), "an archive of PDFs is none");
        let epub = archive(&[("mimetype", b"application/epub+zip")]);
        assert_eq!(recognise(&epub), Err(Refused::Kind));
    }

    #[test]
    fn a_file_with_macros_is_refused_whatever_its_ending_says() {
        let docm = archive(&[TYPES, ("word/document.xml", b"a"), ("word/vbaProject.bin", b"a")]);
        assert_eq!(recognise(&docm), Err(Refused::Macros));
        let ods = ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet".as_slice());
        assert_eq!(recognise(&archive(&[ods, ("Basic/script-lc.xml", b"a")])), Err(Refused::Macros));
    }
}
