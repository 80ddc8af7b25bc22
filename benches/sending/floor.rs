//! The floor: what SMTP alone costs here. The same client library and the same bytes as the service, from memory and
//! without a database. Nothing of the service's code is in it.
//!
//! There are two: with pipelining, as the service does it, and with lettre's own `send`, a command at a time.

use std::{
    env, fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use lettre::{
    address::Envelope,
    transport::smtp::{client::AsyncSmtpConnection, extension::ClientId},
};
use tokio::{net::TcpStream, process::Command, runtime::Runtime, task::JoinSet};

use crate::sink::Sink;

/// How the floor hands over a message.
#[derive(Clone, Copy, ValueEnum)]
pub enum Way {
    /// MAIL, RCPT and DATA in one write, then the message.
    Pipelined,
    /// As lettre's `send` does it: each command after the reply to the last.
    Plain,
}

const FROM: &str = "newsletter@lok-lausitz.example";
const TO: &str = "s12345@example.org";

/// What comes before each message; three replies answer it (RFC 2920 §3.1).
fn envelope_commands() -> String {
    format!("MAIL FROM:<{FROM}>\r\nRCPT TO:<{TO}>\r\nDATA\r\n")
}

/// Sends the message in this file `mails` times to a sink of its own, in a process of its own; answers how long that
/// took, with all connections open at the beginning.
pub async fn measure(way: Way, message: &Path, mails: u32, connections: u32) -> anyhow::Result<Duration> {
    let sink = Sink::start(mails).await?;
    let output = Command::new(env::current_exe()?)
        .arg("floor")
        .arg(if matches!(way, Way::Plain) { "plain" } else { "pipelined" })
        .args([sink.port.to_string(), connections.to_string(), mails.to_string()])
        .arg(message)
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(output.status.success(), "the floor failed: {}", String::from_utf8_lossy(&output.stderr));
    let taken = sink.end().await?;
    ensure!(taken == mails, "of the floor's {mails} mails the sink has taken {taken}");
    let printed = String::from_utf8(output.stdout)?;
    let seconds = printed.split_whitespace().nth(1).context("the floor told no time")?;
    Ok(Duration::try_from_secs_f64(seconds.parse()?)?)
}

/// The floor itself: sends, then prints how many mails in how many seconds.
pub fn send(way: Way, port: u16, connections: u32, mails: u32, message: &Path) -> anyhow::Result<()> {
    // The client ends the message with CRLF, dot, CRLF; a CRLF of its own would make an empty line.
    let mut message = fs::read(message)?;
    message.truncate(message.trim_ascii_end().len());
    // The service has this kind of runtime too.
    Runtime::new()?.block_on(async {
        let mut open = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            let hello = ClientId::Domain("floor.example.org".to_owned());
            open.push(AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await?);
        }
        let message: Arc<[u8]> = message.into();
        let started = Instant::now();
        let mut sending = JoinSet::new();
        for (number, smtp) in (0..connections).zip(open) {
            let share = mails / connections + u32::from(number < mails % connections);
            sending.spawn(send_over(way, smtp, share, Arc::clone(&message)));
        }
        while let Some(sent) = sending.join_next().await {
            sent??;
        }
        println!("{mails} {:.6}", started.elapsed().as_secs_f64());
        Ok(())
    })
}

/// One connection's share.
async fn send_over(
    way: Way,
    mut smtp: AsyncSmtpConnection,
    mails: u32,
    message: Arc<[u8]>,
) -> anyhow::Result<()> {
    let envelope = Envelope::new(Some(FROM.parse()?), vec![TO.parse()?])?;
    let commands = envelope_commands();
    for _ in 0..mails {
        match way {
            Way::Pipelined => {
                smtp.command(&commands).await?;
                smtp.read_response().await?;
                smtp.read_response().await?;
                smtp.message(&message).await?;
            }
            Way::Plain => drop(smtp.send(&envelope, &message).await?),
        }
    }
    Ok(())
}
