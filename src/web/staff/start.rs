//! The start page: where things stand, in a few numbers.

use axum::{
    extract::State,
    response::{Redirect, Response},
};
use chrono::Utc;
use serde_json::json;

use crate::{
    domain::{
        mailing::{self, PauseKind},
        signup, subscriber,
    },
    web::AppState,
};

use super::{access::Member, page::Page, problems::StaffProblem};

/// `GET /staff`
pub async fn show(State(state): State<AppState>, page: Page, _: Member) -> Result<Response, StaffProblem> {
    let mut db = state.pool.acquire().await?;
    let subscribers = subscriber::count_active(&mut db).await?;
    let waiting = signup::count_waiting(&mut db, Utc::now()).await?;
    let last = match mailing::list(&mut db, 1).await?.into_iter().next() {
        Some(mailing) => {
            let counts = mailing::counts(&mut db, mailing.id).await?;
            Some(json!({
                "id": mailing.id,
                "subject": mailing.subject,
                "state": mailing.state,
                // Of what staff paused there is no other reason.
                "reason": mailing.pause_reason.filter(|_| mailing.pause_kind != Some(PauseKind::Staff)),
                "at": page.short_time(mailing.triggered_at),
                "audience": mailing.audience,
                "counts": counts,
            }))
        }
        None => None,
    };
    drop(db);
    let missing = page.publication.as_ref().map(|publication| publication.content.missing());
    page.show(
        "staff/start.html",
        &json!({
            "subscribers": subscribers, "waiting": waiting, "last": last,
            "has_publication": page.publication.is_some(), "missing": missing,
        }),
    )
}

/// `GET /staff/`
pub async fn without_slash() -> Redirect {
    Redirect::permanent("/staff")
}
