//! One run: servers and proxy, clients, faults, healing, the last reads, the checkers, the report.

use super::{
    between::Between,
    clients::{self, OWNERS, World},
    disks::SmallDisk,
    faults::Faults,
    finale,
    harness::{TestCluster, finish},
    namespaces::Namespaces,
    proxy::Proxy,
    recorder::{Recorded, Recorder},
};
use clockwise::client::{Client, Identified};
use clockwise_core::layout::Layout;
use clockwise_sim::{
    checkers,
    history::{End, History},
    random::{span, stream},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

const SERVERS: usize = 5;
const CLIENTS: usize = 20;
/// Where servers tell others to reach them: the proxy listens there.
const FRONT: [u8; 4] = [127, 0, 0, 2];
/// Shards of each server.
const SHARDS: u16 = 2;
/// Longest pause between two faults, in milliseconds.
const GAP_MS: u64 = 1_500;
/// Servers with small disks, where they can be mounted.
const SMALL_DISKS: [usize; 2] = [3, 4];
/// How often the hints that were delivered are asked for.
const LOOK: Duration = Duration::from_secs(1);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    /// How long there are faults.
    pub faulty: Duration,
    /// Packet filters in network namespaces instead of the proxy.
    pub namespaces: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    pub history: History,
    pub violations: Vec<String>,
    /// Operations that a server took.
    pub operations: u64,
    pub report: String,
}

/// A run under way.
#[derive(Debug)]
pub struct Run {
    plan: Plan,
    world: Arc<World>,
    faults: Faults,
    /// Delivered hints of each process that was asked.
    delivered: BTreeMap<(usize, u64), u64>,
    skipped: Vec<String>,
}

impl Run {
    /// Starts servers and makes a cluster of them; or says why that cannot be done here.
    pub fn new(plan: Plan) -> Result<Run, String> {
        let mut flags = vec!["--memtable", "16MiB", "--cache", "16MiB"];
        flags.extend(Faults::flags());
        let host = FRONT.map(|part| part.to_string()).join(".");
        if !plan.namespaces {
            flags.extend(["--advertise-host", &host]);
        }
        let mut cluster = TestCluster::planned(SERVERS, SHARDS, &flags);
        let between = match plan.namespaces {
            false => {
                let front = |server| SocketAddr::from((FRONT, cluster.peer(server).port()));
                let fronts: Vec<_> =
                    (0..SERVERS).map(|server| (front(server), cluster.peer(server))).collect();
                Between::Proxy(Proxy::start(&fronts, plan.seed).map_err(|error| error.to_string())?)
            }
            true => {
                let namespaces = Namespaces::new(SERVERS)?;
                cluster.ports.hosts.clone_from(&namespaces.hosts);
                cluster.namespaces.clone_from(&namespaces.names);
                Between::Namespaces(namespaces)
            }
        };
        let (mut disks, mut skipped) = (BTreeMap::new(), Vec::new());
        for server in SMALL_DISKS {
            match SmallDisk::mount(&cluster.data(server)) {
                Ok(disk) => drop(disks.insert(server, disk)),
                Err(why) => skipped.push(format!("no full disks: nothing can be mounted here ({why})")),
            }
        }
        skipped.dedup();
        skipped.push("no skewed clocks: all servers share this machine's clock".to_owned());
        (0..SERVERS).for_each(|server| cluster.start(server, &[]));
        let done = finish(cluster.init_command());
        assert_eq!(done.code, Some(0), "{done:?}");
        cluster.wait_until_ready();
        cluster.wait_until_all_meet();
        let world = Arc::new(World {
            recorder: Recorder::new(plan.seed, usize::from(OWNERS)),
            layout: layout(&cluster),
            servers: (0..SERVERS).map(|server| cluster.cluster(server)).collect(),
            lives: (0..SERVERS).map(|_| AtomicU64::new(1)).collect(),
            stop: AtomicBool::new(false),
            seed: plan.seed,
        });
        let faults = Faults::new(cluster, between, disks, Arc::clone(&world), stream(plan.seed, "faults", 0));
        Ok(Run { plan, world, faults, delivered: BTreeMap::new(), skipped })
    }

    /// Plays it to its end.
    pub fn play(mut self) -> Done {
        let clients = clients::start(&self.world, CLIENTS);
        let mut rng = stream(self.plan.seed, "gaps", 0);
        let began = Instant::now();
        let (mut next, mut look) = (began + Duration::from_secs(1), began);
        while began.elapsed() < self.plan.faulty {
            std::thread::sleep(Duration::from_millis(20));
            self.faults.tick();
            if Instant::now() >= next {
                self.faults.begin(self.plan.faulty.saturating_sub(began.elapsed()));
                next = Instant::now() + Duration::from_millis(span(&mut rng, 100, GAP_MS));
            }
            if look.elapsed() >= LOOK {
                look = Instant::now();
                self.look();
            }
        }
        self.faults.heal();
        self.world.stop.store(true, SeqCst);
        for client in clients {
            client.join().expect("a client does not panic");
        }
        let healed = Instant::now();
        let converged = finale::await_convergence(&self.faults.cluster, healed);
        let took = healed.elapsed();
        self.look();
        let finals = finale::read_all(&self.faults.cluster, &self.world.recorder);
        self.faults.tick();
        let recorded = self.world.recorder.finish(finals);
        let mut violations = self.violations(&recorded);
        if let Err(why) = converged {
            violations.push(format!("[run] not healed within {took:?}: {why}"));
        }
        let report = self.report(&recorded, took, violations.len());
        let operations = outcomes(&recorded.history).iter().sum();
        Done { history: recorded.history, violations, operations, report }
    }

    /// Asks the servers that run how many hints they have delivered.
    fn look(&mut self) {
        for server in self.faults.running() {
            let life = self.world.lives[server].load(SeqCst);
            let address = self.world.servers[server].to_string();
            let status: Option<Value> = Client::connect(&address, None, Duration::from_millis(300))
                .and_then(|mut client| client.json(&[b"CW.STATUS"]))
                .ok();
            let Some(status) = status else { continue };
            let delivered = finale::sum(&status, "hints_delivered");
            self.delivered.insert((server, life), delivered);
        }
    }

    fn violations(&self, recorded: &Recorded) -> Vec<String> {
        let found = checkers::check(&recorded.history);
        let mut violations: Vec<String> = found
            .iter()
            .map(|violation| format!("[{}] {}: {}", violation.checker, violation.key, violation.what))
            .collect();
        violations.extend(recorded.wrong.iter().map(|what| format!("[run] {what}")));
        violations.extend(self.faults.died.iter().map(|what| format!("[run] {what}")));
        for server in 0..SERVERS {
            let log = self.faults.cluster.log(server);
            if log.contains("panicked") {
                violations.push(format!("[run] server {server} panicked:\n{log}"));
            }
        }
        violations
    }

    fn report(&self, recorded: &Recorded, took: Duration, violations: usize) -> String {
        let mut text = String::new();
        let [done, rejected, unknown] = outcomes(&recorded.history);
        let faults: u64 = self.faults.counts.values().sum();
        let line = |text: &mut String, name: &str, value: String| {
            writeln!(text, "{name:<12} {value}").expect("writing to a string cannot fail");
        };
        let plan = &self.plan;
        line(
            &mut text,
            "chaos",
            format!(
                "seed {}, {} s of faults, {SERVERS} servers, N = {OWNERS}",
                plan.seed,
                plan.faulty.as_secs()
            ),
        );
        line(
            &mut text,
            "operations",
            format!(
                "{done} done, {rejected} rejected, {unknown} unknown, {} keys",
                recorded.history.finals.len()
            ),
        );
        line(&mut text, "answers", format!("{:?}, {} GETs without a name", recorded.codes, recorded.unnamed));
        line(&mut text, "faults", format!("{faults}: {:?}", self.faults.counts));
        line(&mut text, "between", self.faults.between.figures());
        let hints: u64 = self.delivered.values().sum();
        line(&mut text, "hints", format!("at least {hints} delivered, 0 left"));
        line(&mut text, "converged", format!("{:.1} s after healing", took.as_secs_f64()));
        line(&mut text, "violations", violations.to_string());
        self.skipped.iter().for_each(|why| line(&mut text, "skipped", why.clone()));
        text
    }
}

/// Operations that were done, rejected, and unknown.
fn outcomes(history: &History) -> [u64; 3] {
    let mut outcomes = [0; 3];
    for operation in &history.operations {
        match operation.end {
            End::Read(_) | End::Written(_) => outcomes[0] += 1,
            End::Rejected | End::Failed => outcomes[1] += 1,
            End::Unknown | End::Open => outcomes[2] += 1,
            End::Refused => {}
        }
    }
    outcomes
}

/// The layout of the cluster, with the number of each server one above its place.
fn layout(cluster: &TestCluster) -> Layout {
    let address = cluster.cluster(0).to_string();
    let mut client = Client::connect(&address, None, Duration::from_secs(2)).expect("it answers");
    let identified: Identified = client.json(&[b"CW.IDENTIFY"]).expect("it says who it is");
    let hex = identified.layout.expect("it has a layout");
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex digits"))
        .collect();
    let layout = Layout::decode(bytes.into()).expect("the layout of this version");
    for (server, member) in layout.spec().members.iter().enumerate() {
        let port = cluster.peer(server).port().to_string();
        assert!(member.number.0 as usize == server + 1 && member.addresses.peer.ends_with(&port));
    }
    layout
}
