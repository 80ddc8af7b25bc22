//! What a message says: templates with typed contexts, Markdown, MIME and headers.
//!
//! A mail is made in three steps, each of which can be looked at alone:
//!
//! 1. [`compose::Composer`] fills a template: subject, text and HTML, with *merge fields* where each recipient's own
//!    links go ([`merge_fields`]).
//! 2. [`message::Frame`] encodes that once: headers, quoted-printable, multipart.
//! 3. [`message::Frame::for_recipient`] adds what is one recipient's own and gives the bytes that go on the wire.
//!
//! For a mailing the first step happens at the trigger, the second once a worker, the third once a recipient.

pub mod calendar_file;
pub mod compose;
pub mod contexts;
pub mod dkim;
pub mod encoding;
pub mod hook_mark;
pub mod incoming;
pub mod markdown;
pub mod merge_fields;
pub mod message;
pub mod preflight;
pub mod preheader;
pub mod received;
pub mod return_path;
pub mod templates;
