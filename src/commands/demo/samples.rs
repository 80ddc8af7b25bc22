//! The demo's content: a publication, some updates, some subscribers. All names are made up.

use chrono::{TimeDelta, Utc};
use sqlx::PgPool;

use crate::{
    app::members,
    config::Config,
    domain::{
        actor::Actor,
        address::EmailAddress,
        import::{self, Row, people::People, states::Listed},
        locale::Locale,
        publication::{self, Content, Logo},
        staff::{
            Role,
            password::{NewPassword, Passwords},
            secret::random,
        },
        update::{self, UpdateFile},
    },
};

const UPDATES: [&str; 2] = [include_str!("updates/lernorte.md"), include_str!("updates/werkstatt.md")];

const SUBSCRIBERS: [&str; 5] = [
    "anna.becker@example.org",
    "jonas.wolf@example.org",
    "mira.krause@example.net",
    "team@werkstatt.example",
    "post@büro-lausitz.example",
];

/// Fills an empty database; leaves one that is in use as it is. Answers the slug of an update to try.
pub async fn fill(pool: &PgPool, config: &Config) -> anyhow::Result<String> {
    let mut transaction = pool.begin().await?;
    let now = Utc::now();
    if publication::current(&mut transaction).await?.is_none() {
        let mut content = Content::parse(include_str!("../../../publication.example.toml"))?;
        let logo = |name: &str, alt: &str, width| {
            let url = config.public_url.join(&format!("/inbox/pictures/{name}.svg"));
            anyhow::Ok(Logo { url: url.parse()?, alt: alt.to_owned(), width, height: 48 })
        };
        content.logo = Some(logo("logo", "LOK Lausitz", 168)?);
        content.funding_logos = vec![
            logo("funding-state", "Gefördert durch das Land Musterland", 176)?,
            logo("funding-union", "Kofinanziert von der Musterunion", 176)?,
        ];
        publication::apply(&mut transaction, &content, now).await?;
        let consented_at = now - TimeDelta::days(30);
        let rows: Vec<Row> = (2..)
            .zip(SUBSCRIBERS)
            .filter_map(|(line, address)| {
                let email = EmailAddress::parse(address).ok()?;
                Some(Row {
                    line,
                    email,
                    locale: Locale::De,
                    listed: Listed::Active,
                    consented_at: Some(consented_at),
                    source: "sample of the demo".into(),
                })
            })
            .collect();
        import::batch(&mut transaction, &config.secret_keys, &rows, &People::new(), false, now).await?;
    }
    if update::list(&mut transaction).await?.is_empty() {
        for file in UPDATES {
            let file = file.replace("{public_url}", config.public_url.as_str());
            update::add(&mut transaction, &UpdateFile::parse(&file, Locale::De)?, now).await?;
        }
    }
    let newest = update::list(&mut transaction).await?.into_iter().next();
    transaction.commit().await?;
    Ok(newest.map(|update| update.slug).unwrap_or_default())
}

/// Who logs in to the demo's staff pages.
pub const STAFF_EMAIL: &str = "redaktion@example.org";

/// Makes an admin with a random password, if nobody can log in yet. Answers the password, which is printed once.
pub async fn staff_login(pool: &PgPool) -> anyhow::Result<Option<String>> {
    if members::has_admin(pool).await? {
        return Ok(None);
    }
    // One in many thousands looks as if it were made of words, and is refused.
    let (password, checked) = loop {
        let password = hex::encode(random::<10>());
        if let Ok(checked) = NewPassword::check(&password, &[]) {
            break (password, checked);
        }
    };
    let hash = Passwords::default().hash(&checked).await?;
    let (email, now) = (EmailAddress::parse(STAFF_EMAIL)?, Utc::now());
    let account = (&email, "Mia Lehmann", Role::Admin);
    members::give_password(pool, &Actor::Command, account, &hash, now).await?;
    Ok(Some(password))
}
