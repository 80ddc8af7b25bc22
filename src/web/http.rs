//! HTTP itself, whatever is asked for: the server, limits, load shedding, headers, errors, and how requests are read.

pub mod assets;
pub mod client;
pub mod cors;
pub mod form_body;
pub mod form_values;
pub mod headers;
pub mod health;
pub mod load_shedding;
pub mod long_part;
pub mod metrics;
pub mod problem;
pub mod rate_limit;
pub mod request_log;
pub mod server;
pub mod streaming;
