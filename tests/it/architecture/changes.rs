//! Whatever changes something is a deed: a function of `app` that calls one of the domain which writes has an actor, writes an
//! event, and is refused to those who may not. The few that are none stand here, each with why.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::rust_files;

/// Functions of `app` that change something and are no deed.
const NO_DEEDS: [(&str, &str); 28] = [
    (
        "answer_signup::answer_signup",
        "makes the mail of a signup that was told of; one that is held is told of by the domain",
    ),
    ("change_publication::keep_draft", "what somebody has typed and not saved; only they see it"),
    ("follow_mailbox::is_wanted", "how reading the mailbox goes, as a line in the log"),
    ("follow_mailbox::was_not_read", "how reading the mailbox goes, as a line in the log"),
    ("follow_mailbox::was_read", "how reading the mailbox goes, as a line in the log"),
    ("login_origin::admit", "counts attempts to log in before it is known what becomes of them"),
    ("login_origin::begin_session", "a part of the deeds of log_in and one_time_link"),
    ("mailed_link::keep", "writes line and event itself, in the transaction that marks the mail"),
    ("move_mailings::fan_out", "a step of a mailing whose begin and end are told"),
    ("move_mailings::recover", "what a dead worker held goes back to the queue"),
    ("move_mailings::skip_leftovers", "a step of a mailing whose end was told"),
    ("own_account::dismiss_first_steps", "what somebody's own start page shows them"),
    ("own_account::read_notices", "what somebody's own start page shows them"),
    ("record::adopt", "a part of the deeds of share_file and upload_image"),
    ("record::put", "bytes alone; that they are a picture or a file is told with their row"),
    ("record::remove_left_behind", "bytes that nobody knows of"),
    ("record::remove_orphans", "bytes whose row went in a deed"),
    ("release_restore::finish", "the rest of a release that was told of"),
    ("release_restore::step", "the rest of a release that was told of"),
    (
        "retention::delete_expired",
        "what is past its time for everybody; the domain tells of addresses that are erased",
    ),
    ("service_state::check_keys", "what the database remembers of the keys that a service started with"),
    ("sessions::seen", "when a session was used last"),
    ("unsubscribe::give_reason", "has no actor, and an event would tell whose answer it is"),
    (
        "uploaded_lists::begin_upload",
        "what is received of a list; that it is tried out and brought in are deeds",
    ),
    ("uploaded_lists::forget", "what was received of a list that is none"),
    (
        "uploaded_lists::keep_piece",
        "what is received of a list; that it is tried out and brought in are deeds",
    ),
    (
        "uploaded_lists::keep_plan",
        "how somebody's list is read while they look; that it is brought in is a deed",
    ),
    ("write_update::is_here", "who has an update open just now"),
];

/// A function by its file and the modules that hold it, and its name.
type Named = (Vec<String>, String);

/// What is called: a function of the same file, or one of a module.
type Call = (Option<String>, String);

struct Function {
    modules: Vec<String>,
    name: String,
    is_public: bool,
    body: String,
    calls: BTreeSet<Call>,
}

impl Function {
    fn named(&self) -> Named {
        (self.modules.clone(), self.name.clone())
    }
}

fn functions(room: &str) -> Vec<Function> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src.join(room), &mut files);
    files.retain(|file| !file.ends_with("tests.rs"));
    files.iter().flat_map(|file| functions_of(&src, file)).collect()
}

fn functions_of(src: &Path, file: &PathBuf) -> Vec<Function> {
    let source = fs::read_to_string(file).unwrap();
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let name = file.strip_prefix(src).unwrap().with_extension("");
    let modules: Vec<String> = name.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut functions = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((is_public, name)) = declared(line) else { continue };
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let body: Vec<&str> = lines[at + 1..].iter().take_while(|line| **line != end).copied().collect();
        let body = body.join("\n");
        functions.push(Function { modules: modules.clone(), name, is_public, calls: calls(&body), body });
    }
    functions
}

/// The name of the function that a line begins, and whether other files may call it.
fn declared(line: &str) -> Option<(bool, String)> {
    let text = line.trim_start();
    let (is_public, text) = match text.strip_prefix("pub") {
        Some(within) if within.starts_with('(') => (true, within.split_once(") ")?.1),
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let text = text.strip_prefix("async ").unwrap_or(text).strip_prefix("fn ")?;
    Some((is_public, text.split(['(', '<']).next().unwrap_or_default().to_owned()))
}

fn calls(body: &str) -> BTreeSet<Call> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let called = body.match_indices('(').filter_map(|(at, _)| {
        let begin = body[..at].rfind(|c| !is_path(c)).map_or(0, |before| before + 1);
        // A method is nobody's function.
        let is_method = body[..begin].ends_with('.');
        let mut parts = body[begin..at].rsplit("::");
        let name = parts.next().filter(|name| !name.is_empty() && !is_method)?;
        Some((parts.next().map(str::to_owned), name.to_owned()))
    });
    called.collect()
}

/// Whether a statement in it changes a row.
fn writes(body: &str) -> bool {
    let is_update = |at: usize| {
        let sets = body[at..].split_whitespace().skip(2).take(2).any(|word| word == "set");
        sets && !["for ", "do "].iter().any(|before| body[..at].ends_with(before))
    };
    // Functions of the database that delete begin with these words.
    ["insert into ", "delete from ", "select forget_", "select erase_"]
        .iter()
        .any(|words| body.contains(words))
        || body.match_indices("update ").any(|(at, _)| is_update(at))
}

/// Whether what a file calls is one of these functions, each by its modules and its name.
fn is_one_of(functions: &BTreeSet<Named>, modules: &[String], calls: &BTreeSet<Call>) -> bool {
    functions.iter().any(|(in_modules, name)| {
        let from_here = in_modules == modules && calls.contains(&(None, name.clone()));
        let is_called = |module: &String| calls.contains(&(Some(module.clone()), name.clone()));
        from_here || in_modules[1..].iter().any(is_called)
    })
}

/// Functions of the domain that change something, by way of others too.
fn writing() -> BTreeSet<Named> {
    let functions = functions("domain");
    let mut writing: BTreeSet<_> =
        functions.iter().filter(|function| writes(&function.body)).map(Function::named).collect();
    loop {
        let more: Vec<_> = functions
            .iter()
            .filter(|function| {
                !writing.contains(&function.named())
                    && is_one_of(&writing, &function.modules, &function.calls)
            })
            .map(Function::named)
            .collect();
        if more.is_empty() {
            return writing;
        }
        writing.extend(more);
    }
}

#[test]
fn what_changes_something_is_a_deed_or_known_to_be_none() {
    let writing = writing();
    assert!(writing.len() > 150, "they were found: {}", writing.len());
    let app = functions("app");
    // Each function of a file with those of the file that it calls.
    let whole = |function: &Function| {
        let helpers = app.iter().filter(|other| {
            !other.is_public
                && other.modules == function.modules
                && function.calls.contains(&(None, other.name.clone()))
        });
        helpers.map(|helper| helper.body.clone()).chain([function.body.clone()]).collect::<String>()
    };
    let is_deed = |function: &Function| {
        let body = whole(function);
        ["Deed::begin(", "Deed::by_staff(", "Deed::by_admin("].iter().any(|begins| body.contains(begins))
    };
    let changes = |function: &Function| is_one_of(&writing, &function.modules, &calls(&whole(function)));
    let mut others: Vec<String> = app
        .iter()
        .filter(|function| function.is_public && !is_deed(function) && changes(function))
        .map(|function| format!("{}::{}", function.modules.last().unwrap(), function.name))
        .collect();
    others.sort();
    let known: Vec<&str> = NO_DEEDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(others, known, "what changes something is a deed, or stands above with why it is none");
}

#[test]
fn a_statement_that_changes_a_row_would_be_found() {
    assert!(writes("update mailings set state = 'paused'"));
    assert!(writes("update signups s\n     set state = 'superseded'"));
    assert!(!writes("select id from signups order by id for update"));
    assert!(!writes("on conflict do update set a = 1"), "it is found by its insert");
    let called = calls("mailing::pause(&mut deed, id)\n  let x = helper(db); db.acquire()");
    let called: Vec<_> = called.iter().map(|(module, name)| (module.as_deref(), name.as_str())).collect();
    assert_eq!(called, [(None, "helper"), (Some("mailing"), "pause")]);
}
