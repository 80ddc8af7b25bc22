//! The pipeline: the real program sends a mailing, and the clock runs.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rundbrief::domain::{ids::MailingId, mailing::MailingState};
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

use crate::{
    measure::{Usage, memory, per_second},
    newsletter::Newsletter,
    program,
    server::Server,
    sink::Sink,
};

/// Longest wait for anything before the bench gives up: a tenth of the largest mailing takes minutes.
const PATIENCE: Duration = Duration::from_mins(10);

/// How one mailing went.
pub struct Sent {
    /// The trigger, from the beginning of its transaction to the commit.
    pub trigger: Duration,
    /// From there to the whole audience being queued.
    pub fan_out: Duration,
    /// From there to the last mail being accepted and the mailing done.
    pub sending: Duration,
    /// The first mail, then every tenth of all mails: eleven moments.
    pub tenths: Vec<Tenth>,
    /// CPU time from the trigger to the end.
    pub used: Usage,
    /// Most memory that the worker ever had, in MiB.
    pub peak: f64,
    recipients: u32,
}

/// A moment in the course of a mailing.
pub struct Tenth {
    /// By the sink's clock, whose beginning means nothing.
    pub at: Duration,
    /// The worker's memory in MiB.
    pub memory: f64,
}

impl Sent {
    /// Mails a second while sending.
    pub fn rate(&self) -> f64 {
        per_second(self.recipients, self.sending)
    }

    /// Mails a second, the time for trigger and fan-out included.
    pub fn rate_of_all(&self) -> f64 {
        per_second(self.recipients, self.trigger + self.fan_out + self.sending)
    }

    /// Mails a second in one tenth, from 1 to 10.
    pub fn rate_of_tenth(&self, tenth: usize) -> f64 {
        per_second(self.recipients / 10, self.tenths[tenth].at - self.tenths[tenth - 1].at)
    }
}

/// Lets a worker send a newsletter to a sink; fails unless everybody's copy was accepted once. The worker serves its
/// metrics at the address, if there is one.
pub async fn send(
    server: &Server,
    newsletter: &mut Newsletter,
    connections: u32,
    metrics: Option<SocketAddr>,
) -> anyhow::Result<Sent> {
    let mut sink = Sink::start(newsletter.recipients).await?;
    let mut worker = Worker::start(server, newsletter, &sink, connections, metrics).await?;
    let used_before = Usage::so_far(worker.pid, server.postmaster, sink.pid)?;

    let begun = Instant::now();
    let mailing = newsletter.trigger().await?;
    let triggered = begun.elapsed();
    worker.brings_to(newsletter, mailing, MailingState::Sending, Duration::from_millis(5)).await?;
    let queued = begun.elapsed();
    // Until the last mail is out nobody asks the database anything.
    let tenths = worker.tenths(&mut sink).await?;
    worker.brings_to(newsletter, mailing, MailingState::Done, Duration::from_millis(20)).await?;
    let done = begun.elapsed();

    let used = Usage::so_far(worker.pid, server.postmaster, sink.pid)?.since(used_before);
    let peak = memory(worker.pid, "VmHWM")?;
    worker.end().await?;
    newsletter.check(mailing).await?;
    let (taken, recipients) = (sink.end().await?, newsletter.recipients);
    ensure!(taken == recipients, "the sink has taken {taken} mails, and there are {recipients} recipients");
    Ok(Sent {
        trigger: triggered,
        fan_out: queued - triggered,
        sending: done - queued,
        tenths,
        used,
        peak,
        recipients,
    })
}

/// The real program as a worker. Killed when it is dropped.
struct Worker {
    child: Child,
    pid: u32,
}

impl Worker {
    /// Starts it and waits until it is ready to send.
    async fn start(
        server: &Server,
        newsletter: &mut Newsletter,
        sink: &Sink,
        connections: u32,
        metrics: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let mut command = program::command(server.dir(), &["worker"]);
        command
            .envs(newsletter.settings())
            .env("SMTP_URL", format!("smtp://127.0.0.1:{}?tls=none", sink.port))
            .env("SMTP_CONNECTIONS", connections.to_string())
            .envs(metrics.map(|address| ("METRICS_ADDR", address.to_string())));
        let child = command.spawn().context("the worker could not be started")?;
        let pid = child.id().context("the worker has ended")?;
        let mut worker = Self { child, pid };
        timeout(PATIENCE, worker.signed_on(newsletter)).await.context("the worker does not sign on")??;
        Ok(worker)
    }

    async fn signed_on(&mut self, newsletter: &mut Newsletter) -> anyhow::Result<()> {
        loop {
            let any: bool = sqlx::query_scalar("select exists (select from workers)")
                .fetch_one(&mut newsletter.db)
                .await?;
            if any {
                return Ok(());
            }
            self.check_alive()?;
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the mailing has come to this state, with a look at it `every` so often.
    async fn brings_to(
        &mut self,
        newsletter: &mut Newsletter,
        mailing: MailingId,
        state: MailingState,
        every: Duration,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let now = newsletter.state(mailing).await?;
            if now == state || now == MailingState::Done {
                return Ok(());
            }
            ensure!(now != MailingState::Paused, "the mailing has paused itself");
            ensure!(begun.elapsed() < PATIENCE, "the mailing is still {now:?} and not {state:?}");
            self.check_alive()?;
            sleep(every).await;
        }
    }

    /// Waits for every tenth of the mails, and looks at the worker's memory each time.
    async fn tenths(&mut self, sink: &mut Sink) -> anyhow::Result<Vec<Tenth>> {
        let mut tenths = Vec::with_capacity(11);
        while tenths.len() < 11 {
            let at = tokio::select! {
                at = timeout(PATIENCE, sink.tenth()) => at.context("the next tenth does not come")??,
                ended = self.child.wait() => bail!("the worker has ended: {}", ended?),
            };
            tenths.push(Tenth { at, memory: memory(self.pid, "VmRSS")? });
        }
        Ok(tenths)
    }

    fn check_alive(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "the worker has ended: {ended:?}");
        Ok(())
    }

    /// Ends it as an operator would, and waits for that.
    async fn end(self) -> anyhow::Result<()> {
        program::end(self.child).await
    }
}
