//! What people meet: pages rendered on the server, which work without JavaScript, and the signup box for other sites.
//!
//! `routes.rs` is the table of all routes. `http/` holds what is so for every request, `public/` the pages of visitors and
//! subscribers, `staff/` those of project staff, `api` what programs use.

pub mod accent_css;
mod api;
pub mod asset_files;
mod hooks;
pub mod http;
mod page_context;
mod plurals;
mod public;
mod renderer;
pub mod routes;
pub mod staff;
mod texts;

use std::sync::Arc;

use axum::{Router, middleware, routing};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    app::{App, images::store::Store, take_hook::Hooks},
    config::{Config, PublicUrl},
    db::Pool,
    domain::import::upload,
    mail::compose::Composer,
};

use crate::web::{
    http::{
        body_limits,
        client::Proxies,
        headers, health,
        load_shedding::{self, Slots},
        long_part, problem,
        rate_limit::{self, RateLimit},
        request_log,
        route::{self, Table},
        server,
    },
    public::error_pages,
    routes::ROUTES,
    staff::{Live, Receiving, Uploads},
};

pub use crate::web::{
    http::{metrics::HttpMetrics, server::serve},
    renderer::{PageError, Renderer},
};

/// Bytes that a request of a stranger holds, at most: its form, and what its connection has in both directions.
pub const HELD_OF_A_STRANGER: usize = body_limits::FORM + 2 * server::BUFFER;

/// Bytes that are held of a list that is uploaded, at most: what is no list, twice while it grows, a piece, and what its
/// connection has.
pub const HELD_OF_A_LIST: usize = 2 * long_part::BESIDE + upload::PIECE + 2 * server::BUFFER;

/// What every handler may use.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// See [`AppState`].
pub struct Inner {
    /// Where people reach us.
    pub public_url: PublicUrl,
    /// Whether browsers are told to reach every host below ours over TLS alone.
    pub hsts_subdomains: bool,
    /// The pages.
    pub renderer: Renderer,
    /// The proxies in front.
    pub proxies: Proxies,
    /// Staff pages that show how a mailing goes.
    pub live: Live,
    /// Every route.
    pub routes: Table,
    /// Room for requests that are being answered.
    pub slots: Slots,
    /// How often one client may ask.
    pub rate_limit: RateLimit,
    /// Minutes in which a repeated signup sends no second mail; 0 where it does.
    pub repeat_minutes: u32,
    /// Where uploaded pictures lie.
    pub images: Store,
    /// Room for pictures that are being uploaded, and for the one that is being worked on.
    pub uploads: Uploads,
    /// Room for files for readers that are being received.
    pub receiving_files: Receiving,
    /// What deeds are done with, and what pages read with: database, keys, composer.
    pub app: App,
    /// What mail providers may tell.
    pub hooks: Hooks,
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
        pool: Pool,
        config: &Config,
        composer: Composer,
        hooks: impl FnOnce(&App) -> Hooks,
        metrics: Arc<HttpMetrics>,
    ) -> Result<Self, PageError> {
        let app = App::new(pool, config, composer);
        Ok(Self(Arc::new(Inner {
            monitor: health::Monitor::new(app.pool.clone()),
            public_url: config.public_url.clone(),
            hsts_subdomains: config.hsts_subdomains,
            renderer: Renderer::load()?,
            proxies: Proxies::new(config.trusted_proxies.clone()),
            live: Live::default(),
            routes: Table(ROUTES),
            slots: Slots::default(),
            rate_limit: RateLimit::new(config.guard.requests_per_client),
            repeat_minutes: config.signup_limits.repeat_minutes,
            images: Store::new(&config.image_store),
            uploads: Uploads::default(),
            receiving_files: Receiving::default(),
            hooks: hooks(&app),
            app,
            metrics,
        })))
    }
}

/// Every public route and those in `more`, with everything around them: error pages, headers, log lines.
pub fn router(state: AppState, more: Router<AppState>) -> Router {
    let public = state.routes.0.iter().filter(|route| !route.is_staff());
    public
        .fold(Router::new(), |router, route| router.route(route.path, (route.handlers)()))
        .merge(staff::router(&state))
        .merge(more)
        .layer(middleware::from_fn_with_state(state.clone(), load_shedding::shed))
        .layer(middleware::from_fn_with_state(state.clone(), body_limits::read_form))
        .layer(middleware::from_fn_with_state(state.clone(), rate_limit::limit))
        // A service that has much to do is not down.
        .route("/health/live", routing::get(health::live))
        .route("/health/ready", routing::get(health::ready))
        .layer(middleware::from_fn(body_limits::in_time))
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(middleware::from_fn_with_state(state.clone(), error_pages::render))
        .layer(middleware::from_fn_with_state(state.clone(), headers::add))
        .layer(middleware::from_fn_with_state(Arc::clone(&state.metrics), request_log::trace))
        .layer(middleware::map_request_with_state(state.routes, route::look_up))
        .with_state(state)
}
