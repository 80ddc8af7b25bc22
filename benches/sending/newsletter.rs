//! A newsletter that is ready to be sent: a database with subscribers, and an update whose mail has the wanted size.

use std::{path::Path, str::FromStr};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use rundbrief::{
    config::{PublicUrl, SecretKeys},
    domain::{
        address::EmailAddress,
        hosted::Hosted,
        ids::{DeliveryId, MailingId, UpdateId},
        locale::Locale,
        mailing::{self, MailingState, NewMailing},
        publication::{self, Content, Publication},
        update::{self, Update, UpdateFile},
    },
    mail::{compose::Composer, message::message_id, templates::Templates},
};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

use crate::{server::Server, subscribers::subscribe};

/// The database's name; there is one at a time.
const DATABASE: &str = "bench";
const PUBLIC_URL: &str = "https://brief.example.org";
/// Templates for a mail that is smaller than the built-in ones make it, with everything that a mail must have.
const SMALL_TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/sending/templates");
/// From this size on, in KB, the built-in templates are used. With one sentence their mail has about 10 KB.
const BUILT_IN_FROM: usize = 12;

/// A database with subscribers and an update.
pub struct Newsletter {
    /// How many subscribers there are.
    pub recipients: u32,
    /// The exact mail of one of them.
    pub message: Vec<u8>,
    /// The database, for whoever wants to look.
    pub db: PgConnection,
    url: String,
    templates: Option<&'static str>,
    /// `DKIM_KEYS`; nothing where the relay would sign.
    pub dkim_keys: String,
    composer: Composer,
    update: UpdateId,
}

impl Newsletter {
    /// Fills a fresh database. The mail has `kilobytes` KB (of 1,024 bytes), or up to a sentence more.
    pub async fn prepare(server: &Server, recipients: u32, kilobytes: usize) -> anyhow::Result<Self> {
        let url = server.make_database(DATABASE).await?;
        // Outside any pool, whose statements end after a minute: a million subscribers take longer.
        let mut db = PgConnectOptions::from_str(&url)?.connect().await?;
        let content = Content::parse(include_str!("../../publication.example.toml"))?;
        publication::apply(&mut db, &content, Utc::now()).await?;
        subscribe(&mut db, recipients).await?;

        let templates = (kilobytes < BUILT_IN_FROM).then_some(SMALL_TEMPLATES);
        let composer = Composer::new(
            Templates::load(templates.map(Path::new))?,
            PublicUrl::parse(PUBLIC_URL).map_err(anyhow::Error::msg)?,
            SecretKeys::parse(&secret_key())?,
        );
        let (update, message) = write_update(&mut db, &composer, kilobytes * 1024).await?;
        Ok(Self { recipients, message, db, url, templates, dkim_keys: String::new(), composer, update })
    }

    /// The settings of a worker that sends it, apart from those about SMTP.
    pub fn settings(&self) -> [(&'static str, String); 5] {
        [
            ("DATABASE_URL", self.url.clone()),
            ("PUBLIC_URL", PUBLIC_URL.to_owned()),
            ("SECRET_KEY", secret_key()),
            ("EMAIL_TEMPLATES_DIR", self.templates.unwrap_or_default().to_owned()),
            ("DKIM_KEYS", self.dkim_keys.clone()),
        ]
    }

    /// Triggers a mailing to everybody.
    pub async fn trigger(&mut self) -> anyhow::Result<MailingId> {
        let mut transaction = self.db.begin().await?;
        let publication = publication::current(&mut transaction).await?.context("the publication is gone")?;
        let update = update::find(&mut transaction, &self.update.to_string()).await?;
        let update = update.context("the update is gone")?;
        let content = self.composer.update(&publication, &update, &Hosted::default())?;
        let now = Utc::now();
        let audience = mailing::audience(&mut transaction, now).await?;
        let new = NewMailing {
            update: update.id,
            content: &content,
            audience,
            scheduled_at: None,
            has_grace: false,
            triggered_by: None,
            form: None,
        };
        let id = mailing::create(&mut transaction, &new, now).await?;
        transaction.commit().await?;
        ensure!(
            audience == i64::from(self.recipients),
            "the audience is {audience}, not {}",
            self.recipients
        );
        Ok(id)
    }

    /// Where a mailing stands. Reads one row, so it may be asked often.
    pub async fn state(&mut self, mailing: MailingId) -> anyhow::Result<MailingState> {
        let state = sqlx::query_scalar("select state from mailings where id = $1")
            .bind(mailing.0)
            .fetch_one(&mut self.db)
            .await?;
        Ok(state)
    }

    /// Makes sure that everybody's copy of a mailing was accepted, and nothing else is there.
    pub async fn check(&mut self, mailing: MailingId) -> anyhow::Result<()> {
        let (accepted, all): (i64, i64) = sqlx::query_as(
            "select count(*) filter (where state = 'accepted'), count(*) from deliveries where mailing_id = $1",
        )
        .bind(mailing.0)
        .fetch_one(&mut self.db)
        .await?;
        let expected = i64::from(self.recipients);
        ensure!(
            (accepted, all) == (expected, expected),
            "of {all} deliveries {accepted} were accepted, and there are {expected} recipients"
        );
        Ok(())
    }

    /// Drops the database.
    pub async fn discard(self, server: &Server) -> anyhow::Result<()> {
        self.db.close().await?;
        server.drop_database(DATABASE).await
    }
}

fn secret_key() -> String {
    STANDARD.encode([7; 32])
}

/// Brings in an update with just as many sentences as its mail needs to have `bytes` bytes; answers that mail too.
async fn write_update(
    db: &mut PgConnection,
    composer: &Composer,
    bytes: usize,
) -> anyhow::Result<(UpdateId, Vec<u8>)> {
    let publication = publication::current(&mut *db).await?.context("the publication is gone")?;
    let mut sentences = 1;
    loop {
        let mut transaction = db.begin().await?;
        let update = update::add(&mut transaction, &update_file(sentences)?, Utc::now()).await?;
        let message = message(composer, &publication, &update)?;
        if message.len() >= bytes {
            transaction.commit().await?;
            return Ok((update.id, message));
        }
        transaction.rollback().await?;
        sentences += 1;
    }
}

fn update_file(sentences: usize) -> anyhow::Result<UpdateFile> {
    let body = "Ein Satz über das Projekt und seine Menschen. ".repeat(sentences);
    let file = format!("---\ntitle: Neues aus der Werkstatt\nteaser: Ein Satz vorweg.\n---\n\n{body}\n");
    Ok(UpdateFile::parse(&file, Locale::De)?)
}

/// The mail of an update, as it goes to one recipient.
fn message(composer: &Composer, publication: &Publication, update: &Update) -> anyhow::Result<Vec<u8>> {
    let frame =
        composer.mailing_frame(publication, &composer.update(publication, update, &Hosted::default())?)?;
    let to = EmailAddress::parse("s12345@example.org")?;
    let message_id = message_id(DeliveryId(1), update.id.0, composer.public_url());
    Ok(composer.for_nobody(&frame, &to, &message_id, Utc::now()))
}
