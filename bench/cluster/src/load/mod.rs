//! The load generator: one thread, one epoll, many connections, batches built beforehand.
//!
//! It is the same code for every system that is measured. Closed loop: each connection sends its
//! next batch when the last one is answered. Open loop: batches are due at a constant rate
//! whatever the server does, and latency counts from the instant at which one was due, so that
//! a stalled server cannot hide the requests that it kept from being sent.

mod connection;
mod replies;
mod request;

pub use connection::Faults;
pub use request::Kind;

use anyhow::{Context, Result, bail};
use connection::Connection;
use hdrhistogram::Histogram;
use request::{Batch, Source};
use rustix::{
    event::epoll::{self, EventData, EventFlags},
    fd::OwnedFd,
    time::{ClockId, Timespec, clock_gettime},
};
use std::{
    collections::VecDeque,
    net::TcpStream,
    time::{Duration, Instant},
};

/// Without any reply for this long the run has failed.
const SILENCE_S: u64 = 10;
/// Longest latency that is told apart.
const LONGEST_NS: u64 = 60_000_000_000;
/// Events taken per wake-up.
const EVENTS: usize = 512;
/// SETs of a batch while the keys are written for the first time.
const FILL_DEPTH: u32 = 32;
/// Longest sleep, so that silence is noticed.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What one measured stretch came to.
pub struct Stretch {
    /// Completed operations.
    pub operations: u64,
    /// Its length.
    pub wall: Duration,
    /// Latency of batches in nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// What went wrong.
    pub faults: Faults,
    /// CPU seconds that the generator itself used.
    pub generator_cpu_s: f64,
}

/// Connections and what they send.
pub struct Load {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    source: Source,
    value_bytes: usize,
    keys: u64,
    events: Vec<epoll::Event>,
    operations: u64,
    latency_ns: Histogram<u64>,
    faults: Faults,
    last_reply: Instant,
}

impl Load {
    /// Takes over connected streams; whatever they had to say first has been said.
    pub fn new(streams: Vec<TcpStream>, seed: u64, keys: u64, value_bytes: usize) -> Result<Self> {
        // Timers that fire 50 us late would add to every open-loop latency.
        rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)).context("timer slack")?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let batch = Batch::new(Kind::Get, 1, value_bytes);
        let mut connections = Vec::with_capacity(streams.len());
        for (index, stream) in streams.into_iter().enumerate() {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
            connections.push(Connection::new(stream, batch.clone()));
        }
        Ok(Self {
            epoll,
            connections,
            source: Source::new(seed, keys, value_bytes),
            value_bytes,
            keys,
            events: Vec::with_capacity(EVENTS),
            operations: 0,
            latency_ns: new_histogram(),
            faults: Faults::default(),
            last_reply: Instant::now(),
        })
    }

    /// Writes each key once.
    pub fn fill(&mut self) -> Result<Faults> {
        self.prepare(Kind::Set, FILL_DEPTH.min(self.keys as u32).max(1));
        self.source.start_in_order();
        self.start_idle()?;
        let mut finished = Vec::with_capacity(EVENTS);
        while self.operations < self.keys {
            self.turn(LONGEST_PAUSE, &mut finished)?;
        }
        self.drain()?;
        self.source.start_random();
        Ok(self.faults.clone())
    }

    /// Chooses what is sent from now on; all connections must have been drained.
    pub fn prepare(&mut self, kind: Kind, depth: u32) {
        let batch = Batch::new(kind, depth, self.value_bytes);
        for connection in &mut self.connections {
            connection.set_batch(&batch);
        }
        self.reset();
    }

    /// Closed loop for `length`; connections stay busy at the end (see [`Load::drain`]).
    pub fn closed(&mut self, length: Duration) -> Result<Stretch> {
        self.reset();
        let (began, cpu) = (Instant::now(), own_cpu_s());
        let end = began + length;
        self.start_idle()?;
        let mut finished = Vec::with_capacity(EVENTS);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.turn(left, &mut finished)?;
        }
        Ok(self.stretch(began, cpu))
    }

    /// Open loop: batches at a constant rate for `length`, until the last of them is answered.
    pub fn open(&mut self, batches_per_s: f64, length: Duration) -> Result<Stretch> {
        self.drain()?;
        self.reset();
        let (began, cpu) = (Instant::now(), own_cpu_s());
        let total = (batches_per_s * length.as_secs_f64()) as u64;
        let due = |index: u64| began + Duration::from_secs_f64(index as f64 / batches_per_s);
        let mut idle: VecDeque<usize> = (0..self.connections.len()).collect();
        let mut finished = Vec::with_capacity(EVENTS);
        let (mut next, mut done) = (0, 0);
        while done < total {
            let now = Instant::now();
            while next < total && due(next) <= now {
                let Some(index) = idle.pop_front() else { break };
                self.start(index, due(next))?;
                next += 1;
            }
            let pause = if next < total && !idle.is_empty() {
                due(next).saturating_duration_since(Instant::now())
            } else {
                LONGEST_PAUSE
            };
            self.wait(pause, &mut finished)?;
            done += finished.len() as u64;
            idle.extend(finished.drain(..));
        }
        Ok(self.stretch(began, cpu))
    }

    /// Waits for the replies that are still missing.
    pub fn drain(&mut self) -> Result<()> {
        let mut finished = Vec::new();
        while self.connections.iter().any(Connection::is_busy) {
            self.wait(LONGEST_PAUSE, &mut finished)?;
            finished.clear();
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.operations = 0;
        self.latency_ns.reset();
        self.faults = Faults::default();
        self.last_reply = Instant::now();
    }

    fn stretch(&self, began: Instant, cpu_before_s: f64) -> Stretch {
        Stretch {
            operations: self.operations,
            wall: began.elapsed(),
            latency_ns: self.latency_ns.clone(),
            faults: self.faults.clone(),
            generator_cpu_s: own_cpu_s() - cpu_before_s,
        }
    }

    /// Gives a batch to each connection that has none.
    fn start_idle(&mut self) -> Result<()> {
        for index in 0..self.connections.len() {
            if !self.connections[index].is_busy() {
                self.start(index, Instant::now())?;
            }
        }
        Ok(())
    }

    /// One wake-up of the closed loop: whoever was answered sends again.
    fn turn(&mut self, pause: Duration, finished: &mut Vec<usize>) -> Result<()> {
        self.wait(pause.min(LONGEST_PAUSE), finished)?;
        for index in finished.drain(..) {
            self.start(index, Instant::now())?;
        }
        Ok(())
    }

    fn start(&mut self, index: usize, due: Instant) -> Result<()> {
        let connection = &mut self.connections[index];
        connection.start(&mut self.source, due)?;
        if connection.is_unsent() {
            let flags = EventFlags::IN | EventFlags::OUT;
            epoll::modify(&self.epoll, &connection.stream, EventData::new_u64(index as u64), flags)?;
        }
        Ok(())
    }

    /// One wake-up; `finished` takes the connections whose batch was answered.
    fn wait(&mut self, pause: Duration, finished: &mut Vec<usize>) -> Result<()> {
        let timeout = Timespec { tv_sec: pause.as_secs() as i64, tv_nsec: i64::from(pause.subsec_nanos()) };
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let (data, flags) = (event.data, event.flags);
            let index = data.u64() as usize;
            let connection = &mut self.connections[index];
            if flags.contains(EventFlags::OUT) {
                connection.send()?;
                if !connection.is_unsent() {
                    epoll::modify(&self.epoll, &connection.stream, data, EventFlags::IN)?;
                }
            }
            if connection.receive(&mut self.faults)? {
                let now = Instant::now();
                self.last_reply = now;
                self.operations += u64::from(connection.operations());
                let took = now.saturating_duration_since(connection.due);
                self.latency_ns.saturating_record(took.as_nanos().min(u128::from(LONGEST_NS)) as u64);
                finished.push(index);
            }
        }
        if self.events.is_empty() && self.last_reply.elapsed() > Duration::from_secs(SILENCE_S) {
            bail!("no reply for {SILENCE_S} s");
        }
        Ok(())
    }
}

/// Three digits from 100 ns to a minute.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(100, LONGEST_NS, 3).expect("the bounds are constants that fit")
}

fn own_cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
