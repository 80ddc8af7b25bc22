//! Which part of a file is asked for (RFC 9110 §14): a download that broke off goes on where it ended.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What is to be sent of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// All of it.
    Whole,
    /// These bytes of it: never none, never beyond its end.
    Part(Range<u64>),
    /// What is asked for lies beyond its end.
    Beyond,
}

impl Asked {
    /// The bytes to send of a file of this length.
    #[must_use]
    pub fn of(self, length: u64) -> Option<Range<u64>> {
        match self {
            Self::Whole => Some(0..length),
            Self::Part(part) => Some(part),
            Self::Beyond => None,
        }
    }
}

/// Reads what a request asks for of a file with this tag and length. What is no single range of bytes, and a range of another
/// edition of the file, is all of it, as the standard allows (§14.2, §13.1.5).
#[must_use]
pub fn asked(headers: &HeaderMap, tag: &str, length: u64) -> Asked {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|edition| edition != tag) {
        return Asked::Whole;
    }
    let range = text(header::RANGE).and_then(|range| range.trim().strip_prefix("bytes="));
    let Some((from, to)) = range.and_then(|range| range.split_once('-')) else { return Asked::Whole };
    let part = match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => from..to.saturating_add(1).min(length),
        (Some(from), None) if to.is_empty() => from..length,
        // The last bytes, as many as are asked for.
        (None, Some(last)) if from.is_empty() => length.saturating_sub(last)..length,
        _ => return Asked::Whole,
    };
    if part.is_empty() { Asked::Beyond } else { Asked::Part(part) }
}

/// A number of digits alone; one too large for any file is one.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(range: &str, edition: Option<&'static str>) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        if let Some(edition) = edition {
            headers.insert(header::IF_RANGE, HeaderValue::from_static(edition));
        }
        asked(&headers, "\"tag\"", 100)
    }

    #[test]
    fn a_range_of_bytes_is_read_as_the_standard_says() {
        assert_eq!(asked(&HeaderMap::new(), "\"tag\"", 100), Asked::Whole);
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=40-", 40..100),
            ("bytes=40-59", 40..60),
            ("bytes=40-99999999999999999999999", 40..100),
            ("bytes=-10", 90..100),
            ("bytes=-1000", 0..100),
        ] {
            assert_eq!(of(range, None), Asked::Part(part), "{range}");
        }
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(of(beyond, None), Asked::Beyond, "{beyond}");
        }
        for other in ["bytes=5-4", "bytes=a-b", "bytes=-", "bytes=0-1,5-6", "lines=0-1", "bytes=+1-2", "40-"]
        {
            assert_eq!(of(other, None), Asked::Whole, "{other}");
        }
    }

    #[test]
    fn a_range_of_another_edition_is_the_whole_file() {
        assert_eq!(of("bytes=40-", Some("\"tag\"")), Asked::Part(40..100));
        assert_eq!(of("bytes=40-", Some("\"other\"")), Asked::Whole);
        assert_eq!(of("bytes=40-", Some("Mon, 30 Nov 2026 12:00:00 GMT")), Asked::Whole);
    }
}
