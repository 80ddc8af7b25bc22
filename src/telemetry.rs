//! Logs: one line an event, addresses masked, no tokens. Metrics: see [`metrics`].

pub mod metrics;

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

/// Starts logging to standard error in the form that `LOG_FORMAT` names (`text`, the default, or `json`), at the
/// level of `RUST_LOG` (default `info`).
///
/// A second call does nothing, so tests may call it freely.
pub fn start() {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    // At `trace` it writes down what it sends and gets: the password, and messages.
    for quiet in ["async_imap=info", "async_imap::client=info", "async_imap::imap_stream=info"] {
        if let Ok(quiet) = quiet.parse() {
            filter = filter.add_directive(quiet);
        }
    }
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
    if local.contains('…') {
        return address.to_owned();
    }
    let mut letters = local.chars();
    let first = letters.next().map(String::from).unwrap_or_default();
    let last = if local.chars().count() > 3 { letters.next_back().map(String::from) } else { None };
    let at = if domain.is_empty() { "" } else { "@" };
    format!("{first}…{}{at}{domain}", last.unwrap_or_default())
}

/// A text with a known address masked, in whatever spelling a relay may quote it: by its local part, which is in all of
/// them. `maria@…`, `maria%40…`, `maria=…` as in return paths (VERP), `…=maria` as forwarders rewrite it (SRS), `maria at
/// …`, `maria` alone; in capitals, in quotation marks, percent-encoded, with `+` and two digits (RFC 3461 §4), without its
/// tag. The domain stays, as it does in a masked address.
///
/// What is no longer than two letters is only masked where it stands beside a domain: alone it may be any word.
#[must_use]
pub fn mask_recipient(text: &str, address: &str) -> String {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local).to_ascii_lowercase();
    let untagged = local.split('+').next().unwrap_or_default();
    let mut masked = text.to_owned();
    for local in [local.as_str(), untagged] {
        for escape in [None, Some('%'), Some('+')] {
            if !local.is_empty() {
                masked = without(&masked, local, escape);
            }
        }
        if untagged == local {
            break;
        }
    }
    masked
}

/// A text without a local part, masked wherever it stands as a word. `escape` is the sign before two hexadecimal digits
/// that mean a character.
fn without(text: &str, local: &str, escape: Option<char>) -> String {
    let read = read(text, escape);
    let local: Vec<char> = local.chars().collect();
    let mut masked = String::with_capacity(text.len());
    let (mut at, mut copied) = (0, 0);
    while at + local.len() <= read.len() {
        let end = at + local.len();
        let is_here = read[at..end].iter().map(|(c, ..)| *c).eq(local.iter().copied());
        if !is_here
            || !stands_alone(&read, at, end)
            || local.len() < 3 && !is_beside_domain(text, &read, at, end)
        {
            at += 1;
            continue;
        }
        masked.push_str(&text[copied..read[at].1]);
        masked.push_str(&mask(&local.iter().collect::<String>()));
        copied = read[end - 1].2;
        at = end;
    }
    masked.push_str(&text[copied..]);
    masked
}

/// A character in lower case, and where what stands for it begins and ends.
type Read = (char, usize, usize);

fn read(text: &str, escape: Option<char>) -> Vec<Read> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut read: Vec<Read> = Vec::with_capacity(text.len());
    let mut skipped = 0;
    for (at, c) in text.char_indices() {
        if at < skipped {
            continue;
        }
        let escaped = Some(c).filter(|c| Some(*c) == escape).and(digit(at + 1).zip(digit(at + 2)));
        let meant =
            escaped.and_then(|(high, low)| char::from_u32(high * 16 + low)).filter(char::is_ascii_graphic);
        // A quoted string may have a backslash before any character (RFC 5321 §4.1.2).
        let quoted =
            bytes.get(at + 1).filter(|next| c == '\\' && escape.is_some() && next.is_ascii_punctuation());
        let (c, end) = match (meant, quoted) {
            (Some(meant), _) => (meant, at + 3),
            (None, Some(next)) => (char::from(*next), at + 2),
            (None, None) => (c, at + c.len_utf8()),
        };
        read.push((c.to_ascii_lowercase(), at, end));
        skipped = end;
    }
    read
}

fn stands_alone(read: &[Read], start: usize, end: usize) -> bool {
    let goes_on = |at: Option<usize>| {
        at.and_then(|at| read.get(at)).is_some_and(|(c, ..)| c.is_alphanumeric() || *c == '…')
    };
    !goes_on(start.checked_sub(1)) && !goes_on(Some(end))
}

fn is_beside_domain(text: &str, read: &[Read], start: usize, end: usize) -> bool {
    let is_joint = |at: Option<usize>, joints: &str| {
        at.and_then(|at| read.get(at)).is_some_and(|(c, ..)| joints.contains(*c))
    };
    let after = text[read[end - 1].2..]
        .trim_start()
        .trim_start_matches(['(', '[', '<', '{'])
        .trim_start()
        .to_ascii_lowercase();
    let is_at = after.strip_prefix("at").is_some_and(|rest| rest.starts_with([' ', ')', ']', '>', '}']));
    let is_quoted = is_joint(Some(end), "\"") && is_joint(Some(end + 1), "@");
    is_quoted || is_at || is_joint(Some(end), "@=%") || is_joint(start.checked_sub(1), "=;")
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
    use super::{mask, mask_addresses, mask_recipient};

    #[test]
    fn a_known_recipient_is_masked_in_every_spelling() {
        const ADDRESS: &str = "Maria.Muster+news@xn--strae-oqa.example";
        for text in [
            "550 5.1.1 <maria.muster+news@straße.example>: unknown",
            "550 MARIA.MUSTER+NEWS@XN--STRAE-OQA.EXAMPLE unknown",
            "550 no such user maria.muster+news",
            "550 user maria.muster is not here",
            "550 \"maria.muster+news\"@straße.example",
            "550 \"maria\\.muster\\+news\"@straße.example",
            "550 rfc822;maria.muster+news@xn--strae-oqa.example",
            "550 rfc822;maria.muster+2Bnews@xn--strae-oqa.example",
            "550 maria.muster%2Bnews%40stra%C3%9Fe.example",
            "550 maria%2emuster%2bnews%40straße.example",
            "550 see https://mx.example/?to=maria.muster%2Bnews%40straße.example",
            "550 bounces+maria.muster+news=xn--strae-oqa.example@news.example",
            "550 bounces-maria.muster=straße.example@news.example",
            "550 SRS0=HHH=TT=straße.example=maria.muster+news@forward.example",
            "550 maria.muster+news at straße.example",
            "550 maria.muster (at) straße.example",
            "550 Maria.Muster is over quota (maria.muster)",
            "550 maria.muster&#64;straße.example",
        ] {
            let masked = mask_recipient(text, ADDRESS);
            assert!(!masked.to_lowercase().contains("muster"), "{text}: {masked}");
            assert!(masked.starts_with("550 ") && masked.contains('…'), "{masked}");
            assert_eq!(mask_recipient(&masked, ADDRESS), masked, "once is enough");
            assert!(!mask_recipient(&mask_addresses(text), ADDRESS).contains("muster"), "{text}");
        }
        assert_eq!(
            mask_recipient(
                "550 5.1.1 <maria.muster@example.org>: see postmaster@example.org",
                "maria.muster@example.org"
            ),
            "550 5.1.1 <m…r@example.org>: see postmaster@example.org"
        );
    }

    #[test]
    fn a_recipient_of_few_letters_is_masked_beside_a_domain_and_nowhere_else() {
        for (text, expected) in [
            ("550 a mailbox of <a@example.org> is full", "550 a mailbox of <a…@example.org> is full"),
            ("550 a=example.org@x.example", "550 a…=example.org@x.example"),
            ("550 a%40example.org", "550 a…%40example.org"),
            ("550 A at example.org has a problem", "550 a… at example.org has a problem"),
            ("550 SRS0=x=y=example.org=a@z.example", "550 SRS0=x=y=example.org=a…@z.example"),
            ("550 \"a\"@example.org", "550 \"a…\"@example.org"),
            ("550 this is a test", "550 this is a test"),
        ] {
            assert_eq!(mask_recipient(text, "a@example.org"), expected);
        }
    }

    #[test]
    fn what_is_no_recipient_stays_as_it_is() {
        for text in
            ["", "250 2.0.0 Ok: queued as 4F2a9", "550 information", "50 % \\ %4 %zz +", "450 Größe %c3%9f"]
        {
            assert_eq!(mask_recipient(text, "info@example.org"), text, "{text}");
        }
        assert_eq!(mask_recipient("x", ""), "x");
    }

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
