//! Rundbrief, the newsletter service of a publicly funded project.
//!
//! A visitor asks for the newsletter, confirms by mail, and from then on gets each new project update as an
//! email, until one click ends it.
//!
//! # Rooms and the import rule
//!
//! A room may use the rooms to its left, never one to its right:
//!
//! ```text
//! config → db → domain → mail → app → { delivery | inbound | web } → commands
//! ```
//!
//! `delivery`, `inbound` and `web` never see each other: they meet in tables alone. The test
//! `rooms_import_only_from_their_left` reads the `use crate::` lines and fails when one breaks the rule.
//! [`telemetry`], [`source`] and [`tls`] stand beside [`config`]: every room may log, count, read the files that are compiled in
//! and encrypt a line.
//!
//! | a change to … | happens in |
//! |---|---|
//! | a URL | [`web`] |
//! | a table or its rules | [`domain`] and `migrations/` |
//! | wording of a mail | `email_templates/` |
//! | wording of a page | `src/web/texts/` |
//! | MIME, headers | [`mail`] |
//! | what a person or the service does | [`app`] |
//! | SMTP, retries, the queue's workers | [`delivery`] |
//! | what comes back about mails | [`inbound`] |
//! | a command | [`commands`] |

// Every setting and every deed says what it means; elsewhere a comment has to say more than the name.
#[warn(missing_docs)]
pub mod config;
pub mod source;
pub mod telemetry;
pub mod tls;

pub mod db;

pub mod domain;

pub mod mail;

#[warn(missing_docs)]
pub mod app;

pub mod delivery;
pub mod inbound;
pub mod web;

pub mod commands;
