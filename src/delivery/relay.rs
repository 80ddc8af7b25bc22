//! One conversation with the relay (RFC 5321): open it, hand over messages, close it.

use std::{
    borrow::Cow,
    fmt::{Display, Write as _},
    time::Duration,
};

use lettre::transport::smtp::{
    Error as SmtpError,
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, TlsParameters},
    extension::ClientId,
    response::Response,
};
use tokio::time::timeout;

use crate::{
    config::{SmtpRelay, TlsMode},
    delivery::wire::{Patience, Reads, Wire},
    domain::address::EmailAddress,
};

/// What the relay answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Reply code, 200 to 599.
    pub code: u16,
    /// Its text, in one line.
    pub text: String,
}

impl Reply {
    fn is_transient(&self) -> bool {
        self.code < 500
    }
}

/// Trouble with the relay that says nothing about any recipient. Everything that waits goes on waiting.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RelayProblem {
    /// No line, or a line that broke, or a reply that says "not now". Tried again by itself.
    #[error("the mail relay cannot be reached: {0}")]
    Unreachable(String),
    /// The relay refuses our login, or wants one. A person has to mend that.
    #[error("the mail relay refuses our login: {0}")]
    Login(String),
    /// The relay refuses our sender address. A person has to mend that.
    #[error("the mail relay refuses our sender address: {0}")]
    Sender(String),
}

/// How handing over one message ended.
#[derive(Debug)]
pub enum Transmission {
    /// 2xx after the final dot.
    Accepted(Reply),
    /// 5xx that is about this message or its recipient.
    Rejected(Reply),
    /// 4xx that is about this message or its recipient.
    Later(Reply),
    /// The line broke before the final dot had left; the relay cannot have the message.
    BrokenBefore(String),
    /// The line broke after the final dot may have left; the relay may have the message.
    BrokenAfter(String),
    /// The line had ended since the last message: the relay has enough of it. Another line will do.
    LineEnded(String),
    /// Not about this message at all.
    Relay(RelayProblem),
}

/// How long the relay may take for each step, after RFC 5321 §4.5.3.2.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    /// Greeting, EHLO, MAIL, RCPT: 5 minutes.
    command: Duration,
    /// DATA: 2 minutes.
    data: Duration,
    /// Until it takes more of the content: 3 minutes.
    block: Duration,
    /// The reply after the final dot: 10 minutes, because giving up early is what makes duplicates.
    dot: Duration,
}

impl Timeouts {
    /// The RFC's when `command` is 300 seconds, else in the same proportion.
    fn new(command: Duration) -> Self {
        Self { command, data: command * 2 / 5, block: command * 3 / 5, dot: command * 2 }
    }

    /// For a whole content of so many bytes and its reply, however often it goes on just in time.
    fn content(&self, bytes: usize) -> Duration {
        let blocks = u32::try_from(bytes / 16_384).unwrap_or(u32::MAX).saturating_add(1);
        self.dot + self.block.saturating_mul(blocks)
    }
}

/// An open conversation.
pub struct Relay {
    smtp: AsyncSmtpConnection,
    reads: Reads,
    timeouts: Timeouts,
    pipelining: bool,
    usable: bool,
    /// Whether a message has gone over this line before.
    used: bool,
}

impl Relay {
    /// Connects, secures the line as configured, logs in. `hello` is our name in EHLO; `reply_within` is how long the
    /// reply to a command may take, from which the other limits of RFC 5321 §4.5.3.2 follow.
    pub async fn open(relay: &SmtpRelay, hello: &str, reply_within: Duration) -> Result<Self, RelayProblem> {
        let timeouts = Timeouts::new(reply_within);
        let patience = Patience { writing: timeouts.block, reading: timeouts.dot };
        let (wire, reads) = Wire::connect(relay, patience).await.map_err(|error| unreachable(&error))?;
        let hello_name = hello_name(hello);
        let opening = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello_name);
        let mut smtp = within(reply_within, opening).await?.map_err(|error| unreachable(&error))?;
        if relay.tls == TlsMode::Required {
            if !smtp.can_starttls() {
                let text =
                    "it offers no STARTTLS, and SMTP_URL asks for tls=required; nothing was sent in clear";
                return Err(RelayProblem::Unreachable(text.into()));
            }
            let parameters =
                TlsParameters::new_rustls(relay.host.clone()).map_err(|error| unreachable(&error))?;
            within(reply_within, smtp.starttls(parameters, &hello_name)).await?.map_err(|error| {
                RelayProblem::Unreachable(format!(
                    "STARTTLS failed ({}); nothing was sent in clear",
                    clean(&error)
                ))
            })?;
        }
        if let Some(login) = &relay.credentials {
            let credentials = Credentials::new(login.user.clone(), login.password.clone());
            within(reply_within, smtp.auth(DEFAULT_MECHANISMS, &credentials))
                .await?
                .map_err(|error| login_problem(&error))?;
        }
        let mut relay = Self { smtp, reads, timeouts, pipelining: false, usable: true, used: false };
        relay.pipelining = relay.offers_pipelining(&hello_name).await?;
        Ok(relay)
    }

    /// Whether another message can go over this line.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// Asks whether the relay takes mail from this sender; nothing is sent.
    pub async fn takes_sender(&mut self, from: &EmailAddress) -> Result<(), RelayProblem> {
        let asked = self.command(format!("MAIL FROM:<{}>\r\n", from.as_str()), self.timeouts.command).await;
        match asked {
            Ok(reply) if reply.code < 400 => {}
            Ok(reply) => return Err(sender_problem(&reply)),
            Err(unanswered) => return Err(unreachable(&unanswered)),
        }
        let _ = self.command("RSET\r\n", self.timeouts.command).await;
        Ok(())
    }

    /// Hands over one message. After anything but a clean end the line is closed and [`Relay::is_usable`] is false.
    pub async fn transmit(&mut self, from: &EmailAddress, to: &EmailAddress, message: &[u8]) -> Transmission {
        self.usable = false;
        // Of a line that is not usable any more nothing is said, not even QUIT: with TLS, that would push out what is
        // left of a message that counts as not sent. It is dropped.
        self.transaction(from, to, message).await
    }

    /// Says goodbye.
    pub async fn quit(mut self) {
        let _ = timeout(Duration::from_secs(2), self.smtp.quit()).await;
    }

    async fn transaction(&mut self, from: &EmailAddress, to: &EmailAddress, message: &[u8]) -> Transmission {
        let mail = format!("MAIL FROM:<{}>\r\n", from.as_str());
        let rcpt = format!("RCPT TO:<{}>\r\n", to.as_str());
        let (mail, rcpt, data) = if self.pipelining {
            // RFC 2920 §3.1: one write, then the three replies in order, each read whatever the one before said.
            let group = format!("{mail}{rcpt}DATA\r\n");
            let mail = self.command(group, self.timeouts.command).await;
            let rcpt =
                if mail.is_ok() { self.reply(self.timeouts.command).await } else { Err(Unanswered::Late) };
            // A reply that did not come may still come, and be taken for the next one's.
            let data =
                if rcpt.is_ok() { self.reply(self.timeouts.data).await } else { Err(Unanswered::Late) };
            (mail, rcpt, data)
        } else {
            let Timeouts { command, data, .. } = self.timeouts;
            let mail = self.command(mail, command).await;
            let rcpt =
                if is_ok(&mail) { self.command(rcpt, command).await } else { Err(Unanswered::NotAsked) };
            let data =
                if is_ok(&rcpt) { self.command("DATA\r\n", data).await } else { Err(Unanswered::NotAsked) };
            (mail, rcpt, data)
        };
        match mail {
            Ok(reply) if reply.code < 400 => {}
            // Relays end a line after some messages, or when it was idle; that says nothing about the next line.
            Ok(reply) if reply.code == 421 && self.used => return Transmission::LineEnded(reply.to_string()),
            Err(Unanswered::Broken(text)) if self.used => return Transmission::LineEnded(text),
            Ok(reply) => return self.after_refusal(data, Transmission::Relay(sender_problem(&reply))).await,
            Err(unanswered) => return Transmission::BrokenBefore(unanswered.to_string()),
        }
        match rcpt {
            Ok(reply) if reply.code < 400 => {}
            // Not a word about the recipient: the relay wants a login first.
            Ok(reply) if matches!(reply.code, 530 | 535) => {
                return self
                    .after_refusal(data, Transmission::Relay(RelayProblem::Login(reply.to_string())))
                    .await;
            }
            Ok(reply) => {
                let refused = if reply.is_transient() {
                    Transmission::Later(reply)
                } else {
                    Transmission::Rejected(reply)
                };
                return self.after_refusal(data, refused).await;
            }
            Err(unanswered) => return Transmission::BrokenBefore(unanswered.to_string()),
        }
        match data {
            Ok(reply) if reply.code == 354 => {}
            Ok(reply) => {
                let refused = if reply.is_transient() {
                    Transmission::Later(reply)
                } else {
                    Transmission::Rejected(reply)
                };
                return self.after_refusal(Err(Unanswered::NotAsked), refused).await;
            }
            Err(unanswered) => return Transmission::BrokenBefore(unanswered.to_string()),
        }
        self.content(message).await
    }

    /// The message itself, from its first byte to the reply after the final dot.
    async fn content(&mut self, message: &[u8]) -> Transmission {
        let reads_before = self.reads.count();
        // Content and final dot in one write. lettre's own way takes two, and looks at every byte for a dot that would
        // have to be doubled; no line of ours begins with one (see `mail::encoding`).
        let content = Content(str::from_utf8(message).map_or_else(
            // Never: our mails are pure ASCII.
            |_| String::from_utf8_lossy(message),
            Cow::Borrowed,
        ));
        let sent = timeout(self.timeouts.content(message.len()), self.smtp.command(content)).await;
        // A reply that cannot be understood is a reply: it may lie in the client's buffer since before the message.
        let odd_reply = matches!(&sent, Ok(Err(error)) if error.is_response());
        let problem = match sent.map(answered) {
            // It was there before the message: the answer to something else.
            Ok(Ok(reply)) if self.reads.count() == reads_before => {
                return Transmission::BrokenAfter(format!("an answer out of turn: {reply}"));
            }
            Ok(Ok(reply)) if (200..300).contains(&reply.code) => {
                self.usable = true;
                self.used = true;
                return Transmission::Accepted(reply);
            }
            Ok(Ok(reply)) if reply.code >= 400 => {
                self.usable = reply.code != 421;
                self.used = true;
                return if reply.is_transient() {
                    Transmission::Later(reply)
                } else {
                    Transmission::Rejected(reply)
                };
            }
            Ok(Ok(reply)) => return Transmission::BrokenAfter(format!("an answer out of turn: {reply}")),
            Ok(Err(unanswered)) => unanswered.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if self.reads.count() == reads_before && !odd_reply {
            Transmission::BrokenBefore(problem)
        } else {
            Transmission::BrokenAfter(problem)
        }
    }

    /// Leaves the line in order after a refusal, so that the next message can use it.
    async fn after_refusal(
        &mut self,
        data: Result<Reply, Unanswered>,
        refused: Transmission,
    ) -> Transmission {
        let in_order = match data {
            // The relay waits for content although it has no recipient (RFC 2920 §3.1). An empty one would do; a
            // line that is closed cannot be misunderstood.
            Ok(reply) if reply.code == 354 => false,
            Ok(_) | Err(Unanswered::NotAsked) => {
                matches!(self.command("RSET\r\n", self.timeouts.command).await, Ok(reply) if reply.code == 250)
            }
            Err(_) => false,
        };
        self.usable = in_order;
        refused
    }

    async fn offers_pipelining(&mut self, hello: &ClientId) -> Result<bool, RelayProblem> {
        // lettre keeps only the extensions it knows, and PIPELINING is not one of them.
        let asked = within(self.timeouts.command, self.smtp.command(format!("EHLO {hello}\r\n"))).await?;
        let response = asked.map_err(|error| unreachable(&error))?;
        Ok(response.message().any(|keyword| keyword.trim().eq_ignore_ascii_case("PIPELINING")))
    }

    async fn command(&mut self, line: impl Display, limit: Duration) -> Result<Reply, Unanswered> {
        match timeout(limit, self.smtp.command(line)).await {
            Ok(result) => answered(result),
            Err(_) => Err(Unanswered::Late),
        }
    }

    async fn reply(&mut self, limit: Duration) -> Result<Reply, Unanswered> {
        match timeout(limit, self.smtp.read_response()).await {
            Ok(result) => answered(result),
            Err(_) => Err(Unanswered::Late),
        }
    }
}

/// A message as it goes on the wire, with the final dot.
struct Content<'a>(Cow<'a, str>);

impl Display for Content<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)?;
        f.write_str(".\r\n")
    }
}

/// Why there is no reply to look at.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("not asked")]
    NotAsked,
    #[error("no answer in time")]
    Late,
    #[error("the line broke: {0}")]
    Broken(String),
}

fn is_ok(reply: &Result<Reply, Unanswered>) -> bool {
    matches!(reply, Ok(reply) if reply.code < 400)
}

/// lettre reports a negative reply as an error; here both are replies.
fn answered(result: Result<Response, SmtpError>) -> Result<Reply, Unanswered> {
    match result {
        Ok(response) => Ok(Reply { code: response.code().into(), text: one_line(response.message()) }),
        Err(error) => match error.status() {
            Some(code) => {
                let text = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                Ok(Reply { code: code.into(), text: one_line(text.lines()) })
            }
            None => Err(Unanswered::Broken(clean(&error))),
        },
    }
}

/// A reply's lines as one, short enough to keep.
fn one_line<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
        let separator = if text.is_empty() { "" } else { "; " };
        let written = write!(text, "{separator}{line}");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.chars().take(500).collect()
}

impl Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

async fn within<T>(limit: Duration, step: impl Future<Output = T>) -> Result<T, RelayProblem> {
    timeout(limit, step).await.map_err(|_| RelayProblem::Unreachable("no answer in time".into()))
}

fn unreachable(error: &impl Display) -> RelayProblem {
    RelayProblem::Unreachable(clean(error))
}

fn login_problem(error: &SmtpError) -> RelayProblem {
    if error.is_permanent() || error.is_client() {
        RelayProblem::Login(clean(error))
    } else {
        unreachable(error)
    }
}

/// An error's words as they may be kept and shown: the relay may have put anything in them.
fn clean(error: &impl Display) -> String {
    one_line(error.to_string().lines())
}

fn sender_problem(reply: &Reply) -> RelayProblem {
    match reply.code {
        ..500 => RelayProblem::Unreachable(reply.to_string()),
        530 | 535 => RelayProblem::Login(reply.to_string()),
        _ => RelayProblem::Sender(reply.to_string()),
    }
}

fn hello_name(host: &str) -> ClientId {
    match host.trim_matches(['[', ']']).parse() {
        Ok(std::net::IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(std::net::IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(host.to_owned()),
    }
}
