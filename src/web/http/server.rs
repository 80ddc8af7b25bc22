//! The HTTP server: takes connections, and gives none of them the power to hold up the others.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower_service::Service;

/// How long a client may take to send the head of a request, and to stay silent between two of them. The body has to
/// come within the time of the whole request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection may be used. Clients open another one; one that takes no answers is gone soon after.
const CONNECTION_LIVES: Duration = Duration::from_mins(5);
/// How long what has begun may take when a connection is to end.
const END_WITHIN: Duration = Duration::from_secs(30);

/// Bytes that are held for a connection, at most, in each direction.
pub const BUFFER: usize = 32 * 1024;

/// Open connections at most; what comes beyond waits to be accepted.
const CONNECTIONS: usize = 4_096;

/// Files that are left for everything else: the database, the relay, pictures.
const OTHER_FILES: usize = 256;

/// How long to wait when a connection could not be taken: most likely there are no files left, and the next would fail at
/// once too.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// How many connections there is room for, when the process may open so many files: some are left for everything else, of
/// very few half of them.
fn connections(files: Option<usize>) -> usize {
    files
        .map_or(CONNECTIONS, |files| CONNECTIONS.min(files.saturating_sub(OTHER_FILES).max(files / 2).max(1)))
}

/// How many files the process may have open, where the system says so (Linux): `LimitNOFILE=` of its unit, `ulimit -n`.
fn most_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Tells that the server is to stop, among the extensions of every request: an answer that would go on for long ends
/// then by itself, and nobody has to wait for it.
#[derive(Clone)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Whether it is to stop.
    pub fn is_now(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the server is to stop.
    pub async fn wait(&mut self) {
        stopped(&mut self.0).await;
    }
}

/// Serves `router` on `listener` until `stop` turns true; returns when every request that had begun is answered.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let files = most_files();
    let room = connections(files);
    if room < CONNECTIONS {
        tracing::warn!(
            ?files,
            connections = room,
            "the process may open few files, so fewer connections are taken at a time; LimitNOFILE=16384 in its unit (or ulimit -n) makes room"
        );
    }
    let places = Arc::new(Semaphore::new(room));
    let mut connections = JoinSet::new();
    let mut is_failing = false;
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = stopped(&mut stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                is_failing = false;
                let served = converse(stream, peer, router.clone(), stop.clone());
                connections.spawn(async move {
                    let _place = place;
                    served.await;
                });
            }
            Err(error) => {
                // Once, and not for every connection of a flood.
                if !is_failing {
                    tracing::error!(
                        %error,
                        "connections cannot be taken; if there are too many open files, LimitNOFILE= in the unit allows more"
                    );
                }
                is_failing = true;
                sleep(AFTER_FAILURE).await;
            }
        }
        // Those that have ended need no room any more.
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection, until it ends; when the server stops, until the request that it has begun is answered.
async fn converse(stream: TcpStream, peer: SocketAddr, router: Router, mut stop: watch::Receiver<bool>) {
    // An answer is one write; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let stopping = Stopping(stop.clone());
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(stopping.clone());
        answer(router.clone(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped(&mut stop) => None,
        () = sleep(CONNECTION_LIVES) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        // One that does not read its answers would never end.
        timeout(END_WITHIN, connection).await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        // Clients that go away or dawdle; nothing anybody has to look after.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Waits until the server is to stop. The watch's guard is dropped here, before anybody awaits anything else.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn answer(mut router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    // A router is always ready.
    router.call(request.map(Body::new)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_connections_are_taken_than_there_are_files_for() {
        for (files, room) in [
            (None, CONNECTIONS),
            (Some(1_000_000), CONNECTIONS),
            (Some(4_352), CONNECTIONS),
            (Some(1_024), 768),
            (Some(300), 150),
            (Some(0), 1),
        ] {
            assert_eq!(connections(files), room, "{files:?}");
        }
    }
}
