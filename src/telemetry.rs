//! Logs: one line an event, addresses masked, no tokens.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

/// Starts logging to standard error in the form that `LOG_FORMAT` names (`text`, the default, or `json`), at the
/// level of `RUST_LOG` (default `info`).
///
/// A second call does nothing, so tests may call it freely.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = if std::env::var("LOG_FORMAT").is_ok_and(|format| format == "json") {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_target(false).compact().try_init()
    };
    drop(started);
}

/// An address as it may stand in a log or on a page: `maria.muster@example.org` becomes `m…r@example.org`.
///
/// The owner recognises it; a reader over the shoulder learns little. Works on any text, also on one that is no
/// address.
#[must_use]
pub fn mask(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let mut letters = local.chars();
    let first = letters.next().map(String::from).unwrap_or_default();
    let last = if local.chars().count() > 3 { letters.next_back().map(String::from) } else { None };
    let at = if domain.is_empty() { "" } else { "@" };
    format!("{first}…{}{at}{domain}", last.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn a_masked_address_keeps_its_ends_and_its_domain() {
        assert_eq!(mask("maria.muster@example.org"), "m…r@example.org");
        assert_eq!(mask("ab@example.org"), "a…@example.org");
        assert_eq!(mask("no address"), "n…s");
        assert_eq!(mask(""), "…");
    }
}
