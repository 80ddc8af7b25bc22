//! The own account: name, password, sessions. The second factor has a page of its own.

pub mod qr;
pub mod second_factor;

use axum::{
    Form,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    app::own_account,
    domain::{
        ids::SessionId,
        staff::{self, session::Session},
    },
    web::{
        AppState,
        http::{cookies, form_values},
        page_context::{PageContext, Sample},
        staff::{
            log::LogEntry,
            logged_in::Member,
            login::{
                destination,
                guard::LoginOrigin,
                one_time_link::new_password,
                reauth::{self, Confirmed, ReauthForm},
            },
            staff_page::{Id, Mistakes, StaffPage, done, id_in},
            staff_problem::StaffProblem,
        },
    },
};

/// `GET /staff/account`
pub async fn show(page: StaffPage, member: Member) -> Result<Response, StaffProblem> {
    page.show(&AccountPage::of(&page, &member.0, &member.0.name, Mistakes::default()).await?)
}

/// Entries that the account shows of its log.
const LOG: i64 = 20;

/// What the form for the name sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentName {
    name: String,
}

/// `POST /staff/account/name`
pub async fn set_name(
    State(state): State<AppState>,
    page: StaffPage,
    member: Member,
    Form(sent): Form<SentName>,
) -> Result<Response, StaffProblem> {
    let Some(name) = staff::clean_name(&sent.name) else {
        let mistakes = Mistakes::one("name", page.text("error", "name"));
        let own = AccountPage::of(&page, &member.0, &form_values::again(&sent.name), mistakes).await?;
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own);
    };
    own_account::set_name(&state.app.pool, &member.0, &name, Utc::now()).await?;
    Ok(done("/staff/account", "name_changed"))
}

/// What the form for the password sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentPassword {
    password: String,
    code: String,
    new_password: String,
    repeated: String,
}

/// `POST /staff/account/password`: all sessions end, and this browser gets a new one.
pub async fn set_password(
    State(state): State<AppState>,
    page: StaffPage,
    origin: LoginOrigin,
    member: Member,
    Form(sent): Form<SentPassword>,
) -> Result<Response, StaffProblem> {
    let session = &member.0;
    let mut mistakes = Mistakes::default();
    let own_words = [session.email.as_str(), session.name.as_str()];
    let password = new_password(&page, &sent.new_password, &sent.repeated, own_words, &mut mistakes);
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    if let Some(password) = password {
        let typed = ReauthForm { password: &sent.password, code: &sent.code };
        match reauth::check(&state, &page, &origin, session, (typed, ["password", "code"])).await? {
            Confirmed::Over => return Ok(reauth::logged_out(&state)),
            Confirmed::Yes => {
                let (from, now) = (&origin.0, Utc::now());
                let entered = own_account::set_password(&state.app, session, from, &password, now).await?;
                return Ok(origin.enter(&state, done("/staff/account", "password_changed"), &entered));
            }
            Confirmed::No(refused, what) => (status, mistakes) = (refused, what),
        }
    }
    page.answer(status, &AccountPage::of(&page, session, &session.name, mistakes).await?)
}

/// `POST /staff/account/sessions/end`: log out everywhere, here too.
pub async fn end_all_sessions(
    State(state): State<AppState>,
    member: Member,
) -> Result<Response, StaffProblem> {
    own_account::end_all_sessions(&state.app.pool, &member.0, Utc::now()).await?;
    let mut response = done("/staff/login", "logged_out_everywhere");
    cookies::clear_session(&state, response.headers_mut());
    Ok(response)
}

/// `POST /staff/account/notices`: what this session was told, it has read.
pub async fn read_notices(
    State(state): State<AppState>,
    Member(session): Member,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, StaffProblem> {
    let ids = url::form_urlencoded::parse(&body).filter(|(name, _)| name == "id");
    let ids: Vec<i64> = ids.filter_map(|(_, id)| id.parse().ok()).collect();
    own_account::read_notices(&state.app.pool, &session, &ids).await?;
    let back = destination::of_referer(&headers);
    Ok(Redirect::to(back.as_deref().unwrap_or("/staff")).into_response())
}

/// `POST /staff/account/sessions/{id}/end`: ends one of one's own.
pub async fn end_session(
    State(state): State<AppState>,
    member: Member,
    id: Id<SessionId>,
) -> Result<Response, StaffProblem> {
    own_account::end_session(&state.app.pool, &member.0, id_in(id)?, Utc::now()).await?;
    // One that is over already: pressing twice does what pressing once does.
    Ok(done("/staff/account", "session_ended"))
}

/// The own account.
#[derive(Serialize)]
pub struct AccountPage {
    /// As it was typed, where it has to be mended.
    name: String,
    sessions: Vec<SessionRow>,
    log: Vec<LogEntry>,
    needs_code: bool,
    errors: Mistakes,
}

#[derive(Serialize)]
struct SessionRow {
    id: SessionId,
    client: String,
    created_at: String,
    last_seen_at: String,
    is_this: bool,
}

impl AccountPage {
    async fn of(
        page: &StaffPage,
        session: &Session,
        name: &str,
        errors: Mistakes,
    ) -> Result<Self, StaffProblem> {
        let (sessions, log) = own_account::overview(&page.state.app.pool, session, LOG, Utc::now()).await?;
        let sessions = sessions.into_iter().map(|listed| SessionRow {
            is_this: listed.id == session.id,
            id: listed.id,
            client: page.client(&listed.client),
            created_at: page.spoken_time(listed.created_at),
            last_seen_at: page.spoken_time(listed.last_seen_at),
        });
        Ok(Self {
            name: name.to_owned(),
            sessions: sessions.collect(),
            log: log.iter().map(|entry| LogEntry::of(page, entry)).collect(),
            needs_code: reauth::needs_code(session),
            errors,
        })
    }
}

impl PageContext for AccountPage {
    const TEMPLATE: &'static str = "staff/account.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let row = |client: &str, is_this| SessionRow {
            id: SessionId(Uuid::nil()),
            client: client.into(),
            created_at: "gestern um 9:12".into(),
            last_seen_at: "heute um 14:05".into(),
            is_this,
        };
        let page = |needs_code, errors| Self {
            name: "Ada Muster".into(),
            sessions: vec![row("Firefox auf Linux", true), row("", false)],
            log: LogEntry::samples(),
            needs_code,
            errors,
        };
        vec![
            page(false, Mistakes::default()),
            page(true, Mistakes::default()),
            page(false, Mistakes::one("code", "Dieser Code stimmt nicht.")),
        ]
    }
}
