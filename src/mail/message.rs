//! The message itself: headers (RFC 5322), multipart (RFC 2046), and what is one recipient's own.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    config::PublicUrl,
    domain::{address::EmailAddress, ids::DeliveryId, locale::Locale, publication::Content},
    mail::{
        encoding::{display_name, mailto, quoted_printable_line, unstructured},
        merge_fields::{MergeLine, OwnTokens},
        templates::{MailKind, Rendered},
    },
};

/// A message with everything in it but what is one recipient's own.
///
/// Lines are encoded one by one, so those without merge fields are encoded here, once, and copied for each recipient.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The sender's address, for the envelope too.
    sender: EmailAddress,
    /// Headers that are the same for everybody, each ending in CRLF.
    headers: Vec<u8>,
    body: Vec<Piece>,
    links: ListLinks,
}

#[derive(Debug, Clone)]
enum Piece {
    /// Bytes that go out as they are.
    Fixed(Vec<u8>),
    /// A line to be filled in and encoded for each recipient.
    Own(MergeLine),
}

/// What the list headers hold besides the recipient's own address.
#[derive(Debug, Clone)]
struct ListLinks {
    /// Everything before the unsubscribe token; nothing for mails that are no part of a subscription.
    unsubscribe_prefix: Option<String>,
    /// The `mailto:` URL of the mailbox that is there for unsubscribing, if there is one.
    mailto: Option<String>,
}

/// What is one recipient's own.
#[derive(Debug, Clone)]
pub struct Recipient<'a> {
    pub to: &'a EmailAddress,
    /// The subscriber's own tokens; nothing for mails to somebody who is no subscriber.
    pub tokens: Option<&'a OwnTokens>,
    /// The message's own name, see [`message_id`].
    pub message_id: &'a str,
    pub date: DateTime<Utc>,
}

/// Why a message cannot be made. Give up on it and tell the operator.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The publication has no sender address.
    #[error("the publication has no sender address; set sender.address")]
    NoSender,
}

impl Frame {
    /// Encodes a filled template, whose language is `locale`.
    ///
    /// # Errors
    /// [`MessageError::NoSender`].
    pub fn new(
        kind: MailKind,
        locale: Locale,
        rendered: &Rendered,
        publication: &Content,
        public_url: &PublicUrl,
    ) -> Result<Self, MessageError> {
        let sender = publication.sender.address.clone().ok_or(MessageError::NoSender)?;
        let boundary = boundary(rendered);
        let mut headers = Vec::with_capacity(600);
        let mut header =
            |name: &str, value: &str| headers.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        header("From", &format!("{} <{}>", display_name(&publication.sender.name), sender.as_str()));
        let reply_to = publication.sender.reply_to.as_ref();
        if let Some(reply_to) = reply_to {
            header("Reply-To", &format!("<{}>", reply_to.as_str()));
        }
        header("Subject", &unstructured("Subject", &rendered.subject));
        if kind == MailKind::Update {
            // RFC 2919: identifies the list whatever its address; filters go by it.
            let (name, id) = (display_name(&publication.name), public_url.list_id());
            let fold = if "List-Id:  <>".len() + name.len() + id.len() > 78 { "\r\n" } else { "" };
            header("List-Id", &format!("{name}{fold} <{id}>"));
            // RFC 2369 §3.1: where help is. No page gives it; whoever the answers go to does.
            header(
                "List-Help",
                &format!("<{}>", mailto(reply_to.unwrap_or(&sender), locale.language().help)),
            );
            // RFC 3834 §2: what answers by itself keeps quiet to a list. Not `bulk`, which some filters count against it.
            header("Precedence", "list");
        } else {
            // RFC 3834 §5: no vacation notice answers this.
            header("Auto-Submitted", "auto-generated");
        }
        // Exchange and Outlook go by this alone ([MS-OXCMAIL] 2.1.3.2.5). Not `All`: that keeps bounces from coming back.
        header("X-Auto-Response-Suppress", "OOF, AutoReply");
        header("MIME-Version", "1.0");
        header("Content-Language", locale.tag());
        header("Content-Type", &format!("multipart/alternative;\r\n boundary=\"{boundary}\""));

        let mut body = Body::default();
        // Text first: the last part is the one a mail program prefers (RFC 2046 §5.1.4).
        for (media_type, content) in [("text/plain", &rendered.text), ("text/html", &rendered.html)] {
            body.fixed(&format!(
                "--{boundary}\r\nContent-Type: {media_type}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            ));
            for line in content.lines() {
                body.line(line);
            }
        }
        body.fixed(&format!("--{boundary}--\r\n"));
        let links = ListLinks {
            unsubscribe_prefix: kind.is_part_of_subscription().then(|| public_url.join("/unsubscribe/")),
            mailto: publication
                .sender
                .unsubscribe_mailto
                .as_ref()
                .map(|address| mailto(address, "unsubscribe")),
        };
        Ok(Self { sender, headers, body: body.0, links })
    }

    /// The address the message is from, for the envelope.
    #[must_use]
    pub fn sender(&self) -> &EmailAddress {
        &self.sender
    }

    /// The whole message for one recipient, with CRLF line ends, in pure ASCII.
    #[must_use]
    pub fn for_recipient(&self, recipient: &Recipient<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size_hint());
        let mut header =
            |name: &str, value: &str| out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        header("Date", &recipient.date.format("%a, %d %b %Y %H:%M:%S +0000").to_string());
        header("Message-ID", recipient.message_id);
        header("To", &format!("<{}>", recipient.to.as_str()));
        if let (Some(prefix), Some(tokens)) = (&self.links.unsubscribe_prefix, recipient.tokens) {
            // RFC 2369 §3.2 and RFC 8058 §3.1; the mailto comes second, because the first one is preferred. On one line,
            // because not every receiver unfolds it: names of hosts and addresses are never so long that it passes 998.
            let mut links = vec![format!("<{prefix}{}>", tokens.unsubscribe)];
            links.extend(self.links.mailto.as_ref().map(|mailto| format!("<{mailto}>")));
            header("List-Unsubscribe", &links.join(", "));
            header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
        }
        out.extend_from_slice(&self.headers);
        out.extend_from_slice(b"\r\n");
        let nobody = OwnTokens { unsubscribe: String::new(), manage: String::new() };
        let tokens = recipient.tokens.unwrap_or(&nobody);
        for piece in &self.body {
            match piece {
                Piece::Fixed(bytes) => out.extend_from_slice(bytes),
                Piece::Own(line) => quoted_printable_line(&line.filled(tokens), &mut out),
            }
        }
        out
    }

    fn size_hint(&self) -> usize {
        let fixed: usize = self
            .body
            .iter()
            .map(|piece| match piece {
                Piece::Fixed(bytes) => bytes.len(),
                Piece::Own(_) => 512,
            })
            .sum();
        fixed + self.headers.len() + 512
    }
}

/// A body under construction: neighbouring fixed bytes become one piece.
#[derive(Default)]
struct Body(Vec<Piece>);

impl Body {
    fn fixed(&mut self, text: &str) {
        self.bytes().extend_from_slice(text.as_bytes());
    }

    fn line(&mut self, line: &str) {
        match MergeLine::parse(line) {
            Some(own) => self.0.push(Piece::Own(own)),
            None => quoted_printable_line(line, self.bytes()),
        }
    }

    fn bytes(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0.last(), Some(Piece::Fixed(_))) {
            self.0.push(Piece::Fixed(Vec::new()));
        }
        match self.0.last_mut() {
            Some(Piece::Fixed(bytes)) => bytes,
            _ => unreachable!("a fixed piece was just put there"),
        }
    }
}

/// A boundary that cannot stand in the parts: `=_` is no valid quoted-printable (RFC 2045 §6.7). It follows from
/// the subject, so that the same mail is the same bytes whoever it is for.
fn boundary(rendered: &Rendered) -> String {
    let digest = Sha256::digest(rendered.subject.as_bytes());
    format!("=_rundbrief_{}", hex::encode(&digest[..12]))
}

/// The name of a delivery's message, the same on every retry, so that a mail program recognises a second copy.
///
/// `parent` is the mailing, signup, subscriber or update the delivery belongs to. The delivery's own number, which
/// counts up, does not show.
#[must_use]
pub fn message_id(delivery: DeliveryId, parent: Uuid, public_url: &PublicUrl) -> String {
    let mut digest = Sha256::new();
    digest.update(delivery.0.to_be_bytes());
    digest.update(parent.as_bytes());
    format!("<{}@{}>", hex::encode(&digest.finalize()[..16]), public_url.host())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::PublicUrl,
        mail::merge_fields::{MANAGE, UNSUBSCRIBE},
    };

    fn rendered(text: &str) -> Rendered {
        Rendered { subject: "Grüße".into(), text: text.into(), html: format!("<p>{text}</p>\n") }
    }

    fn publication() -> Content {
        let mut content = Content { name: "N".into(), ..Content::default() };
        content.sender.name = "Büro".into();
        content.sender.address = EmailAddress::parse("brief@example.org").ok();
        content
    }

    fn frame(text: &str) -> Frame {
        let url = PublicUrl::parse("https://brief.example.org").unwrap();
        Frame::new(MailKind::Update, Locale::De, &rendered(text), &publication(), &url).unwrap()
    }

    /// The token of the settings page is the other one, turned around.
    fn tokens(token: &str) -> OwnTokens {
        OwnTokens { unsubscribe: token.to_owned(), manage: token.chars().rev().collect() }
    }

    fn plain(text: &str, token: &str) -> String {
        let tokens = tokens(token);
        text.replace(UNSUBSCRIBE, &tokens.unsubscribe).replace(MANAGE, &tokens.manage)
    }

    fn filled(frame: &Frame, to: &EmailAddress, token: &str) -> Vec<u8> {
        let date = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let message_id = "<1@example.org>";
        frame.for_recipient(&Recipient { to, tokens: Some(&tokens(token)), message_id, date })
    }

    fn built(text: &str, token: &str) -> Vec<u8> {
        filled(&frame(text), &EmailAddress::parse("maria@example.org").unwrap(), token)
    }

    /// Chance with a seed, so that what went wrong can be repeated (xorshift64).
    struct Chance(u64);

    impl Chance {
        fn of(seed: u64) -> Self {
            // An odd factor keeps a seed that is not zero from becoming zero, where xorshift would stay.
            Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        }

        /// A number from 0 to `n` - 1.
        fn below(&mut self, n: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from((self.0 >> 11) % u64::try_from(n).unwrap()).unwrap()
        }

        fn one_in(&mut self, n: usize) -> bool {
            self.below(n) == 0
        }

        fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
            from[self.below(from.len())]
        }

        /// So many letters of an alphabet in ASCII.
        fn word(&mut self, alphabet: &str, length: usize) -> String {
            (0..length).map(|_| char::from(alphabet.as_bytes()[self.below(alphabet.len())])).collect()
        }

        /// 43 letters of base64url, as every token of a subscriber has them.
        fn token(&mut self) -> String {
            self.word("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 43)
        }

        fn address(&mut self) -> EmailAddress {
            const ATEXT: &str = "ABCXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~-";
            const LABEL: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
            let mut address = String::new();
            for at in 0..=self.below(3) {
                let length = 1 + self.below(20);
                address += if at > 0 { "." } else { "" };
                address += &self.word(ATEXT, length);
            }
            address.push('@');
            for _ in 0..=self.below(3) {
                let length = 1 + self.below(20);
                address += if self.one_in(4) { "ü" } else { "" };
                address += &self.word(LABEL, length);
                address.push('.');
            }
            address += self.pick(&["org", "de", "example"]);
            EmailAddress::parse(&address).unwrap_or_else(|error| panic!("{address}: {error}"))
        }

        /// A text with merge fields at any place, as staff might write it, and worse.
        fn content(&mut self) -> String {
            const PIECES: [&str; 26] = [
                "Wort",
                "und",
                " ",
                "  ",
                "\t",
                ".",
                "..",
                ". ",
                "=",
                "=3D",
                "=\t",
                "für",
                "Übung",
                "ß",
                "„Zitat“",
                " – ",
                "🌍",
                "👩\u{200d}🔧",
                "\u{a0}",
                "<a href=\"https://brief.example.org/unsubscribe/",
                "\">",
                "https://www.example.org/ein/langer/weg?mit=wert&und=noch",
                "-- ",
                "--=_rundbrief_",
                "From ",
                ">From ",
            ];
            let mut text = String::new();
            for _ in 0..=self.below(12) {
                if self.one_in(4) {
                    text += self.pick(&[".", "..", ". ", ".\t", "From ", ">From "]);
                }
                for _ in 0..self.below(10) {
                    let field = if self.one_in(2) { UNSUBSCRIBE } else { MANAGE };
                    let piece = if self.one_in(5) { field } else { self.pick(&PIECES) };
                    let times = if self.one_in(8) { 1 + self.below(80) } else { 1 };
                    text += &piece.repeat(times);
                }
                if self.one_in(4) {
                    text += self.pick(&[" ", "   ", "\t", " \t "]);
                }
                text.push('\n');
            }
            text + UNSUBSCRIBE
        }
    }

    /// What holds for every message, whatever is in it.
    fn assert_well_formed(message: &[u8], seed: u64) {
        let message = str::from_utf8(message).unwrap();
        assert!(message.is_ascii(), "seed {seed}");
        assert!(message.ends_with("\r\n"), "seed {seed}");
        assert!(!message.replace("\r\n", "").contains(['\r', '\n']), "seed {seed}: a line without CRLF");
        let (head, body) = message.split_once("\r\n\r\n").unwrap();
        // A long address and a link can be neither broken nor folded; 998 is what no line may exceed.
        let is_whole = |line: &str| {
            line.starts_with("To: <")
                || line.starts_with("List-Unsubscribe: <")
                || line.starts_with("List-Help: <")
        };
        let head = head.split("\r\n").map(|line| (line, if is_whole(line) { 998 } else { 78 }));
        for (line, longest) in head.chain(body.split("\r\n").map(|line| (line, 78))) {
            assert!(line.len() <= longest, "seed {seed}: {line:?} is too long");
            assert!(!line.starts_with('.'), "seed {seed}: {line:?} would need another dot on the wire");
            let is_quoted = line.trim_start_matches('>').starts_with("From ");
            assert!(!is_quoted, "seed {seed}: {line:?} would be quoted in an mbox file");
        }
    }

    #[test]
    fn a_spliced_mail_equals_the_plainly_built_one() {
        let token = "token".repeat(8) + "end";
        for around in [
            "",
            "ä",
            "= ",
            &"x".repeat(70),
            &"ü".repeat(200),
            "<a href=\"https://brief.example.org/unsubscribe/",
        ] {
            let text = format!("Vorher\n{around}{UNSUBSCRIBE}{around}\n{MANAGE}{around}\nNachher {around}\n");
            assert!(built(&text, &token) == built(&plain(&text, &token), &token), "around {around:?}");
        }
    }

    #[test]
    fn for_any_address_token_and_content_a_spliced_mail_equals_the_plainly_built_one() {
        for seed in 1..=1_000 {
            let mut chance = Chance::of(seed);
            let content = chance.content();
            let spliced = frame(&content);
            for _ in 0..3 {
                let (to, token) = (chance.address(), chance.token());
                let message = filled(&spliced, &to, &token);
                let plain = filled(&frame(&plain(&content, &token)), &to, &token);
                assert!(message == plain, "seed {seed}: {content:?}");
                assert_well_formed(&message, seed);
            }
        }
    }

    #[test]
    fn the_ways_to_unsubscribe_stand_on_one_line_that_is_never_too_long() {
        let header = |host: &str, mailto: &str| {
            let url = PublicUrl::parse(&format!("https://{host}")).unwrap();
            let mut publication = publication();
            publication.sender.unsubscribe_mailto = Some(EmailAddress::parse(mailto).unwrap());
            let frame = Frame::new(MailKind::Update, Locale::De, &rendered("x"), &publication, &url).unwrap();
            let to = EmailAddress::parse("maria@example.org").unwrap();
            let message = String::from_utf8(filled(&frame, &to, &"t".repeat(43))).unwrap();
            let mut lines = message.split("\r\n").skip_while(|line| !line.starts_with("List-Unsubscribe: "));
            let line = lines.next().unwrap().to_owned();
            assert_eq!(lines.next(), Some("List-Unsubscribe-Post: List-Unsubscribe=One-Click"));
            line
        };
        let short = header("brief.example.org", "a?b@example.org");
        assert!(short.ends_with("ttt>, <mailto:a%3Fb@example.org?subject=unsubscribe>"), "{short}");
        let host = format!("{}.org", [&*"a".repeat(61); 4].join("."));
        let long = header(&format!("{host}:65535"), &format!("{}@{}", "?".repeat(64), &host[66..]));
        assert!((600..=998).contains(&long.len()), "{}: {long}", long.len());
    }

    #[test]
    fn lines_are_short_ascii_and_end_in_crlf() {
        let message = String::from_utf8(built(&"Übung macht den Meister. ".repeat(60), "t")).unwrap();
        assert!(message.is_ascii());
        assert!(!message.replace("\r\n", "").contains(['\r', '\n']));
        assert!(message.split("\r\n").all(|line| line.len() <= 78), "{message}");
    }

    #[test]
    fn a_message_keeps_its_name_on_every_retry_and_shares_it_with_nobody() {
        let url = PublicUrl::parse("https://brief.example.org").unwrap();
        let parent = Uuid::now_v7();
        assert_eq!(message_id(DeliveryId(1), parent, &url), message_id(DeliveryId(1), parent, &url));
        assert_ne!(message_id(DeliveryId(1), parent, &url), message_id(DeliveryId(2), parent, &url));
        assert_ne!(message_id(DeliveryId(1), parent, &url), message_id(DeliveryId(1), Uuid::now_v7(), &url));
    }
}
