//! One session with the relay (RFC 5321): open it, transmit messages, close it.

use std::{sync::Arc, time::Duration};

use crate::{
    config::SmtpRelay,
    delivery::{
        metrics::{OpenConnection, Phase, SendingMetrics},
        smtp::{
            conversation::{Conversation, Unanswered, clean},
            open,
            problem::RelayProblem,
            reply::{Class, Reply, classify, masked},
            reports,
        },
    },
    domain::address::EmailAddress,
    telemetry::mask_recipient,
};

/// How the transmission of one message ended.
#[derive(Debug)]
pub enum Transmission {
    /// 2xx after the final dot.
    Accepted(Reply),
    /// 5xx that is about this message or its recipient.
    Rejected(Reply),
    /// 4xx that is about this message or its recipient.
    Later(Reply),
    /// The relay says that it gets too much at once, or too fast. Nothing about this message.
    Overloaded(Reply),
    /// Said to this recipient, and about us, or about us as long as nothing speaks against it.
    Refused(RelayProblem, Reply),
    /// The line broke before the final dot had left; the relay cannot have the message.
    BrokenBefore(String),
    /// The line broke after the final dot may have left; the relay may have the message.
    BrokenAfter(String),
    /// The line had ended since the last message: the relay has enough of it. Another line will do.
    LineEnded(String),
    /// Not about this message at all.
    Relay(RelayProblem),
}

impl Transmission {
    /// The same, with the recipient masked in the relay's words, however they spell it: they are stored, logged and shown.
    #[must_use]
    pub fn masked(self, to: &EmailAddress) -> Self {
        let masked = |text: String| mask_recipient(&text, to.as_str());
        let reply = |reply: Reply| Reply { text: masked(reply.text), ..reply };
        match self {
            Self::Accepted(said) => Self::Accepted(reply(said)),
            Self::Rejected(said) => Self::Rejected(reply(said)),
            Self::Later(said) => Self::Later(reply(said)),
            Self::Overloaded(said) => Self::Overloaded(reply(said)),
            Self::Refused(problem, said) => Self::Refused(problem.map_text(masked), reply(said)),
            Self::BrokenBefore(what) => Self::BrokenBefore(masked(what)),
            Self::BrokenAfter(what) => Self::BrokenAfter(masked(what)),
            Self::LineEnded(what) => Self::LineEnded(masked(what)),
            Self::Relay(problem) => Self::Relay(problem.map_text(masked)),
        }
    }
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

    /// Overall deadline for a content of so many bytes.
    fn content(&self, bytes: usize) -> Duration {
        let blocks = u32::try_from(bytes / 16_384).unwrap_or(u32::MAX).saturating_add(1);
        self.block.saturating_mul(blocks)
    }
}

/// Who a message is from and for, to the relay (RFC 5321 §2.3.1).
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    pub from: &'a EmailAddress,
    pub to: &'a EmailAddress,
    /// The name of the message in a report, where reports are read.
    pub report_id: Option<&'a str>,
}

/// An open session.
pub struct Session {
    smtp: Conversation,
    timeouts: Timeouts,
    pipelining: bool,
    dsn: bool,
    usable: bool,
    /// Whether a message has gone over this line before.
    used: bool,
    metrics: Arc<SendingMetrics>,
    _open: OpenConnection,
}

impl Session {
    /// Connects, secures the line as configured, logs in. `ehlo_name` is our name in EHLO; `reply_within` is how long the
    /// reply to a command may take, from which the other limits of RFC 5321 §4.5.3.2 follow.
    pub async fn open(
        relay: &SmtpRelay,
        ehlo_name: &str,
        reply_within: Duration,
        metrics: &Arc<SendingMetrics>,
    ) -> Result<Self, RelayProblem> {
        let opened = open::open(relay, ehlo_name, reply_within, &metrics.phases).await;
        metrics.opened[usize::from(opened.is_err())].inc();
        let (smtp, extensions) = opened?;
        Ok(Self {
            smtp,
            timeouts: Timeouts::new(reply_within),
            pipelining: extensions.pipelining,
            dsn: extensions.dsn,
            usable: true,
            used: false,
            metrics: Arc::clone(metrics),
            _open: metrics.connection(),
        })
    }

    /// Whether another message can go over this line.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// Asks whether the relay takes mail from this sender; nothing is sent.
    pub async fn takes_sender(&mut self, from: &EmailAddress) -> Result<(), RelayProblem> {
        let mail = format!("MAIL FROM:<{}>\r\n", from.as_str());
        match self.smtp.command(&mail, self.timeouts.command).await {
            Ok(reply) if reply.code < 400 => {}
            Ok(reply) => return Err(sender_problem(&reply)),
            Err(unanswered) => return Err(RelayProblem::Unreachable(clean(&unanswered))),
        }
        let _ = self.smtp.command("RSET\r\n", self.timeouts.command).await;
        Ok(())
    }

    /// Transmits one message. After anything but a clean end the line is closed and [`Session::is_usable`] is false.
    pub async fn transmit(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Transmission {
        self.usable = false;
        // Of a line that is not usable any more nothing is said, not even QUIT: with TLS, that would push out what is
        // left of a message that counts as not sent. It is dropped.
        self.transaction(envelope, message).await
    }

    /// Says goodbye.
    pub async fn quit(mut self) {
        let _ = self.smtp.command("QUIT\r\n", Duration::from_secs(2)).await;
    }

    async fn transaction(&mut self, envelope: Envelope<'_>, message: &[u8]) -> Transmission {
        let Envelope { from, to, report_id } = envelope;
        let (of_mail, of_rcpt) =
            report_id.filter(|_| self.dsn).map(|id| reports::parameters(id, to)).unwrap_or_default();
        let mail = format!("MAIL FROM:<{}>{of_mail}\r\n", from.as_str());
        let rcpt = format!("RCPT TO:<{}>{of_rcpt}\r\n", to.as_str());
        let phases = &self.metrics.phases;
        let (mail, rcpt, data) = if self.pipelining {
            // RFC 2920 §3.1: one write, then the three replies in order, each read whatever the one before said.
            let group = format!("{mail}{rcpt}DATA\r\n");
            let mail = phases.time(Phase::Mail, self.smtp.command(&group, self.timeouts.command)).await;
            let rcpt = if mail.is_ok() {
                phases.time(Phase::Recipient, self.smtp.reply(self.timeouts.command)).await
            } else {
                Err(Unanswered::Late)
            };
            // A reply that did not come may still come, and be taken for the next one's.
            let data = if rcpt.is_ok() {
                phases.time(Phase::Data, self.smtp.reply(self.timeouts.data)).await
            } else {
                Err(Unanswered::Late)
            };
            (mail, rcpt, data)
        } else {
            let Timeouts { command, data, .. } = self.timeouts;
            let mail = phases.time(Phase::Mail, self.smtp.command(&mail, command)).await;
            let rcpt = if is_ok(&mail) {
                phases.time(Phase::Recipient, self.smtp.command(&rcpt, command)).await
            } else {
                Err(Unanswered::NotAsked)
            };
            let data = if is_ok(&rcpt) {
                phases.time(Phase::Data, self.smtp.command("DATA\r\n", data)).await
            } else {
                Err(Unanswered::NotAsked)
            };
            (mail, rcpt, data)
        };
        match mail {
            Ok(reply) if reply.code < 400 => {}
            // Relays end a line after some messages, or when it was idle; that says nothing about the next line.
            Ok(reply) if reply.code == 421 && self.used => return Transmission::LineEnded(reply.to_string()),
            Err(Unanswered::Broken(text)) if self.used => return Transmission::LineEnded(text),
            Ok(reply) => {
                let refused = match classify(&reply) {
                    Class::Rate => Transmission::Overloaded(reply),
                    _ => Transmission::Relay(sender_problem(&reply)),
                };
                return self.after_refusal(data, refused).await;
            }
            Err(unanswered) => return Transmission::BrokenBefore(unanswered.to_string()),
        }
        match rcpt {
            Ok(reply) if reply.code < 400 => {}
            Ok(reply) => return self.after_refusal(data, refused(reply)).await,
            Err(unanswered) => return Transmission::BrokenBefore(unanswered.to_string()),
        }
        match data {
            Ok(reply) if reply.code == 354 => {}
            Ok(reply) => return self.after_refusal(Err(Unanswered::NotAsked), refused(reply)).await,
            Err(unanswered) => return Transmission::BrokenBefore(unanswered.to_string()),
        }
        self.content(message).await
    }

    /// The message itself, from its first byte to the reply after the final dot.
    async fn content(&mut self, message: &[u8]) -> Transmission {
        // An answer to nothing that was asked would be taken for the one to the message.
        if !self.smtp.is_quiet() {
            return Transmission::BrokenBefore("the relay answers out of turn".into());
        }
        // Content and final dot in one write: so while one byte is still with us, the relay cannot have the dot. No
        // line of ours begins with a dot that would have to be doubled (see `mail::encoding`).
        let mut content = Vec::with_capacity(message.len() + 3);
        content.extend_from_slice(message);
        content.extend_from_slice(b".\r\n");
        let limit = self.timeouts.content(content.len());
        let phases = &self.metrics.phases;
        let sent = phases.time(Phase::Content, self.smtp.send(&content, self.timeouts.block, limit)).await;
        if let Err(unanswered) = sent {
            return Transmission::BrokenBefore(unanswered.to_string());
        }
        match phases.time(Phase::Dot, self.smtp.reply(self.timeouts.dot)).await {
            Ok(reply) if reply.code < 300 => {
                self.usable = true;
                self.used = true;
                Transmission::Accepted(reply)
            }
            Ok(reply) if reply.code >= 400 => {
                self.usable = reply.code != 421;
                self.used = true;
                refused(reply)
            }
            Ok(reply) => Transmission::BrokenAfter(format!("an answer out of turn: {reply}")),
            Err(unanswered) => Transmission::BrokenAfter(unanswered.to_string()),
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
                matches!(self.smtp.command("RSET\r\n", self.timeouts.command).await, Ok(reply) if reply.code == 250)
            }
            Err(_) => false,
        };
        self.usable = in_order;
        refused
    }
}

fn is_ok(reply: &Result<Reply, Unanswered>) -> bool {
    matches!(reply, Ok(reply) if reply.code < 400)
}

/// What a negative reply to a recipient, or to the message, means.
fn refused(reply: Reply) -> Transmission {
    match classify(&reply) {
        Class::Recipient => Transmission::Rejected(reply),
        Class::Later => Transmission::Later(reply),
        Class::Rate => Transmission::Overloaded(reply),
        Class::Us(problem) => Transmission::Refused(problem, reply),
        Class::UsPerhaps => Transmission::Refused(RelayProblem::Policy(masked(&reply)), reply),
    }
}

/// A negative reply to MAIL is about us, whatever its words.
fn sender_problem(reply: &Reply) -> RelayProblem {
    match classify(reply) {
        Class::Us(problem) => problem,
        _ if reply.code < 500 => RelayProblem::Unreachable(reply.to_string()),
        _ => RelayProblem::Sender(reply.to_string()),
    }
}
