//! Requests, built once and patched in place: a batch of SETs or GETs in one piece of bytes.
//!
//! Always holds: the bytes of a batch never change their length, so that the hot loop writes
//! digits and values over the old ones and does nothing else.

use fastrand::Rng;

/// Digits of a key after its prefix; as `redis-benchmark` writes them.
const KEY_DIGITS: usize = 12;
/// Bytes of random text that values are cut from.
const VALUE_POOL_BYTES: usize = 65_536;

/// What a batch does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SETs.
    Set,
    /// SETs and then one WAIT for one replica.
    SetThenWait,
    /// GETs.
    Get,
}

/// One batch in the form in which it is sent.
#[derive(Clone)]
pub struct Batch {
    /// The encoded commands.
    pub bytes: Vec<u8>,
    /// Operations in it; a WAIT is none.
    pub operations: u32,
    /// Replies that it causes.
    pub replies: u32,
    keys_at: Vec<usize>,
    values_at: Vec<usize>,
}

impl Batch {
    /// Encodes `depth` commands.
    pub fn new(kind: Kind, depth: u32, value_bytes: usize) -> Self {
        let mut batch =
            Self { bytes: Vec::new(), operations: depth, replies: depth, keys_at: vec![], values_at: vec![] };
        for _ in 0..depth {
            let head: &[u8] = if kind == Kind::Get {
                b"*2\r\n$3\r\nGET\r\n$16\r\nkey:"
            } else {
                b"*3\r\n$3\r\nSET\r\n$16\r\nkey:"
            };
            batch.bytes.extend_from_slice(head);
            batch.keys_at.push(batch.bytes.len());
            batch.bytes.extend_from_slice(&[b'0'; KEY_DIGITS]);
            batch.bytes.extend_from_slice(b"\r\n");
            if kind != Kind::Get {
                batch.bytes.extend_from_slice(format!("${value_bytes}\r\n").as_bytes());
                batch.values_at.push(batch.bytes.len());
                batch.bytes.resize(batch.bytes.len() + value_bytes, b'x');
                batch.bytes.extend_from_slice(b"\r\n");
            }
        }
        if kind == Kind::SetThenWait {
            batch.bytes.extend_from_slice(b"*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$4\r\n5000\r\n");
            batch.replies += 1;
        }
        batch
    }

    /// Writes the next keys and values over the last ones.
    pub fn refresh(&mut self, source: &mut Source) {
        for &at in &self.keys_at {
            let mut key = source.next_key();
            for digit in self.bytes[at..at + KEY_DIGITS].iter_mut().rev() {
                *digit = b'0' + (key % 10) as u8;
                key /= 10;
            }
        }
        for &at in &self.values_at {
            let value = source.next_value();
            self.bytes[at..at + value.len()].copy_from_slice(value);
        }
    }
}

/// Where keys and values come from.
pub struct Source {
    rng: Rng,
    keys: u64,
    in_order: Option<u64>,
    pool: Vec<u8>,
    value_bytes: usize,
}

impl Source {
    /// Random keys out of `keys`, values of `value_bytes` random letters.
    pub fn new(seed: u64, keys: u64, value_bytes: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        let pool = (0..VALUE_POOL_BYTES + value_bytes).map(|_| rng.alphanumeric() as u8).collect();
        Self { rng, keys, in_order: None, pool, value_bytes }
    }

    /// From now on each key once, in order.
    pub fn start_in_order(&mut self) {
        self.in_order = Some(0);
    }

    /// From now on random keys.
    pub fn start_random(&mut self) {
        self.in_order = None;
    }

    fn next_key(&mut self) -> u64 {
        match &mut self.in_order {
            Some(next) => {
                let key = *next % self.keys;
                *next += 1;
                key
            }
            None => self.rng.u64(0..self.keys),
        }
    }

    fn next_value(&mut self) -> &[u8] {
        let from = self.rng.usize(0..VALUE_POOL_BYTES);
        &self.pool[from..from + self.value_bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, Kind, Source};

    #[test]
    fn batches_keep_their_length_and_count_their_replies() {
        let mut source = Source::new(1, 50, 7);
        for (kind, replies) in [(Kind::Set, 3), (Kind::SetThenWait, 4), (Kind::Get, 3)] {
            let mut batch = Batch::new(kind, 3, 7);
            let length = batch.bytes.len();
            batch.refresh(&mut source);
            assert_eq!((batch.bytes.len(), batch.operations, batch.replies), (length, 3, replies));
        }
    }

    #[test]
    fn keys_in_order_are_decimal_and_wrap() {
        let mut source = Source::new(1, 2, 1);
        source.start_in_order();
        let mut batch = Batch::new(Kind::Get, 3, 1);
        batch.refresh(&mut source);
        let text = String::from_utf8(batch.bytes).unwrap();
        let keys: Vec<&str> = text.lines().filter(|line| line.starts_with("key:")).collect();
        assert_eq!(keys, ["key:000000000000", "key:000000000001", "key:000000000000"]);
    }
}
