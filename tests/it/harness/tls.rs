//! A relay behind TLS: accepts encrypted connections and forwards them to a plain one.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use super::database;

/// How a line becomes encrypted.
#[derive(Clone, Copy)]
pub enum Begins {
    /// With the first byte (`smtps://`).
    Encrypted,
    /// After STARTTLS (`smtp://…?tls=required`).
    Plain,
}

/// A TLS front, for `localhost`.
pub struct TlsFront {
    /// The port it listens on.
    pub port: u16,
    /// A file with its certificate, for whoever is to trust it.
    pub certificate: PathBuf,
}

/// Starts a front for the relay at `relay`.
pub async fn front(relay: SocketAddr, begins: Begins) -> TlsFront {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = database::scratch("cert").with_extension("pem");
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((line, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            // A client that does not trust us breaks the line; that is its business.
            tokio::spawn(async move { drop(pass_on(line, relay, acceptor, begins).await) });
        }
    });
    TlsFront { port, certificate }
}

async fn pass_on(
    mut line: TcpStream,
    relay: SocketAddr,
    acceptor: TlsAcceptor,
    begins: Begins,
) -> std::io::Result<()> {
    let mut relay = BufReader::new(TcpStream::connect(relay).await?);
    if let Begins::Plain = begins {
        let mut commands = BufReader::new(&mut line);
        commands.write_all(b"220 localhost\r\n").await?;
        loop {
            let mut command = String::new();
            if commands.read_line(&mut command).await? == 0 {
                return Ok(());
            }
            match command.trim().split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "EHLO" => commands.write_all(b"250-localhost\r\n250 STARTTLS\r\n").await?,
                "STARTTLS" => break commands.write_all(b"220 go ahead\r\n").await?,
                _ => commands.write_all(b"530 5.7.0 STARTTLS first\r\n").await?,
            }
        }
        // The client has had its greeting.
        relay.read_line(&mut String::new()).await?;
    }
    let mut encrypted = acceptor.accept(line).await?;
    if !relay.buffer().is_empty() {
        let mut begun = vec![0; relay.buffer().len()];
        relay.read_exact(&mut begun).await?;
        encrypted.write_all(&begun).await?;
    }
    copy_bidirectional(&mut encrypted, relay.get_mut()).await.map(drop)
}
