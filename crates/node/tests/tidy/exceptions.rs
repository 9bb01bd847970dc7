//! What stays although a rule forbids it: `rule path reason in some words`.

use crate::repository::Finding;

/// Fewest words that make a reason.
const REASON_WORDS: usize = 4;

/// The findings that no exception covers, and the exceptions that cover nothing, as lines.
pub fn apply(text: &str, findings: Vec<(&str, Finding)>) -> Vec<String> {
    let mut left = Vec::new();
    let mut exceptions = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [rule, path, ref reason @ ..] if reason.len() >= REASON_WORDS => {
                exceptions.push((rule, path, false))
            }
            _ => left.push(format!("tidy-exceptions.txt: `{line}` is not `rule path reason`")),
        }
    }
    for (rule, finding) in findings {
        let covering = exceptions.iter_mut().find(|(of, path, _)| *of == rule && *path == finding.path);
        match covering {
            Some((_, _, used)) => *used = true,
            None => left.push(format!("{}:{}: {} [{rule}]", finding.path, finding.line, finding.what)),
        }
    }
    for (rule, path, _) in exceptions.iter().filter(|(_, _, used)| !used) {
        left.push(format!("tidy-exceptions.txt: nothing needs `{rule} {path}` any more"));
    }
    left
}

#[test]
fn exceptions_cover_need_reasons_and_are_needed() {
    let finding = || Finding { path: "a.rs".to_owned(), line: 3, what: "bad".to_owned() };
    assert_eq!(apply("", vec![("size", finding())]), ["a.rs:3: bad [size]"]);
    assert!(apply("# why\nsize a.rs a table that is generated\n", vec![("size", finding())]).is_empty());
    assert_eq!(apply("size a.rs because\n", vec![("size", finding())]).len(), 2, "no reason, no exception");
    assert_eq!(apply("size b.rs a table that is generated\n", Vec::new()).len(), 1, "not needed");
}
