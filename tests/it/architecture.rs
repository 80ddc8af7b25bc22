//! The rooms and their import rule.

mod changes;
mod circles;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Rooms from left to right. `delivery`, `inbound` and `web` stand side by side.
const ROOMS: [(&str, u32); 12] = [
    ("config", 0),
    ("source", 0),
    ("telemetry", 0),
    ("tls", 0),
    ("db", 1),
    ("domain", 2),
    ("mail", 3),
    ("app", 4),
    ("delivery", 5),
    ("inbound", 5),
    ("web", 5),
    ("commands", 6),
];

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn room_of(name: &str) -> Option<(&'static str, u32)> {
    ROOMS.into_iter().find(|(room, _)| *room == name)
}

/// The rooms a file names after `crate::`, also inside a grouped import.
fn rooms_used(source: &str) -> Vec<String> {
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    c if depth == 0 && (c.is_alphanumeric() || c == '_') => word.push(c),
                    _ if depth == 0 => {
                        used.push(std::mem::take(&mut word));
                    }
                    _ => {}
                }
            }
            used.push(word);
        } else {
            used.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    used.retain(|word| room_of(word).is_some());
    used
}

#[test]
fn rooms_import_only_from_their_left() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 40, "the sources were found");
    let mut broken = Vec::new();
    let mut looked_at = 0;
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let first = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let Some((own, rank)) = room_of(first) else { continue };
        for used in rooms_used(&fs::read_to_string(&file).unwrap()) {
            looked_at += 1;
            let (_, other) = room_of(&used).unwrap();
            if used != own && other >= rank && other > 0 {
                broken.push(format!("{} uses {used}", relative.display()));
            }
        }
    }
    assert!(looked_at > 50, "imports were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_domain_knows_no_axum_lettre_or_tera() {
    let domain = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    let mut files = Vec::new();
    rust_files(&domain, &mut files);
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for stranger in ["axum", "lettre", "tera::"] {
                assert!(!line.contains(stranger), "{}: {line}", file.display());
            }
        }
    }
}

/// The files of `web` and `commands` whose code, but for tests, holds one of these signs; and that of what a worker does about
/// mailings, beside its queue.
fn doors_with(signs: &[&str]) -> Vec<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<PathBuf> =
        ["web.rs", "commands.rs", "delivery/maintenance.rs"].iter().map(|file| src.join(file)).collect();
    for room in ["web", "commands"] {
        rust_files(&src.join(room), &mut files);
    }
    let mut holding: Vec<String> = files
        .into_iter()
        .filter(|file| {
            let source = fs::read_to_string(file).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            signs.iter().any(|sign| code.contains(sign))
        })
        .map(|file| file.strip_prefix(&src).unwrap().display().to_string())
        .collect();
    holding.sort();
    holding
}

#[test]
fn doors_open_no_transaction_and_write_no_audit_line() {
    let holding = doors_with(&["pool.begin()", "audit::record(", "event::record(", "query!(", "note(&mut"]);
    assert_eq!(holding, Vec::<String>::new(), "what a door does is one function in app");
}

/// A door without a connection can neither run SQL nor call a function of the domain that does: each of those takes one.
/// What it may do is hand the pool to `app`.
#[test]
fn doors_have_no_connection_to_the_database() {
    let connected = doors_with(&["PgConnection", ".acquire()", ".begin()", "Transaction<", "query!("]);
    assert_eq!(connected, [""; 0], "what a door reads or does is one function in app");
}

#[test]
fn doors_know_no_sqlx() {
    assert_eq!(doors_with(&["sqlx"]), [""; 0], "what of it a door may name stands in db");
}

/// "Say --again" helps at one door only; each adds its own way out.
#[test]
fn no_error_of_an_earlier_room_names_a_command_or_an_option() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![src.join("db.rs")];
    for room in ["db", "domain", "mail", "app"] {
        rust_files(&src.join(room), &mut files);
    }
    let mut errors = 0;
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        for error in source.split("#[error(").skip(1) {
            let text = error.split(")]\n").next().unwrap_or_default();
            errors += 1;
            for word in [" --", "rundbrief "] {
                assert!(!text.contains(word), "{}: {text}", file.display());
            }
        }
    }
    assert!(errors > 100, "they were found: {errors}");
}

/// Functions of the domain that find a connection by themselves, so that a door could call them without having one.
const WITH_A_POOL: &[&str] = &["restore/memory.rs"];

#[test]
fn functions_of_the_domain_are_given_their_connection() {
    let domain = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    let mut files = Vec::new();
    rust_files(&domain, &mut files);
    let mut with_pool: Vec<String> = files
        .into_iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains("PgPool"))
        .map(|file| file.strip_prefix(&domain).unwrap().display().to_string())
        .collect();
    with_pool.sort();
    assert_eq!(with_pool, WITH_A_POOL);
}

/// Of a function, from its name on.
fn name_and_body(function: &str) -> (&str, &str) {
    let name = function.split(['(', '<']).next().unwrap_or_default();
    (name, function.split("\n}\n").next().unwrap_or_default())
}

/// Functions that do something for somebody, each with what it calls in its file: public ones of `app` with an actor, or that
/// the service calls by itself.
fn deeds() -> Vec<(String, String)> {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app");
    let mut files = Vec::new();
    rust_files(&app, &mut files);
    let mut deeds = Vec::new();
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        for function in source.split("\npub async fn ").skip(1) {
            let (name, body) = name_and_body(function);
            if ["Deed::begin(", "Deed::by_staff(", "Deed::by_admin("]
                .iter()
                .any(|begins| body.contains(begins))
            {
                let helpers = source.split("\nasync fn ").skip(1).map(name_and_body);
                let called = helpers.filter(|(helper, _)| body.contains(&format!("{helper}(")));
                let bodies: String = [body].into_iter().chain(called.map(|(_, body)| body)).collect();
                deeds.push((format!("{}::{name}", file.file_stem().unwrap().to_str().unwrap()), bodies));
            }
        }
    }
    deeds
}

/// Files of `app` with a transaction that is no deed: nobody is told of it.
const WITHOUT_EVENT: [&str; 3] = [
    // Attempts to log in are counted before it is known what becomes of them.
    "login_origin.rs",
    // Steps of a mailing: a chunk of the fan-out, and what a dead worker held. Its begin and its end are told.
    "move_mailings.rs",
    // What is past its time for everybody. The domain tells of addresses that are erased.
    "retention.rs",
];

#[test]
fn every_other_transaction_of_app_is_a_deed() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app");
    let mut files = Vec::new();
    rust_files(&app, &mut files);
    let opens = |file: &PathBuf| {
        let source = fs::read_to_string(file).unwrap();
        source.split("#[cfg(test)]").next().unwrap_or_default().contains(".begin().await")
    };
    let mut opening: Vec<String> = files
        .into_iter()
        .filter(opens)
        .map(|file| file.strip_prefix(&app).unwrap().display().to_string())
        .collect();
    opening.sort();
    assert_eq!(opening, WITHOUT_EVENT);
}

/// Functions of the domain that write their event in the statement that writes the consent event, so that whatever
/// withdraws a consent tells of it: see `consent::record_and_tell`.
const TELLING: [(&str, &str); 8] = [
    ("signup::request(", "signup.rs"),
    ("signup::confirm(", "signup/answer.rs"),
    ("signup::decline(", "signup/answer.rs"),
    ("address_change::ask(", "signup.rs"),
    ("discard::discard(", "signup/discard.rs"),
    ("subscriber::unsubscribe(", "subscriber.rs"),
    ("subscriber::undo_unsubscribe(", "subscriber.rs"),
    ("erasure::erase(", "erasure.rs"),
];

/// Deeds of staff whose line in the audit log another one has written.
const AUDITED_BEFORE: [&str; 1] = ["import_subscribers::bring_in"];

/// How a deed asks whether it is staff: any of them, a command alone, the owner of an account, or somebody who logs in to it,
/// out of it, or has a one-time link for it.
const ASKS_FOR_STAFF: [&str; 12] = [
    "Deed::by_staff(",
    "Deed::by_admin(",
    "by.require_staff()",
    "by.require_admin()",
    "!by.may_act_for(",
    "*by != Actor::Command",
    "owner(session)?",
    "staff::still_has_password(",
    "session::may_try_code(",
    "session::may_reauthenticate(",
    "session::end(",
    "link::use_for_password(",
];

/// How a deed asks who it is otherwise: somebody who is not staff, whoever holds a link of a subscriber or to look at an
/// update, or the service.
const ASKS: [&str; 5] =
    ["if by.is_staff()", "*by != Actor::Subscriber(", "holder(app, link)", "open_link(app, ", "SERVICE"];

#[test]
fn whatever_is_done_writes_an_event_and_what_staff_do_an_audit_line() {
    let deeds = deeds();
    assert!(deeds.len() >= 25, "they were found: {deeds:?}");
    for (name, body) in deeds {
        let notes = body.contains("deed.note(");
        let tells = notes
            || ["deed.tell(", "deed.tell_each("].iter().any(|tell| body.contains(tell))
            || TELLING.iter().any(|(call, _)| body.contains(call));
        assert!(tells, "{name} writes no event");
        let may_staff = ASKS_FOR_STAFF.iter().any(|asks| body.contains(asks));
        assert!(may_staff || ASKS.iter().any(|asks| body.contains(asks)), "{name} does not ask who it is");
        let is_audited = notes || body.contains("deed.audit(") || AUDITED_BEFORE.contains(&name.as_str());
        assert!(!may_staff || is_audited, "{name} writes no audit line");
    }
    let domain = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    for (call, file) in TELLING {
        let source = fs::read_to_string(domain.join(file)).unwrap();
        let tells = ["consent::record_and_tell(", "consent::record_erased("];
        assert!(tells.iter().any(|tell| source.contains(tell)), "{call} tells nothing");
    }
}

#[test]
fn an_import_against_the_rule_would_be_found() {
    assert_eq!(rooms_used("use crate::{\n    config::{A, B},\n    web::C,\n};"), ["config", "web"]);
    assert_eq!(rooms_used("fn a() { crate::delivery::x() }"), ["delivery"]);
    assert_eq!(rooms_used("//! see crate::web"), Vec::<String>::new());
}
