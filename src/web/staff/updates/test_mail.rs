//! Test mails: the real mail with `[Test]` before its subject, to oneself, to colleagues, to somebody else.

use std::time::Duration;

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::time::sleep;

use crate::{
    app::send_test::{AN_HOUR, TestError, send_test},
    domain::{
        address::EmailAddress,
        ids::UpdateId,
        queue::delivery::{self, DeliveryState},
        test_recipient,
    },
    web::{
        AppState,
        http::{form_values, problem::Problem},
        staff::{
            logged_in::Member,
            mailings::send_page,
            staff_page::{Id, Mistakes, StaffPage, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// Test mails that are shown.
const SHOWN: i64 = 8;

/// Who was chosen.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Oneself.
    own: bool,
    /// Colleagues on the list, by id.
    colleagues: Vec<String>,
    /// An address that was typed.
    typed: String,
    /// The form was sent: what is not ticked was unticked.
    is_sent: bool,
}

impl Chosen {
    fn read(fields: Vec<(String, String)>) -> Self {
        let mut chosen = Self { is_sent: true, ..Self::default() };
        for (name, value) in fields {
            match name.as_str() {
                "own" => chosen.own = true,
                "to" => chosen.colleagues.push(value),
                "address" => chosen.typed = value,
                _ => {}
            }
        }
        chosen
    }
}

/// What the page shows of it: who can be chosen, and what became of the last ones.
pub async fn view(
    Member(session): &Member,
    db: &mut PgConnection,
    id: UpdateId,
    chosen: &Chosen,
) -> Result<Value, StaffProblem> {
    let colleagues: Vec<Value> = test_recipient::list(db)
        .await?
        .iter()
        .map(|colleague| {
            json!({
                "id": colleague.id, "name": colleague.name, "email": colleague.email,
                "is_chosen": chosen.colleagues.contains(&colleague.id.to_string()),
            })
        })
        .collect();
    let tests = delivery::tests_of(db, id, SHOWN).await?;
    let are_waiting = tests.iter().any(|test| test.state == DeliveryState::Pending);
    let sent: Vec<Value> = tests
        .iter()
        .map(|test| {
            let reply = [test.smtp_code.map(|code| code.to_string()), test.smtp_text.clone()];
            let reply = reply.into_iter().flatten().collect::<Vec<_>>().join(" ");
            json!({
                "address": test.address, "state": test.state,
                // What a relay says when all is well helps nobody.
                "reply": if test.state == DeliveryState::Accepted { String::new() } else { reply },
            })
        })
        .collect();
    Ok(json!({
        "own": session.email, "own_is_chosen": chosen.own || !chosen.is_sent,
        "typed": form_values::again(&chosen.typed),
        "colleagues": colleagues, "sent": sent, "are_waiting": are_waiting,
    }))
}

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
    let to = addresses(&page, &member, &mut *state.app.pool.acquire().await?, &chosen, &mut mistakes).await?;
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
    let found = send_page::look(&page, id).await?;
    let own =
        send_page::view(&page, &member, &found, &send_page::SendForm::default(), &chosen, &mistakes).await?;
    page.answer_value(StatusCode::UNPROCESSABLE_ENTITY, "staff/send.html", &own)
}

/// Waits a moment for what becomes of so many tests: it usually is known within a second, and nobody has to look again.
async fn wait_for(state: &AppState, id: UpdateId, count: usize) -> sqlx::Result<()> {
    let count = i64::try_from(count).unwrap_or(SHOWN);
    for _ in 0..15 {
        let tests = delivery::tests_of(&mut *state.app.pool.acquire().await?, id, count).await?;
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
    db: &mut PgConnection,
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
    for colleague in test_recipient::list(db).await? {
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
