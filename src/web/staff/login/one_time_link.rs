//! One-time links: a first password, a new one, or the very first admin.

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::one_time_link,
    domain::{
        address::EmailAddress,
        staff::{
            self,
            link::OneTimeLink,
            password::{NewPassword, Weak},
            secret::OneTimeToken,
        },
    },
    web::{
        AppState,
        http::cookies,
        page_context::{PageContext, Sample},
        public::link_token::LinkToken,
        staff::{
            login::guard::LoginOrigin,
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// What the form sends. Address and name are asked of the first admin alone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PasswordForm {
    email: String,
    name: String,
    new_password: String,
    repeated: String,
}

async fn read(state: &AppState, text: &str) -> Result<(OneTimeToken, OneTimeLink), StaffProblem> {
    let token = OneTimeToken::parse(text).ok_or(StaffProblem::LinkOver)?;
    let link = one_time_link::read_link(&state.app.pool, &token, Utc::now()).await?;
    Ok((token, link))
}

/// `GET /staff/welcome/{token}`: asks. Changes nothing: link previews in chats open every link.
pub async fn ask(
    State(state): State<AppState>,
    page: StaffPage,
    LinkToken(token): LinkToken,
) -> Result<Response, StaffProblem> {
    let (_, link) = read(&state, &token).await?;
    page.show(&WelcomePage::of(&link, &PasswordForm::default(), Mistakes::default()))
}

/// `POST /staff/welcome/{token}`: sets the password and logs in, as far as the second factor.
pub async fn set(
    State(state): State<AppState>,
    page: StaffPage,
    origin: LoginOrigin,
    LinkToken(token): LinkToken,
    Form(sent): Form<PasswordForm>,
) -> Result<Response, StaffProblem> {
    let (token, link) = read(&state, &token).await?;
    let mut mistakes = Mistakes::default();
    let first = match &link {
        OneTimeLink::FirstAdmin => first_admin(&page, &sent, &mut mistakes),
        OneTimeLink::Password { .. } => None,
    };
    let (email, name) = match (&link, &first) {
        (OneTimeLink::Password { email, name, .. }, _) => (email.as_str(), name.as_str()),
        (_, Some((email, name))) => (email.as_str(), name.as_str()),
        _ => (sent.email.as_str(), sent.name.as_str()),
    };
    let password = new_password(&page, &sent.new_password, &sent.repeated, [email, name], &mut mistakes);
    let Some(password) = password.filter(|_| mistakes.is_empty()) else {
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &WelcomePage::of(&link, &sent, mistakes));
    };
    let first = first.as_ref().map(|(email, name)| (email, name.as_str()));
    let used = one_time_link::use_link(&state.app, &origin.0, (&token, &link), first, &password, Utc::now());
    let entered = used.await?;
    if entered.awaits_code {
        let mut response = Redirect::to("/staff/login/code").into_response();
        cookies::set_session(&state, response.headers_mut(), &entered.session);
        return Ok(response);
    }
    Ok(origin.enter(&state, done("/staff", "password_set"), &entered))
}

fn first_admin(
    page: &StaffPage,
    sent: &PasswordForm,
    mistakes: &mut Mistakes,
) -> Option<(EmailAddress, String)> {
    let email = EmailAddress::parse(&sent.email).ok();
    if email.is_none() {
        mistakes.add("email", page.text("error", "email"));
    }
    let name = staff::clean_name(&sent.name);
    if name.is_none() {
        mistakes.add("name", page.text("error", "name"));
    }
    email.zip(name)
}

/// A new password that was typed twice, or what is to be mended.
pub fn new_password(
    page: &StaffPage,
    typed: &str,
    repeated: &str,
    [email, name]: [&str; 2],
    mistakes: &mut Mistakes,
) -> Option<NewPassword> {
    let own_words = [email, name, page.issuer(), page.state.public_url.host()];
    match NewPassword::check(typed, &own_words) {
        Err(weak) => {
            let key = match weak {
                Weak::TooShort => "password_short",
                Weak::TooLong => "password_long",
                Weak::TooCommon => "password_common",
            };
            mistakes.add("new_password", page.text("error", key));
            None
        }
        Ok(_) if typed != repeated => {
            mistakes.add("repeated", page.text("error", "password_repeated"));
            None
        }
        Ok(password) => Some(password),
    }
}

/// The form for a password.
#[derive(Serialize)]
pub struct WelcomePage {
    email: String,
    name: String,
    /// The account does not exist yet: the form asks for address and name too.
    is_first: bool,
    errors: Mistakes,
}

impl WelcomePage {
    fn of(link: &OneTimeLink, sent: &PasswordForm, errors: Mistakes) -> Self {
        let (email, name, is_first) = match link {
            OneTimeLink::Password { email, name, .. } => (email, name, false),
            OneTimeLink::FirstAdmin => (&sent.email, &sent.name, true),
        };
        Self { email: email.clone(), name: name.clone(), is_first, errors }
    }
}

impl PageContext for WelcomePage {
    const TEMPLATE: &'static str = "staff/welcome.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let page = |is_first, errors| {
            let (email, name) = ("ada@example.org".into(), "Ada Muster".into());
            Self { email, name, is_first, errors }
        };
        let mut wrong = Mistakes::one("email", "Das ist keine Adresse.");
        wrong.add("new_password", "Das Passwort ist zu kurz.");
        vec![page(false, Mistakes::default()), page(true, Mistakes::default()), page(true, wrong)]
    }
}
