//! The cookies of the staff pages. The public pages set none.
//!
//! | cookie | holds | lives |
//! |---|---|---|
//! | `__Host-rundbrief` | the session's token | until the browser ends, and no longer than the session |
//! | `__Host-rundbrief-device` | that its owner logged in from this browser, signed | half a year |
//! | `rundbrief-lang` | the language that was chosen | a year |
//!
//! `__Host-` makes browsers refuse one that was set without TLS, by a subdomain, or for a part of the site. Over plain
//! http, which there is on one's own machine alone, not every browser takes such a cookie; there the names have no prefix.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::{
    domain::{
        locale::Locale,
        staff::secret::{Device, SessionToken},
    },
    web::AppState,
};

const SESSION: &str = "rundbrief";
const DEVICE: &str = "rundbrief-device";
const LANGUAGE: &str = "rundbrief-lang";

/// Seconds that a device is remembered.
const DEVICE_LIVES: u32 = 180 * 24 * 3600;
/// Seconds that a language is remembered.
const LANGUAGE_LIVES: u32 = 365 * 24 * 3600;

/// The session's token.
pub fn session(state: &AppState, headers: &HeaderMap) -> Option<SessionToken> {
    SessionToken::parse(value(headers, &name(state, SESSION))?)
}

/// The device that somebody logged in with before.
pub fn device(state: &AppState, headers: &HeaderMap) -> Option<Device> {
    Device::parse(&state.keys, value(headers, &name(state, DEVICE))?)
}

/// The language that was chosen on a staff page.
pub fn language(headers: &HeaderMap) -> Option<Locale> {
    Locale::from_tag(value(headers, LANGUAGE)?)
}

/// Sets the session's cookie.
pub fn set_session(state: &AppState, headers: &mut HeaderMap, token: &SessionToken) {
    set(state, headers, &name(state, SESSION), &token.reveal(), None);
}

/// Takes the session's cookie away.
pub fn clear_session(state: &AppState, headers: &mut HeaderMap) {
    set(state, headers, &name(state, SESSION), "", Some(0));
}

/// Sets the device's cookie.
pub fn set_device(state: &AppState, headers: &mut HeaderMap, device: &Device) {
    set(state, headers, &name(state, DEVICE), &device.reveal(&state.keys), Some(DEVICE_LIVES));
}

/// Remembers the language.
pub fn set_language(state: &AppState, headers: &mut HeaderMap, locale: Locale) {
    set(state, headers, LANGUAGE, locale.tag(), Some(LANGUAGE_LIVES));
}

fn name(state: &AppState, plain: &str) -> String {
    let prefix = if state.public_url.is_https() { "__Host-" } else { "" };
    format!("{prefix}{plain}")
}

fn set(state: &AppState, headers: &mut HeaderMap, name: &str, value: &str, max_age: Option<u32>) {
    let secure = if state.public_url.is_https() { "; Secure" } else { "" };
    let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    // Lax: who follows a link to a staff page from a mail is logged in; a form on another site is not.
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{max_age}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}
