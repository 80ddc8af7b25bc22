//! Showing an update to somebody without a login: the links, and what they wrote.

use axum::{Form, extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    app::review_update::{self, ReviewError, Reviews},
    domain::{
        ids::{RemarkId, ReviewLinkId, UpdateId},
        token::review_token,
        update::{
            Update,
            review::{LinkState, Remark, ReviewLink},
        },
    },
    web::{
        AppState,
        http::problem::Problem,
        page_context::{PageContext, Sample},
        staff::{
            logged_in::Member,
            staff_page::{self, StaffPage, done, id_in},
            staff_problem::StaffProblem,
            updates::Id,
        },
    },
};

impl From<ReviewError> for StaffProblem {
    fn from(error: ReviewError) -> Self {
        match error {
            ReviewError::Unknown => Self::NOT_FOUND,
            ReviewError::Database(error) => error.into(),
            ReviewError::NotAllowed(_) | ReviewError::TooMany => {
                StaffProblem::Common(Problem::internal(&error))
            }
        }
    }
}

/// `GET /staff/updates/{id}/review`
pub async fn show(
    State(state): State<AppState>,
    page: StaffPage,
    _: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let reviews = review_update::reviews(&state.app.pool, id_in(id)?).await?;
    let Reviews { update, links, remarks } = reviews.ok_or(StaffProblem::NOT_FOUND)?;
    let now = Utc::now();
    page.show(&ReviewsPage {
        links: links.iter().map(|link| LinkRow::of(&page, link, now)).collect(),
        remarks: remarks.iter().map(|remark| RemarkRow::of(&page, &update, remark)).collect(),
        update: ReviewUpdate { id: update.id, title: update.title },
    })
}

/// `POST /staff/updates/{id}/review`: makes a link.
pub async fn make_link(
    State(state): State<AppState>,
    member: Member,
    id: Id,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let notice = match review_update::make_link(&state.app.pool, &member.author(), id, Utc::now()).await {
        Ok(_) => "review_link_made",
        Err(ReviewError::TooMany) => "review_links_full",
        Err(error) => return Err(error.into()),
    };
    Ok(done(&path(id), notice))
}

/// `POST /staff/review-links/{id}/revoke`
pub async fn revoke_link(
    State(state): State<AppState>,
    member: Member,
    id: staff_page::Id<ReviewLinkId>,
) -> Result<Response, StaffProblem> {
    let update = review_update::revoke_link(&state.app.pool, &member.actor(), id_in(id)?, Utc::now()).await?;
    Ok(done(&path(update), "review_link_revoked"))
}

/// `POST /staff/remarks/{id}/done`
pub async fn finish_remark(
    State(state): State<AppState>,
    member: Member,
    id: staff_page::Id<RemarkId>,
    Form(sent): Form<FinishForm>,
) -> Result<Response, StaffProblem> {
    let update =
        review_update::finish_remark(&state.app.pool, &member.actor(), id_in(id)?, Utc::now()).await?;
    let back = if sent.back == "editor" { format!("/staff/updates/{update}") } else { path(update) };
    Ok(done(&back, "remark_done"))
}

/// Where somebody puts a remark aside: in the editor, or on the page of the links.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FinishForm {
    back: String,
}

fn path(id: UpdateId) -> String {
    format!("/staff/updates/{id}/review")
}

/// The links of an update, and the remarks on it.
#[derive(Serialize)]
pub struct ReviewsPage {
    update: ReviewUpdate,
    links: Vec<LinkRow>,
    remarks: Vec<RemarkRow>,
}

#[derive(Serialize)]
struct ReviewUpdate {
    id: UpdateId,
    title: String,
}

#[derive(Serialize)]
struct LinkRow {
    id: ReviewLinkId,
    /// While it works.
    url: Option<String>,
    made: String,
    /// Until when it works, or how it ended.
    until: String,
}

impl LinkRow {
    fn of(page: &StaffPage, link: &ReviewLink, now: DateTime<Utc>) -> Self {
        let (text, at) = match (link.state(now), link.revoked_at) {
            (LinkState::Open, _) => (page.text("review", "until"), link.expires_at),
            (LinkState::Revoked, Some(at)) => (page.text("review", "revoked"), at),
            (LinkState::Revoked | LinkState::Expired, _) => (page.text("review", "expired"), link.expires_at),
        };
        let url = || {
            let token = review_token(&page.state.app.keys, link.id);
            page.state.public_url.join(&format!("/review/{token}"))
        };
        let made = page.text("review", "made").replace("{at}", &page.short_time(link.made_at));
        Self {
            id: link.id,
            url: (link.state(now) == LinkState::Open).then(url),
            made: made.replace("{who}", &link.made_by),
            until: text.replace("{at}", &page.short_time(at)),
        }
    }
}

/// A remark, on the page of the links and in the editor.
#[derive(Serialize)]
pub struct RemarkRow {
    id: RemarkId,
    name: String,
    at: String,
    remark: String,
    is_done: bool,
    /// The text was changed since.
    is_older: bool,
}

impl RemarkRow {
    /// A remark on this update.
    pub fn of(page: &StaffPage, update: &Update, remark: &Remark) -> Self {
        Self {
            id: remark.id,
            name: remark.name.clone(),
            at: page.short_time(remark.made_at),
            remark: remark.remark.clone(),
            is_done: remark.done_at.is_some(),
            is_older: update.changed_at > remark.made_at,
        }
    }

    /// One that is open, on the text as it is, and one that was put aside.
    pub fn samples() -> [Self; 2] {
        let of = |remark: &str, is_done, is_older| Self {
            id: RemarkId(Uuid::nil()),
            name: "Bela Beispiel".into(),
            at: "25.11.2026, 14:05".into(),
            remark: remark.into(),
            is_done,
            is_older,
        };
        [of("Das Jahr stimmt nicht:\n2026.", false, false), of("Gut so.", true, true)]
    }
}

impl PageContext for ReviewsPage {
    const TEMPLATE: &'static str = "staff/review.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let head = |title: &str| ReviewUpdate { id: UpdateId(Uuid::nil()), title: title.into() };
        let link = |url: Option<&str>| LinkRow {
            id: ReviewLinkId(Uuid::nil()),
            url: url.map(str::to_owned),
            made: "Ada, 25.11.2026, 14:05".into(),
            until: "bis 2.12.2026, 14:05".into(),
        };
        let links = vec![link(Some("https://news.example.org/review/AAAA")), link(None)];
        vec![
            Self { update: head("Neues vom Projekt"), links, remarks: RemarkRow::samples().into() },
            Self { update: head(""), links: Vec::new(), remarks: Vec::new() },
        ]
    }
}
