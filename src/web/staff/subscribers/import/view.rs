//! An import as its pages show it.

use serde::Serialize;

use crate::{
    app::uploaded_lists,
    domain::{
        ids::ImportId,
        import::upload::{BadLine, Import, ImportState, LONGEST_FILE},
    },
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            staff_page::{self, Mistakes, StaffPage, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// Imports that are listed.
const LISTED: i64 = 20;
/// Bad lines that the page shows; the file with them has all that are kept.
const SHOWN_PROBLEMS: i64 = 20;

pub type Id = staff_page::Id<ImportId>;

/// The import that the path names. One that is still on its way here has no page yet.
pub async fn named(state: &AppState, id: Id) -> Result<Import, StaffProblem> {
    uploaded_lists::by_id(&state.app.pool, id_in(id)?).await?.ok_or(StaffProblem::NOT_FOUND)
}

pub fn path_of(id: ImportId) -> String {
    format!("/staff/subscribers/import/{id}")
}

/// How far it has been read, in words.
fn read(page: &StaffPage, import: &Import) -> String {
    let words = page.text("import", if import.is_survey() { "surveyed" } else { "read" });
    words.replace("{lines}", &page.number(import.next_line - 1))
}

/// Why an import failed, in words.
fn failure(page: &StaffPage, key: &str, line: i64) -> String {
    page.text("import_failure", key).replace("{line}", &page.number(line))
}

fn size(page: &StaffPage, bytes: i64) -> String {
    match bytes {
        0..10_240 => format!("{} B", page.number(bytes)),
        10_240..10_485_760 => format!("{} KB", page.number(bytes / 1024)),
        _ => format!("{} MB", page.number(bytes / 1024 / 1024)),
    }
}

/// The form for a file, and the imports there were.
#[derive(Serialize)]
pub struct ImportsPage {
    imports: Vec<ImportRow>,
    /// The longest file that is taken.
    megabytes: u64,
    errors: Mistakes,
}

#[derive(Serialize)]
struct ImportRow {
    path: String,
    name: String,
    at: String,
    by: String,
    size: String,
    state: ImportState,
    state_text: String,
}

impl ImportsPage {
    pub async fn of(page: &StaffPage, errors: Mistakes) -> Result<Self, StaffProblem> {
        let imports = uploaded_lists::latest(&page.state.app.pool, LISTED).await?;
        let imports = imports.into_iter().map(|import| ImportRow {
            path: path_of(import.id),
            at: page.short_time(import.created_at),
            size: size(page, import.size_bytes),
            state: import.state,
            state_text: page.text("import_state", import.state.name()).to_owned(),
            name: import.file_name,
            by: import.staff_name.unwrap_or(import.staff_email),
        });
        Ok(Self { imports: imports.collect(), megabytes: LONGEST_FILE / 1024 / 1024, errors })
    }
}

impl PageContext for ImportsPage {
    const TEMPLATE: &'static str = "staff/imports.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let row = |state| ImportRow {
            path: "/staff/subscribers/import/0".into(),
            name: "liste.csv".into(),
            at: "25.11.2026, 14:05".into(),
            by: "ada@example.org".into(),
            size: "12 KB".into(),
            state,
            state_text: "ausprobiert".into(),
        };
        let states =
            [ImportState::Checked, ImportState::Done, ImportState::Failed, ImportState::Cancelled].map(row);
        vec![
            Self { imports: states.into(), megabytes: 100, errors: Mistakes::default() },
            Self {
                imports: Vec::new(),
                megabytes: 100,
                errors: Mistakes::one("file", "Diese Datei ist leer."),
            },
        ]
    }
}

/// Where an import stands, and what came of it so far.
#[derive(Serialize)]
pub struct ImportPage {
    path: String,
    state: ImportState,
    name: String,
    size: String,
    percent: i64,
    read: String,
    is_under_way: bool,
    /// Nobody is brought in: it was only tried out.
    is_dry: bool,
    failure: Option<String>,
    added: String,
    known: String,
    had_left: String,
    suppressed: String,
    bad: String,
    /// Groups that few lists have; only those that there are.
    further: Vec<Group>,
    has_new: bool,
    to_bring_in: String,
    problems: Vec<ProblemRow>,
    errors: Mistakes,
}

#[derive(Serialize)]
struct Group {
    label: String,
    count: String,
}

/// A line that cannot come in.
#[derive(Serialize)]
struct ProblemRow {
    line: String,
    text: String,
}

impl ImportPage {
    pub async fn of(page: &StaffPage, import: &Import, errors: Mistakes) -> Result<Self, StaffProblem> {
        let problems = uploaded_lists::problems(&page.state.app.pool, import.id, SHOWN_PROBLEMS).await?;
        let new =
            import.added + import.listed_unsubscribed + import.listed_bounced + import.listed_complained;
        Ok(Self {
            path: path_of(import.id),
            state: import.state,
            name: import.file_name.clone(),
            size: size(page, import.size_bytes),
            percent: import.percent(),
            read: read(page, import),
            is_under_way: import.state.is_under_way(),
            is_dry: !import.brings_in,
            failure: import.failure.as_ref().map(|key| failure(page, key, import.next_line)),
            added: page.number(import.added),
            known: page.number(import.known),
            had_left: page.number(import.had_left),
            suppressed: page.number(import.suppressed),
            bad: page.number(import.bad),
            further: Group::of(page, import),
            has_new: new > 0,
            to_bring_in: page.number(new),
            problems: problems.iter().map(|bad| ProblemRow::of(page, bad)).collect(),
            errors,
        })
    }
}

impl Group {
    fn of(page: &StaffPage, import: &Import) -> Vec<Self> {
        let groups = [
            ("listed_unsubscribed", import.listed_unsubscribed),
            ("listed_bounced", import.listed_bounced),
            ("listed_complained", import.listed_complained),
            ("left_out", import.left_out),
            ("never_confirmed", import.never_confirmed),
            ("active_here", import.active_here),
        ];
        let there_are = groups.into_iter().filter(|(_, count)| *count > 0);
        there_are
            .map(|(group, count)| Self {
                label: page.text("import_group", group).to_owned(),
                count: page.number(count),
            })
            .collect()
    }
}

impl ProblemRow {
    fn of(page: &StaffPage, bad: &BadLine) -> Self {
        let text = page.text("line_problem", &bad.problem).to_owned();
        Self { line: page.number(bad.line), text }
    }
}

impl PageContext for ImportPage {
    const TEMPLATE: &'static str = "staff/import.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page = |state: ImportState, is_dry| Self {
            path: "/staff/subscribers/import/0".into(),
            state,
            name: "liste.csv".into(),
            size: "12 KB".into(),
            percent: 40,
            read: "1.234 Zeilen gelesen".into(),
            is_under_way: state.is_under_way(),
            is_dry,
            failure: None,
            added: "1.200".into(),
            known: "3".into(),
            had_left: "0".into(),
            suppressed: "0".into(),
            bad: "0".into(),
            further: Vec::new(),
            has_new: true,
            to_bring_in: "1.200".into(),
            problems: Vec::new(),
            errors: Mistakes::default(),
        };
        let (label, text) = ("abgemeldet laut Liste".into(), "Das ist keine Adresse.".into());
        let whole = Self {
            further: vec![Group { label, count: "2".into() }],
            problems: vec![ProblemRow { line: "7".into(), text }],
            errors: Mistakes::one("vouched", "Bitte bestätigen Sie das."),
            ..page(ImportState::Checked, true)
        };
        vec![
            page(ImportState::Checked, true),
            whole,
            Self { has_new: false, ..page(ImportState::Checked, true) },
            page(ImportState::Checking, true),
            page(ImportState::Importing, false),
            page(ImportState::Done, false),
            page(ImportState::Cancelled, true),
            Self { failure: Some("Zeile 7 ist zu lang.".into()), ..page(ImportState::Failed, true) },
        ]
    }
}

/// How far an import is, for the script that shows it.
#[derive(Serialize)]
pub struct Status {
    state: ImportState,
    percent: i64,
    read: String,
}

impl Status {
    pub fn of(page: &StaffPage, import: &Import) -> Self {
        Self { state: import.state, percent: import.percent(), read: read(page, import) }
    }
}
