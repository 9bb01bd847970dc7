//! One run from its plan to its report.

use crate::{
    checkers::{self, Violation},
    mix::{Mix, Plan, StoreKind},
    world::World,
};
use clockwise_core::{canary::Canary, gossip::Verdict};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A run that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What it is about.
    pub mix: Mix,
    /// Everything else.
    pub seed: u64,
    /// A known bug.
    pub canary: Canary,
    /// What the servers keep their data in.
    pub store: StoreKind,
    /// Keep what happens as text.
    pub trace: bool,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// As asked.
    pub mix: Mix,
    /// As asked.
    pub seed: u64,
    /// As asked.
    pub canary: Canary,
    /// As asked.
    pub store: StoreKind,
    /// Servers of the cluster.
    pub servers: usize,
    /// Client operations that were taken by a server.
    pub operations: u64,
    /// Of these: done, rejected or failed, unknown.
    pub outcomes: [u64; 3],
    /// Faults that happened.
    pub faults: u64,
    /// Frames between servers.
    pub frames: u64,
    /// Plain writes that were written once more.
    pub second_rounds: u64,
    /// Records that reads repaired.
    pub read_repairs: u64,
    /// Hints that were delivered by processes that ran at the end.
    pub hints: u64,
    /// Records collected by processes that ran at the end.
    pub collected: u64,
    /// Rounds of these processes that raised a collect line, and those that were void.
    pub rounds: [u64; 2],
    /// Verdicts of gossip that a server is down.
    pub downs: u64,
    /// Times that a server learned of own writes that it did not know.
    pub amnesia: u64,
    /// Virtual time, in microseconds.
    pub simulated_us: u64,
    /// The same exactly if the same happened.
    pub hash: u64,
    /// Broken promises.
    pub violations: Vec<Violation>,
    /// What happened, if it was asked for.
    pub text: Vec<String>,
}

impl Report {
    /// The command that runs this again.
    pub fn command(&self) -> String {
        let canary = match self.canary {
            Canary::None => String::new(),
            canary => format!(" --canary {canary:?}"),
        };
        let store = if self.store == StoreKind::Memory { " --store memory" } else { "" };
        let (mix, seed) = (self.mix.name(), self.seed);
        format!(
            "cargo run --release -p clockwise-sim -- --seeds 1 --seed {seed} --mix {mix}{canary}{store} --trace"
        )
    }
}

/// Virtual time after which a run is taken to be stuck, in microseconds.
const STUCK_US: u64 = 600_000_000;

fn play(world: &mut World) {
    world.populate();
    while !world.healing && world.queue.now_us() < STUCK_US && world.step() {}
    if !world.healing && world.broken.is_none() {
        world.broken = Some("the clients never get through".to_owned());
    }
    world.read_all();
}

/// Runs a plan to its end and checks what the clients saw.
pub fn run(options: Options) -> Report {
    let Options { mix, seed, canary, store, trace } = options;
    let mut world = World::new(Plan::new(mix, seed, canary, store), trace);
    // An assertion of core or store that fails is a finding like any other.
    let ran = catch_unwind(AssertUnwindSafe(|| play(&mut world)));
    if let Err(panic) = ran {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        world.broken = Some(format!("panic: {}", text.unwrap_or_default()));
    }
    world.history.owners = usize::from(world.plan.replicas);
    world.history.stand_ins = world.servers.len() > world.history.owners;
    let mut violations = checkers::check(&world.history);
    if let Some(what) = world.broken.take() {
        violations.insert(0, Violation { checker: "run", key: String::new(), what });
    }
    Report {
        mix,
        seed,
        canary,
        store,
        servers: world.servers.len(),
        operations: world.stats.operations,
        outcomes: world.stats.outcomes,
        faults: world.stats.faults,
        frames: world.stats.frames,
        second_rounds: world.stats.second_rounds,
        read_repairs: world.stats.read_repairs,
        hints: world.stats.hints,
        collected: world.stats.collected,
        rounds: world.stats.rounds,
        downs: world.said.iter().filter(|said| said.verdict == Verdict::Down).count() as u64,
        amnesia: world.stats.amnesia,
        simulated_us: world.queue.now_us(),
        hash: world.trace.hash(),
        violations,
        text: world.trace.take_text(),
    }
}
