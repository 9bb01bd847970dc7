//! How long each step of an engine keeps its shard's thread: CPU time of the thread, which is what the engine is
//! answerable for, and wall time, in which the machine's other work shows as well. What the hypervisor takes from a
//! virtual machine's processors counts as CPU time of whatever thread was running; a step that is too long by no more
//! than that is counted apart.

use crate::store::clockwise::{Seen, threads::Shared};
use anyhow::{Context, Result, anyhow};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

/// CPU time above which a step is too long.
pub const LONGEST_CPU: Duration = Duration::from_millis(5);
/// Wall time above which a step is listed.
pub const LISTED_WALL: Duration = Duration::from_millis(20);
/// Steps that are listed; all are counted.
const LISTED: usize = 12;
/// Between two looks at what the machine takes for itself.
const TAKEN_EVERY: Duration = Duration::from_millis(100);
/// The unit of `/proc/stat`.
const CLOCK_TICK: Duration = Duration::from_millis(10);

/// A call into the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A lookup.
    Get,
    /// A put.
    Apply,
    /// A slot is dropped.
    DropSlot,
    /// A scan begins.
    Scan,
    /// Changes are taken for the log.
    TakeBatch,
    /// Notices are taken for the log.
    TakeFlushed,
    /// Jobs are taken.
    TakeJobs,
    /// A job's result is given back.
    JobDone,
    /// The log reports.
    Durable,
    /// A second has passed.
    Tick,
    /// A checkpoint begins.
    Checkpoint,
    /// The cache's budget changes.
    SetCache,
}

const ALL: [Step; 12] = [
    Step::Get,
    Step::Apply,
    Step::DropSlot,
    Step::Scan,
    Step::TakeBatch,
    Step::TakeFlushed,
    Step::TakeJobs,
    Step::JobDone,
    Step::Durable,
    Step::Tick,
    Step::Checkpoint,
    Step::SetCache,
];

/// A step that is worth a line.
struct Noted {
    step: Step,
    at: Duration,
    cpu: Duration,
    wall: Duration,
    ran: String,
}

/// Times by kind of step.
pub struct Steps {
    shared: Arc<Shared>,
    began: Instant,
    cpu: Vec<Histogram>,
    wall: Vec<Histogram>,
    /// Those that took most CPU time.
    worst: Vec<Noted>,
    /// The longest of those with much wall time.
    pauses: Vec<Noted>,
    too_long: u64,
    /// Steps that would be among these if processors had not been taken away meanwhile.
    stolen: u64,
    paused: u64,
    before: Seen,
    /// How long the thread had waited for a processor when the turn began.
    delayed: Duration,
    taken: Taken,
    taken_at: Instant,
}

/// Processor time that nobody got, as `/proc/stat` counts it.
#[derive(Clone, Copy, Default)]
struct Taken {
    by_interrupts: Duration,
    by_hypervisor: Duration,
}

impl Steps {
    /// Nothing measured yet; the threads around the engine share this.
    pub fn new(shared: Arc<Shared>) -> Steps {
        Steps {
            shared,
            began: Instant::now(),
            cpu: ALL.iter().map(|_| Histogram::default()).collect(),
            wall: ALL.iter().map(|_| Histogram::default()).collect(),
            worst: Vec::new(),
            pauses: Vec::new(),
            too_long: 0,
            stolen: 0,
            paused: 0,
            before: Seen::default(),
            delayed: Duration::ZERO,
            taken: taken().unwrap_or_default(),
            taken_at: Instant::now(),
        }
    }

    /// A turn of the shard's loop begins: what runs from now on counts as running beside the next steps.
    pub fn begin_turn(&mut self) {
        self.before = self.shared.activity().seen();
        self.delayed = run_delay().unwrap_or_default();
        if self.taken_at.elapsed() > TAKEN_EVERY {
            (self.taken, self.taken_at) = (taken().unwrap_or_default(), Instant::now());
        }
    }

    /// Does a step and measures it.
    pub fn measure<R>(&mut self, step: Step, work: impl FnOnce() -> R) -> R {
        let (began, cpu_began) = (Instant::now(), thread_cpu());
        let result = work();
        let (cpu, wall) = (thread_cpu().saturating_sub(cpu_began), began.elapsed());
        self.cpu[step as usize].add(cpu);
        self.wall[step as usize].add(wall);
        if cpu > LONGEST_CPU {
            let stolen = self.taken_since().by_hypervisor;
            *(if cpu.saturating_sub(stolen) > LONGEST_CPU {
                &mut self.too_long
            } else {
                &mut self.stolen
            }) += 1;
        }
        self.paused += u64::from(wall > LISTED_WALL);
        let at_least = |list: &[Noted], of: fn(&Noted) -> Duration| list.last().map(of).unwrap_or_default();
        if self.worst.len() < LISTED || cpu > at_least(&self.worst, |noted| noted.cpu) {
            let noted = self.noted(step, began, cpu, wall);
            insert(&mut self.worst, noted, |noted| noted.cpu);
        }
        if wall > LISTED_WALL
            && (self.pauses.len() < LISTED || wall > at_least(&self.pauses, |noted| noted.wall))
        {
            let noted = self.noted(step, began, cpu, wall);
            insert(&mut self.pauses, noted, |noted| noted.wall);
        }
        result
    }

    fn noted(&self, step: Step, began: Instant, cpu: Duration, wall: Duration) -> Noted {
        let mut ran = self.before.until(&self.shared.activity().seen());
        if wall > LISTED_WALL {
            let waited = run_delay().unwrap_or_default().saturating_sub(self.delayed);
            write!(ran, "; waited {} ms for a processor in this turn", waited.as_millis())
                .expect("a string grows");
        }
        if cpu > LONGEST_CPU {
            let Taken { by_interrupts, by_hypervisor } = self.taken_since();
            let (interrupts, hypervisor) = (by_interrupts.as_millis(), by_hypervisor.as_millis());
            let since = self.taken_at.elapsed().as_millis();
            write!(ran, "; in {since} ms interrupts took {interrupts} ms, the hypervisor {hypervisor} ms")
                .expect("a string grows");
        }
        Noted { step, at: began - self.began, cpu, wall, ran }
    }

    fn taken_since(&self) -> Taken {
        let now = taken().unwrap_or_default();
        Taken {
            by_interrupts: now.by_interrupts.saturating_sub(self.taken.by_interrupts),
            by_hypervisor: now.by_hypervisor.saturating_sub(self.taken.by_hypervisor),
        }
    }

    /// Steps that took too much CPU time.
    pub fn too_long(&self) -> u64 {
        self.too_long
    }

    /// The longest step by CPU time.
    pub fn longest_cpu(&self) -> Duration {
        self.cpu.iter().map(|histogram| histogram.most).max().unwrap_or_default()
    }

    /// Tables of all that was measured.
    pub fn to_markdown(&self) -> String {
        let mut text = "| step | count | CPU p50 us | p99 us | p99.99 us | most ms | wall p99 us | p99.99 us | most ms |\n\
                        |---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
        for step in ALL {
            let (cpu, wall) = (&self.cpu[step as usize], &self.wall[step as usize]);
            if cpu.count > 0 {
                let us = |histogram: &Histogram, part| histogram.quantile(part).as_secs_f64() * 1e6;
                writeln!(
                    text,
                    "| {step:?} | {} | {:.1} | {:.1} | {:.0} | {:.2} | {:.1} | {:.0} | {:.2} |",
                    cpu.count,
                    us(cpu, 0.5),
                    us(cpu, 0.99),
                    us(cpu, 0.9999),
                    ms(cpu.most),
                    us(wall, 0.99),
                    us(wall, 0.9999),
                    ms(wall.most),
                )
                .expect("a string grows");
            }
        }
        if self.stolen > 0 {
            writeln!(text, "\n{} steps would have been too long by what the hypervisor took", self.stolen)
                .expect("a string grows");
        }
        text.push_str("\nMost CPU time:\n");
        list(&mut text, &self.worst);
        if self.paused > 0 {
            writeln!(text, "\n{} steps took over {LISTED_WALL:?} of wall time; the longest:", self.paused)
                .expect("a string grows");
            list(&mut text, &self.pauses);
        }
        text
    }

    /// The same for machines.
    pub fn to_json(&self) -> Value {
        let noted = |noted: &Noted| {
            json!({
                "step": format!("{:?}", noted.step), "at_s": noted.at.as_secs_f64(), "cpu_ms": ms(noted.cpu),
                "wall_ms": ms(noted.wall), "ran": noted.ran,
            })
        };
        let steps = ALL.iter().filter(|&&step| self.cpu[step as usize].count > 0).map(|&step| {
            let (cpu, wall) = (&self.cpu[step as usize], &self.wall[step as usize]);
            json!({ "step": format!("{step:?}"), "cpu": cpu.to_json(), "wall": wall.to_json() })
        });
        json!({
            "steps": steps.collect::<Vec<_>>(), "too_long": self.too_long, "stolen": self.stolen,
            "paused": self.paused,
            "worst": self.worst.iter().map(noted).collect::<Vec<_>>(),
            "pauses": self.pauses.iter().map(noted).collect::<Vec<_>>(),
        })
    }
}

fn insert(list: &mut Vec<Noted>, noted: Noted, by: fn(&Noted) -> Duration) {
    let place = list.partition_point(|other| by(other) >= by(&noted));
    list.insert(place, noted);
    list.truncate(LISTED);
}

fn list(text: &mut String, noted: &[Noted]) {
    for Noted { step, at, cpu, wall, ran } in noted {
        let (cpu, wall, at) = (ms(*cpu), ms(*wall), at.as_secs_f64());
        writeln!(text, "- {step:?} at {at:.1} s: {cpu:.2} ms of CPU, {wall:.2} ms; ran: {ran}")
            .expect("a string grows");
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// CPU time of this thread.
fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// How long this thread has been ready to run and did not.
fn run_delay() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().nth(1).context("there is no such field")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

fn taken() -> Result<Taken> {
    let text = fs::read_to_string("/proc/stat")?;
    let fields: Vec<u32> =
        text.lines().next().unwrap_or_default().split_whitespace().skip(1).flat_map(str::parse).collect();
    match fields[..] {
        [_, _, _, _, _, hard, soft, steal, ..] => {
            Ok(Taken { by_interrupts: CLOCK_TICK * (hard + soft), by_hypervisor: CLOCK_TICK * steal })
        }
        _ => Err(anyhow!("/proc/stat is not as expected")),
    }
}

/// Counts of durations, exact to an eighth.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    most: Duration,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; 64 * 8], count: 0, most: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts a duration.
    pub fn add(&mut self, duration: Duration) {
        // Three bits below the highest one tell the place.
        let ns = (duration.as_nanos() as u64).max(8);
        let shift = ns.ilog2() - 3;
        self.counts[(shift as usize) * 8 + (ns >> shift) as usize - 8] += 1;
        self.count += 1;
        self.most = self.most.max(duration);
    }

    /// The duration that this part of all does not exceed.
    pub fn quantile(&self, part: f64) -> Duration {
        let mut left = (self.count as f64 * part).ceil() as u64;
        for (at, &count) in self.counts.iter().enumerate() {
            if count >= left {
                let end = ((at as u64 % 8) + 9) << (at / 8);
                return Duration::from_nanos(end).min(self.most);
            }
            left -= count;
        }
        self.most
    }

    /// The longest.
    pub fn most(&self) -> Duration {
        self.most
    }

    /// For machines.
    pub fn to_json(&self) -> Value {
        let us = |part| self.quantile(part).as_secs_f64() * 1e6;
        json!({
            "count": self.count, "p50_us": us(0.5), "p99_us": us(0.99), "p9999_us": us(0.9999),
            "most_us": self.most.as_secs_f64() * 1e6,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;
    use std::time::Duration;

    #[test]
    fn quantiles_are_exact_to_an_eighth() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|ns| histogram.add(Duration::from_nanos(ns)));
        for (part, exact) in [(0.5, 50_000.0), (0.99, 99_000.0), (0.0005, 50.0)] {
            let ratio = histogram.quantile(part).as_nanos() as f64 / exact;
            assert!((1.0..1.13).contains(&ratio), "{part}: {ratio}");
        }
        assert_eq!(histogram.quantile(1.0), histogram.most());
    }
}
