//! Writing an update: one form, saved by a button or, with our script, as it is typed; beside it the mail as it will be.

mod samples;

use std::collections::BTreeMap;

use axum::{
    Form, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    app::write_update::{self, Opened},
    domain::{
        ids::UpdateId,
        locale::Locale,
        mailing::Overview,
        update::{Update, UpdateState, template::Check, text::Writing, writing::Saved},
    },
    mail::preheader,
    web::{
        AppState, asset_files,
        http::problem::wants_json,
        staff::{
            logged_in::Member,
            mailings::{
                planned::{self, Plan},
                progress::MailingStanding,
            },
            staff_page::{StaffPage, done, id_in},
            staff_problem::StaffProblem,
            updates::{
                Id, Past, find,
                preview::{Preview, View},
                review::RemarkRow,
                unfinished,
            },
        },
    },
};

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EditorForm {
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

impl EditorForm {
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
    let opened = write_update::open(&state.app.pool, &member.author(), id, Utc::now()).await?;
    let Opened { update, mailings, others, remarks, checks } = opened.ok_or(StaffProblem::NOT_FOUND)?;
    let plans = planned::among(&page, &mailings).await?;
    let writing = update.writing();
    page.show(&EditorPage {
        update: EditorUpdate::of(&page, &update),
        writing: Fields::of(&writing),
        unfinished: still_to_do(&page, &writing),
        others,
        plans,
        notes: notes(&page, &mailings),
        remarks: remarks.iter().map(|remark| RemarkRow::of(&page, &update, remark)).collect(),
        checks,
        preview: Preview::of(&page, &update, View::of(&page)),
        has_visual: asset_files::has_visual_editor(),
    })
}

/// Writing an update.
#[derive(Serialize)]
pub struct EditorPage {
    update: EditorUpdate,
    writing: Fields,
    /// What is still to be done, by field.
    unfinished: BTreeMap<&'static str, String>,
    /// Who else has it open, by name.
    others: Vec<String>,
    plans: Vec<Plan>,
    notes: Vec<Note>,
    /// What people without a login wrote, as long as nobody has put it aside.
    remarks: Vec<RemarkRow>,
    checks: Vec<Check>,
    preview: Preview,
    /// Whether the visual editor is there to write in.
    has_visual: bool,
}

#[derive(Serialize)]
struct EditorUpdate {
    id: UpdateId,
    version: i32,
    title: String,
    is_draft: bool,
    changed_at: String,
    changed_by: Option<String>,
}

impl EditorUpdate {
    fn of(page: &StaffPage, update: &Update) -> Self {
        Self {
            id: update.id,
            version: update.version,
            title: update.title.clone(),
            is_draft: update.state == UpdateState::Draft,
            changed_at: page.short_time(update.changed_at),
            changed_by: update.changed_by.clone(),
        }
    }
}

/// A writing as the fields of the form show it.
#[derive(Serialize)]
pub struct Fields {
    title: String,
    teaser: String,
    body: String,
    /// As `2026-11-25`, or empty.
    date: String,
    link: String,
    image: String,
    image_alt: String,
    image_credit: String,
    locale: Locale,
}

impl Fields {
    pub fn of(writing: &Writing) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            title: writing.title.clone(),
            teaser: writing.teaser.clone(),
            body: writing.body.clone(),
            date: writing.dated.map(|date| date.to_string()).unwrap_or_default(),
            link: text(&writing.link),
            image: text(&writing.image),
            image_alt: text(&writing.image_alt),
            image_credit: text(&writing.image_credit),
            locale: writing.locale,
        }
    }
}

/// What an author has to know of a mailing of the update.
#[derive(Serialize)]
struct Note {
    text: String,
    /// The mailing's page, while it is not over.
    url: Option<String>,
}

/// What the script is told when a text was saved.
#[derive(Serialize)]
struct SavedAnswer {
    version: i32,
    /// Time of day.
    saved_at: String,
    unfinished: BTreeMap<&'static str, String>,
    preheader: String,
}

/// What the script is told when somebody else had saved meanwhile.
#[derive(Serialize)]
struct ConflictAnswer {
    message: String,
}

/// `POST /staff/updates/{id}`: saves. Our script asks for JSON and goes on typing; a browser without it gets the page.
pub async fn save(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id,
    headers: HeaderMap,
    Form(sent): Form<EditorForm>,
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
    match write_update::save(&state.app.pool, &member.author(), (id, base), &writing, now).await? {
        Saved::As { version, .. } if is_script => {
            let answer = SavedAnswer {
                version,
                saved_at: time_of_day(&page, now),
                unfinished: still_to_do(&page, &writing),
                preheader: preheader::of_update(&writing.title, &writing.teaser, &writing.body),
            };
            Ok(Json(answer).into_response())
        }
        Saved::As { .. } => Ok(done(&format!("/staff/updates/{id}"), "update_saved")),
        Saved::Conflict(theirs) if is_script => {
            let message = conflict_in_words(&page, &theirs);
            Ok((StatusCode::CONFLICT, Json(ConflictAnswer { message })).into_response())
        }
        Saved::Conflict(theirs) => {
            let (mine, other) = (Fields::of(&writing), Fields::of(&theirs.writing()));
            let own = ConflictPage {
                update: EditorUpdate::of(&page, &theirs),
                message: conflict_in_words(&page, &theirs),
                others: differences(&page, &mine, &other),
                writing: mine,
                theirs: other,
            };
            page.answer(StatusCode::CONFLICT, &own)
        }
    }
}

/// Two texts, where somebody else had saved meanwhile.
#[derive(Serialize)]
pub struct ConflictPage {
    /// As it is saved.
    update: EditorUpdate,
    message: String,
    writing: Fields,
    theirs: Fields,
    /// What else differs besides title, teaser and text.
    others: Vec<Difference>,
}

#[derive(Serialize)]
struct Difference {
    label: String,
    mine: String,
    theirs: String,
}

/// What stands in no text of its own is named where it differs: taking one text takes these with it.
fn differences(page: &StaffPage, mine: &Fields, theirs: &Fields) -> Vec<Difference> {
    let language = |fields: &Fields| page.language(fields.locale).to_owned();
    let both = [
        ("image", &mine.image, &theirs.image),
        ("image_alt", &mine.image_alt, &theirs.image_alt),
        ("image_credit", &mine.image_credit, &theirs.image_credit),
        ("date", &mine.date, &theirs.date),
        ("link", &mine.link, &theirs.link),
        ("language", &language(mine), &language(theirs)),
    ];
    let differ = both.into_iter().filter(|(_, mine, theirs)| mine != theirs);
    let shown = differ.map(|(label, mine, theirs)| Difference {
        label: page.text("editor", label).to_owned(),
        mine: mine.clone(),
        theirs: theirs.clone(),
    });
    shown.collect()
}

/// `POST /staff/updates/{id}/here`: a sign of life of somebody who has it open; answers who else has, and whether it has
/// been saved since.
pub async fn here(
    State(state): State<AppState>,
    member: Member,
    id: Id,
) -> Result<Json<Presence>, StaffProblem> {
    let id = id_in(id)?;
    let seen = write_update::is_here(&state.app.pool, &member.author(), id, Utc::now()).await?;
    let (update, others) = seen.ok_or(StaffProblem::NOT_FOUND)?;
    Ok(Json(Presence { others, version: update.version, changed_by: update.changed_by }))
}

/// What the script is told of others who have the update open.
#[derive(Serialize)]
pub struct Presence {
    /// By name.
    others: Vec<String>,
    version: i32,
    changed_by: Option<String>,
}

/// What an author has to know of the update's mailings, but for those that are planned: what is changed here does not
/// reach them.
fn notes(page: &StaffPage, mailings: &[Overview]) -> Vec<Note> {
    let text = |key: &str| page.text("editor", key).to_owned();
    let mut notes = Vec::new();
    for mailing in mailings.iter().filter(|mailing| !mailing.is_over()) {
        let key = match MailingStanding::from(mailing).key() {
            "scheduled" | "overdue" => continue,
            key @ ("starting" | "paused") => key,
            _ => "sending",
        };
        notes.push(Note { text: text(key), url: Some(format!("/staff/mailings/{}", mailing.id)) });
    }
    let past = Past::of(mailings).map(|past| match past {
        Past::Sent => "sent",
        Past::Nobody => "nobody",
        Past::Cancelled => "cancelled",
    });
    notes.extend(past.map(|key| Note { text: text(key), url: None }));
    notes
}

/// What the editor says beside the fields: nobody has left anything out of a blank sheet.
fn still_to_do(page: &StaffPage, writing: &Writing) -> BTreeMap<&'static str, String> {
    if writing.is_blank() { BTreeMap::new() } else { unfinished::in_words(page, writing) }
}

fn conflict_in_words(page: &StaffPage, theirs: &Update) -> String {
    let who = theirs.changed_by.as_deref().unwrap_or_else(|| page.text("editor", "somebody"));
    page.text("editor", "conflict").replace("{who}", who).replace("{at}", &page.short_time(theirs.changed_at))
}

fn time_of_day(page: &StaffPage, at: DateTime<Utc>) -> String {
    at.with_timezone(&page.time_zone().0).format("%H:%M").to_string()
}
