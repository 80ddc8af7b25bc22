//! The sites whose pages may send the signup form.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config;

/// An origin as browsers write it: scheme, host and, where it is not the usual one, port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// The origin of an address.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        Self(url.origin().ascii_serialization())
    }

    /// The origin as it stands in a request's `Origin` header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Understands `https://www.example.org`, with a port or a slash at the end where somebody wrote one.
    ///
    /// # Errors
    /// A sentence that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some(url) = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return Err(format!("{text:?} is not a website's address; write it as https://www.example.org"));
        };
        let plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/";
        let origin = Self::of(&url);
        if !plain {
            return Err(format!("{text:?} says more than which website it is; write {:?}", origin.0));
        }
        if text.contains('*') {
            return Err(format!("{text:?} has a *; write each website out, such as https://www.example.org"));
        }
        if url.scheme() == "http" && !config::is_on_this_machine(&url) {
            return Err(format!(
                "{text:?} must begin with https://; what is typed on a page without TLS can be read on the way"
            ));
        }
        Ok(origin)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // In a list over several lines the line alone would not tell which field it is.
        Origin::parse(&String::deserialize(deserializer)?)
            .map_err(|error| serde::de::Error::custom(format!("allowed_origins: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (written, expected) in [
            ("https://www.example.org", "https://www.example.org"),
            ("https://www.example.org/", "https://www.example.org"),
            (" HTTPS://WWW.Example.ORG:443 ", "https://www.example.org"),
            ("https://www.example.org:8443", "https://www.example.org:8443"),
            ("https://müller.example", "https://xn--mller-kva.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(Origin::parse(written).unwrap().as_str(), expected, "{written}");
        }
        let page = Url::parse("https://www.example.org/aktuelles?a=1#b").unwrap();
        assert_eq!(Origin::of(&page).as_str(), "https://www.example.org");
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_way_out() {
        for (written, way_out) in [
            ("", "write it as https://www.example.org"),
            ("*", "write it as https://www.example.org"),
            ("null", "write it as https://www.example.org"),
            ("www.example.org", "write it as https://www.example.org"),
            ("ftp://www.example.org", "write it as https://www.example.org"),
            ("file:///index.html", "write it as https://www.example.org"),
            ("https://*.example.org", "write each website out"),
            ("https://www.example.org/aktuelles", "write \"https://www.example.org\""),
            ("https://www.example.org/?a=1", "write \"https://www.example.org\""),
            ("https://www.example.org/#a", "write \"https://www.example.org\""),
            ("https://maria:geheim@www.example.org", "write \"https://www.example.org\""),
            ("http://www.example.org", "must begin with https://"),
        ] {
            let error = Origin::parse(written).unwrap_err();
            assert!(error.contains(way_out), "{written}: {error}");
        }
    }
}
