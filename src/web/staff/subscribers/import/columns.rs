//! The form that says what stands in which column of a list.

use chrono::Utc;
use serde::Serialize;

use crate::{
    domain::{
        import::{
            plan::{Encoding, LOOKED_AT, MOST_COLUMNS, Plan, Separator},
            presets::Preset,
            states::{Listed, Means},
            upload::Import,
        },
        locale::Locale,
    },
    web::{
        page_context::{PageContext, Sample},
        staff::{
            staff_page::{Choice, Mistakes, StaffPage},
            subscribers::import::{form::IGNORED, view::path_of},
        },
    },
};

/// Lines of the file that are shown to say what stands in which column.
const PREVIEW: usize = 6;
/// Columns of those lines.
const SHOWN_COLUMNS: usize = 50;
/// Values that are shown of a column of which it is asked what it means.
const SAMPLES: usize = 3;

/// Languages to choose from.
fn locales(page: &StaffPage, chosen: Locale) -> Vec<Choice> {
    let choice = |locale: Locale| Choice::new(locale.tag(), page.language(locale), locale == chosen);
    Locale::ALL.map(choice).to_vec()
}

/// The form that says what stands in which column.
#[derive(Serialize)]
pub struct ColumnsPage {
    path: String,
    name: String,
    labels: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Columns that are not shown.
    more_columns: usize,
    separators: Vec<Choice>,
    encodings: Vec<Choice>,
    presets: Vec<Choice>,
    /// The service's lists lack those who left.
    hides_who_left: bool,
    email: Vec<Choice>,
    consented_at: Vec<Choice>,
    /// Of consent, for all; empty for none.
    day: String,
    today: String,
    time_zone: &'static str,
    source: Vec<Choice>,
    source_of_all: String,
    locale: Vec<Choice>,
    locales: Vec<Choice>,
    /// It is asked, or was answered, what the list says of everybody in it.
    asks_of_everybody: bool,
    everybody: Vec<Choice>,
    /// Columns that say who is to be mailed.
    states: Vec<StateRow>,
    /// Columns that might.
    further: Vec<StateRow>,
    leaves_out: bool,
    errors: Mistakes,
}

#[derive(Serialize)]
struct StateRow {
    column: usize,
    label: String,
    options: Vec<Choice>,
    /// Nobody has said yet what it means.
    is_asked: bool,
    samples: String,
}

impl ColumnsPage {
    pub fn of(page: &StaffPage, import: &Import, plan: &Plan, beginning: &[u8], errors: Mistakes) -> Self {
        let width = plan.columns(beginning).min(MOST_COLUMNS);
        let lines = plan.preview(beginning, PREVIEW);
        let names = plan.names(beginning);
        let label = |column: usize| {
            let name = names.get(column).map(|name| short(name)).filter(|name| !name.is_empty());
            let numbered = || page.text("import", "column").replace("{number}", &(column + 1).to_string());
            name.unwrap_or_else(numbered)
        };
        let labels: Vec<String> = (0..width).map(label).collect();
        let column = |chosen: Option<usize>| -> Vec<Choice> {
            let choice = |(column, label): (usize, &String)| {
                Choice::new(column.to_string(), label.as_str(), chosen == Some(column))
            };
            labels.iter().enumerate().map(choice).collect()
        };
        let choice = |table: &str, name: &str, is_chosen: bool| choice_of(page, table, name, is_chosen);
        let (states, further) = states(page, plan, beginning, &labels);
        let shown = width.min(SHOWN_COLUMNS);
        let cells = |line: &Vec<String>| {
            (0..shown).map(|at| line.get(at).map(|cell| short(cell)).unwrap_or_default()).collect()
        };
        let day = plan.consented_at_of_all.map(|at| at.format("%Y-%m-%d").to_string());
        let everybody = Listed::OF_EVERYBODY
            .map(|one| choice("import_everybody", one.name(), plan.listed_as == Some(one)));
        Self {
            path: path_of(import.id),
            name: import.file_name.clone(),
            labels: labels[..shown].to_vec(),
            rows: lines.iter().skip(usize::from(plan.has_header)).map(cells).collect(),
            more_columns: width.saturating_sub(SHOWN_COLUMNS),
            separators: Separator::ALL
                .map(|one| choice("separator", one.name(), one == plan.separator))
                .into(),
            encodings: Encoding::ALL.map(|one| choice("encoding", one.name(), one == plan.encoding)).into(),
            presets: Preset::ALL.map(|one| choice("preset", one.name(), plan.preset == Some(one))).into(),
            hides_who_left: plan.preset.is_some_and(Preset::hides_who_left),
            email: column(plan.email),
            consented_at: column(plan.consented_at),
            day: day.unwrap_or_default(),
            today: Utc::now().with_timezone(&page.time_zone().0).format("%Y-%m-%d").to_string(),
            time_zone: plan.time_zone.0.name(),
            source: column(plan.source),
            source_of_all: plan.source_of_all.clone(),
            locale: column(plan.locale),
            locales: locales(page, plan.locale_of_all),
            asks_of_everybody: plan.listed_as.is_some() || plan.asks_of_everybody(&import.file_name),
            everybody: everybody.into(),
            states,
            further,
            leaves_out: plan.leaves_out,
            errors,
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// An option of which the text is in a table.
fn choice_of(page: &StaffPage, table: &str, name: &str, is_chosen: bool) -> Choice {
    Choice::new(name, page.text(table, name), is_chosen)
}

/// The columns that say who is to be mailed, or may; and all others, because a word that tells of leaving may stand
/// further down than anybody has looked.
fn states(
    page: &StaffPage,
    plan: &Plan,
    beginning: &[u8],
    labels: &[String],
) -> (Vec<StateRow>, Vec<StateRow>) {
    let asked = plan.asked(beginning);
    let lines = plan.preview(beginning, LOOKED_AT);
    let values = |column: usize| {
        lines.iter().skip(usize::from(plan.has_header)).filter_map(move |line| line.get(column))
    };
    // What makes one ask, and otherwise what stands there.
    let samples = |column: usize| {
        let telling = values(column).filter(|value| plan.tells_in(column, value));
        let mut samples: Vec<String> = Vec::new();
        for value in telling.chain(values(column)).map(|value| short(value)).filter(|value| !value.is_empty())
        {
            if samples.len() < SAMPLES && !samples.contains(&value) {
                samples.push(value);
            }
        }
        samples.join(" · ")
    };
    let (mut told, mut further) = (Vec::new(), Vec::new());
    for (column, label) in labels.iter().enumerate() {
        let means = plan.states.iter().find(|state| state.column == column).map(|state| state.means);
        let (is_asked, is_ignored) = (asked.contains(&column), plan.ignored.contains(&column));
        let mut options = vec![];
        if is_asked {
            options.push(Choice::new("", page.text("import", "choose"), true));
        }
        options.extend(Means::ALL.map(|one| choice_of(page, "state_means", one.name(), means == Some(one))));
        options.push(choice_of(page, "state_means", IGNORED, is_ignored));
        let row = StateRow { column, label: label.clone(), options, is_asked, samples: samples(column) };
        if is_asked || is_ignored || means.is_some() {
            told.push(row);
        } else if ![plan.email, plan.source, plan.locale].contains(&Some(column)) {
            further.push(row);
        }
    }
    (told, further)
}

impl PageContext for ColumnsPage {
    const TEMPLATE: &'static str = "staff/import_columns.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let wrong = ["columns", "email", "day", "source_of_all", "everybody", "states"].map(|field| {
            let mut errors = Mistakes::one(field, "Das fehlt noch.");
            errors.add("states", "Das fehlt noch.");
            Self { states: vec![StateRow::sample(true), StateRow::sample(false)], errors, ..Self::sample() }
        });
        let mut samples = vec![
            Self::sample(),
            Self { asks_of_everybody: false, further: Vec::new(), ..Self::sample() },
            Self { hides_who_left: true, more_columns: 7, leaves_out: true, ..Self::sample() },
        ];
        samples.extend(wrong);
        samples
    }
}

impl ColumnsPage {
    fn sample() -> Self {
        let column = || vec![Choice::new("0", "E-Mail", true), Choice::new("1", "Status", false)];
        let choice = || vec![Choice::new("one", "eins", true), Choice::new("two", "zwei", false)];
        Self {
            path: "/staff/subscribers/import/0".into(),
            name: "liste.csv".into(),
            labels: vec!["E-Mail".into(), "Status".into()],
            rows: vec![vec!["leser@example.org".into(), "aktiv".into()]],
            more_columns: 0,
            separators: choice(),
            encodings: choice(),
            presets: choice(),
            hides_who_left: false,
            email: column(),
            consented_at: column(),
            day: "2020-02-01".into(),
            today: "2026-11-25".into(),
            time_zone: "Europe/Berlin",
            source: column(),
            source_of_all: "Liste des Vereins".into(),
            locale: column(),
            locales: choice(),
            asks_of_everybody: true,
            everybody: choice(),
            states: Vec::new(),
            further: vec![StateRow::sample(false)],
            leaves_out: false,
            errors: Mistakes::default(),
        }
    }
}

impl StateRow {
    fn sample(is_asked: bool) -> Self {
        Self {
            column: 1,
            label: "Status".into(),
            options: vec![Choice::new("words", "Wörter", !is_asked)],
            is_asked,
            samples: if is_asked { "abgemeldet · aktiv".into() } else { String::new() },
        }
    }
}
