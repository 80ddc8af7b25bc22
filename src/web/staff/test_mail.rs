//! Test mails: the real mail with [Test] before its subject, to oneself, to colleagues, to somebody else.

use std::time::Duration;

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::time::sleep;

use crate::{
    app::off_runtime::off_runtime,
    domain::{
        address::EmailAddress,
        colleague,
        delivery::{self, DeliveryState},
        ids::UpdateId,
        staff::audit::{self, Action},
        update,
    },
    mail::envelope,
    web::{AppState, problem::Problem, typed},
};

use super::{
    access::Member,
    page::{Id, Mistakes, Page, id_in},
    problems::StaffProblem,
    sending,
};

/// Test mails that are shown.
const SHOWN: i64 = 8;

/// Test mails in an hour, at most, of all staff together: whoever got hold of an account shall not be able to write to
/// strangers with it.
const AN_HOUR: i64 = 200;

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
    let colleagues: Vec<Value> = colleague::list(db)
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
        "typed": typed::again(&chosen.typed),
        "colleagues": colleagues, "sent": sent, "are_waiting": are_waiting,
    }))
}

/// `POST /staff/updates/{id}/test`
pub async fn send(
    State(state): State<AppState>,
    page: Page,
    member: Member,
    id: Id<UpdateId>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, StaffProblem> {
    let id = id_in(id)?;
    let chosen = Chosen::read(fields);
    let (by, now) = (member.actor(), Utc::now());
    let mut transaction = state.pool.begin().await?;
    let found = update::find(&mut transaction, &id.to_string()).await?;
    let update = found.ok_or(StaffProblem::NOT_FOUND)?;
    let mut mistakes = Mistakes::default();
    let to = addresses(&page, &member, &mut transaction, &chosen, &mut mistakes).await?;
    let lately = delivery::count_tests(&mut transaction, now - TimeDelta::hours(1)).await?;
    if lately + i64::try_from(to.len()).unwrap_or(i64::MAX) > AN_HOUR {
        mistakes.add("form", page.text("error", "tests_many").replace("{count}", &page.number(AN_HOUR)));
    }
    let ready = page.publication.as_ref().filter(|publication| publication.content.missing().is_empty());
    let Some(publication) = ready.filter(|_| mistakes.is_empty()) else {
        transaction.rollback().await?;
        if ready.is_none() {
            mistakes = Mistakes::one("form", page.text("error", "test_not_ready"));
        }
        let own = sending::view(&page, &member, id, &sending::Sent::default(), &chosen, &mistakes).await?;
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, "staff/send.html", &own);
    };
    // Made here too, so that a mistake shows now and not in the worker's log.
    let sizes = state.composer.sizes(&mut transaction, &update).await?;
    let work = (state.composer.clone(), publication.clone(), update.clone());
    let made = off_runtime(move || work.0.test_frame(&work.1, &work.2, &sizes).map(drop)).await;
    made.map_err(|busy| StaffProblem::Common(busy.into()))?
        .map_err(|error| StaffProblem::Common(Problem::internal(&error)))?;
    for address in &to {
        delivery::enqueue_test(&mut transaction, id, address, now).await?;
    }
    // Masked: what is erased later must not go on standing in the log.
    let to: Vec<String> = to.iter().map(EmailAddress::masked).collect();
    let details = json!({ "addresses": to.join(", ") });
    audit::record(&mut transaction, &by, Action::TestSent, &update.title, &details, now).await?;
    transaction.commit().await?;
    wait_for(&state, id, to.len()).await?;
    Ok(Redirect::to(&format!("/staff/updates/{id}/send?done=test_sent#test")).into_response())
}

/// Waits a moment for what becomes of so many tests: it usually is known within a second, and nobody has to look again.
async fn wait_for(state: &AppState, id: UpdateId, count: usize) -> sqlx::Result<()> {
    let count = i64::try_from(count).unwrap_or(SHOWN);
    for _ in 0..15 {
        let tests = delivery::tests_of(&mut *state.pool.acquire().await?, id, count).await?;
        if tests.iter().all(|test| test.state != DeliveryState::Pending) {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Everybody who was chosen, each once.
async fn addresses(
    page: &Page,
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
    for colleague in colleague::list(db).await? {
        if chosen.colleagues.contains(&colleague.id.to_string()) {
            add(colleague.email);
        }
    }
    if !chosen.typed.trim().is_empty() {
        match envelope::parse(&chosen.typed) {
            Ok(address) => add(address),
            Err(_) => mistakes.add("address", page.text("error", "email")),
        }
    }
    if to.is_empty() {
        mistakes.add("address", page.text("error", "test_nobody"));
    }
    Ok(to)
}
