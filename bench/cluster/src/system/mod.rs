//! The systems that are measured: how each is started, where it listens, how it is stopped.
//!
//! Always holds: a started system answers SET on each of its addresses, lives in a fresh folder
//! and is stopped when the value goes. Its folder stays until the next start, so that a failed run
//! leaves its logs.

mod client;
mod clockwise;
mod redis;

pub use client::Client;
pub use clockwise::Durability;

use crate::{options::Programs, process};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A system has to answer this soon after its start.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// And to end this soon when asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// First ports that are tried; below those that the kernel gives to clients.
const FIRST_PORTS: [u16; 2] = [17_001, 27_001];

/// A port such that it and the ones at `offsets` from it are free now.
fn free_port(first: u16, offsets: &[i32]) -> Result<u16> {
    let free =
        |port: i32| u16::try_from(port).is_ok_and(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    let mut candidates = (0..50).map(|step| first + step * 10);
    candidates
        .find(|port| offsets.iter().all(|offset| free(i32::from(*port) + offset)))
        .with_context(|| format!("no free ports above {first}"))
}

/// Which system, in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Three Clockwise servers on this machine.
    Clockwise(Durability),
    /// A Redis primary with two replicas.
    RedisReplicated,
    /// One Redis server.
    RedisAlone,
}

impl Form {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Form::Clockwise(Durability::Periodic) => "clockwise",
            Form::Clockwise(Durability::Sync) => "clockwise sync",
            Form::RedisReplicated => "redis 1+2",
            Form::RedisAlone => "redis",
        }
    }
}

/// A running system.
pub struct System {
    /// Its form.
    pub form: Form,
    /// Where load goes.
    pub targets: Vec<SocketAddr>,
    roots: Vec<Child>,
    folder: PathBuf,
}

impl System {
    /// Starts a system in a fresh folder below `data` and waits until it serves.
    pub fn start(form: Form, programs: &Programs, data: &Path) -> Result<Self> {
        let folder = data.join(form.name().replace([' ', '+'], "-"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let mut system = Self { form, targets: Vec::new(), roots: Vec::new(), folder };
        let began = match form {
            Form::Clockwise(durability) => clockwise::start(&mut system, programs, durability),
            Form::RedisReplicated => redis::start(&mut system, programs, 2),
            Form::RedisAlone => redis::start(&mut system, programs, 0),
        };
        if let Err(error) = began {
            bail!("{} did not start: {error:#}\n{}", form.name(), system.last_words());
        }
        Ok(system)
    }

    /// The processes whose CPU counts: the started ones; their children belong to them.
    pub fn roots(&self) -> Vec<i32> {
        self.roots.iter().map(|child| child.id() as i32).collect()
    }

    /// The processes that serve clients.
    pub fn servers(&self) -> Vec<i32> {
        match self.form {
            // `dev` starts the servers and serves nobody itself.
            Form::Clockwise(_) => {
                self.roots().iter().flat_map(|root| process::tree(*root).into_iter().skip(1)).collect()
            }
            Form::RedisReplicated | Form::RedisAlone => self.roots(),
        }
    }

    /// Starts one process that belongs to the system.
    fn spawn(&mut self, program: &Path, arguments: &[String], log: &str) -> Result<()> {
        let log = fs::File::create(self.folder.join(log))?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("run {}", program.display()))?;
        self.roots.push(child);
        Ok(())
    }

    /// Waits until `ready` says so of each target.
    fn await_each(&mut self, ready: impl Fn(&mut Client) -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        for target in self.targets.clone() {
            loop {
                for child in &mut self.roots {
                    if let Some(status) = child.try_wait()? {
                        bail!("a server ended at once: {status}");
                    }
                }
                let answer = Client::connect(target).and_then(|mut client| ready(&mut client));
                match answer {
                    Ok(true) => break,
                    Ok(false) if Instant::now() > deadline => bail!("{target} is not ready"),
                    Err(error) if Instant::now() > deadline => return Err(error.context(target)),
                    Ok(false) | Err(_) => thread::sleep(Duration::from_millis(20)),
                }
            }
        }
        Ok(())
    }

    /// Ends of the logs in the folder.
    fn last_words(&self) -> String {
        let mut words = String::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                words.push_str(&lines[lines.len().saturating_sub(15)..].join("\n"));
                words.push('\n');
            }
        }
        words
    }
}

impl Drop for System {
    fn drop(&mut self) {
        for child in &mut self.roots {
            if let Err(error) = process::end(child, STOP_PATIENCE) {
                eprintln!("a server of {} could not be stopped: {error:#}", self.form.name());
            }
        }
    }
}
