//! Words that no file of the repository has.

use crate::repository::{Finding, Repository};

/// Cut in two, so that this file does not have them itself.
const WORDS: [(&str, &str, &str); 12] = [
    ("TO", "DO", "an unfinished thought: do it, or file an issue"),
    ("FIX", "ME", "an unfinished thought: do it, or file an issue"),
    ("XX", "X:", "an unfinished thought: do it, or file an issue"),
    ("to", "do!(", "a gap in the program"),
    ("unimple", "mented!(", "a gap in the program"),
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/ho", "me/", "a path of one machine"),
    ("/Use", "rs/", "a path of one machine"),
    ("static.crates", ".io", "the host of a package registry"),
    ("pypi", ".org", "the host of a package registry"),
    ("deb.debian", ".org", "the host of a package registry"),
];

/// Every text file but the lock file, which cargo writes.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.files.iter().filter(|(path, _)| *path != "Cargo.lock") {
        for (number, line) in (1..).zip(text.lines()) {
            for (head, tail, what) in WORDS {
                let word = format!("{head}{tail}");
                if line.contains(&word) {
                    findings.push(Finding {
                        path: path.clone(),
                        line: number,
                        what: format!("`{word}`: {what}"),
                    });
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{WORDS, check};
    use crate::found;

    #[test]
    fn each_is_seen() {
        for (head, tail, _) in WORDS {
            let text = format!("fine\nnot {head}{tail} fine\n");
            assert_eq!(found(check, &[("docs/a.md", &text)]), [("docs/a.md".to_owned(), 2)], "{head}{tail}");
        }
    }
}
