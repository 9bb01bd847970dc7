//! What processes cost, read from /proc: CPU of a whole tree of processes, memory, threads.
//!
//! Always holds: the CPU of a child that ended and was waited for stays in the sum, because the
//! kernel adds it to its parent. Does not see the load generator, which is no child of a server.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fs,
    process::Child,
    thread,
    time::{Duration, Instant},
};

/// CPU that processes had used at one instant.
#[derive(Clone, Default)]
pub struct Usage {
    /// Seconds in user mode.
    pub user_s: f64,
    /// Seconds in the kernel.
    pub system_s: f64,
    /// Seconds by name of thread, of threads that live.
    pub threads: BTreeMap<String, f64>,
}

impl Usage {
    /// What was used since `before`.
    pub fn since(&self, before: &Usage) -> Usage {
        let threads = self.threads.iter().map(|(name, seconds)| {
            (name.clone(), seconds - before.threads.get(name).copied().unwrap_or_default())
        });
        Usage {
            user_s: self.user_s - before.user_s,
            system_s: self.system_s - before.system_s,
            threads: threads.filter(|(_, seconds)| *seconds > 0.0).collect(),
        }
    }

    /// User and kernel together, in seconds.
    pub fn total_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

/// The fields of a `stat` file that count here.
struct Stat {
    name: String,
    parent: i32,
    user_ticks: u64,
    system_ticks: u64,
}

/// Reads a `stat` file of a process or thread; `None` if it is gone.
fn stat(path: &str) -> Option<Stat> {
    let text = fs::read_to_string(path).ok()?;
    // The name is in parentheses and may hold anything.
    let (open, close) = (text.find('(')?, text.rfind(')')?);
    let fields: Vec<&str> = text[close + 1..].split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        name: text[open + 1..close].to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        user_ticks: ticks(11)? + ticks(13)?,
        system_ticks: ticks(12)? + ticks(14)?,
    })
}

/// The process and all that descend from it, oldest first.
pub fn tree(root: i32) -> Vec<i32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if let Some(stat) = stat(&format!("/proc/{pid}/stat")) {
            parents.push((pid, stat.parent));
        }
    }
    parents.sort_unstable();
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found
}

/// CPU of the trees below `roots`.
pub fn usage(roots: &[i32]) -> Usage {
    let tick_s = 1.0 / rustix::param::clock_ticks_per_second() as f64;
    let mut usage = Usage::default();
    for pid in roots.iter().flat_map(|root| tree(*root)) {
        let Some(process) = stat(&format!("/proc/{pid}/stat")) else { continue };
        usage.user_s += process.user_ticks as f64 * tick_s;
        usage.system_s += process.system_ticks as f64 * tick_s;
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let path = task.path();
            let nanoseconds = fs::read_to_string(path.join("schedstat"))
                .ok()
                .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
            let name = fs::read_to_string(path.join("comm"));
            if let (Some(nanoseconds), Ok(name)) = (nanoseconds, name) {
                *usage.threads.entry(name.trim().to_owned()).or_default() += nanoseconds / 1e9;
            }
        }
    }
    usage
}

/// Resident memory of a process in KiB.
pub fn resident_kib(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

/// A process's name as the kernel keeps it.
pub fn name(pid: i32) -> Option<String> {
    stat(&format!("/proc/{pid}/stat")).map(|stat| stat.name)
}

/// Sends a signal; a process that is gone is no error.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _gone = kill_process(pid, signal);
    }
}

/// Ends a child and its descendants: politely, and after `patience` for good.
pub fn end(child: &mut Child, patience: Duration) -> Result<()> {
    let all = tree(child.id() as i32);
    if child.try_wait()?.is_none() {
        signal(child.id() as i32, Signal::TERM);
    }
    let deadline = Instant::now() + patience;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill().context("kill a server")?;
        }
        thread::sleep(Duration::from_millis(10));
    }
    // Servers that outlive the one that started them are still ours.
    for pid in all.into_iter().skip(1) {
        let deadline = Instant::now() + Duration::from_secs(2);
        let expected = name(pid);
        while expected.is_some() && name(pid) == expected && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        if expected.is_some() && name(pid) == expected {
            signal(pid, Signal::KILL);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{resident_kib, tree, usage};

    #[test]
    fn this_process_is_seen() {
        let pid = std::process::id() as i32;
        assert_eq!(tree(pid)[0], pid);
        assert!(resident_kib(pid).unwrap() > 0);
        let before = usage(&[pid]);
        let began = std::time::Instant::now();
        while began.elapsed().as_millis() < 60 {
            std::hint::black_box(0);
        }
        let used = usage(&[pid]).since(&before);
        assert!(used.total_s() >= 0.02, "{}", used.total_s());
        assert!(used.threads.values().sum::<f64>() >= 0.02);
    }
}
