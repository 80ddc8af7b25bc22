//! The Markdown files: their links and anchors work, and the paths and tests they name exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Files below a folder with this extension, as paths from the repository's root. Folders that are no part of the repository
/// (build output, installed packages, hidden ones) are left out.
fn files_under(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
        let name = name.to_str().unwrap_or_default();
        if entry.file_type().unwrap().is_dir() {
            if !name.starts_with('.') && !["target", "node_modules"].contains(&name) {
                found.extend(files_under(&path, extension));
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn pages() -> BTreeMap<PathBuf, String> {
    let pages = files_under(Path::new(""), "md").into_iter();
    pages.map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}

/// The lines of a page outside of code blocks: fenced, or indented by four blanks after an empty line.
fn prose(text: &str) -> Vec<&str> {
    let (mut is_fenced, mut after_empty, mut is_indented) = (false, true, false);
    text.lines()
        .filter(|line| {
            let is_fence = line.trim_start().starts_with("```");
            if is_fence {
                is_fenced = !is_fenced;
            }
            is_indented = line.starts_with("    ") && (after_empty || is_indented);
            after_empty = line.trim().is_empty();
            !is_fence && !is_fenced && !is_indented
        })
        .collect()
}

/// A line as text and code in turn: every second piece stood between backticks.
fn pieces(line: &str) -> Vec<&str> {
    line.split('`').collect()
}

/// Where the links and pictures of a page lead.
fn targets(text: &str) -> Vec<String> {
    // A link may be broken over two lines, so the prose is looked at as one line.
    let prose = prose(text).join(" ");
    let text: String = pieces(&prose).into_iter().step_by(2).collect::<Vec<_>>().join("code");
    let ends = text.match_indices("](").map(|(at, _)| &text[at + 2..]);
    ends.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// The anchors that GitHub gives the headings of a page.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for heading in prose(text).into_iter().filter(|line| line.starts_with('#')) {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let anchor: String = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let count = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

/// A path from a page's folder, without `.` and `..`.
fn resolved(page: &Path, target: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for component in page.parent().unwrap().join(target).components() {
        match component {
            Component::ParentDir => {
                assert!(path.pop(), "{target} in {} leaves the repository", page.display());
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

#[test]
fn every_relative_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let pages = pages();
    assert!(pages.len() > 20, "they were found: {:?}", pages.keys());
    let (mut broken, mut looked_at) = (Vec::new(), 0);
    for (page, text) in &pages {
        for target in targets(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            looked_at += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if path.is_empty() { page.clone() } else { resolved(page, path) };
            let has_anchor =
                anchor.is_empty() || pages.get(&path).is_some_and(|text| anchors(text).contains(anchor));
            if !root().join(&path).exists() || !has_anchor {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(looked_at > 100, "links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The names of all tests, of the library too.
fn functions() -> BTreeSet<String> {
    let sources = ["src", "tests"].into_iter().flat_map(|folder| files_under(Path::new(folder), "rs"));
    let sources: Vec<String> = sources.map(|path| fs::read_to_string(root().join(path)).unwrap()).collect();
    let heads =
        sources.iter().flat_map(|source| source.match_indices("fn ").map(|(at, _)| &source[at + 3..]));
    heads.filter_map(|head| head.split(['(', '<']).next()).map(str::to_owned).collect()
}

#[test]
fn every_invariant_in_architecture_md_names_tests_that_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let invariants = text.split("\n## Invariants\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let functions = functions();
    let named: Vec<&str> = pieces(invariants)
        .into_iter()
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("invariant_"))
        .collect();
    for name in named.iter().filter(|name| !name.contains('…')) {
        assert!(functions.contains(*name), "no test is called {name}");
    }
    // The twelfth is about what is not received yet.
    for number in 1..=11 {
        let name = format!("invariant_{number}_");
        assert!(named.iter().any(|named| named.starts_with(&name)), "no test of invariant {number} is named");
    }
}

#[test]
fn the_readme_runs_the_program_that_make_demo_builds() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let makefile = read("Makefile");
    let profile =
        makefile.lines().find_map(|line| line.strip_suffix(" -- demo $(ARGS)")?.split(' ').next_back());
    let program = format!("target/{}/rundbrief ", profile.expect("the line that runs the demo"));
    let readme = read("README.md");
    let demo = readme.lines().filter(|line| line.contains("rundbrief-demo-"));
    let named: Vec<&str> = demo.filter(|line| line.contains("target/")).collect();
    assert!(!named.is_empty(), "the README names the demo's program");
    for line in named {
        assert!(line.contains(&program), "{line}");
    }
}

/// Whether what stands between backticks is a path in the repository, as far as can be told.
fn is_path(code: &str) -> bool {
    let first = code.split('/').next().unwrap_or_default();
    code.contains('/')
        && !code.contains("NNNN")
        && ["src", "tests", "docs", "migrations", "scripts", "email_templates", "benches"].contains(&first)
        && code.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}

#[test]
fn every_path_that_the_docs_name_exists() {
    let (mut missing, mut looked_at) = (Vec::new(), 0);
    for (page, text) in pages().iter().filter(|(page, _)| !page.ends_with("CHANGELOG.md")) {
        let prose = prose(text).join(" ");
        for code in pieces(&prose).into_iter().skip(1).step_by(2).filter(|code| is_path(code)) {
            looked_at += 1;
            if !root().join(code).exists() {
                missing.push(format!("{}: {code}", page.display()));
            }
        }
    }
    assert!(looked_at > 10, "paths were found");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_decision_is_in_the_index_and_has_context_decision_and_consequences() {
    let folder = Path::new("docs/decisions");
    let index = fs::read_to_string(root().join(folder).join("README.md")).unwrap();
    let decisions = files_under(folder, "md").into_iter().filter(|path| !path.ends_with("README.md"));
    for (path, number) in decisions.zip(1..) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(root().join(&path)).unwrap();
        assert!(name.starts_with(&format!("{number:04}-")), "{name} is number {number}");
        assert!(text.starts_with(&format!("# {number}. ")), "{name}: {:?}", text.lines().next());
        for part in ["\n## Context\n", "\n## Decision\n", "\n## Consequences\n"] {
            assert_eq!(text.matches(part).count(), 1, "{name} has {part:?} once");
        }
        assert_eq!(index.matches(&format!("({name})")).count(), 1, "{name} stands in the index once");
    }
}

#[test]
fn links_anchors_and_code_are_told_apart() {
    let page = "# A *b*, `c` & d\n\n## Twice\n\n## Twice\n\n    [no](link)\n\n```\n[no](link)\n```\n\n\
                A [link](a.md#b) `[no](link)` and ![a\npicture](p.png).\n";
    assert_eq!(targets(page), ["a.md#b", "p.png"]);
    let expected = ["a-b-c--d", "twice", "twice-1"].map(str::to_owned);
    assert_eq!(anchors(page), BTreeSet::from(expected));
    assert!(is_path("src/web/") && is_path("tests/it/docs.rs"));
    assert!(!is_path("src") && !is_path("src/…") && !is_path("text/html"));
}
