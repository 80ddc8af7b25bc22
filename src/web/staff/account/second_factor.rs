//! The second factor of one's own account: turning it on, new recovery codes, turning it off.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::own_account,
    domain::staff::totp::TotpSecret,
    web::{
        AppState,
        staff::{
            account::qr,
            logged_in::Member,
            login::{
                guard::Visit,
                reauth::{self, Confirmed, Typed},
            },
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// What the forms send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    password: String,
    code: String,
    /// The secret that the page has shown, sealed: a GET stores nothing, so the form brings it back.
    sealed: String,
}

/// `GET /staff/account/second-factor`
pub async fn show(page: StaffPage, member: Member) -> Result<Response, StaffProblem> {
    let own = view(&page, &member, None, "", &Mistakes::default()).await?;
    page.show_value("staff/second_factor.html", &own)
}

/// What the page shows: how to turn it on with this secret, or that it is on.
async fn view(
    page: &StaffPage,
    Member(session): &Member,
    secret: Option<TotpSecret>,
    form: &str,
    errors: &Mistakes,
) -> Result<Value, StaffProblem> {
    if session.has_second_factor {
        let left = own_account::recovery_codes_left(&page.state.pool, session).await?;
        return Ok(json!({
            "is_on": true, "codes_left": left, "form": form, "needs_code": reauth::needs_code(session), "errors": errors,
        }));
    }
    let secret = secret.unwrap_or_else(TotpSecret::mint);
    let base32 = secret.base32();
    let groups: Vec<&str> = (0..base32.len()).step_by(4).map(|at| &base32[at..at + 4]).collect();
    Ok(json!({
        "is_on": false,
        "secret": groups.join(" "),
        "qr": qr::svg(&secret.otpauth(page.issuer(), &session.email), page.text("second_factor", "qr_title")),
        "sealed": URL_SAFE_NO_PAD.encode(secret.seal(&page.state.keys, session.staff_id)),
        "errors": errors,
    }))
}

/// What the forms say of who sends them.
fn own<'a>(sent: &'a Sent, code: &'a str) -> (Typed<'a>, [&'static str; 2]) {
    (Typed { password: &sent.password, code }, ["password", "code"])
}

/// `POST /staff/account/second-factor`: turns it on, once the device has shown that it has the secret.
pub async fn turn_on(
    State(state): State<AppState>,
    page: StaffPage,
    visit: Visit,
    member: Member,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let session = &member.0;
    if session.has_second_factor {
        return Ok(done("/staff/account/second-factor", "second_factor_is_on"));
    }
    let sealed = URL_SAFE_NO_PAD.decode(&sent.sealed).unwrap_or_default();
    let Some(secret) = TotpSecret::open(&state.keys, session.staff_id, &sealed) else {
        return Ok(done("/staff/account/second-factor", "second_factor_again"));
    };
    let now = Utc::now();
    let digits: String = sent.code.chars().filter(|c| !c.is_whitespace()).take(20).collect();
    let mut mistakes = Mistakes::default();
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    match secret.step_of(&digits, None, now) {
        None => mistakes
            .add("code", page.text("error", if digits.is_empty() { "code_empty" } else { "code_wrong" })),
        Some(step) => match reauth::check(&state, &page, &visit, session, own(&sent, "")).await? {
            Confirmed::Over => return Ok(reauth::logged_out(&state)),
            Confirmed::No(refused, what) => (status, mistakes) = (refused, what),
            Confirmed::Yes => {
                let codes =
                    own_account::turn_on_second_factor(&state.app, session, &secret, step, now).await?;
                return page.answer_value(
                    StatusCode::OK,
                    "staff/recovery_codes.html",
                    &json!({ "codes": codes, "is_new": true }),
                );
            }
        },
    }
    let own = view(&page, &member, Some(secret), "", &mistakes).await?;
    page.answer_value(status, "staff/second_factor.html", &own)
}

/// `POST /staff/account/second-factor/codes`: new recovery codes, shown once.
pub async fn new_codes(
    State(state): State<AppState>,
    page: StaffPage,
    visit: Visit,
    member: Member,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let session = &member.0;
    if !session.has_second_factor {
        return Ok(done("/staff/account", "second_factor_is_off"));
    }
    match reauth::check(&state, &page, &visit, session, own(&sent, &sent.code)).await? {
        Confirmed::Over => Ok(reauth::logged_out(&state)),
        Confirmed::No(status, mistakes) => {
            let own = view(&page, &member, None, "codes", &mistakes).await?;
            page.answer_value(status, "staff/second_factor.html", &own)
        }
        Confirmed::Yes => {
            let codes = own_account::new_recovery_codes(&state.app, session, Utc::now()).await?;
            page.answer_value(
                StatusCode::OK,
                "staff/recovery_codes.html",
                &json!({ "codes": codes, "is_new": false }),
            )
        }
    }
}

/// `POST /staff/account/second-factor/off`
pub async fn turn_off(
    State(state): State<AppState>,
    page: StaffPage,
    visit: Visit,
    member: Member,
    Form(sent): Form<Sent>,
) -> Result<Response, StaffProblem> {
    let session = &member.0;
    if session.has_second_factor {
        match reauth::check(&state, &page, &visit, session, own(&sent, &sent.code)).await? {
            Confirmed::Yes => {}
            Confirmed::Over => return Ok(reauth::logged_out(&state)),
            Confirmed::No(status, mistakes) => {
                let own = view(&page, &member, None, "off", &mistakes).await?;
                return page.answer_value(status, "staff/second_factor.html", &own);
            }
        }
    }
    own_account::turn_off_second_factor(&state.pool, session, Utc::now()).await?;
    Ok(done("/staff/account", "second_factor_is_off"))
}
