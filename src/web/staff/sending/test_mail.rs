//! Test mails: the real mail with `[Test]` before its subject, to oneself, to colleagues, to somebody else.

use std::time::Duration;

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use tokio::time::sleep;

use crate::{
    app::{
        send_test::{self, AN_HOUR, TestError, send_test},
        test_recipients,
    },
    db::statement::StatementResult,
    domain::{address::EmailAddress, ids::UpdateId, queue::delivery::DeliveryState},
    web::{
        AppState,
        http::problem::Problem,
        staff::{
            logged_in::Member,
            sending::{
                send_page::SendPage,
                test_mails_view::{Chosen, SHOWN},
            },
            staff_page::{Id, Mistakes, StaffPage, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// `POST /staff/updates/{id}/test`
pub async fn send(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    id: Id<UpdateId>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let chosen = Chosen::read(fields);
    let mut mistakes = Mistakes::default();
    let to = addresses(&page, &member, &chosen, &mut mistakes).await?;
    if mistakes.is_empty() {
        match send_test(&state.app, &member.actor(), id, &to, Utc::now()).await {
            Ok(()) => {
                wait_for(&state, id, to.len()).await?;
                let page = format!("/staff/updates/{id}/send?done=test_sent#test");
                return Ok(Redirect::to(&page).into_response());
            }
            Err(TestError::Nobody) => mistakes.add("address", page.text("error", "test_nobody")),
            Err(TestError::NotReady(_)) => mistakes.add("form", page.text("error", "test_not_ready")),
            Err(TestError::TooMany) => {
                let text = page.text("error", "tests_too_many").replace("{most}", &page.number(AN_HOUR));
                mistakes.add("form", text);
            }
            Err(TestError::Unknown) => return Err(StaffProblem::NOT_FOUND),
            Err(TestError::Busy(busy)) => return Err(StaffProblem::Common(busy.into())),
            Err(TestError::Database(error)) => return Err(error.into()),
            Err(error @ (TestError::NotAllowed(_) | TestError::Compose(_))) => {
                return Err(StaffProblem::Common(Problem::internal(&error)));
            }
        }
    }
    let own = SendPage::fresh(&page, &member, id, &chosen, mistakes).await?;
    page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own)
}

/// Waits a moment for what becomes of so many tests: it usually is known within a second, and nobody has to look again.
async fn wait_for(state: &AppState, id: UpdateId, count: usize) -> StatementResult<()> {
    let count = i64::try_from(count).unwrap_or(SHOWN);
    for _ in 0..15 {
        let tests = send_test::tests_of(&state.app.pool, id, count).await?;
        if tests.iter().all(|test| test.state != DeliveryState::Pending) {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Everybody who was chosen, each once.
async fn addresses(
    page: &StaffPage,
    Member(session): &Member,
    chosen: &Chosen,
    mistakes: &mut Mistakes,
) -> Result<Vec<EmailAddress>, StaffProblem> {
    let mut to: Vec<EmailAddress> = Vec::new();
    let mut add = |address: EmailAddress| {
        if to.iter().all(|known| known.normalized() != address.normalized()) {
            to.push(address);
        }
    };
    if chosen.own
        && let Ok(own) = EmailAddress::parse(&session.email)
    {
        add(own);
    }
    for colleague in test_recipients::list(&page.state.app.pool).await? {
        if chosen.colleagues.contains(&colleague.id.to_string()) {
            add(colleague.email);
        }
    }
    if !chosen.typed.trim().is_empty() {
        match EmailAddress::parse(&chosen.typed) {
            Ok(address) => add(address),
            Err(_) => mistakes.add("address", page.text("error", "email")),
        }
    }
    Ok(to)
}
