//! Mutated input for every parser, and what must hold whatever the input is.
//!
//! A target takes bytes and panics if a property is broken: no panic of the parser itself, the same result whatever
//! the split, nothing reserved by an announced length, and what was accepted is written and read again unchanged.

mod mutate;
mod targets;

pub use mutate::mutate;
pub use targets::TARGETS;

/// One parser under test.
pub struct Target {
    /// Its folder in the corpus.
    pub name: &'static str,
    /// Runs it on an input.
    pub check: fn(&[u8], &mut fastrand::Rng),
    /// A well-formed input.
    pub sample: fn(&mut fastrand::Rng) -> Vec<u8>,
    /// Repairs what a mutation always breaks, such as a checksum, so that mutants get further.
    pub mend: fn(&mut [u8]),
}

/// The files of a target's corpus in a fixed order: each an input that a parser must survive.
pub fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target.name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| std::fs::read(path).expect("a readable file");
    files.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

/// Runs one mutant: a sample or a file of the corpus, changed in a few places. The seed names it for good.
pub fn run_one(target: &Target, corpus: &[(String, Vec<u8>)], seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut input, other) = match corpus {
        [] => ((target.sample)(&mut rng), (target.sample)(&mut rng)),
        files if rng.u8(..4) == 0 => (files[rng.usize(..files.len())].1.clone(), (target.sample)(&mut rng)),
        _ => ((target.sample)(&mut rng), (target.sample)(&mut rng)),
    };
    for _ in 0..rng.usize(..6) {
        mutate(&mut input, &other, &mut rng);
    }
    if rng.bool() {
        (target.mend)(&mut input);
    }
    (target.check)(&input, &mut rng);
}
