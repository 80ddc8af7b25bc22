//! Our own signature under each mail (DKIM), as programs of others verify it.

use std::{fs, os::unix::fs::PermissionsExt};

use rundbrief::domain::{mailing::MailingState, staff::Role};

use crate::harness::{
    App, TestApp,
    dkim::{Verdicts, Verifiers},
    mail::Mail,
    mail_server::{self, Kind, Setup},
    process,
    program::Program,
    smtp::SmtpServer,
};

/// The domain of the publication's sender.
const DOMAIN: &str = "lok-lausitz.example";

/// Keys that the command has made.
struct Keys {
    program: Program,
    /// As `DKIM_KEYS` takes them, in the order they were made.
    entries: Vec<String>,
    /// Name and text of each one's DNS record.
    records: Vec<(String, String)>,
}

impl Keys {
    async fn make(kinds: &[(&str, &str)]) -> Self {
        let mut keys = Self { program: Program::alone(), entries: Vec::new(), records: Vec::new() };
        for (selector, kind) in kinds {
            let file = keys.program.dir().join(format!("{selector}.pem")).display().to_string();
            let arguments =
                ["dkim", "new", "--selector", selector, "--algorithm", kind, "--out", &file, "--json"];
            let record = keys.program.run(&arguments).await.json();
            assert_eq!(record["name"], format!("{selector}._domainkey"));
            keys.entries.push(format!("{selector}:{file}"));
            let name = format!("{selector}._domainkey.{DOMAIN}");
            keys.records.push((name, record["value"].as_str().unwrap().to_owned()));
        }
        keys
    }

    fn setting(&self) -> String {
        self.entries.join(",")
    }
}

/// Both programs find each of these signatures valid.
fn all_valid(selectors: &[&str]) -> Verdicts {
    let each = |program| selectors.iter().map(move |selector| ((program, (*selector).to_owned()), true));
    each("OpenDKIM").chain(each("dkimpy")).collect()
}

/// A mail of each kind: a confirmation, a mailing's copy, a test.
async fn cause_mails(app: &TestApp) {
    app.sign_up("maria@example.com").await;
    app.subscribers(1).await;
    let editor = app.member("jo@example.org", Role::Editor).await;
    let browser = app.browser_of(&editor).await;
    let update = app.update("Neues aus der Lausitz").await;
    browser.post(&format!("/staff/updates/{update}/test"), &[("own", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_passed_a_real_postfix_has_valid_signatures_of_rsa_and_ed25519() {
    let keys = Keys::make(&[("rsa2026", "rsa"), ("ed2026", "ed25519")]).await;
    let Some(verifiers) = Verifiers::new(&keys.records) else { return };
    let sink = SmtpServer::start().await;
    let setup = Setup { with_login: false, pipelining: true, more: "" };
    let Some(server) = mail_server::start(Kind::Postfix, setup, sink.addr()).await else { return };
    let app =
        App::new().without_worker().setting("BOUNCE_ADDRESS", "bounces@brief.example.org").start().await;
    cause_mails(&app).await;
    let id = app.trigger().await;
    let url = format!("smtp://localhost:{}?tls=none", server.port);
    let _worker = process::worker(&app, &[("SMTP_URL", &url), ("DKIM_KEYS", &keys.setting())]);
    app.wait_for_state(id, MailingState::Done).await;
    let mails = sink.wait_for(3).await;
    assert_eq!(mails.len(), 3);
    for accepted in &mails {
        let mail = Mail::parse(&accepted.data);
        let found = verifiers.verdicts(&accepted.data).await;
        assert_eq!(found, all_valid(&["ed2026", "rsa2026"]), "{}", mail.source);
        let signatures: Vec<&str> = mail.source.split("\r\nDKIM-Signature: ").skip(1).collect();
        assert_eq!(signatures.len(), 2, "{}", mail.source);
        // In the name of the From's domain, not of the return path's: that is what DMARC asks for.
        assert!(accepted.from.ends_with("@brief.example.org"), "{}", accepted.from);
        for signature in signatures {
            assert!(
                signature.contains(&format!("d={DOMAIN};")) && signature.contains("c=relaxed/relaxed;"),
                "{signature}"
            );
        }
    }
}

fn changed(mail: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = str::from_utf8(mail).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    text.replacen(from, to, 1).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_what_readers_see_or_press_breaks_the_signatures_and_a_relay_that_folds_anew_does_not()
 {
    let keys = Keys::make(&[("rsa2026", "rsa"), ("ed2026", "ed25519")]).await;
    let Some(verifiers) = Verifiers::new(&keys.records) else { return };
    let app = App::new().setting("DKIM_KEYS", &keys.setting()).start().await;
    app.subscribers(1).await;
    let id = app.trigger().await;
    app.wait_for_state(id, MailingState::Done).await;
    let mail = app.relay.wait_for(1).await.remove(0).data;

    let text = str::from_utf8(&mail).unwrap();
    let line = |name: &str| {
        let begin = text.find(&format!("\r\n{name}: ")).unwrap_or_else(|| panic!("no {name} in {text}")) + 2;
        let mut end = begin + text[begin..].find("\r\n").unwrap() + 2;
        while text[end..].starts_with([' ', '\t']) {
            end += text[end..].find("\r\n").unwrap() + 2;
        }
        &text[begin..end]
    };
    let mut broken = vec![
        ("the body", changed(&mail, "</html>", "<p>Neu</p></html>")),
        ("the end", [mail.as_slice(), b"more\r\n"].concat()),
    ];
    for name in [
        "From",
        "Subject",
        "To",
        "Date",
        "Reply-To",
        "Message-ID",
        "List-Id",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "Content-Type",
    ] {
        let line = line(name);
        broken.push((name, changed(&mail, line, &line.replacen(": ", ": x", 1))));
        broken.push((name, changed(&mail, line, "")));
    }
    for more in [
        "From: <boss@other.example>",
        "Subject: Other",
        "To: <x@y.example>",
        "Date: now",
        "Reply-To: <a@b.example>",
    ] {
        broken.push((more, [format!("{more}\r\n").as_bytes(), &mail].concat()));
    }
    for (what, mail) in &broken {
        let found = verifiers.verdicts(mail).await;
        // `OpenDKIM` says nothing about a mail that it takes for none, such as one without From.
        assert!(found.len() >= 2 && found.values().all(|valid| !valid), "{what}: {found:?}");
    }

    let subject = line("Subject");
    let folded = subject.replacen(": ", ":\r\n\t ", 1).replacen("Subject", "SUBJECT", 1);
    for (what, mail) in [
        ("nothing", mail.clone()),
        ("folded anew", changed(&mail, subject, &folded)),
        (
            "received once more",
            [b"Received: from a by b; Tue, 1 Dec 2026 06:00:00 +0000\r\n", &*mail].concat(),
        ),
        ("empty lines at the end", [&*mail, b"\r\n\r\n"].concat()),
    ] {
        assert_eq!(verifiers.verdicts(&mail).await, all_valid(&["ed2026", "rsa2026"]), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_without_a_mail_that_nobody_can_verify() {
    let keys = Keys::make(&[("old", "rsa"), ("new", "rsa")]).await;
    let [old, new] = &keys.entries[..] else { panic!() };
    let both = format!("{old},{new}");
    // Each step with the records that the DNS shows by then; the old one stays until the last mail has arrived.
    for (setting, records, valid) in [
        (old.as_str(), &keys.records[..], &["old"][..]),
        (&both, &keys.records, &["new", "old"]),
        (new, &keys.records, &["new"]),
        (new, &keys.records[1..], &["new"]),
    ] {
        let Some(verifiers) = Verifiers::new(records) else { return };
        let app = App::new().setting("DKIM_KEYS", setting).start().await;
        app.sign_up("maria@example.com").await;
        let mail = app.relay.wait_for(1).await.remove(0).data;
        assert_eq!(verifiers.verdicts(&mail).await, all_valid(valid), "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_nobody_elses_to_read_and_never_takes_the_place_of_another() {
    let keys = Keys::make(&[("mail2026", "ed25519")]).await;
    let file = keys.program.dir().join("mail2026.pem");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&file).unwrap();
    let path = file.to_str().unwrap();
    let again = keys.program.run(&["dkim", "new", "--selector", "mail2027", "--out", path]).await;
    assert!(again.refused(1).contains("exists"), "{again:?}");
    assert_eq!(fs::read(&file).unwrap(), before);
    let unusual = keys.program.run(&["dkim", "new", "--selector", "a b", "--out", "x.pem"]).await;
    assert!(unusual.refused(2).contains("selector"), "{unusual:?}");

    // What belongs into the DNS is shown again, with the domain of the publication's sender.
    let app = App::new().without_worker().start().await;
    let program = Program::beside(&app).setting("DKIM_KEYS", &keys.setting());
    let shown = program.run(&["dkim", "show", "--json"]).await.json();
    let (name, value) = &keys.records[0];
    assert_eq!((&shown[0]["name"], &shown[0]["value"]), (&name.clone().into(), &value.clone().into()));
    let shown = program.run(&["dkim", "show", "--domain", "müller.example"]).await;
    assert!(
        shown.done().contains("mail2026._domainkey.xn--mller-kva.example. IN TXT \"v=DKIM1;"),
        "{shown:?}"
    );

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = program.run(&["serve"]).await;
    let words = refused.refused(2);
    assert!(
        words.contains("DKIM_KEYS names") && words.contains("mode 0644") && words.contains("chmod"),
        "{words}"
    );
    assert!(!words.contains("PRIVATE"), "{words}");
}
