//! What comes back about mails, as servers and programs write it: what each says, and to whom it happened.

mod any_bytes;
pub mod samples;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use base64::Engine as _;
use rundbrief::mail::incoming::{Kind, read};
use serde_json::{Value, json};

use self::samples::{SAMPLES, report};
use crate::harness::program::Program;

#[test]
fn each_form_says_what_happened_to_whom() {
    for sample in SAMPLES {
        let read = read(sample.message.as_bytes());
        let addresses: Vec<&str> =
            read.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
        assert_eq!((read.kind, addresses.as_slice()), (sample.kind, sample.addresses), "{}", sample.of);
    }
}

#[test]
fn a_report_for_programs_is_read_field_by_field() {
    let fields = "Original-Recipient: rfc822;erika@example.org\nFinal-Recipient: rfc822;e.muster@intern.example.org\n\
                  Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.example.org\n\
                  Diagnostic-Code: smtp; 550 5.1.1 <e.muster@intern.example.org>:\n    Recipient address rejected";
    let read = read(report(fields).as_bytes());
    assert_eq!(
        serde_json::to_value(&read).unwrap(),
        json!({
            "kind": "hard",
            "recipients": [{
                "address": "erika@example.org",
                "action": "failed",
                "status": "5.1.1",
                "diagnostic": "smtp; 550 5.1.1 <e.muster@intern.example.org>: Recipient address rejected",
            }],
            "message_id": "019ad.update@brief.example.org",
            "remote_mta": "mx.example.org",
        })
    );
}

#[test]
fn what_a_failure_means_goes_by_its_codes_and_then_by_its_words() {
    for (status, diagnostic, kind) in [
        ("5.1.1", "smtp; 550 5.1.1 unknown", Kind::Hard),
        ("5.1.10", "smtp; 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", Kind::Hard),
        ("5.2.1", "smtp; 550 5.2.1 mailbox disabled", Kind::Hard),
        ("5.2.2", "smtp; 552 5.2.2 over quota", Kind::Soft),
        ("5.2.3", "smtp; 552 5.2.3 too large", Kind::Soft),
        ("4.4.7", "smtp; 450 4.7.1 Greylisted", Kind::Soft),
        ("4.2.2", "smtp; 452 4.2.2 mailbox full", Kind::Soft),
        ("5.7.1", "smtp; 554 5.7.1 Message rejected", Kind::Policy),
        ("5.7.515", "smtp; 550 5.7.515 Access denied", Kind::Policy),
        ("5.4.5", "smtp; 550 5.4.5 Daily sending quota exceeded", Kind::Policy),
        ("5.0.0", "smtp; 550 Mailbox unavailable", Kind::Hard),
        ("5.0.0", "smtp; 554 Message looks like spam", Kind::Policy),
        ("5.0.0", "smtp; 550 Postfach ist voll", Kind::Soft),
        ("5.0.0", "smtp; 550 Benutzer unbekannt", Kind::Hard),
    ] {
        let fields = format!(
            "Final-Recipient: rfc822; a@example.org\nAction: failed\nStatus: {status}\nDiagnostic-Code: {diagnostic}"
        );
        assert_eq!(read(report(&fields).as_bytes()).kind, kind, "{status} {diagnostic}");
    }
    for (action, kind) in
        [("delayed", Kind::Delayed), ("delivered", Kind::Unrecognised), ("relayed", Kind::Unrecognised)]
    {
        let fields = format!("Final-Recipient: rfc822; a@example.org\nAction: {action}\nStatus: 4.0.0");
        assert_eq!(read(report(&fields).as_bytes()).kind, kind, "{action}");
    }
}

#[test]
fn what_is_hostile_costs_little_and_says_nothing() {
    let deep: Vec<String> = (0..20_000)
        .map(|number| format!("Content-Type: multipart/mixed; boundary=b{number}\n\n--b{number}\n"))
        .collect();
    let nested = "Content-Type: message/rfc822\n\n".repeat(20_000);
    let encoded = format!(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{}",
        base64::engine::general_purpose::STANDARD.encode(&nested)
    );
    let long = format!("Subject: x\n\n{}", "a".repeat(50 * 1024 * 1024));
    for (what, message) in [
        ("deep", deep.concat()),
        ("nested", nested),
        ("encoded", encoded),
        ("long", long),
        ("nothing", String::new()),
    ] {
        let read = read(message.as_bytes());
        assert_eq!((read.kind, read.recipients.len()), (Kind::Unrecognised, 0), "{what}");
    }
    let many: Vec<String> = (0..10_000)
        .map(|n| format!("\nFinal-Recipient: rfc822; p{n}@example.org\nAction: failed\nStatus: 5.1.1\n"))
        .collect();
    assert_eq!(read(report(&many.concat()).as_bytes()).recipients.len(), 1_000);
    let wide = format!(
        "From: MAILER-DAEMON@example.org\nSubject: failure notice\n\nCould not be delivered to {}",
        "x@example.org y@example.org <z@example.org> ".repeat(20_000)
    );
    assert_eq!(read(wide.as_bytes()).recipients.len(), 3);
}

/// Real bounces with the verdict of a person, as `tests/it/bounces/flufl.txt` has it. They are other people's mail and lie beside
/// the checkout, or where `scripts/corpora` puts them; without them nothing is tested, and that is said.
#[test]
fn real_bounces_mean_what_a_person_said_they_mean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [root.join(".."), root.join("target/corpora")];
    let mut folders = places.iter().map(|place| place.join("flufl_bounce-6.0.0/tests/data"));
    let Some(folder) = folders.find(|folder| folder.is_dir()) else {
        eprintln!(
            "NOT TESTED: real bounces, because flufl_bounce-6.0.0 is not there (scripts/corpora fetches it)"
        );
        return;
    };
    let expected: BTreeMap<&str, &str> = include_str!("bounces/flufl.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .collect();
    let mut wrong = Vec::new();
    for (name, kind) in &expected {
        let kind = kind.split(' ').next().unwrap();
        let read = read(&fs::read(folder.join(format!("{name}.txt"))).unwrap());
        let found = serde_json::to_value(read.kind).unwrap();
        if found != kind {
            wrong.push(format!("{name}: {found}, and not {kind}"));
        }
    }
    assert!(expected.len() > 110 && wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_explains_each_file_and_names_one_that_it_cannot_read() {
    let folder = std::env::temp_dir().join(format!("rb-bounces-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let files: Vec<PathBuf> = SAMPLES
        .iter()
        .take(3)
        .enumerate()
        .map(|(n, sample)| {
            let file = folder.join(format!("{n}.eml"));
            fs::write(&file, sample.message).unwrap();
            file
        })
        .collect();
    let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let program = Program::alone();
    let told = program.run(&[&["bounces", "explain"], names.as_slice(), &["--json"]].concat()).await;
    let kinds: Vec<Value> = told
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone())
        .collect();
    let expected: Vec<Value> =
        SAMPLES.iter().take(3).map(|sample| serde_json::to_value(sample.kind).unwrap()).collect();
    assert_eq!(kinds, expected);
    let told = program.run(&["bounces", "explain", names[0]]).await;
    assert!(told.stdout.starts_with(&format!("{}: hard: ", names[0])), "{}", told.stdout);
    let told = program.run(&["bounces", "explain", "no-such-file.eml"]).await;
    assert!(told.stderr.contains("no-such-file.eml cannot be read"), "{}", told.stderr);
    fs::remove_dir_all(&folder).unwrap();
}
