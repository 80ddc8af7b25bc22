//! Where to go after logging in: a staff page, and nothing else.

use axum::http::{HeaderMap, Uri, header};
use url::Url;

/// A destination as it came in a form or an address; nothing when it is not a page of ours (an open redirect would send
/// people who trust our address to somebody else's).
pub fn checked(next: &str) -> Option<String> {
    let rest = next.strip_prefix("/staff")?;
    let is_page = rest.is_empty() || rest.starts_with(['/', '?']);
    let is_plain = next.len() <= 500 && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    // Those would only lead in a circle.
    let is_door = ["/login", "/logout", "/welcome"].iter().any(|door| rest.starts_with(door));
    (is_page && is_plain && !is_door).then(|| next.to_owned())
}

/// The page that was asked for.
pub fn of_request(uri: &Uri) -> Option<String> {
    checked(uri.path_and_query()?.as_str()).filter(|page| page != "/staff")
}

/// The page that the form stood on.
pub fn of_referer(headers: &HeaderMap) -> Option<String> {
    let referer = Url::parse(headers.get(header::REFERER)?.to_str().ok()?).ok()?;
    checked(referer.path()).filter(|page| page != "/staff")
}

/// An address of the login with where to go afterwards.
pub fn with_next(login: &str, next: Option<&str>) -> String {
    match next {
        Some(next) => {
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            format!("{login}?next={next}")
        }
        None => login.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_are_gone_to() {
        for next in
            ["/staff", "/staff/people", "/staff?lang=en", "/staff/audit?action=logged_in&from=2026-01-01"]
        {
            assert_eq!(checked(next).as_deref(), Some(next));
        }
        for next in [
            "",
            "/",
            "//evil.example",
            "https://evil.example/staff",
            "/staffs",
            "/staff.evil.example",
            "/staff\\evil",
            "/staff/\r\nset-cookie: a=b",
            "/staff/login",
            "/staff/login/code?next=/staff",
            "/staff/logout",
            "/staff/welcome/x",
            "@evil.example/staff",
        ] {
            assert_eq!(checked(next), None, "{next}");
        }
    }
}
