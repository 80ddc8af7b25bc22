//! EHLO, and what the relay offers in its reply (RFC 5321 §4.1.1.1).

use std::time::Duration;

use crate::delivery::smtp::{
    conversation::{Conversation, Unanswered},
    reply::Reply,
};

/// What the relay offers. It counts for the session it was said in: after STARTTLS only what is offered then
/// (RFC 3207 §4.2). After a login nobody asks again, because relays refuse that, or forget the login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Several commands may be sent at once (RFC 2920).
    pub pipelining: bool,
    /// It can be said when and how to report what becomes of a message (RFC 3461).
    pub dsn: bool,
    /// The line can be encrypted (RFC 3207).
    pub starttls: bool,
    /// Ways to log in, in capitals (RFC 4954).
    pub mechanisms: Vec<String>,
}

impl Extensions {
    /// Reads the reply's lines behind the first, which is the relay's name. What is unclear is not offered.
    fn read(lines: &[String]) -> Self {
        let mut extensions = Self::default();
        for line in lines.iter().skip(1) {
            let mut words = line.split_whitespace().map(str::to_ascii_uppercase);
            let Some(keyword) = words.next() else { continue };
            match keyword.as_str() {
                "PIPELINING" => extensions.pipelining = true,
                "DSN" => extensions.dsn = true,
                "STARTTLS" => extensions.starttls = true,
                "AUTH" => extensions.mechanisms.extend(words),
                // As written before RFC 2554, and by some relays to this day: `AUTH=LOGIN PLAIN`.
                _ => {
                    if let Some(first) = keyword.strip_prefix("AUTH=") {
                        extensions.mechanisms.push(first.to_owned());
                        extensions.mechanisms.extend(words);
                    }
                }
            }
        }
        extensions.mechanisms.retain(|mechanism| !mechanism.is_empty());
        extensions.mechanisms.sort_unstable();
        extensions.mechanisms.dedup();
        extensions
    }
}

/// Says EHLO, or HELO to a relay that does not know EHLO (RFC 5321 §3.2). Answers the refusal when it wants neither.
pub async fn ehlo(
    relay: &mut Conversation,
    name: &str,
    limit: Duration,
) -> Result<Result<Extensions, Reply>, Unanswered> {
    let (code, lines) = relay.lines(&format!("EHLO {name}\r\n"), limit).await?;
    if (200..300).contains(&code) {
        return Ok(Ok(Extensions::read(&lines)));
    }
    if matches!(code, 500 | 502 | 504) {
        let answer = relay.command(&format!("HELO {name}\r\n"), limit).await?;
        let is_welcome = (200..300).contains(&answer.code);
        return Ok(if is_welcome { Ok(Extensions::default()) } else { Err(answer) });
    }
    Ok(Err(Reply { code, text: lines.join("; ") }))
}

/// Our name as EHLO wants it: a domain, or an address literal (RFC 5321 §4.1.3).
pub fn name(host: &str) -> String {
    match host.trim_matches(['[', ']']).parse() {
        Ok(std::net::IpAddr::V4(address)) => format!("[{address}]"),
        Ok(std::net::IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str) -> Extensions {
        Extensions::read(&reply.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn keywords_are_read_in_any_case_and_the_name_is_none() {
        let extensions =
            read("relay.test\nSIZE 10\npipelining\nStartTLS\nAuth plain LOGIN\nAUTH=LOGIN CRAM-MD5");
        assert!(extensions.pipelining && extensions.starttls);
        assert_eq!(extensions.mechanisms, ["CRAM-MD5", "LOGIN", "PLAIN"]);
        // A relay whose own name is a keyword offers nothing by that.
        assert_eq!(read("PIPELINING"), Extensions::default());
    }

    #[test]
    fn what_is_unclear_is_not_offered() {
        for reply in ["relay.test", "relay.test\nXPIPELINING", "relay.test\nNO PIPELINING", "relay.test\n\n "]
        {
            assert_eq!(read(reply), Extensions::default(), "{reply}");
        }
    }

    #[test]
    fn an_address_is_named_as_a_literal() {
        assert_eq!(name("news.example.org"), "news.example.org");
        assert_eq!(name("192.0.2.1"), "[192.0.2.1]");
        assert_eq!(name("[2001:db8::1]"), "[IPv6:2001:db8::1]");
    }
}
