//! The byte stream to the relay: its addresses, TCP without Nagle's delay, TLS.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream, lookup_host},
    time::timeout,
};

use crate::{config::SmtpRelay, tls};

/// A byte stream to the relay, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for T {}

/// How long a TCP connection and a TLS handshake may take each.
pub const CONNECT: Duration = Duration::from_secs(30);

/// Bytes that may wait in the kernel for the relay to take them (twice as many in fact, see `man 7 socket`). What is
/// in there cannot be taken back, so a small number means that we know better how far a message came when the line
/// breaks: only a message whose last bytes are in there can become `unknown`.
/// Smaller ones stall large messages to a relay on the same machine.
const SEND_BUFFER: u32 = 64 * 1024;

/// The addresses of the relay's name, in the order in which they are to be tried.
pub async fn addresses(relay: &SmtpRelay) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in within(CONNECT, lookup_host((relay.host.as_str(), relay.port))).await? {
        // A name may stand in several lines of a hosts file.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    Ok(addresses)
}

/// Connects to one address.
pub async fn connect(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_send_buffer_size(SEND_BUFFER)?;
    let tcp = within(limit, socket.connect(address)).await?;
    // A message is several small writes; Nagle's algorithm would hold each back for the answer to the last.
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Encrypts a line to a relay that must show a certificate for `host`.
pub async fn encrypt(host: &str, stream: impl Stream + 'static) -> io::Result<impl Stream + 'static> {
    within(CONNECT, tls::encrypt(host, stream)).await
}

async fn within<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
    timeout(limit, step).await.unwrap_or_else(|_| late())
}
