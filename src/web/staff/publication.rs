//! The publication: its texts, sender, imprint, colours, logos and allowed sites. For admins. Each change is a new
//! version; a change to a legal text is shown, and asked about, before it counts.

pub mod form;
mod samples;
pub mod signature;
pub mod theme;

use std::time::Duration;

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::Serialize;
use sha2::{Digest, Sha256};
use similar::{ChangeTag, TextDiff};

use crate::{
    app::{
        change_publication::{self, ChangeError, NewVersion, change_publication},
        images::ground::{self, Vanishing},
    },
    domain::{locale::Locale, publication::Content},
    web::{
        AppState,
        http::{headers::PicturesFrom, problem::Problem},
        staff::{
            logged_in::Admin,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

use crate::web::staff::publication::form::{Fields, PublicationForm};

/// `GET /staff/publication`
pub async fn show(page: StaffPage, _: Admin) -> Result<Response, StaffProblem> {
    let content =
        page.publication.as_ref().map(|publication| publication.content.clone()).unwrap_or_default();
    let mut fields = form::of(&content);
    form::note_logos(&mut fields, |url| {
        let page = &page;
        async move {
            let vanishing = ground::find_vanishing(&page.state.images, &url, &page.state.public_url).await?;
            let key = match vanishing {
                Vanishing::InTheDark => "logo_dark",
                Vanishing::OnWhite => "logo_light",
            };
            Some(page.text("publication", key).to_owned())
        }
    })
    .await;
    let own = PublicationPage::of(&page, fields, Mistakes::default());
    Ok(with_logos(&page, page.show(&own)?))
}

/// Lets the browser show the logos that there are, wherever they lie.
fn with_logos(page: &StaffPage, mut response: Response) -> Response {
    if let Some(publication) = &page.publication {
        response.extensions_mut().insert(PicturesFrom::publication(&publication.content));
    }
    response
}

/// The form of the publication.
#[derive(Serialize)]
pub struct PublicationPage {
    fields: Fields,
    errors: Mistakes,
    /// The same with the names of the fields, for the top of the page.
    summary: Vec<Mistake>,
    /// Nothing before there is a publication.
    version: Option<Version>,
    /// What is still missing before anything can be sent, in words.
    missing: Vec<String>,
    funders: Funders,
    /// The version that the form changes; 0 for the first one.
    base: i32,
}

/// What is to be mended in a field.
#[derive(Serialize)]
struct Mistake {
    field: &'static str,
    name: String,
    text: String,
}

impl Mistake {
    fn all(page: &StaffPage, mistakes: &Mistakes) -> Vec<Self> {
        let mistakes = mistakes.all().filter(|(field, _)| *field != "form");
        mistakes
            .map(|(field, text)| Self { field, name: form::name_of(page, field), text: text.to_owned() })
            .collect()
    }
}

#[derive(Serialize)]
struct Version {
    number: i32,
    at: String,
}

/// The rows for logos of funders, by the names of their fields.
#[derive(Serialize)]
struct Funders {
    shown: Vec<&'static str>,
    more: Vec<&'static str>,
}

impl PublicationPage {
    fn of(page: &StaffPage, fields: Fields, errors: Mistakes) -> Self {
        let publication = page.publication.as_ref();
        let missing = publication.map(|publication| publication.content.missing()).unwrap_or_default();
        let (shown, more) = form::funders(&fields);
        Self {
            fields,
            summary: Mistake::all(page, &errors),
            errors,
            version: publication.map(|publication| Version {
                number: publication.version,
                at: page.short_time(publication.applied_at),
            }),
            missing: missing.iter().map(|field| missing_in_words(page, field)).collect(),
            funders: Funders { shown, more },
            base: publication.map_or(0, |publication| publication.version),
        }
    }
}

/// `POST /staff/publication`: makes a new version. One that changes a legal text comes back with the difference first.
pub async fn change(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    Form(sent): Form<PublicationForm>,
) -> Result<Response, StaffProblem> {
    let content = match form::read(&page, &sent) {
        Ok(content) => content,
        Err(mistakes) => return again(&page, &sent, mistakes),
    };
    let current = page.publication.as_ref();
    let base = current.map_or(0, |publication| publication.version);
    if sent.get("base").is_none_or(|text| *text != base.to_string()) {
        return changed_meanwhile(&page, &sent);
    }
    let before = current.map(|publication| publication.content.clone()).unwrap_or_default();
    // The first publication changes nothing.
    let changes = if base == 0 { Vec::new() } else { legal_changes(&page, &before, &content) };
    // What was seen is what counts: with any other change the question comes again.
    let shown = serde_json::to_string(&(base, &content)).map_err(|error| Problem::internal(&error));
    let seen = hex::encode(&Sha256::digest(shown.map_err(StaffProblem::Common)?)[..8]);
    if !changes.is_empty() && sent.get("seen").is_none_or(|text| *text != seen) {
        let own = ChangesPage {
            has_times: changes.iter().any(|change| change.is_time),
            has_consent: changes.iter().any(|change| change.is_consent),
            changes,
            fields: sent_pairs(&sent),
            seen,
        };
        return page.answer(StatusCode::OK, &own);
    }
    let new = NewVersion {
        content: &content,
        base: Some(base),
        changed: Some(changed_fields(&before, &content)),
        // It stood on the page that was seen.
        may_shorten: true,
    };
    match change_publication(&state.app.pool, &member.actor(), new, Utc::now()).await {
        Ok(_) => Ok(done("/staff/publication", "publication_changed")),
        Err(ChangeError::ChangedMeanwhile) => changed_meanwhile(&page, &sent),
        Err(ChangeError::NotAllowed(_)) => Err(StaffProblem::no_gate()),
        Err(ChangeError::Database(error)) => Err(error.into()),
        Err(error @ ChangeError::ShortensRetention { .. }) => {
            Err(StaffProblem::Common(Problem::internal(&error)))
        }
    }
}

/// The question before legal texts change.
#[derive(Serialize)]
pub struct ChangesPage {
    changes: Vec<Change>,
    /// What the form said, to say it once more.
    fields: Vec<SentField>,
    /// A hash of what is shown: only that is agreed to.
    seen: String,
    has_times: bool,
    has_consent: bool,
}

/// A legal text or a time that changes.
#[derive(Serialize)]
struct Change {
    what: String,
    /// The language, where it has one.
    lang: Option<String>,
    parts: Vec<Part>,
    is_time: bool,
    is_consent: bool,
}

/// A run of words.
#[derive(Serialize)]
struct Part {
    tag: PartTag,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum PartTag {
    Same,
    Gone,
    New,
}

impl From<ChangeTag> for PartTag {
    fn from(tag: ChangeTag) -> Self {
        match tag {
            ChangeTag::Equal => Self::Same,
            ChangeTag::Delete => Self::Gone,
            ChangeTag::Insert => Self::New,
        }
    }
}

#[derive(Serialize)]
struct SentField {
    name: String,
    value: String,
}

/// `POST /staff/publication/preview`: how everything would look with what is typed, which counts nowhere yet.
pub async fn preview(
    State(state): State<AppState>,
    page: StaffPage,
    Admin(member): Admin,
    Form(sent): Form<PublicationForm>,
) -> Result<Response, StaffProblem> {
    let content = match form::read(&page, &sent) {
        Ok(content) => content,
        Err(mistakes) => return again(&page, &sent, mistakes),
    };
    change_publication::keep_draft(&state.app.pool, member.0.staff_id, &content, Utc::now()).await?;
    Ok(Redirect::to("/staff/publication/look?of=draft").into_response())
}

fn changed_meanwhile(page: &StaffPage, sent: &PublicationForm) -> Result<Response, StaffProblem> {
    again(page, sent, Mistakes::one("form", page.text("publication_error", "changed_meanwhile")))
}

/// The form, with what is to be mended in it.
fn again(page: &StaffPage, sent: &PublicationForm, mistakes: Mistakes) -> Result<Response, StaffProblem> {
    let own = PublicationPage::of(page, form::again(sent), mistakes);
    Ok(with_logos(page, page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)?))
}

/// What the form said, for the page that asks about a change to say it once more.
fn sent_pairs(sent: &PublicationForm) -> Vec<SentField> {
    let mut pairs: Vec<_> = sent.iter().filter(|(name, _)| *name != "seen").collect();
    pairs.sort();
    pairs.into_iter().map(|(name, value)| SentField { name: name.clone(), value: value.clone() }).collect()
}

/// A field that sending needs and that is not set.
fn missing_in_words(page: &StaffPage, field: &str) -> String {
    let text = |key: &str| page.text("publication_missing", &key.replace('.', "_"));
    let in_language = field.strip_prefix("texts.").and_then(|rest| rest.split_once('.'));
    match in_language.and_then(|(tag, name)| Some((Locale::from_tag(tag)?, name))) {
        Some((locale, name)) => text(name).replace("{lang}", page.language(locale)),
        None => text(field).to_owned(),
    }
}

/// The legal texts and times that change, with what goes and what comes.
fn legal_changes(page: &StaffPage, before: &Content, after: &Content) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut compare = |name: &str, locale: Option<Locale>, before: &str, after: &str| {
        if before != after && !before.is_empty() {
            let lang = locale.map(|locale| page.language(locale));
            changes.push(Change {
                what: page.text("publication", name).to_owned(),
                lang: lang.map(str::to_owned),
                parts: parts(before, after),
                is_time: matches!(name, "mailing_days" | "proof_years"),
                is_consent: name == "consent",
            });
        }
    };
    for locale in Locale::ALL {
        let texts = |content: &Content| content.texts.get(&locale).cloned().unwrap_or_default();
        let (old, new) = (texts(before), texts(after));
        compare("consent", Some(locale), &old.consent, &new.consent);
        compare("imprint", Some(locale), &old.imprint, &new.imprint);
        compare("funding_notice", Some(locale), &old.funding_notice, &new.funding_notice);
    }
    let url = |content: &Content| content.privacy_url.as_ref().map(ToString::to_string).unwrap_or_default();
    compare("privacy_url", None, &url(before), &url(after));
    let (old, new) = (before.retention, after.retention);
    compare("mailing_days", None, &old.mailing_days.to_string(), &new.mailing_days.to_string());
    compare("proof_years", None, &old.proof_years.to_string(), &new.proof_years.to_string());
    changes
}

/// The difference, word by word.
fn parts(before: &str, after: &str) -> Vec<Part> {
    // Two texts that have nothing in common take long to compare, and gain nothing by it.
    let diff = TextDiff::configure().timeout(Duration::from_millis(100)).diff_words(before, after);
    let mut parts: Vec<(ChangeTag, String)> = Vec::new();
    for change in diff.iter_all_changes() {
        match parts.last_mut() {
            Some((tag, text)) if *tag == change.tag() => text.push_str(change.value()),
            _ => parts.push((change.tag(), change.value().to_owned())),
        }
    }
    parts.into_iter().map(|(tag, text)| Part { tag: tag.into(), text }).collect()
}

/// The names of the fields that differ, for the audit log.
fn changed_fields(before: &Content, after: &Content) -> Vec<String> {
    form::of(before).differing_in(&form::of(after))
}
