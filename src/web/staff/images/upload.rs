//! `POST /staff/images`: takes a picture in. For the script `staff-upload.js` it answers JSON; a plain form is led back
//! to the page it stood on, with `image=ID` in the address.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{
        Multipart, State,
        multipart::{MultipartError, MultipartRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::{sync::Semaphore, task::spawn_blocking};
use tracing::Span;

use crate::{
    app::images::{
        memory,
        process::{self, Processed, Refused},
    },
    domain::image::{self, FileName, Image, ImageName, NewImage},
    web::{
        AppState,
        http::{
            load_shedding::Takes,
            problem::{Problem, problem_json, wants_json},
        },
        staff::{
            access::Member,
            images::{Typed, library},
            login::destination,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// Bytes of a picture, at most, and how long it may take until its answer: time for slow lines.
pub const UPLOAD: Takes = Takes::Upload { most: memory::LONGEST_FILE, within: Duration::from_mins(2) };

/// Room for uploads.
pub struct Uploads {
    /// Those that are being received: each is held in memory.
    receiving: Semaphore,
    /// Those that are being worked on: each may take [`memory::MOST`].
    working: Arc<Semaphore>,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { receiving: Semaphore::new(memory::RECEIVED), working: Arc::new(Semaphore::new(1)) }
    }
}

/// What the form sends.
#[derive(Default)]
struct Received {
    picture: Option<Bytes>,
    typed: Typed,
    /// The page to go back to.
    next: Option<String>,
}

/// Why a picture was not taken: a status, the field it is told at, the key of its text in `staff.images`.
struct Refusal(StatusCode, &'static str, &'static str);

impl Refusal {
    const NONE: Self = Refusal(StatusCode::UNPROCESSABLE_ENTITY, "image", "refused_none");
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
    let refused = match take(&state, &page, &member, form.ok(), is_script, &mut received).await? {
        Ok(image) if is_script => return Ok(created(&state, &image)),
        Ok(image) => return Ok(back(received.next.as_deref(), &image)),
        Err(refused) => refused,
    };
    let Refusal(status, field, key) = refused;
    if is_script {
        let (title, detail) = (page.text("images", "refused_title"), page.text("images", key));
        let mut answer = problem_json(status, title, detail, None);
        answer.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(page.locale.tag()));
        return Ok(answer);
    }
    let mistakes = Mistakes::one(field, page.text("images", key));
    let mut own = library(&page, &received.typed, &mistakes).await?;
    own["next"] = received.next.into();
    page.answer(status, "staff/images.html", &own)
}

/// Receives, works on, stores and records a picture.
async fn take(
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
    let Some(picture) = received.picture.take().filter(|picture| !picture.is_empty()) else {
        return Ok(Err(Refusal::NONE));
    };
    // The script sends a picture as soon as it is dropped, and what it shows is said afterwards.
    if alt.is_empty() && !is_script {
        return Ok(Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, "alt", "alt_empty")));
    }
    let upload_sha256: [u8; 32] = Sha256::digest(&picture).into();
    if let Some(known) = image::by_upload(&mut *state.pool.acquire().await?, upload_sha256).await? {
        return Ok(Ok(describe_again(state, member, known, &alt, &credit).await?));
    }
    let Ok(permit) = Arc::clone(&state.uploads.working).acquire_owned().await else {
        return Ok(Err(Refusal::BUSY));
    };
    let span = Span::current();
    let worked = spawn_blocking(move || {
        // Held to the end of the work, also when nobody waits for it any more.
        let _permit = permit;
        span.in_scope(|| process::process(&picture))
    });
    let processed = match worked.await {
        Ok(Ok(processed)) => processed,
        Ok(Err(refused)) => return Ok(Err(refused.into())),
        // A decoder that panics has met a file that is made to do that.
        Err(error) => {
            tracing::error!(%error, "a picture could not be worked on");
            return Ok(Err(Refused::Damaged.into()));
        }
    };
    keep(state, member, processed, alt, credit, upload_sha256).await
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

/// Puts the files into the store, then the row into the database: what is found there has its files.
async fn keep(
    state: &AppState,
    member: &Member,
    processed: Processed,
    alt: String,
    credit: String,
    upload_sha256: [u8; 32],
) -> Result<Result<Image, Refusal>, StaffProblem> {
    let name = ImageName::mint().map_err(|error| StaffProblem::Common(Problem::internal(&error)))?;
    let Processed { format, large, small } = processed;
    let file = |is_small| FileName { name: name.clone(), is_small, format };
    let files = [file(false), file(true)];
    let new = NewImage {
        name: name.clone(),
        format,
        large: large.size,
        small: small.size,
        bytes: large.bytes.len() + small.bytes.len(),
        alt,
        credit,
        upload_sha256,
    };
    for (file, bytes) in files.iter().zip([large.bytes, small.bytes]) {
        if let Err(error) = state.images.put(file, bytes).await {
            tracing::error!(%error, store = %state.images.place(), "a picture cannot be stored; IMAGE_STORE says where");
            state.images.remove_files(&files).await;
            return Ok(Err(Refusal::STORE));
        }
    }
    let recorded = async {
        let mut transaction = state.pool.begin().await?;
        let image = image::add(&mut transaction, &member.actor(), &new, Utc::now()).await?;
        transaction.commit().await?;
        Ok::<_, sqlx::Error>(image)
    };
    match recorded.await {
        Ok(image) => Ok(Ok(image)),
        Err(error) => {
            state.images.remove_files(&files).await;
            Err(error.into())
        }
    }
}

/// The same file was uploaded before: it is there once, and what is said about it now is added where nothing was said.
async fn describe_again(
    state: &AppState,
    member: &Member,
    mut known: Image,
    alt: &str,
    credit: &str,
) -> sqlx::Result<Image> {
    let keep = |old: &str, new: &str| if old.is_empty() { new.to_owned() } else { old.to_owned() };
    let (alt, credit) = (keep(&known.alt, alt), keep(&known.credit, credit));
    let mut transaction = state.pool.begin().await?;
    image::describe(&mut transaction, &member.actor(), known.id, &alt, &credit, Utc::now()).await?;
    transaction.commit().await?;
    (known.alt, known.credit) = (alt, credit);
    Ok(known)
}

fn created(state: &AppState, image: &Image) -> Response {
    let answer = json!({
        "id": image.id, "url": image.url(&state.public_url), "width": image.width, "height": image.height,
        "thumbnail": image.small_path(), "alt": image.alt, "credit": image.credit,
    });
    (StatusCode::CREATED, Json(answer)).into_response()
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
