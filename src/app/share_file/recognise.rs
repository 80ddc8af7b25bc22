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

/// The formats of Office, each with the part that every such file has.
const OFFICE: [(&[u8], Format); 3] = [
    (b"word/document.xml", Format::Docx),
    (b"xl/workbook.xml", Format::Xlsx),
    (b"ppt/presentation.xml", Format::Pptx),
];

/// What is in a file.
///
/// # Errors
/// [`Refused`].
pub fn recognise(file: &[u8]) -> Result<Format, Refused> {
    // The header may stand anywhere in the first 1,024 bytes (ISO 32000-1, annex H, note 13).
    if let Some(begin) = find(&file[..file.len().min(1_024)], b"%PDF-") {
        let tail = &file[begin.max(file.len().saturating_sub(2_048))..];
        return if find(tail, b"%%EOF").is_some() { Ok(Format::Pdf) } else { Err(Refused::Damaged) };
    }
    // Compound File Binary: Office before 2007, and whatever has a password since.
    if file.starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
        return Err(Refused::Old);
    }
    if file.starts_with(b"PK\x03\x04") {
        let archive = ZipArchive::from_slice(file).map_err(|_| Refused::Damaged)?;
        return in_archive(&archive);
    }
    Err(Refused::Kind)
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
        format = format.or(OFFICE.iter().find(|(part, _)| *part == name).map(|(_, format)| *format));
        has_macros |= is_macro(name);
        // The only part that says what the whole is; never compressed (ISO/IEC 26300-3, 3.3).
        if name == b"mimetype" && entry.compression_method() == CompressionMethod::STORE {
            let stored = archive.get_entry(entry.wayfinder()).map_err(|_| Refused::Damaged)?;
            mimetype = open_document(stored.data());
        }
    }
    let format = mimetype.or(format.filter(|_| has_types)).ok_or(Refused::Kind)?;
    if has_macros { Err(Refused::Macros) } else { Ok(format) }
}

fn open_document(mimetype: &[u8]) -> Option<Format> {
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
