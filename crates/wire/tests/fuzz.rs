//! Every parser against its corpus and against mutants: no panic, no surprise. For longer runs:
//! `cargo run --release -p clockwise-wire --example fuzz -- --seconds 60`.

mod fuzzing;
mod messages;

/// Mutants of each target within the test command.
const MUTANTS: u64 = 3_000;

#[test]
fn the_corpus_is_survived() {
    for target in fuzzing::TARGETS {
        let files = fuzzing::corpus(target);
        assert!(!files.is_empty(), "{} has no corpus", target.name);
        for (name, input) in files {
            println!("{name}");
            (target.check)(&input, &mut fastrand::Rng::with_seed(1));
        }
    }
}

#[test]
fn samples_are_accepted() {
    let mut rng = fastrand::Rng::with_seed(2);
    for target in fuzzing::TARGETS {
        for _ in 0..100 {
            let input = (target.sample)(&mut rng);
            (target.check)(&input, &mut rng);
        }
    }
}

#[test]
fn mutants_are_survived() {
    for target in fuzzing::TARGETS {
        let files = fuzzing::corpus(target);
        for seed in 0..MUTANTS {
            println!("{} --seed {seed}", target.name);
            fuzzing::run_one(target, &files, seed);
        }
    }
}
