//! The port that the operator's mail server delivers reports to. It takes mail for return paths of ours and for nothing
//! else, and answers 250 once what follows from a report is committed.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    app::take_bounce::Recognition,
    config::BounceListen,
    inbound::session::{self, Server},
};

/// How long until an address that is taken is tried again.
const BIND_AGAIN: Duration = Duration::from_secs(5);
/// Connections at the same time. Each holds [`MOST_HELD`](super::MOST_HELD) bytes at most.
const CONNECTIONS: usize = 20;
/// How long reports that are being taken in may take when the service stops.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Takes in reports until `stop` turns true. As long as the address is taken, by another process of the service on this
/// machine, that one takes them in.
pub async fn run(
    listen: BounceListen,
    pool: PgPool,
    recognition: Recognition,
    mut stop: watch::Receiver<bool>,
) {
    let address = listen.address;
    let mut was_told = false;
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) if !was_told => {
                was_told = true;
                tracing::warn!(%address, %error, "this process cannot take in what comes back; it tries again as long as it runs");
            }
            Err(_) => {}
        }
        let stopped = timeout(BIND_AGAIN, async { drop(stop.wait_for(|stop| *stop).await) }).await;
        if stopped.is_ok() {
            return;
        }
    };
    tracing::info!(%address, is_lmtp = listen.is_lmtp, "listening for what comes back");
    serve(listener, listen.is_lmtp, pool, recognition, stop).await;
}

/// The same on a listener.
pub async fn serve(
    listener: TcpListener,
    is_lmtp: bool,
    pool: PgPool,
    recognition: Recognition,
    mut stop: watch::Receiver<bool>,
) {
    let server = Arc::new(Server::new(is_lmtp, pool, recognition));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
        };
        while sessions.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    let _ = stream.try_write(b"421 4.3.2 too many connections; come again\r\n");
                    continue;
                };
                let (server, stop) = (Arc::clone(&server), stop.clone());
                sessions.spawn(async move {
                    let _place = place;
                    session::hold(&server, stream, stop).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection that brings something back cannot be taken");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
    drop(listener);
    let ended = async { while sessions.join_next().await.is_some() {} };
    // What is cut off here was not answered, and is brought again.
    drop(timeout(LAST_WORDS, ended).await);
}
