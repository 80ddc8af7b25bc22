//! Templates and checklists: using a text again.

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    app::update_templates::{self, NewTemplate, Source, TemplateError},
    domain::{
        ids::{TemplateId, UpdateId},
        locale::Locale,
        update::{
            template::{self, Check, Template, TemplateHead},
            text::Writing,
        },
    },
    web::{
        AppState,
        http::{form_values, problem::Problem},
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Member,
            staff_page::{self, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
            updates::{Id, find},
        },
    },
};

type OfTemplate = staff_page::Id<TemplateId>;

/// Where a handler has no better answer.
impl From<TemplateError> for StaffProblem {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::Unknown => Self::NOT_FOUND,
            TemplateError::Database(error) => error.into(),
            error => StaffProblem::Common(Problem::internal(&error)),
        }
    }
}

/// What is wrong, at its field.
fn mistake(page: &StaffPage, error: TemplateError) -> Result<Mistakes, StaffProblem> {
    Ok(match error {
        TemplateError::Name => Mistakes::one("name", page.text("error", "template_name")),
        TemplateError::NameTaken => Mistakes::one("name", page.text("error", "template_taken")),
        TemplateError::TooMany => Mistakes::one("name", page.text("error", "templates_full")),
        TemplateError::Checklist(line) => {
            let text = page.text("error", "template_checklist").replace("{line}", &line.to_string());
            Mistakes::one("checklist", text)
        }
        error => return Err(error.into()),
    })
}

/// `GET /staff/templates`
pub async fn list(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
) -> Result<Response, StaffProblem> {
    let templates = update_templates::list(&state.app.pool).await?;
    page.show(&TemplatesPage { templates: templates.iter().map(|one| Row::of(&page, one)).collect() })
}

/// Every template.
#[derive(Serialize)]
pub struct TemplatesPage {
    templates: Vec<Row>,
}

/// A template as lists show it.
#[derive(Serialize)]
pub struct Row {
    id: TemplateId,
    name: String,
    changed: String,
}

impl Row {
    /// One of a list.
    pub fn of(page: &StaffPage, template: &TemplateHead) -> Self {
        let changed =
            page.text("updates", "changed_by").replace("{at}", &page.short_time(template.changed_at));
        Self {
            id: template.id,
            name: template.name.clone(),
            changed: changed.replace("{who}", &template.changed_by),
        }
    }

    /// One, for samples.
    pub fn sample() -> Self {
        Self { id: TemplateId(Uuid::nil()), name: "Monatsbrief".into(), changed: "25.11.2026, Ada".into() }
    }
}

impl PageContext for TemplatesPage {
    const TEMPLATE: &'static str = "staff/templates.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        vec![Self { templates: vec![Row::sample()] }, Self { templates: Vec::new() }]
    }
}

/// `POST /staff/templates/{id}/begin`: a draft, and on to writing.
pub async fn begin(
    State(state): State<AppState>,
    member: Member,
    id: OfTemplate,
) -> Result<Response, StaffProblem> {
    begin_with(&state, &member, Source::Template(id_in(id)?)).await
}

/// `POST /staff/updates/{id}/copy`: the same, with the text of another update.
pub async fn copy(State(state): State<AppState>, member: Member, id: Id) -> Result<Response, StaffProblem> {
    begin_with(&state, &member, Source::Update(id_in(id)?)).await
}

async fn begin_with(state: &AppState, member: &Member, source: Source) -> Result<Response, StaffProblem> {
    let begun = update_templates::begin(&state.app.pool, &member.author(), source, Utc::now()).await?;
    Ok(done(&format!("/staff/updates/{begun}"), "update_copied"))
}

/// `POST /staff/templates/{id}/remove`
pub async fn remove(
    State(state): State<AppState>,
    member: Member,
    id: OfTemplate,
) -> Result<Response, StaffProblem> {
    update_templates::remove(&state.app.pool, &member.actor(), id_in(id)?, Utc::now()).await?;
    Ok(done("/staff/templates", "template_removed"))
}

/// What the form for a new template sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Named {
    name: String,
}

/// `GET /staff/updates/{id}/template`: asks what the template is to be called.
pub async fn ask_name(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let update = find(&state, id_in(id)?).await?;
    page.show(&NewTemplatePage {
        id: update.id,
        name: form_values::again(&update.title),
        title: update.title,
        errors: Mistakes::default(),
    })
}

/// `POST /staff/updates/{id}/template`
pub async fn make(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id,
    Form(sent): Form<Named>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    match update_templates::make(&state.app.pool, &member.author(), id, &sent.name, Utc::now()).await {
        Ok(made) => Ok(done(&format!("/staff/templates/{made}"), "template_made")),
        Err(error) => {
            let errors = mistake(&page, error)?;
            let title = find(&state, id).await?.title;
            let own = NewTemplatePage { id, title, name: form_values::again(&sent.name), errors };
            page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
        }
    }
}

/// Making a template of an update.
#[derive(Serialize)]
pub struct NewTemplatePage {
    id: UpdateId,
    title: String,
    name: String,
    errors: Mistakes,
}

impl PageContext for NewTemplatePage {
    const TEMPLATE: &'static str = "staff/template_new.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |title: &str, errors| {
            let id = UpdateId(Uuid::nil());
            Self { id, title: title.into(), name: title.into(), errors }
        };
        vec![
            of("Neues vom Projekt", Mistakes::default()),
            of("", Mistakes::one("name", "Bitte geben Sie einen Namen an.")),
        ]
    }
}

/// What the form of a template sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TemplateForm {
    name: String,
    title: String,
    teaser: String,
    body: String,
    locale: String,
    checklist: String,
}

/// `GET /staff/templates/{id}`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: OfTemplate,
) -> Result<Response, StaffProblem> {
    let found = update_templates::find(&state.app.pool, id_in(id)?).await?;
    page.show(&TemplatePage::of(found.ok_or(StaffProblem::NOT_FOUND)?))
}

/// `POST /staff/templates/{id}`
pub async fn change(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: OfTemplate,
    Form(sent): Form<TemplateForm>,
) -> Result<Response, StaffProblem> {
    let (pool, id) = (&state.app.pool, id_in(id)?);
    let now = update_templates::find(pool, id).await?.ok_or(StaffProblem::NOT_FOUND)?;
    let locale = Locale::from_tag(&sent.locale).unwrap_or(now.writing.locale);
    let writing = Writing { title: sent.title, teaser: sent.teaser, body: sent.body, locale, ..now.writing };
    let new = NewTemplate { name: sent.name, writing, checklist: sent.checklist };
    match update_templates::change(pool, &member.author(), id, new.clone(), Utc::now()).await {
        Ok(()) => Ok(done(&format!("/staff/templates/{id}"), "template_stored")),
        Err(error) => {
            let errors = mistake(&page, error)?;
            let own = TemplatePage {
                id,
                name: form_values::again(&new.name),
                title: new.writing.title,
                teaser: new.writing.teaser,
                body: new.writing.body,
                locale,
                checklist: new.checklist,
                errors,
            };
            page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
        }
    }
}

/// A template.
#[derive(Serialize)]
pub struct TemplatePage {
    id: TemplateId,
    name: String,
    title: String,
    teaser: String,
    body: String,
    locale: Locale,
    /// An item a line.
    checklist: String,
    errors: Mistakes,
}

impl TemplatePage {
    fn of(template: Template) -> Self {
        let Template { id, name, writing, checklist } = template;
        Self {
            id,
            name,
            title: writing.title,
            teaser: writing.teaser,
            body: writing.body,
            locale: writing.locale,
            checklist: checklist.join("\n"),
            errors: Mistakes::default(),
        }
    }
}

impl PageContext for TemplatePage {
    const TEMPLATE: &'static str = "staff/template.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |errors| Self {
            id: TemplateId(Uuid::nil()),
            name: "Monatsbrief".into(),
            title: "Neues im November".into(),
            teaser: "Im Herbst hat sich viel getan.".into(),
            body: "## Herbst\n\nViel **Neues**.".into(),
            locale: Locale::De,
            checklist: "Förderzeile\nBildnachweis".into(),
            errors,
        };
        let mut mistakes = Mistakes::one("name", "Bitte geben Sie einen Namen an.");
        mistakes.add("checklist", "Zeile 3 ist zu lang.");
        vec![of(Mistakes::default()), of(mistakes)]
    }
}

/// `POST /staff/updates/{id}/checks`: ticks exactly the items that are sent, and no other.
pub async fn tick(
    State(state): State<AppState>,
    member: Member,
    id: Id,
    Form(sent): Form<Vec<(String, String)>>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let ticked = sent.iter().filter(|(name, _)| name == "done").take(template::ITEMS);
    let ticked: Vec<i32> = ticked.filter_map(|(_, position)| position.parse().ok()).collect();
    update_templates::tick(&state.app.pool, &member.author(), id, &ticked, Utc::now()).await?;
    let notice = "checks_saved";
    Ok(Redirect::to(&format!("/staff/updates/{id}?done={notice}#checklist")).into_response())
}

/// The checklist beside an update, as samples show it.
pub fn check_samples() -> Vec<Check> {
    let check = |position, item: &str, done_by: Option<&str>| Check {
        position,
        item: item.into(),
        done_by: done_by.map(str::to_owned),
    };
    vec![check(1, "Förderzeile", Some("Ada")), check(2, "Bildnachweis", None)]
}
