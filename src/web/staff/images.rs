//! Pictures: those that were uploaded, to be used again; what each shows, where it is used; removing one that is not.
//! What takes an upload in is in [`mod@upload`].

mod samples;
mod upload;
mod view;

use axum::{
    Form, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use serde::Serialize;

use crate::{
    app::upload_image::{self, ImageError},
    domain::ids::ImageId,
    web::{
        AppState,
        http::problem::{Problem, wants_json},
        staff::{
            images::view::{Description, ImageView},
            logged_in::Member,
            staff_page::{self, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

pub use crate::web::staff::images::{
    upload::{FETCH, UPLOAD, Uploads, fetch, upload},
    view::{ImagePage, ImagesPage},
};

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
    let own = ImagesPage::of(&page, &Description::default(), Mistakes::default(), next).await?;
    if wants_json(&headers) {
        let images = own.images.iter().map(ListedImage::of).collect();
        return Ok(Json(LibraryAnswer { images, older: own.older }).into_response());
    }
    page.show(&own)
}

/// What the script is told of the library.
#[derive(Serialize)]
struct LibraryAnswer<'a> {
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

type Id = staff_page::Id<ImageId>;

/// `GET /staff/images/{id}`
pub async fn show(page: StaffPage, _: Member, id: Id) -> Result<Response, StaffProblem> {
    page.show(&ImagePage::of(&page, id_in(id)?, None, Mistakes::default()).await?)
}

/// `POST /staff/images/{id}`: what it shows, and who made it.
pub async fn describe(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id,
    Form(typed): Form<Description>,
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
