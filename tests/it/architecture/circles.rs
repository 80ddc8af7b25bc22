//! Within a room no two files use each other.
//!
//! The question is asked at each level: among the subjects of a room, again among the children of each subject, and
//! between a file and its children. A name that a parent re-exports counts as used from the child that defines it. The root
//! of a room holds what all its files are given, and puts them together. Tests, within a file or in a `tests.rs`, may use
//! whatever they test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::rust_files;

/// A module by its path below the crate.
type Module = Vec<String>;

/// The files of the crate, without comments and tests.
struct Sources(BTreeMap<Module, String>);

impl Sources {
    fn read() -> Self {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        rust_files(&src, &mut files);
        files.retain(|file| !file.ends_with("tests.rs"));
        let read = |file: PathBuf| {
            let name = file.strip_prefix(&src).unwrap().with_extension("");
            let module: Module = name.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            (module, code_of(&fs::read_to_string(file).unwrap()))
        };
        Self(files.into_iter().map(read).collect())
    }

    /// The file in which a path that stands in `from` ends, by way of re-exports; nothing for what is outside the crate.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let mut module: Module = from.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                module.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
            child => {
                module.push(child.to_owned());
                rest = &rest[1..];
                self.0.get(&module)?;
            }
        }
        while let Some(next) = rest.first() {
            module.push(next.clone());
            if !self.0.contains_key(&module) {
                module.pop();
                break;
            }
            rest = &rest[1..];
        }
        let source = self.0.get(&module)?;
        let re_exported = (module != *from && depth < 5).then(|| {
            let name = rest.first()?;
            let uses = uses_in(source).into_iter().filter(|tree| tree.is_public);
            let mut paths = uses.flat_map(|tree| tree.paths);
            let path = paths.find(|path| path.last() == Some(name) && path.len() > 1)?;
            self.resolve(&module, &path, depth + 1)
        });
        Some(re_exported.flatten().unwrap_or(module))
    }

    /// What each file uses; also what it offers on for others, or not.
    fn edges(&self, with_offered: bool) -> Vec<(Module, Module)> {
        let mut edges = Vec::new();
        for (from, source) in &self.0 {
            let uses = uses_in(source).into_iter().filter(|tree| with_offered || !tree.is_public);
            let named = uses.flat_map(|tree| tree.paths).chain(paths_in(source));
            let used = named.filter_map(|path| self.resolve(from, &path, 0));
            edges.extend(used.filter(|to| to != from).map(|to| (from.clone(), to)));
        }
        edges
    }
}

/// A `use`, written out as one path for each name.
#[derive(Debug, PartialEq, Eq)]
struct Use {
    is_public: bool,
    paths: Vec<Vec<String>>,
}

fn code_of(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn uses_in(code: &str) -> Vec<Use> {
    let mut uses = Vec::new();
    for statement in code.split(';') {
        let statement = statement.trim_start();
        // An attribute or the end of something else may stand before it.
        let line = statement.rfind("\nuse ").map(|at| (at + 5, false));
        let mut public = ["\npub use ", "\npub(super) use ", "\npub(crate) use "].into_iter();
        let public = public.find_map(|word| Some((statement.rfind(word)? + word.len(), true)));
        let first = ["use ", "pub use ", "pub(super) use ", "pub(in crate::domain) use "];
        let first = first.into_iter().find(|word| statement.starts_with(word));
        let first = first.map(|word| (word.len(), word.starts_with("pub")));
        if let Some((at, is_public)) = first.or(public).or(line) {
            let mut paths = Vec::new();
            written_out(&words_of(&statement[at..]), &mut Vec::new(), &mut paths);
            uses.push(Use { is_public, paths });
        }
    }
    uses
}

fn words_of(tree: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in tree.chars() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if "{},*".contains(c) {
            words.push(c.to_string());
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Reads one branch of a tree; answers the words behind it.
fn written_out<'a>(
    mut words: &'a [String],
    prefix: &mut Vec<String>,
    paths: &mut Vec<Vec<String>>,
) -> &'a [String] {
    let begin = prefix.len();
    loop {
        match words.first().map(String::as_str) {
            Some("{") => {
                words = &words[1..];
                while words.first().is_some_and(|word| word != "}") {
                    words = written_out(words, prefix, paths);
                    words = words.strip_prefix(&[",".to_owned()]).unwrap_or(words);
                }
                words = words.get(1..).unwrap_or_default();
                break;
            }
            None | Some("," | "}" | "as") => {
                let path = prefix.strip_suffix(&["self".to_owned()]).filter(|path| !path.is_empty());
                paths.push(path.unwrap_or(prefix).to_vec());
                break;
            }
            Some(word) => {
                prefix.push(word.to_owned());
                words = &words[1..];
            }
        }
    }
    prefix.truncate(begin);
    // A new name changes nothing about what is used.
    while words.first().is_some_and(|word| word != "," && word != "}") {
        words = &words[1..];
    }
    words
}

/// Paths from `crate`, `super` or `self` anywhere in the code.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            let is_begin = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let end = code[at..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            let path = &code[at..end.map_or(code.len(), |end| at + end)];
            // A group is read name by name, where it is a `use`.
            let is_group = path.ends_with("::");
            if is_begin && !is_group {
                paths.push(path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect());
            }
        }
    }
    paths
}

/// What each subject of a folder uses of its siblings.
type Uses<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Every subject that this one uses, by way of others too.
fn reached<'a>(uses: &Uses<'a>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut ahead = vec![from];
    while let Some(at) = ahead.pop() {
        ahead.extend(uses.get(at).into_iter().flatten().filter(|to| reached.insert(**to)));
    }
    reached
}

/// The files that use a file above them which uses them.
fn circles_with_parents(edges: &[(Module, Module)]) -> Vec<String> {
    let edges: BTreeSet<_> = edges.iter().map(|(from, to)| (from, to)).collect();
    let is_room = |module: &Module| module.len() == 1;
    let upwards = edges.iter().filter(|(from, to)| from.starts_with(to) && !is_room(to));
    upwards.filter(|(from, to)| edges.contains(&(to, from))).map(|(from, _)| from.join("/")).collect()
}

/// The circles among the subjects of each folder.
fn circles(edges: &[(Module, Module)]) -> Vec<String> {
    let mut levels: BTreeMap<&[String], Uses> = BTreeMap::new();
    for (from, to) in edges {
        let shared = from.iter().zip(to).take_while(|(one, other)| one == other).count();
        // The first level is that of the rooms, which have a rule of their own.
        if shared > 0 && shared < from.len() && shared < to.len() {
            let level = levels.entry(&from[..shared]).or_default();
            level.entry(&from[shared]).or_default().insert(&to[shared]);
        }
    }
    let mut circles = Vec::new();
    for (folder, uses) in levels {
        let mut told = BTreeSet::new();
        for subject in uses.keys().copied() {
            let circle: Vec<&str> = reached(&uses, subject)
                .into_iter()
                .filter(|other| reached(&uses, other).contains(subject))
                .collect();
            if !circle.is_empty() && told.insert(circle.clone()) {
                circles.push(format!("{}: {}", folder.join("/"), circle.join(" ")));
            }
        }
    }
    circles
}

#[test]
fn within_a_room_no_two_files_use_each_other() {
    let sources = Sources::read();
    let edges = sources.edges(true);
    assert!(edges.len() > 500, "imports were found: {}", edges.len());
    let known = |from: &str, to: &str| {
        let module = |name: &str| name.split('/').map(str::to_owned).collect::<Module>();
        edges.contains(&(module(from), module(to)))
    };
    // A grouped import, a name of a sibling, and one that a parent re-exports.
    assert!(known("delivery/sender", "domain/queue/transmission"));
    assert!(known("domain/import/lines", "domain/import/plan"));
    assert!(known("domain/mailing/control", "domain/mailing/waiting"));
    // A parent offers what its children define, and uses it no more than that.
    let found = [circles(&edges), circles_with_parents(&sources.edges(false))].concat();
    assert_eq!(found, [""; 0], "a third file can hold what two have in common");
}

#[test]
fn a_circle_would_be_found() {
    let module = |name: &str| name.split('/').map(str::to_owned).collect::<Module>();
    let found = |edges: &[(&str, &str)]| {
        let edges: Vec<_> = edges.iter().map(|(from, to)| (module(from), module(to))).collect();
        [circles(&edges), circles_with_parents(&edges)].concat()
    };
    assert_eq!(found(&[("a/x", "a/y"), ("a/y", "a/x")]), ["a: x y"]);
    assert_eq!(found(&[("a/x", "a/y/in"), ("a/y", "a/z"), ("a/z/in", "a/x")]), ["a: x y z"]);
    assert_eq!(found(&[("a/x/in", "a/x"), ("a/x", "a/x/in")]), ["a/x/in"]);
    assert_eq!(found(&[("a", "a/x"), ("a/x", "a")]), [""; 0], "a room's root is given to all");
    assert_eq!(found(&[("a/x/one", "a/x/two"), ("a/x/two", "a/x/one")]), ["a/x: one two"]);
    assert_eq!(found(&[("a/x", "b/y"), ("b/y", "a/x")]), [""; 0], "rooms have their own rule");
}

#[test]
fn imports_are_written_out() {
    let uses = uses_in(
        "fn f() {}\n\nuse crate::{\n    a::{self, B as C},\n    d::*,\n};\npub use e::F;\nuse super::g;\n",
    );
    let paths = |tree: &Use| tree.paths.iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(paths(&uses[0]), ["crate::a", "crate::a::B", "crate::d::*"]);
    assert!(!uses[0].is_public && uses[1].is_public);
    assert_eq!((paths(&uses[1]), paths(&uses[2])), (vec!["e::F".to_owned()], vec!["super::g".to_owned()]));
    assert_eq!(paths_in("x(crate::a::b(1), super::super::C, mycrate::d)").len(), 2);
}
