//! The replies that a connection owes, in the order of its commands.
//!
//! Every command that does not answer at once takes a place; its reply leaves when all places before it have
//! left. The queue also knows which writes are unfinished, because a read of the same key starts only after
//! them, and how many bytes its places hold or are expected to bring. It renders nothing and knows no socket.

use std::collections::VecDeque;

/// Names a place; grows by one with every place taken.
pub(crate) type Seq = u64;

/// A command's place. `O` is what an open command still needs to know, `D` a reply that waits for its turn.
#[derive(Debug)]
struct Place<O, D> {
    state: State<O, D>,
    /// Hash of the key of an unfinished write.
    writes: Option<u32>,
    /// What an open command is expected to bring, or what a reply holds.
    bytes: usize,
}

#[derive(Debug)]
enum State<O, D> {
    Open(O),
    Done(D),
    /// Taken out while it is worked on.
    Moved,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ReplyQueue<O, D> {
    first: Seq,
    places: VecDeque<Place<O, D>>,
    unfinished_writes: usize,
    open: usize,
    bytes: usize,
}

impl<O, D> ReplyQueue<O, D> {
    pub(crate) fn new() -> ReplyQueue<O, D> {
        ReplyQueue { first: 0, places: VecDeque::new(), unfinished_writes: 0, open: 0, bytes: 0 }
    }

    /// Whether no reply is owed: the next one may be written at once.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Places taken, finished ones that wait for their turn among them.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Commands without an answer.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Bytes that all places hold or are expected to bring.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a place for a command that is about to start; `writes` is the hash of the key that it changes.
    pub(crate) fn start(&mut self, open: O, writes: Option<u32>) -> Seq {
        self.unfinished_writes += usize::from(writes.is_some());
        self.open += 1;
        self.places.push_back(Place { state: State::Open(open), writes, bytes: 0 });
        self.first + self.places.len() as u64 - 1
    }

    /// Notes how many bytes a place holds or is expected to bring.
    pub(crate) fn charge(&mut self, seq: Seq, bytes: usize) {
        if let Some(place) = self.place(seq) {
            let before = std::mem::replace(&mut place.bytes, bytes);
            self.bytes = self.bytes - before + bytes;
        }
    }

    /// Takes a place for a reply of so many bytes that is known already.
    pub(crate) fn push(&mut self, done: D, bytes: usize) {
        self.bytes += bytes;
        self.places.push_back(Place { state: State::Done(done), writes: None, bytes });
    }

    /// Whether an unfinished write has this key hash.
    pub(crate) fn writes(&self, hash: u32) -> bool {
        self.unfinished_writes > 0 && self.places.iter().any(|place| place.writes == Some(hash))
    }

    /// What an open command needs to know; `None` if the place is not open any more.
    pub(crate) fn get_mut(&mut self, seq: Seq) -> Option<&mut O> {
        match &mut self.place(seq)?.state {
            State::Open(open) => Some(open),
            _ => None,
        }
    }

    /// Closes an open place. True: it is the first and replies may leave, so it is to be written now and followed
    /// by [`ReplyQueue::next`]. False: the caller hands the reply to [`ReplyQueue::keep`].
    pub(crate) fn finish(&mut self, seq: Seq, may_leave: bool) -> Option<(O, bool)> {
        let first = may_leave && seq == self.first;
        let place = self.place(seq)?;
        let State::Open(open) = std::mem::replace(&mut place.state, State::Moved) else {
            return None;
        };
        let wrote = place.writes.take().is_some();
        self.unfinished_writes -= usize::from(wrote);
        self.open -= 1;
        if first {
            self.pop();
        }
        Some((open, first))
    }

    /// Keeps the reply, of so many bytes, of a place that [`ReplyQueue::finish`] closed out of turn.
    pub(crate) fn keep(&mut self, seq: Seq, done: D, bytes: usize) {
        self.charge(seq, bytes);
        if let Some(place) = self.place(seq) {
            place.state = State::Done(done);
        }
    }

    /// The next reply whose turn it is.
    pub(crate) fn next(&mut self) -> Option<D> {
        match self.places.front()?.state {
            State::Done(_) => {}
            _ => return None,
        }
        match self.pop()?.state {
            State::Done(done) => Some(done),
            _ => None,
        }
    }

    fn pop(&mut self) -> Option<Place<O, D>> {
        let place = self.places.pop_front()?;
        self.first += 1;
        self.bytes -= place.bytes;
        Some(place)
    }

    fn place(&mut self, seq: Seq) -> Option<&mut Place<O, D>> {
        let index = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.places.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::ReplyQueue;

    /// Finishes a place and answers what leaves because of it.
    fn finish(queue: &mut ReplyQueue<&'static str, &'static str>, seq: u64) -> Vec<&'static str> {
        let (open, first) = queue.finish(seq, true).expect("an open place");
        let mut left = Vec::new();
        if first {
            left.push(open);
        } else {
            queue.keep(seq, open, open.len());
        }
        while first && let Some(done) = queue.next() {
            left.push(done);
        }
        left
    }

    #[test]
    fn replies_leave_in_the_order_of_the_commands() {
        let mut queue = ReplyQueue::new();
        let a = queue.start("a", None);
        let b = queue.start("b", None);
        queue.push("ping", 4);
        let c = queue.start("c", None);
        assert_eq!((queue.len(), queue.open()), (4, 3));
        assert!(finish(&mut queue, b).is_empty());
        assert_eq!(finish(&mut queue, a), ["a", "b", "ping"]);
        assert!(queue.finish(b, true).is_none());
        assert_eq!(finish(&mut queue, c), ["c"]);
        assert!(queue.is_empty());
    }

    #[test]
    fn bytes_are_counted_from_the_start_of_a_command_until_its_reply_left() {
        let mut queue = ReplyQueue::new();
        let a = queue.start("a", None);
        let b = queue.start("bb", None);
        queue.charge(a, 100);
        queue.charge(b, 50);
        queue.push("ping", 4);
        assert_eq!(queue.bytes(), 154);
        finish(&mut queue, b);
        assert_eq!(queue.bytes(), 106, "what came counts, not what was expected");
        finish(&mut queue, a);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn a_reply_whose_turn_it_is_is_kept_while_nothing_may_leave() {
        let mut queue = ReplyQueue::new();
        let a = queue.start("a", None);
        let b = queue.start("b", None);
        let (open, first) = queue.finish(a, false).expect("an open place");
        assert!(!first);
        queue.keep(a, open, 1);
        assert!(finish(&mut queue, b).is_empty());
        assert_eq!((queue.next(), queue.next(), queue.next()), (Some("a"), Some("b"), None));
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn a_key_is_being_written_until_its_last_write_is_finished() {
        let mut queue = ReplyQueue::new();
        let first = queue.start("w", Some(7));
        let second = queue.start("w", Some(7));
        queue.start("r", None);
        assert!(queue.writes(7) && !queue.writes(8));
        finish(&mut queue, second);
        assert!(queue.writes(7));
        finish(&mut queue, first);
        assert!(!queue.writes(7));
    }
}
