//! HTTP itself, whatever is asked for: the server, limits, load shedding, headers, errors, and how requests are read.

pub(super) mod assets;
pub(super) mod body_limits;
pub(super) mod client;
pub(super) mod cookies;
pub(super) mod form_body;
pub(super) mod form_values;
pub(super) mod headers;
pub mod health;
pub(super) mod load_shedding;
pub(super) mod long_part;
pub(super) mod mail_frame;
pub(super) mod metrics;
pub(super) mod problem;
pub(super) mod rate_limit;
pub(super) mod request_log;
pub mod route;
pub(super) mod server;
pub(super) mod streaming;

/// What a form without files is sent as.
pub(super) const URLENCODED: &str = "application/x-www-form-urlencoded";
