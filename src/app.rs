//! What a person or a program can do: one function a deed, which every door calls (page, command, job).
//!
//! A deed decides whether its [`Actor`] may, opens the one transaction, loads each row once, and writes audit line and event
//! beside what it changes. A door turns bytes into the order and the result into words, and nothing else. A deed takes the
//! [`App`], or the database alone where that is enough: a command that stops a mailing works whatever else is misconfigured.
//!
//! | file | holds |
//! |---|---|
//! | [`send_mailing`] | sending an update to everybody, now or later |
//! | [`control_mailing`] | pausing, resuming, cancelling, taking back, another time |
//! | [`replace_text`] | a newer text for a mailing that has not begun |
//! | [`follow_mailbox`] | how reading the mailbox for what comes back goes |
//! | [`follow_mailings`] | the list of mailings, one with all that is known of it, how those go that are open somewhere |
//! | [`retry_mailing`] | sending again what was rejected or is unknown |
//! | [`read_signature`] | what the relay's signature covers, from a mail that arrived |
//! | [`send_test`] | test mails |
//! | [`preview_mail`] | the exact mail of an update, to look at |
//! | [`mailing_status`] | how mailings are, for commands |
//! | [`move_mailings`] | what the service does about mailings by itself |
//! | [`sign_up`] | signing up, and asking somebody to |
//! | [`answer_signup`] | which mail answers a signup |
//! | [`surge`] | whether a signup has to bring a proof of work just now |
//! | [`consent_text`] | which text a form stood beside |
//! | [`confirm`] | the answer of an address's owner |
//! | [`unsubscribe`] | leaving, and taking that back |
//! | [`change_settings`] | another language, a link to everything that is stored |
//! | [`privacy`] | what is stored, another address, erasure: for the owner |
//! | [`export_subscribers`] | the list of all subscribers |
//! | [`take_report`] | what became of a mailing, person by person |
//! | [`find_subscribers`] | subscribers as staff look them up |
//! | [`erase_address`] | erasure by staff |
//! | [`take_bounce`] | what came back about mails, what the relay refused, making active again |
//! | [`sort_bounces`] | what came back about nobody for certain: whose it is, or putting it aside |
//! | [`take_hook`] | what mail providers tell of our mails over HTTP: whether it is theirs, and what came back |
//! | [`take_proof`] | the proof of a consent |
//! | [`held_signups`] | signups whose mail was held, or did not go out |
//! | [`import_subscribers`] | people who agreed elsewhere: a file by command, reading on in uploaded lists |
//! | [`uploaded_lists`] | such lists as staff upload them: taken in, tried out, brought in, ended |
//! | [`change_publication`] | a new version of the publication |
//! | [`release_restore`] | letting mailings go on after a restore |
//! | [`dashboard`] | where things stand, and what somebody should look at |
//! | [`sessions`] | whose session a request has |
//! | [`page_frame`] | what every staff page shows around what it is about |
//! | [`read_log`] | the audit log |
//! | [`write_update`] | writing an update: begin, save, bring back, delete |
//! | [`update_templates`] | using a text again: drafts of updates and templates, checklists |
//! | [`review_update`] | a link to look at an update without a login, and the remarks behind it |
//! | [`test_recipients`] | the list of those who get test mails |
//! | [`members`] | who may log in, and as what |
//! | [`own_account`] | what somebody does with their own account |
//! | [`one_time_link`] | setting a first or a new password with a link |
//! | [`mailed_link`] | such links by mail: asking for one at the login, and what becomes of that |
//! | [`phone_desk`] | what staff need to know and do about one whole address while its owner asks |
//! | [`log_in`] | logging in and out, showing once more who one is |
//! | [`login_origin`] | where somebody logs in from, and how attempts are counted |
//! | [`draft`] | an update as the mail it would be, and what the preflight says of it |
//! | [`preflight`] | what is wrong with an update before it is sent |
//! | [`public_web`], [`public_address`] | asking the web, and who may be asked |
//! | [`images`] | pictures that staff upload: processing and store |
//! | [`upload_image`] | taking an image in, describing it, removing it |
//! | [`share_file`] | files that readers download |
//! | [`health`] | how the service is, for monitoring |
//! | [`retention`] | deleting what is kept only for a time |
//! | [`read_snapshot`] | what metrics tell of the database |
//! | [`service_state`] | what the service looks at when it starts |
//! | [`off_runtime`] | work that keeps a processor busy |

pub mod answer_signup;
pub mod change_publication;
pub mod change_settings;
pub mod confirm;
pub mod consent_text;
pub mod control_mailing;
pub mod dashboard;
pub mod draft;
pub mod erase_address;
pub mod export_subscribers;
pub mod find_subscribers;
pub mod follow_mailbox;
pub mod follow_mailings;
pub mod health;
pub mod held_signups;
pub mod images;
pub mod import_subscribers;
pub mod log_in;
pub mod login_origin;
pub mod mailed_link;
pub mod mailing_status;
pub mod members;
pub mod move_mailings;
pub mod off_runtime;
pub mod one_time_link;
pub mod own_account;
pub mod page_frame;
pub mod phone_desk;
pub mod preflight;
pub mod preview_mail;
pub mod privacy;
pub mod public_address;
pub mod public_web;
pub mod read_log;
pub mod read_signature;
pub mod read_snapshot;
pub mod release_restore;
pub mod replace_text;
pub mod retention;
pub mod retry_mailing;
pub mod review_update;
pub mod send_mailing;
pub mod send_test;
pub mod service_state;
pub mod sessions;
pub mod share_file;
pub mod sign_up;
pub mod sort_bounces;
pub mod surge;
pub mod take_bounce;
pub mod take_hook;
pub mod take_proof;
pub mod take_report;
pub mod test_recipients;
pub mod unsubscribe;
pub mod update_templates;
pub mod upload_image;
pub mod uploaded_lists;
pub mod write_update;

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::{
    config::{Config, SecretKeys},
    domain::{
        actor::{Actor, NotPermitted},
        event::{self, Event},
        staff::{
            audit::{self, Action},
            password::Passwords,
        },
    },
    mail::compose::Composer,
};

use self::{dashboard::Growth, preflight::Preflight, public_web::PublicWeb, sign_up::Rules};

/// What deeds are done with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub pool: PgPool,
    /// Keys of links and of what is stored as an HMAC.
    pub keys: SecretKeys,
    /// What makes mails.
    pub composer: Composer,
    /// What signups have to bring.
    pub signups: Arc<Rules>,
    /// What looks at an update before it is sent.
    pub preflight: Arc<Preflight>,
    /// What asks the web for staff.
    pub web: PublicWeb,
    /// Where staff passwords are hashed and checked.
    pub passwords: Passwords,
    /// How the number of subscribers has grown.
    pub growth: Arc<Growth>,
}

impl App {
    /// What deeds are done with in a service with this configuration.
    #[must_use]
    pub fn new(pool: PgPool, config: &Config, composer: Composer) -> Self {
        let web = PublicWeb::new();
        let signups = Arc::new(Rules::new(config));
        let preflight = Arc::new(Preflight::new(config, web.clone()));
        let passwords = Passwords::default();
        let growth = Arc::new(Growth::default());
        Self { pool, keys: config.secret_keys.clone(), composer, signups, preflight, web, passwords, growth }
    }
}

/// A deed under way: its transaction, and who does it. Dropped without [`Deed::commit`], nothing of it happened.
struct Deed<'a> {
    transaction: Transaction<'static, Postgres>,
    by: &'a Actor,
    now: DateTime<Utc>,
}

impl<'a> Deed<'a> {
    async fn begin(pool: &PgPool, by: &'a Actor, now: DateTime<Utc>) -> sqlx::Result<Self> {
        Ok(Self { transaction: pool.begin().await?, by, now })
    }

    /// Begins what only staff may do. The first `?` refuses everybody else, before a connection is taken.
    fn by_staff(
        pool: &PgPool,
        by: &'a Actor,
        now: DateTime<Utc>,
    ) -> Result<impl Future<Output = sqlx::Result<Self>>, NotPermitted> {
        by.require_staff()?;
        Ok(Self::begin(pool, by, now))
    }

    /// Begins what only admins may do. The first `?` refuses everybody else, before a connection is taken.
    fn by_admin(
        pool: &PgPool,
        by: &'a Actor,
        now: DateTime<Utc>,
    ) -> Result<impl Future<Output = sqlx::Result<Self>>, NotPermitted> {
        by.require_admin()?;
        Self::by_staff(pool, by, now)
    }

    /// The same deed, where it shows only on the way who does it.
    fn done_by(self, by: &Actor) -> Deed<'_> {
        Deed { transaction: self.transaction, by, now: self.now }
    }

    /// Writes the line of the audit log and the event: what was done, to what, and more about it.
    async fn note(
        &mut self,
        action: Action,
        subject: &str,
        details: &Value,
        event: &Event,
    ) -> sqlx::Result<()> {
        self.audit(action, subject, details).await?;
        self.tell(event).await
    }

    /// Writes the line of the audit log alone, where the event was written with what it tells of.
    async fn audit(&mut self, action: Action, subject: &str, details: &Value) -> sqlx::Result<()> {
        audit::record(&mut self.transaction, self.by, action, subject, details, self.now).await
    }

    /// Writes an event alone, where staff did nothing.
    async fn tell(&mut self, event: &Event) -> sqlx::Result<()> {
        event::record(&mut self.transaction, self.by, event, self.now).await
    }

    /// Writes the same event about each of these.
    async fn tell_each<T: Copy>(&mut self, about: &[T], event: impl Fn(T) -> Event) -> sqlx::Result<()> {
        for id in about {
            event::record(&mut self.transaction, self.by, &event(*id), self.now).await?;
        }
        Ok(())
    }

    async fn commit(self) -> sqlx::Result<()> {
        self.transaction.commit().await
    }
}

impl Deref for Deed<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Deed<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}
