//! What the pages of pictures show.

use serde::{Deserialize, Serialize};

use crate::{
    app::upload_image,
    db::statement::StatementResult,
    domain::{
        ids::ImageId,
        image::{ALT_LENGTH, CREDIT_LENGTH, Image, clean_line},
        text_use::{Use, Uses},
    },
    web::staff::{
        staff_page::{Mistakes, StaffPage},
        staff_problem::StaffProblem,
    },
};

/// Pictures on a page of the library.
const PAGE: usize = 24;

/// What was typed about a picture.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Description {
    pub alt: String,
    pub credit: String,
}

impl Description {
    /// As it may be stored; notes what is too long.
    pub fn checked(&self, page: &StaffPage, mistakes: &mut Mistakes) -> Option<(String, String)> {
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
    pub fn shortened(&self) -> Self {
        let short = |text: &str, most: usize| text.chars().take(2 * most).collect();
        Self { alt: short(&self.alt, ALT_LENGTH), credit: short(&self.credit, CREDIT_LENGTH) }
    }
}

/// The library.
#[derive(Serialize)]
pub struct ImagesPage {
    pub images: Vec<ImageView>,
    /// The last one here, when there are older ones.
    #[serde(skip)]
    pub older: Option<ImageId>,
    /// The page that shows those.
    pub older_url: Option<String>,
    pub is_first: bool,
    /// What was looked for.
    pub query: String,
    pub typed: Description,
    pub errors: Mistakes,
    /// The page that an upload leads back to.
    pub next: Option<String>,
}

impl ImagesPage {
    pub async fn of(
        page: &StaffPage,
        typed: &Description,
        errors: Mistakes,
        next: Option<String>,
    ) -> StatementResult<Self> {
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
pub struct ImageView {
    pub id: ImageId,
    pub path: String,
    pub small_path: String,
    pub alt: String,
    pub credit: String,
    pub width: i32,
    pub height: i32,
    pub small_width: i32,
    pub small_height: i32,
    pub kilobytes: i64,
    pub created_at: String,
    /// When it first went out in a mail: from then on it stays.
    pub kept_since: Option<String>,
    pub uses: Vec<Use>,
    /// It may be removed.
    pub can_go: bool,
    /// As it stands in the text of an update.
    pub markdown: String,
    pub url: String,
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

/// One picture.
#[derive(Serialize)]
pub struct ImagePage {
    pub image: ImageView,
    pub typed: Description,
    pub errors: Mistakes,
}

impl ImagePage {
    pub async fn of(
        page: &StaffPage,
        id: ImageId,
        typed: Option<&Description>,
        errors: Mistakes,
    ) -> Result<Self, StaffProblem> {
        let found = upload_image::find(&page.state.app.pool, id).await?;
        let (image, uses) = found.ok_or(StaffProblem::NOT_FOUND)?;
        let stored = Description { alt: image.alt.clone(), credit: image.credit.clone() };
        let typed = typed.map_or(stored, Description::shortened);
        Ok(Self { image: ImageView::of(page, &image, &uses), typed, errors })
    }
}
