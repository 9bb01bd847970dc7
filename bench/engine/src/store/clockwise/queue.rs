//! A queue between threads. What is in it is bounded by who fills it: engines bound their jobs, drivers wait
//! while the log is behind.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

struct Waiting<T> {
    items: VecDeque<T>,
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
            waiting: Mutex::new(Waiting { items: VecDeque::new(), closed: false }),
            arrived: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends, and wakes one thread that waits.
    pub fn push(&self, item: T) {
        self.lock().items.push_back(item);
        self.arrived.notify_one();
    }

    /// As `push`, before all others.
    pub fn push_front(&self, item: T) {
        self.lock().items.push_front(item);
        self.arrived.notify_one();
    }

    /// Waits for the first item. `None`: closed and empty.
    pub fn pop(&self) -> Option<T> {
        let mut waiting = self.lock();
        loop {
            if let Some(item) = waiting.items.pop_front() {
                return Some(item);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
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
                None => self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    self.arrived.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0
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
