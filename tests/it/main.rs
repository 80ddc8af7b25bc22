//! The integration tests: the real service, a real Postgres, a real SMTP server.
//!
//! One binary, a file per subject. A test of an invariant has its number in its name. Postgres: a private cluster is
//! started unless `DATABASE_URL` names one; each test gets a database of its own, copied from a template.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "tests fail by panicking"
)]
#![allow(clippy::type_complexity, clippy::format_push_string, reason = "a test is read top to bottom")]

mod forwarded;
mod harness;

mod addresses;
mod architecture;
mod assets;
mod bounce_hooks;
mod bounce_listener;
mod bounce_mailbox;
mod bounce_mailing;
mod bounces;
mod calendar;
mod captcha;
mod chaos;
mod commands;
mod commands_demo;
mod commands_mailings;
mod commands_retry;
mod commands_staff;
mod consent;
mod consent_import;
mod deaths;
mod delivery;
mod docs;
mod embed;
mod erasure;
mod events;
mod faults;
mod growth;
mod images;
mod images_in_a_bucket;
mod invariants;
mod journey;
mod judges;
mod languages;
mod leaving;
mod limits;
mod links;
mod mail_templates;
mod mails;
mod mails_on_the_wire;
mod memory;
mod metrics;
mod metrics_docs;
mod migration_batches;
mod migration_mailboxes;
mod migration_planned;
mod names;
mod odd_input;
mod operation;
mod orphaned_objects;
mod overtaking;
mod own_page;
mod pages;
mod preflight_links;
mod pressure;
mod proof;
mod queue;
mod rate_limit;
mod real_relays;
mod request_ids;
mod restore;
mod retention;
mod review;
mod same_time;
mod shared_files;
mod signing;
mod staff_access;
mod staff_audit;
mod staff_bounces;
mod staff_images;
mod staff_import;
mod staff_links;
mod staff_live;
mod staff_login;
mod staff_mailings;
mod staff_people;
mod staff_phone;
mod staff_planned;
mod staff_preflight;
mod staff_publication;
mod staff_reauth;
mod staff_second_factor;
mod staff_sending;
mod staff_signature;
mod staff_start;
mod staff_subscribers;
mod staff_updates;
mod taken_bounces;
mod templates;
mod tls;
mod tokens;
mod traps;
mod typed_addresses;
