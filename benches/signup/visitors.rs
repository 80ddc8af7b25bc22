//! The visitors: so many connections, each with one request at a time.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep_until,
};

/// A request.
pub struct Post {
    /// Its path.
    pub path: String,
    /// What the form sends.
    pub form: String,
    /// The status it is answered with when all is well.
    pub expected: u16,
}

/// When requests are sent.
#[derive(Clone, Copy)]
pub enum Load {
    /// Each after the answer to the last.
    AsFastAsPossible,
    /// So many a second over all visitors, at fixed moments: who has to wait for an earlier answer has waited too.
    PerSecond(f64),
}

/// What came of it.
pub struct Measured {
    took: Duration,
    /// How long each answer took, sorted.
    latencies: Vec<Duration>,
}

impl Measured {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.latencies.len()).unwrap_or(u32::MAX)) / self.took.as_secs_f64()
    }

    /// The time in which so many of a hundred were answered.
    pub fn quantile(&self, percent: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * percent / 100).copied().unwrap_or_default()
    }
}

/// Sends all of these; fails when one is not answered as expected.
pub async fn send(
    address: SocketAddr,
    visitors: u32,
    posts: Vec<Post>,
    load: Load,
) -> anyhow::Result<Measured> {
    let mut open = Vec::new();
    for _ in 0..visitors {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        open.push(stream);
    }
    let posts: Vec<(u32, Post)> = (0..).zip(posts).collect();
    let posts = Arc::new(Mutex::new(posts.into_iter()));
    let began = Instant::now();
    let mut visiting = JoinSet::new();
    for mut stream in open {
        let posts = Arc::clone(&posts);
        visiting.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let next = posts.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((number, post)) = next else { return anyhow::Ok(latencies) };
                let from = match load {
                    Load::AsFastAsPossible => Instant::now(),
                    Load::PerSecond(rate) => began + Duration::from_secs_f64(f64::from(number) / rate),
                };
                sleep_until(from.into()).await;
                let status = answered(&mut stream, &post).await?;
                ensure!(status == post.expected, "{} was answered with {status}", post.path);
                latencies.push(from.elapsed());
            }
        });
    }
    let mut latencies = Vec::new();
    while let Some(visited) = visiting.join_next().await {
        latencies.extend(visited??);
    }
    let took = began.elapsed();
    latencies.sort_unstable();
    Ok(Measured { took, latencies })
}

/// Sends a request; answers the status when the whole answer is there.
async fn answered(stream: &mut TcpStream, post: &Post) -> anyhow::Result<u16> {
    let Post { path, form, .. } = post;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: brief.example.org\r\nAccept-Language: de\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(8 * 1024);
    loop {
        ensure!(stream.read_buf(&mut answer).await? > 0, "the service hung up");
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = str::from_utf8(&answer[..end])?.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.context("no length is told")?.trim().parse()?;
        if answer.len() == end + 4 + length {
            let status = head.split_whitespace().nth(1).context("no status is told")?;
            return Ok(status.parse()?);
        }
    }
}
