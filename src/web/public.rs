//! The public pages: for visitors and subscribers, without a login.

pub mod byte_range;
pub mod calendar;
pub mod captcha;
pub mod check_mailbox;
pub mod confirm;
pub mod cors;
pub mod embed;
pub mod error_pages;
pub mod files;
pub mod images;
pub mod link_token;
pub mod manage;
pub mod privacy_page;
pub mod review;
pub mod samples;
pub mod subscribe;
pub mod unsubscribe;
pub mod uploads;
pub mod visitor;
