//! The nouns of the newsletter: one file each, with its types, its rules and its SQL.
//!
//! Functions here are plain functions over `&mut PgConnection` and a `now`. They know nothing of HTTP, SMTP or
//! templates.

pub mod actor;
pub mod address;
pub mod base32;
pub mod bounce;
pub mod calendar_event;
pub mod consent;
pub mod csv;
pub mod erasure;
pub mod event;
pub mod first_steps;
pub mod health;
pub mod hosted;
pub mod ids;
pub mod image;
pub mod import;
pub mod leave_reason;
pub mod locale;
pub mod mailing;
pub mod network;
pub mod on_request;
pub mod personal_data;
pub mod proof;
pub mod provider;
pub mod public_name;
pub mod publication;
pub mod queue;
pub mod restore;
pub mod retention;
pub mod secret_key;
pub mod shared_file;
pub mod signature_seen;
pub mod signup;
pub mod snapshot;
pub mod staff;
pub mod stored_object;
pub mod subscriber;
pub mod suppression;
pub mod test_recipient;
pub mod text_use;
pub mod token;
pub mod update;
pub mod watermark;
