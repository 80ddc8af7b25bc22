//! Pictures: those that were uploaded, to be used again; what each shows, where it is used; removing one that is not.
//! What takes an upload in is in [`mod@upload`].

mod samples;
mod upload;

use axum::{
    Form, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::upload_image::{self, ImageError, Uses},
    domain::{
        ids::ImageId,
        image::{ALT_LENGTH, CREDIT_LENGTH, Image, Use, clean_line},
    },
    web::{
        AppState,
        http::problem::{Problem, wants_json},
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

/// `GET /staff/images`: the library. Our script asks for JSON and shows it in a dialog.
pub async fn list(page: StaffPage, _: Member, headers: HeaderMap) -> Result<Response, StaffProblem> {
    let next = page.query("next");
    let own = ImagesPage::of(&page, &Typed::default(), Mistakes::default(), next).await?;
    if wants_json(&headers) {
        let images = own.images.iter().map(ListedImage::of).collect();
        return Ok(Json(Listed { images, older: own.older }).into_response());
    }
    page.show(&own)
}

/// What the script is told of the library.
#[derive(Serialize)]
struct Listed<'a> {
    images: Vec<ListedImage<'a>>,
    /// The last one here, when there are older ones.
    older: Option<ImageId>,
}

#[derive(Serialize)]
struct ListedImage<'a> {
    id: ImageId,
    url: &'a str,
    /// Path of the smaller file.
    thumbnail: &'a str,
    alt: &'a str,
    credit: &'a str,
    created_at: &'a str,
}

impl<'a> ListedImage<'a> {
    fn of(image: &'a ImageView) -> Self {
        Self {
            id: image.id,
            url: &image.url,
            thumbnail: &image.small_path,
            alt: &image.alt,
            credit: &image.credit,
            created_at: &image.created_at,
        }
    }
}

/// What was typed about a picture.
#[derive(Debug, Default, Deserialize, Serialize)]
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

/// The library.
#[derive(Serialize)]
pub struct ImagesPage {
    images: Vec<ImageView>,
    /// The last one here, when there are older ones.
    #[serde(skip)]
    older: Option<ImageId>,
    /// The page that shows those.
    older_url: Option<String>,
    is_first: bool,
    /// What was looked for.
    query: String,
    typed: Typed,
    errors: Mistakes,
    /// The page that an upload leads back to.
    next: Option<String>,
}

impl ImagesPage {
    async fn of(
        page: &StaffPage,
        typed: &Typed,
        errors: Mistakes,
        next: Option<String>,
    ) -> sqlx::Result<Self> {
        let before = page.query("before").and_then(|id| id.parse::<ImageId>().ok());
        let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
        let query: String = page.query("q").unwrap_or_default().trim().chars().take(ALT_LENGTH).collect();
        let (mut images, uses) = upload_image::page(&page.state.app.pool, before, &query, limit).await?;
        let has_more = images.len() > PAGE;
        images.truncate(PAGE);
        let older = images.last().filter(|_| has_more).map(|image| image.id);
        let older_url = older.map(|older| {
            let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
            format!("/staff/images?before={older}&q={query}")
        });
        Ok(Self {
            older,
            older_url,
            images: images.iter().map(|image| ImageView::of(page, image, &uses)).collect(),
            is_first: before.is_none(),
            query,
            typed: typed.shortened(),
            errors,
            next,
        })
    }
}

/// A picture as pages show it.
#[derive(Serialize)]
struct ImageView {
    id: ImageId,
    path: String,
    small_path: String,
    alt: String,
    credit: String,
    width: i32,
    height: i32,
    small_width: i32,
    small_height: i32,
    kilobytes: i64,
    created_at: String,
    /// When it first went out in a mail: from then on it stays.
    kept_since: Option<String>,
    uses: Vec<Use>,
    /// It may be removed.
    can_go: bool,
    /// As it stands in the text of an update.
    markdown: String,
    url: String,
}

impl ImageView {
    fn of(page: &StaffPage, image: &Image, uses: &Uses) -> Self {
        let uses = uses.get(&image.name).cloned().unwrap_or_default();
        let url = image.url(&page.state.public_url);
        // What stands in square brackets of Markdown may hold none.
        let alt: String = image.alt.chars().filter(|c| !"[]\\".contains(*c)).collect();
        Self {
            id: image.id,
            path: image.path(),
            small_path: image.small_path(),
            alt: image.alt.clone(),
            credit: image.credit.clone(),
            width: image.width,
            height: image.height,
            small_width: image.small_width,
            small_height: image.small_height,
            kilobytes: (image.bytes + 1023) / 1024,
            created_at: page.short_time(image.created_at),
            kept_since: image.kept_since.map(|at| page.short_time(at)),
            can_go: uses.is_empty() && image.kept_since.is_none(),
            uses,
            markdown: format!("![{alt}]({url})"),
            url,
        }
    }
}

type Id = staff_page::Id<ImageId>;

/// `GET /staff/images/{id}`
pub async fn show(page: StaffPage, _: Member, id: Id) -> Result<Response, StaffProblem> {
    page.show(&ImagePage::of(&page, id_in(id)?, None, Mistakes::default()).await?)
}

/// One picture.
#[derive(Serialize)]
pub struct ImagePage {
    image: ImageView,
    typed: Typed,
    errors: Mistakes,
}

impl ImagePage {
    async fn of(
        page: &StaffPage,
        id: ImageId,
        typed: Option<&Typed>,
        errors: Mistakes,
    ) -> Result<Self, StaffProblem> {
        let found = upload_image::find(&page.state.app.pool, id).await?;
        let (image, uses) = found.ok_or(StaffProblem::NOT_FOUND)?;
        let stored = Typed { alt: image.alt.clone(), credit: image.credit.clone() };
        let typed = typed.map_or(stored, Typed::shortened);
        Ok(Self { image: ImageView::of(page, &image, &uses), typed, errors })
    }
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
        let own = ImagePage::of(&page, id, Some(&typed), mistakes).await?;
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own);
    };
    upload_image::describe(&state.app.pool, &member.actor(), id, (&alt, &credit), Utc::now()).await?;
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
    match upload_image::remove(&state.app.pool, &state.images, &member.actor(), id, Utc::now()).await {
        Ok(()) => Ok(done("/staff/images", "image_removed")),
        Err(ImageError::InUse) => {
            let mistakes = Mistakes::one("form", page.text("images", "in_use"));
            page.answer(StatusCode::CONFLICT, &ImagePage::of(&page, id, None, mistakes).await?)
        }
        Err(error) => Err(error.into()),
    }
}
