//! A shard's mailbox: what other threads want of it, taken whole at each wake-up.
//!
//! Requests are bounded and refused when the box is full; everything else answers something that the shard
//! asked for and is bounded by that. Senders never wait for the shard.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// See the module.
pub(crate) struct Mailbox<L> {
    letters: Mutex<Letters<L>>,
    arrived: Notify,
    /// Most requests that wait.
    capacity: usize,
}

struct Letters<L> {
    waiting: Vec<L>,
    requests: usize,
    closed: bool,
}

impl<L> fmt::Debug for Mailbox<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("waiting", &self.lock().waiting.len()).finish_non_exhaustive()
    }
}

impl<L> Mailbox<L> {
    pub(crate) fn new(capacity: usize) -> Mailbox<L> {
        let letters = Letters { waiting: Vec::new(), requests: 0, closed: false };
        Mailbox { letters: Mutex::new(letters), arrived: Notify::new(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, Letters<L>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request in, or gives it back if the box is full or closed.
    pub(crate) fn request(&self, letter: L) -> Result<(), L> {
        let mut letters = self.lock();
        if letters.closed || letters.requests >= self.capacity {
            return Err(letter);
        }
        letters.requests += 1;
        self.deliver(letters, |waiting| waiting.push(letter));
        Ok(())
    }

    /// Puts requests in, as many as there is room for; the others stay in `batch`.
    pub(crate) fn requests(&self, batch: &mut Vec<L>) {
        let mut letters = self.lock();
        let room = if letters.closed { 0 } else { self.capacity.saturating_sub(letters.requests) };
        let taken = batch.len().min(room);
        if taken > 0 {
            letters.requests += taken;
            self.deliver(letters, |waiting| waiting.extend(batch.drain(..taken)));
        }
    }

    /// Puts in what was asked for.
    pub(crate) fn post(&self, letter: L) {
        self.deliver(self.lock(), |waiting| waiting.push(letter));
    }

    /// Puts in a batch of what was asked for.
    pub(crate) fn post_all(&self, batch: &mut Vec<L>) {
        if !batch.is_empty() {
            self.deliver(self.lock(), |waiting| waiting.append(batch));
        }
    }

    /// Wakes the shard only if the box was empty: otherwise it is awake, or about to be.
    fn deliver(&self, mut letters: MutexGuard<'_, Letters<L>>, put: impl FnOnce(&mut Vec<L>)) {
        if letters.closed {
            return;
        }
        let sleeping = letters.waiting.is_empty();
        put(&mut letters.waiting);
        drop(letters);
        if sleeping {
            self.arrived.notify_one();
        }
    }

    /// Waits for letters and exchanges them all for the empty `batch`.
    pub(crate) async fn take(&self, batch: &mut Vec<L>) {
        loop {
            {
                let mut letters = self.lock();
                if !letters.waiting.is_empty() {
                    letters.requests = 0;
                    std::mem::swap(&mut letters.waiting, batch);
                    return;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Takes nothing more; what waits is dropped.
    pub(crate) fn close(&self) {
        let mut letters = self.lock();
        letters.closed = true;
        letters.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Mailbox;

    #[test]
    fn requests_are_bounded_and_answers_are_not() {
        let mailbox = Mailbox::new(2);
        assert_eq!(mailbox.request(1), Ok(()));
        let mut batch = vec![2, 3];
        mailbox.requests(&mut batch);
        assert_eq!(batch, [3]);
        assert_eq!(mailbox.request(4), Err(4));
        mailbox.post(5);
        mailbox.post_all(&mut vec![6, 7]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut taken = Vec::new();
        runtime.block_on(mailbox.take(&mut taken));
        assert_eq!(taken, [1, 2, 5, 6, 7]);
        assert_eq!(mailbox.request(8), Ok(()));
        mailbox.close();
        assert_eq!(mailbox.request(9), Err(9));
    }
}
