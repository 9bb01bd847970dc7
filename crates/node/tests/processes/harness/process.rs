//! Processes of the binary under test.

use std::{
    ffi::{OsStr, OsString},
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

/// The binary, without anything from the environment of whoever runs the tests but the known bug that a build with the
/// feature `canaries` is to have. `CLOCKWISE_TEST_BINARY` names another build to test.
pub fn clockwise() -> Command {
    clean(Command::new(binary()))
}

/// The same in a network namespace.
pub fn clockwise_in(namespace: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(binary());
    clean(command)
}

fn binary() -> OsString {
    std::env::var_os("CLOCKWISE_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_clockwise").into())
}

fn clean(mut command: Command) -> Command {
    let settings = |name: &str| name.starts_with("CLOCKWISE_") && name != "CLOCKWISE_CANARY";
    for (name, _) in std::env::vars().filter(|(name, _)| settings(name)) {
        command.env_remove(name);
    }
    command
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a subcommand to its end.
pub fn finish<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Finished {
    let Output { status, stdout, stderr } =
        clockwise().args(arguments).stdin(Stdio::null()).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// A process that ends with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; standard error goes to a file, standard output beside it. The process can tell from its standard
    /// input when the test is gone.
    pub fn start(command: &mut Command, log: &Path) -> Process {
        let open = |path: &Path| OpenOptions::new().create(true).append(true).open(path).unwrap();
        let child = command
            .stdin(Stdio::piped())
            .stdout(open(&log.with_extension("out")))
            .stderr(open(log))
            .spawn()
            .expect("the binary runs");
        Process { child, log: log.to_path_buf() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard error.
    pub fn err(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it wrote to standard output.
    pub fn out(&self) -> String {
        std::fs::read_to_string(self.log.with_extension("out")).unwrap_or_default()
    }

    /// `kill -SIGNAL`.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().expect("there is a kill command");
        assert!(status.success(), "kill {signal} {pid}");
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was started here");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it was started here").is_none()
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started here") {
                return status;
            }
            assert!(began.elapsed() < limit, "still running after {limit:?}:\n{}", self.err());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.wait(Duration::from_secs(15)).code()
    }

    /// Resident memory in bytes.
    pub fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says so");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
