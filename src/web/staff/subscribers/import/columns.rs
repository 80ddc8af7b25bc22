//! The form that says what stands in which column of a list.

use chrono::Utc;
use serde_json::{Value, json};

use crate::{
    domain::import::{
        plan::{Encoding, LOOKED_AT, MOST_COLUMNS, Plan, Separator},
        presets::Preset,
        states::{Listed, Means},
        upload::Import,
    },
    web::staff::{
        staff_page::{Mistakes, StaffPage},
        subscribers::{
            import::{form::IGNORED, view::shown},
            locales,
        },
    },
};

/// Lines of the file that are shown to say what stands in which column.
const PREVIEW: usize = 6;
/// Columns of those lines.
const SHOWN_COLUMNS: usize = 50;
/// Values that are shown of a column of which it is asked what it means.
const SAMPLES: usize = 3;

/// The form that says what stands in which column.
pub fn columns(page: &StaffPage, import: &Import, plan: &Plan, beginning: &[u8], errors: &Mistakes) -> Value {
    let width = plan.columns(beginning).min(MOST_COLUMNS);
    let lines = plan.preview(beginning, PREVIEW);
    let names = plan.names(beginning);
    let label = |column: usize| {
        let name = names.get(column).map(|name| short(name)).filter(|name| !name.is_empty());
        name.unwrap_or_else(|| page.text("import", "column").replace("{number}", &(column + 1).to_string()))
    };
    let labels: Vec<String> = (0..width).map(label).collect();
    let choice = |chosen: Option<usize>| -> Vec<Value> {
        let option = |(column, label): (usize, &String)| json!({ "value": column.to_string(), "label": label, "selected": chosen == Some(column) });
        labels.iter().enumerate().map(option).collect()
    };
    let option = |table: &str, name: &str, is_chosen: bool| choice_of(page, table, name, is_chosen);
    let (states, further) = states(page, plan, beginning, &labels);
    let presets = Preset::ALL.map(|one| option("preset", one.name(), plan.preset == Some(one)));
    let everybody =
        Listed::OF_EVERYBODY.map(|one| option("import_everybody", one.name(), plan.listed_as == Some(one)));
    let rows: Vec<Vec<String>> = lines
        .iter()
        .skip(usize::from(plan.has_header))
        .map(|line| {
            (0..width.min(SHOWN_COLUMNS))
                .map(|at| line.get(at).map(|cell| short(cell)).unwrap_or_default())
                .collect()
        })
        .collect();
    json!({
        "import": shown(page, import),
        "labels": labels[..width.min(SHOWN_COLUMNS)], "rows": rows,
        "more_columns": width.saturating_sub(SHOWN_COLUMNS),
        "email": choice(plan.email), "consented_at": choice(plan.consented_at),
        "source": choice(plan.source), "locale": choice(plan.locale),
        "day": plan.consented_at_of_all.map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default(),
        "today": Utc::now().with_timezone(&page.time_zone().0).format("%Y-%m-%d").to_string(),
        "source_of_all": plan.source_of_all, "locales": locales(page, plan.locale_of_all),
        "states": states, "further": further, "presets": presets, "leaves_out": plan.leaves_out,
        "hides_who_left": plan.preset.is_some_and(Preset::hides_who_left),
        "asks_of_everybody": plan.listed_as.is_some() || plan.asks_of_everybody(&import.file_name),
        "everybody": everybody,
        "time_zone": plan.time_zone.0.name(),
        "separators": Separator::ALL.map(|one| option("separator", one.name(), one == plan.separator)),
        "encodings": Encoding::ALL.map(|one| option("encoding", one.name(), one == plan.encoding)),
        "errors": errors,
    })
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// An option of a choice.
fn choice_of(page: &StaffPage, table: &str, name: &str, is_chosen: bool) -> Value {
    json!({ "value": name, "label": page.text(table, name), "selected": is_chosen })
}

/// The columns that say who is to be mailed, or may; and all others, because a word that tells of leaving may stand
/// further down than anybody has looked.
fn states(page: &StaffPage, plan: &Plan, beginning: &[u8], labels: &[String]) -> (Vec<Value>, Vec<Value>) {
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
            options.push(json!({ "value": "", "label": page.text("import", "choose"), "selected": true }));
        }
        options.extend(Means::ALL.map(|one| choice_of(page, "state_means", one.name(), means == Some(one))));
        options.push(choice_of(page, "state_means", IGNORED, is_ignored));
        let shown = json!({ "column": column, "label": label, "options": options, "is_asked": is_asked,
            "samples": samples(column) });
        if is_asked || is_ignored || means.is_some() {
            told.push(shown);
        } else if ![plan.email, plan.source, plan.locale].contains(&Some(column)) {
            further.push(shown);
        }
    }
    (told, further)
}
