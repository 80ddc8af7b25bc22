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
    Device::parse(&state.app.keys, value(headers, &name(state, DEVICE))?)
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
    set(state, headers, &name(state, DEVICE), &device.reveal(&state.app.keys), Some(DEVICE_LIVES));
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

/// A cookie's value. Read byte by byte: other cookies of the domain, which other sites on it may set, can hold anything. When
/// it comes twice with different values, nobody could say which is ours, and it is none.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut values =
        pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    let value = values.next()?;
    if values.any(|other| other != value) { None } else { str::from_utf8(value).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_beside_any_others_and_is_none_when_two_of_its_name_differ() {
        for (lines, found) in [
            (&[&b"a=1"[..]][..], Some("1")),
            (&[b"x=\xff\xfc; a=1; y"], Some("1")),
            (&[b"ab=2;a=1;ba=3"], Some("1")),
            (&[b"x=2", b"a=1"], Some("1")),
            (&[b"a=1; a=1"], Some("1")),
            (&[b"a=1; a=2"], None),
            (&[b"a=1", b"a=2"], None),
            (&[b"a=\xff"], None),
            (&[b"=a=1", b"b=1"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
            }
            assert_eq!(value(&headers, "a"), found, "{lines:?}");
        }
    }
}
