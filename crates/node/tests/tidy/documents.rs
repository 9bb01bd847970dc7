//! Documents can be found.

use crate::repository::{Finding, Repository};

/// Every decision is linked from the README or from ARCHITECTURE.
pub fn decisions(repository: &Repository) -> Vec<Finding> {
    let pages = ["README.md", "ARCHITECTURE.md"];
    let linked = |path: &str| {
        pages.iter().any(|page| repository.files.get(*page).is_some_and(|text| text.contains(path)))
    };
    repository
        .files
        .keys()
        .filter(|path| path.starts_with("docs/decisions/") && path.ends_with(".md") && !linked(path))
        .map(|path| Finding {
            path: path.clone(),
            line: 0,
            what: "is linked neither from README.md nor from ARCHITECTURE.md".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::decisions;
    use crate::found;

    #[test]
    fn lost_pages_are_seen() {
        let page = ("docs/decisions/a.md", "");
        assert_eq!(found(decisions, &[page, ("README.md", "nothing")]).len(), 1);
        assert!(found(decisions, &[page, ("README.md", "[a](docs/decisions/a.md)")]).is_empty());
    }
}
