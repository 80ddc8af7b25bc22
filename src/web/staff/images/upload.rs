//! `POST /staff/images`: takes a picture in. For the script `staff-upload.js` it answers JSON; a plain form is led back
//! to the page it stood on, with `image=ID` in the address.
//!
//! `POST /staff/images/fetch`: the same with a picture that is somewhere in the web, for the script that pastes.

use std::time::Duration;

use axum::{
    Form, Json,
    body::Bytes,
    extract::{
        Multipart, State,
        multipart::{MultipartError, MultipartRejection},
        rejection::FormRejection,
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use url::Url;

use crate::{
    app::{
        images::{memory, process::Refused},
        upload_image::{self, Processing, Upload, UploadError},
    },
    domain::{
        ids::ImageId,
        image::{self, Image},
    },
    web::{
        AppState,
        http::{
            problem::{Problem, wants_json},
            route::Body,
        },
        staff::{
            images::view::{Description, ImagesPage},
            logged_in::Member,
            login::destination,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// Bytes of a picture, at most, and how long it may take until its answer: time for slow lines.
pub const UPLOAD: Body = Body::Upload { most: memory::LONGEST_FILE, within: Duration::from_mins(2) };

/// For the address of a picture and what it shows. Fetching it takes longer than an ordinary request may.
pub const FETCH: Body = Body::Upload { most: 16 * 1024, within: Duration::from_mins(1) };

/// Room for uploads.
pub struct Uploads {
    /// Those that are being received: each is held in memory.
    receiving: Semaphore,
    /// The one that is being processed.
    processing: Processing,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { receiving: Semaphore::new(memory::RECEIVED), processing: Processing::default() }
    }
}

/// What the form sends.
#[derive(Default)]
struct Received {
    picture: Option<Bytes>,
    typed: Description,
    /// The page to go back to.
    next: Option<String>,
}

/// Why a picture was not taken: a status, the field it is told at, the key of its text in `staff.images`.
struct Refusal(StatusCode, &'static str, &'static str);

impl Refusal {
    const NONE: Self = Refusal(StatusCode::UNPROCESSABLE_ENTITY, "image", "refused_none");
    const NOT_FETCHED: Self = Refusal(StatusCode::UNPROCESSABLE_ENTITY, "address", "refused_fetch");
    const BUSY: Self = Refusal(StatusCode::SERVICE_UNAVAILABLE, "image", "refused_busy");
    const STORE: Self = Refusal(StatusCode::SERVICE_UNAVAILABLE, "image", "refused_store");
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Refusal(StatusCode::UNPROCESSABLE_ENTITY, "image", refused.key())
    }
}

impl From<MultipartError> for Refusal {
    fn from(error: MultipartError) -> Self {
        let is_large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
        Refusal(error.status(), "image", if is_large { "refused_large" } else { "refused_broken" })
    }
}

/// `POST /staff/images`
pub async fn upload(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, StaffProblem> {
    let is_script = wants_json(&headers);
    let mut received = Received::default();
    let refused = match accept(&state, &page, &member, form.ok(), is_script, &mut received).await? {
        Ok(image) if is_script => return Ok(created(&state, &image)),
        Ok(image) => return Ok(back(received.next.as_deref(), &image)),
        Err(refused) => refused,
    };
    if is_script {
        return Ok(refused_json(&page, &refused));
    }
    let Refusal(status, field, key) = refused;
    let mistakes = Mistakes::one(field, page.text("images", key));
    page.answer(status, &ImagesPage::of(&page, &received.typed, mistakes, received.next).await?)
}

/// A picture that is somewhere in the web.
#[derive(Deserialize)]
pub struct Elsewhere {
    address: String,
    /// What the page says that it shows.
    #[serde(default)]
    alt: String,
}

/// `POST /staff/images/fetch`: for the script that pastes, which is told as of an upload.
pub async fn fetch(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    form: Result<Form<Elsewhere>, FormRejection>,
) -> Result<Response, StaffProblem> {
    Ok(match fetched(&state, &member, form.ok()).await? {
        Ok(image) => created(&state, &image),
        Err(refused) => refused_json(&page, &refused),
    })
}

async fn fetched(
    state: &AppState,
    member: &Member,
    form: Option<Form<Elsewhere>>,
) -> Result<Result<Image, Refusal>, StaffProblem> {
    let Ok(_room) = state.uploads.receiving.try_acquire() else { return Ok(Err(Refusal::BUSY)) };
    let Some(Form(Elsewhere { address, alt })) = form else { return Ok(Err(Refusal::NOT_FETCHED)) };
    let Ok(address) = Url::parse(&address) else { return Ok(Err(Refusal::NOT_FETCHED)) };
    // What a page says of its picture is a proposal: too long a one is none.
    let alt = image::clean_line(&alt, image::ALT_LENGTH).unwrap_or_default();
    let (place, actor) = ((&state.images, &state.uploads.processing), member.actor());
    let app = &state.app;
    taken_in(
        state,
        upload_image::upload_from(&app.pool, &app.web, place, &actor, (address, alt), Utc::now()).await,
    )
}

fn refused_json(page: &StaffPage, Refusal(status, _, key): &Refusal) -> Response {
    let (title, detail) = (page.text("images", "refused_title"), page.text("images", key));
    page.refused_json(*status, title, detail)
}

/// Receives a picture and has it taken in.
async fn accept(
    state: &AppState,
    page: &StaffPage,
    member: &Member,
    form: Option<Multipart>,
    is_script: bool,
    received: &mut Received,
) -> Result<Result<Image, Refusal>, StaffProblem> {
    let Ok(_room) = state.uploads.receiving.try_acquire() else { return Ok(Err(Refusal::BUSY)) };
    let Some(form) = form else { return Ok(Err(Refusal::NONE)) };
    if let Err(error) = receive(form, received).await {
        return Ok(Err(error.into()));
    }
    let mut mistakes = Mistakes::default();
    let Some((alt, credit)) = received.typed.checked(page, &mut mistakes) else {
        let is_alt = image::clean_line(&received.typed.alt, image::ALT_LENGTH).is_none();
        let (field, key) = if is_alt { ("alt", "alt_long") } else { ("credit", "credit_long") };
        return Ok(Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, field, key)));
    };
    let Some(file) = received.picture.take().filter(|file| !file.is_empty()) else {
        return Ok(Err(Refusal::NONE));
    };
    // The script sends a picture as soon as it is dropped, and what it shows is said afterwards.
    if alt.is_empty() && !is_script {
        return Ok(Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, "alt", "alt_empty")));
    }
    let upload = Upload { file, alt, credit };
    let place = (&state.images, &state.uploads.processing);
    taken_in(state, upload_image::upload(&state.app.pool, place, &member.actor(), upload, Utc::now()).await)
}

/// Why a picture was not taken in, for whoever sent it.
fn taken_in(
    state: &AppState,
    uploaded: Result<Image, UploadError>,
) -> Result<Result<Image, Refusal>, StaffProblem> {
    match uploaded {
        Ok(image) => Ok(Ok(image)),
        Err(UploadError::Refused(refused)) => Ok(Err(refused.into())),
        Err(UploadError::NotFetched(_)) => Ok(Err(Refusal::NOT_FETCHED)),
        Err(UploadError::Busy) => Ok(Err(Refusal::BUSY)),
        Err(UploadError::Store(error)) => {
            tracing::error!(%error, store = %state.images.place(), "a picture cannot be stored; IMAGE_STORE says where");
            Ok(Err(Refusal::STORE))
        }
        Err(UploadError::Database(error)) => Err(error.into()),
        Err(error @ (UploadError::NotAllowed(_) | UploadError::Random(_))) => {
            Err(StaffProblem::Common(Problem::internal(&error)))
        }
    }
}

async fn receive(mut form: Multipart, received: &mut Received) -> Result<(), MultipartError> {
    while let Some(field) = form.next_field().await? {
        match field.name().unwrap_or_default() {
            "image" => received.picture = Some(field.bytes().await?),
            "alt" => received.typed.alt = field.text().await?,
            "credit" => received.typed.credit = field.text().await?,
            "next" => received.next = destination::checked(&field.text().await?),
            _ => drop(field.bytes().await?),
        }
    }
    Ok(())
}

fn created(state: &AppState, image: &Image) -> Response {
    let answer = Uploaded {
        id: image.id,
        url: image.url(&state.public_url),
        width: image.width,
        height: image.height,
        thumbnail: image.small_path(),
        alt: &image.alt,
        credit: &image.credit,
    };
    (StatusCode::CREATED, Json(answer)).into_response()
}

/// What the script is told of a picture that was taken in.
#[derive(Serialize)]
struct Uploaded<'a> {
    id: ImageId,
    url: String,
    width: i32,
    height: i32,
    /// Path of the smaller file.
    thumbnail: String,
    alt: &'a str,
    credit: &'a str,
}

fn back(next: Option<&str>, image: &Image) -> Response {
    match next {
        Some(next) => {
            let glue = if next.contains('?') { '&' } else { '?' };
            Redirect::to(&format!("{next}{glue}image={}", image.id)).into_response()
        }
        None => done(&format!("/staff/images/{}", image.id), "image_added"),
    }
}
