//! The head of a mail of ours that arrived, as somebody copied it from a mail program: which headers its DKIM signatures
//! cover (RFC 6376), and what the receiver says of them (RFC 8601).
//!
//! No signature is verified here: the receiver has done that, and says so in `Authentication-Results`. What the head does
//! not say is not claimed.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::signature_seen::{SeenSignature, SignatureVerdict};

/// The headers that a signature has to cover, so that unsubscribing with one click counts (RFC 8058 §4).
const NEEDED: [&str; 2] = ["List-Unsubscribe", "List-Unsubscribe-Post"];

/// Bytes that are looked at. Heads have some thousand; mail servers take no more than some hundred thousand.
const MOST: usize = 256 * 1024;

/// Signatures and results that are looked at. A mail has two or three.
const MOST_SIGNATURES: usize = 20;
const MOST_RESULTS: usize = 100;

/// Why a text says nothing about the signature. The way out: the whole source of a test mail that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It has not the headers of an update or a test mail.
    #[error(
        "no head of an update or test mail is in it: List-Unsubscribe-Post, List-Id, From or Date is missing"
    )]
    NoHead,
    /// The mail is another list's.
    #[error("it is a mail of another newsletter")]
    NotOurs,
    /// The mail is from another sender than mails have now.
    #[error("it is from another sender than mails have now")]
    OtherSender,
    /// No server has taken it yet.
    #[error("it has not arrived anywhere: no Received is in it")]
    NotReceived,
    /// The lines of the signature are missing, of which the receiver says what it found.
    #[error("it says what the receiver found of a signature, and the signature is not in it")]
    SignatureCut,
    /// Its date lies in the future.
    #[error("its Date lies in the future")]
    Future,
}

/// What the head of a mail of the list `list_id`, from `sender_domain`, says.
///
/// `text` is the mail or its head, as copied: text before the head and other line ends do no harm.
///
/// # Errors
/// [`Unusable`]; then nothing is known.
pub fn examine(
    text: &str,
    list_id: &str,
    sender_domain: &str,
    now: DateTime<Utc>,
) -> Result<SeenSignature, Unusable> {
    let head = HeaderFields::find(text).ok_or(Unusable::NoHead)?;
    let own_list = format!("<{list_id}>");
    let (Some(list), Some(from), Some(date)) = (head.one("list-id"), head.one("from"), head.one("date"))
    else {
        return Err(Unusable::NoHead);
    };
    if !list.ends_with(&own_list) {
        return Err(Unusable::NotOurs);
    }
    let domain = from.trim_end_matches('>').rsplit('@').next().unwrap_or_default();
    if !domain.eq_ignore_ascii_case(sender_domain) {
        return Err(Unusable::OtherSender);
    }
    if head.one("received").is_none() {
        return Err(Unusable::NotReceived);
    }
    let mail_dated = DateTime::parse_from_rfc2822(date).map_err(|_| Unusable::NoHead)?.to_utc();
    if mail_dated > now + TimeDelta::hours(1) {
        return Err(Unusable::Future);
    }
    let results = results(&head);
    if !results.is_empty() && head.one("dkim-signature").is_none() {
        return Err(Unusable::SignatureCut);
    }
    let signatures: Vec<Signature> =
        head.all("dkim-signature").filter_map(Signature::parse).take(MOST_SIGNATURES).collect();
    let seen = signatures.iter().map(|signature| signature.seen(&signatures, &results, mail_dated));
    Ok(seen.max_by_key(|seen| seen.verdict).unwrap_or_else(|| SeenSignature {
        verdict: SignatureVerdict::Unsigned,
        signing_domain: String::new(),
        selector: String::new(),
        missing: NEEDED.join(", "),
        mail_dated,
    }))
}

/// What the last receiver found. Servers before it may have said something too, and a sender can write what it likes: only
/// the topmost `Authentication-Results` counts, and others by the same server (RFC 8601 §2.2 and §5).
fn results(head: &HeaderFields) -> Vec<Checked> {
    let server =
        |value: &str| without_comments(value).split(';').next().unwrap_or_default().trim().to_owned();
    let last = head.one("authentication-results").map(server);
    let by_last = head.all("authentication-results").filter(|value| Some(server(value)) == last);
    by_last.flat_map(checked).take(MOST_RESULTS).collect()
}

/// Headers in their order, unfolded, their names in lower case.
struct HeaderFields(Vec<(String, String)>);

impl HeaderFields {
    /// The first block of lines in which `List-Unsubscribe-Post` stands. Pages that show the source have other text above.
    fn find(text: &str) -> Option<Self> {
        let mut end = text.len().min(MOST);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in text[..end].lines().chain([""]) {
            if line.trim().is_empty() {
                if headers.iter().any(|(name, _)| name == "list-unsubscribe-post") {
                    return Some(Self(headers));
                }
                headers.clear();
            } else if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = headers.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        None
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A `DKIM-Signature` (RFC 6376 §3.5), as far as it is of interest.
struct Signature {
    domain: String,
    selector: String,
    /// The beginning of the signature itself, by which a receiver may name it.
    bytes: String,
    /// The headers of [`NEEDED`] that it does not cover.
    missing: Vec<&'static str>,
}

impl Signature {
    /// Nothing when it is none that a receiver would take for one.
    fn parse(value: &str) -> Option<Self> {
        let mut tags = HashMap::new();
        for tag in value.split(';').filter(|tag| !tag.trim().is_empty()) {
            let (name, value) = tag.split_once('=')?;
            let value: String = value.chars().filter(|c| !c.is_whitespace()).collect();
            // RFC 6376 §3.2: a tag that stands twice makes the whole of it invalid.
            if tags.insert(name.trim(), value).is_some() {
                return None;
            }
        }
        let name = |tag: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let name = tags.get(tag)?.to_ascii_lowercase();
            (!name.is_empty() && name.len() <= 253 && name.chars().all(is_plain)).then_some(name)
        };
        let covered = tags.get("h")?.to_ascii_lowercase();
        let covers = |header: &str| covered.split(':').any(|one| one.eq_ignore_ascii_case(header));
        Some(Self {
            domain: name("d")?,
            selector: name("s")?,
            bytes: tags.get("b").cloned().unwrap_or_default(),
            missing: NEEDED.into_iter().filter(|header| !covers(header)).collect(),
        })
    }

    /// What is known of it, beside `all` that the head has.
    fn seen(&self, all: &[Signature], results: &[Checked], mail_dated: DateTime<Utc>) -> SeenSignature {
        // A result that may be meant for another signature, which covers less, proves nothing of this one.
        let is_clear = |result: &Checked| {
            all.iter().filter(|other| result.is_about(other)).all(|other| other.missing == self.missing)
        };
        let about = results.iter().filter(|result| result.is_about(self) && is_clear(result));
        let mut about = about.peekable();
        let is_checked = about.peek().is_some();
        let verdict = match (self.missing.is_empty(), about.any(|result| result.is_valid)) {
            (false, _) => SignatureVerdict::Incomplete,
            (true, true) => SignatureVerdict::Right,
            (true, false) if is_checked => SignatureVerdict::Failed,
            (true, false) => SignatureVerdict::Unproven,
        };
        SeenSignature {
            verdict,
            signing_domain: self.domain.clone(),
            selector: self.selector.clone(),
            missing: self.missing.join(", "),
            mail_dated,
        }
    }
}

/// What a receiver found out about a signature (RFC 8601 §2.7.1).
struct Checked {
    is_valid: bool,
    domain: String,
    /// It is of an identity (`header.i`), which may be of a domain below the one that signs (RFC 6376 §3.5).
    is_identity: bool,
    selector: Option<String>,
    bytes: Option<String>,
}

impl Checked {
    fn is_about(&self, signature: &Signature) -> bool {
        let below = self.domain.strip_suffix(signature.domain.as_str());
        let domain = below.is_some_and(|below| below.is_empty() || self.is_identity && below.ends_with('.'));
        let selector = self.selector.as_ref().is_none_or(|selector| *selector == signature.selector);
        domain
            && selector
            && self.bytes.as_ref().is_none_or(|bytes| signature.bytes.starts_with(bytes.as_str()))
    }
}

/// The results of DKIM in an `Authentication-Results`. One that could not be checked just then says nothing.
fn checked(value: &str) -> Vec<Checked> {
    let value = without_comments(value);
    let results = value.split(';').filter_map(|result| {
        let mut words = result.split_whitespace();
        let verdict = words.next()?.to_ascii_lowercase();
        let verdict = verdict.strip_prefix("dkim=")?;
        if matches!(verdict, "none" | "temperror") {
            return None;
        }
        let property = |name: &str| {
            let mut words = result.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)).map(|value| value.trim_matches('"').to_owned())
        };
        let named = property("header.d=");
        let is_identity = named.is_none();
        let domain = named.or_else(|| {
            property("header.i=").map(|identity| identity.rsplit('@').next().unwrap_or_default().to_owned())
        })?;
        Some(Checked {
            is_valid: verdict == "pass",
            domain: domain.to_ascii_lowercase(),
            is_identity,
            selector: property("header.s=").map(|selector| selector.to_ascii_lowercase()),
            bytes: property("header.b="),
        })
    });
    results.collect()
}

/// A header's value without what stands in brackets (RFC 5322 §3.2.2).
fn without_comments(value: &str) -> String {
    let mut depth = 0_usize;
    let kept = value.chars().filter(|c| {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                return false;
            }
            _ => {}
        }
        depth == 0
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "rundbrief.brief.example.org";

    fn now() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-12-16T10:00:00Z").unwrap().to_utc()
    }

    /// A head as a receiver shows it, with these lines above those of ours.
    fn head(above: &str) -> String {
        format!(
            "Delivered-To: maria@example.net\r\nReceived: by mx.example.net; Wed, 16 Dec 2026 09:00:02 +0000\r\n{above}\
             Date: Wed, 16 Dec 2026 09:00:00 +0000\r\nFrom: Rundbrief <brief@example.org>\r\n\
             List-Id: Rundbrief <{LIST}>\r\nList-Unsubscribe: <https://brief.example.org/unsubscribe/a>\r\n\
             List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nSubject: [Test] A\r\n\r\nDKIM-Signature: in the text\r\n"
        )
    }

    fn seen(above: &str) -> SeenSignature {
        examine(&head(above), LIST, "example.org", now()).unwrap()
    }

    fn verdict(above: &str) -> SignatureVerdict {
        seen(above).verdict
    }

    /// A signature that covers these besides what all cover.
    fn signature(domain: &str, covered: &str) -> String {
        format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=sel1;\r\n\tt=1700000000; bh=AA==;\r\n\
             \th=From:To:Date:Subject:List-Id:\r\n\t {covered};\r\n\tb=Q2Fm\r\n\t ZSs=\r\n"
        )
    }

    const BOTH: &str = "List-Unsubscribe:list-unsubscribe-post";
    const PASS: &str = "Authentication-Results: mx.example.net;\r\n       dkim=pass (2048-bit key; d=x) header.i=@example.org header.s=sel1 header.b=Q2Fm;\r\n spf=pass\r\n";

    #[test]
    fn what_opendkim_signs_by_default_leaves_out_the_header_that_one_click_needs() {
        let default = seen(&signature("example.org", "List-Help:List-Unsubscribe"));
        assert_eq!(
            (default.verdict, default.missing.as_str()),
            (SignatureVerdict::Incomplete, "List-Unsubscribe-Post")
        );
        assert_eq!((default.signing_domain.as_str(), default.selector.as_str()), ("example.org", "sel1"));
        // A receiver that finds it valid does not make it cover more.
        assert_eq!(
            verdict(&(PASS.to_owned() + &signature("example.org", "List-Unsubscribe"))),
            SignatureVerdict::Incomplete
        );
        let neither = seen(&signature("example.org", "Message-ID"));
        assert_eq!(neither.missing, "List-Unsubscribe, List-Unsubscribe-Post");
    }

    #[test]
    fn it_is_right_where_the_receiver_says_so_and_else_not_claimed() {
        let signed = signature("example.org", BOTH);
        assert_eq!(verdict(&signed), SignatureVerdict::Unproven);
        assert_eq!(verdict(&(PASS.to_owned() + &signed)), SignatureVerdict::Right);
        for (result, expected) in [
            ("dkim=fail header.d=example.org", SignatureVerdict::Failed),
            ("dkim=permerror header.d=example.org header.s=sel1", SignatureVerdict::Failed),
            ("dkim=temperror header.d=example.org", SignatureVerdict::Unproven),
            ("dkim=none", SignatureVerdict::Unproven),
            ("dkim=pass header.d=example.com", SignatureVerdict::Unproven),
            ("dkim=pass header.d=notexample.org", SignatureVerdict::Unproven),
            ("dkim=pass header.d=example.org header.s=other", SignatureVerdict::Unproven),
            ("dkim=pass header.d=example.org header.b=ZZZZ", SignatureVerdict::Unproven),
            ("(dkim=pass header.d=example.org) spf=pass", SignatureVerdict::Unproven),
            ("dkim=fail header.d=example.org; dkim=pass header.d=example.org", SignatureVerdict::Right),
            ("dkim=pass header.i=brief@news.example.org", SignatureVerdict::Right),
        ] {
            let above = format!("Authentication-Results: mx; {result}\r\n{signed}");
            assert_eq!(verdict(&above), expected, "{result}");
        }
    }

    #[test]
    fn a_pass_of_another_signature_or_by_another_server_proves_nothing() {
        let (whole, part) = (signature("example.org", BOTH), signature("mail.example.org", "Message-ID"));
        let told = |lines: &str| verdict(&format!("{lines}{part}{whole}"));
        // The relay's own signature is valid; the one that matters is not.
        let both = "Authentication-Results: mx; dkim=fail header.d=example.org; dkim=pass header.d=mail.example.org\r\n";
        assert_eq!(told(both), SignatureVerdict::Failed);
        let (fails, passes) = ("dkim=fail header.d=example.org", "dkim=pass header.d=example.org");
        let two = |first: &str, second: &str| {
            told(&format!(
                "Authentication-Results: mx.example.net; {first}\r\nAuthentication-Results: {second}\r\n"
            ))
        };
        assert_eq!(two(fails, &format!("gateway.example; {passes}")), SignatureVerdict::Failed);
        assert_eq!(two("spf=pass", &format!("gateway.example; {passes}")), SignatureVerdict::Unproven);
        assert_eq!(two("spf=pass", &format!("mx.example.net; {passes}")), SignatureVerdict::Right);
        // Two of one domain, and nobody says which of them is meant.
        let less = signature("example.org", "Message-ID").replace("s=sel1", "s=sel2");
        let above = format!("Authentication-Results: mx; {passes}\r\n{less}{whole}");
        assert_eq!(verdict(&above), SignatureVerdict::Unproven);
        let above = format!("Authentication-Results: mx; {passes} header.s=sel1\r\n{less}{whole}");
        assert_eq!(verdict(&above), SignatureVerdict::Right);
    }

    #[test]
    fn a_head_without_the_signature_that_was_checked_is_not_whole() {
        let cut = examine(&head(PASS), LIST, "example.org", now()).unwrap_err();
        assert_eq!(cut, Unusable::SignatureCut);
    }

    #[test]
    fn of_several_signatures_the_best_counts() {
        let relay = signature("relay.example", "Message-ID");
        let above = PASS.to_owned() + &relay + &signature("example.org", BOTH) + &relay;
        let seen = seen(&above);
        assert_eq!((seen.verdict, seen.signing_domain.as_str()), (SignatureVerdict::Right, "example.org"));
    }

    #[test]
    fn what_is_no_signature_does_not_count_as_one() {
        assert_eq!(verdict(""), SignatureVerdict::Unsigned);
        for broken in [
            "DKIM-Signature: nonsense\r\n",
            "DKIM-Signature: d=example.org; s=a\r\n",
            "DKIM-Signature: d=example.org; d=example.com; s=a; h=List-Unsubscribe:List-Unsubscribe-Post\r\n",
            "DKIM-Signature: d=<b>; s=a; h=List-Unsubscribe:List-Unsubscribe-Post\r\n",
        ] {
            assert_eq!(verdict(broken), SignatureVerdict::Unsigned, "{broken}");
        }
    }

    #[test]
    fn a_page_around_the_head_and_other_line_ends_do_no_harm() {
        let right = head(&(PASS.to_owned() + &signature("example.org", BOTH)));
        for text in [
            right.replace("\r\n", "\n"),
            format!("Original message\n\nMessage ID\t<a@example.org>\nDKIM: 'PASS'\n\n{right}"),
            format!("From maria@example.net Wed Dec 16 09:00:02 2026\n{right}"),
            format!("\u{feff}{right}"),
        ] {
            assert_eq!(
                examine(&text, LIST, "Example.ORG", now()).unwrap().verdict,
                SignatureVerdict::Right,
                "{text}"
            );
        }
    }

    #[test]
    fn from_anything_else_nothing_is_concluded() {
        let right = head(&signature("example.org", BOTH));
        let tried = |text: &str| examine(text, LIST, "example.org", now()).unwrap_err();
        assert_eq!(tried(""), Unusable::NoHead);
        assert_eq!(tried("Hallo\n\nWelt"), Unusable::NoHead);
        assert_eq!(tried(&right.replace("List-Unsubscribe-Post", "X")), Unusable::NoHead);
        assert_eq!(tried(&right.replace("Date: Wed", "Date: Foo")), Unusable::NoHead);
        assert_eq!(tried(&right.replace(LIST, "other.example.org")), Unusable::NotOurs);
        assert_eq!(tried(&right.replace("brief@example.org", "brief@example.com")), Unusable::OtherSender);
        assert_eq!(tried(&right.replace("Received:", "X:")), Unusable::NotReceived);
        assert_eq!(
            tried(&right.replace("Date: Wed, 16 Dec 2026", "Date: Thu, 17 Dec 2026")),
            Unusable::Future
        );
        assert_eq!(tried(&"List-Unsubscribe-Post:a\n ".repeat(200_000)), Unusable::NoHead);
        assert_eq!(tried(&"ü".repeat(200_000)), Unusable::NoHead);
    }
}
