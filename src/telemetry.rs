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
    // One line an event, a panic too.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no words");
        tracing::error!(place, what, "a panic");
    }));
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

/// A text with every address in it masked: replies of relays quote them.
#[must_use]
pub fn mask_addresses(text: &str) -> String {
    let ends_address = |c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c);
    text.split_inclusive(ends_address)
        .map(|piece| {
            let word = piece.trim_end_matches(ends_address);
            if word.contains('@') {
                format!("{}{}", mask(word), &piece[word.len()..])
            } else {
                piece.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{mask, mask_addresses};

    #[test]
    fn addresses_in_a_reply_are_masked_and_the_rest_stays() {
        assert_eq!(
            mask_addresses("5.1.1 <maria.muster@example.org>: rejected; ask postmaster@example.net"),
            "5.1.1 <m…r@example.org>: rejected; ask p…r@example.net"
        );
        assert_eq!(mask_addresses("250 2.0.0 OK  queued"), "250 2.0.0 OK  queued");
    }

    #[test]
    fn a_masked_address_keeps_its_ends_and_its_domain() {
        assert_eq!(mask("maria.muster@example.org"), "m…r@example.org");
        assert_eq!(mask("ab@example.org"), "a…@example.org");
        assert_eq!(mask("no address"), "n…s");
        assert_eq!(mask(""), "…");
    }
}
