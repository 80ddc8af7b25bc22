//! What goes with every request: its id, its span, its line in the log, its count.
//!
//! The id comes from `X-Request-Id` when a proxy in front has given one, so that its log and ours speak of the same request.
//! It stands in the answer, on every error page and, as a field of the span, in every log line of the request.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument, field::Empty};

use crate::web::http::metrics::HttpMetrics;

/// The header that carries the id, in and out.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of an id that is taken over: a UUID has 36, nginx's `$request_id` 32. The token of a link has 43, so none
/// gets into the log this way.
const LONGEST: usize = 40;

/// Names one request. Of an alphabet that needs no escaping in a log, a header or a page.
#[derive(Debug, Clone)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// What the request brings, when it is sane; else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(HEADER).iter();
        let id = match (sent.next(), sent.next()) {
            (Some(id), None) => id.to_str().ok().filter(|id| is_sane(id)),
            // Of two nobody knows which one the other log has.
            _ => None,
        };
        id.map_or_else(Self::make, |id| Self(id.into()))
    }

    /// A new one: 80 random bits, in letters and digits that are not mistaken for each other when somebody reads them out
    /// (Crockford's Base32).
    fn make() -> Self {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut random = [0; 16];
        // Without random numbers it is an id that others have too; the request is answered all the same.
        let _ = getrandom::fill(&mut random);
        let id: String = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
        Self(id.into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_sane(id: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric();
    id.len() <= LONGEST
        && id.bytes().next().is_some_and(is_word)
        && id.bytes().all(|byte| is_word(byte) || matches!(byte, b'-' | b'_' | b'.'))
}

/// A request that is being answered. Also where its client goes away before the answer.
struct InFlight<'a>(&'a HttpMetrics);

impl<'a> InFlight<'a> {
    fn begin(metrics: &'a HttpMetrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// Gives the request its id and its span, counts and logs it by its route, never by its path: paths hold tokens.
pub async fn trace(State(metrics): State<Arc<HttpMetrics>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = RequestId::of(request.headers());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("(none)", MatchedPath::as_str);
    // Whatever the level of the log: a line about an error has it too.
    let span = tracing::error_span!(
        "request", request_id = id.as_str(), method = %request.method(), route, status = Empty, milliseconds = Empty
    );
    let method = request.method().clone();
    request.extensions_mut().insert(id.clone());
    let _in_flight = InFlight::begin(&metrics);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = begun.elapsed();
    metrics.answered(&method, route, status, took);
    // Of 64 bits, which logs in JSON write as a number.
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(status, milliseconds, "request"));
    span.record("status", status);
    span.record("milliseconds", milliseconds);
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(sent: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn a_sane_id_is_taken_over() {
        for id in
            ["7", "0b1f6f4e-3a52-4a0e-9f0e-2f5d0e7b6a51", "d41d8cd98f00b204e9800998ecf8427e", "Web_1.a-9"]
        {
            assert_eq!(id_of(&[id.as_bytes()]), id);
        }
    }

    #[test]
    fn any_other_is_replaced_by_one_of_ours() {
        let long = "a".repeat(10_000);
        let token = "A".repeat(43);
        for sent in [
            [long.as_bytes()].as_slice(),
            &[token.as_bytes()],
            &[b""],
            &[b" "],
            &[b"a b"],
            &[b"a\tlevel=ERROR"],
            &[b"\xff\xff\xff"],
            &["ä".as_bytes()],
            &[b"maria@example.org"],
            &[b"<script>"],
            &[b"\"}"],
            &[b"a\x1b[2K"],
            &[b"-rf"],
            &[b"one, two"],
            &[b"one", b"two"],
            &[b"one", b"one"],
            &[],
        ] {
            // Control characters but the tab do not even get into a header.
            if sent.iter().any(|value| HeaderValue::from_bytes(value).is_err()) {
                continue;
            }
            let id = id_of(sent);
            assert!(id.len() == 16 && is_sane(&id), "{sent:?}: {id}");
            assert_ne!(id_of(sent), id, "each request has its own");
        }
    }
}
