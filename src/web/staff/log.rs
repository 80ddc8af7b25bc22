//! The audit log, for admins to read and filter.

use axum::response::Response;
use chrono::{DateTime, Days, NaiveDate, TimeZone as _, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::{
    app::read_log::{self, Excerpt},
    domain::{
        address,
        staff::audit::{Action, Actor, Entry, Filter},
    },
    web::{
        page_context::{PageContext, Sample},
        staff::{
            formats,
            logged_in::Admin,
            publication::form,
            staff_page::{Choice, StaffPage},
            staff_problem::StaffProblem,
        },
    },
};

/// Entries a page.
const PAGE: usize = 50;
/// Characters of what is looked for.
const LONGEST_ABOUT: usize = 320;

/// What the filter form sends. Whatever cannot be understood does not narrow the choice.
struct LogQuery {
    person: String,
    action: String,
    about: String,
    from: String,
    to: String,
    before: String,
}

/// `GET /staff/audit`
pub async fn show(page: StaffPage, _: Admin) -> Result<Response, StaffProblem> {
    let value = |name| page.query(name).unwrap_or_default();
    let asked = LogQuery {
        person: value("person"),
        action: value("action"),
        about: value("about").trim().chars().take(LONGEST_ABOUT).collect(),
        from: value("from"),
        to: value("to"),
        before: value("before"),
    };
    let filter = Filter {
        staff_email: Some(asked.person.clone()).filter(|person| !person.is_empty()),
        action: Action::parse(&asked.action),
        about: Some(asked.about.clone()).filter(|about| !about.is_empty()),
        from: day(&page, &asked.from, 0),
        // The day itself belongs to it.
        to: day(&page, &asked.to, 1),
        before: asked.before.parse().ok(),
    };
    let Excerpt { entries, has_older, people } = read_log::page(&page.state.app.pool, &filter, PAGE).await?;
    let older = entries.last().filter(|_| has_older).map(|last| link(&asked, last.id));
    let people = people.iter().map(|person| {
        let email = &person.staff_email;
        let label = match &person.name {
            Some(name) => format!("{name} ({})", address::written(email)),
            None => who(&page, email).to_owned(),
        };
        Choice::new(email, label, *email == asked.person)
    });
    let actions = Action::ALL.iter().map(|action| {
        let name = action.as_str();
        Choice::new(name, page.text("action", name), name == asked.action)
    });
    let is_narrowed = filter.staff_email.is_some()
        || filter.action.is_some()
        || filter.about.is_some()
        || filter.from.is_some()
        || filter.to.is_some()
        || filter.before.is_some();
    page.show(&LogPage {
        entries: entries.iter().map(|entry| LogEntry::of(&page, entry)).collect(),
        people: people.collect(),
        actions: actions.collect(),
        older,
        is_narrowed,
        about: asked.about,
        from: asked.from,
        to: asked.to,
    })
}

/// The audit log, and the form that filters it.
#[derive(Serialize)]
pub struct LogPage {
    entries: Vec<LogEntry>,
    people: Vec<Choice>,
    actions: Vec<Choice>,
    /// The address of the next page.
    older: Option<String>,
    is_narrowed: bool,
    /// To whom or what, as it was typed.
    about: String,
    /// Days as they were typed.
    from: String,
    to: String,
}

impl PageContext for LogPage {
    const TEMPLATE: &'static str = "staff/audit.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let person = "ada@example.org";
        let page = |entries, older, from: &str, is_narrowed| Self {
            entries,
            people: vec![
                Choice::new(person, person, is_narrowed),
                Choice::new(Actor::COMMAND, "Befehl auf dem Server", false),
            ],
            actions: vec![Choice::new("logged_in", "angemeldet", is_narrowed)],
            older,
            is_narrowed,
            about: if is_narrowed { "Werkstatt".into() } else { String::new() },
            from: from.into(),
            to: String::new(),
        };
        let older = Some("/staff/audit?before=7".into());
        vec![page(LogEntry::samples(), older, "", false), page(Vec::new(), None, "2026-11-01", true)]
    }
}

/// The beginning of a day in the publication's time zone, so many days later.
fn day(page: &StaffPage, text: &str, later: u64) -> Option<DateTime<Utc>> {
    let day = text.parse::<NaiveDate>().ok().filter(|day| formats::is_of_our_era(*day))?;
    let day = day.checked_add_days(Days::new(later))?;
    let midnight = day.and_hms_opt(0, 0, 0)?;
    // Where clocks skip midnight, the day begins when they go on.
    let local = page.time_zone().0.from_local_datetime(&midnight).earliest();
    Some(local.map_or_else(|| midnight.and_utc(), |local| local.with_timezone(&Utc)))
}

/// The address of the next page under the same filter.
fn link(asked: &LogQuery, before: i64) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("person", &asked.person),
        ("action", &asked.action),
        ("about", &asked.about),
        ("from", &asked.from),
        ("to", &asked.to),
    ] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    format!("/staff/audit?{}", query.append_pair("before", &before.to_string()).finish())
}

/// Who did it, in words.
fn who<'a>(page: &'a StaffPage, person: &'a str) -> &'a str {
    match person {
        Actor::COMMAND => page.text("audit", "command"),
        Actor::SERVICE => page.text("audit", "service"),
        _ => person,
    }
}

/// An entry in words.
#[derive(Serialize)]
pub struct LogEntry {
    at: String,
    /// An address, or what did it where no member did.
    who: String,
    /// What they are called today.
    name: Option<String>,
    action: String,
    /// To whom or what; empty where somebody did it to themselves.
    subject: String,
    details: String,
}

impl LogEntry {
    pub fn of(page: &StaffPage, entry: &Entry) -> Self {
        let label = page.text_if_any("action", &entry.action).unwrap_or(&entry.action);
        let details: Vec<String> = entry
            .details
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, value)| !value.is_null() && !NAMES.contains(&key.as_str()))
            .map(|(key, value)| {
                let detail = detail(page, key, value);
                // A newer version may have written what this one has no word for.
                page.text_if_any("detail", key)
                    .map_or_else(|| detail.clone(), |name| format!("{name}: {detail}"))
            })
            .collect();
        Self {
            at: page.short_time(entry.at),
            who: who(page, &entry.staff_email).to_owned(),
            name: entry.staff_name.clone(),
            action: label.to_owned(),
            subject: subject(page, entry),
            details: details.join(" · "),
        }
    }

    pub fn samples() -> Vec<Self> {
        let entry = |action: &str, subject: &str, details: &str| Self {
            at: "25.11.2026, 14:05".into(),
            who: "ada@example.org".into(),
            name: (!subject.is_empty()).then(|| "Ada".into()),
            action: action.into(),
            subject: subject.into(),
            details: details.into(),
        };
        vec![entry("angemeldet", "", ""), entry("Rolle geändert", "bo@example.org", "von: Redaktion")]
    }
}

/// Details that name what an entry is about; they are shown in the place of its subject.
const NAMES: [&str; 3] = ["update", "title", "alt"];

/// To whom or what it was done, by the name that people know it by.
fn subject(page: &StaffPage, entry: &Entry) -> String {
    let kind = match entry.action.split_once('_') {
        Some((kind @ ("update" | "image"), _)) => kind,
        _ if entry.subject == entry.staff_email => return String::new(),
        _ => return entry.subject.clone(),
    };
    match &entry.name {
        Some(name) => page.text("audit", "named").replace("{name}", name),
        None if entry.is_there => page.text("audit", &format!("{kind}_unnamed")).to_owned(),
        None => page.text("audit", &format!("{kind}_gone")).to_owned(),
    }
}

/// A detail as people read it.
fn detail(page: &StaffPage, key: &str, value: &Value) -> String {
    if let Some(fields) = value.as_array().filter(|_| key == "fields") {
        let mut names: Vec<String> =
            fields.iter().filter_map(Value::as_str).map(|name| form::name_of(page, name)).collect();
        names.dedup();
        return names.join(", ");
    }
    if let Some(number) = value.as_i64() {
        return match key {
            // Never "0 KB" of something that is there.
            "bytes" => format!("{}\u{a0}KB", page.number(number.saturating_add(999) / 1000)),
            _ => page.number(number),
        };
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if ["expires_at", "at", "from", "saved_at"].contains(&key)
        && let Ok(at) = text.parse::<DateTime<Utc>>()
    {
        return page.short_time(at);
    }
    let table = match key {
        "what" => "delivery_state",
        "reason" => "signups.reason",
        "hold" => "hold",
        "verdict" => "signature_short",
        "open" => "restore",
        "kind" => "bounce_means",
        "channel" => "channel",
        _ => "role",
    };
    page.text_if_any(table, &text).map(str::to_owned).unwrap_or(text)
}
