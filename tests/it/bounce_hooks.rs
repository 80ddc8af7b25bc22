//! What mail providers tell over HTTP: whose it is, and that it draws the same consequences as a report.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use rsa::{Pkcs1v15Sign, PrivateKey, pkcs8::DecodePrivateKey};
use rundbrief::{
    app::take_hook::{Credentials, Hooks, Told, sns::Certificates},
    config::SecretKeys,
    domain::{ids::DeliveryId, mailing::MailingState, token::bounce_token},
    mail::{
        dkim::key::{KeyKind, generate},
        message::message_id,
    },
};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::time::sleep;

use crate::{
    harness::{
        App, TestApp,
        http::{self, Answer},
        mail::Mail,
        process,
    },
    taken_bounces::{copies, each_counted_once, recognition, reports, return_path},
};

const SECRET: &str = "a-secret-of-this-test";
const PASSWORD: &str = "Basic cnVuZGJyaWVmOmEtc2VjcmV0LW9mLXRoaXMtdGVzdA==";
const WRONG: &str = "Basic cnVuZGJyaWVmOmEtc2VjcmV0LW9mLW90aGVycw==";

/// SendGrid, which signs what it brings.
struct Sendgrid(EcdsaKeyPair);

impl Sendgrid {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap())
    }

    /// As its settings show it.
    fn key(&self) -> String {
        let before = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        STANDARD.encode([&before, self.0.public_key().as_ref()].concat())
    }

    fn headers(&self, body: &str) -> [(&'static str, String); 2] {
        let signature = self.0.sign(&SystemRandom::new(), format!("1700000000{body}").as_bytes()).unwrap();
        [
            ("x-twilio-email-event-webhook-signature", STANDARD.encode(signature)),
            ("x-twilio-email-event-webhook-timestamp", "1700000000".to_owned()),
        ]
    }
}

/// What Mailgun puts beside an event, signed so many hours ago.
fn mailgun(event: &Value, key: &str, hours: i64) -> String {
    let timestamp = (Utc::now() - TimeDelta::hours(hours)).timestamp().to_string();
    let mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(format!("{timestamp}token"));
    let signature = hex::encode(mac.finalize().into_bytes());
    json!({
        "signature": { "timestamp": timestamp, "token": "token", "signature": signature },
        "event-data": event,
    })
    .to_string()
}

async fn app(hooks: &str) -> TestApp {
    App::new().setting("BOUNCE_HOOKS", hooks).without_worker().start().await
}

async fn tell(app: &TestApp, provider: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    app.request(Method::POST, &format!("/hooks/bounces/{provider}"), headers, body).await
}

fn mark(keys: &SecretKeys, id: DeliveryId) -> String {
    bounce_token(keys, id)
}

/// The kind, and whether it is about a mail of ours, of everything that came back.
async fn recorded(app: &TestApp) -> Vec<(String, bool)> {
    sqlx::query_as("select kind::text, delivery_id is not null from bounces order by id")
        .fetch_all(&app.pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_provider_proves_that_it_is_itself_and_what_it_tells_counts_once() {
    let sendgrid = Sendgrid::new();
    let hooks = format!(
        "postmark:{SECRET},mailgun:{SECRET},brevo:{SECRET},sendgrid:{},mailjet:{SECRET}",
        sendgrid.key()
    );
    let app = app(&hooks).await;
    let sent = copies(&app, 5).await;
    let marks: Vec<String> = sent.iter().map(|id| mark(&app.config.secret_keys, *id)).collect();
    let postmark = json!({
        "RecordType": "Bounce", "Type": "HardBounce", "ID": 42, "Email": "s1@example.org",
        "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
        "Metadata": { "rundbrief": marks[0] },
    })
    .to_string();
    let failed = json!({
        "event": "failed", "severity": "permanent", "reason": "bounce", "id": "x", "recipient": "s2@example.org",
        "delivery-status": { "code": 550, "message": "5.1.1 user unknown" },
        "user-variables": { "rundbrief": marks[1] },
    });
    let brevo = json!({
        "event": "hard_bounce", "email": "s3@example.org", "reason": "550 5.1.1 user unknown",
        "X-Mailin-custom": marks[2],
    })
    .to_string();
    let events = json!([
        { "event": "delivered", "email": "s4@example.org", "rundbrief": marks[3] },
        { "event": "bounce", "type": "bounce", "email": "s4@example.org", "status": "5.1.1",
          "reason": "550 5.1.1 unknown user", "rundbrief": marks[3] },
    ])
    .to_string();
    let mailjet = json!([{
        "event": "bounce", "email": "s5@example.org", "hard_bounce": true, "error_related_to": "recipient",
        "error": "user unknown", "CustomID": marks[4],
    }])
    .to_string();
    let signed = sendgrid.headers(&events);
    let signed: Vec<(&str, &str)> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let others = Sendgrid::new().headers(&events);
    let others: Vec<(&str, &str)> = others.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (good, later) = (mailgun(&failed, SECRET, 0), mailgun(&failed, SECRET, 8));
    let (forged, old) = (mailgun(&failed, "a-secret-of-others", 0), mailgun(&failed, SECRET, 25));

    let none: &[(&str, &str)] = &[];
    let wrong: &[(&str, &str)] = &[("authorization", WRONG)];
    for (provider, headers, body) in [
        ("postmark", none, &postmark),
        ("postmark", wrong, &postmark),
        ("brevo", &[("authorization", "Bearer a-secret-of-others")], &brevo),
        ("mailjet", &[("authorization", "Basic !")], &mailjet),
        ("mailgun", none, &forged),
        ("mailgun", none, &old),
        ("sendgrid", none, &events),
        ("sendgrid", &others, &events),
        ("sendgrid", &signed, &events.replace("s4@", "s5@")),
    ] {
        let answer = tell(&app, provider, headers, body).await;
        assert_eq!(answer.status, 401, "{provider} {headers:?}: {answer:?}");
        assert!(answer.header("content-type").starts_with("application/problem+json"), "{answer:?}");
    }
    assert_eq!(recorded(&app).await, []);

    // When it comes again Mailgun's signature is another one.
    for good in [&good, &later] {
        for (provider, headers, body) in [
            ("postmark", &[("authorization", PASSWORD)][..], &postmark),
            ("mailgun", none, good),
            ("brevo", &[("authorization", "Bearer a-secret-of-this-test")], &brevo),
            ("sendgrid", &signed, &events),
            ("mailjet", &[("authorization", PASSWORD)], &mailjet),
        ] {
            let answer = tell(&app, provider, headers, body).await;
            assert_eq!(answer.status, 200, "{provider}: {answer:?}");
        }
        each_counted_once(&app, 5).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_marked_for_the_providers_that_are_set_and_the_mark_names_the_mail() {
    let sendgrid = Sendgrid::new();
    let hooks = format!(
        "postmark:{SECRET},mailgun:{SECRET},brevo:{SECRET},sendgrid:{},mailjet:{SECRET}",
        sendgrid.key()
    );
    let app = App::new().setting("BOUNCE_HOOKS", &hooks).start().await;
    app.subscribers(1).await;
    let mailing = app.trigger().await;
    app.wait_for_state(mailing, MailingState::Done).await;
    let mail = Mail::parse(&app.relay.wait_for(1).await[0].data);
    let header = |name| mail.header(name).unwrap_or_default();
    let id: i64 = sqlx::query_scalar("select id from deliveries where mailing_id is not null")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    let token = mark(&app.config.secret_keys, DeliveryId(id));
    let variable: Value = serde_json::from_str(&header("X-Mailgun-Variables")).unwrap();
    let arguments: Value = serde_json::from_str(&header("X-SMTPAPI")).unwrap();
    assert_eq!(variable, json!({ "rundbrief": token }));
    assert_eq!(arguments, json!({ "unique_args": { "rundbrief": token } }));
    for name in ["X-PM-Metadata-rundbrief", "X-Mailin-custom", "X-MJ-CustomID"] {
        assert_eq!(header(name), token, "{name}");
    }
    for (hooks, name) in [(Some("mailjet"), "X-MJ-CustomID"), (None, "")] {
        let app = match hooks {
            Some(provider) => App::new().setting("BOUNCE_HOOKS", &format!("{provider}:{SECRET}")),
            None => App::new(),
        };
        let app = app.start().await;
        app.subscribers(1).await;
        app.trigger().await;
        let mail = Mail::parse(&app.relay.wait_for(1).await[0].data);
        let all = [
            "X-PM-Metadata-rundbrief",
            "X-Mailgun-Variables",
            "X-Mailin-custom",
            "X-SMTPAPI",
            "X-MJ-CustomID",
        ];
        let found: Vec<&str> = all.into_iter().filter(|name| mail.header(name).is_some()).collect();
        assert_eq!(found.join(" "), name, "of the provider that is set, and of no other");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_for_certain_changes_nobody_and_waits_for_a_person() {
    let app = app(&format!("postmark:{SECRET},brevo:{SECRET}")).await;
    let sent = copies(&app, 2).await;
    let token = mark(&app.config.secret_keys, sent[0]);
    let own = mark(&SecretKeys::parse(&STANDARD.encode([9; 32])).unwrap(), sent[0]);
    let told = [
        // A mark of somebody else's.
        json!({ "RecordType": "Bounce", "Type": "HardBounce", "ID": 1, "Email": "s1@example.org", "Metadata": { "rundbrief": own } }),
        json!({ "RecordType": "Bounce", "Type": "HardBounce", "ID": 2, "Email": "s1@example.org" }),
        // The reader left by a link of the provider's.
        json!({ "RecordType": "SubscriptionChange", "SuppressSending": true, "SuppressionReason": "ManualSuppression",
                "Origin": "Recipient", "Recipient": "s1@example.org", "Metadata": { "rundbrief": token } }),
        // Not known.
        json!({ "RecordType": "Bounce", "Type": "Quantum", "ID": 3, "Email": "s1@example.org", "Metadata": { "rundbrief": token } }),
        json!({ "RecordType": "Open", "Recipient": "s1@example.org", "Metadata": { "rundbrief": token } }),
    ];
    for event in &told {
        let answer = tell(&app, "postmark", &[("authorization", PASSWORD)], &event.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let kinds: Vec<(String, bool)> =
        [("hard", false), ("hard", false), ("unrecognised", false), ("unrecognised", true)]
            .map(|(kind, is_known)| (kind.to_owned(), is_known))
            .into();
    assert_eq!(recorded(&app).await, kinds);
    assert_eq!(app.count("select count(*) from subscribers where state <> 'active'").await, 0);
    let report: Vec<u8> = sqlx::query_scalar("select report from bounces order by id offset 2 limit 1")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    let report = String::from_utf8(report).unwrap();
    assert!(report.starts_with("Subject: postmark: SubscriptionChange\r\n"), "{report}");
    assert!(report.contains("\"Recipient\": \"s1@example.org\""), "{report}");

    for (provider, body, status) in [
        ("mailgun", "{}", 404),
        ("ses", "{}", 404),
        ("..", "{}", 404),
        ("postmark", "no JSON", 400),
        ("brevo", "[1, null, \"x\", {}]", 200),
        ("brevo", &format!("[{}", "[".repeat(10_000)), 400),
        ("brevo", &" ".repeat(2 * 1024 * 1024), 413),
    ] {
        let answer = tell(&app, provider, &[("authorization", PASSWORD)], body).await;
        assert_eq!(answer.status, status, "{provider} {}: {answer:?}", &body[..body.len().min(40)]);
    }
    assert_eq!(app.request(Method::GET, "/hooks/bounces/postmark", &[], "").await.status, 405);
    assert_eq!(app.count("select count(*) from subscribers where state <> 'active'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_no_event_is_lost_and_none_counted_twice() {
    let app = app(&format!("postmark:{SECRET}")).await;
    let sent = copies(&app, reports()).await;
    let all = i64::try_from(sent.len()).unwrap();
    let events: Vec<String> = sent
        .iter()
        .map(|id| {
            let token = mark(&app.config.secret_keys, *id);
            json!({ "RecordType": "Bounce", "Type": "HardBounce", "ID": id.0, "Email": "x@example.org",
                    "Metadata": { "rundbrief": token } })
            .to_string()
        })
        .collect();
    let address: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
    let to = Arc::clone(&address);
    // As a provider does: each event again until it is answered with 200.
    let bringing = tokio::spawn(async move {
        for event in events {
            loop {
                let place = *to.lock().unwrap();
                let headers = [("authorization", PASSWORD)];
                if let Some(place) = place {
                    let answer = http::try_send(
                        place,
                        Method::POST,
                        "/hooks/bounces/postmark",
                        &headers,
                        event.clone(),
                    );
                    if answer.await.is_some_and(|answer| answer.status == 200) {
                        break;
                    }
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
    });
    for _kill in 0..6 {
        let before = app.count("select count(*) from bounces").await;
        let process = process::serve(&app).await;
        *address.lock().unwrap() = Some(process.address());
        app.wait_for_at_least("select count(*) from bounces", (before + all / 8).min(all)).await;
        process.kill_9().await;
    }
    let last = process::serve(&app).await;
    *address.lock().unwrap() = Some(last.address());
    tokio::time::timeout(Duration::from_mins(2), bringing).await.expect("all are brought in time").unwrap();
    each_counted_once(&app, sent.len()).await;
}

/// Amazon SNS: a topic of ours, and a certificate that signs its messages.
struct Sns {
    key: PrivateKey,
    certificate: String,
}

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:bounces";
const CERTIFICATE: &str =
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";

impl Sns {
    fn new() -> Self {
        let pem = generate(KeyKind::Rsa).unwrap();
        let key = rcgen::KeyPair::from_pem(&pem).unwrap();
        let names = vec!["sns.amazonaws.com".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        Self { key: PrivateKey::from_pkcs8_pem(&pem).unwrap(), certificate: certificate.pem() }
    }

    /// What it brings, signed with SHA-1 (version 1) or SHA-256 (version 2), and changed after that.
    fn brings(&self, version: u8, kind: &str, more: &[(&str, &str)], change: &[(&str, &str)]) -> String {
        let mut fields = BTreeMap::from([
            ("Type", kind),
            ("MessageId", "22b80b92"),
            ("TopicArn", TOPIC),
            ("Timestamp", "2026-12-01T12:00:00.000Z"),
        ]);
        fields.extend(more.iter().copied());
        let signed: String = fields.iter().flat_map(|(name, value)| [*name, "\n", *value, "\n"]).collect();
        // The digest as PKCS #1 wraps it up (RFC 8017 §9.2): no crate here signs with SHA-1 any more.
        let (algorithm, before) = match version {
            1 => (&SHA1_FOR_LEGACY_USE_ONLY, "3021300906052b0e03021a05000414"),
            _ => (&SHA256, "3031300d060960864801650304020105000420"),
        };
        let digest = digest(algorithm, signed.as_bytes());
        let wrapped = [hex::decode(before).unwrap().as_slice(), digest.as_ref()].concat();
        let signature = self.key.sign(Pkcs1v15Sign::new_unprefixed(), &wrapped).unwrap();
        let mut message = json!({
            "SignatureVersion": version.to_string(),
            "Signature": STANDARD.encode(signature),
            "SigningCertURL": CERTIFICATE,
        });
        for (name, value) in fields.into_iter().chain(change.iter().copied()) {
            message[name] = json!(value);
        }
        message.to_string()
    }

    fn hooks(&self, app: &TestApp, asked: &Arc<Mutex<Vec<String>>>) -> Hooks {
        let (pem, asked) = (self.certificate.clone(), Arc::clone(asked));
        let certificates = Certificates::with(move |url| {
            asked.lock().unwrap().push(url.to_string());
            let pem = pem.clone();
            Box::pin(async move { Some(pem.into_bytes()) })
        });
        Hooks::new(app.config.bounce_hooks.clone(), recognition(app), certificates)
    }
}

/// A service for Amazon, three mails of its own, and everything that was fetched.
struct Amazon {
    app: TestApp,
    sent: Vec<DeliveryId>,
    sns: Sns,
    hooks: Hooks,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Amazon {
    async fn new() -> Self {
        let app = App::new()
            .setting("BOUNCE_HOOKS", &format!("ses:{TOPIC}"))
            .setting("BOUNCE_ADDRESS", "bounces@news.example.org")
            .without_worker()
            .start()
            .await;
        let sent = copies(&app, 3).await;
        let (sns, asked) = (Sns::new(), Arc::default());
        let hooks = sns.hooks(&app, &asked);
        Self { app, sent, sns, hooks, asked }
    }

    async fn take(&self, body: &str) -> Result<Told, String> {
        let none = Credentials::default();
        let taken = self.hooks.take(&self.app.pool, "ses", &none, body.as_bytes(), Utc::now());
        taken.await.map_err(|error| error.to_string())
    }

    /// A hard bounce of one of the mails.
    fn bounce(&self, of: usize) -> String {
        json!({
            "notificationType": "Bounce",
            "bounce": { "bounceType": "Permanent", "bounceSubType": "General",
                        "bouncedRecipients": [{ "emailAddress": "s1@example.org", "action": "failed", "status": "5.1.1",
                                                "diagnosticCode": "smtp; 550 5.1.1 user unknown" }] },
            "mail": { "source": return_path(&self.app, self.sent[of]), "destination": ["s1@example.org"] },
        })
        .to_string()
    }

    /// A complaint about one of the mails, named by our own Message-ID.
    async fn complaint(&self, of: usize) -> String {
        let (mailing, address): (uuid::Uuid, String) = sqlx::query_as(
            "select d.mailing_id, s.email from deliveries d join subscribers s on s.id = d.subscriber_id where d.id = $1",
        )
        .bind(self.sent[of].0)
        .fetch_one(&self.app.pool)
        .await
        .unwrap();
        let id = message_id(self.sent[of], mailing, &self.app.config.public_url);
        json!({
            "eventType": "Complaint",
            "complaint": { "complainedRecipients": [{ "emailAddress": address }], "complaintFeedbackType": "abuse" },
            "mail": { "source": "news@lok-lausitz.example", "headers": [{ "name": "Message-Id", "value": id }] },
        })
        .to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_amazons_but_what_sns_has_signed_for_our_topic() {
    let amazon = Amazon::new().await;
    let first = amazon.bounce(0);
    let of =
        |more: &[(&str, &str)], change: &[(&str, &str)]| amazon.sns.brings(2, "Notification", more, change);
    let message = ("Message", first.as_str());
    let certified_by = |url: &str| of(&[message], &[("SigningCertURL", url)]);
    // Signed by SNS for somebody else's topic, and cut so that the very same bytes name ours.
    let others = "arn:aws:sns:eu-central-1:999999999999:theirs";
    let behind = format!("\nMessageId\n1\nTimestamp\nt\nTopicArn\n{TOPIC}\nType\nx");
    let kind = format!(
        "x\nMessageId\n22b80b92\nTimestamp\n2026-12-01T12:00:00.000Z\nTopicArn\n{others}\nType\nNotification"
    );
    let shifted = of(
        &[("Message", &format!("{first}{behind}")), ("TopicArn", others)],
        &[("Message", &first), ("MessageId", "1"), ("Timestamp", "t"), ("TopicArn", TOPIC), ("Type", &kind)],
    );
    for (body, word) in [
        (shifted, "raw message delivery"),
        (of(&[message], &[("Type", "Something")]), "raw message delivery"),
        (of(&[message], &[("Subject", "x\nTimestamp\nt")]), "not signed"),
        (certified_by(&format!("{CERTIFICATE}#1")), "region"),
        (of(&[message], &[("Message", &first.replace("5.1.1", "5.1.2"))]), "not signed"),
        (of(&[message], &[("Subject", "x")]), "not signed"),
        (of(&[message], &[("SignatureVersion", "3")]), "not known"),
        (of(&[message], &[("TopicArn", "arn:aws:sns:eu-central-1:999999999999:bounces")]), "another topic"),
        (certified_by("https://evil.example/SimpleNotificationService-1.pem"), "region"),
        (
            certified_by(
                "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
            ),
            "region",
        ),
        (certified_by("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem"), "region"),
        (certified_by("https://x@sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"), "region"),
        (certified_by("http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"), "region"),
        (certified_by("https://sns.eu-central-1.amazonaws.com/mine.pem"), "region"),
        (first.clone(), "raw message delivery"),
    ] {
        let refused = amazon.take(&body).await.unwrap_err();
        assert!(refused.contains(word), "{body}: {refused}");
    }
    assert_eq!(amazon.app.count("select count(*) from bounces").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sns_has_signed_counts_and_its_question_is_left_to_a_person() {
    let amazon = Amazon::new().await;
    let Amazon { app, sns, asked, .. } = &amazon;
    let first = amazon.bounce(0);
    for _twice in 0..2 {
        amazon.take(&sns.brings(2, "Notification", &[("Message", &first)], &[])).await.unwrap();
    }
    // As a topic signs that nobody has changed.
    let second = amazon.bounce(1);
    let fields = [("Message", second.as_str()), ("Subject", "Amazon SES")];
    amazon.take(&sns.brings(1, "Notification", &fields, &[])).await.unwrap();
    let complaint = amazon.complaint(2).await;
    amazon.take(&sns.brings(2, "Notification", &[("Message", &complaint)], &[])).await.unwrap();
    assert_eq!(app.count("select count(*) from bounces").await, 3);
    assert_eq!(app.count("select count(*) from subscribers where state = 'bounced'").await, 2);
    assert_eq!(app.count("select count(*) from subscribers where state = 'complained'").await, 1);

    let link = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription";
    let question =
        [("Message", "You have chosen to subscribe"), ("SubscribeURL", link), ("Token", "2336412f37")];
    let asks = amazon.take(&sns.brings(2, "SubscriptionConfirmation", &question, &[])).await;
    assert_eq!(asks, Ok(Told::Asks { topic: TOPIC.to_owned(), confirm_at: link.to_owned() }));
    let hello = [("Message", "Successfully validated SNS topic for Amazon SES event publishing.")];
    assert_eq!(amazon.take(&sns.brings(2, "Notification", &hello, &[])).await, Ok(Told::Events(Vec::new())));
    assert_eq!(*asked.lock().unwrap(), [CERTIFICATE], "the certificate is fetched once, and nothing else");
}
