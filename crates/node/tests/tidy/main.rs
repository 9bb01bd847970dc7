//! A test of the repository itself: who may depend on whom, sizes, names, words, licences.
//!
//! What is to stay although a rule forbids it stands in `tidy-exceptions.txt`, each line with its reason. An
//! exception that nothing needs any more is a finding too.

mod code;
mod dependencies;
mod documents;
mod exceptions;
mod licences;
mod repository;
mod sources;
mod words;

use repository::{Finding, Repository};

/// Finds what it does not like.
type Rule = fn(&Repository) -> Vec<Finding>;

/// Every rule, by name.
const RULES: [(&str, Rule); 12] = [
    ("dependencies", dependencies::check),
    ("std-in-no-std", sources::std_in_no_std),
    ("floats", sources::floats),
    ("random-order", sources::random_order),
    ("size", sources::size),
    ("name", sources::name),
    ("unwrap", sources::unwrap),
    ("glob", sources::glob),
    ("unsafe", sources::forbid_unsafe),
    ("module-docs", sources::module_docs),
    ("words", words::check),
    ("decisions", documents::decisions),
];

#[test]
fn the_repository_keeps_its_rules() {
    let repository = Repository::read();
    assert!(repository.files.len() > 50, "the repository was not found");
    let mut findings: Vec<(&str, Finding)> = Vec::new();
    for (rule, check) in RULES {
        findings.extend(check(&repository).into_iter().map(|finding| (rule, finding)));
    }
    let text = repository.files.get("tidy-exceptions.txt").map_or("", String::as_str);
    let left = exceptions::apply(text, findings);
    assert!(left.is_empty(), "\n{}\n", left.join("\n"));
}

#[test]
fn dependencies_have_known_licences() {
    let findings = licences::check();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// What a rule finds in a repository of these files.
#[cfg(test)]
fn found(check: Rule, files: &[(&str, &str)]) -> Vec<(String, usize)> {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    check(&Repository { files }).into_iter().map(|finding| (finding.path, finding.line)).collect()
}
