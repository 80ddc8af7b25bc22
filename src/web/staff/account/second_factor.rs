//! The second factor of one's own account: turning it on, new recovery codes, turning it off.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{
    app::own_account,
    domain::staff::{session::Session, totp::TotpSecret},
    web::{
        AppState,
        page_context::{PageContext, Sample},
        staff::{
            account::qr,
            logged_in::Member,
            login::{
                guard::LoginOrigin,
                reauth::{self, Confirmed, ReauthForm},
            },
            staff_page::{Mistakes, StaffPage, done},
            staff_problem::StaffProblem,
        },
    },
};

/// What the forms send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SecondFactorForm {
    password: String,
    code: String,
    /// The secret that the page has shown, sealed: a GET stores nothing, so the form brings it back.
    sealed: String,
}

impl SecondFactorForm {
    fn typed(&self) -> ReauthForm<'_> {
        ReauthForm { password: &self.password, code: &self.code }
    }
}

/// The form that comes back, because something in it is to be mended.
#[derive(Clone, Copy)]
enum Again<'a> {
    /// To turn it on, with the secret that the page has shown.
    On(&'a TotpSecret),
    /// For new recovery codes.
    Codes,
    /// To turn it off.
    Off,
}

/// `GET /staff/account/second-factor`
pub async fn show(page: StaffPage, Member(session): Member) -> Result<Response, StaffProblem> {
    page.show(&SecondFactorPage::of(&page, &session, None, Mistakes::default()).await?)
}

/// Checks that whoever sends a form is the account's owner; answers with what to mend, or with the login, when that is not
/// shown.
async fn refused(
    page: &StaffPage,
    origin: &LoginOrigin,
    session: &Session,
    typed: ReauthForm<'_>,
    again: Again<'_>,
) -> Result<Option<Response>, StaffProblem> {
    let (state, fields) = (&page.state, ["password", "code"]);
    match reauth::check(state, page, origin, session, (typed, fields)).await? {
        Confirmed::Yes => Ok(None),
        Confirmed::Over => Ok(Some(reauth::logged_out(state))),
        Confirmed::No(status, mistakes) => {
            let own = SecondFactorPage::of(page, session, Some(again), mistakes).await?;
            page.answer(status, &own).map(Some)
        }
    }
}

/// `POST /staff/account/second-factor`: turns it on, once the device has shown that it has the secret.
pub async fn turn_on(
    State(state): State<AppState>,
    page: StaffPage,
    origin: LoginOrigin,
    Member(session): Member,
    Form(sent): Form<SecondFactorForm>,
) -> Result<Response, StaffProblem> {
    if session.has_second_factor {
        return Ok(done("/staff/account/second-factor", "second_factor_is_on"));
    }
    let sealed = URL_SAFE_NO_PAD.decode(&sent.sealed).unwrap_or_default();
    let Some(secret) = TotpSecret::open(&state.app.keys, session.staff_id, &sealed) else {
        return Ok(done("/staff/account/second-factor", "second_factor_again"));
    };
    let (now, again) = (Utc::now(), Again::On(&secret));
    let digits: String = sent.code.chars().filter(|c| !c.is_whitespace()).take(20).collect();
    let Some(step) = secret.step_of(&digits, None, now) else {
        let why = page.text("error", if digits.is_empty() { "code_empty" } else { "code_wrong" });
        let own = SecondFactorPage::of(&page, &session, Some(again), Mistakes::one("code", why)).await?;
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, &own);
    };
    // Their code has just been looked at; there is no other factor yet.
    let typed = ReauthForm { password: &sent.password, code: "" };
    if let Some(refused) = refused(&page, &origin, &session, typed, again).await? {
        return Ok(refused);
    }
    let codes = own_account::turn_on_second_factor(&state.app, &session, &secret, step, now).await?;
    page.answer(StatusCode::OK, &RecoveryCodesPage { codes, is_new: true })
}

/// `POST /staff/account/second-factor/codes`: new recovery codes, shown once.
pub async fn new_codes(
    State(state): State<AppState>,
    page: StaffPage,
    origin: LoginOrigin,
    Member(session): Member,
    Form(sent): Form<SecondFactorForm>,
) -> Result<Response, StaffProblem> {
    if !session.has_second_factor {
        return Ok(done("/staff/account", "second_factor_is_off"));
    }
    if let Some(refused) = refused(&page, &origin, &session, sent.typed(), Again::Codes).await? {
        return Ok(refused);
    }
    let codes = own_account::new_recovery_codes(&state.app, &session, Utc::now()).await?;
    page.answer(StatusCode::OK, &RecoveryCodesPage { codes, is_new: false })
}

/// `POST /staff/account/second-factor/off`
pub async fn turn_off(
    State(state): State<AppState>,
    page: StaffPage,
    origin: LoginOrigin,
    Member(session): Member,
    Form(sent): Form<SecondFactorForm>,
) -> Result<Response, StaffProblem> {
    if session.has_second_factor
        && let Some(refused) = refused(&page, &origin, &session, sent.typed(), Again::Off).await?
    {
        return Ok(refused);
    }
    own_account::turn_off_second_factor(&state.app.pool, &session, Utc::now()).await?;
    Ok(done("/staff/account", "second_factor_is_off"))
}

/// The second factor: that it is on, or how to turn it on.
#[derive(Serialize)]
pub struct SecondFactorPage {
    #[serde(flatten)]
    factor: Factor,
    errors: Mistakes,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Factor {
    On {
        codes_left: i64,
        /// The form that comes back: `codes` or `off`; empty for none.
        form: &'static str,
        needs_code: bool,
    },
    Off {
        /// In base32, in groups of four.
        secret: String,
        /// SVG; nothing when the text is too long for a code.
        qr: Option<String>,
        sealed: String,
    },
}

impl SecondFactorPage {
    async fn of(
        page: &StaffPage,
        session: &Session,
        again: Option<Again<'_>>,
        errors: Mistakes,
    ) -> Result<Self, StaffProblem> {
        let factor = if session.has_second_factor {
            let form = match again {
                Some(Again::Codes) => "codes",
                Some(Again::Off) => "off",
                Some(Again::On(_)) | None => "",
            };
            let codes_left = own_account::recovery_codes_left(&page.state.app.pool, session).await?;
            Factor::On { codes_left, form, needs_code: reauth::needs_code(session) }
        } else if let Some(Again::On(secret)) = again {
            Factor::off(page, session, secret)
        } else {
            Factor::off(page, session, &TotpSecret::mint())
        };
        Ok(Self { factor, errors })
    }
}

impl Factor {
    fn off(page: &StaffPage, session: &Session, secret: &TotpSecret) -> Self {
        let base32 = secret.base32();
        let groups: Vec<&str> = (0..base32.len()).step_by(4).map(|at| &base32[at..at + 4]).collect();
        let address = secret.otpauth(page.issuer(), &session.email);
        Self::Off {
            secret: groups.join(" "),
            qr: qr::svg(&address, page.text("second_factor", "qr_title")),
            sealed: URL_SAFE_NO_PAD.encode(secret.seal(&page.state.app.keys, session.staff_id)),
        }
    }
}

impl PageContext for SecondFactorPage {
    const TEMPLATE: &'static str = "staff/second_factor.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let off = |errors| {
            let (secret, sealed) = ("GEZD GNBV GY3T QOJQ".into(), "c2VhbGVk".into());
            let factor = Factor::Off { secret, qr: qr::svg("otpauth://totp/x", "QR-Code"), sealed };
            Self { factor, errors }
        };
        let on = |codes_left, form, needs_code, errors| Self {
            factor: Factor::On { codes_left, form, needs_code },
            errors,
        };
        let wrong = |field| Mistakes::one(field, "Das stimmt nicht.");
        vec![
            on(10, "", false, Mistakes::default()),
            on(3, "codes", true, wrong("password")),
            on(3, "codes", true, wrong("code")),
            on(10, "off", true, wrong("password")),
            on(10, "off", true, wrong("code")),
            off(Mistakes::default()),
            off(wrong("code")),
        ]
    }
}

/// Recovery codes, which are shown once.
#[derive(Serialize)]
pub struct RecoveryCodesPage {
    codes: Vec<String>,
    /// They come with a second factor that was just turned on.
    is_new: bool,
}

impl PageContext for RecoveryCodesPage {
    const TEMPLATE: &'static str = "staff/recovery_codes.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        [true, false].map(|is_new| Self { codes: vec!["abcd-efgh".into(); 10], is_new }).into()
    }
}
