//! Rules for Rust source.

use crate::{
    code::{code, has_word},
    repository::{Finding, Repository},
};

/// Most lines of a file, tests not counted.
const LINES_MAX: usize = 600;
/// The median of all files may not be above this.
const LINES_MEDIAN: usize = 150;
/// Names that say nothing.
const EMPTY_NAMES: [&str; 8] =
    ["util", "utils", "common", "helper", "helpers", "manager", "managers", "misc"];

fn finding(path: &str, line: usize, what: impl Into<String>) -> Finding {
    Finding { path: path.to_owned(), line, what: what.into() }
}

/// Findings in the lines of code for which `wrong` says what is wrong.
fn lines<'a>(
    sources: impl Iterator<Item = (&'a str, &'a str)>,
    wrong: impl Fn(&str) -> Option<&'static str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in sources {
        for (number, line) in (1..).zip(code(text).lines()) {
            findings.extend(wrong(line).map(|what| finding(path, number, what)));
        }
    }
    findings
}

/// `core` and `wire` are `no_std`; only their tests may have the standard library.
pub fn std_in_no_std(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in ["core", "wire"] {
        let root = format!("crates/{name}/src/lib.rs");
        let text = repository.files.get(&root).map_or("", String::as_str);
        if !text.contains("#![no_std]") {
            findings.push(finding(&root, 0, "is not no_std"));
        }
        for (path, text) in repository.crate_sources(&format!("{name}/")) {
            let code = code(text);
            let all: Vec<&str> = code.lines().map(str::trim).collect();
            for (at, line) in all.iter().enumerate().filter(|(_, line)| has_word(line, "extern crate std")) {
                let before = at.checked_sub(1).map_or("", |at| all[at]);
                if before != "#[cfg(test)]" {
                    findings.push(finding(path, at + 1, format!("`{line}` outside tests")));
                }
            }
        }
    }
    findings
}

/// `core` has no floats: they round differently from machine to machine.
pub fn floats(repository: &Repository) -> Vec<Finding> {
    lines(repository.crate_sources("core/"), |line| {
        (has_word(line, "f32") || has_word(line, "f64") || has_float(line)).then_some("a float in core")
    })
}

/// A literal such as `1.5`, but no range and no field of a field.
fn has_float(line: &str) -> bool {
    let chars: Vec<char> = line.chars().collect();
    (1..chars.len().saturating_sub(1)).any(|at| {
        if chars[at] != '.' || !chars[at - 1].is_ascii_digit() || !chars[at + 1].is_ascii_digit() {
            return false;
        }
        let word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        let start = (0..at).rev().take_while(|before| word(&chars[*before])).last().unwrap_or(at);
        let field = start > 0 && chars[start - 1] == '.';
        chars[start].is_ascii_digit() && !field
    })
}

/// `core` has no maps whose order is random.
pub fn random_order(repository: &Repository) -> Vec<Finding> {
    lines(repository.crate_sources("core/"), |line| {
        (has_word(line, "HashMap") || has_word(line, "HashSet")).then_some("a map of random order in core")
    })
}

/// Files are short, and most are shorter.
pub fn size(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sizes = Vec::new();
    for (path, text) in repository.sources() {
        let tests = code(text).lines().zip(text.lines()).filter(|(code, line)| is_test(code, line)).count();
        let size = text.lines().count() - tests;
        sizes.push(size);
        if size > LINES_MAX {
            findings.push(finding(path, 0, format!("{size} lines without tests, more than {LINES_MAX}")));
        }
    }
    sizes.sort_unstable();
    if let Some(median) = sizes.get(sizes.len() / 2).filter(|median| **median > LINES_MEDIAN) {
        findings.push(finding("crates", 0, format!("the median file has {median} lines")));
    }
    findings
}

/// Blanked out although it is no comment: a line of a test module.
fn is_test(code: &str, line: &str) -> bool {
    code.trim().is_empty() && !line.trim().is_empty() && !line.trim_start().starts_with("//")
}

/// Names say what is inside.
pub fn name(repository: &Repository) -> Vec<Finding> {
    let bad = |path: &&String| {
        path.split(['/', '.']).any(|part| EMPTY_NAMES.contains(&part.to_ascii_lowercase().as_str()))
    };
    repository.files.keys().filter(bad).map(|path| finding(path, 0, "a name that says nothing")).collect()
}

/// Outside tests nothing is unwrapped.
pub fn unwrap(repository: &Repository) -> Vec<Finding> {
    lines(repository.sources(), |line| {
        line.contains(".unwrap()").then_some("say why it holds with expect, or make it an error")
    })
}

/// Imports name what they import.
pub fn glob(repository: &Repository) -> Vec<Finding> {
    lines(repository.sources(), |line| {
        let line = line.trim();
        let import = line.starts_with("use ") || line.starts_with("pub use ");
        (import && (line.contains("::*") || line.contains("{*"))).then_some("a glob import")
    })
}

/// Every crate forbids unsafe code.
pub fn forbid_unsafe(repository: &Repository) -> Vec<Finding> {
    let is_root = |path: &str| {
        path.starts_with("crates/")
            && (path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs") || path.contains("/src/bin/"))
    };
    let lacks =
        |(path, text): &(&String, &String)| is_root(path) && !text.contains("#![forbid(unsafe_code)]");
    repository
        .files
        .iter()
        .filter(lacks)
        .map(|(path, _)| finding(path, 0, "does not forbid unsafe code"))
        .collect()
}

/// The first lines of a module say what it owns.
pub fn module_docs(repository: &Repository) -> Vec<Finding> {
    let lacks = |(_, text): &(&str, &str)| !text.starts_with("//! ");
    repository
        .sources()
        .filter(lacks)
        .map(|(path, _)| finding(path, 1, "does not say what it owns"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    const CORE: &str = "crates/core/src/x.rs";

    #[test]
    fn walls_of_core_are_seen() {
        let text = "//! X.\nfn f(a: f64) {}\nlet b = 1.5; let c = x.0.1; let d = 0..10; // 2.5\n";
        assert_eq!(found(floats, &[(CORE, text)]), [(CORE.to_owned(), 2), (CORE.to_owned(), 3)]);
        assert!(found(floats, &[("crates/node/src/x.rs", text)]).is_empty());
        assert_eq!(found(random_order, &[(CORE, "use std::HashMap;\n")]).len(), 1);
        let root = "crates/core/src/lib.rs";
        let wire = ("crates/wire/src/lib.rs", "#![no_std]\n");
        let fine = "#![no_std]\n#[cfg(test)]\nextern crate std;\n";
        assert!(found(std_in_no_std, &[(root, fine), wire]).is_empty());
        assert_eq!(found(std_in_no_std, &[(root, "#![no_std]\nextern crate std;\n"), wire]).len(), 1);
        assert_eq!(found(std_in_no_std, &[(root, ""), wire]).len(), 1);
    }

    #[test]
    fn long_files_and_empty_names_are_seen() {
        let long = "x();\n".repeat(601);
        assert_eq!(found(size, &[(CORE, &long)]).len(), 2, "the file, and the median of one file");
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "x();\n".repeat(700));
        assert!(found(size, &[(CORE, &tests)]).is_empty());
        for path in ["crates/core/src/util.rs", "crates/node/src/helpers/mod.rs", "docs/misc.md"] {
            assert_eq!(found(name, &[(path, "")]).len(), 1, "{path}");
        }
        assert!(found(name, &[("crates/core/src/utility_poles.rs", "")]).is_empty());
    }

    #[test]
    fn habits_are_seen_outside_tests_only() {
        let text =
            "let a = b.unwrap();\nuse c::*;\n#[cfg(test)]\nmod tests {\n use super::*;\n x.unwrap();\n}\n";
        assert_eq!(found(unwrap, &[(CORE, text)]), [(CORE.to_owned(), 1)]);
        assert_eq!(found(glob, &[(CORE, text)]), [(CORE.to_owned(), 2)]);
        assert_eq!(found(module_docs, &[(CORE, text)]).len(), 1);
        let separate = [
            ("crates/core/src/a/mod.rs", "#[cfg(test)]\nmod tests;\n"),
            ("crates/core/src/a/tests.rs", text),
        ];
        assert!(found(unwrap, &separate).is_empty());
        assert_eq!(found(forbid_unsafe, &[("crates/sim/src/main.rs", "fn main() {}\n")]).len(), 1);
    }
}
