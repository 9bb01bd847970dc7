//! The processes of a cluster together: from the start to the moment when requests are served, and to the end.

use super::{
    child::Server,
    plan::{Plan, command_name},
};
use crate::{
    cli::initialise,
    client::{Client, StatusView, is_ready},
};
use std::{
    io,
    process::ExitStatus,
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// Longest wait until every server answers and a quorum write works, in milliseconds. Recovery of much data may
/// take its time.
const READY_MS: u64 = 120_000;
/// Once requests are served, a cluster waits this long for its last server to be seen, in milliseconds.
const MEET_MS: u64 = 1_500;
/// Between two questions, in milliseconds.
const POLL_MS: u64 = 10;
/// Each question, in milliseconds.
const ASK_MS: u64 = 1_000;
/// Servers have this long to stop in order, in milliseconds.
const STOP_MS: u64 = 10_000;
/// Between two looks at the processes, in milliseconds.
const WATCH_MS: u64 = 100;

/// Servers that run.
#[derive(Debug)]
pub(super) struct Cluster {
    servers: Vec<Server>,
    replicas: u8,
    /// How a user calls the binary.
    command: String,
    stopping: bool,
}

impl Cluster {
    /// Starts every server; if one cannot be started, none stays.
    pub(super) fn start(plan: &Plan, password: Option<&str>, verbose: bool) -> io::Result<Cluster> {
        let mut cluster = Cluster {
            servers: Vec::new(),
            replicas: plan.shape.replicas,
            command: command_name(&plan.program),
            stopping: false,
        };
        for member in &plan.members {
            match Server::start(&plan.program, member, password, verbose) {
                Ok(server) => cluster.servers.push(server),
                Err(error) => {
                    cluster.stop();
                    return Err(error);
                }
            }
        }
        Ok(cluster)
    }

    /// Waits until all answer, makes a cluster of them, and waits until a quorum write works.
    pub(super) fn become_ready(&mut self, password: Option<&str>, stop: &Receiver<()>) -> Result<(), String> {
        let ask = Duration::from_millis(ASK_MS);
        self.wait(stop, "does not answer", |server| {
            let address = server.member.listen.cluster.to_string();
            Client::connect(&address, password, ask).map(|_| ()).map_err(|error| error.to_string())
        })?;
        if self.stopping {
            return Ok(());
        }
        let addresses: Vec<String> =
            self.servers.iter().map(|server| server.member.listen.cluster.to_string()).collect();
        initialise(&addresses, self.replicas, password).map_err(|error| error.to_string())?;
        self.wait(stop, "is not ready", |server| {
            is_ready(&server.member.listen.http.to_string(), ask).map_err(|error| error.to_string())?
        })?;
        // A quorum is enough to serve; a moment later all have met, and `W all` works too.
        let limit = Instant::now() + Duration::from_millis(MEET_MS);
        self.wait(stop, "misses another", |server| {
            if Instant::now() > limit || all_live(server, password, ask) {
                Ok(())
            } else {
                Err(String::new())
            }
        })
    }

    /// Asks every server again and again until each has said yes once.
    fn wait(
        &mut self,
        stop: &Receiver<()>,
        what: &str,
        question: impl Fn(&Server) -> Result<(), String>,
    ) -> Result<(), String> {
        let began = Instant::now();
        for at in 0..self.servers.len() {
            while let Err(why) = question(&self.servers[at]) {
                self.all_alive()?;
                if stop.try_recv().is_ok() {
                    self.stopping = true;
                    return Ok(());
                }
                if began.elapsed() > Duration::from_millis(READY_MS) {
                    return Err(format!("server {} {what}: {why}", self.servers[at].member.number));
                }
                thread::sleep(Duration::from_millis(POLL_MS));
            }
        }
        Ok(())
    }

    fn all_alive(&mut self) -> Result<(), String> {
        for server in &mut self.servers {
            if let Some(status) = server.newly_ended() {
                let log = server.log_tail();
                return Err(format!("server {} {}\n{log}", server.member.number, how(status)));
            }
        }
        Ok(())
    }

    /// A stop was asked for while the servers were starting.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// The processes, in order.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(Server::pid).collect()
    }

    /// Says when a server ends. Returns when a stop was asked for and all have stopped (true), or when all ended by
    /// themselves (false).
    pub(super) fn watch(mut self, stop: &Receiver<()>) -> bool {
        loop {
            match stop.recv_timeout(Duration::from_millis(WATCH_MS)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    eprintln!("stopping all servers");
                    self.stop();
                    return true;
                }
            }
            for server in &mut self.servers {
                if let Some(status) = server.newly_ended() {
                    eprintln!("{}", farewell(&self.command, server, status));
                }
            }
            if self.servers.iter_mut().all(Server::has_ended) {
                eprintln!("all servers have ended");
                return false;
            }
        }
    }

    /// Stops every server in order; one that has not ended after a while is killed.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        self.servers.iter_mut().for_each(Server::ask_to_stop);
        let began = Instant::now();
        while !self.servers.iter_mut().all(Server::has_ended) {
            if began.elapsed() > Duration::from_millis(STOP_MS) {
                for server in
                    self.servers.iter_mut().filter_map(|server| (!server.has_ended()).then_some(server))
                {
                    eprintln!("server {} did not stop in time and was killed", server.member.number);
                    server.kill();
                }
                return;
            }
            thread::sleep(Duration::from_millis(POLL_MS));
        }
    }
}

/// Whether a server sees all others answer.
fn all_live(server: &Server, password: Option<&str>, timeout: Duration) -> bool {
    let address = server.member.listen.cluster.to_string();
    Client::connect(&address, password, timeout)
        .and_then(|mut client| client.json::<StatusView>(&[b"CW.STATUS"]))
        .is_ok_and(|status| status.members.iter().all(|member| member.live))
}

fn how(status: ExitStatus) -> String {
    format!("ended: {status}")
}

/// What happened to a server, and how to bring it back.
fn farewell(command: &str, server: &Server, status: ExitStatus) -> String {
    let quoted = |flag: &std::ffi::OsString| {
        let text = flag.to_string_lossy().into_owned();
        if text.contains(|c: char| c.is_whitespace() || c == '\'') {
            format!("'{}'", text.replace('\'', "'\\''"))
        } else {
            text
        }
    };
    let flags: Vec<String> =
        server.member.flags.iter().filter(|flag| *flag != "--stop-on-stdin-eof").map(quoted).collect();
    format!(
        "server {} (pid {}) {}; the others go on. Its log: {}\nTo bring it back: {command} {}",
        server.member.number,
        server.pid(),
        how(status),
        server.member.log.display(),
        flags.join(" ")
    )
}
