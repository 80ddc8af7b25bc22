//! A running service, web and worker, with a database and a relay of its own.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use axum::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use rundbrief::{
    commands::Service,
    config::{Config, Source},
    domain::{
        address::EmailAddress,
        ids::{MailingId, SignupId, SubscriberId, UpdateId},
        locale::Locale,
        mailing::{self, Counts, Mailing, MailingState, NewMailing},
        publication::{self, Content},
        signup, subscriber,
        token::ConfirmToken,
        update::{self, UpdateFile},
    },
    mail::{compose::Composer, templates::Templates},
};
use sqlx::PgPool;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    database::{self, Database},
    http,
    http::Answer,
    mail::Mail,
    smtp::{Behaviour, SmtpServer},
};

/// How a test's service is to be.
pub struct App {
    settings: Vec<(&'static str, String)>,
    behaviour: Option<Behaviour>,
    with_worker: bool,
    publication: Option<&'static str>,
}

/// The service, running. Everything ends with it.
pub struct TestApp {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it answers `/metrics`.
    pub metrics: SocketAddr,
    /// Its relay.
    pub relay: SmtpServer,
    /// Its database.
    pub pool: PgPool,
    /// Its configuration.
    pub config: Config,
    /// Its settings as the environment would have them, for running the program beside it.
    pub settings: Vec<(&'static str, String)>,
    /// The folder of its pictures, while it has no other store.
    pub images: Folder,
    _state: Folder,
    _database: Database,
    stop: watch::Sender<bool>,
    running: Option<JoinHandle<anyhow::Result<()>>>,
}

/// A folder that goes with its test.
pub struct Folder(pub PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl App {
    /// A complete publication, a well-behaved relay, a worker.
    pub fn new() -> Self {
        Self {
            settings: Vec::new(),
            behaviour: None,
            with_worker: true,
            publication: Some(include_str!("../../../publication.example.toml")),
        }
    }

    /// With this setting.
    pub fn setting(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    /// With a relay that behaves like this.
    pub fn relay(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = Some(behaviour);
        self
    }

    /// Without a worker: what is queued stays queued.
    pub fn without_worker(mut self) -> Self {
        self.with_worker = false;
        self
    }

    /// Without a publication.
    pub fn without_publication(mut self) -> Self {
        self.publication = None;
        self
    }

    /// Starts it.
    pub async fn start(self) -> TestApp {
        let relay = match self.behaviour {
            Some(behaviour) => SmtpServer::start_with(behaviour).await,
            None => SmtpServer::start().await,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (images, state) = (Folder(database::scratch("images")), Folder(database::scratch("state")));
        let database = database::fresh().await;
        let mut settings = vec![
            ("IMAGE_STORE", format!("file://{}", images.0.display())),
            ("STATE_DIR", state.0.display().to_string()),
            ("DATABASE_URL", database.url().to_owned()),
            ("PUBLIC_URL", "https://brief.example.org".to_owned()),
            ("SECRET_KEY", STANDARD.encode([7; 32])),
            ("SMTP_URL", relay.url()),
            ("SMTP_TIMEOUT", "5".to_owned()),
        ];
        settings.retain(|(name, _)| self.settings.iter().all(|(own, _)| own != name));
        settings.extend(self.settings);
        let pairs: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let config = Config::read(&Source::pairs(&pairs)).expect("the test's settings are right");
        let service = Service::prepare(&config).await.expect("the service is ready");
        let pool = service.pool.clone();
        if let Some(file) = self.publication {
            let content = Content::parse(file).unwrap();
            publication::apply(&mut pool.acquire().await.unwrap(), &content, Utc::now()).await.unwrap();
        }
        let router = service.router(&config, axum::Router::new()).unwrap();
        let (stop, stopping) = watch::channel(false);
        let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let metrics = listening.local_addr().unwrap();
        service.tell_metrics_on(listening, stopping.clone());
        let running = tokio::spawn(service.run(listener, router, self.with_worker, stopping));
        TestApp {
            address,
            metrics,
            relay,
            pool,
            config,
            settings,
            images,
            _state: state,
            _database: database,
            stop,
            running: Some(running),
        }
    }
}

impl TestApp {
    /// GET, as a German browser.
    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, &[("accept-language", "de")], "").await
    }

    /// POST of a form, as a German browser.
    pub async fn post(&self, path: &str, form: &str) -> Answer {
        let headers = [("accept-language", "de"), ("content-type", "application/x-www-form-urlencoded")];
        self.request(Method::POST, path, &headers, form).await
    }

    /// Any request.
    pub async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        http::send(self.address, method, path, headers, body.to_owned()).await
    }

    /// Sends the signup form.
    pub async fn sign_up(&self, email: &str) -> Answer {
        let email: String = url::form_urlencoded::byte_serialize(email.as_bytes()).collect();
        self.post("/subscribe", &format!("email={email}&locale=de&consent_version=1")).await
    }

    /// Sends the signup form and gives the token that the confirmation mail would carry; for services without a worker.
    pub async fn sign_up_unsent(&self, email: &str) -> ConfirmToken {
        assert_eq!(self.sign_up(email).await.status, 303);
        let mut db = self.pool.acquire().await.unwrap();
        let id: uuid::Uuid =
            sqlx::query_scalar("select id from signups where email = $1 order by requested_at desc limit 1")
                .bind(email)
                .fetch_one(&mut *db)
                .await
                .unwrap();
        let token = ConfirmToken::mint();
        signup::keep_token(&mut db, SignupId(id), token.hash(), Utc::now()).await.unwrap();
        token
    }

    /// Everything in the database, as text; bytes are in hex. What the clock moves by itself (leases,
    /// signs of life) is left out.
    pub async fn whole_database(&self) -> String {
        let tables: Vec<String> = sqlx::query_scalar(
            "select table_name::text from information_schema.tables
             where table_schema = 'public' and table_type = 'BASE TABLE'
               and table_name not in ('workers', 'watermarks', 'database_memory', '_sqlx_migrations')
             order by 1",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        let mut dump = String::new();
        for table in tables {
            let query = format!(
                "select coalesce(string_agg(t::text, chr(10) order by t::text), '') from \"{table}\" t"
            );
            let rows: String =
                sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&self.pool).await.unwrap();
            dump += &format!("{table}\n{rows}\n");
        }
        dump
    }

    /// Opens the confirm page and presses "Ja, anmelden".
    pub async fn confirm(&self, link: &str) -> Answer {
        let page = self.get(link).await;
        let opened = page.field("opened");
        self.post(&page.form_action(), &format!("action=confirm&opened={opened}")).await
    }

    /// Waits until the relay has taken `n` mails; answers the last of them, parsed.
    pub async fn mail(&self, n: usize) -> Mail {
        let accepted = self.relay.wait_for(n).await;
        Mail::parse(&accepted[n - 1].data)
    }

    /// Makes subscribers `s1@example.org` … `sN@example.org`, confirmed a moment ago.
    pub async fn subscribers(&self, n: usize) {
        sqlx::query(
            "insert into subscribers (id, email, email_normalized, locale, state, created_at, confirmed_at, state_changed_at)
             select gen_random_uuid(), 's' || n || '@example.org', 's' || n || '@example.org', 'de', 'active', now(), now(), now()
             from generate_series(1, $1::bigint) n",
        )
        .bind(i64::try_from(n).unwrap())
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Makes one active subscriber.
    pub async fn subscriber(&self, email: &str) -> SubscriberId {
        let email = EmailAddress::parse(email).unwrap();
        let mut db = self.pool.acquire().await.unwrap();
        subscriber::activate(&mut db, &email, Locale::De, Utc::now()).await.unwrap().id
    }

    /// The unsubscribe path of a subscriber, as it stands in mails.
    pub fn unsubscribe_path(&self, id: SubscriberId) -> String {
        format!("/unsubscribe/{}", self.composer().own_tokens(id).unsubscribe)
    }

    /// Brings in an update.
    pub async fn update(&self, title: &str) -> UpdateId {
        self.update_with_body(title, "Ein *Absatz*.").await
    }

    /// Brings in an update with this text.
    pub async fn update_with_body(&self, title: &str, body: &str) -> UpdateId {
        let file = format!(
            "---\ntitle: \"{title}\"\nteaser: Ein Satz vorweg.\nlink: https://www.example.org/a\n---\n\n{body}\n"
        );
        let mut transaction = self.pool.begin().await.unwrap();
        let parsed = UpdateFile::parse(&file, Locale::De).unwrap();
        let added = update::add(&mut transaction, &parsed, Utc::now()).await.unwrap();
        transaction.commit().await.unwrap();
        added.id
    }

    /// Triggers a mailing of a fresh update to everybody.
    pub async fn trigger(&self) -> MailingId {
        self.trigger_update(self.update("Neues aus der Werkstatt").await).await
    }

    /// Triggers a mailing of this update to everybody.
    pub async fn trigger_update(&self, update: UpdateId) -> MailingId {
        let mut transaction = self.pool.begin().await.unwrap();
        let publication = publication::current(&mut transaction).await.unwrap().unwrap();
        let update = update::find(&mut transaction, &update.to_string()).await.unwrap().unwrap();
        let composer = self.composer();
        let hosted = composer.hosted(&mut transaction, &update).await.unwrap();
        let content = composer.update(&publication, &update, &hosted).unwrap();
        let now = Utc::now();
        let new = NewMailing {
            update: update.id,
            content: &content,
            audience: mailing::audience(&mut transaction, now).await.unwrap(),
            scheduled_at: None,
            has_grace: false,
            triggered_by: None,
            form: None,
        };
        let id = mailing::create(&mut transaction, &new, now).await.unwrap();
        transaction.commit().await.unwrap();
        id
    }

    /// What makes this service's mails.
    pub fn composer(&self) -> Composer {
        let templates = Templates::load(None).unwrap();
        Composer::new(templates, self.config.public_url.clone(), self.config.secret_keys.clone())
    }

    /// A mailing and its counts.
    pub async fn status(&self, id: MailingId) -> (Mailing, Counts) {
        let mut db = self.pool.acquire().await.unwrap();
        let mailing = mailing::by_id(&mut db, id).await.unwrap().unwrap();
        (mailing, mailing::counts(&mut db, id).await.unwrap())
    }

    /// Waits until a mailing is in this state; panics after 60 seconds.
    pub async fn wait_for_state(&self, id: MailingId, state: MailingState) -> Counts {
        for _ in 0..1200 {
            let (mailing, counts) = self.status(id).await;
            if mailing.state == state {
                return counts;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the mailing did not become {state:?}: {:?}", self.status(id).await);
    }

    /// Waits until a query that counts something gives `n`; panics after 30 seconds.
    pub async fn wait_for_count(&self, query: &'static str, n: i64) {
        let mut count = -1;
        for _ in 0..600 {
            count = self.count(query).await;
            if count == n {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{query} gave {count} and not {n}");
    }

    /// Waits until a query counts so much or more, looking often; panics after two minutes. What cannot come about ends a
    /// test and not the patience of whoever runs all of them.
    pub async fn wait_for_at_least(&self, query: &'static str, n: i64) {
        let counted = async {
            while self.count(query).await < n {
                sleep(Duration::from_millis(3)).await;
            }
        };
        assert!(
            timeout(Duration::from_mins(2), counted).await.is_ok(),
            "{query} gave less than {n} for two minutes"
        );
    }

    /// Lets everything that waits for another try be due now.
    pub async fn let_all_be_due(&self) {
        sqlx::query("update batches set due_at = now() where claimed_by is null")
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// Makes every wait of the login throttle that has begun an hour longer: however slow the machine, it is not over when
    /// a test looks.
    pub async fn waits_last(&self) {
        let longer = "update staff_login_throttle set blocked_until = blocked_until + interval '1 hour'
                      where blocked_until > last_at";
        sqlx::query(longer).execute(&self.pool).await.unwrap();
    }

    /// What a query counts.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }

    /// How many messages are on their way by the database.
    pub async fn on_their_way(&self) -> i64 {
        self.count(ON_THEIR_WAY).await
    }

    /// Stops the service as SIGTERM would, and waits for its end.
    pub async fn stop(&mut self) {
        self.stop.send_replace(true);
        if let Some(running) = self.running.take() {
            running.await.unwrap().unwrap();
        }
    }
}

/// Counts the messages that are on their way.
pub const ON_THEIR_WAY: &str = "select coalesce(sum(cardinality(transmitting)), 0)::bigint from batches";

/// Whether somebody's copy of a mailing is on its way, or was accepted.
pub async fn has_begun(pool: &PgPool, mailing: MailingId, subscriber: SubscriberId) -> bool {
    sqlx::query_scalar(
        "select exists (select from deliveries d left join batches b on b.id = d.batch_id
                        where d.mailing_id = $1 and d.subscriber_id = $2
                          and (d.state = 'accepted' or d.id = any(b.transmitting)))",
    )
    .bind(mailing.0)
    .bind(subscriber.0)
    .fetch_one(pool)
    .await
    .unwrap()
}
