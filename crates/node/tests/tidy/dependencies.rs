//! Who may depend on whom: `node → wire → core ← store ← node`, and `sim` on all but `node`.

use crate::{
    code::{code, has_word},
    repository::{Finding, Repository},
};

/// Crates that a crate may depend on, dev-dependencies aside. `None`: those that are not forbidden.
const ALLOWED: [Wall; 5] = [
    ("core", Some(&["bytes", "siphasher", "smallvec"]), &[]),
    ("wire", Some(&["clockwise-core", "base64", "bytes", "crc32c", "memchr", "smallvec"]), &[]),
    (
        "store",
        None,
        &["clockwise-wire", "clockwise-node", "clockwise-sim", "tokio", "mio", "socket2", "hyper", "axum"],
    ),
    ("sim", None, &["clockwise-node", "tokio", "mio", "socket2", "hyper", "axum"]),
    ("node", None, &["clockwise-sim"]),
];

/// A crate, what it may depend on, and what it may not.
type Wall = (&'static str, Option<&'static [&'static str]>, &'static [&'static str]);

/// Words that a crate's code may not have.
const FORBIDDEN_WORDS: [(&str, &[&str]); 2] = [
    ("store", &["std::net", "std::thread", "thread::spawn", "Instant", "SystemTime"]),
    ("sim", &["std::net", "Instant::now", "SystemTime"]),
];

/// Dependencies of every crate, and words of the standard library in those that do without.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, allowed, forbidden) in ALLOWED {
        let path = format!("crates/{name}/Cargo.toml");
        let Some(text) = repository.files.get(&path) else { continue };
        let manifest: toml::Table = text.parse().expect("cargo reads it too");
        for dependency in dependencies(&manifest) {
            let fine = allowed.is_none_or(|allowed| allowed.contains(&dependency.as_str()));
            if !fine || forbidden.contains(&dependency.as_str()) {
                let what = format!("{name} may not depend on {dependency}");
                findings.push(Finding { path: path.clone(), line: 0, what });
            }
        }
    }
    for (name, words) in FORBIDDEN_WORDS {
        for (path, text) in repository.crate_sources(&format!("{name}/")) {
            for (number, line) in (1..).zip(code(text).lines()) {
                if let Some(word) = words.iter().find(|word| has_word(line, word)) {
                    findings.push(Finding {
                        path: path.to_owned(),
                        line: number,
                        what: format!("`{word}` in {name}"),
                    });
                }
            }
        }
    }
    findings
}

/// Of the library, on every platform.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let names = |table: Option<&toml::Value>| -> Vec<String> {
        table.and_then(toml::Value::as_table).map(|table| table.keys().cloned().collect()).unwrap_or_default()
    };
    let mut all = names(manifest.get("dependencies"));
    all.extend(names(manifest.get("build-dependencies")));
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        targets.values().for_each(|target| all.extend(names(target.get("dependencies"))));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::found;

    #[test]
    fn wrong_directions_are_seen() {
        let core =
            "[dependencies]\nbytes.workspace = true\nrand = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n";
        assert_eq!(found(check, &[("crates/core/Cargo.toml", core)]).len(), 1);
        let store = "[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n[dependencies]\nlz4_flex = \"1\"\n";
        assert_eq!(found(check, &[("crates/store/Cargo.toml", store)]).len(), 1);
        assert_eq!(found(check, &[("crates/store/src/a.rs", "//! A.\nuse std::net::TcpStream;\n")]).len(), 1);
    }
}
