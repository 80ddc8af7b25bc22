//! Samples of the page of files.

use uuid::Uuid;

use crate::{
    domain::{ids::SharedFileId, text_use::Use},
    web::{
        page_context::{PageContext, Sample},
        staff::{
            files::view::{FileView, FilesPage},
            staff_page::Mistakes,
        },
    },
};

impl PageContext for FilesPage {
    const TEMPLATE: &'static str = "staff/files.html";

    /// Files that nothing uses, that updates use, and that were sent; and none, with a mistake.
    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |title: &str, used: usize, is_kept: bool| FileView {
            id: SharedFileId(Uuid::nil()),
            title: title.into(),
            label: "PDF, 1,2 MB".into(),
            url: "https://brief.example.org/files/aaaaaaaaaaaaaaaaaaaaaaaaaa.pdf".into(),
            created_at: "25.11.2026, 14:05".into(),
            is_kept,
            uses: vec![Use { id: Uuid::nil(), is_template: false, title: "Neues vom Projekt".into() }; used],
            can_go: used == 0 && !is_kept,
        };
        let files = vec![of("Programm", 0, false), of("Plan", 2, false), of("Bericht", 1, true)];
        let usual = Self {
            files,
            older_url: Some("/staff/files?before=1&q=".into()),
            is_first: true,
            query: String::new(),
            errors: Mistakes::default(),
        };
        let mut errors = Mistakes::one("file", "Das ist kein PDF.");
        errors.add("form", "Diese Datei wird verwendet.");
        let none =
            Self { files: Vec::new(), older_url: None, is_first: false, query: "Hafen".into(), errors };
        let first = Self {
            files: Vec::new(),
            older_url: None,
            is_first: true,
            query: String::new(),
            errors: Mistakes::default(),
        };
        vec![usual, none, first]
    }
}
