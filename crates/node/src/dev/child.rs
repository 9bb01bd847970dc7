//! One server process.

use super::plan::Member;
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

/// How much of a log is shown when its server does not start, in bytes.
const TAIL_BYTES: u64 = 2_000;

/// Settings from the environment that are different for every server.
const NOT_INHERITED: [&str; 11] = [
    "CLOCKWISE_CONFIG",
    "CLOCKWISE_HOST",
    "CLOCKWISE_ADVERTISE_HOST",
    "CLOCKWISE_LISTEN_PEER",
    "CLOCKWISE_LISTEN_CLUSTER",
    "CLOCKWISE_LISTEN_PLAIN",
    "CLOCKWISE_LISTEN_HTTP",
    "CLOCKWISE_NODE_ID",
    "CLOCKWISE_CLUSTER_SECRET",
    "CLOCKWISE_PASSWORD",
    "CLOCKWISE_PASSWORD_FILE",
];

/// A server that was started. Its standard input is the pipe whose end stops it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) member: Member,
    child: Child,
    ended: Option<ExitStatus>,
}

impl Server {
    /// Starts it; its log goes to its file, or to our standard error with its number in front.
    pub(super) fn start(
        program: &Path,
        member: &Member,
        password: Option<&str>,
        verbose: bool,
    ) -> io::Result<Server> {
        let mut command = Command::new(program);
        command.args(&member.flags).stdin(Stdio::piped()).stdout(Stdio::null());
        NOT_INHERITED.iter().for_each(|name| {
            command.env_remove(name);
        });
        // Flags are visible to everybody on the machine, the environment is not.
        password.map(|password| command.env("CLOCKWISE_PASSWORD", password));
        // Ctrl-C in a terminal is meant for us; the servers are stopped by us, in order.
        command.process_group(0);
        if verbose {
            command.stderr(Stdio::piped());
        } else {
            command.stderr(OpenOptions::new().create(true).append(true).open(&member.log)?);
        }
        let mut child = command.spawn()?;
        if let Some(log) = child.stderr.take() {
            let number = member.number;
            thread::Builder::new().name(format!("log {number}")).spawn(move || {
                for line in BufReader::new(log).lines().map_while(Result::ok) {
                    eprintln!("server {number} | {line}");
                }
            })?;
        }
        Ok(Server { member: member.clone(), child, ended: None })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ended since the last question, and how.
    pub(super) fn newly_ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
            return self.ended;
        }
        None
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.newly_ended();
        self.ended.is_some()
    }

    /// Tells it to stop in order.
    pub(super) fn ask_to_stop(&mut self) {
        self.child.stdin = None;
    }

    /// Ends it and waits until it is gone.
    pub(super) fn kill(&mut self) {
        // It may have ended in between; then there is nothing to do.
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
    }

    /// The last lines of its log.
    pub(super) fn log_tail(&self) -> String {
        tail(&self.member.log).unwrap_or_default()
    }
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // The first line is cut unless the file is short.
    let whole = if length > TAIL_BYTES { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    Ok(whole.trim_end().to_owned())
}
