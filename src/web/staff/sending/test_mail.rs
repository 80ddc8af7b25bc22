//! Test mails: the real mail with `[Test]` before its subject, to oneself, to colleagues, to somebody else.

use std::time::Duration;

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::Serialize;
use tokio::time::sleep;

use crate::{
    app::{
        send_test::{self, AN_HOUR, TestError, send_test},
        test_recipients,
    },
    domain::{
        address::EmailAddress,
        ids::{TestRecipientId, UpdateId},
        queue::{
            delivery::{DeliveryState, TestMail},
            reply_meaning,
        },
    },
    web::{
        AppState,
        http::{form_values, problem::Problem},
        staff::{
            logged_in::Member,
            sending::SendPage,
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

/// What the page that sends shows of test mails: who can be chosen, and what became of the last ones.
#[derive(Serialize)]
pub struct Tests {
    /// The address of whoever looks.
    pub(super) own: String,
    pub(super) own_is_chosen: bool,
    pub(super) typed: String,
    pub(super) colleagues: Vec<Colleague>,
    pub(super) sent: Vec<SentTest>,
    /// Of some it is not known yet what became of them.
    pub(super) are_waiting: bool,
}

#[derive(Serialize)]
pub(super) struct Colleague {
    pub(super) id: TestRecipientId,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) is_chosen: bool,
}

#[derive(Serialize)]
pub(super) struct SentTest {
    pub(super) address: String,
    pub(super) state: DeliveryState,
    /// What the reply means, in a sentence.
    pub(super) meaning: Option<String>,
    pub(super) reply: String,
}

impl SentTest {
    fn of(page: &StaffPage, test: TestMail) -> Self {
        let text = test.smtp_text.clone().unwrap_or_default();
        let has_reply =
            test.state != DeliveryState::Skipped && (test.smtp_code.is_some() || !text.is_empty());
        let meaning = reply_meaning::of(test.smtp_code, &text).filter(|_| has_reply);
        let reply = [test.smtp_code.map(|code| code.to_string()), test.smtp_text];
        let reply = reply.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Self {
            address: test.address,
            state: test.state,
            meaning: meaning.map(|meaning| page.text("meaning", meaning.key()).to_owned()),
            // What a relay says when all is well helps nobody.
            reply: if test.state == DeliveryState::Accepted { String::new() } else { reply },
        }
    }
}

impl Tests {
    pub async fn of(page: &StaffPage, member: &Member, id: UpdateId, chosen: &Chosen) -> sqlx::Result<Self> {
        let pool = &page.state.app.pool;
        let colleagues = test_recipients::list(pool).await?;
        let sent = send_test::tests_of(pool, id, SHOWN).await?;
        Ok(Self {
            own: member.0.email.clone(),
            own_is_chosen: chosen.own || !chosen.is_sent,
            typed: form_values::again(&chosen.typed),
            colleagues: colleagues
                .into_iter()
                .map(|colleague| Colleague {
                    id: colleague.id,
                    name: colleague.name,
                    email: colleague.email.written(),
                    is_chosen: chosen.colleagues.contains(&colleague.id.to_string()),
                })
                .collect(),
            are_waiting: sent.iter().any(|test| test.state == DeliveryState::Pending),
            sent: sent.into_iter().map(|test| SentTest::of(page, test)).collect(),
        })
    }
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
async fn wait_for(state: &AppState, id: UpdateId, count: usize) -> sqlx::Result<()> {
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
