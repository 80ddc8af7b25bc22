//! The floor: the same transactions by the same functions, over plain connections, without HTTP.

use std::{
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use chrono::Utc;
use rundbrief::domain::{
    actor::Actor,
    address::EmailAddress,
    consent::{ConsentMethod, Shown},
    ids::SubscriberId,
    locale::Locale,
    signup::{self, Request},
    subscriber,
};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::task::JoinSet;

/// One transaction.
#[derive(Clone, Copy)]
pub enum Work {
    /// Takes the request of a new address.
    Signup(u32),
    /// Ends a subscription.
    Unsubscribe(SubscriberId),
}

impl Work {
    async fn run(self, db: &mut PgConnection) -> anyhow::Result<()> {
        let mut transaction = db.begin().await?;
        match self {
            Work::Signup(number) => {
                let email = EmailAddress::parse(&format!("floor{number}@example.org"))?;
                let shown = Shown { version: 1, locale: Locale::De, sha256: [0; 32] };
                let form_page = "https://brief.example.org/";
                let request = Request {
                    email: &email,
                    locale: Locale::De,
                    shown,
                    names_text: true,
                    form_page,
                    client_ip: None,
                    network: None,
                    replaces: None,
                    on_request: None,
                };
                signup::request(&mut transaction, &Actor::Visitor, &request, Utc::now()).await?;
            }
            Work::Unsubscribe(id) => {
                let (by, how) = (Actor::Subscriber(id), ConsentMethod::OneClick);
                subscriber::unsubscribe(&mut transaction, &by, id, how, Utc::now()).await?;
            }
        }
        Ok(transaction.commit().await?)
    }
}

/// Transactions a second, with all connections open at the beginning.
pub async fn measure(url: &str, connections: u32, work: Vec<Work>) -> anyhow::Result<f64> {
    let options = PgConnectOptions::from_str(url)?;
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(options.connect().await?);
    }
    let count = u32::try_from(work.len())?;
    let work = Arc::new(Mutex::new(work));
    let began = Instant::now();
    let mut working = JoinSet::new();
    for mut db in open {
        let work = Arc::clone(&work);
        working.spawn(async move {
            loop {
                let next = work.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some(next) = next else { return anyhow::Ok(()) };
                next.run(&mut db).await?;
            }
        });
    }
    while let Some(worked) = working.join_next().await {
        worked??;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
