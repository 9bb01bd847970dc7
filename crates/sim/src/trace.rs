//! What happened, as one number that is the same exactly if everything was the same, and as text if wanted.

/// The trace of a run.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hash: u64,
    text: Option<Vec<String>>,
}

impl Trace {
    /// A trace; readable if `text` is set.
    pub(crate) fn new(text: bool) -> Trace {
        Trace { hash: 0x243f_6a88_85a3_08d3, text: text.then(Vec::new) }
    }

    /// The number so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Takes note of a number.
    pub(crate) fn number(&mut self, number: u64) {
        let mixed = (self.hash ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.hash = mixed ^ mixed.rotate_right(29);
    }

    /// Takes note of bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        let tail = rest.iter().fold(1u64, |tail, byte| (tail << 8) | u64::from(*byte));
        self.number(tail);
    }

    /// Adds a line of text, made only if somebody wants to read it.
    pub(crate) fn line(&mut self, at_us: u64, line: impl FnOnce() -> String) {
        if let Some(text) = &mut self.text {
            text.push(format!("{:>5}.{:06} {}", at_us / 1_000_000, at_us % 1_000_000, line()));
        }
    }

    /// The lines.
    pub(crate) fn take_text(&mut self) -> Vec<String> {
        self.text.take().unwrap_or_default()
    }
}
