//! Several sorted sequences of a cell as one: of entries with the same key only the newest comes out. Knows tables and
//! memtables only as [`Entries`], and leaves none out by itself. After an error it must not be asked again.

use super::Value;
use clockwise_core::storage::LoadError;

/// Entries of rising keys, each key once.
pub trait Entries {
    /// The next entry: its value, and its stored key in the place of what `key` holds; `None` behind the last.
    fn next(&mut self, key: &mut Vec<u8>) -> Result<Option<Value>, LoadError>;
}

/// A merge stopped at an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MergeError {
    /// Which input cannot be read on, counted from 0.
    pub input: usize,
    /// Why.
    pub error: LoadError,
}

/// What comes out.
#[derive(Debug)]
pub struct Merged<'a> {
    /// The input that it comes from, counted from 0.
    pub input: usize,
    /// The stored key.
    pub key: &'a [u8],
    /// What the input has for it.
    pub value: Value,
}

/// The heads of the inputs, newest input first.
pub struct Merge<E> {
    inputs: Vec<Input<E>>,
    /// The input whose head came out last and is still to be replaced.
    given: Option<usize>,
}

struct Input<E> {
    entries: E,
    /// The stored key of the head.
    key: Vec<u8>,
    /// `None` behind the last entry.
    value: Option<Value>,
}

impl<E: Entries> Merge<E> {
    /// Begins a merge; the newest input comes first.
    pub fn new(inputs: impl IntoIterator<Item = E>) -> Result<Merge<E>, MergeError> {
        let input = |entries| Input { entries, key: Vec::new(), value: None };
        let mut merge = Merge { inputs: inputs.into_iter().map(input).collect(), given: None };
        (0..merge.inputs.len()).try_for_each(|at| merge.advance(at))?;
        Ok(merge)
    }

    fn advance(&mut self, at: usize) -> Result<(), MergeError> {
        let input = &mut self.inputs[at];
        input.value = input.entries.next(&mut input.key).map_err(|error| MergeError { input: at, error })?;
        Ok(())
    }

    /// The next key with its newest value.
    pub fn next_entry(&mut self) -> Result<Option<Merged<'_>>, MergeError> {
        if let Some(given) = self.given.take() {
            self.advance(given)?;
        }
        let mut newest: Option<usize> = None;
        for (at, input) in self.inputs.iter().enumerate() {
            if input.value.is_some() && newest.is_none_or(|newest| input.key < self.inputs[newest].key) {
                newest = Some(at);
            }
        }
        let Some(at) = newest else { return Ok(None) };
        for older in at + 1..self.inputs.len() {
            if self.inputs[older].value.is_some() && self.inputs[older].key == self.inputs[at].key {
                self.advance(older)?;
            }
        }
        self.given = Some(at);
        let input = &mut self.inputs[at];
        Ok(input.value.take().map(|value| Merged { input: at, key: &input.key, value }))
    }
}
