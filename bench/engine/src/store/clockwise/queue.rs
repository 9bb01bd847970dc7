//! A queue between threads. What is in it is bounded by who fills it: engines bound their jobs, drivers wait
//! while the log is behind.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

struct Waiting<T> {
    items: VecDeque<T>,
    /// Threads that sleep until something comes.
    idle: usize,
    closed: bool,
}

/// See the module.
pub struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    arrived: Condvar,
}

impl<T> Queue<T> {
    /// An empty, open queue.
    pub const fn new() -> Queue<T> {
        Queue {
            waiting: Mutex::new(Waiting { items: VecDeque::new(), idle: 0, closed: false }),
            arrived: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends, and wakes one thread that waits.
    pub fn push(&self, item: T) {
        self.push_all(std::iter::once(item), 1);
    }

    /// Appends, and wakes as many of the threads that wait as it takes, if each takes this many.
    pub fn push_all(&self, items: impl Iterator<Item = T>, each: usize) {
        let mut waiting = self.lock();
        let before = waiting.items.len();
        waiting.items.extend(items);
        let wanted = (waiting.items.len() - before).div_ceil(each).min(waiting.idle);
        drop(waiting);
        (0..wanted).for_each(|_| self.arrived.notify_one());
    }

    fn wait<'a>(&self, mut waiting: MutexGuard<'a, Waiting<T>>) -> MutexGuard<'a, Waiting<T>> {
        waiting.idle += 1;
        let mut waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        waiting.idle -= 1;
        waiting
    }

    /// Moves the first item to `into`, waiting for it, and those behind it that `goes_along` (told the first, the other and
    /// how many there are) accepts. False: closed and empty.
    pub fn pop_some(&self, into: &mut Vec<T>, goes_along: impl Fn(&T, &T, usize) -> bool) -> bool {
        let mut waiting = self.lock();
        loop {
            if let Some(first) = waiting.items.front() {
                let behind = waiting.items.iter().skip(1).enumerate();
                let count = 1 + behind.take_while(|(at, item)| goes_along(first, item, at + 1)).count();
                into.extend(waiting.items.drain(..count));
                return true;
            }
            if waiting.closed {
                return false;
            }
            waiting = self.wait(waiting);
        }
    }

    /// Moves all items to `into`, waiting until the deadline for the first. False: closed and empty.
    pub fn take_all(&self, into: &mut VecDeque<T>, deadline: Option<Instant>) -> bool {
        let mut waiting = self.lock();
        while waiting.items.is_empty() && !waiting.closed {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return true;
            }
            waiting = match left {
                None => self.wait(waiting),
                Some(left) => {
                    waiting.idle += 1;
                    let (mut waiting, _) =
                        self.arrived.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
                    waiting.idle -= 1;
                    waiting
                }
            };
        }
        into.append(&mut waiting.items);
        !into.is_empty() || !waiting.closed
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }
}
