//! Every text is used, and every text that is used is there, in every language and with every form.
//!
//! A key counts as used where a template names it, where code has it and its table as literals in one file, or where it is
//! one of those that [`chosen_by_data`] lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use strum::VariantArray as _;

use super::*;
use crate::{
    domain::{
        import::{
            encoding::Encoding,
            plan::Separator,
            presets::Preset,
            states::{Listed, Means},
        },
        leave_reason::LeaveReason,
        mailing::PauseKind,
        on_request::Channel,
        queue::{delivery::DeliveryKind, reply_meaning},
        signup::held,
        staff::audit::Action,
        subscriber::SubscriberState,
    },
    mail::{
        markdown::directive::{Key, Kind},
        preflight::Code,
        templates::MailKind,
    },
    web::{public::samples, renderer::TEMPLATES},
};

/// Texts by table and key. A text with forms is one.
type Keys = BTreeSet<(String, String)>;

fn is_plural(table: &toml::Table) -> bool {
    const FORMS: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];
    table.keys().all(|key| FORMS.contains(&key.as_str()))
}

fn collect(table: &toml::Table, path: &str, out: &mut Keys) {
    for (key, value) in table {
        match value.as_table() {
            Some(inner) if !is_plural(inner) => {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(inner, &path, out);
            }
            _ => assert!(out.insert((path.to_owned(), key.clone()))),
        }
    }
}

fn keys_of(texts: &Texts, locale: Locale) -> Keys {
    let mut keys = Keys::new();
    collect(texts.of(locale).unwrap(), "", &mut keys);
    // What a language calls others is up to it.
    keys.retain(|(table, _)| table != "language");
    keys
}

fn each_plural(table: &toml::Table, path: &str, check: &mut impl FnMut(&str, &toml::Table)) {
    for (key, value) in table {
        let Some(inner) = value.as_table() else { continue };
        let path = format!("{path}.{key}");
        if is_plural(inner) { check(&path, inner) } else { each_plural(inner, &path, check) }
    }
}

#[test]
fn every_language_has_the_same_texts() {
    let texts = Texts::read().unwrap();
    let first = keys_of(&texts, Locale::ALL[0]);
    for locale in Locale::ALL {
        let own = keys_of(&texts, locale);
        assert_eq!(
            first.difference(&own).collect::<Vec<_>>(),
            Vec::<&(String, String)>::new(),
            "{locale} lacks"
        );
        assert_eq!(
            own.difference(&first).collect::<Vec<_>>(),
            Vec::<&(String, String)>::new(),
            "{locale} alone"
        );
    }
}

#[test]
fn a_text_with_forms_has_those_that_its_language_uses() {
    let texts = Texts::read().unwrap();
    for locale in Locale::ALL {
        let numbers = (0..=1000).chain([10_000, 100_000, 1_000_000, 1_000_001]);
        let used: BTreeSet<&str> = numbers.map(|number| plurals::form(locale, number)).collect();
        let mut count = 0;
        each_plural(texts.of(locale).unwrap(), "", &mut |path, forms| {
            count += 1;
            let own: BTreeSet<&str> = forms.keys().map(String::as_str).collect();
            assert_eq!(own, used, "{path} in {locale}");
        });
        assert!(count > 20, "they are found");
    }
}

/// Texts with a number in which no word depends on it.
const NUMBER_ALONE: &[&str] = &[
    "staff.error.audience",
    "staff.finding.heading_first.text",
    "staff.finding.links_unchecked.text",
    "staff.import.run",
    "staff.mailing.accepted_of",
    "staff.mailing.average",
    "staff.mailing.hours",
    "staff.mailing.minutes",
    "staff.mailing.more_addresses",
    "staff.mailing.seconds",
    "staff.progress.rate",
    "staff.progress.rate_slow",
];

#[test]
fn a_text_with_a_count_has_forms() {
    let texts = Texts::read().unwrap();
    for locale in Locale::ALL {
        let mut alone = BTreeSet::new();
        for (table, key) in keys_of(&texts, locale) {
            assert!(!key.ends_with("_one"), "{table}.{key} is a form: write {}", key.replace("_one", ".one"));
            let text = texts.text_if_any(locale, &table, &key);
            if text.is_some_and(|text| text.contains("{count}")) {
                alone.insert(format!("{table}.{key}"));
            }
        }
        assert_eq!(alone.iter().map(String::as_str).collect::<Vec<_>>(), NUMBER_ALONE, "{locale}");
    }
}

#[test]
fn every_text_that_is_named_is_there_and_every_text_is_used() {
    let texts = Texts::read().unwrap();
    let there = keys_of(&texts, Locale::ALL[0]);
    let tables: BTreeSet<&str> = there.iter().map(|(table, _)| table.as_str()).collect();
    let (mut used, mut missing) = (Keys::new(), Keys::new());
    let mut name = |table: &str, key: &str| {
        let named = (table.to_owned(), key.to_owned());
        if there.contains(&named) {
            used.insert(named)
        } else {
            missing.insert(named)
        };
    };
    for path in TEMPLATES.iter().flat_map(|(template, file)| named_in_template(template, &file.read())) {
        // A whole table, from which data choose.
        if !tables.contains(path.as_str())
            && !tables.iter().any(|table| table.starts_with(&format!("{path}.")))
        {
            let (table, key) = path.rsplit_once('.').unwrap();
            name(table, key);
        }
    }
    for (table, keys) in chosen_by_data() {
        for key in keys {
            name(table, &key);
        }
    }
    for (file, code) in sources("src/web").into_iter().chain(sources("src/commands")) {
        for (table, key) in named_in_code(&file, &code) {
            name(&table, &key);
        }
    }
    assert!(missing.is_empty(), "no language has {missing:#?}");
    for (file, code) in sources("src/web") {
        let literals = literals(&code);
        let is_of_staff = is_of_staff(&file);
        for (table, key) in &there {
            let short = table.strip_prefix("staff.").filter(|_| is_of_staff);
            let names_table =
                literals.contains(table.as_str()) || short.is_some_and(|it| literals.contains(it));
            if names_table && literals.contains(key.as_str()) {
                used.insert((table.clone(), key.clone()));
            }
        }
    }
    // These are chosen by names that other files have.
    let of_others: [(&str, &[&str]); 5] = [
        ("staff.detail", &["src/app", "src/domain"]),
        ("staff.done", &["src/web/staff"]),
        ("staff.error", &["src/web/staff", "src/app"]),
        ("staff.files", &["src/web/staff/files"]),
        ("staff.images", &["src/web/staff/images"]),
    ];
    for (table, rooms) in of_others {
        for (_, code) in rooms.iter().flat_map(|room| sources(room)) {
            let literals = literals(&code);
            let keys = there.iter().filter(|(of, key)| of == table && literals.contains(key.as_str()));
            used.extend(keys.cloned());
        }
    }
    let unused: Vec<_> = there.difference(&used).collect();
    assert!(unused.is_empty(), "nobody uses {unused:#?}");
}

/// The buttons above a text write blocks with these words.
#[test]
fn the_names_of_blocks_and_fields_are_words_that_mean_them() {
    let texts = Texts::read().unwrap();
    for locale in Locale::ALL {
        for &kind in Kind::VARIANTS {
            assert_eq!(Kind::of(texts.text(locale, "staff.block", kind.into())), Some(kind));
            for &key in kind.keys() {
                let name = texts.text(locale, "staff.block_field", key.into());
                assert_eq!(kind.key(name), Some(key), "{name}");
            }
        }
    }
}

/// The keys that code takes from data, by table.
fn chosen_by_data() -> Vec<(&'static str, Vec<String>)> {
    fn own(names: impl IntoIterator<Item = &'static str>) -> Vec<String> {
        names.into_iter().map(str::to_owned).collect()
    }
    let mut of = Vec::new();
    let event = "src/domain/consent.rs";
    let mut what = names_in(event, "pub fn what(&self)");
    what.extend(own(["listed_unsubscribed", "listed_bounced", "listed_complained"]));
    of.push(("data.event", what));
    of.push(("data.method", names_in(event, "pub fn how(&self)")));
    let mut mails = own(DeliveryKind::ALL.map(DeliveryKind::name));
    mails.extend(own(["already_subscribed", "signup_answer"]));
    of.push(("data.mail", mails));
    for code in Code::ALL {
        let table = format!("staff.finding.{}", code.as_str()).leak();
        of.push((table, own(["text", "fix"])));
    }
    for key in names_in("src/web/http/problem.rs", "pub fn key(&self)") {
        of.push((format!("problem.{key}").leak(), own(["title", "message", "way_on"])));
    }
    for key in names_in("src/web/staff/staff_problem.rs", "pub fn key(&self)") {
        of.push((format!("staff.problem.{key}").leak(), own(["title", "message"])));
    }
    // Those of the public pages of which staff are told something else.
    for key in ["bad_request", "method_not_allowed", "not_found"] {
        of.push((format!("staff.problem.{key}").leak(), own(["title", "message"])));
    }
    let action = Action::ALL.iter().map(|action| action.as_str());
    of.push(("staff.action", own(action)));
    of.push(("staff.audit", own(["image_gone", "image_unnamed", "update_gone", "update_unnamed"])));
    let states = variants("src/domain/queue/delivery.rs", "pub enum DeliveryState");
    of.push(("data.result", states.clone()));
    of.push(("data.bounce", variants("src/domain/bounce.rs", "pub enum BounceKind")));
    of.push(("data.bounce_way", variants("src/domain/bounce.rs", "pub enum Way")));
    of.push(("staff.delivery_state", states));
    of.push((
        "staff.bounce_means",
        own(["complaint", "hard", "soft", "policy", "delayed", "auto_reply", "unrecognised"]),
    ));
    of.push(("staff.block", own(Kind::VARIANTS.iter().map(|kind| (*kind).into()))));
    of.push(("staff.block_field", own(Key::VARIANTS.iter().map(|key| (*key).into()))));
    of.push(("staff.encoding", own(Encoding::ALL.map(Encoding::name))));
    of.push(("staff.separator", own(Separator::ALL.map(Separator::name))));
    of.push(("staff.preset", own(Preset::ALL.map(Preset::name))));
    of.push(("staff.hold", variants("src/domain/restore.rs", "pub enum HoldReason")));
    let import = variants("src/domain/import/upload.rs", "pub enum ImportState");
    for table in ["staff.import_lead", "staff.import_state", "staff.import_title"] {
        of.push((table, import.clone()));
    }
    of.push(("staff.done", own(["test_sent"])));
    of.push(("staff.files", names_in("src/app/share_file/recognise.rs", "pub fn key(self)")));
    of.push(("staff.images", names_in("src/app/images/process.rs", "pub fn key(self)")));
    of.push(("staff.import_everybody", own(Listed::OF_EVERYBODY.map(Listed::name))));
    of.push(("staff.import_failure", own(["erased", "internal", "long_line", "open_quote", "others_below"])));
    of.push(("staff.state_means", own(Means::ALL.map(Means::name).into_iter().chain(["ignore"]))));
    of.push(("staff.line_problem", names_in("src/domain/import/lines.rs", "pub fn key(&self)")));
    of.push(("staff.mails", own(MailKind::ALL.iter().map(|kind| kind.folder()))));
    of.push(("staff.meaning", own(reply_meaning::Meaning::ALL.iter().map(|meaning| meaning.key()))));
    of.push(("staff.month", (1..=12).map(|month| month.to_string()).collect()));
    of.push(("staff.notice.what", variants("src/domain/staff/notice.rs", "pub enum Notice")));
    for table in ["staff.pause_heading", "staff.pause_text"] {
        of.push((table, own(PauseKind::ALL.map(PauseKind::name))));
    }
    of.push(("staff.preflight_value", own(["slow", "refused", "certificate", "answer", "HTML", "Text"])));
    of.push((
        "staff.publication_missing",
        own(["sender_name", "sender_address", "privacy_url", "imprint", "consent"]),
    ));
    of.push(("staff.reauth", after_call("src/web/routes.rs", ".reauth(")));
    of.push(("staff.sample_page", own(samples::PAGES.iter().copied())));
    let verdicts = variants("src/domain/signature_seen.rs", "pub enum SignatureVerdict");
    of.push(("staff.signature_short", verdicts.clone()));
    of.push(("staff.signature_verdict", verdicts));
    for table in ["staff.signups.reason", "staff.signups.about"] {
        of.push((table, own(held::HeldFor::ALL.map(held::HeldFor::name))));
    }
    of.push(("staff.state", variants("src/web/staff/members.rs", "enum PersonState")));
    of.push(("staff.subscriber_state", own(SubscriberState::ALL.map(SubscriberState::name))));
    of.push(("staff.channel", own(Channel::ALL.iter().map(|channel| channel.name()))));
    let asked = variants("src/web/staff/phone/question.rs", "pub enum What");
    for table in ["staff.phone_ask.title", "staff.phone_ask.text", "staff.phone_ask.button"] {
        of.push((table, asked.clone()));
    }
    of.push(("staff.suppressed", variants("src/domain/suppression.rs", "pub enum SuppressionReason")));
    let mut unfinished = names_in("src/mail/markdown.rs", "pub fn key(self)");
    unfinished.extend(unfinished_fields());
    of.push(("staff.unfinished", unfinished));
    of.push(("subscribed", own(["yes", "change", "elsewhere", "declined"])));
    of.push(("unsubscribed.reason", own(LeaveReason::ALL.map(LeaveReason::name))));
    of
}

/// What `Writing::unfinished` finds, as `FIELD_PROBLEM`.
fn unfinished_fields() -> Vec<String> {
    let body = block("src/domain/update/text.rs", "pub fn unfinished(&self)");
    let found = body.lines().filter_map(|line| {
        let names: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        (names.len() == 2 && line.trim_start().starts_with('(')).then(|| names.join("_"))
    });
    found.collect()
}

/// The paths that a template names behind `t.`, with those that components name behind what they are given as `t`.
fn named_in_template(template: &str, text: &str) -> Vec<String> {
    const COMPONENTS: [(&str, &str); 6] = [
        ("plan", "staff"),
        ("upload", "staff.images"),
        ("logo", "staff"),
        ("remarks", "staff.review"),
        ("picture_alt", "staff.editor"),
        ("dialog_buttons", "staff.editor"),
    ];
    let mut found = Vec::new();
    for (at, _) in text.match_indices("t.") {
        let before = text[..at].chars().next_back().unwrap_or(' ');
        if before.is_alphanumeric() || before == '_' || before == '.' {
            continue;
        }
        let rest = &text[at + 2..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
        let path = rest[..end].trim_end_matches('.');
        let component = text[..at].rsplit_once("{% component ").map(|(_, rest)| rest);
        let component = component.and_then(|rest| rest.split_once('(')).map(|(name, _)| name);
        let given = COMPONENTS.iter().find(|(name, _)| Some(*name) == component);
        match given {
            Some((_, given)) if template == "staff/parts.html" => found.push(format!("{given}.{path}")),
            _ => found.push(path.to_owned()),
        }
    }
    found
}

/// The texts that code names with table and key as literals, or with a key alone where a closure has the table.
fn named_in_code(file: &Path, code: &str) -> Keys {
    let prefix = |receiver: &str| match receiver {
        "page" | "self" if is_of_staff(file) => Some("staff."),
        "visitor" => Some(""),
        _ => None,
    };
    let mut keys = Keys::new();
    for call in [".text(", ".plural("] {
        for (at, _) in code.match_indices(call) {
            let receiver = code[..at].rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap();
            let Some(prefix) = prefix(receiver) else { continue };
            let Some((table, rest)) = literal(&code[at + call.len()..]) else { continue };
            if let Some((key, _)) = literal(rest.trim_start().trim_start_matches(',')) {
                keys.insert((format!("{prefix}{table}"), key.to_owned()));
            }
        }
    }
    keys
}

/// The literal that a text begins with, and what is behind it.
fn literal(text: &str) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix('"')?.split_once('"')
}

fn literals(code: &str) -> BTreeSet<&str> {
    code.split('"').filter(|part| !part.contains([' ', '\n'])).collect()
}

fn is_of_staff(file: &Path) -> bool {
    file.to_string_lossy().contains("src/web/staff")
}

/// The names that a function, or what else begins with `head`, gives: its literals.
fn names_in(file: &str, head: &str) -> Vec<String> {
    literals(&block(file, head)).into_iter().filter(|name| is_name(name)).map(str::to_owned).collect()
}

/// The variants of an enum, as serde and strum write them.
fn variants(file: &str, head: &str) -> Vec<String> {
    let body = block(file, head);
    let lines = body.lines().skip(1).map(str::trim).filter(|line| line.starts_with(char::is_uppercase));
    lines.map(|line| snake_case(line.trim_end_matches(','))).collect()
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// The literals behind a call.
fn after_call(file: &str, call: &str) -> Vec<String> {
    let code = source(file);
    let calls = code.split(call).skip(1);
    calls.filter_map(|rest| literal(rest).map(|(name, _)| name.to_owned())).collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// A block of code from the line with `head` to the brace that closes it.
fn block(file: &str, head: &str) -> String {
    let code = source(file);
    let at = code.find(head).unwrap_or_else(|| panic!("{file} has `{head}`"));
    let line = code[..at].rfind('\n').map_or(0, |at| at + 1);
    let indent = &code[line..][..code[line..].len() - code[line..].trim_start().len()];
    let end = code[at..].find(&format!("\n{indent}}}\n")).unwrap();
    code[at..at + end].to_owned()
}

fn source(file: &str) -> String {
    let code = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    // What tests say is no use.
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n") + "\n"
}

fn sources(room: &str) -> BTreeMap<PathBuf, String> {
    fn walk(root: &Path, path: &Path, out: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
                let name = path.strip_prefix(root).unwrap();
                out.insert(name.to_owned(), source(name.to_str().unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    walk(root, &root.join(room), &mut found);
    found
}
