//! The map of the house holds: a room imports only rooms below it, and nothing goes round in a circle.
//! `docs/architecture.md` says what each room is for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The rooms of `src/`, from the ground up. A room may import rooms of the floors below its own, and
/// none of its own floor. The one exception: every room may name `crate::Error`, which gathers the
/// errors of all of them for callers that run several stages, and `crate::VERSION`.
const FLOORS: &[&[&str]] = &[
    &["encode", "job", "plot", "stats"],
    &["input", "output"],
    &["counts", "genome", "model"],
    &["dataset", "intervals", "ism", "liftover", "tracks", "vcf"],
    &["attribution", "labelled", "overlap", "sharpr", "sumstats"],
    &["fdr", "variants"],
    &["evaluate", "motifs", "score"],
    &["design", "haplotypes", "perturb", "train"],
    &["report"],
    &["error", "cli"],
];

/// A module's path below the crate: `["ism", "fast", "graph"]`.
type Module = Vec<String>;

/// What the modules of `src/` name of each other.
#[derive(Default)]
struct House {
    /// Every module with the paths it names, absolute.
    paths: BTreeMap<Module, Vec<Module>>,
    /// Names that a module brings in with `use`, and what they stand for.
    names: BTreeMap<Module, BTreeMap<String, Module>>,
}

impl House {
    /// Reads modules from their text, tests left out.
    fn read<'a>(files: impl IntoIterator<Item = (Module, &'a str)>) -> Self {
        let mut house = Self::default();
        for (module, text) in files {
            let text = code(text);
            let paths = house.paths.entry(module.clone()).or_default();
            let names = house.names.entry(module.clone()).or_default();
            for (at, _) in text.match_indices("::") {
                let start = text[..at].rfind(|c: char| !word(c)).map_or(0, |i| i + 1);
                let used = text[..start].trim_end().ends_with("use");
                let first = &text[start..at];
                // Middles of paths are read with their beginnings.
                if text[..start].ends_with(':') || first.is_empty() {
                    continue;
                }
                let relative = ["crate", "super", "self"].contains(&first);
                if !(relative || used) {
                    continue;
                }
                let mut ends = Vec::new();
                tree(&text[start..], &mut Vec::new(), &mut ends);
                for (path, name) in ends {
                    let path = absolute(&module, &path);
                    if relative {
                        paths.push(path.clone());
                    }
                    if used && name != "*" {
                        names.insert(name, path);
                    }
                }
            }
        }
        house
    }

    /// The module in which what a path names is written, through re-exports.
    fn owner(&self, path: &[String]) -> Module {
        let mut module = Module::new();
        for (i, name) in path.iter().enumerate() {
            let child: Module = module.iter().chain([name]).cloned().collect();
            if self.paths.contains_key(&child) {
                module = child;
            } else {
                return match self.names.get(&module).and_then(|n| n.get(name)) {
                    // A name that stands for itself is not followed for ever.
                    Some(path_of) if path_of[..] != path[..=i] => {
                        self.owner(&[path_of, &path[i + 1..]].concat())
                    }
                    _ => module,
                };
            }
        }
        module
    }

    /// Imports between the children of one module, files or folders: which takes what from which,
    /// with the modules at the two ends. What a folder and its own files take from each other is none.
    fn imports(&self) -> BTreeMap<Module, BTreeMap<String, BTreeMap<String, String>>> {
        let mut imports: BTreeMap<_, BTreeMap<_, BTreeMap<_, _>>> = BTreeMap::new();
        for (from, paths) in &self.paths {
            for to in paths.iter().map(|path| self.owner(path)) {
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if shared < from.len() && shared < to.len() {
                    imports
                        .entry(from[..shared].to_vec())
                        .or_default()
                        .entry(from[shared].clone())
                        .or_default()
                        .insert(
                            to[shared].clone(),
                            format!("{} -> {}", from.join("::"), to.join("::")),
                        );
                }
            }
        }
        imports
    }

    /// Imports that do not go down the floors, one line each.
    fn upward(&self, floors: &[&[&str]]) -> Vec<String> {
        let floor = |room: &str| floors.iter().position(|f| f.contains(&room));
        let mut wrong = Vec::new();
        for room in self.paths.keys().filter_map(|m| m.first()) {
            if floor(room).is_none() {
                wrong.push(format!("{room} is on no floor"));
            }
        }
        wrong.dedup();
        for (from, rooms) in self.imports().remove(&Module::new()).unwrap_or_default() {
            for (to, line) in rooms {
                if to != "error" && floor(&from) <= floor(&to) {
                    wrong.push(line);
                }
            }
        }
        wrong
    }

    /// Circles among the children of each module, one line each.
    fn circles(&self) -> Vec<String> {
        let mut circles = Vec::new();
        for (within, imports) in self.imports() {
            // The rooms have their floors.
            if within.is_empty() {
                continue;
            }
            let mut done = BTreeSet::new();
            for start in imports.keys() {
                if let Some(circle) = circle(start, &imports, &mut Vec::new(), &mut done) {
                    circles.push(format!("in {}: {circle}", within.join("::")));
                }
            }
        }
        circles
    }
}

/// The circle that is met first in depth from `at`; `done` has no more to meet.
fn circle(
    at: &str,
    imports: &BTreeMap<String, BTreeMap<String, String>>,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<String> {
    if let Some(begin) = way.iter().position(|w| w == at) {
        return Some(format!("{} -> {at}", way[begin..].join(" -> ")));
    }
    if !done.insert(at.to_owned()) {
        return None;
    }
    way.push(at.to_owned());
    let found = (imports.get(at).into_iter().flat_map(BTreeMap::keys))
        .find_map(|next| circle(next, imports, way, done));
    way.pop();
    found
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The paths of a `use` tree, or of a path in an expression, each with the name it brings in. Returns
/// what follows.
fn tree<'a>(text: &'a str, prefix: &mut Module, ends: &mut Vec<(Module, String)>) -> &'a str {
    let text = text.trim_start();
    let mut rest;
    let depth = prefix.len();
    if let Some(mut list) = text.strip_prefix('{') {
        while !list.trim_start().starts_with('}') && !list.is_empty() {
            list = tree(list, prefix, ends).trim_start();
            list = list.strip_prefix(',').unwrap_or(list);
        }
        rest = list.trim_start().strip_prefix('}').unwrap_or("");
    } else {
        let end = text.find(|c| !word(c)).unwrap_or(text.len());
        let name = &text[..end];
        rest = text[end..].trim_start();
        // `a::{self}` is `a`.
        if name != "self" || prefix.is_empty() {
            prefix.push(name.to_owned());
        }
        match rest.strip_prefix("::").map(str::trim_start) {
            Some(next) if next.starts_with(|c| word(c) || c == '{') => {
                rest = tree(next, prefix, ends);
            }
            Some(next) => {
                rest = next.strip_prefix('*').unwrap_or(next);
                ends.push((prefix.clone(), "*".into()));
            }
            None => {
                let mut name = prefix.last().cloned().unwrap_or_default();
                if let Some(alias) = rest.strip_prefix("as ") {
                    let end = alias.find(|c| !word(c)).unwrap_or(alias.len());
                    name = alias[..end].to_owned();
                    rest = &alias[end..];
                }
                ends.push((prefix.clone(), name));
            }
        }
    }
    prefix.truncate(depth);
    // A character that is no part of a tree is passed over, so that a list always ends.
    match rest.chars().next() {
        Some(c) if rest.len() == text.len() => &rest[c.len_utf8()..],
        _ => rest,
    }
}

/// A path from the crate down.
fn absolute(module: &[String], path: &[String]) -> Module {
    let mut absolute = module.to_vec();
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => absolute.clear(),
            "super" => drop(absolute.pop()),
            "self" => {}
            _ => break,
        }
        rest = after;
    }
    absolute.extend_from_slice(rest);
    absolute
}

/// Code without comments, strings and what is compiled for tests only.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut skip = c.len_utf8();
        if rest.starts_with("//") {
            skip = rest.find('\n').unwrap_or(rest.len());
        } else if c == '"' {
            // A raw string ends at its quote and hashes.
            let hashes = code.len() - code.trim_end_matches('#').len();
            let raw = code.trim_end_matches('#').ends_with('r');
            let end = format!("\"{}", "#".repeat(if raw { hashes } else { 0 }));
            let mut at = 1;
            while at < rest.len() && !rest[at..].starts_with(&end) {
                let escape = rest[at..].starts_with('\\') && !raw;
                let next = rest[at..].chars().nth(escape.into());
                at += usize::from(escape) + next.map_or(1, char::len_utf8);
            }
            skip = (at + end.len()).min(rest.len());
        } else if c == '\'' && (rest[1..].starts_with(['"', '{', '}', '/', ';'])) {
            skip = 3;
        } else if c == '\'' && rest.starts_with("'\\") {
            skip = 4;
        } else {
            code.push(c);
        }
        rest = &rest[skip..];
    }
    while let Some(start) = code.find("#[cfg(test)]") {
        let end = item(&code[start..]).map_or(code.len(), |length| start + length);
        code.replace_range(start..end, "");
    }
    code
}

/// Length of the item at the start of a text, its attributes included.
fn item(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, '}' | ';') {
            return Some(at + 1);
        }
    }
    None
}

/// Every module of a folder with its text, tests left out.
fn files(folder: &Path, module: &[String], found: &mut Vec<(Module, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut inner = module.to_vec();
        if !["mod", "lib"].contains(&name) {
            inner.push(name.to_owned());
        }
        if name == "tests" || name == "main" {
            continue;
        } else if path.is_dir() {
            files(&path, &inner, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push((inner, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

fn house() -> House {
    let mut found = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    files(&source, &[], &mut found);
    House::read(found.iter().map(|(m, text)| (m.clone(), text.as_str())))
}

#[test]
fn imports_go_down() {
    let wrong = house().upward(FLOORS);
    assert!(
        wrong.is_empty(),
        "not down the floors of tests/integration/imports.rs:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn nothing_goes_round() {
    let circles = house().circles();
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n"));
}

/// `clap` belongs to the program: the library is told what to do by its own types.
#[test]
fn only_the_program_names_clap() {
    let mut found = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &[],
        &mut found,
    );
    for (module, text) in found {
        let names = code(&text).contains("clap::");
        assert!(
            !names || module[0] == "cli",
            "{} names clap",
            module.join("::")
        );
    }
}

/// What the readers above see of imports, and what they leave out.
#[test]
fn imports_are_seen() {
    let module = |path: &str| path.split("::").map(String::from).collect::<Module>();
    let files = [
        ("low", "pub use one::Thing; mod one; mod two;"),
        (
            "low::one",
            "use super::two::{self, Other as O}; /// crate::top",
        ),
        ("low::two", "fn f() -> &'static str { \"crate::top::X\" }"),
        (
            "top",
            "use crate::{low::Thing, Error};\n#[cfg(test)]\nmod tests { use crate::cli::X; }",
        ),
        ("cli", ""),
        ("error", "use crate::top::X;"),
    ];
    let read = |extra: (&'static str, &'static str)| {
        let mut all: Vec<(&str, String)> = files.iter().map(|(m, t)| (*m, (*t).into())).collect();
        for (name, text) in &mut all {
            if *name == extra.0 {
                text.push_str(extra.1);
            }
        }
        let mut modules: Vec<_> = all.iter().map(|(m, t)| (module(m), t.as_str())).collect();
        modules.push((Module::new(), "pub use error::Error; mod error;"));
        House::read(modules)
    };
    let floors: &[&[&str]] = &[&["low"], &["top"], &["cli", "error"]];
    let sound = read(("", ""));
    assert_eq!(sound.upward(floors), [""; 0]);
    assert_eq!(sound.circles(), [""; 0]);
    assert_eq!(
        sound.imports()[&Module::new()]["top"]["low"],
        "top -> low::one"
    );
    assert_eq!(
        read(("low::two", "\nfn g() { crate::top::x(); }")).upward(floors),
        ["low::two -> top"]
    );
    for back in ["\nuse super::{Thing};", "\nuse crate::low::one;"] {
        let circles = read(("low::two", back)).circles();
        assert_eq!(circles, ["in low: one -> two -> one"], "{back}");
    }
    assert_eq!(
        sound.upward(&floors[..2]),
        ["cli is on no floor", "error is on no floor", "error -> top"]
    );
}
