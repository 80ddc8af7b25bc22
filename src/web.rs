//! What people meet: the public pages, server-rendered, without JavaScript; and the signup box for other sites.
//!
//! | route | does |
//! |---|---|
//! | `GET /` | the signup page |
//! | `POST /subscribe` | takes a request, answers the same for every address; from ours and the publication's sites alone. In a rush it asks for a proof of work |
//! | `OPTIONS /subscribe` | tells browsers which sites those are (CORS) |
//! | `GET /embed` | the signup box for the project's own site: three ways, each to copy and at work |
//! | `GET /embed/box` | what the script of the box shows, as JSON |
//! | `GET /check-mailbox` | "look into your mailbox", with the address that was typed |
//! | `GET, POST /confirm/{token}` | asks, and takes the answer |
//! | `GET, POST /unsubscribe/{token}` | one sentence, one button; POST is also RFC 8058's one click |
//! | `POST /left/{token}` | why somebody left, if they like to say |
//! | `GET, POST /manage/{token}` | the settings page: language, leaving, a link to everything else by mail |
//! | `GET /data/{token}` | everything stored, behind such a link; `/download` gives it as a file |
//! | `POST /data/{token}/address` | asks for another address |
//! | `GET, POST /data/{token}/erase` | has everything deleted |
//! | `POST /resubscribe/{token}` | takes an unsubscribe back, for an hour |
//! | `GET /health/live`, `/health/ready` | for the operator's monitoring |
//! | `/staff…` | the staff pages, with a login: see [`staff`] |
//! | `GET /images/{name}` | a picture that staff uploaded |
//! | `GET /assets/…` | style sheet, icon, `embed.js`, the script of the box, and `captcha….js`, the proof of work; pages put a hash into the name |
//!
//! GET and HEAD change nothing (invariant 1).

pub mod asset_files;
pub mod http;
pub mod proof;
mod public;
mod renderer;
pub mod staff;

use std::sync::Arc;

use axum::{Router, middleware, routing};
use chrono::TimeDelta;
use sqlx::PgPool;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    app::{App, images::store::Store},
    config::{Config, PublicUrl, SecretKeys},
    domain::{import::upload, staff::password::Passwords},
    mail::compose::Composer,
};

use crate::web::{
    http::{
        assets,
        client::Proxies,
        cors, headers, health,
        load_shedding::{self, Places},
        long_part, problem,
        rate_limit::{self, RateLimit},
        request_log, server,
    },
    public::{
        captcha::Watch, check_mailbox, confirm, embed, images, manage, privacy_page, subscribe, unsubscribe,
    },
    staff::{Live, Uploads},
};

pub use crate::web::{
    http::{metrics::HttpMetrics, server::serve},
    renderer::{PageError, Renderer},
};

/// Bytes that a request of a stranger holds, at most: its form, and what its connection has in both directions.
pub const HELD_OF_A_STRANGER: usize = load_shedding::FORM_LIMIT + 2 * server::BUFFER;

/// Bytes that are held of a list that is uploaded, at most: what is no list, twice while it grows, a piece, and what its
/// connection has.
pub const HELD_OF_A_LIST: usize = 2 * long_part::BESIDE + upload::PIECE + 2 * server::BUFFER;

/// What every handler may use.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// See [`AppState`].
pub struct Inner {
    /// The database.
    pub pool: PgPool,
    /// Keys of the links.
    pub keys: SecretKeys,
    /// Where people reach us.
    pub public_url: PublicUrl,
    /// Whether browsers are told to reach every host below ours over TLS alone.
    pub hsts_subdomains: bool,
    /// The pages.
    pub renderer: Renderer,
    /// Whether a visitor's IP address goes into the consent record.
    pub keeps_ip: bool,
    /// The proxies in front.
    pub proxies: Proxies,
    /// How the number of subscribers has grown, as of some minutes ago.
    pub growth: staff::Growth,
    /// What makes mails: for tests, for mailings, and to show them.
    pub composer: Composer,
    /// Where staff passwords are hashed and checked.
    pub passwords: Passwords,
    /// Staff pages that show how a mailing goes.
    pub live: Live,
    /// Room for requests that are being answered.
    pub places: Places,
    /// How often one client may ask.
    pub rate_limit: RateLimit,
    /// A form that is back sooner looks like a program's.
    pub form_takes: TimeDelta,
    /// Minutes in which a repeated signup sends no second mail; 0 where it does.
    pub repeat_minutes: u32,
    /// Whether a signup has to bring a proof of work.
    pub captcha: Watch,
    /// Where uploaded pictures lie.
    pub images: Store,
    /// Room for pictures that are being uploaded, and for the one that is being worked on.
    pub uploads: Uploads,
    /// What deeds are done with.
    pub app: App,
    /// How the service is.
    pub monitor: health::Monitor,
    /// What is counted of requests.
    pub metrics: Arc<HttpMetrics>,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl AppState {
    /// The state of a service with this configuration.
    ///
    /// # Errors
    /// [`PageError`] when a built-in page or text is broken.
    pub fn new(
        pool: PgPool,
        config: &Config,
        composer: Composer,
        metrics: Arc<HttpMetrics>,
    ) -> Result<Self, PageError> {
        let app = App::new(pool.clone(), config, composer.clone());
        Ok(Self(Arc::new(Inner {
            monitor: health::Monitor::new(pool.clone()),
            pool,
            keys: config.secret_keys.clone(),
            public_url: config.public_url.clone(),
            hsts_subdomains: config.hsts_subdomains,
            renderer: Renderer::load()?,
            keeps_ip: config.keep_ip_days > 0,
            proxies: Proxies::new(config.trusted_proxies.clone()),
            growth: staff::Growth::default(),
            composer,
            passwords: Passwords::default(),
            live: Live::default(),
            places: Places::default(),
            rate_limit: RateLimit::new(config.guard.requests_per_client),
            form_takes: TimeDelta::seconds(config.guard.form_seconds.into()),
            repeat_minutes: config.signup_limits.repeat_minutes,
            captcha: Watch::new(config),
            images: Store::new(&config.image_store),
            uploads: Uploads::default(),
            app,
            metrics,
        })))
    }
}

/// Every public route and those in `more`, with everything around them: error pages, headers, log lines.
pub fn router(state: AppState, more: Router<AppState>) -> Router {
    Router::new()
        .route(
            "/subscribe",
            routing::post(subscribe::submit).get(subscribe::back_to_form).options(cors::preflight),
        )
        .route("/confirm/{token}", routing::get(confirm::ask).post(confirm::answer))
        .route("/", routing::get(subscribe::form))
        .route("/check-mailbox", routing::get(check_mailbox::page))
        .route("/embed", routing::get(embed::page))
        .route("/embed/box", routing::get(embed::signup_box))
        .route("/unsubscribe/{token}", routing::get(unsubscribe::ask).post(unsubscribe::leave))
        .route("/resubscribe/{token}", routing::post(unsubscribe::undo))
        .route("/left/{token}", routing::post(unsubscribe::say_why))
        .route("/manage/{token}", routing::get(manage::page).post(manage::change))
        .route("/data/{token}", routing::get(privacy_page::page))
        .route("/data/{token}/download", routing::get(privacy_page::download))
        .route("/data/{token}/address", routing::post(privacy_page::ask_address))
        .route("/data/{token}/erase", routing::get(privacy_page::ask_erase).post(privacy_page::erase))
        .route("/images/{name}", routing::get(images::image))
        .route("/assets/{file}", routing::get(assets::asset))
        .merge(staff::router(&state))
        .merge(more)
        .layer(middleware::from_fn_with_state(state.clone(), load_shedding::turn_away))
        .layer(middleware::from_fn_with_state(state.clone(), rate_limit::keep))
        // A service that has much to do is not down.
        .route("/health/live", routing::get(health::live))
        .route("/health/ready", routing::get(health::ready))
        .layer(middleware::from_fn(load_shedding::in_time))
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(middleware::from_fn_with_state(state.clone(), problem::pages))
        .layer(middleware::from_fn_with_state(state.clone(), headers::add))
        .layer(middleware::from_fn_with_state(Arc::clone(&state.metrics), request_log::trace))
        .with_state(state)
}
