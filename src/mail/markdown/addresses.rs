//! Addresses that somebody typed as they are: `https://…`, `www.…`, `name@example.org`.

use url::Url;

/// Characters before the `@`, as RFC 5321 §4.5.3.1.1 has it. Bounds how far a word is looked at again.
const LOCAL: usize = 64;

/// Bytes of a web address. Longer ones stay text; bounds how far a word is looked at again.
const ADDRESS: usize = 2_048;

/// The web address that a text begins with, without the punctuation of the sentence behind it: how many bytes it has,
/// and where it leads.
pub fn web(text: &str) -> Option<(usize, String)> {
    let begins = |start: &str| text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    let scheme = ["https://", "http://"].into_iter().find(|scheme| begins(scheme));
    if scheme.is_none() && !begins("www.") {
        return None;
    }
    let host = scheme.map_or(0, str::len);
    let shown = without_punctuation(&text[..end_of(text, host)?]);
    let address = if scheme.is_some() { shown.to_owned() } else { format!("https://{shown}") };
    let url = Url::parse(&address).ok()?;
    let host = url.host_str()?;
    // "www." by itself, and "https://" before a bracket, are none.
    let is_host = host.trim_start_matches("www.").contains('.') || (scheme.is_some() && !host.is_empty());
    // Some mail programs know no umlauts in addresses.
    let address = if address.is_ascii() { address } else { url.to_string() };
    is_host.then_some((shown.len(), address))
}

/// Where a web address goes to its end: at a blank, a sign that none has, the signs of bold and strikethrough, or a bracket
/// that nothing in it has opened. Brackets within it belong to it, as in `?tx_news[id]=3`, unless they are those of a link
/// that follows. Its host begins at `host`. Nothing where it is too long.
fn end_of(text: &str, host: usize) -> Option<usize> {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>\"`„“”«»‚‘".contains(c);
    let mut open: Vec<usize> = Vec::new();
    let mut end = text.len();
    let mut is_behind_host = false;
    for (at, c) in text.char_indices() {
        if at > ADDRESS {
            return open.first().copied();
        }
        let rest = &text[at..];
        is_behind_host |= at >= host && matches!(c, '/' | '?' | '#');
        match c {
            '[' | '{' => open.push(at),
            ']' | '}' if rest.starts_with("](") || open.pop().is_none() => {
                end = open.pop().unwrap_or(at);
                break;
            }
            '*' | '~' if rest.starts_with("**") || rest.starts_with("~~") => {
                end = at;
                break;
            }
            // Between two addresses; behind a host it may belong to one.
            c if ends(c) || (c == '|' && !is_behind_host) => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    Some(open.first().map_or(end, |first| end.min(*first)))
}

/// The e-mail address that a text begins with: how many bytes it has.
pub fn mail(text: &str) -> Option<usize> {
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
    let local = text.bytes().take(LOCAL + 1).take_while(is_local).count();
    if local == 0 || local > LOCAL || !text[local..].starts_with('@') {
        return None;
    }
    let domain = &text[local + 1..];
    let end = domain
        .char_indices()
        .take(254)
        .take_while(|(_, c)| c.is_alphanumeric() || matches!(c, '.' | '-'))
        .last()
        .map(|(at, c)| at + c.len_utf8())?;
    let domain = domain[..end].trim_end_matches(['.', '-']);
    let (host, top) = domain.rsplit_once('.')?;
    let is_top = top.chars().count() >= 2 && top.chars().all(char::is_alphabetic) || top.starts_with("xn--");
    let has_labels = host.split('.').all(|label| !label.is_empty() && !label.starts_with('-'));
    (is_top && has_labels).then_some(local + 1 + domain.len())
}

/// What an address in a link leads to, as it was meant: without a scheme it is a web or an e-mail address.
pub fn completed(address: &str) -> String {
    if address.contains(':') {
        address.to_owned()
    } else if mail(address) == Some(address.len()) {
        format!("mailto:{address}")
    } else if web(address).is_some_and(|(length, _)| length == address.len()) {
        format!("https://{address}")
    } else {
        address.to_owned()
    }
}

/// Without what belongs to the sentence around it.
fn without_punctuation(address: &str) -> &str {
    let mut end = address.len();
    let mut unclosed: isize = address
        .chars()
        .map(|c| match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        })
        .sum();
    while let Some(last) = address[..end].chars().next_back() {
        let goes = match last {
            ')' if unclosed < 0 => {
                unclosed += 1;
                true
            }
            last => ".,;:!?'_*~|…–".contains(last),
        };
        if !goes {
            break;
        }
        end -= last.len_utf8();
    }
    &address[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web_in(text: &str) -> Option<&str> {
        web(text).map(|(length, _)| &text[..length])
    }

    #[test]
    fn a_web_address_ends_where_its_sentence_goes_on() {
        assert_eq!(web_in("https://example.org/a."), Some("https://example.org/a"));
        assert_eq!(web_in("https://example.org/a), und"), Some("https://example.org/a"));
        assert_eq!(web_in("https://example.org/a_(b)."), Some("https://example.org/a_(b)"));
        assert_eq!(web_in("www.example.org, Raum 2"), Some("www.example.org"));
        assert_eq!(web_in("HTTPS://Example.org/?a=1&b=2#c"), Some("HTTPS://Example.org/?a=1&b=2#c"));
        assert_eq!(web_in("www.müller.example"), Some("www.müller.example"));
        for whole in [
            "https://x.example/?tx_news[id]=3",
            "https://x.example/?tx_news%5Bid%5D=3&tx_news[action]=detail#c[1]",
            "https://x.example/a*b*c_d__e",
            "https://x.example/?a[]=1&b[c][d]=2",
            "www.x.example/a_(b)_[c]",
            "https://x.example/css?family=A|B",
            "https://x.example/_layouts?List={8A1F-22}&a=1",
        ] {
            assert_eq!(web_in(whole), Some(whole));
            for behind in
                [".", ",", "!", ")", "]", "**", "*", "_", ").", " und", "“", "](https://y.example)", "** a**"]
            {
                let text = format!("{whole}{behind}");
                assert_eq!(web_in(&text), Some(whole), "{text}");
            }
        }
        assert_eq!(web_in("https://x.example/a[b"), Some("https://x.example/a"));
        assert_eq!(web_in("www.x.example|www.y.example"), Some("www.x.example"));
        assert_eq!(web_in("https://x.example[Bericht](https://y.example)"), Some("https://x.example"));
        let long = format!("https://x.example/{}", "a".repeat(3_000));
        assert_eq!(
            (web_in(&long), web_in(&format!("https://x.example/{}", "[".repeat(9_000)))),
            (None, Some("https://x.example/"))
        );
        for none in
            ["www.", "https://", "www.a", "https:// example.org", "ftp://example.org", "wwwx.example.org"]
        {
            assert_eq!(web_in(none), None, "{none}");
        }
    }

    #[test]
    fn a_mail_address_has_a_domain() {
        let mail_in = |text: &'static str| mail(text).map(|length| &text[..length]);
        assert_eq!(mail_in("projekt@example.org."), Some("projekt@example.org"));
        assert_eq!(mail_in("a.b+c_d@mail.müller.example)"), Some("a.b+c_d@mail.müller.example"));
        for none in ["a@b", "@example.org", "a@1.2", "a@.org", "z.B.", "a b@example.org", "@lok_lausitz"] {
            assert_eq!(mail_in(none), None, "{none}");
        }
    }

    #[test]
    fn a_link_needs_no_scheme() {
        assert_eq!(completed("www.example.org/a"), "https://www.example.org/a");
        assert_eq!(completed("projekt@example.org"), "mailto:projekt@example.org");
        assert_eq!(completed("javascript:alert(1)"), "javascript:alert(1)");
        assert_eq!(completed("bericht.pdf"), "bericht.pdf");
    }
}
