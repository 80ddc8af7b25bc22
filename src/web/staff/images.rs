//! Pictures: those that were uploaded, to be used again; what each shows, where it is used; removing one that is not.
//! What takes an upload in is in [`mod@upload`].

mod upload;

use axum::{Form, extract::State, http::StatusCode, response::Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::upload_image::{self, ImageError, Uses},
    domain::{
        ids::ImageId,
        image::{ALT_LENGTH, CREDIT_LENGTH, Image, clean_line},
    },
    web::{
        AppState,
        http::problem::Problem,
        staff::{
            logged_in::Member,
            staff_page::{self, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

pub use crate::web::staff::images::upload::{UPLOAD, Uploads, upload};

/// Pictures on a page of the library.
const PAGE: usize = 24;

/// Where a handler has no better answer. That a picture is in use is told on its page.
impl From<ImageError> for StaffProblem {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Unknown => Self::NOT_FOUND,
            ImageError::Database(error) => error.into(),
            ImageError::NotAllowed(_) | ImageError::InUse => StaffProblem::Common(Problem::internal(&error)),
        }
    }
}

/// `GET /staff/images`
pub async fn list(page: StaffPage, _: Member) -> Result<Response, StaffProblem> {
    let own = library(&page, &Typed::default(), &Mistakes::default()).await?;
    page.show_value("staff/images.html", &own)
}

/// What was typed about a picture.
#[derive(Debug, Default, Deserialize, serde::Serialize)]
#[serde(default)]
pub struct Typed {
    alt: String,
    credit: String,
}

impl Typed {
    /// As it may be stored; notes what is too long.
    fn checked(&self, page: &StaffPage, mistakes: &mut Mistakes) -> Option<(String, String)> {
        let (alt, credit) = (clean_line(&self.alt, ALT_LENGTH), clean_line(&self.credit, CREDIT_LENGTH));
        if alt.is_none() {
            mistakes.add("alt", page.text("images", "alt_long"));
        }
        if credit.is_none() {
            mistakes.add("credit", page.text("images", "credit_long"));
        }
        alt.zip(credit)
    }

    /// As forms show it again.
    fn shortened(&self) -> Self {
        let short = |text: &str, most: usize| text.chars().take(2 * most).collect();
        Self { alt: short(&self.alt, ALT_LENGTH), credit: short(&self.credit, CREDIT_LENGTH) }
    }
}

async fn library(page: &StaffPage, typed: &Typed, errors: &Mistakes) -> Result<Value, StaffProblem> {
    let before = page.query("before").and_then(|id| id.parse::<ImageId>().ok());
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let (mut images, uses) = upload_image::page(&page.state.pool, before, limit).await?;
    let has_more = images.len() > PAGE;
    images.truncate(PAGE);
    let older = images.last().filter(|_| has_more).map(|image| image.id);
    let images: Vec<Value> = images.iter().map(|image| shown(page, image, &uses)).collect();
    Ok(json!({
        "images": images, "older": older, "is_first": before.is_none(),
        "typed": typed.shortened(), "errors": errors, "next": page.query("next"),
    }))
}

/// A picture as pages show it.
fn shown(page: &StaffPage, image: &Image, uses: &Uses) -> Value {
    let uses = uses.get(&image.name).map(Vec::as_slice).unwrap_or_default();
    let url = image.url(&page.state.public_url);
    // What stands in square brackets of Markdown may hold none.
    let alt: String = image.alt.chars().filter(|c| !"[]\\".contains(*c)).collect();
    json!({
        "id": image.id, "path": image.path(), "small_path": image.small_path(), "alt": image.alt, "credit": image.credit,
        "width": image.width, "height": image.height,
        "small_width": image.small_width, "small_height": image.small_height,
        "kilobytes": (image.bytes + 1023) / 1024,
        "created_at": page.short_time(image.created_at),
        "kept_since": image.kept_since.map(|at| page.short_time(at)),
        "uses": uses, "can_go": uses.is_empty() && image.kept_since.is_none(),
        "markdown": format!("![{alt}]({url})"), "url": url,
    })
}

type Id = staff_page::Id<ImageId>;

/// `GET /staff/images/{id}`
pub async fn show(page: StaffPage, _: Member, id: Id) -> Result<Response, StaffProblem> {
    let own = one(&page, id_in(id)?, None, &Mistakes::default()).await?;
    page.show_value("staff/image.html", &own)
}

async fn one(
    page: &StaffPage,
    id: ImageId,
    typed: Option<&Typed>,
    errors: &Mistakes,
) -> Result<Value, StaffProblem> {
    let found = upload_image::find(&page.state.pool, id).await?;
    let (image, uses) = found.ok_or(StaffProblem::NOT_FOUND)?;
    let stored = Typed { alt: image.alt.clone(), credit: image.credit.clone() };
    let typed = typed.map_or(stored, Typed::shortened);
    Ok(json!({ "image": shown(page, &image, &uses), "typed": typed, "errors": errors }))
}

/// `POST /staff/images/{id}`: what it shows, and who made it.
pub async fn describe(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id,
    Form(typed): Form<Typed>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let mut mistakes = Mistakes::default();
    let checked = typed.checked(&page, &mut mistakes);
    if checked.as_ref().is_some_and(|(alt, _)| alt.is_empty()) {
        mistakes.add("alt", page.text("images", "alt_empty"));
    }
    let Some((alt, credit)) = checked.filter(|_| mistakes.is_empty()) else {
        let own = one(&page, id, Some(&typed), &mistakes).await?;
        return page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/image.html", &own);
    };
    upload_image::describe(&state.pool, &member.actor(), id, (&alt, &credit), Utc::now()).await?;
    Ok(done(&format!("/staff/images/{id}"), "image_described"))
}

/// `POST /staff/images/{id}/remove`
pub async fn remove(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    match upload_image::remove(&state.pool, &state.images, &member.actor(), id, Utc::now()).await {
        Ok(()) => Ok(done("/staff/images", "image_removed")),
        Err(ImageError::InUse) => {
            let mistakes = Mistakes::one("form", page.text("images", "in_use"));
            let own = one(&page, id, None, &mistakes).await?;
            page.answer_value(StatusCode::CONFLICT, "staff/image.html", &own)
        }
        Err(error) => Err(error.into()),
    }
}
