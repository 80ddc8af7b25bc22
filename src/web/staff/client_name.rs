//! What a browser is called in the list of sessions: its name and its system's, and nothing else of the header.

use axum::http::{HeaderMap, header};

/// What browsers write of themselves. No guess is safe: the order matters, because most browsers name the others too.
const BROWSERS: [(&str, &str); 13] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Focus/", "Firefox Klar"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

/// What they write of the system they run on.
const SYSTEMS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// Between the two; what is stored is in no language, see [`parts`].
const BETWEEN: &str = ", ";

/// Such as "Firefox, Linux"; empty when neither is known.
pub fn of(headers: &HeaderMap) -> String {
    let header = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| header.contains(mark)).map(|(_, name)| *name)
    };
    let (browser, system) = (first(&BROWSERS), first(&SYSTEMS));
    browser.into_iter().chain(system).collect::<Vec<_>>().join(BETWEEN)
}

/// Browser and system of what [`of`] answered; nothing when it knew one of them alone, or none.
pub fn parts(name: &str) -> Option<(&str, &str)> {
    name.split_once(BETWEEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(header: &str) -> String {
        of(&HeaderMap::from_iter([(header::USER_AGENT, header.parse().unwrap())]))
    }

    #[test]
    fn browsers_are_called_by_their_names() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (header, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
            (
                &format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/140.0 Safari/537.36 Edg/140.0"),
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari, iPhone",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Linux; Android 14) {webkit} SamsungBrowser/27.0 Chrome/125.0 Mobile Safari/537.36"
                ),
                "Samsung Internet, Android",
            ),
            (
                &format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {webkit} Chrome/140.0 Safari/537.36"),
                "Chrome, ChromeOS",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {webkit} Chrome/140.0 Safari/537.36 Vivaldi/7.1"
                ),
                "Vivaldi, macOS",
            ),
            ("curl/8.5.0", "curl"),
            ("<script>alert(1)</script>", ""),
        ] {
            assert_eq!(name(header), expected, "{header}");
        }
        assert_eq!(parts("Edge, Windows"), Some(("Edge", "Windows")));
        assert_eq!(parts("curl"), None);
    }
}
