//! Signing up: a visitor's request, or that of staff for somebody, which the owner of the address then confirms by mail.
//!
//! What a visitor is answered depends on nothing that is stored of the address (invariant 4): the same statements are run and
//! the same rows written, the event among them, for every address. Which mail answers is decided when that is made, see
//! [`answer_signup`](super::answer_signup).

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::{
    app::{App, Deed, consent_text, surge::Watch},
    config::Config,
    domain::{
        actor::{Actor, NotPermitted},
        address::{AddressError, EmailAddress},
        locale::Locale,
        on_request::OnRequest,
        publication::Publication,
        signup::{self, Request, challenge, limits::ClientNetwork},
        staff::audit::Action,
        subscriber::{self, SubscriberState},
        suppression::{self, SuppressionReason},
        token,
    },
};

/// What signups have to bring, and what is kept of them, as configured.
pub struct Rules {
    /// Whether there is a surge.
    pub watch: Watch,
    /// Whether a visitor's IP address goes into the consent record.
    keeps_ip: bool,
    /// A form that is back sooner looks like a program's.
    form_takes: TimeDelta,
}

impl Rules {
    /// Those of a service with this configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            watch: Watch::new(config),
            keeps_ip: config.keep_ip_days > 0,
            form_takes: TimeDelta::seconds(config.guard.form_seconds.into()),
        }
    }

    /// The visitor's IP address, where it is kept.
    #[must_use]
    pub fn kept_ip(&self, address: Option<IpAddr>) -> Option<IpAddr> {
        address.filter(|_| self.keeps_ip)
    }
}

/// What a form says.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// Whom it is about.
    pub whom: Whom<'a>,
    /// The language to write in.
    pub locale: Locale,
    /// The version of the consent text that stood beside it, if it said so.
    pub consent_version: Option<i32>,
    /// The page it stood on.
    pub page: &'a str,
    /// When it was shown, as a token of ours; empty from forms on other sites.
    pub shown: &'a str,
    /// A solved challenge, or empty.
    pub solution: &'a str,
    /// A field that people do not see is filled in.
    pub has_filled_trap: bool,
    /// Where it came from, when that can be told.
    pub network: Option<ClientNetwork>,
    /// The visitor's IP address.
    pub client_ip: Option<IpAddr>,
}

/// Whom a signup is about.
#[derive(Debug, Clone, Copy)]
pub enum Whom<'a> {
    /// The address that somebody typed.
    Typed(&'a str),
    /// The subscriber of an "again" token, whose address the page does not tell.
    Again(&'a str),
}

/// A signup that was taken: its mail is queued.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The address the mail goes to.
    pub email: EmailAddress,
    /// So many signups have come, from the visitor's network or in all, that staff look before its mail goes.
    pub waits: bool,
}

/// Why a signup was not taken. Nothing is kept of it.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    /// Staff ask somebody else: see [`ask_to_subscribe`].
    #[error("staff do not sign up for somebody")]
    NotAllowed,
    /// The publication lacks these fields; the operator has to fill them in.
    #[error("the publication is not complete: {}", .0.join(", "))]
    NotReady(Vec<String>),
    /// The address has to be mended.
    #[error("the address cannot be used: {0}")]
    Address(#[from] AddressError),
    /// The form is older than an hour; open its page again.
    #[error("the form is too old; open its page again")]
    FormExpired,
    /// Nothing is stored of whom the form is about (any more).
    #[error("nothing is stored of this subscriber any more")]
    NothingStored,
    /// It has to bring a proof of work. Of a form that only looks as if a program had sent it, one more press by a person
    /// does as well.
    #[error("a proof of work has to come with the form")]
    ProofOfWork {
        /// The address it was about.
        email: EmailAddress,
        /// Whether a press does as well.
        may_press: bool,
    },
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Takes a visitor's signup and queues the mail that answers it.
///
/// # Errors
/// [`SignUpError`].
pub async fn sign_up(
    app: &App,
    by: &Actor,
    publication: &Publication,
    form: &Form<'_>,
    now: DateTime<Utc>,
) -> Result<Taken, SignUpError> {
    if by.is_staff() {
        return Err(SignUpError::NotAllowed);
    }
    let missing = publication.content.missing();
    if !missing.is_empty() {
        return Err(SignUpError::NotReady(missing));
    }
    let typed = match form.whom {
        Whom::Typed(typed) => Some(EmailAddress::parse(typed)?),
        Whom::Again(_) => None,
    };
    let mut deed = Deed::begin(&app.pool, by, now).await?;
    let email = match (typed, form.whom) {
        (Some(typed), _) => typed,
        (None, Whom::Typed(token) | Whom::Again(token)) => {
            let id = token::read_again_token(&app.keys, token, now).ok_or(SignUpError::FormExpired)?;
            subscriber::by_id(&mut deed, id).await?.ok_or(SignUpError::NothingStored)?.email
        }
    };
    let rules = &app.signups;
    let suspicion = suspicion(app, form, now);
    let surge = rules.watch.surge(&mut deed, form.network.as_ref(), now).await?;
    // A proof of work also answers a suspicion: what a person's browser has worked out is no flood.
    if (surge.needs_proof || suspicion.is_some())
        && let Err(refused) = challenge::spend(&mut deed, &app.keys, form.solution, now).await?
    {
        let may_press = !surge.needs_proof;
        tracing::info!(suspicion, proof_of_work = %refused, may_press, "a signup has to bring a proof of work; nothing was kept");
        return Err(SignUpError::ProofOfWork { email, may_press });
    }
    let (shown, names_text) =
        consent_text::of_form(&mut deed, publication, form.consent_version, form.locale).await?;
    let request = Request {
        email: &email,
        locale: form.locale,
        shown,
        names_text,
        form_page: form.page,
        client_ip: rules.kept_ip(form.client_ip),
        network: form.network,
        replaces: None,
        on_request: None,
    };
    signup::request(&mut deed, by, &request, now).await?;
    deed.commit().await?;
    Ok(Taken { email, waits: surge.holds_mail })
}

/// Whether a signup from this network has to bring a proof of work, for the page with the form.
pub async fn needs_proof(
    app: &App,
    network: Option<&ClientNetwork>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    match app.signups.watch.known(network) {
        Some(known) => Ok(known),
        None => Ok(app.signups.watch.surge(&mut *app.pool.acquire().await?, network, now).await?.needs_proof),
    }
}

/// Why a form looks as if a program had sent it. A person's may too: a password manager fills in what is not shown, and
/// who lets the browser fill in the address needs no two seconds. So it is asked for one more press, and never dropped.
fn suspicion(app: &App, form: &Form<'_>, now: DateTime<Utc>) -> Option<&'static str> {
    if form.has_filled_trap {
        return Some("the field that nobody sees is filled in");
    }
    // Another process's clock may be ahead of ours.
    let took = token::read_shown_token(&app.keys, form.shown).map(|shown| now - shown)?;
    (TimeDelta::zero() <= took && took < app.signups.form_takes).then_some("it was filled in quickly")
}

/// Why somebody is not asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Only staff ask somebody.
    #[error("only staff may ask somebody to subscribe")]
    NotAllowed(#[from] NotPermitted),
    /// There is no publication, or it lacks these fields.
    #[error("the publication is not complete: {}", .0.join(", "))]
    NotReady(Vec<String>),
    /// The address is subscribed.
    #[error("this address is subscribed already")]
    Subscribed,
    /// The address must not be mailed.
    #[error("this address must not be mailed: its owner reported mail as spam")]
    Suppressed,
    /// The database failed; try again.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Asks somebody by mail whether they want to subscribe, because staff entered their address; `asked` says by which way they
/// were asked to. Only what its owner answers makes them a subscriber.
///
/// # Errors
/// [`AskError`].
pub async fn ask_to_subscribe(
    app: &App,
    by: &Actor,
    publication: Option<&Publication>,
    (email, locale, asked): (&EmailAddress, Locale, &OnRequest),
    page: &str,
    now: DateTime<Utc>,
) -> Result<(), AskError> {
    let mut deed = Deed::by_staff(&app.pool, by, now)?.await?;
    let publication = publication.ok_or_else(|| AskError::NotReady(Vec::new()))?;
    let missing = publication.content.missing();
    if !missing.is_empty() {
        return Err(AskError::NotReady(missing));
    }
    let known = subscriber::by_address(&mut deed, &email.normalized()).await?;
    if known.is_some_and(|known| known.state == SubscriberState::Active) {
        return Err(AskError::Subscribed);
    }
    let suppressed = suppression::find(&mut deed, &app.keys, &email.normalized()).await?;
    if suppressed.is_some_and(SuppressionReason::forbids_signup) {
        return Err(AskError::Suppressed);
    }
    let request = Request {
        email,
        locale,
        shown: consent_text::of(publication, locale),
        names_text: false,
        form_page: page,
        client_ip: None,
        network: None,
        replaces: None,
        on_request: Some(asked),
    };
    signup::request(&mut deed, by, &request, now).await?;
    let details = json!({ "channel": asked.channel });
    deed.audit(Action::SubscriberAsked, &email.masked(), &details).await?;
    deed.commit().await?;
    Ok(())
}
