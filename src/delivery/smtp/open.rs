//! Opening a session: an address of the relay that answers, TLS, EHLO, login.

use std::{net::SocketAddr, time::Duration};

use tokio::time::timeout;

use crate::{
    config::{SmtpRelay, TlsMode},
    delivery::{
        metrics::{Phase, Phases},
        smtp::{
            auth::{AuthError, authenticate},
            conversation::{Conversation, Unanswered, clean},
            ehlo::{self, Extensions},
            problem::RelayProblem,
            reply::{Class, Reply, classify},
            stream,
        },
    },
    tls,
};

/// How long an address may take to connect when there is another one to try.
const CONNECT_SOONER: Duration = Duration::from_secs(5);
/// How long it may take for each reply then.
const REPLY_SOONER: Duration = Duration::from_secs(30);
/// A relay that is silent for this long before its greeting is logged.
const SILENT: Duration = Duration::from_secs(10);

const SILENT_HINT: &str = "no greeting came. A port that speaks TLS from the first byte is silent like this: \
                           if it is one (mostly 465), write smtps:// in SMTP_URL";
const TLS_HINT: &str =
    "this port speaks TLS from the first byte; write smtps:// instead of smtp:// in SMTP_URL";
const PLAIN_HINT: &str = "this port does not speak TLS from the first byte; write smtp:// instead of smtps:// in \
                          SMTP_URL (mostly with port 587), and STARTTLS encrypts the line";

/// How long the steps with one address may take.
#[derive(Clone, Copy)]
struct Limits {
    connect: Duration,
    reply: Duration,
}

/// Connects, secures the line as configured, logs in. `ehlo_name` is our name in EHLO; `reply_within` is how long a reply
/// may take.
pub async fn open(
    relay: &SmtpRelay,
    ehlo_name: &str,
    reply_within: Duration,
    phases: &Phases,
) -> Result<(Conversation, Extensions), RelayProblem> {
    let ehlo_name = ehlo::name(ehlo_name);
    let addresses = phases.time(Phase::Lookup, stream::addresses(relay)).await.map_err(|error| {
        RelayProblem::Unreachable(format!("{} cannot be looked up: {}", relay.host, clean(&error)))
    })?;
    let (mut conversation, extensions) =
        connect_any(&addresses, relay, &ehlo_name, reply_within, phases).await?;
    if let Some(login) = &relay.credentials {
        let authenticated = authenticate(&mut conversation, &extensions, login, relay.tls, reply_within);
        phases.time(Phase::Login, authenticated).await.map_err(|error| match error {
            AuthError::Impossible(why) => RelayProblem::Login(why),
            AuthError::Refused(reply) if reply.code >= 500 => RelayProblem::Login(reply.to_string()),
            AuthError::Refused(reply) => RelayProblem::Unreachable(reply.to_string()),
            AuthError::Unanswered(unanswered) => RelayProblem::Unreachable(clean(&unanswered)),
        })?;
    }
    Ok((conversation, extensions))
}

/// Tries the addresses one after the other until one of them lets us in (RFC 5321 §5.1): the first may lead nowhere, or
/// to something that is no relay.
async fn connect_any(
    addresses: &[SocketAddr],
    relay: &SmtpRelay,
    ehlo_name: &str,
    reply_within: Duration,
    phases: &Phases,
) -> Result<(Conversation, Extensions), RelayProblem> {
    let mut failed: Vec<(SocketAddr, RelayProblem)> = Vec::new();
    for (place, address) in addresses.iter().enumerate() {
        let limits = if place + 1 == addresses.len() {
            Limits { connect: stream::CONNECT, reply: reply_within }
        } else {
            Limits { connect: CONNECT_SOONER, reply: reply_within.min(REPLY_SOONER) }
        };
        match connect_one(*address, relay, ehlo_name, limits, phases).await {
            Ok(opened) => return Ok(opened),
            Err(problem) => failed.push((*address, problem)),
        }
    }
    // What the relay has said is more than that an address could not be reached.
    let said = failed.iter().position(|(_, problem)| !matches!(problem, RelayProblem::Unreachable(_)));
    if let Some(said) = said {
        return Err(failed.swap_remove(said).1);
    }
    let each: Vec<String> = failed
        .iter()
        .map(|(address, problem)| match problem {
            RelayProblem::Unreachable(why) => format!("{address}: {why}"),
            other => format!("{address}: {other}"),
        })
        .collect();
    Err(RelayProblem::Unreachable(each.join("; ")))
}

/// Connects to one address, up to the EHLO that counts.
async fn connect_one(
    address: SocketAddr,
    relay: &SmtpRelay,
    ehlo_name: &str,
    limits: Limits,
    phases: &Phases,
) -> Result<(Conversation, Extensions), RelayProblem> {
    let unreachable = |error: &std::io::Error| RelayProblem::Unreachable(clean(error));
    let tcp = phases.time(Phase::Connect, stream::connect(address, limits.connect)).await;
    let tcp = tcp.map_err(|error| unreachable(&error))?;
    let mut conversation = match relay.tls {
        TlsMode::Implicit => match phases.time(Phase::Tls, stream::encrypt(&relay.host, tcp)).await {
            Ok(encrypted) => Conversation::over(encrypted),
            Err(error) if tls::is_plain_text(&error) => {
                return Err(RelayProblem::Unreachable(PLAIN_HINT.into()));
            }
            Err(error) => return Err(unreachable(&error)),
        },
        TlsMode::Required | TlsMode::None => Conversation::over(tcp),
    };
    let greeted = greeting(&mut conversation, address, relay.tls, limits.reply);
    phases.time(Phase::Greeting, greeted).await?;
    let answered = say_ehlo(&mut conversation, ehlo_name, limits.reply);
    let extensions = phases.time(Phase::Ehlo, answered).await?;
    if relay.tls != TlsMode::Required {
        return Ok((conversation, extensions));
    }
    if !extensions.starttls {
        let text = "it offers no STARTTLS, and SMTP_URL asks for tls=required; nothing was sent in clear";
        return Err(RelayProblem::Unreachable(text.into()));
    }
    let encrypted = phases.time(Phase::Tls, starttls(conversation, &relay.host, limits.reply)).await;
    let mut conversation = encrypted.map_err(|why| {
        RelayProblem::Unreachable(format!("STARTTLS failed ({why}); nothing was sent in clear"))
    })?;
    let answered = say_ehlo(&mut conversation, ehlo_name, limits.reply);
    let extensions = phases.time(Phase::Ehlo, answered).await?;
    Ok((conversation, extensions))
}

async fn greeting(
    conversation: &mut Conversation,
    address: SocketAddr,
    tls: TlsMode,
    limit: Duration,
) -> Result<(), RelayProblem> {
    let greeting = conversation.reply(limit);
    tokio::pin!(greeting);
    let reply = if let Ok(reply) = timeout(SILENT, &mut greeting).await {
        reply
    } else {
        if tls != TlsMode::Implicit {
            tracing::warn!(%address, "the relay is silent so far: {SILENT_HINT}");
        }
        greeting.await
    };
    match reply {
        Ok(reply) if reply.code == 220 => Ok(()),
        Ok(reply) => Err(refused(&reply)),
        Err(Unanswered::Tls) if tls != TlsMode::Implicit => Err(RelayProblem::Unreachable(TLS_HINT.into())),
        Err(Unanswered::Late) if tls != TlsMode::Implicit => {
            Err(RelayProblem::Unreachable(SILENT_HINT.into()))
        }
        Err(unanswered) => Err(RelayProblem::Unreachable(clean(&unanswered))),
    }
}

async fn say_ehlo(
    conversation: &mut Conversation,
    name: &str,
    limit: Duration,
) -> Result<Extensions, RelayProblem> {
    match ehlo::ehlo(conversation, name, limit).await {
        Ok(Ok(extensions)) => Ok(extensions),
        Ok(Err(refusal)) => Err(refused(&refusal)),
        Err(unanswered) => Err(RelayProblem::Unreachable(clean(&unanswered))),
    }
}

async fn starttls(
    mut conversation: Conversation,
    host: &str,
    limit: Duration,
) -> Result<Conversation, String> {
    match conversation.command("STARTTLS\r\n", limit).await {
        Ok(reply) if reply.code == 220 => {}
        Ok(reply) => return Err(reply.to_string()),
        Err(unanswered) => return Err(clean(&unanswered)),
    }
    let Some(stream) = conversation.into_stream() else {
        return Err("it went on speaking in clear".into());
    };
    let encrypted = stream::encrypt(host, stream).await.map_err(|error| clean(&error))?;
    Ok(Conversation::over(encrypted))
}

/// The relay does not want to talk to us at all. Most of that passes by itself.
fn refused(reply: &Reply) -> RelayProblem {
    match classify(reply) {
        Class::Us(problem) => problem,
        Class::UsPerhaps => RelayProblem::Policy(reply.to_string()),
        _ => RelayProblem::Unreachable(reply.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use crate::delivery::metrics::SendingMetrics;

    use super::*;

    const SOON: Duration = Duration::from_secs(2);

    /// Something that says this to whoever connects, and closes the line after the first command.
    async fn says(words: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut line, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let _ = line.write_all(words).await;
                    if !words.is_empty() {
                        let _ = line.read(&mut [0; 512]).await;
                        let _ = line.write_all(b"250 relay.test\r\n").await;
                        let _ = line.read(&mut [0; 512]).await;
                    }
                });
            }
        });
        address
    }

    /// Something that takes connections and never says a word.
    async fn silent() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut lines = Vec::new();
            while let Ok((line, _)) = listener.accept().await {
                lines.push(line);
            }
        });
        address
    }

    /// A port on which nobody listens.
    async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    async fn tried(addresses: &[SocketAddr], url: &str) -> Result<(), String> {
        let relay = SmtpRelay::parse(url).unwrap();
        let reached =
            connect_any(addresses, &relay, "news.example.org", SOON, &SendingMetrics::default().phases).await;
        reached.map(drop).map_err(|problem| problem.to_string())
    }

    #[tokio::test]
    async fn each_address_of_a_name_is_tried_until_one_lets_us_in() {
        let addresses = [
            nobody().await,
            says(b"").await,
            says(b"421 4.3.2 not now\r\n").await,
            silent().await,
            says(b"220 relay.test ESMTP\r\n").await,
        ];
        tried(&addresses, "smtp://localhost?tls=none").await.unwrap();
    }

    #[tokio::test]
    async fn when_none_lets_us_in_each_is_named_with_its_reason() {
        let addresses = [nobody().await, says(b"421 4.3.2 not now\r\n").await, says(b"").await];
        let error = tried(&addresses, "smtp://localhost?tls=none").await.unwrap_err();
        for address in addresses {
            assert!(error.contains(&address.to_string()), "{error}");
        }
        for reason in ["refused", "421 4.3.2 not now", "closed the connection"] {
            assert!(error.contains(reason), "{reason}: {error}");
        }
    }

    #[tokio::test]
    async fn a_greeting_that_means_us_is_no_mere_absence() {
        let addresses = [says(b"554 IP=192.0.2.1 - None/bad reputation\r\n").await, nobody().await];
        let relay = SmtpRelay::parse("smtp://localhost?tls=none").unwrap();
        let problem =
            connect_any(&addresses, &relay, "news.example.org", SOON, &SendingMetrics::default().phases)
                .await
                .map(drop)
                .unwrap_err();
        assert!(matches!(problem, RelayProblem::Policy(_)), "{problem}");
    }

    #[tokio::test]
    async fn the_wrong_kind_of_port_is_named_with_the_way_out() {
        let plain = says(b"220 relay.test ESMTP\r\n").await;
        let error = tried(&[plain], "smtps://localhost:587").await.unwrap_err();
        assert!(error.contains("write smtp:// instead of smtps://"), "{error}");
        // A TLS alert, as a TLS server sends it to one that speaks SMTP.
        let encrypted = says(b"\x15\x03\x01\x00\x02\x02\x46").await;
        let error = tried(&[encrypted], "smtp://localhost?tls=required").await.unwrap_err();
        assert!(error.contains("write smtps:// instead of smtp://"), "{error}");
        let error = tried(&[silent().await], "smtp://localhost?tls=required").await.unwrap_err();
        assert!(error.contains("no greeting came") && error.contains("smtps://"), "{error}");
    }
}
