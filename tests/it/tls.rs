//! The connection to the relay is encrypted as `SMTP_URL` says, or nothing is sent.

use std::time::Duration;

use tokio::time::sleep;

use crate::harness::{
    App, TestApp, process,
    tls::{Begins, TlsFront, front},
};

/// A signup, sent by a worker that trusts the certificates in `trusted` and no others.
async fn signup_through(front: &TlsFront, url: &str, app: &TestApp, trusts_it: bool) -> process::Process {
    app.sign_up("maria@example.org").await;
    let nobody = std::env::temp_dir().join("no-certificates.pem");
    std::fs::write(&nobody, "").unwrap();
    let trusted = if trusts_it { front.certificate.clone() } else { nobody };
    let settings =
        [("SMTP_URL", url), ("SSL_CERT_FILE", trusted.to_str().unwrap()), ("SSL_CERT_DIR", "/nonexistent")];
    process::worker(app, &settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn smtps_is_encrypted_from_the_first_byte() {
    let app = App::new().without_worker().start().await;
    let front = front(app.relay.addr(), Begins::Encrypted).await;
    let _worker = signup_through(&front, &format!("smtps://localhost:{}", front.port), &app, true).await;
    assert!(app.mail(1).await.text.contains("/confirm/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_encrypts_before_anything_is_said() {
    let app = App::new().without_worker().start().await;
    let front = front(app.relay.addr(), Begins::Plain).await;
    let url = format!("smtp://localhost:{}?tls=required", front.port);
    let _worker = signup_through(&front, &url, &app, true).await;
    assert!(app.mail(1).await.text.contains("/confirm/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_with_a_certificate_nobody_vouches_for_gets_nothing() {
    for (begins, scheme, query) in
        [(Begins::Encrypted, "smtps", ""), (Begins::Plain, "smtp", "?tls=required")]
    {
        let app = App::new().without_worker().start().await;
        let front = front(app.relay.addr(), begins).await;
        let url = format!("{scheme}://localhost:{}{query}", front.port);
        let worker = signup_through(&front, &url, &app, false).await;
        sleep(Duration::from_secs(3)).await;
        assert_eq!(app.relay.accepted_count(), 0);
        assert_eq!(
            app.count("select count(*) from deliveries where state = 'pending' and attempts = 0").await,
            1
        );
        worker.end().await;
    }
}
