//! The floor: what SMTP alone costs here. The same client library and the same bytes as the service, pipelined as it
//! does it, from memory and without a database. Nothing of the service's code is in it.

use std::{
    env, fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use lettre::transport::smtp::{Error as SmtpError, client::AsyncSmtpConnection, extension::ClientId};
use tokio::{net::TcpStream, process::Command, runtime::Runtime, task::JoinSet};

use crate::sink::Sink;

/// What comes before each message; three replies answer it (RFC 2920 §3.1).
const ENVELOPE: &str =
    "MAIL FROM:<newsletter@lok-lausitz.example>\r\nRCPT TO:<s12345@example.org>\r\nDATA\r\n";

/// Sends the message in this file `mails` times to a sink of its own, in a process of its own; answers how long that
/// took, with all connections open at the beginning.
pub async fn measure(message: &Path, mails: u32, connections: u32) -> anyhow::Result<Duration> {
    let sink = Sink::start(mails).await?;
    let output = Command::new(env::current_exe()?)
        .args(["floor", &sink.port.to_string(), &connections.to_string(), &mails.to_string()])
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
pub fn send(port: u16, connections: u32, mails: u32, message: &Path) -> anyhow::Result<()> {
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
            sending.spawn(send_over(smtp, share, Arc::clone(&message)));
        }
        while let Some(sent) = sending.join_next().await {
            sent??;
        }
        println!("{mails} {:.6}", started.elapsed().as_secs_f64());
        Ok(())
    })
}

/// One connection's share.
async fn send_over(mut smtp: AsyncSmtpConnection, mails: u32, message: Arc<[u8]>) -> Result<(), SmtpError> {
    for _ in 0..mails {
        smtp.command(ENVELOPE).await?;
        smtp.read_response().await?;
        smtp.read_response().await?;
        smtp.message(&message).await?;
    }
    Ok(())
}
