//! Shared parts of the tests: a running service, its database, its relay, and an HTTP client.

pub mod app;
pub mod browser;
pub mod captcha;
pub mod database;
pub mod dkim;
pub mod http;
pub mod imap;
pub mod mail;
pub mod mail_server;
pub mod metrics;
pub mod process;
pub mod program;
pub mod smtp;
pub mod tls;

pub use app::{App, ON_THEIR_WAY, TestApp, has_begun};
pub use http::Answer;
