//! The demo's content: a publication, some subscribers, some updates, brought in as other commands bring them in. All names
//! are made up.

use chrono::{TimeDelta, Utc};

use crate::{
    app::{
        change_publication::{self, NewVersion, change_publication},
        import_subscribers::{self, Reading},
        members, write_update,
    },
    config::Config,
    db::Pool,
    domain::{
        actor::Actor,
        address::EmailAddress,
        import::{Row, people::People, states::Listed},
        locale::Locale,
        publication::{Content, Logo},
        staff::{
            Role,
            password::{NewPassword, Passwords},
            secret::random,
        },
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

/// Somebody whose mail came back.
const BOUNCED: &str = "lena.voigt@example.net";

/// Fills an empty database; leaves one that is in use as it is. Answers the slug of an update to try.
///
/// The publication comes last: a start that was killed before it goes on here, and finds what was brought in.
pub async fn fill(pool: &Pool, config: &Config) -> anyhow::Result<String> {
    let is_new = change_publication::current(pool).await?.is_none();
    if is_new {
        import_people(pool, config).await?;
    }
    let (updates, _) = write_update::list(pool).await?;
    let mut newest = updates.first().map(|update| update.slug.clone()).unwrap_or_default();
    if is_new || updates.is_empty() {
        for file in UPDATES.into_iter().skip(updates.len()) {
            let file = file.replace("{public_url}", config.public_url.as_str());
            newest = write_update::add(pool, &Actor::Command, &file, Utc::now()).await?.slug;
        }
    }
    if is_new {
        let (content, now) = (publication(config)?, Utc::now());
        let new = NewVersion { content: &content, base: None, changed: None, may_shorten: false };
        change_publication(pool, &Actor::Command, new, now).await?;
    }
    Ok(newest)
}

fn publication(config: &Config) -> anyhow::Result<Content> {
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
    Ok(content)
}

async fn import_people(pool: &Pool, config: &Config) -> anyhow::Result<()> {
    let (by, now) = (&Actor::Command, Utc::now());
    let row = |(line, (address, listed))| {
        Some(Row {
            line,
            email: EmailAddress::parse(address).ok()?,
            locale: Locale::De,
            listed,
            consented_at: Some(now - TimeDelta::days(30)),
            source: "sample of the demo".into(),
        })
    };
    let people = SUBSCRIBERS.map(|address| (address, Listed::Active));
    let people = people.into_iter().chain([(BOUNCED, Listed::Bounced)]);
    let rows: Vec<Row> = (2..).zip(people).filter_map(row).collect();
    let reading = Reading { known: &People::new(), leaves_out: false };
    import_subscribers::begin_file(pool, by, "demo", now).await?;
    import_subscribers::bring_in(pool, &config.secret_keys, by, &rows, reading, now).await?;
    Ok(())
}

/// Who logs in to the demo's staff pages.
pub const STAFF_EMAIL: &str = "redaktion@example.org";

/// Makes an admin with a random password, if nobody can log in yet. Answers the password, which is printed once.
pub async fn staff_login(pool: &Pool) -> anyhow::Result<Option<String>> {
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
