//! Writing an update: one form, saved by a button or, with our script, as it is typed; beside it the mail as it will be.

use axum::{
    Form, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    app::write_update::{self, Opened},
    domain::{
        locale::Locale,
        mailing::Overview,
        update::{Update, UpdateState, text::Writing, writing::Saved},
    },
    mail::preheader,
    web::{
        AppState,
        http::problem::wants_json,
        staff::{
            logged_in::Member,
            mailings::{planned, progress::Standing},
            staff_page::{StaffPage, done, id_in},
            staff_problem::StaffProblem,
            updates::{Id, Past, find, preview::View, unfinished},
        },
    },
};

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    version: i32,
    title: String,
    teaser: String,
    date: String,
    link: String,
    image: String,
    image_alt: String,
    image_credit: String,
    locale: String,
    body: String,
}

impl Sent {
    fn writing(self, locale: Locale) -> Writing {
        let writing = Writing {
            title: self.title,
            teaser: self.teaser,
            body: self.body,
            dated: self.date.trim().parse().ok(),
            link: Some(self.link),
            image: Some(self.image),
            image_alt: Some(self.image_alt),
            image_credit: Some(self.image_credit),
            locale,
        };
        writing.tidied()
    }
}

/// `GET /staff/updates/{id}`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let opened = write_update::open(&state.pool, &member.author(), id, Utc::now()).await?;
    let Opened { update, mailings, others } = opened.ok_or(StaffProblem::NOT_FOUND)?;
    let plans = planned::among(&page, &mailings).await?;
    let view = View::of(&page);
    let writing = update.writing();
    let own = json!({
        "update": shown(&page, &update),
        "writing": form(&writing),
        "unfinished": still_to_do(&page, &writing),
        "others": others, "plans": plans, "notes": notes(&page, &mailings),
        "preview": view.shown(&page, &update),
    });
    page.show_value("staff/editor.html", &own)
}

/// `POST /staff/updates/{id}`: saves. Our script asks for JSON and goes on typing; a browser without it gets the page.
pub async fn save(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id,
    headers: HeaderMap,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let is_script = wants_json(&headers);
    let base = sent.version;
    let locale = match Locale::from_tag(&sent.locale) {
        Some(locale) => locale,
        None => find(&state, id).await?.locale,
    };
    let writing = sent.writing(locale);
    let now = Utc::now();
    match write_update::save(&state.pool, &member.author(), (id, base), &writing, now).await? {
        Saved::As { version, .. } if is_script => {
            let saved_at = time_of_day(&page, now);
            let unfinished = still_to_do(&page, &writing);
            let preheader = preheader::of_update(&writing.title, &writing.teaser, &writing.body);
            let answer = json!({
                "version": version, "saved_at": saved_at, "unfinished": unfinished, "preheader": preheader,
            });
            Ok(Json(answer).into_response())
        }
        Saved::As { .. } => Ok(done(&format!("/staff/updates/{id}"), "update_saved")),
        Saved::Conflict(theirs) if is_script => {
            Ok((StatusCode::CONFLICT, Json(json!({ "message": conflict_in_words(&page, &theirs) })))
                .into_response())
        }
        Saved::Conflict(theirs) => {
            let (mine, other) = (form(&writing), form(&theirs.writing()));
            // What stands in no text of its own is named where it differs: taking one text takes these with it.
            let named = [
                ("image", "image"),
                ("image_alt", "image_alt"),
                ("image_credit", "image_credit"),
                ("date", "date"),
                ("link", "link"),
                ("locale", "language"),
            ];
            let differ = named.into_iter().filter(|(field, _)| mine[field] != other[field]);
            let others: Vec<Value> = differ
                .map(|(field, label)| {
                    let shown = |value: &Value| {
                        let text = value.as_str().unwrap_or_default();
                        if field == "locale" { Locale::from_tag(text).map_or("", |locale| page.language(locale)).to_owned() } else { text.to_owned() }
                    };
                    json!({
                        "label": page.text("editor", label), "mine": shown(&mine[field]), "theirs": shown(&other[field]),
                    })
                })
                .collect();
            let own = json!({
                "update": shown(&page, &theirs),
                "message": conflict_in_words(&page, &theirs),
                "theirs": other, "writing": mine, "others": others,
            });
            page.answer_value(StatusCode::CONFLICT, "staff/conflict.html", &own)
        }
    }
}

/// `POST /staff/updates/{id}/here`: a sign of life of somebody who has it open; answers who else has, and whether it has
/// been saved since.
pub async fn here(
    State(state): State<AppState>,
    member: Member,
    id: Id,
) -> Result<Json<Value>, StaffProblem> {
    let id = id_in(id)?;
    let seen = write_update::is_here(&state.pool, &member.author(), id, Utc::now()).await?;
    let (update, others) = seen.ok_or(StaffProblem::NOT_FOUND)?;
    Ok(Json(json!({ "others": others, "version": update.version, "changed_by": update.changed_by })))
}

fn shown(page: &StaffPage, update: &Update) -> Value {
    json!({
        "id": update.id, "version": update.version, "title": update.title,
        "is_draft": update.state == UpdateState::Draft,
        "changed_at": page.short_time(update.changed_at), "changed_by": update.changed_by,
    })
}

/// What an author has to know of the update's mailings, but for those that are planned: what is changed here does not
/// reach them.
fn notes(page: &StaffPage, mailings: &[Overview]) -> Vec<Value> {
    let text = |key: &str| page.text("editor", key);
    let mut notes: Vec<Value> = Vec::new();
    for mailing in mailings.iter().filter(|mailing| !mailing.is_over()) {
        let key = match Standing::from(mailing).key() {
            "scheduled" | "overdue" => continue,
            key @ ("starting" | "paused") => key,
            _ => "sending",
        };
        notes.push(json!({ "text": text(key), "url": format!("/staff/mailings/{}", mailing.id) }));
    }
    let past = Past::of(mailings).map(|past| match past {
        Past::Sent => "sent",
        Past::Nobody => "nobody",
        Past::Cancelled => "cancelled",
    });
    notes.extend(past.map(|key| json!({ "text": text(key) })));
    notes
}

/// A writing as the fields of the form show it.
pub fn form(writing: &Writing) -> Value {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    json!({
        "title": writing.title, "teaser": writing.teaser, "body": writing.body,
        "date": writing.dated.map(|date| date.to_string()).unwrap_or_default(),
        "link": text(&writing.link), "image": text(&writing.image), "image_alt": text(&writing.image_alt),
        "image_credit": text(&writing.image_credit), "locale": writing.locale.tag(),
    })
}

/// What the editor says beside the fields: nobody has left anything out of a blank sheet.
fn still_to_do(page: &StaffPage, writing: &Writing) -> Map<String, Value> {
    if writing.is_blank() { Map::new() } else { unfinished::in_words(page, writing) }
}

fn conflict_in_words(page: &StaffPage, theirs: &Update) -> String {
    let who = theirs.changed_by.as_deref().unwrap_or_else(|| page.text("editor", "somebody"));
    page.text("editor", "conflict").replace("{who}", who).replace("{at}", &page.short_time(theirs.changed_at))
}

fn time_of_day(page: &StaffPage, at: DateTime<Utc>) -> String {
    at.with_timezone(&page.time_zone().0).format("%H:%M").to_string()
}
