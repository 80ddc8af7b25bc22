//! Lists of people who agreed elsewhere: uploaded, looked at, tried out, and only then brought in.

use std::collections::HashMap;

use axum::{
    Form, Json,
    extract::{FromRequest, Multipart, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::uploaded_lists::{self, cancel_list, check_list, keep_plan, run_list},
    domain::{
        ids::ImportId,
        import::{
            dates,
            lines::{self, LineProblem},
            plan::{Encoding, LOOKED_AT, MOST_COLUMNS, Plan, Separator, StateColumn},
            presets::Preset,
            states::{Listed, Means},
            upload::{Import, ImportState, LONGEST_FILE},
        },
        locale::Locale,
    },
    web::{
        AppState,
        http::{long_part::LongPart, problem::Problem, route::Body},
        staff::{
            logged_in::Admin,
            staff_page::{self, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
            subscribers::{default_locale, locales, upload::take},
        },
    },
};

/// Imports that are listed.
const LISTED: i64 = 20;
/// Bad lines that the page shows; the file with them has all that are kept.
const SHOWN_PROBLEMS: i64 = 20;
/// Lines of the file that are shown to say what stands in which column.
const PREVIEW: usize = 6;
/// Columns of those lines.
const SHOWN_COLUMNS: usize = 50;
/// Values that are shown of a column of which it is asked what it means.
const SAMPLES: usize = 3;

type Id = staff_page::Id<ImportId>;

/// The import that the path names. One that is still on its way here has no page yet.
async fn named(state: &AppState, id: Id) -> Result<Import, StaffProblem> {
    uploaded_lists::by_id(&state.pool, id_in(id)?).await?.ok_or(StaffProblem::NOT_FOUND)
}

fn path_of(id: ImportId) -> String {
    format!("/staff/subscribers/import/{id}")
}

/// A list, and what a form around it adds: a hundred megabytes over a line of four megabits a second.
pub const UPLOAD: Body = Body::Upload { most: 101 * 1024 * 1024, within: std::time::Duration::from_mins(4) };

/// `GET /staff/subscribers/import`: the form for a file, and the imports there were.
pub async fn start(page: StaffPage, _: Admin) -> Result<Response, StaffProblem> {
    let own = overview(&page, &Mistakes::default()).await?;
    page.show_value("staff/imports.html", &own)
}

async fn overview(page: &StaffPage, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let imports = uploaded_lists::latest(&page.state.pool, LISTED).await?;
    let imports: Vec<Value> = imports.iter().map(|import| shown(page, import)).collect();
    Ok(json!({ "imports": imports, "megabytes": LONGEST_FILE / 1024 / 1024, "errors": errors }))
}

/// An import as pages show it.
fn shown(page: &StaffPage, import: &Import) -> Value {
    let listed = import.listed_unsubscribed + import.listed_bounced + import.listed_complained;
    json!({
        "id": import.id, "path": path_of(import.id), "state": import.state, "name": import.file_name,
        "state_text": page.text("import_state", &word(import.state)),
        "by": import.staff_email, "at": page.short_time(import.created_at),
        "size": size(page, import.size_bytes), "percent": import.percent(),
        "read": read(page, import),
        "added": page.number(import.added), "known": page.number(import.known),
        "had_left": page.number(import.had_left), "suppressed": page.number(import.suppressed),
        "bad": page.number(import.bad), "has_bad": import.bad > 0, "has_new": import.added + listed > 0,
        "further": further(page, import), "to_bring_in": page.number(import.added + listed),
        "failure": import.failure.as_ref().map(|key| failure(page, key, import.next_line)),
        "finished_at": import.finished_at.map(|at| page.short_time(at)),
    })
}

/// How far it has been read, in words.
fn read(page: &StaffPage, import: &Import) -> String {
    let words = page.text("import", if import.is_survey() { "surveyed" } else { "read" });
    words.replace("{lines}", &page.number(import.next_line - 1))
}

/// Groups that few lists have; only those that there are.
fn further(page: &StaffPage, import: &Import) -> Vec<Value> {
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
        .map(|(group, count)| json!({ "label": page.text("import_group", group), "count": page.number(count) }))
        .collect()
}

fn word(state: ImportState) -> String {
    serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
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

/// `POST /staff/subscribers/import`: takes a file.
pub async fn receive(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    request: Request,
) -> Result<Response, StaffProblem> {
    let (request, part) = LongPart::of(request);
    let taken = match Multipart::from_request(request, &state).await {
        Ok(mut form) => {
            take(&state.pool, &member, &mut form, &part, default_locale(&page), page.time_zone()).await?
        }
        Err(_) => Err("file_missing"),
    };
    match taken {
        Ok(id) => Ok(Redirect::to(&path_of(id)).into_response()),
        Err(refused) => {
            let status = match refused {
                "file_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            let megabytes = (LONGEST_FILE / 1024 / 1024).to_string();
            let why = page.text("error", refused).replace("{megabytes}", &megabytes);
            let own = overview(&page, &Mistakes::one("file", why)).await?;
            page.answer_value(status, "staff/imports.html", &own)
        }
    }
}

/// `GET /staff/subscribers/import/{id}`: where it stands, and what comes next. With `?edit` how the file is read, once
/// more.
pub async fn show(page: StaffPage, _: Admin, id: Id) -> Result<Response, StaffProblem> {
    let import = named(&page.state, id).await?;
    let is_edited = page.query("edit").is_some() && import.state == ImportState::Checked;
    if import.state == ImportState::Uploaded || is_edited {
        let beginning = uploaded_lists::beginning(&page.state.pool, import.id).await?;
        let own = columns(&page, &import, &import.plan, &beginning, &Mistakes::default());
        return page.show_value("staff/import_columns.html", &own);
    }
    let own = report(&page, &import, &Mistakes::default()).await?;
    page.show_value("staff/import.html", &own)
}

/// What came of it so far.
async fn report(page: &StaffPage, import: &Import, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let problems = uploaded_lists::problems(&page.state.pool, import.id, SHOWN_PROBLEMS).await?;
    let problems: Vec<Value> = problems
        .iter()
        .map(|bad| json!({ "line": page.number(bad.line), "text": page.text("line_problem", &bad.problem) }))
        .collect();
    Ok(json!({
        "import": shown(page, import), "problems": problems,
        "is_under_way": import.state.is_under_way(), "is_over": import.state.is_over(),
        "is_dry": !import.brings_in,
        "errors": errors,
    }))
}

/// The form that says what stands in which column.
fn columns(page: &StaffPage, import: &Import, plan: &Plan, beginning: &[u8], errors: &Mistakes) -> Value {
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

/// What that form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    action: String,
    separator: String,
    encoding: String,
    /// Of the service; empty for none.
    preset: Option<String>,
    /// `leave_out` or anything else.
    away: String,
    /// What the list says of everybody in it; empty for nothing.
    everybody: String,
    email: String,
    consented_at: String,
    day: String,
    source: String,
    source_of_all: String,
    locale: String,
    locale_of_all: String,
    /// `state_N`: what column N says of states.
    #[serde(flatten)]
    further: HashMap<String, String>,
}

/// The choice for a column that is not to be read as a state.
const IGNORED: &str = "ignore";

impl Sent {
    /// The plan that was sent.
    fn plan(&self, before: &Plan, beginning: &[u8]) -> Plan {
        let separator = Separator::from_name(&self.separator);
        let encoding = Encoding::ALL.into_iter().find(|one| one.name() == self.encoding);
        let columns = Plan {
            separator: separator.unwrap_or(before.separator),
            encoding: encoding.unwrap_or(before.encoding),
            consented_at_of_all: dates::past(self.day.trim(), before.time_zone, Utc::now()).ok(),
            // The database takes no zeros; other control characters are told.
            source_of_all: self.source_of_all.replace('\0', "").trim().to_owned(),
            locale_of_all: Locale::from_tag(&self.locale_of_all).unwrap_or(before.locale_of_all),
            leaves_out: self.away == "leave_out",
            listed_as: Listed::from_name(&self.everybody),
            time_zone: before.time_zone,
            preset: self.preset.as_deref().map_or(before.preset, Preset::from_name),
            ..Plan::default()
        };
        let are_others = columns.separator != before.separator || columns.encoding != before.encoding;
        // "Not known" is an answer, unless it was given of other columns.
        let guessed = if are_others && columns.preset.is_none() {
            columns.with_service_of(beginning)
        } else {
            columns.with_columns_of(beginning)
        };
        if self.action == "preview" || are_others || guessed.preset != before.preset {
            // Other columns now: what was chosen among the old ones says nothing.
            return guessed;
        }
        let width = guessed.columns(beginning);
        let column = |text: &str| text.parse::<usize>().ok().filter(|column| *column < width);
        let consented_at = column(&self.consented_at);
        let plan = Plan {
            email: column(&self.email),
            consented_at,
            consented_at_with: guessed.consented_at_with.filter(|_| consented_at == guessed.consented_at),
            source: column(&self.source),
            locale: column(&self.locale),
            ..guessed
        };
        self.with_states(plan, width)
    }

    /// With what was chosen of states. A column of which nothing was sent is read as it was guessed.
    fn with_states(&self, mut plan: Plan, width: usize) -> Plan {
        for column in 0..width {
            let Some(chosen) = self.further.get(&format!("state_{column}")) else { continue };
            plan.states.retain(|state| state.column != column);
            if chosen == IGNORED {
                plan.ignored.push(column);
            } else if let Some(means) = Means::from_name(chosen) {
                plan.states.push(StateColumn { column, means });
            }
        }
        // The address says nothing of a state; a date of consent may: where it is missing, nobody confirmed.
        let is_other = |column| [plan.email, plan.source, plan.locale].contains(&Some(column));
        let states = plan.states.iter().copied().filter(|state| !is_other(state.column)).collect();
        plan.states = states;
        plan
    }
}

/// What is missing in a plan.
fn mistakes_in(page: &StaffPage, plan: &Plan, file_name: &str, beginning: &[u8]) -> Mistakes {
    let mut mistakes = Mistakes::default();
    if plan.columns(beginning) > MOST_COLUMNS {
        mistakes.add("columns", page.text("error", "too_many_columns"));
    }
    if plan.asks_of_everybody(file_name) {
        mistakes.add("everybody", page.text("error", "everybody_asked"));
    }
    if !plan.asked(beginning).is_empty() {
        mistakes.add("states", page.text("error", "states_asked"));
    }
    if plan.email.is_none() {
        mistakes.add("email", page.text("error", "column_email"));
    }
    if plan.is_of_others() {
        return mistakes;
    }
    if plan.consented_at.is_none() && plan.consented_at_of_all.is_none_or(|at| at > Utc::now()) {
        mistakes.add("day", page.text("error", "consent_day"));
    }
    if plan.source.is_none() {
        match lines::checked_source(&plan.source_of_all) {
            Ok(()) => {}
            Err(LineProblem::NoSource) => mistakes.add("source_of_all", page.text("error", "consent_source")),
            Err(problem) => {
                mistakes.add("source_of_all", page.text("line_problem", problem.key()));
            }
        }
    }
    mistakes
}

/// `POST /staff/subscribers/import/{id}/check`: takes the plan and begins the dry run; or shows the file again, read in
/// another way.
pub async fn check(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let import = named(&state, id).await?;
    if import.state.is_over() || import.state == ImportState::Importing {
        return Ok(done(&path_of(import.id), "import_over"));
    }
    let beginning = uploaded_lists::beginning(&state.pool, import.id).await?;
    let plan = sent.plan(&import.plan, &beginning);
    let way = |plan: &Plan| (plan.separator, plan.encoding, plan.preset);
    let is_read_anew = way(&plan) != way(&import.plan);
    let mistakes = mistakes_in(&page, &plan, &import.file_name, &beginning);
    if sent.action == "preview" || is_read_anew {
        let mut shown = import.clone();
        shown.plan.0 = plan.clone();
        // Kept, so that the columns chosen next are those that were shown.
        keep_plan(&state.pool, &member.actor(), import.id, &plan).await?;
        let own = columns(&page, &shown, &plan, &beginning, &Mistakes::default());
        return page.answer_value(StatusCode::OK, "staff/import_columns.html", &own);
    }
    if !mistakes.is_empty() {
        let own = columns(&page, &import, &plan, &beginning, &mistakes);
        return page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/import_columns.html", &own);
    }
    check_list(&state.pool, &member.actor(), import.id, &plan, Utc::now()).await?;
    Ok(Redirect::to(&path_of(import.id)).into_response())
}

/// What the form under the dry run sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Vouched {
    vouched: String,
}

/// `POST /staff/subscribers/import/{id}/run`: brings the people in, as the dry run has shown.
pub async fn run(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    id: Id,
    Form(sent): Form<Vouched>,
) -> Result<Response, StaffProblem> {
    let import = named(&state, id).await?;
    if import.state == ImportState::Checked && sent.vouched != "yes" {
        let mistakes = Mistakes::one("vouched", page.text("error", "vouched"));
        let own = report(&page, &import, &mistakes).await?;
        return page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/import.html", &own);
    }
    run_list(&state.pool, &member.actor(), import.id, Utc::now()).await?;
    Ok(Redirect::to(&path_of(import.id)).into_response())
}

/// `POST /staff/subscribers/import/{id}/cancel`: ends it, and removes the file.
pub async fn cancel(
    State(state): State<AppState>,
    Admin(member): Admin,
    id: Id,
) -> Result<Response, StaffProblem> {
    let import = named(&state, id).await?;
    let ended = cancel_list(&state.pool, &member.actor(), import.id, Utc::now()).await?;
    Ok(done(&path_of(import.id), if ended { "import_cancelled" } else { "import_over" }))
}

/// `GET /staff/subscribers/import/{id}/status`: how far it is, for the script that shows it.
pub async fn status(page: StaffPage, _: Admin, id: Id) -> Result<Response, StaffProblem> {
    let import = named(&page.state, id).await?;
    let read = read(&page, &import);
    Ok(Json(json!({ "state": import.state, "percent": import.percent(), "read": read })).into_response())
}

/// `GET /staff/subscribers/import/{id}/problems.csv`: the lines that cannot come in, to mend them.
pub async fn problems(page: StaffPage, _: Admin, id: Id) -> Result<Response, StaffProblem> {
    let import = named(&page.state, id).await?;
    let problems = uploaded_lists::problems(&page.state.pool, import.id, i64::MAX).await?;
    let internal = |error: &dyn std::fmt::Display| StaffProblem::Common(Problem::internal(error));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = [page.text("import", "line"), page.text("import", "problem")];
    writer.write_record(head).map_err(|error| internal(&error))?;
    for bad in problems {
        let record = [&bad.line.to_string(), page.text("line_problem", &bad.problem)];
        writer.write_record(record).map_err(|error| internal(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| internal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"import-problems.csv\""),
    ];
    // Spreadsheets take a file for UTF-8 when it begins like this.
    Ok((headers, [b"\xEF\xBB\xBF".as_slice(), &bytes].concat()).into_response())
}
