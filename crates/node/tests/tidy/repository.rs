//! The files of the repository, as text.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Something that a rule does not like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// From the root, with `/`.
    pub path: String,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    /// In words.
    pub what: String,
}

/// Every text file but what is generated.
#[derive(Debug)]
pub struct Repository {
    /// By path from the root.
    pub files: BTreeMap<String, String>,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Repository {
    /// Reads the working tree.
    pub fn read() -> Repository {
        let mut files = BTreeMap::new();
        walk(&root(), "", &mut files);
        Repository { files }
    }

    /// Rust files of the crates' `src` folders that are no tests: path and text.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.crate_sources("")
    }

    /// The same of one crate, named as its folder.
    pub fn crate_sources(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        let folder = format!("crates/{name}");
        let tests = self.test_modules();
        self.files.iter().filter_map(move |(path, text)| {
            let own = path.starts_with(&folder) && path.contains("/src/") && path.ends_with(".rs");
            let test =
                tests.iter().any(|test| path.strip_prefix(test.as_str()).is_some_and(is_rest_of_module));
            (own && !test).then_some((path.as_str(), text.as_str()))
        })
    }

    /// Modules that are declared behind `#[cfg(test)]`, as paths without `.rs`.
    fn test_modules(&self) -> Vec<String> {
        let mut modules = Vec::new();
        for (path, text) in &self.files {
            let Some(stem) = path.strip_suffix(".rs") else { continue };
            let folder = match stem.rsplit_once('/') {
                Some((folder, "lib" | "main" | "mod")) => folder,
                _ => stem,
            };
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for pair in lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]") {
                let name = pair[1].trim_start_matches("pub(crate) ").strip_prefix("mod ");
                if let Some(name) = name.and_then(|rest| rest.strip_suffix(';')) {
                    modules.push(format!("{folder}/{name}"));
                }
            }
        }
        modules
    }
}

fn is_rest_of_module(rest: &str) -> bool {
    rest == ".rs" || rest.starts_with('/')
}

fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    let entries = fs::read_dir(folder).expect("the working tree can be listed");
    for entry in entries.map(|entry| entry.expect("the working tree can be listed")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let hidden = name.starts_with('.') && name != ".ci";
        if hidden || name == "target" || name.starts_with("clockwise-data") {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type().expect("a file has a type").is_dir() {
            walk(&entry.path(), &format!("{path}/"), files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.insert(path, text);
        }
    }
}
